"""Pictures and films of every use of the generator, from a real drive.

    python -m studies.hexplane_gallery --data DIR/val --model DIT --student STUDENT --vae VAE \\
        --scene-name 0003 --start 40 --steps 50 --guidance 2 --out OUT

For each use OUT/NAME.png, four moments, and OUT/NAME.mp4 (needs the extra ``video``; left out with
``--no-films``); OUT/overview.png holds one row of each, in few colours. Of conditions, edits and
forecasts the recorded window that they come from stands above. Layouts lie on the ground, the
asked way is a strip of cells on it. Nothing is chosen by hand: seeds go up from ``--seed``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from roadloom.datasets.drive_conditions import COMMANDS
from roadloom.datasets.windows import OccupancyWindows
from roadloom.io.atomic import atomic_file
from roadloom.io.image import write_image
from roadloom.io.progress import show_progress
from roadloom.io.video import write_video
from roadloom.metrics.oblique import ObliqueCamera, oblique_view
from roadloom.models.hexplane.conditions import Conditions
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.pipelines.regions import region_of
from roadloom.pipelines.uses import How, Window, drive, forecast, generate, inpaint, outpaint
from roadloom.scene.palette import view_colors
from studies.hexplane_common import asked, conditions_of, motion, options, windows_of, world_of

MOMENTS = 4
SIZE, SMALL = (192, 256), (120, 160)
"""Height and width of one view [px], of its own picture and in the overview."""
GAP, TITLE = 4, 18
COLOURS = 48
"""Of the overview."""
REGION = (2.0, -25.6, 25.6, 25.6)
"""That is in-painted [m]."""


@dataclass(frozen=True)
class Shown:
    """One row: a film of labels, view ids [T X Y Z], and what it is."""

    name: str
    title: str
    labels: Tensor
    above: Tensor | None = None
    """What it was made from."""


class Pen:
    """Draws labels; views of a size are worked out once."""

    def __init__(self, world: HexPlaneWorld, size: tuple[int, int]) -> None:
        x, y, z = world.box.cell_m
        camera = ObliqueCamera(height=size[0], width=size[1])
        self.view = oblique_view(world.box.shape, (x, y, z), camera)
        self.colors = view_colors(world.config.class_view)

    def frames(self, labels: Tensor) -> np.ndarray:
        return self.view.draw(labels.numpy(), self.colors)

    def moments(self, labels: Tensor) -> np.ndarray:
        chosen = np.linspace(0, len(labels) - 1, MOMENTS).round().astype(int)
        return beside(list(self.frames(labels[chosen])))


def beside(pictures: list[np.ndarray], axis: int = 1) -> np.ndarray:
    parts: list[np.ndarray] = []
    for picture in pictures:
        height, width, _ = picture.shape
        shape = (height, GAP, 3) if axis == 1 else (GAP, width, 3)
        parts += [np.full(shape, 255, np.uint8), picture]
    return np.concatenate(parts[1:], axis=axis)


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    sheet = Image.new("RGB", (picture.shape[1], picture.shape[0] + TITLE), "white")
    sheet.paste(Image.fromarray(picture), (0, TITLE))
    ImageDraw.Draw(sheet).text((2, 2), title, fill="black", font=ImageFont.load_default(13))
    return np.asarray(sheet)


def layout_labels(world: HexPlaneWorld, layout: Tensor) -> Tensor:
    """A layout [T K x y] as labels on the ground; later kinds lie on earlier ones."""
    x, y, z = world.box.shape
    names, frames = world.class_view.names, len(layout)
    out = torch.zeros((frames, x, y, z), dtype=torch.uint8)
    pool = x // layout.shape[2]
    for kind, plane in zip(world.config.layout, layout.movedim(1, 0), strict=True):
        whole = plane.bool().repeat_interleave(pool, 1).repeat_interleave(pool, 2)
        out[..., 0][whole] = names.index(kind)
    return out


def way_labels(world: HexPlaneWorld, rows: Tensor, kind: str = "Vehicle") -> Tensor:
    """A trajectory [T 3] as a strip of three cells that grows, seen from its first frame."""
    box, names = world.box, world.class_view.names
    out = torch.zeros((len(rows), *box.shape), dtype=torch.uint8)
    out[..., 0] = names.index("Road") if "Road" in names else 1
    low, edge = torch.tensor(box.lower_m[:2]), torch.tensor(box.cell_m[:2])
    cells = ((rows[:, :2].double() - low) / edge).long()
    for frame in range(len(rows)):
        for x, y in cells[: frame + 1].tolist():
            if 0 <= x < box.shape[0] and 1 <= y < box.shape[1] - 1:
                out[frame, x, y - 1 : y + 2, 1] = names.index(kind)
    return out


class Gallery:
    def __init__(self, world: HexPlaneWorld, windows: OccupancyWindows, args: Any) -> None:
        self.world, self.windows, self.args = world, windows, args
        self.how = How(sampler=world.sampler(args.steps), guidance=args.guidance)
        self.alone = replace(self.how, guidance=1.0)  # a drive that is told nothing has its gain
        scenes = [scene.drive.scene_id for scene in windows.scenes]
        self.scene = 0 if args.scene_name is None else scenes.index(args.scene_name)
        found = windows.scenes[self.scene].window_at(args.start)
        if found is None:
            raise SystemExit(f"no window begins at frame {args.start} of {scenes[self.scene]}")
        before = sum(len(scene.starts) for scene in windows.scenes[: self.scene])
        self.number = before + found
        if windows.previous(self.number) is None:
            raise SystemExit(f"frame {args.start} has no window before it: start later")

    @cached_property
    def real(self) -> Tensor:
        return self.windows.read(self.number, 0)["voxels"]

    @cached_property
    def past(self) -> Tensor:
        before = self.windows.previous(self.number)
        assert before is not None
        return self.windows.read(before, 0)["voxels"]

    @cached_property
    def way(self) -> Tensor:
        """The ego's motion through the real window."""
        return motion(self.windows, self.number)[0]

    def rows(self) -> Iterator[Shown]:
        known = self.world.config.dit.conditions
        yield Shown("recorded", "recorded", self.real)
        yield Shown("rebuilt", "the same through the autoencoder", self.rebuilt(), self.real)
        for number in range(self.args.seeds):
            (made,) = generate(self.world, [self.args.seed + number], how=self.how)
            yield Shown(f"nothing_{number}", "from nothing", made.labels)
        if "layout" in known:
            own = self._conditions("layout")
            assert own.layout is not None
            yield self._from(own, "layout", "from a layout: road, sidewalk, vehicles",
                             layout_labels(self.world, own.layout[0]))  # fmt: skip
        if "trajectory" in known:
            own = self._conditions("trajectory")
            assert own.trajectory is not None
            yield self._from(own, "trajectory", "along a trajectory",
                             way_labels(self.world, own.trajectory[0]))  # fmt: skip
        if "command" in known:
            for index, word in enumerate(COMMANDS):
                own = Conditions(command=torch.tensor([index]))
                yield self._from(own, f"command_{word}", f"by the command {word}", None)
        if "previous" in known:
            yield self._from(self._conditions("previous"), "previous", "after recorded frames",
                             self.past)  # fmt: skip
            yield Shown("drive", "a drive of 128 frames", self.driven())
            after = forecast(
                self.world, self.real, 2, self.args.seed, how=self.alone, motion=self.way
            )
            labels = torch.cat([window.labels for window in after])
            yield Shown("forecast", "forecast of 32 frames", labels, self.real)
        yield from self.edits()

    def rebuilt(self) -> Tensor:
        return self.world.labels(self.world.encode(self.real[None], self.way[None]))[0]

    def driven(self) -> Tensor:
        chunks = drive(self.world, self.args.chunks, self.args.seed, how=self.alone)
        return torch.cat([window.labels for window in chunks])

    def edits(self) -> Iterator[Shown]:
        region = region_of(self.world.box, REGION)
        for paste in (False, True):
            made = inpaint(
                self.world, self.real, region, self.args.seed, how=self.how, motion=self.way,
                paste=paste,
            )  # fmt: skip
            name = "inpaint_pasted" if paste else "inpaint"
            title = "in-painted ahead" + (", the rest pasted back" if paste else "")
            yield Shown(name, title, made.labels, self.real)
        for direction in ("front", "left"):
            out = outpaint(
                self.world, self.real, direction, self.args.seed, how=self.how,  # type: ignore[arg-type]
                motion=self.way,
            )  # fmt: skip
            yield Shown(
                f"outpaint_{direction}", f"out-painted to the {direction}", out.labels, self.real
            )

    def _conditions(self, name: str) -> Conditions:
        return conditions_of(self.world, self.windows, self.number, [name])

    def _from(self, own: Conditions, name: str, title: str, above: Tensor | None) -> Shown:
        made: Window
        (made,) = generate(self.world, [self.args.seed], own, self.how)
        return Shown(name, title, made.labels, above)


