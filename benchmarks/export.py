"""How many key frames per second an export to nuScenes writes: one JSON line per measurement.

    python benchmarks/export.py

Four seconds of a clip of the built-in town: without images; with six images of 800 x 450, which
have to be drawn first; and the latter export exported again, where images are copied. Each with one
process, and each from nothing. Even without images the town casts them, as its boxes state how
much of them the cameras see.
"""

import json
import shutil
import tempfile
import time
from pathlib import Path

from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.run import export_nuscenes
from roadloom.scene import registry
from roadloom.town.config import TownConfig
from roadloom.town.source import TownSource

SECONDS = 4.0
SIZE = (800, 450)


class ShortTown(TownSource):
    """The first scene of val, cut short."""

    def __init__(self, place: str) -> None:
        super().__init__(place, TownConfig(duration_s=SECONDS))

    @property
    def scenes(self) -> tuple[str, ...]:
        return ("0",)


def taken(source: str, root: Path, options: NuScenesOptions) -> tuple[float, float, int]:
    """Seconds, seconds of processor time, and key frames of one export."""
    shutil.rmtree(root, ignore_errors=True)
    start, busy = time.perf_counter(), time.process_time()
    done = export_nuscenes(source, root, options)
    passed, busy = time.perf_counter() - start, time.process_time() - busy
    return passed, busy, done.counts["key_frames"]


def main() -> None:
    registry.KINDS["short-town"] = f"{__name__}:ShortTown"
    with tempfile.TemporaryDirectory() as folder:
        root, again = Path(folder, "town"), Path(folder, "again")
        images = NuScenesOptions()
        taken("short-town:val", root, NuScenesOptions(images=False))  # compiles
        ways = {
            "town, no images": lambda: taken("short-town:val", root, NuScenesOptions(images=False)),
            "town, images drawn": lambda: taken("short-town:val", root, images),
            "its export, images copied": lambda: taken(f"nuscenes:{root}", again, images),
        }
        for way, run in ways.items():
            seconds, busy, frames = run()
            line = {
                "benchmark": "export",
                "way": way,
                "images": None if "no images" in way else f"6 x {SIZE[0]} x {SIZE[1]}",
                "key_frames": frames,
                "seconds": round(seconds, 2),
                "cpu_seconds": round(busy, 2),
                "key_frames_per_s": round(frames / seconds, 3),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
