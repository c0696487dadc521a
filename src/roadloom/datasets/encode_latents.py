"""Windows of occupancy through an encoder into a folder of latents, scene by scene.

    encode_clips(OccupancyWindows(..., stride=4), encode, "DIR", encoder=HASH)

A scene is there whole or not at all; a run that was cut off goes on when it is started again.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from roadloom import __version__
from roadloom.datasets.drive_conditions import LAYOUT_CLASSES, layout_of
from roadloom.datasets.latents import (
    LATENT,
    MANIFEST,
    MAP,
    SCENES,
    SCHEMA,
    WINDOWS,
    record_path,
    windows_path,
)
from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.io.atomic import atomic_file, write_json
from roadloom.io.progress import show_progress
from roadloom.io.read import is_file, read_json
from roadloom.io.tensors import save_tensors
from roadloom.io.workers import part_of
from roadloom.scene.claimed_folder import ClaimedFolder
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.jobs import SceneSummary

Encode = Callable[..., Any]
"""Voxels, uint8 [B T X Y Z], to one map [B C H W], or to several by name: a mapping or a named
tuple. Called without gradients; moving to a device and to its mode of evaluation is its own. With
``poses`` it also gets a list of B poses, ``world_from_ego`` [T] of each window's frames."""


class Uncertain(NamedTuple):
    """What an encoder may answer that knows how sure it is."""

    latent: Any
    """Means of the posterior; as of ``Encode``."""
    variance: Any
    """Of the posterior, cell by cell, in the same form. Only its mean is kept: numbers that a
    decoder was taught to ignore are told from the others by it, see ``LatentStatistics``."""


FOLDER = ClaimedFolder(
    manifest=MANIFEST,
    schema="roadloom_latents",
    command="encode_clips",
    whole=(f"{SCENES}/*.json",),
    parts=(f"{WINDOWS}/*.safetensors",),
)


class LatentWriter:
    """Writes scenes into a folder, which is bound to one encoder and one way to cut windows.

    Args:
        windows: what is encoded; without flips.
        encoder: hash of the encoder's weights.
        classes: names of the view's classes that are kept as layouts of every frame.
        pool: cells along x and y that one cell of a layout covers.
        motion: the first channels of TZ tell the ego's motion.

    Raises:
        BadInput: the folder was begun with something else, or holds other things.
        ValueError: the windows are flipped.
    """

    def __init__(
        self,
        windows: OccupancyWindows,
        folder: str | Path,
        *,
        encoder: str,
        classes: tuple[str, ...] = LAYOUT_CLASSES,
        pool: int = 2,
        motion: bool = False,
    ) -> None:
        if windows.flips:
            raise ValueError("windows that are flipped at random cannot be kept as latents")
        self.windows, self.folder, self.pool = windows, Path(folder), pool
        self.class_ids = tuple(windows.view.names.index(name) for name in classes)
        drives = [frames.drive for frames in windows.scenes]
        self.manifest = {
            "roadloom_latents": SCHEMA,
            "roadloom": __version__,
            "class_hash": CLASS_HASH,
            "encoder": encoder,
            "data": windows.identity(),
            "sources": sorted({drive.source for drive in drives}),
            "licence": "; ".join(sorted({drive.licence for drive in drives})),
            "view": windows.view.name,
            "grid": windows.grid,
            "cells": list(windows.shape),
            "frames": windows.frames,
            "stride": windows.stride,
            "skip": windows.skip,
            "layout": {"classes": list(classes), "pool": pool},
            "motion": motion,
            "scenes": [f.drive.scene_id for f in windows.scenes if len(f.starts)],
        }
        FOLDER.claim(self.folder, self.manifest)

    def is_whole(self, number: int) -> bool:
        """Whether the scene of this number has its record and a file of the size it says."""
        scene = self.windows.scenes[number].drive.scene_id
        record, file = record_path(self.folder, scene), windows_path(self.folder, scene)
        if not is_file(record) or not is_file(file):
            return False
        try:
            return bool(file.stat().st_size == read_json(record)["bytes"])
        except (BadInput, KeyError, TypeError, OSError):
            return False  # it is made anew

    def write(
        self,
        number: int,
        latents: Mapping[str, Tensor],
        noise: Mapping[str, Tensor] | None = None,
    ) -> None:
        """One scene, whole.

        Args:
            number: of the scene in the windows' order.
            latents: of all its windows in order, each [window C H W].
            noise: sum of each channel's variances over all windows and cells [C]; None: zero.

        Raises:
            BadInput: not that many windows, or a latent that half precision cannot hold.
        """
        frames = self.windows.scenes[number]
        scene = frames.drive.scene_id
        half = {name: _half(name, tensor) for name, tensor in latents.items()}
        for name, tensor in half.items():
            if tensor.ndim != 4 or len(tensor) != len(frames.starts):
                raise BadInput(
                    f"{tuple(tensor.shape)} is no map of {len(frames.starts)} windows",
                    field=name, remedy="give [window C H W]",
                )  # fmt: skip
        poses = frames.drive.world_from_ego[frames.numbers]
        arrays = {LATENT + name: tensor.contiguous() for name, tensor in half.items()} | {
            "start": torch.from_numpy(frames.starts),
            "time_ns": torch.from_numpy(frames.times_ns.astype(np.int64)),
            "layout": torch.stack([self._layout(number, f) for f in range(len(frames.numbers))]),
            "rotation": torch.from_numpy(np.ascontiguousarray(poses.rotation, np.float64)),
            "translation": torch.from_numpy(np.ascontiguousarray(poses.translation, np.float64)),
        }
        path = windows_path(self.folder, scene)
        with FOLDER.writing(self.folder, self.manifest):
            with atomic_file(path) as temporary:
                save_tensors(arrays, temporary)
            with path.open("rb") as file:
                checksum = file_digest(file, "sha256").hexdigest()
            wide = {name: tensor.double() for name, tensor in half.items()}
            record = {
                "scene": scene,
                "windows": len(frames.starts),
                "bytes": path.stat().st_size,
                "sha256": checksum,
                "latents": {name: list(tensor.shape[1:]) for name, tensor in half.items()},
                "sums": {n: t.sum((0, 2, 3)).tolist() for n, t in wide.items()},
                "squares": {n: t.square().sum((0, 2, 3)).tolist() for n, t in wide.items()},
                "noise": {n: t.tolist() for n, t in (noise or {}).items()},
            }
            write_json(record_path(self.folder, scene), record)

    def _layout(self, number: int, frame: int) -> UInt8[Tensor, "layout x packed"]:
        voxels = torch.from_numpy(np.array(self.windows.frame(number, frame)[0]))[None]
        channels = layout_of(voxels, self.class_ids, self.pool)[0]
        return torch.from_numpy(np.packbits(channels.numpy(), axis=-1))


