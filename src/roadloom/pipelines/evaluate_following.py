"""Does what was generated follow its conditions? Scores beside reading alone and beside chance.

For every window what was asked is held against what the generated labels show. *real* is the
same for the recorded window itself: what is lost by reading a way out of labels. *chance* holds
the generated window against what another window was asked, so that a model that ignores its
conditions scores alike on both.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from roadloom.datasets.drive_conditions import layout_of
from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.metrics.bootstrap import interval
from roadloom.metrics.following import (
    command_followed,
    continuity,
    layout_overlap,
    read_trajectory,
    trajectory_error,
)
from roadloom.metrics.protocol import Protocol, Score
from roadloom.metrics.reconstruction import mean_iou
from roadloom.scene.class_views import view


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """The conditions of one window; those that it was generated without are None."""

    layout: Bool[Tensor, "time channel x_pooled y_pooled"] | None = None
    layout_classes: tuple[int, ...] = ()
    """View ids behind the channels."""
    trajectory: Float[Tensor, "time 3"] | None = None
    command: int | None = None
    past: UInt8[Tensor, "time x y z"] | None = None
    """The window before."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What one window of labels shows, as far as any condition asks."""

    layout: Bool[Tensor, "time channel x_pooled y_pooled"] | None
    trajectory: Float[Tensor, "time 3"] | None
    first: UInt8[Tensor, "x y z"]


def read_window(
    labels: UInt8[Tensor, "time x y z"], asked: Asked, class_view: str, grid: VoxelGrid
) -> Reading:
    layout = trajectory = None
    if asked.layout is not None:
        pool = labels.shape[1] // asked.layout.shape[2]
        layout = layout_of(labels, asked.layout_classes, pool)
    if asked.trajectory is not None or asked.command is not None:
        trajectory = read_trajectory(labels, class_view, grid)
    return Reading(layout, trajectory, labels[0])


def evaluate_following(
    made: Iterable[UInt8[Tensor, "time x y z"]],
    real: Iterable[UInt8[Tensor, "time x y z"]],
    asked: Sequence[Asked],
    clips: Sequence[int],
    grid: VoxelGrid,
    protocol: Protocol,
) -> list[Score]:
    """Scores of every condition that all windows were generated from.

    Args:
        made, real: for each of ``asked`` the generated and the recorded window, in order.
        clips: the clip of each; intervals draw clips, and chance takes another clip's conditions
            wherever there is one.
    """
    if len(asked) != len(clips) or len(asked) < 2:
        raise BadInput(f"{len(asked)} conditions and {len(clips)} clips", field="asked")
    shown, recorded = (
        [
            read_window(labels, one, protocol.view, grid)
            for labels, one in zip(source, asked, strict=True)
        ]
        for source in (made, real)
    )
    other = shuffled(clips, protocol.seed)
    scores = []
    for name, better, measure in _measures(protocol.view, grid):
        rows = [
            [measure(one, reading) for one, reading in zip(conditions, readings, strict=True)]
            for conditions, readings in (
                (asked, shown), (asked, recorded), ([asked[i] for i in other], shown),
            )
        ]  # fmt: skip
        if any(value is None for row in rows for value in row):
            continue
        values, floor, chance = (np.array(row, np.float64) for row in rows)
        real_value = float(np.nanmean(floor))
        for title, kept in ((name, values), (f"{name}, others' conditions", chance)):
            span = interval(
                lambda v: float(np.nanmean(v)), [kept], groups=[np.array(clips)],
                rounds=protocol.draws, seed=protocol.seed,
            )  # fmt: skip
            scores.append(
                Score(
                    name=title, value=span.value, low=span.low, high=span.high, floor=real_value,
                    protocol=protocol.protocol_id, better=better,
                )
            )  # fmt: skip
    return scores


def shuffled(clips: Sequence[int], seed: int) -> list[int]:
    """For each window another one, of another clip wherever there is one."""
    random = np.random.default_rng(seed)
    numbers, chosen = np.array(clips), []
    for index, clip in enumerate(clips):
        others = np.flatnonzero(numbers != clip)
        if not len(others):
            others = np.delete(np.arange(len(numbers)), index)
        chosen.append(int(random.choice(others)))
    return chosen


Measure = Callable[[Asked, Reading], float | None]


def _measures(class_view: str, grid: VoxelGrid) -> list[tuple[str, str, Measure]]:
    """Name, which way is better, and the score of one window; None: not asked."""
    classes = len(view(class_view))

    def layout(asked: Asked, seen: Reading) -> float | None:
        if asked.layout is None or seen.layout is None:
            return None
        ious = layout_overlap(asked.layout, seen.layout).iou
        return float(np.nanmean(ious)) if np.isfinite(ious).any() else float("nan")

    def way_m(asked: Asked, seen: Reading) -> float | None:
        if asked.trajectory is None or seen.trajectory is None:
            return None
        return trajectory_error(asked.trajectory, seen.trajectory).mean_m

    def way_rad(asked: Asked, seen: Reading) -> float | None:
        if asked.trajectory is None or seen.trajectory is None:
            return None
        return trajectory_error(asked.trajectory, seen.trajectory).mean_rad

    def command(asked: Asked, seen: Reading) -> float | None:
        if asked.command is None or seen.trajectory is None:
            return None
        return float(command_followed(asked.command, seen.trajectory))

    def past(asked: Asked, seen: Reading) -> float | None:
        if asked.past is None:
            return None
        counts = continuity(asked.past[-1], seen.first, class_view, grid, classes)
        return float(torch.nan_to_num(mean_iou(counts.counts[0])))

    return [
        ("layout IoU", "higher", layout),
        ("way m", "lower", way_m),
        ("way rad", "lower", way_rad),
        ("command followed", "higher", command),
        ("past mIoU", "higher", past),
    ]
