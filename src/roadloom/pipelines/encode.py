"""Prepared occupancy through a HexPlane autoencoder into a folder of latents.

    encode_prepared("CACHE", "MODEL", "LATENTS", stride=4)

What is stored are the means of the posterior, plane by plane, in half precision, with the ego's
motion read from the poses. ``recipes.hexplane_dit`` trains on the folder.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from roadloom.datasets.encode_latents import Uncertain, encode_clips
from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.models.hexplane.motion import motion_of
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import load_model
from roadloom.prepare.read import Prepared
from roadloom.scene.jobs import SceneSummary
from roadloom.training.spread import pick_device

Precision = Literal["32", "bf16"]
EncodeMoving = Callable[[Tensor, list[Pose]], Uncertain]
"""Voxels, uint8 [B T X Y Z], and ``world_from_ego`` of each window's frames, to ``Planes`` of
means and of variances."""


def plane_encoder(
    vae: HexPlaneVae,
    cell_m: tuple[float, float],
    device: str | torch.device = "cpu",
    precision: Precision = "32",
) -> EncodeMoving:
    """The posterior of the planes of windows, on a device.

    Args:
        cell_m: size of a cell along x and y.
        precision: ``bf16`` takes about half the time on a CPU; latents are off by about
            0.5 %, and one in 5,000 occupied voxels then decodes to another class.
    """
    vae, on = vae.to(device).eval(), torch.device(device).type

    def encode(voxels: Tensor, poses: list[Pose]) -> Uncertain:
        motion = torch.from_numpy(np.stack([motion_of(pose, cell_m) for pose in poses]))
        with torch.autocast(on, dtype=torch.bfloat16, enabled=precision == "bf16"):
            mean, logvar = vae.encode(voxels.to(device), motion.to(device))
        return Uncertain(mean, logvar.map(torch.exp))

    return encode


def encode_prepared(
    data: str | Path,
    vae: str | Path,
    out: str | Path,
    *,
    stride: int = 4,
    batch: int = 4,
    shard: tuple[int, int] = (0, 1),
    clips: int | None = None,
    partial: bool = False,
    device: str = "auto",
    precision: Precision = "32",
) -> SceneSummary:
    """Encode every window that is not in ``out`` yet; the ``frames`` of the answer are windows.

    Args:
        data: prepared folder with the grid that the autoencoder was trained on.
        vae: its model folder, or the name of one that ships.
        out: folder of latents, bound to data, autoencoder and stride.
        stride: frames between the first frames of neighbouring windows. What divides the
            autoencoder's frames keeps the window before, which is a condition.
        batch: windows that go through the encoder at once.
        shard: (i, n): only clips i, i + n, i + 2n, ...
        clips: only the first so many; None: all.
        partial: take a folder that is still being written, with the clips it has.
        precision: of activations, see ``plane_encoder``.

    Raises:
        MissingInput, BadInput: no such folder or model, or they do not fit each other.
    """
    for name, number in (("stride", stride), ("batch", batch), ("clips", clips)):
        if number is not None and number < 1:
            raise BadInput(f"{number} is too small", field=f"--{name}", remedy="give 1 or more")
    module, card = load_model(vae)
    if not isinstance(module, HexPlaneVae):
        raise BadInput(
            f"is a {type(module).__name__}, no HexPlane autoencoder", file=vae, field="--vae",
            remedy="name what a hexplane_vae recipe trained",
        )  # fmt: skip
    config = module.config
    windows = OccupancyWindows(
        data, grid=card.get("grid", "carla_sc"), view=card.get("class_view", "dynamiccity12"),
        frames=config.frames, stride=stride, partial=partial,
        scenes=None if clips is None else Prepared(data, partial=partial).scenes[:clips],
    )  # fmt: skip
    if windows.shape != config.shape:
        raise BadInput(
            f"{windows.shape} cells, the autoencoder was made for {config.shape}", file=data,
            field="grid", remedy="prepare the grid that the autoencoder was trained on",
        )  # fmt: skip
    x, y, _ = windows.scenes[0].drive.grid.cell_m
    return encode_clips(
        windows, plane_encoder(module, (x, y), pick_device(device), precision), out,
        encoder=card["weights_sha256"], batch=batch, shard=shard, poses=True,
        motion=module.config.carries,
    )  # fmt: skip
