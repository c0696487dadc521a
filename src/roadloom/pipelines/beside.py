"""A generated drive beside the recorded one whose layout and way it was given.

    recorded windows -> layout, trajectory -> generator -> OUT/window-0000, look.png, look.mp4
                     -> pictures of both, frame by frame -> OUT/beside.png, OUT/beside.mp4

The generator sees what is named in ``USE`` and nothing else of the recording.
"""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput
from roadloom.io.atomic import atomic_folder
from roadloom.io.image import write_image
from roadloom.io.video import write_video
from roadloom.pipelines.generate import Wish, write_generated
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.pipelines.pictures import Picture, draw_labels, enlarged, side_by_side, views
from roadloom.pipelines.real_windows import RealWindows
from roadloom.scene.registry import open_source

USE = ("layout", "trajectory")
FILM, SHEET = "beside.mp4", "beside.png"
OUTPUTS = {FILM, SHEET, "look.png", "look.mp4", "window-0000"}


def write_beside(
    world: HexPlaneWorld, window: str, out: str | Path, *, windows: int = 2, seed: int = 0
) -> list[Path]:
    """Generate along a recording, and show both; recorded on the left, or above.

    Writes all of it or nothing; returns the film first.

    Args:
        window: where the recording begins, see ``real_windows``.
        out: folder; what an earlier call wrote there is replaced.
        windows: how many follow each other.

    Raises:
        BadInput, MissingInput: no such recording, or the folder holds something else.
        MissingExtra: diffusers or PyAV is not installed.
    """
    folder = Path(out)
    _clear(folder)
    frames = windows * world.frames
    wish = Wish(frames=frames, seed=seed, window=window, use=USE)
    with atomic_folder(folder) as temporary:
        for part in write_generated(world, wish, temporary / "made"):
            part.rename(temporary / part.name)
        (temporary / "made").rmdir()
        _show(world, window, windows, temporary)
        names = sorted(path.name for path in temporary.iterdir())
    return [folder / FILM, *(folder / name for name in names if name != FILM)]


def _show(world: HexPlaneWorld, window: str, windows: int, folder: Path) -> None:
    made = open_source(f"folder:{folder}").clip("window-0000")
    moments = set(np.linspace(0, len(made) - 1, 4).round().astype(int).tolist())
    pairs = zip(_recorded(world, window, windows), views(made), strict=True)
    rows: list[list[Picture]] = []

    def one_pass() -> Iterator[Picture]:
        for number, pair in enumerate(pairs):
            if number in moments:
                rows.append(list(pair))
            yield enlarged(side_by_side(pair))

    write_video(folder / FILM, one_pass(), Fraction(world.config.hz).limit_denominator(1000))
    above = [side_by_side(row) for row in zip(*rows, strict=True)]
    write_image(folder / SHEET, side_by_side(above, axis=0))


def _recorded(world: HexPlaneWorld, window: str, windows: int) -> Iterator[Picture]:
    real = RealWindows(world, window)
    for number in range(windows):
        labels = world.class_view.to_classes(real.read(number).voxels.numpy())
        yield from (draw_labels(frame, world.box) for frame in labels)


def _clear(folder: Path) -> None:
    """Remove what an earlier call wrote; leave a folder of anything else alone."""
    if not folder.is_dir():
        return
    if odd := {path.name for path in folder.iterdir()} - OUTPUTS:
        raise BadInput(
            f"holds {sorted(odd)[0]}, which is not of an earlier run", file=folder,
            remedy="name another folder, or empty it",
        )  # fmt: skip
    shutil.rmtree(folder)
