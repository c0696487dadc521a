"""``roadloom demo``: a drive through the built-in town, shown every way there is."""

import sys
from dataclasses import dataclass
from pathlib import Path

from roadloom.cli.command import Command
from roadloom.cli.view import read_rig, tell

WIDTH, SCALE = 480, 0.3
"""Images of the demo are at most this wide; of the six-camera rig's own width that is SCALE."""
SECONDS = 12.0


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """Drive through the built-in town: no download, no GPU, a minute or two on a laptop.

    Writes a page that plays offline, pictures of all cameras, a LiDAR sweep (.ply), occupancy
    (.npz) and a film (.mp4). Example: roadloom demo --out out/demo
    """

    out: Path = Path("out/demo")
    """Folder for the results; created if missing."""
    scene: int = 9
    """Which scene of the validation split."""
    rig: Path | None = None
    """YAML of your own vehicle; the six-camera rig of nuScenes by default."""

    def run(self) -> int:
        from roadloom.scene.clip import Clip
        from roadloom.town.config import TownConfig
        from roadloom.town.source import TownSource
        from roadloom.viewer.write import ViewOptions, write_view

        rig = read_rig(self.rig)
        widest = max((m.camera.width for m in rig.cameras), default=0) if rig else WIDTH / SCALE
        scale = min(1.0, WIDTH / widest) if widest else 1.0
        config = TownConfig(rig=rig, image_scale=scale, duration_s=SECONDS)
        clip = Clip(TownSource("val", config).open_scene(str(self.scene)))
        sys.stderr.write(f"{clip}\n")
        tell(self.out, write_view(clip, self.out, ViewOptions()))
        return 0
