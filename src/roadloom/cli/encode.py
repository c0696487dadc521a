"""``roadloom encode``: windows of occupancy as latents of an autoencoder, to train on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from roadloom.cli.command import Command
from roadloom.cli.many import counted, pair


@dataclass(frozen=True, kw_only=True)
class Encode(Command):
    """Write the latents of every window of a prepared folder, with the windows' conditions.

    Run it again to go on where it was interrupted. Several machines may share a folder, each with
    its own --shard. Train on the folder, or on one that holds two of them as train and val.
    Example: roadloom encode cache/train --vae runs/vae/model --out latents/train
    """

    data: Annotated[Path, tyro.conf.Positional]
    """Prepared folder, with occupancy on the autoencoder's grid."""
    vae: str
    """Model folder of a HexPlane autoencoder, or name of one that ships."""
    out: Path
    """Folder of latents; created if missing, and bound to the flags it was begun with."""
    stride: int = 4
    """Frames between the first frames of neighbouring windows; a divisor of a window's frames
    keeps the window before, which is a condition."""
    batch: int = 4
    """Windows that go through the encoder at once."""
    shard: str = "0/1"
    """i/n: only every n-th clip from the i-th, counted from 0."""
    clips: int | None = None
    """Only the first so many."""
    partial: bool = False
    """Take a folder that is still being written, with the clips it has."""
    device: str = "auto"
    """cpu or cuda; the GPU if there is one."""
    precision: Literal["32", "bf16"] = "32"
    """bf16 takes about half the time on a CPU, and moves latents by about 0.5 %."""

    def run(self) -> int:
        from roadloom.pipelines.encode import encode_prepared

        done = encode_prepared(
            self.data, self.vae, self.out, stride=self.stride, batch=self.batch,
            shard=pair(self.shard, "/", "--shard", "0/4"), clips=self.clips,
            partial=self.partial, device=self.device, precision=self.precision,
        )  # fmt: skip
        more = f"; {counted(done.kept, 'clip')} kept" if done.kept else ""
        told = f"{counted(done.written, 'clip')}, {counted(done.frames, 'window')}"
        sys.stdout.write(f"{told} written to {self.out}{more}\n")
        return 0
