"""The autoencoder's parts compared at equal data and equal steps, on crops that a laptop can train.

    python -m studies.hexplane_ablation --data DIR --out OUT              everything, one by one
    python -m studies.hexplane_ablation --data DIR --out OUT --only ours published

DIR holds prepared clips as ``train`` and ``val``. Two questions:

- four corners: the projection by pooling or by learned queries, the decoder of single points or
  by expansion and squeeze (DynamicCity, arXiv 2410.18084, table 3), all else alike: our folded
  nets, no ego motion. ``--attention`` adds the same corners with the published parts.
- ``ours``, our default, beside ``published``, whose parts compute the same as the published
  program in less time; what that program takes is ``reference``.

Each is trained in a process of its own on windows of 8 x 64 x 64 x 8 cut anywhere (``--frames``,
``--side``), one a step, Adam, in 32 bits; published nets at the published rate, ours at ours. The
corners decode a quarter of each window's frames in training, the others all. mIoU is of one crop
from each of ``--windows`` windows of val, spread over its clips, with an interval by clips. Costs
are of one whole step, all frames decoded, each in a fresh process: processor seconds of the second
step, and the most memory held. ``--full-size`` also takes them at 16 x 128 x 128 x 8. A run
that was cut off goes on; what is done is not done again.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from roadloom.datasets.crops import CropWindows
from roadloom.datasets.windows import OccupancyWindows
from roadloom.metrics.bootstrap import interval
from roadloom.metrics.protocol import Protocol, hash_samples
from roadloom.metrics.reconstruction import Confusion, binary_iou, mean_iou
from roadloom.models.hexplane.config import HexPlaneConfig, published
from roadloom.models.hexplane.losses import LossConfig
from roadloom.models.hexplane.motion import motion_of
from roadloom.models.hexplane.published_vae import PublishedVae
from roadloom.models.hexplane.vae import HexPlaneVae, Posterior, Reconstruction, draw_frames
from roadloom.models.store import load_model
from roadloom.pipelines.ego import shifted_motion
from roadloom.recipes.hexplane_vae import VaeTask, save_vae
from roadloom.training.config import TrainConfig
from roadloom.training.loop import train
from roadloom.training.machine import peak_memory
from roadloom.training.task import Examples, Step
from studies.hexplane_common import markdown, report

OURS, OFFICIAL, REFERENCE = "ours", "published", "reference"
CORNERS = {
    "pooling, points": {"projection": "pooling", "decoder": "points"},
    "pooling, squeeze": {"projection": "pooling", "decoder": "squeeze"},
    "query, points": {"projection": "query", "decoder": "points"},
    "query, squeeze": {"projection": "query", "decoder": "squeeze"},
}
ATTENTION = {
    "pooling, points (volume)": {"projection": "pooling", "decoder": "points"},
    "pooling, squeeze (volume)": {"projection": "pooling", "decoder": "squeeze"},
    "attention, points (volume)": {"projection": "attention", "decoder": "points"},
    "attention, squeeze (volume)": {"projection": "attention", "decoder": "squeeze"},
}
PUBLISHED_LOSS = LossConfig(lovasz_together=True, count_ignored=True)
LOSS = LossConfig(lovasz_floor=1e-3)


def config_of(name: str, frames: int, shape: tuple[int, int, int]) -> HexPlaneConfig:
    sizes: dict[str, Any] = {"frames": frames, "shape": shape}
    if name in CORNERS:
        return HexPlaneConfig(motion=False, **CORNERS[name], **sizes)  # type: ignore[arg-type]
    if name in ATTENTION:
        return published(**ATTENTION[name], **sizes)
    return HexPlaneConfig(**sizes) if name == OURS else published(**sizes)


class Crops:
    """Windows cut by their seeds, with the ego's motion as the crop's middle sees it."""

    def __init__(self, windows: OccupancyWindows, side: int) -> None:
        self.windows = windows
        self.crops = CropWindows(windows, size=(side, side), multiple=2)

    def __len__(self) -> int:
        return len(self.crops)

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        example = self.crops.read(index, seed)
        scene, _ = self.windows.locate(index)
        x, y, _ = self.windows.scenes[scene].drive.grid.cell_m
        motion = torch.from_numpy(motion_of(self.windows.poses(index), (x, y)))
        whole, cut = self.windows.shape, self.crops.shape
        corner = example.pop("offset").tolist()[1:]
        by = [corner[axis] + (cut[axis] - whole[axis]) / 2 for axis in (0, 1)]
        return {**example, "motion": shifted_motion(motion, (by[0], by[1]))}


@dataclass(frozen=True, kw_only=True)
class CropTask(VaeTask):
    side: int = 64
    clips: int | None = None
    """Of train; None: all."""
    windows: int = 150
    """Of val, each of a clip of its own while there are enough."""

    def examples(self) -> Examples:
        if self.data is None:
            return super().examples()
        return Crops(self._cut(self.data / "train", self.clips), self.side)

    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        return {}  # scored once, clip by clip, when it is done

    @cached_property
    def held_out(self) -> Crops:
        assert self.data is not None
        return Crops(self._cut(self.data / "val", None), self.side)

    def chosen(self) -> list[int]:
        """Windows of val, evenly spread; the number of each is the seed of its crop."""
        count = min(self.windows, len(self.held_out))
        places = np.linspace(0, len(self.held_out), count, endpoint=False)
        return [int(place) for place in places]

    @torch.no_grad()
    def tables(self, module: nn.Module) -> tuple[Tensor, list[int]]:
        """Counts [window truth guess], and the clip of each window."""
        assert isinstance(module, HexPlaneVae)
        found, clips = [], []
        for index in self.chosen():
            example = self.held_out.read(index, index)
            counts = Confusion(self.model.classes, self.model.frames)
            voxels, motion = example["voxels"][None], example["motion"][None]
            guess = module.labels(module.encode(voxels, motion).mean)
            counts.update(guess, voxels, example["valid"][None])
            found.append(counts.counts.sum(dim=0))
            clips.append(self.held_out.windows.locate(index)[0])
        return torch.stack(found), clips

    def protocol(self) -> Protocol:
        crops = self.held_out.windows
        names = [crops.window_name(i) for i in self.chosen()]
        count = len(names)
        return Protocol(
            system="crops", samples_sha256=hash_samples((n.scene, n.frame) for n in names),
            count=count, real_count=count, grid=crops.grid, view=crops.view.name,
            frames=crops.frames, hz=10.0,
            settings=(("data", crops.identity()), ("side", str(self.side))),
        )  # fmt: skip

    def _cut(self, folder: Path, clips: int | None) -> OccupancyWindows:
        from roadloom.prepare import Prepared

        scenes = Prepared(folder, partial=True).scenes
        return OccupancyWindows(
            folder, grid=self.grid, view=self.class_view, frames=self.model.frames,
            partial=self.partial, scenes=scenes[:clips],
        )  # fmt: skip


def task_of(name: str, args: argparse.Namespace) -> CropTask:
    official = name == OFFICIAL
    return CropTask(
        data=args.data, model=config_of(name, args.frames, (args.side, args.side, 8)),
        losses=PUBLISHED_LOSS if official else LOSS, partial=True, side=args.side,
        decode=None if name in (OURS, OFFICIAL) else max(1, args.frames // 4),
        windows=args.windows, clips=args.clips,
    )  # fmt: skip


def train_one(name: str, args: argparse.Namespace) -> None:
    """Train, score, write OUT/NAME/score.json; in this process."""
    folder, task = args.out / _plain(name), task_of(name, args)
    rate = args.published_rate if name == OFFICIAL or name in ATTENTION else args.rate
    config = TrainConfig(
        steps=args.steps, batch=1, learning_rate=rate, warmup_steps=min(50, args.steps // 5),
        ema_decay=0.99, save_every=50, seed=args.seed,
    )  # fmt: skip
    done = train(
        f"ablation {name}", task, config, folder, device="cpu", save=save_vae, progress=True
    )
    if not done.finished:
        raise SystemExit(130)
    tables, clips = task.tables(load_model(folder / "model")[0])
    told = {
        "tables": tables.tolist(), "clips": clips, "facts": done.facts,
        "protocol": asdict(task.protocol()), "protocol_id": task.protocol().protocol_id,
        "settings": asdict(config), "decode": task.decode, "model": asdict(task.model),
    }  # fmt: skip
    (folder / "score.json").write_text(json.dumps(told) + "\n")


class Published(nn.Module):
    """The reference way of the published autoencoder, called as ours is."""

    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.inner = PublishedVae(config, reference=True)

    def forward(
        self, voxels: Tensor, seeds: tuple[int, ...], decode: int | None, motion: Tensor
    ) -> Reconstruction:
        posterior = Posterior(*self.inner.encode(voxels))
        frames = draw_frames(self.inner.config.frames, decode, seeds)
        return Reconstruction(self.inner.decode(posterior.sample(seeds)), frames, posterior)


def cost_one(name: str, frames: int, side: int, threads: int) -> dict[str, float]:
    """Two steps on made-up blocks, all frames decoded; in this process."""
    torch.manual_seed(0)
    model = config_of(name, frames, (side, side, 8))
    official = name in (OFFICIAL, REFERENCE)
    task = VaeTask(data=None, model=model, losses=PUBLISHED_LOSS if official else LOSS)
    module = Published(model) if name == REFERENCE else task.build()
    optimizer = torch.optim.Adam(module.parameters())
    examples, before = task.examples(), peak_memory(torch.device("cpu"))
    spent = []
    for number in range(2):
        seed = number + 1
        batch = {key: value[None] for key, value in examples.read(number, seed).items()}
        begin = _cpu_s()
        loss, _ = task.loss(module, batch, Step(number=number, seeds=(seed,), micro_batches=1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        spent.append(_cpu_s() - begin)
    return {
        "cpu_s": spent[-1], "first_cpu_s": spent[0],
        "peak_bytes": peak_memory(torch.device("cpu")), "start_bytes": before,
        "parameters": sum(p.numel() for p in module.parameters()), "threads": threads,
    }  # fmt: skip


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def again(args: argparse.Namespace, *more: str) -> str:
    """This program with the same options, in a fresh process; what it prints."""
    # Waiting threads would count as work.
    quiet = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(args.threads)}
    command = [sys.executable, "-m", "studies.hexplane_ablation", *args.typed, *more]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=quiet).stdout.decode()


def costs(names: list[str], args: argparse.Namespace, frames: int, side: int) -> dict[str, Any]:
    file = args.out / f"cost-{frames}x{side}-{args.threads}.json"
    told: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for name in names:
        if name not in told:
            told[name] = json.loads(again(args, "--cost", name, str(frames), str(side)))
            file.write_text(json.dumps(told, indent=1) + "\n")
    return {name: told[name] for name in names}


def scores(found: Mapping[str, Any], seed: int) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for name, one in found.items():
        tables, clips = np.array(one["tables"]), np.array(one["clips"])
        span = interval(_miou, [tables], groups=[clips], seed=seed)
        iou = float(binary_iou(torch.from_numpy(tables.sum(axis=0))))
        seconds = one["facts"]["seconds"]["steps"] / one["settings"]["steps"]
        out[name] = {"miou": asdict(span), "iou": iou, "wall_s_a_step": seconds}
    return out


def _miou(tables: np.ndarray) -> float:
    return 100 * float(mean_iou(torch.from_numpy(tables.sum(axis=0))))


def beyond(found: Mapping[str, Any], seed: int) -> dict[str, float] | None:
    """mIoU of ours minus that of the published, over the same clips in every draw."""
    if not {OURS, OFFICIAL} <= found.keys():
        return None
    pair = np.stack([np.array(found[name]["tables"]) for name in (OURS, OFFICIAL)], axis=1)
    span = interval(
        lambda both: _miou(both[:, 0]) - _miou(both[:, 1]), [pair],
        groups=[np.array(found[OURS]["clips"])], seed=seed,
    )  # fmt: skip
    return asdict(span)


def tell(args: argparse.Namespace, names: list[str]) -> None:
    files = {name: args.out / _plain(name) / "score.json" for name in names}
    found = {name: json.loads(f.read_text()) for name, f in files.items() if f.exists()}
    ids = sorted({one["protocol_id"] for one in found.values()})
    scored, difference = scores(found, args.seed), beyond(found, args.seed)
    sizes = [(args.frames, args.side), *([(16, 128)] if args.full_size else [])]
    priced = [*names, REFERENCE] if OFFICIAL in names else names
    cost = {size: costs(priced, args, *size) for size in sizes}
    head = ["", "parameters", "val mIoU %", "95 %", "IoU %", "trained, wall s a step"]
    for frames, side in sizes:
        head += [f"CPU s a step, {frames}x{side}x{side}x8", "peak GiB", "without start"]
    rows: list[list[Any]] = []
    for name in priced:
        one = scored.get(name)
        span = one["miou"] if one else {"value": None, "low": None, "high": None}
        low_high = f"{span['low']:.2f} to {span['high']:.2f}" if one else None
        row = [name, f"{cost[sizes[0]][name]['parameters']:,}", span["value"], low_high]
        row += [100 * one["iou"] if one else None, one["wall_s_a_step"] if one else None]
        for size in sizes:
            told = cost[size][name]
            row += [told["cpu_s"], told["peak_bytes"] / 2**30]
            row += [(told["peak_bytes"] - told["start_bytes"]) / 2**30]
        rows.append(row)
    lines = [markdown(head, rows), f"mIoU over crops of {args.windows} windows: {', '.join(ids)}"]
    if {OURS, REFERENCE} <= set(priced):
        for size, told in cost.items():
            time = told[OURS]["cpu_s"] / told[REFERENCE]["cpu_s"]
            memory = told[OURS]["peak_bytes"] / told[REFERENCE]["peak_bytes"]
            lines.append(
                f"ours / published program at {size[0]}x{size[1]}x{size[1]}x8: "
                f"time {time:.3f}, memory {memory:.3f}"
            )
    if difference is not None:
        lines.append(
            f"mIoU of ours minus published at {args.steps} steps: {difference['value']:.2f} "
            f"[{difference['low']:.2f}, {difference['high']:.2f}]"
        )
    facts = {
        "scores": scored, "protocol_ids": ids, "ours_minus_published": difference,
        "protocols": {name: one["protocol"] for name, one in found.items()},
        "cost": {f"{frames}x{side}": told for (frames, side), told in cost.items()},
    }  # fmt: skip
    report(args.out, "ablation", "\n".join(lines), facts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--rate", type=float, default=2e-3, help="largest learning rate")
    parser.add_argument("--published-rate", type=float, default=1e-3, help="of published nets")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--windows", type=int, default=150, help="of val")
    parser.add_argument("--clips", type=int, help="of train, the first so many")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="these, such as ours 'query, points'")
    parser.add_argument("--attention", action="store_true", help="also the published parts")
    parser.add_argument("--full-size", action="store_true", help="also costs of whole windows")
    parser.add_argument("--quick", action="store_true", help="a few steps of small crops")
    parser.add_argument("--train", help="only this one, in this process")
    parser.add_argument("--cost", nargs=3, metavar=("NAME", "FRAMES", "SIDE"))
    args = parser.parse_args()
    args.typed = sys.argv[1:]
    if args.quick:
        args.steps, args.frames, args.side, args.windows, args.clips = 6, 4, 32, 8, 4
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.cost:
        print(json.dumps(cost_one(args.cost[0], *map(int, args.cost[1:]), args.threads)))
        return
    if args.train:
        train_one(args.train, args)
        return
    names = [*CORNERS, OURS, OFFICIAL, *(ATTENTION if args.attention else ())]
    for name in args.only or names:
        if name not in names:
            parser.error(f"{name!r} is none of {', '.join(names)}")
        if not (args.out / _plain(name) / "score.json").exists():
            again(args, "--train", name)
    tell(args, args.only or names)


if __name__ == "__main__":
    main()
