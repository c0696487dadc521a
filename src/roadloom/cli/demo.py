"""``roadloom demo``: a drive through the built-in town, shown every way there is."""

import sys
from dataclasses import dataclass
from pathlib import Path

from roadloom.cli.command import Command
from roadloom.cli.view import read_rig, tell


@dataclass(frozen=True, kw_only=True)
class Demo(Command):
    """Drive through the built-in town: no download, no GPU, a minute on a laptop.

    Writes a page that plays offline, pictures of all cameras, a LiDAR sweep (.ply), occupancy
    (.npz) and a film (.mp4). Example: roadloom demo --out out/demo
    """

    out: Path = Path("out/demo")
    """Folder for the results; created if missing."""
    scene: int = 0
    """Which scene of the validation split."""
    rig: Path | None = None
    """YAML of your own vehicle; the six-camera rig of nuScenes by default."""

    def run(self) -> int:
        import roadloom
        from roadloom.viewer.write import ViewOptions, write_view

        clip = roadloom.open(f"town-v1:val:{self.scene}", rig=read_rig(self.rig))[0]
        sys.stderr.write(f"{clip}\n")
        tell(self.out, write_view(clip, self.out, ViewOptions()))
        return 0
