"""A folder of latents: what an encoder made of windows of occupancy, with their conditions.

    DIR/latents.json                 encoder's hash, data, view, grid, windows, licence, scenes
    DIR/windows/SCENE.safetensors    latents float16 of every window; layouts, poses and times of
                                     every frame, so that the occupancy is not needed again
    DIR/scenes/SCENE.json            written last of a scene: shapes, size, checksum, sums

``encode_latents`` writes it, ``latent_windows`` reads examples from it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from roadloom.datasets.latent_checks import AGAIN, check_manifest, check_record, check_tensors
from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.pose import Pose
from roadloom.io.read import exists, is_file, read_json
from roadloom.scene.classes import check_class_hash

SCHEMA = 1
MANIFEST = "latents.json"
SCENES, WINDOWS = "scenes", "windows"
LATENT = "latent."
"""Before the names of latents in a file; the others are ``start``, ``time_ns``, ``layout``,
``rotation`` and ``translation``."""
MAP = "map"
"""Name of a latent that is a single map."""


def record_path(folder: Path, scene: str) -> Path:
    return folder / SCENES / f"{scene}.json"


def windows_path(folder: Path, scene: str) -> Path:
    return folder / WINDOWS / f"{scene}.safetensors"


@dataclass(frozen=True, kw_only=True)
class LatentStatistics:
    """Mean and standard deviation of every channel of every latent, to train on plain numbers.

    The deviation is that of draws of the posterior, where the encoder told how sure it is: a
    channel that says nothing, whose posterior is as wide as the prior, stays small and weighs
    little in a loss.

    They belong to the training split and travel with the model: what is sampled is put back with
    them.
    """

    mean: Mapping[str, tuple[float, ...]]
    std: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        for name, means in self.mean.items():
            stds = self.std.get(name, ())
            if len(stds) != len(means) or not all(0 < s < np.inf for s in stds):
                raise ValueError(f"std of {name} must be as many positive numbers, got {stds}")

    def normalise(
        self, latents: Mapping[str, Float[Tensor, "*batch channel a b"]]
    ) -> dict[str, Float[Tensor, "*batch channel a b"]]:
        """(latent - mean) / std."""
        return {k: (v - self._row(self.mean, k, v)) / self._row(self.std, k, v)
                for k, v in latents.items()}  # fmt: skip

    def restore(
        self, latents: Mapping[str, Float[Tensor, "*batch channel a b"]]
    ) -> dict[str, Float[Tensor, "*batch channel a b"]]:
        """The reverse of ``normalise``."""
        return {k: v * self._row(self.std, k, v) + self._row(self.mean, k, v)
                for k, v in latents.items()}  # fmt: skip

    def _row(self, of: Mapping[str, tuple[float, ...]], name: str, like: Tensor) -> Tensor:
        return torch.tensor(of[name], dtype=like.dtype, device=like.device)[:, None, None]

    def to_json(self) -> dict[str, Any]:
        return {name: {"mean": list(self.mean[name]), "std": list(self.std[name])}
                for name in self.mean}  # fmt: skip

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> "LatentStatistics":
        """Raises: ValueError: no statistics."""
        try:
            mean = {name: tuple(map(float, of["mean"])) for name, of in value.items()}
            std = {name: tuple(map(float, of["std"])) for name, of in value.items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no statistics of latents: {error!r}") from error
        return LatentStatistics(mean=mean, std=std)


class LatentFolder:
    """Latents on disk, opened to read. Picklable; only names are held.

    Args:
        encoder: hash of the weights that must have made them; None: any.
        partial: take the scenes that are there already.

    Raises:
        MissingInput: no such folder, or scenes are absent and ``partial`` is not set.
        BadInput: damaged, cut off, of another encoder, schema or class list.
    """

    def __init__(
        self, folder: str | Path, *, encoder: str | None = None, partial: bool = False
    ) -> None:
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        if encoder is not None and encoder != self.manifest["encoder"]:
            raise BadInput(
                f"were made by the encoder {self.manifest['encoder'][:12]}, not {encoder[:12]}",
                file=self.folder / MANIFEST, field="encoder",
                remedy="encode the windows anew, into a new folder",
            )  # fmt: skip
        named = self.manifest["scenes"]
        self.scenes = tuple(s for s in named if is_file(record_path(self.folder, s)))
        if len(self.scenes) < len(named) and not partial:
            raise MissingInput(
                f"{len(named) - len(self.scenes)} of {len(named)} scenes are not encoded yet",
                file=self.folder, field="scenes",
                remedy="encode again into the same folder, which goes on where it ended",
            )  # fmt: skip
        self.records = {scene: self._record(scene) for scene in self.scenes}
        shapes = {scene: record["latents"] for scene, record in self.records.items()}
        for scene, found in shapes.items():
            if found != shapes[self.scenes[0]]:
                raise BadInput(
                    f"has latents {found}, the first scene {shapes[self.scenes[0]]}",
                    file=record_path(self.folder, scene), field="latents", remedy=AGAIN,
                )  # fmt: skip

    @property
    def licence(self) -> str:
        """Of the data; it holds for everything made from it."""
        return str(self.manifest["licence"])

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """Channels and sizes of each latent by name."""
        first = self.records[self.scenes[0]]["latents"] if self.scenes else {}
        return {name: (shape[0], shape[1], shape[2]) for name, shape in first.items()}

    def __len__(self) -> int:
        """Windows."""
        return sum(int(record["windows"]) for record in self.records.values())

    def _record(self, scene: str) -> dict[str, Any]:
        path = record_path(self.folder, scene)
        found = read_json(path)
        check_record(found, scene, path)
        file = windows_path(self.folder, scene)
        size = file.stat().st_size if is_file(file) else None
        if size != found["bytes"]:
            raise BadInput(
                "is missing" if size is None else f"has {size} bytes, not {found['bytes']}",
                file=file, field="bytes", remedy=AGAIN,
            )  # fmt: skip
        check_tensors(file, found, LATENT)
        return dict(found)

    def read(self, scene: str, name: str, rows: int | slice | None = None) -> Tensor:
        """One tensor of a scene, or some rows of it; only these are read.

        Raises:
            BadInput: damaged, or no such tensor.
        """
        path = windows_path(self.folder, scene)
        try:
            with safe_open(path, framework="pt") as file:
                return file.get_tensor(name) if rows is None else file.get_slice(name)[rows]
        except (SafetensorError, OSError, ValueError, IndexError) as error:
            raise BadInput(f"is damaged: {error}", file=path, field=name, remedy=AGAIN) from error

    def latents(self, scene: str, window: int) -> dict[str, Float[Tensor, "channel a b"]]:
        """Every latent of a window, float32, as the encoder gave it."""
        return {name: self.read(scene, LATENT + name, window).float() for name in self.shapes}

    def poses(self, scene: str) -> Pose:
        """``world_from_ego`` of every frame of a scene."""
        rotation, translation = (self.read(scene, n).numpy() for n in ("rotation", "translation"))
        return Pose(rotation, translation)

    def statistics(self) -> LatentStatistics:
        """Over all windows of all scenes; a channel that never changes has standard deviation 1."""
        mean, std = {}, {}
        for name, (_, a, b) in self.shapes.items():
            count = len(self) * a * b
            sums, squares = (
                np.sum([record[key][name] for record in self.records.values()], axis=0)
                for key in ("sums", "squares")
            )
            noise = np.sum([record["noise"].get(name, 0) for record in self.records.values()], 0)
            spread = np.sqrt(np.maximum((squares + noise) / count - (sums / count) ** 2, 0))
            mean[name] = tuple((sums / count).tolist())
            std[name] = tuple(np.where(spread > 0, spread, 1.0).tolist())
        return LatentStatistics(mean=mean, std=std)

    def problems(self) -> Iterator[BadInput]:
        """Compare every file with its checksum; reads everything."""
        for scene, record in self.records.items():
            path = windows_path(self.folder, scene)
            with path.open("rb") as file:
                if file_digest(file, "sha256").hexdigest() != record["sha256"]:
                    yield BadInput("was altered", file=path, field="sha256", remedy=AGAIN)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The checked manifest of a folder of latents."""
    path = folder / MANIFEST
    if not exists(path):
        raise MissingInput(
            "no such file: this is no folder of latents", file=path,
            remedy="name a folder that windows were encoded into",
        )  # fmt: skip
    found = read_json(path)
    version = found.get("roadloom_latents") if isinstance(found, dict) else None
    if version != SCHEMA or isinstance(version, bool):
        raise BadInput(
            f"is {version!r}, this version reads {SCHEMA}", file=path, field="roadloom_latents",
            remedy="encode the windows again",
        )  # fmt: skip
    check_class_hash(str(found.get("class_hash")), file=path)
    check_manifest(found, path)
    return dict(found)