def few_steps(args: Any) -> Iterator[Shown]:
    """The student's, of the same seeds."""
    world = world_of(args, "student")
    steps = world.sampler().steps
    for number in range(args.seeds):
        (made,) = generate(world, [args.seed + number])
        yield Shown(f"student_{number}", f"from nothing, student of {steps} steps", made.labels)


def film(path: Path, shown: Shown, pen: Pen, hz: float) -> None:
    def frames() -> Iterator[np.ndarray]:
        for number, labels in enumerate(shown.labels):
            pictures = [pen.frames(labels[None])[0]]
            if shown.above is not None:
                at = min(number, len(shown.above) - 1)
                pictures.insert(0, pen.frames(shown.above[at][None])[0])
            yield beside(pictures).repeat(2, 0).repeat(2, 1)

    write_video(path, frames(), Fraction(hz).limit_denominator(1000))


def save_overview(path: Path, rows: list[np.ndarray], across: int) -> None:
    """Rows in columns, in few colours; says how large the file is."""
    height = -(-len(rows) // across)
    blank = np.full_like(rows[0], 255)
    columns = [rows[i * height : (i + 1) * height] for i in range(across)]
    columns = [column + [blank] * (height - len(column)) for column in columns]
    sheet = beside([beside(column, axis=0) for column in columns if column])
    image = Image.fromarray(sheet).quantize(COLOURS, dither=Image.Dither.NONE)
    with atomic_file(path) as temporary:
        image.save(temporary, "PNG", optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--scene-name", help="of the data; the first if left out")
    parser.add_argument("--start", type=int, default=48, help="first frame of the real window")
    parser.add_argument("--steps", type=int, help="of the sampler; the generator's own if left out")
    parser.add_argument("--seeds", type=int, default=2, help="windows from nothing")
    parser.add_argument("--chunks", type=int, default=8, help="windows of the drive")
    parser.add_argument("--across", type=int, default=2, help="columns of the overview")
    parser.add_argument("--no-films", action="store_true")
    args = asked(parser)
    if args.model is None:
        parser.error("name --model; a student alone knows only its own steps")
    if args.quick:
        args.steps, args.seeds, args.chunks = 2, 1, 2
    world = world_of(args)
    large, small = Pen(world, SIZE), Pen(world, SMALL)
    gallery = Gallery(world, windows_of(args, world, 1), args)
    every = iter(gallery.rows())
    overview = []
    bar = show_progress(desc="gallery", unit="row")
    with bar:
        for source in (every, few_steps(args) if args.student else ()):
            for shown in source:
                films = [] if shown.above is None else [large.moments(shown.above)]
                picture = beside([*films, large.moments(shown.labels)], axis=0)
                write_image(args.out / f"{shown.name}.png", titled(picture, shown.title))
                if not args.no_films:
                    film(args.out / f"{shown.name}.mp4", shown, large, world.config.hz)
                if shown.name not in SPARED:
                    overview.append(titled(small.moments(shown.labels), shown.title))
                bar.update(1)
    save_overview(args.out / "overview.png", overview, args.across)


SPARED = ("nothing_1", "student_1", "command_static", "inpaint_pasted", "outpaint_left")
"""Not in the overview."""

if __name__ == "__main__":
    main()
