"""Scores of rebuilt and of generated windows, each with its interval, floor and protocol.

    rebuilt:    windows -> network -> labels, counted against the windows -> IoU, mIoU
    generated:  windows of labels -> features in 3-D and of views -> distances to real windows

Real clips are cut into two halves: generated windows are held against the first, and so are as
many windows of the second, which gives the floor.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.io.progress import show_progress
from roadloom.metrics.bootstrap import Interval, interval
from roadloom.metrics.frechet import frechet_distance
from roadloom.metrics.kernel import kernel_distance
from roadloom.metrics.oblique import oblique_view
from roadloom.metrics.precision_recall import neighbour_scores
from roadloom.metrics.protocol import Protocol, Score, hash_samples
from roadloom.metrics.reconstruction import Confusion, binary_iou, mean_iou
from roadloom.metrics.temporal import blinking
from roadloom.models.store import load_model
from roadloom.scene.class_views import IGNORE
from roadloom.scene.palette import view_colors

NEIGHBOURS = {"precision": 3, "recall": 3, "density": 5, "coverage": 5}
"""k of each score, as their papers choose it."""
DRAWS = 200
Rebuild = Callable[[Tensor, Pose | None], Tensor]
"""View ids, uint8 [1 T X Y Z], and ``world_from_ego`` [T], if recorded, -> view ids."""


@dataclass(frozen=True, eq=False)
class Networks:
    """Both feature networks and what the protocol says of them."""

    scene: nn.Module
    view: nn.Module
    hashes: tuple[tuple[str, str], ...]


def load_networks(
    scene: str | Path = "features_scene_v1", view: str | Path = "features_view_v1"
) -> Networks:
    """Two model folders, or names of models that ship."""
    (scene_net, scene_card), (view_net, view_card) = load_model(scene), load_model(view)
    hashes = (("scene", scene_card["weights_sha256"]), ("view", view_card["weights_sha256"]))
    return Networks(scene_net, view_net, hashes)


@dataclass(frozen=True, eq=False)
class Described:
    """Features of a set of windows, and whatever else the scores need of each."""

    scene: Float32[np.ndarray, "window feature"]
    view: Float32[np.ndarray, "window feature"]
    blinks: np.ndarray
    """Hits and tries of ``temporal.blinking``, [window 2 class]."""
    clips: np.ndarray
    """A number per window; those of one clip are drawn together."""

    def __len__(self) -> int:
        return len(self.scene)


@torch.no_grad()
def describe(
    windows: Iterable[UInt8[Tensor, "time x y z"]],
    networks: Networks,
    grid: VoxelGrid,
    class_view: str,
    clips: Sequence[int] | None = None,
    *,
    progress: int | None = None,
) -> Described:
    """Features of windows; of views, those of the middle frame.

    Args:
        clips: which clip each window is of; None: each stands for itself.
        progress: how many windows are to come, to show a bar.
    """
    x, y, z = grid.cell_m
    sight, colors = oblique_view(grid.shape, (x, y, z)), view_colors(class_view)
    device = next(networks.scene.parameters()).device
    scene, view, blinks = [], [], []
    if progress is not None:
        windows = show_progress(windows, total=progress, desc="features", unit="window")
    for labels in windows:
        scene.append(networks.scene(labels[None].to(device))[0].float().cpu())
        frames = labels.cpu().numpy()
        picture = sight.draw(frames[len(frames) // 2][None], colors)
        image = torch.from_numpy(picture.transpose(0, 3, 1, 2).copy()).to(device)
        view.append(networks.view(image)[0].float().cpu())
        share = blinking(frames, len(colors))
        blinks.append(np.stack([share.hits, share.tries]))
    if not scene:
        raise BadInput("there are no windows to score", field="windows")
    numbers = np.arange(len(scene)) if clips is None else np.array(clips)[: len(scene)]
    return Described(
        torch.stack(scene).numpy(), torch.stack(view).numpy(), np.stack(blinks), numbers
    )


@dataclass(frozen=True)
class RealHalves:
    """Numbers of the windows that stand for real: of the first and of the second half of clips."""

    reference: tuple[int, ...]
    floor: tuple[int, ...]


def real_halves(windows: OccupancyWindows, reference: int, floor: int) -> RealHalves:
    """Evenly spread windows: the reference of every other clip, the floor of those between.

    Raises:
        BadInput: there are too few windows.
    """
    scenes = np.array([windows.locate(i)[0] for i in range(len(windows))])
    chosen = []
    for parity, count in ((0, reference), (1, floor)):
        own = np.flatnonzero(scenes % 2 == parity)
        if len(own) < count:
            raise BadInput(
                f"{len(own)} windows in one half of {len(windows.scenes)} clips, {count} are asked",
                field="real", remedy="ask for fewer, or cut windows at a smaller stride",
            )  # fmt: skip
        chosen.append(own[np.linspace(0, len(own) - 1, count).round().astype(int)])
    return RealHalves(*(tuple(int(i) for i in half) for half in chosen))


def protocol_of(
    windows: OccupancyWindows, halves: RealHalves, networks: Networks, *, hz: float, seed: int = 0
) -> Protocol:
    """The protocol that ``evaluate_generation`` follows."""
    names = [windows.window_name(i) for i in (*halves.reference, *halves.floor)]
    return Protocol(
        system="hexgen", samples_sha256=hash_samples((n.scene, n.frame) for n in names),
        count=len(halves.floor), real_count=len(halves.reference), features=networks.hashes,
        seed=seed, grid=windows.grid, view=windows.view.name, frames=windows.frames, hz=hz,
        draws=DRAWS,
        settings=(
            ("data", windows.identity()),
            *((name, f"k={k}") for name, k in NEIGHBOURS.items()),
        ),
    )  # fmt: skip


def evaluate_generation(
    made: Iterable[UInt8[Tensor, "time x y z"]],
    windows: OccupancyWindows,
    halves: RealHalves,
    networks: Networks,
    protocol: Protocol,
    *,
    clips: Sequence[int] | None = None,
    progress: bool = False,
) -> list[Score]:
    """All scores of generated windows of view ids.

    Args:
        made: as many windows as the protocol counts; more are not looked at.
        clips: for windows that were cut from one generated drive, which drive.

    Raises:
        BadInput: too few windows.
    """
    grid = windows.scenes[0].drive.grid
    count = protocol.count

    def described(source: Iterable[Tensor], of: Sequence[int] | None, total: int) -> Described:
        bar = total if progress else None
        return describe(source, networks, grid, windows.view.name, of, progress=bar)

    found = described(islice(made, count), clips, count)
    if len(found) != count:
        raise BadInput(f"{len(found)} windows, the protocol counts {count}", field="made")
    reference, floor = (
        described(_voxels(windows, half), [windows.locate(i)[0] for i in half], len(half))
        for half in (halves.reference, halves.floor)
    )
    return score_generation(found, reference, floor, protocol)


def score_generation(
    made: Described, reference: Described, floor: Described, protocol: Protocol
) -> list[Score]:
    """Distances, neighbours and blinking of sets that are already described."""
    rows: list[tuple[str, str, Interval, float]] = []
    for name in ("scene", "view"):
        sets = [getattr(part, name) for part in (reference, made, floor)]
        for title, better, statistic, draw in _statistics():
            span = interval(
                statistic, sets[:2], groups=[reference.clips, made.clips], draw=draw,
                kind="centered", rounds=protocol.draws, seed=protocol.seed,
            )  # fmt: skip
            rows.append((f"{title}, {name}", better, span, statistic(sets[0], sets[2])))
    span = interval(
        _blink_rate, [made.blinks], groups=[made.clips], rounds=protocol.draws, seed=protocol.seed
    )
    rows.append(("blinking", "floor", span, _blink_rate(floor.blinks)))
    return [
        Score(
            name=title, value=span.value, low=span.low, high=span.high, floor=real,
            protocol=protocol.protocol_id, better=better,
        )
        for title, better, span, real in rows
    ]  # fmt: skip


def evaluate_reconstruction(
    rebuild: Rebuild,
    windows: OccupancyWindows,
    *,
    limit: int | None = None,
    hz: float = 10.0,
    seed: int = 0,
    progress: bool = False,
) -> tuple[list[Score], Confusion, Protocol]:
    """IoU and mIoU of what ``rebuild`` makes of windows, counted clip by clip.

    Args:
        rebuild: view ids [1 T X Y Z] and poses of one window -> view ids.
        limit: windows, evenly spread; None: all.
    """
    count = min(len(windows), limit or len(windows))
    chosen = np.linspace(0, len(windows) - 1, count).round().astype(int).tolist()
    classes = len(windows.view)
    per_clip: dict[int, Confusion] = {}
    numbers: Any = show_progress(chosen, desc="rebuild", unit="window") if progress else chosen
    for number in numbers:
        example, clip = windows.read(number, 0), windows.locate(number)[0]
        counts = per_clip.setdefault(clip, Confusion(classes, windows.frames))
        made = rebuild(example["voxels"][None], _poses(windows, number)).cpu()
        counts.update(made, example["voxels"][None], example["valid"][None])
    whole = Confusion(classes, windows.frames)
    for counts in per_clip.values():
        whole = whole.merge(counts)
    protocol = Protocol(
        system="rebuild", count=count, real_count=count, seed=seed, grid=windows.grid,
        samples_sha256=hash_samples(
            (n.scene, n.frame) for n in (windows.window_name(i) for i in chosen)
        ),
        view=windows.view.name, frames=windows.frames, hz=hz, draws=DRAWS,
        settings=(("data", windows.identity()),),
    )  # fmt: skip
    tables = torch.stack([c.counts.sum(dim=0) for c in per_clip.values()]).numpy()
    scores = []
    for name, ratio in (("IoU", binary_iou), ("mIoU", mean_iou)):

        def statistic(clips: np.ndarray, ratio: Callable[[Tensor], Tensor] = ratio) -> float:
            return float(ratio(torch.from_numpy(clips.sum(axis=0))))

        if len(tables) > 1:
            span = interval(statistic, [tables], rounds=DRAWS, seed=seed)
            value, low, high = span.value, span.low, span.high
        else:
            value, low, high = statistic(tables), None, None
        scores.append(
            Score(
                name=name, value=value, low=low, high=high, floor=None, better="higher",
                protocol=protocol.protocol_id,
            )
        )  # fmt: skip
    return scores, whole, protocol


def _poses(windows: OccupancyWindows, number: int) -> Pose | None:
    try:
        return windows.poses(number)
    except NotRecorded:
        return None


def _voxels(windows: OccupancyWindows, numbers: Iterable[int]) -> Iterator[Tensor]:
    for number in numbers:
        example = windows.read(number, 0)
        yield example["voxels"].masked_fill(~example["valid"], IGNORE)


def _statistics() -> list[tuple[str, str, Callable[..., float], Any]]:
    """Title, which way is better, function, how sets are drawn for its interval."""

    def neighbour(name: str) -> Callable[..., float]:
        def score(real: np.ndarray, made: np.ndarray) -> float:
            return float(getattr(neighbour_scores(real, made, NEIGHBOURS[name]), name))

        return score

    # A sample that is drawn twice is its own neighbour at distance 0: hence halves.
    return [
        ("frechet", "lower", frechet_distance, "bootstrap"),
        ("kernel", "lower", kernel_distance, "half"),
        *((name, "higher", neighbour(name), "half") for name in NEIGHBOURS),
    ]


def _blink_rate(blinks: np.ndarray) -> float:
    """Mean over the filled classes of the share that blinks."""
    hits, tries = blinks.sum(axis=0)[:, 1:]
    held = tries > 0
    return float((hits[held] / tries[held]).mean()) if held.any() else float("nan")
