"""Recorded windows that generation starts from: their voxels, ego motion and conditions.

    "town-v1:val:3@2.5" -> RealWindows -> read(0), read(1), ...   windows that follow each other

The part after the last ``@`` is the time of the first frame, in seconds from the scene's first.
A source is KIND:PLACE[:SCENE] as everywhere, or a prepared folder with or without :SCENE.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from roadloom.datasets.drive_conditions import command_of, trajectory_of
from roadloom.datasets.drives import Occupied
from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.io.read import exists
from roadloom.models.hexplane.conditions import NAMES, Conditions
from roadloom.models.hexplane.motion import motion_of
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.prepare import Prepared
from roadloom.prepare.request import MANIFEST
from roadloom.scene.registry import open_source
from roadloom.scene.source import no_scenes
from roadloom.scene.stream import NS_PER_S

LONGEST_S = 1e6
SUCH_AS = "name it SOURCE:SCENE@SECONDS, such as town-v1:val:3@2.5"


@dataclass(frozen=True, kw_only=True, eq=False)
class RealWindow:
    """One window of a recording."""

    voxels: UInt8[Tensor, "time x y z"]
    """View ids."""
    poses: Pose | None
    """``world_from_ego`` of the frames; None: not recorded."""
    cell_m: tuple[float, float]

    @property
    def motion(self) -> Float[Tensor, "time 3"] | None:
        """As the autoencoder takes it."""
        if self.poses is None:
            return None
        return torch.from_numpy(motion_of(self.poses, self.cell_m))


class RealWindows:
    """Windows of one scene that follow each other, from a moment on.

    Args:
        text: ``SOURCE[:SCENE][@SECONDS]``.

    Raises:
        MissingInput: no such source, scene or moment.
        BadInput: another rate than the model's, or no windows on its grid.
    """

    def __init__(self, world: HexPlaneWorld, text: str) -> None:
        self.world, self.text = world, text
        source, seconds = split_time(text)
        place, scene = _opened(source)
        config = world.config
        self.windows = OccupancyWindows(
            place, grid=config.grid, view=config.class_view, frames=world.frames, scenes=[scene],
            hz=None if isinstance(place, Prepared) else round(config.hz), mask="none",
        )  # fmt: skip
        (self.frames,) = self.windows.scenes
        self.scene, self.licence = scene, self.frames.drive.licence
        times = self.frames.times_ns
        step = float(np.median(np.diff(times))) / NS_PER_S
        if not np.isclose(step, 1 / config.hz, rtol=0.05):
            raise BadInput(
                f"has {1 / step:.3g} frames a second, the model {config.hz:g}", file=text,
                field="hz", remedy=f"prepare it with --hz {config.hz:g}",
            )  # fmt: skip
        wanted = times[0] + round(seconds * NS_PER_S)
        self.first = int(np.abs(times - wanted).argmin())
        if abs(int(times[self.first]) - wanted) > NS_PER_S / config.hz:
            length = float(times[-1] - times[0]) / NS_PER_S
            raise MissingInput(
                f"{seconds:g} s lies outside the scene, which lasts {length:g} s", file=text,
                field="SECONDS", remedy=SUCH_AS,
            )  # fmt: skip

    def read(self, number: int) -> RealWindow:
        """The ``number``-th window from the moment on; -1 is the one before it.

        Raises:
            MissingInput: the recording does not reach so far.
        """
        start = self.first + number * self.world.frames
        index = self.frames.window_at(start) if start >= 0 else None
        if index is None:
            raise MissingInput(
                f"has no {self.world.frames} frames in a row from frame {start} on",
                file=self.text, field="SECONDS", remedy="name another moment, or ask for less",
            )  # fmt: skip
        try:
            poses: Pose | None = self.windows.poses(index)
        except NotRecorded:
            poses = None
        cell = self.world.box.cell_m
        voxels = self.windows.read(index, 0)["voxels"]
        return RealWindow(voxels=voxels, poses=poses, cell_m=(cell[0], cell[1]))

    def conditions(self, number: int, use: tuple[str, ...]) -> Conditions:
        """Of that window, the named ones; ``previous`` is the window before it.

        Raises:
            BadInput: a name that is no condition.
            NotRecorded: the source has no poses.
        """
        if unknown := set(use) - set(NAMES):
            raise BadInput(
                f"{', '.join(sorted(unknown))}: no such condition", field="use",
                remedy=f"use some of {', '.join(NAMES)}",
            )  # fmt: skip
        window = self.read(number)
        values: dict[str, Tensor] = {}
        if "layout" in use:
            values["layout"] = self.world.layout(window.voxels[None])
        if {"trajectory", "command"} & set(use):
            if window.poses is None:
                raise NotRecorded("the source has no poses", field="trajectory")
            rows = trajectory_of(window.poses)
            if "trajectory" in use:
                values["trajectory"] = rows[None]
            if "command" in use:
                values["command"] = torch.tensor([command_of(rows)])
        if "previous" in use:
            before = self.read(number - 1)
            motion = None if before.motion is None else before.motion[None]
            planes = self.world.encode(before.voxels[None], motion)
            values["previous"] = self.world.generator.past_of(planes).cpu()
        return Conditions(**values)


def split_time(text: str) -> tuple[str, float]:
    """``SOURCE@2.5`` to its parts; without a time 0. An ``@`` of a folder's name is left alone.

    Raises:
        BadInput: a time below 0 or without end.
    """
    source, found, seconds = text.rpartition("@")
    try:
        moment = float(seconds)
    except ValueError:
        return text, 0.0
    if not found or not source:
        return text, 0.0
    if not 0 <= moment < LONGEST_S:
        raise BadInput(f"{moment:g} is no moment", file=text, field="SECONDS", remedy=SUCH_AS)
    return source, moment


def _opened(source: str) -> tuple[Occupied, str]:
    """What is named, and its scene: the first if none is."""
    for place, scene in ((source, None), (source.rpartition(":")[0], source.rpartition(":")[2])):
        if place and exists(Path(place) / MANIFEST):
            prepared = Prepared(place, partial=True)
            if not len(prepared):
                raise no_scenes(source)
            return prepared, prepared.scenes[0] if scene is None else scene
    opened = open_source(source)
    if not len(opened):
        raise no_scenes(source)
    return opened, opened.scenes[0]