def encode_clips(
    windows: OccupancyWindows,
    encode: Encode,
    folder: str | Path,
    *,
    encoder: str,
    batch: int = 4,
    classes: tuple[str, ...] = LAYOUT_CLASSES,
    pool: int = 2,
    shard: tuple[int, int] = (0, 1),
    poses: bool = False,
    motion: bool = False,
) -> SceneSummary:
    """Encode every window that is not there yet; the ``frames`` of the answer are windows.

    Args:
        batch: windows that go through the encoder at once.
        shard: (i, n): only scenes i, i + n, i + 2n, ..., as several machines share a folder.
        poses: give them to ``encode``.
        windows, folder, encoder, classes, pool, motion: as of ``LatentWriter``.

    Raises:
        BadInput: as ``LatentWriter``; or the encoder answers something else than maps.
        NotRecorded: the source has no poses.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, got {batch}")
    writer = LatentWriter(
        windows, folder, encoder=encoder, classes=classes, pool=pool, motion=motion
    )
    mine = part_of(range(len(windows.scenes)), shard)
    todo = [n for n in mine if len(windows.scenes[n].starts) and not writer.is_whole(n)]
    total = sum(len(windows.scenes[number].starts) for number in todo)
    with show_progress(total=total, desc="encoding", unit="window") as bar, torch.inference_mode():
        for number in todo:
            parts: dict[str, list[Tensor]] = {}
            noise: dict[str, Tensor] = {}
            for voxels, moved in _batches(windows, number, batch):
                answer = encode(voxels, moved) if poses else encode(voxels)
                if not isinstance(answer, Uncertain):
                    answer = Uncertain(answer, {})
                for name, tensor in _named(answer.latent).items():
                    parts.setdefault(name, []).append(tensor.to("cpu", torch.float32))
                for name, tensor in _named(answer.variance).items():
                    noise[name] = noise.get(name, 0) + tensor.cpu().double().sum((0, 2, 3))
                bar.update(len(voxels))
            whole = {name: torch.cat(tensors) for name, tensors in parts.items()}
            writer.write(number, whole, noise)
    return SceneSummary(len(todo), len(mine) - len(todo), total)


def _batches(
    windows: OccupancyWindows, number: int, batch: int
) -> Iterator[tuple[Tensor, list[Pose]]]:
    """Voxels [B T X Y Z] and poses of the windows of one scene; each frame is read once."""
    frames = windows.scenes[number]
    poses = frames.drive.world_from_ego[frames.numbers]
    held: dict[int, Tensor] = {}
    for first in range(0, len(frames.starts), batch):
        starts = frames.starts[first : first + batch].tolist()
        held = {frame: cells for frame, cells in held.items() if frame >= starts[0]}
        for frame in sorted({s + step for s in starts for step in range(windows.frames)}):
            if frame not in held:
                held[frame] = torch.from_numpy(np.array(windows.frame(number, frame)[0]))
        voxels = torch.stack(
            [torch.stack([held[s + step] for step in range(windows.frames)]) for s in starts]
        )
        yield voxels, [poses[s : s + windows.frames] for s in starts]


def _named(latent: Any) -> dict[str, Tensor]:
    if isinstance(latent, Tensor):
        return {MAP: latent}
    if isinstance(latent, Mapping):
        return dict(latent)
    names = getattr(latent, "_fields", None)
    if names is None:
        raise BadInput(
            f"the encoder answers a {type(latent).__name__}", field="encode",
            remedy="answer a map, or several by name",
        )  # fmt: skip
    return dict(zip(names, latent, strict=True))


def _half(name: str, latent: Tensor) -> Tensor:
    half = latent.half()
    if not torch.isfinite(half).all():
        raise BadInput(
            "holds NaN, infinity or numbers beyond half precision", field=name,
            remedy="look at the encoder: latents are a few units wide",
        )  # fmt: skip
    return half
