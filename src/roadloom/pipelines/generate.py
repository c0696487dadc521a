"""``roadloom generate hexplane``: from a wish to a folder of clips with a picture and a film.

OUT/window-0000/   one clip per seed, opened as folder:OUT
OUT/look.png       some moments of each
OUT/look.mp4       the first of them, playing
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from roadloom.datasets.drive_conditions import COMMANDS
from roadloom.errors import BadInput, MissingInput
from roadloom.io.atomic import atomic_folder, check_new_folder
from roadloom.io.extras import need
from roadloom.io.progress import show_progress
from roadloom.io.read import read_json
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.store import CONFIG, find_model, shipped
from roadloom.pipelines.ego import compose, invert
from roadloom.pipelines.hexplane import STEPS, HexPlaneWorld
from roadloom.pipelines.pictures import write_film, write_look
from roadloom.pipelines.real_windows import RealWindows
from roadloom.pipelines.regions import region_of
from roadloom.pipelines.saved import clip_of, story
from roadloom.pipelines.uses import (
    Direction,
    How,
    Window,
    drive,
    follow_gain,
    forecast,
    inpaint,
    outpaint,
)
from roadloom.scene.clip import Clip

Edit = Literal["inpaint", "outpaint", "forecast"]
MOST_FRAMES = 100_000


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be generated.

    Raises:
        BadInput: numbers out of range, or parts that do not go together.
    """

    count: int = 1
    """Clips, with seeds from ``seed`` on."""
    frames: int | None = None
    """Of each clip; None: of one window."""
    seed: int = 0
    steps: int | None = None
    guidance: float = 1.0
    command: tuple[str, ...] = ()
    """One for all windows of a clip, or one for each."""
    trajectory: Path | None = None
    """JSON: a row x, y [m], yaw [rad] for every frame, in the first frame's ego frame."""
    window: str | None = None
    """Recorded window to start from, see ``real_windows``."""
    use: tuple[str, ...] = ()
    """Conditions taken from it."""
    edit: Edit | None = None
    """What is done with it."""
    region: str | None = None
    """x0,y0,x1,y1 [m] of ``inpaint``; a side may be inf or -inf."""
    direction: Direction = "front"
    """Of ``outpaint``."""
    paste: bool = False
    """Of ``inpaint``: put the recorded labels back outside the region."""

    def __post_init__(self) -> None:
        for name, least in (("count", 1), ("frames", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise BadInput(f"must be at least {least}, got {value}", field=name)
        if (self.frames or 0) > MOST_FRAMES:
            raise BadInput(f"must be at most {MOST_FRAMES}", field="frames")
        if not isfinite(self.guidance):
            raise BadInput(
                f"must be finite, got {self.guidance}", field="guidance",
                remedy="leave it out, or take 2",
            )  # fmt: skip
        if (self.edit or self.use) and not self.window:
            raise BadInput(
                "is needed by use and edit", field="window",
                remedy="name one, such as town-v1:val:3@2.5",
            )  # fmt: skip
        if self.window and not (self.edit or self.use):
            raise BadInput(
                "is given, but nothing is made of it", field="window",
                remedy="say what, such as --use layout or --edit forecast",
            )  # fmt: skip
        if bool(self.region) != (self.edit == "inpaint"):
            raise BadInput(
                "and the edit inpaint come together", field="region",
                remedy="give both, such as --edit inpaint --region=0,-8,20,8",
            )  # fmt: skip
        if self.paste and self.edit != "inpaint":
            raise BadInput("goes with the edit inpaint", field="paste", remedy="leave it out")
        if "previous" in self.use and self.edit is not None:
            raise BadInput(
                "does not go with an edit", field="use",
                remedy="forecast takes the window itself as the past",
            )  # fmt: skip
        if unknown := set(self.command) - set(COMMANDS):
            raise BadInput(
                f"{', '.join(sorted(unknown))}: no such command", field="command",
                remedy=f"use {', '.join(COMMANDS)}",
            )  # fmt: skip


def write_generated(
    world: HexPlaneWorld, wish: Wish, out: str | Path, *, film: bool = True
) -> list[Path]:
    """Generate and write everything, or nothing; returns the files and folders.

    Raises:
        BadInput, MissingInput: the wish cannot be met, or ``out`` is not empty.
        MissingExtra: diffusers is not installed, or for the film PyAV is not.
    """
    target = Path(out).absolute()
    check_new_folder(target)
    need("diffusers")
    if film:
        need("av")
    with atomic_folder(target) as temporary:
        clips = []
        for number, clip in enumerate(clips_of(world, wish)):
            clip.save(temporary / f"window-{number:04d}")
            clips.append(clip)
        write_look(clips, temporary / "look.png")
        if film:
            write_film(clips, temporary / "look.mp4", world.config.hz)
        names = sorted(path.name for path in temporary.iterdir())
    return [target / name for name in names]


def clips_of(world: HexPlaneWorld, wish: Wish) -> Iterator[Clip]:
    """One clip per seed, each made when it is asked for."""
    frames = world.frames if wish.frames is None else wish.frames
    chunks = ceil(frames / world.frames)
    if wish.edit in ("inpaint", "outpaint") and chunks > 1:
        raise BadInput(
            f"{wish.edit} makes one window of {world.frames}, not {frames}", field="frames",
            remedy="leave frames out",
        )  # fmt: skip
    real = None if wish.window is None else RealWindows(world, wish.window)
    conditions = _conditions(world, wish, chunks, real)
    way = world.sampler(wish.steps)
    if real is not None:
        licences = {*world.licence.split("; "), real.licence}
        world = replace(world, licence="; ".join(sorted(licences)))
    named = sorted({name for one in conditions if one is not None for name in one.values()})
    if wish.guidance != 1.0 and not (named or wish.edit == "forecast" or chunks > 1):
        raise BadInput(
            f"{wish.guidance:g} has no condition to strengthen", field="guidance",
            remedy="give a condition, such as --command left, or leave guidance out",
        )  # fmt: skip
    more = _told(wish)
    if chunks > 1:
        more["follow_gain"] = follow_gain(world, How(guidance=wish.guidance))
    told = story(world, wish.edit or "generate", way, wish.guidance, named, **more)
    with show_progress(
        total=wish.count * chunks * way.steps, desc="generating", unit="step"
    ) as bar:

        def step(done: int, x: Tensor, level: Any) -> None:
            bar.update(int(done > 0))

        how = How(sampler=way, guidance=wish.guidance, callback=step)
        for number in range(wish.count):
            windows = _windows(world, wish, wish.seed + number, chunks, conditions, how, real)
            yield clip_of(world, windows, f"window-{number:04d}", told, frames=frames)


def default_model() -> str:
    """The generator that ships and takes the fewest steps.

    Raises:
        MissingInput: none ships.
    """
    found: list[tuple[int, str]] = []
    for name in shipped():
        told = read_json(find_model(name) / CONFIG)
        if isinstance(told, dict) and told.get("system") == "hexplane_dit":
            student = told["config"].get("student")
            found.append((STEPS if student is None else student["steps"], name))
    if not found:
        raise MissingInput(
            "no generator ships with this version", field="model",
            remedy="train one and name its folder: roadloom train hexplane_dit_tiny",
        )  # fmt: skip
    return min(found)[1]


def _windows(
    world: HexPlaneWorld,
    wish: Wish,
    seed: int,
    chunks: int,
    conditions: list[Conditions | None],
    how: How,
    real: RealWindows | None,
) -> Iterator[Window]:
    if wish.edit is None or real is None:
        first = conditions[0]
        past = None
        if first is not None and first.previous is not None:
            past = world.generator.planes(first.previous.to(world.device))
            conditions = [first.only("layout", "command", "trajectory"), *conditions[1:]]
        return drive(world, chunks, seed, conditions, how, past=past)
    start = real.read(0)
    if wish.edit == "forecast":
        return forecast(world, start.voxels, chunks, seed, conditions, how, motion=start.motion)
    if wish.edit == "outpaint":
        made = outpaint(
            world, start.voxels, wish.direction, seed, conditions[0], how, motion=start.motion
        )
        return iter([made])
    region = region_of(world.box, _rectangle(wish.region or ""))
    made = inpaint(
        world, start.voxels, region, seed, conditions[0], how, motion=start.motion,
        paste=wish.paste,
    )  # fmt: skip
    return iter([made])


def _conditions(
    world: HexPlaneWorld, wish: Wish, chunks: int, real: RealWindows | None
) -> list[Conditions | None]:
    """Of each window in turn: those of the recording, and over them those that are given."""
    commands = wish.command * chunks if len(wish.command) == 1 else wish.command
    if commands and len(commands) != chunks:
        raise BadInput(
            f"{len(commands)} commands for {chunks} windows", field="command",
            remedy="give one for all, or one for each window",
        )  # fmt: skip
    paths = None if wish.trajectory is None else read_trajectory(wish.trajectory, world, chunks)
    found: list[Conditions | None] = []
    for number in range(chunks):
        own = Conditions()
        if real is not None and wish.use:
            use = tuple(name for name in wish.use if name != "previous" or number == 0)
            own = real.conditions(number + int(wish.edit == "forecast"), use)
        if commands:
            index = COMMANDS.index(commands[number])
            own = replace(own, command=torch.tensor([index]))
        if paths is not None:
            own = replace(own, trajectory=paths[number][None])
        found.append(own if own.values() else None)
    return found


def read_trajectory(file: Path, world: HexPlaneWorld, chunks: int) -> list[Tensor]:
    """Rows of every window, each in its own first frame's ego frame.

    Raises:
        BadInput: no list of rows of three finite numbers, or not one for every frame.
    """
    value = read_json(file)
    remedy = f"write a list of {chunks * world.frames} rows [x, y, yaw] in metres and radians"
    try:
        rows = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput("is no table of numbers", file=file, remedy=remedy) from error
    if rows.shape != (chunks * world.frames, 3) or not np.isfinite(rows).all():
        raise BadInput(f"holds {rows.shape} numbers", file=file, field="rows", remedy=remedy)
    parts = rows.reshape(chunks, world.frames, 3)
    return [torch.from_numpy(compose(invert(part[:1]), part)).float() for part in parts]


def _rectangle(text: str) -> tuple[float, float, float, float]:
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BadInput(
            f"{text!r} is no rectangle", field="region",
            remedy="write x0,y0,x1,y1 in metres, such as --region=0,-8,20,8",
        ) from error  # fmt: skip
    return x0, y0, x1, y1


def _told(wish: Wish) -> dict[str, Any]:
    """What the clip says of the wish, but for what ``story`` says already."""
    told: dict[str, Any] = {"window": wish.window, "command": list(wish.command) or None}
    if wish.edit == "inpaint":
        told |= {"region_m": wish.region, "paste": wish.paste}
    if wish.edit == "outpaint":
        told |= {"direction": wish.direction}
    return {name: value for name, value in told.items() if value is not None}
