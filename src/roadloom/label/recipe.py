"""How labels are made: everything that changes a byte of them, and nothing else."""

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid

Target = Literal["semantic", "geometric"]
Frame = Literal["ego", "lidar"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which sweeps are fused around a key frame; both ends belong to it.

    Either a span of time, or whole key frames on each side (with the sweeps between them), as
    the UniScene pre-training counts. At the ends of a drive a window becomes one-sided.
    """

    before_s: float = 0.0
    after_s: float = 0.0
    """Infinite for the whole drive; 0 and 0 for the key frame's own sweep alone."""
    keyframes_before: int | None = None
    keyframes_after: int | None = None
    """Where these are given, they hold and the spans of time do not."""
    include_sweeps: bool = True
    """False fuses key frames only."""

    def __post_init__(self) -> None:
        for name in ("before_s", "after_s"):
            value = getattr(self, name)
            if not value >= 0:  # NaN too
                raise BadInput(f"{value} s is no span", field=name, remedy="give 0 or more")
        if (self.keyframes_before is None) != (self.keyframes_after is None):
            raise BadInput("of key frames both sides are counted", field="keyframes_before")
        if min(self.keyframes_before or 0, self.keyframes_after or 0) < 0:
            raise BadInput("key frames are counted from 0", field="keyframes_before")


WINDOWS = {
    "frame": Window(),
    "0.5s": Window(before_s=0.5, after_s=0.5),
    "1s": Window(before_s=1.0, after_s=1.0),
    "scene": Window(before_s=math.inf, after_s=math.inf),
    "frames1": Window(keyframes_before=0, keyframes_after=0),
    "frames3": Window(keyframes_before=1, keyframes_after=1),
    "frames5": Window(keyframes_before=2, keyframes_after=2),
}
"""By name; ``framesN`` are those of the UniScene pre-training (RA-L 2024, table V)."""


def window_of(text: str) -> Window:
    """A window by its name, or by seconds on each side such as ``2.5s``."""
    if text in WINDOWS:
        return WINDOWS[text]
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?s", text, re.ASCII):
        return Window(before_s=float(text[:-1]), after_s=float(text[:-1]))
    raise BadInput(
        f"{text!r} is no window", field="--window",
        remedy=f"use one of {', '.join(WINDOWS)}, or seconds such as 2.5s",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EgoBox:
    """The vehicle itself in its own frame [m]: what lies in it is no part of the scene."""

    lower_m: tuple[float, float, float] = (-1.5, -1.1, 0.0)
    upper_m: tuple[float, float, float] = (4.0, 1.1, 2.2)

    def __post_init__(self) -> None:
        for lower, upper in zip(self.lower_m, self.upper_m, strict=True):
            if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
                raise BadInput(
                    f"{lower:g} to {upper:g} m is no side of a box", field="ego_box",
                    remedy="give rear, right, floor, then front, left, top, such as "
                    "-1.5 -1.1 0 4 1.1 2.2",
                )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Labels of two recipes never share a folder: it is written into the manifest."""

    grid: VoxelGrid = OCC3D
    frame: Frame = "ego"
    """Frame of the grid: the key frame's ego frame, or that of its main LiDAR."""
    window: Window = field(default_factory=lambda: WINDOWS["scene"])
    target: Target = "semantic"
    """``geometric`` knows free, ``other.occupied`` and unknown only."""
    boxes: bool = True
    """Carry points of objects with their boxes; without, movers leave trails."""
    box_margin_m: float = 0.1
    """A box holds points up to this far outside it: annotators draw tightly."""
    ego_box: EgoBox = field(default_factory=EgoBox)
    min_hits: int = 1
    """Points that a cell needs to count as occupied."""
    carve_ground: bool = False
    """Whether a ray that ends on the ground also frees the cells that it crosses in the layer of
    its end. It passes over the ground of these cells, often for metres, and hits none of them."""
    masks: bool = True
    """Also say which cells the LiDARs and the cameras observe, as Occ3D does."""
    future_offsets: tuple[int, ...] = (0,)
    """Key frames ahead whose occupancy is labelled too, in the frame of the present one; 0 is the
    present."""

    def __post_init__(self) -> None:
        if self.min_hits < 1:
            raise BadInput(
                "a cell needs at least one point", field="min_hits", remedy="give 1 or more"
            )
        if not (math.isfinite(self.box_margin_m) and self.box_margin_m >= 0):
            raise BadInput("must be 0 or more", field="box_margin_m")
        rising = tuple(sorted(set(self.future_offsets)))
        if rising != self.future_offsets or not rising or rising[0] < 0:
            raise BadInput(
                f"{self.future_offsets} are no offsets", field="future_offsets",
                remedy="give key frames ahead, rising, such as 0 1 2",
            )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, complete: an infinite span is the text ``all``."""

        def span(seconds: float) -> float | str:
            return "all" if math.isinf(seconds) else seconds

        w = self.window
        return {
            "grid": {
                "lower_m": list(self.grid.lower_m),
                "cell_m": list(self.grid.cell_m),
                "shape": list(self.grid.shape),
            },
            "frame": self.frame,
            "window": {
                "before_s": span(w.before_s),
                "after_s": span(w.after_s),
                "keyframes_before": w.keyframes_before,
                "keyframes_after": w.keyframes_after,
                "include_sweeps": w.include_sweeps,
            },
            "target": self.target,
            "boxes": self.boxes,
            "box_margin_m": self.box_margin_m,
            "ego_box": {
                "lower_m": list(self.ego_box.lower_m),
                "upper_m": list(self.ego_box.upper_m),
            },
            "min_hits": self.min_hits,
            "carve_ground": self.carve_ground,
            "masks": self.masks,
            "future_offsets": list(self.future_offsets),
        }
