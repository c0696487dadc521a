"""One training step of the HexPlane autoencoder, published and ours: one JSON line each way.

    python benchmarks/hexplane_step.py [--small] [WAY ...]

``reference`` computes as the published program does; ``cheap`` leaves out what cannot change the
result; ``lean`` also keeps few activations; ``-bf16`` runs under autocast. The same weights,
voxels and noise; losses of all ways are printed, ratios are to ``reference``. 1 x 16 x 128 x
128 x 8 voxels on two threads, 89 % free (as CarlaSC), or with ``--small`` 1 x 4 x 64 x 64 x 8.
``ours`` is another network, our default, on the same voxels with all frames decoded, so its loss
is its own; ``tiny-bf16`` is what the recipe hexplane_vae_tiny does, a quarter of the frames.
Each way runs in a process of its own, one step cold. Processor seconds, as the machine may be
shared.
"""

import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from roadloom.models.hexplane.config import HexPlaneConfig, published
from roadloom.models.hexplane.losses import LossConfig, divergence, segmentation_loss
from roadloom.models.hexplane.planes import Planes
from roadloom.models.hexplane.published_vae import PublishedVae
from roadloom.models.hexplane.vae import HexPlaneVae

WAYS = (
    "reference", "cheap", "lean", "reference-bf16", "cheap-bf16", "lean-bf16", "ours", "ours-bf16",
    "tiny-bf16",
)  # fmt: skip
OURS = ("ours", "tiny")
THREADS = 2
# Class weights of the published recipe, (largest share / share)^(1/3); bicycle does not occur.
WEIGHTS = (1.0, 4.562, 4.720, 8.081, 19.025, 11.573, 2.716, 3.708, 3.297, 5.655, 7.234, 2069.4)


def voxels_of(shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(1, 11, shape, generator=generator, dtype=torch.uint8)
    return labels * (torch.rand(shape, generator=generator) < 0.11)


def lovasz_as_published(logits: Tensor, targets: Tensor) -> Tensor:
    """Over all voxels at once, mean over the classes that occur; plain autograd."""
    probability, losses = logits.softmax(dim=-1), []
    for number in targets.unique().tolist():
        true = (targets == number).float()
        errors, order = (true - probability[:, number]).abs().sort(descending=True)
        true = true[order]
        missed = true.sum() - true.cumsum(0)
        joined = true.sum() + (1 - true).cumsum(0)
        jaccard = 1 - missed / joined
        losses.append(errors @ torch.cat([jaccard[:1], jaccard.diff()]))
    return torch.stack(losses).mean()


def step(way: str, small: bool) -> dict[str, object]:
    """Forward, losses and backward of one way, in this process."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    if way.startswith(OURS):
        return own_step(way, small)
    config = published(frames=4, shape=(64, 64, 8)) if small else published()
    module = PublishedVae(config, reference="reference" in way)
    for conv in module.squeeze.block.out:  # as after some training: not zero
        torch.nn.init.normal_(conv.weight, std=0.02)
    if "lean" in way:
        module.checkpoint_blocks()
    voxels = voxels_of((1, config.frames, *config.shape))
    weights = torch.tensor(WEIGHTS)
    noise = torch.Generator().manual_seed(2)
    begin, cpu = time.perf_counter(), _cpu_s()
    with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in way):
        means, logvars = module.encode(voxels)
        planes = Planes(
            *(
                m + (0.5 * v).exp() * torch.randn(m.shape, generator=noise)
                for m, v in zip(means, logvars, strict=True)
            )
        )
        logits = module.decode(planes)
    encoded_s = _cpu_s() - cpu
    if "reference" in way:
        flat, targets = logits.float().reshape(-1, config.classes), voxels.flatten().long()
        total = F.cross_entropy(flat, targets, weights) + lovasz_as_published(flat, targets)
    else:
        losses = LossConfig(lovasz_together=True)
        total = segmentation_loss(logits, voxels, weights, losses)[0]
    kl = divergence(means.map(Tensor.float), logvars.map(Tensor.float))
    loss = total + 0.0015 * kl
    lost_s = _cpu_s() - cpu
    loss.backward()
    return told(way, loss, begin, cpu, encoded_s, lost_s)


def own_step(way: str, small: bool) -> dict[str, object]:
    """The same of our network."""
    tiny = way.startswith("tiny")
    sizes: dict[str, Any] = {"frames": 4, "shape": (64, 64, 8)} if small else {}
    config = HexPlaneConfig(query_channels=32, **sizes) if tiny else HexPlaneConfig(**sizes)
    module = HexPlaneVae(config)
    for weights in module.parameters():  # as after some training: nothing is zero
        if not weights.any():
            torch.nn.init.normal_(weights, std=0.02)
    voxels, weights = voxels_of((1, config.frames, *config.shape)), torch.tensor(WEIGHTS)
    still = torch.zeros(1, config.frames, 3)  # poses come with the data
    begin, cpu = time.perf_counter(), _cpu_s()
    with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in way):
        found = module(voxels, (2,), config.frames // 4 if tiny else None, still)
    encoded_s = _cpu_s() - cpu
    targets = voxels[:, found.frames[0]]
    losses = LossConfig(lovasz_floor=1e-3)
    total = segmentation_loss(found.logits, targets, weights, losses)[0]
    loss = total + losses.kl * divergence(*found.posterior)
    lost_s = _cpu_s() - cpu
    loss.backward()
    return told(way, loss, begin, cpu, encoded_s, lost_s)


def told(
    way: str, loss: Tensor, begin: float, cpu: float, encoded_s: float, lost_s: float
) -> dict[str, object]:
    return {
        "way": way,
        "loss": loss.item(),
        "cpu_s": round(_cpu_s() - cpu, 2),
        "wall_s": round(time.perf_counter() - begin, 2),
        "forward_cpu_s": round(encoded_s, 2),
        "losses_cpu_s": round(lost_s - encoded_s, 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    small = "--small" in sys.argv
    ways = [word for word in sys.argv[1:] if not word.startswith("--")] or list(WAYS)
    if "--here" in sys.argv:
        print(json.dumps(step(ways[0], small)))
        return
    base: dict[str, float] = {}
    for way in ways:
        command = [sys.executable, __file__, "--here", way, *(["--small"] if small else [])]
        quiet = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}  # waiting threads would count too
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=quiet)
        out = json.loads(done.stdout)
        if way == "reference":
            base = out
        if base:
            out |= {
                "time": round(out["cpu_s"] / base["cpu_s"], 3),
                "memory": round(out["peak_gib"] / base["peak_gib"], 3),
            }
            if not way.startswith(OURS):
                out["loss_error"] = abs(out["loss"] - base["loss"]) / base["loss"]
        print(json.dumps(out), flush=True)


if __name__ == "__main__":
    main()
