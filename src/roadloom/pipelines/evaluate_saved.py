"""Scores of what lies on disk: an autoencoder's folder, or clips that were generated.

    score_reconstruction("MODEL", "CACHE/val")       -> Scored: IoU, mIoU, one IoU per class
    score_generated("folder:OUT", "CACHE/val")       -> Scored: distances, neighbours, blinking

Places are prepared folders or sources as KIND:PLACE[:SCENE].
"""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.io.read import exists
from roadloom.metrics.bootstrap import least_half
from roadloom.metrics.protocol import Protocol, Score
from roadloom.models.hexplane.motion import motion_of
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import load_model
from roadloom.pipelines.evaluate import (
    NEIGHBOURS,
    evaluate_generation,
    evaluate_reconstruction,
    load_networks,
    protocol_of,
    real_halves,
)
from roadloom.prepare.request import MANIFEST
from roadloom.recipes.features import FRAMES
from roadloom.scene.registry import open_source
from roadloom.scene.stream import NS_PER_S
from roadloom.training.spread import pick_device


@dataclass(frozen=True)
class Scored:
    scores: list[Score]
    protocol: Protocol


def score_reconstruction(
    vae: str | Path,
    place: str | Path,
    *,
    count: int | None = None,
    stride: int = 16,
    partial: bool = False,
    device: str = "auto",
    progress: bool = False,
) -> Scored:
    """How well an autoencoder gives windows back, with the ego motion of their poses.

    Args:
        vae: its folder, or the name of one that ships.
        count: windows, evenly spread; None: all at this stride.
        stride: frames between the first frames of neighbouring windows.

    Raises:
        MissingInput, BadInput: no such place or model, or they do not fit each other.
    """
    _positive(count=count, stride=stride)
    module, card = load_model(vae)
    if not isinstance(module, HexPlaneVae):
        raise BadInput(
            f"is a {type(module).__name__}, no HexPlane autoencoder", file=vae, field="--vae",
            remedy="name what a hexplane_vae recipe trained",
        )  # fmt: skip
    windows = windows_of(
        place, grid=card.get("grid", "carla_sc"), view=card.get("class_view", "dynamiccity12"),
        frames=module.config.frames, stride=stride, partial=partial,
    )  # fmt: skip
    if windows.shape != module.config.shape:
        raise BadInput(
            f"{windows.shape} cells, the autoencoder was made for {module.config.shape}",
            file=place, field="grid", remedy="take the grid that it was trained on",
        )  # fmt: skip
    where, (x, y, _) = pick_device(device), windows.scenes[0].drive.grid.cell_m
    own = module.to(where)

    def rebuild(voxels: Tensor, poses: Pose | None) -> Tensor:
        motion = None
        if poses is not None:
            motion = torch.from_numpy(motion_of(poses, (x, y)))[None].to(where)
        return own.labels(own.encode(voxels.to(where), motion).mean)

    scores, counts, protocol = evaluate_reconstruction(
        rebuild, windows, limit=count, hz=rate_of(windows), progress=progress
    )
    for name, value in zip(windows.view.names, counts.scores().per_class, strict=True):
        if isfinite(value):
            scores.append(
                Score(
                    name=f"IoU of {name}", value=value, low=None, high=None, floor=None,
                    better="higher", protocol=protocol.protocol_id,
                )
            )  # fmt: skip
    return Scored(scores, protocol)


def score_generated(
    made: str | Path,
    real: str | Path,
    *,
    scene: str | Path = "features_scene_v1",
    view: str | Path = "features_view_v1",
    count: int | None = None,
    real_count: int = 1000,
    stride: int = 8,
    partial: bool = False,
    device: str = "auto",
    progress: bool = False,
) -> Scored:
    """Generated clips against recorded ones, through both feature networks.

    Args:
        made: clips, as ``roadloom generate`` writes them; cut into windows that do not overlap.
        real: recordings on the same grid, never trained on.
        count: generated windows, the first ones; None: all.
        real_count: recorded windows they are held against, or as many as half of the clips have.
        stride: frames between the first frames of neighbouring recorded windows.

    Raises:
        MissingInput, BadInput: no such place or model, or too few windows.
    """
    _positive(count=count, real_count=real_count, stride=stride)
    networks = load_networks(scene, view)
    for network in (networks.scene, networks.view):
        network.to(pick_device(device))
    windows = windows_of(real, frames=FRAMES, stride=stride, partial=partial)
    found = windows_of(made, frames=FRAMES, stride=FRAMES, partial=partial)
    if abs(rate_of(found) / rate_of(windows) - 1) > 0.05:
        raise BadInput(
            f"has {rate_of(found):.3g} frames a second, the recordings {rate_of(windows):.3g}",
            file=made, field="hz", remedy="compare clips of one rate",
        )  # fmt: skip
    wanted = len(found) if count is None else count
    clips = [found.locate(number)[0] for number in range(min(wanted, len(found)))]
    _enough(wanted, clips, made)
    sides = np.array([windows.locate(i)[0] % 2 for i in range(len(windows))])
    halves = real_halves(windows, min(real_count, int((sides == 0).sum())), wanted)
    _enough(len(halves.reference), [windows.locate(i)[0] for i in halves.reference], real)
    protocol = protocol_of(windows, halves, networks, hz=rate_of(windows))
    scores = evaluate_generation(
        (found.read(number, 0)["voxels"] for number in range(wanted)),
        windows, halves, networks, protocol, clips=clips, progress=progress,
    )  # fmt: skip
    return Scored(scores, protocol)


def windows_of(place: str | Path, **options: Any) -> OccupancyWindows:
    """Windows of a prepared folder or of a source."""
    if exists(Path(place) / MANIFEST):
        return OccupancyWindows(Path(place), **options)
    options.pop("partial", None)
    return OccupancyWindows(open_source(str(place)), **options)


def rate_of(windows: OccupancyWindows) -> float:
    """Frames a second, to a tenth."""
    steps = np.concatenate([np.diff(scene.times_ns) for scene in windows.scenes])
    return round(NS_PER_S / float(np.median(steps)), 1)


def _enough(wanted: int, clips: list[int], place: str | Path) -> None:
    """Refuse too few windows for the intervals, which draw half of the clips."""
    if wanted > len(clips) or least_half(np.array(clips)) <= max(NEIGHBOURS.values()):
        raise BadInput(
            f"{len(clips)} windows of {len(set(clips))} clips, too few to score {wanted}",
            file=place, field="count",
            remedy="score more clips; 1,000 windows and more give steady numbers",
        )  # fmt: skip


def _positive(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise BadInput(
                f"{number} is too small", field="--" + name.replace("_", "-"),
                remedy="give 1 or more",
            )  # fmt: skip
