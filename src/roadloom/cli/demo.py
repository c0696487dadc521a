"""``roadloom demo``: a drive through the built-in town shown every way there is, and a made one."""

import sys
from dataclasses import dataclass
from pathlib import Path

from roadloom.cli.command import Command
from roadloom.cli.view import read_rig, tell

WIDTH, SCALE = 480, 0.3
"""Images of the demo are at most this wide; of the six-camera rig's own width that is SCALE."""
SECONDS = 12.0
GENERATED = "generated"
"""Folder in the demo's own."""


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """Drive through the built-in town: no download, no GPU, two or three minutes on a laptop.

    Writes a page that plays offline, pictures of all cameras, a LiDAR sweep (.ply), occupancy
    (.npz) and a film (.mp4); then, in OUT/generated, occupancy that a diffusion transformer
    makes up along the same way, beside the recorded. Example: roadloom demo --out out/demo
    """

    out: Path = Path("out/demo")
    """Folder for the results; created if missing."""
    scene: int = 9
    """Which scene of the validation split."""
    rig: Path | None = None
    """YAML of your own vehicle; the six-camera rig of nuScenes by default."""

    def run(self) -> int:
        from roadloom.io.extras import need
        from roadloom.scene.clip import Clip
        from roadloom.town.config import TownConfig
        from roadloom.town.source import TownSource
        from roadloom.viewer.write import ViewOptions, write_view

        need("diffusers")
        rig = read_rig(self.rig)
        widest = max((m.camera.width for m in rig.cameras), default=0) if rig else WIDTH / SCALE
        scale = min(1.0, WIDTH / widest) if widest else 1.0
        config = TownConfig(rig=rig, image_scale=scale, duration_s=SECONDS)
        clip = Clip(TownSource("val", config).open_scene(str(self.scene)))
        sys.stderr.write(f"{clip}\n")
        tell(self.out, write_view(clip, self.out, ViewOptions()))
        self._generate()
        return 0

    def _generate(self) -> None:
        from roadloom.pipelines.beside import write_beside
        from roadloom.pipelines.generate import default_model
        from roadloom.pipelines.hexplane import load_world

        folder, window = self.out / GENERATED, f"town-v1:val:{self.scene}@0"
        film, *_ = write_beside(load_world(default_model()), window, folder)
        sys.stdout.write(
            f"a drive that was never recorded, along the same roads, in {folder}\n"
            f"look at {film}: recorded on the left, generated on the right\n"
        )
