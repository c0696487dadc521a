"""How a run is trained, whatever it trains."""

from dataclasses import dataclass
from math import inf
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    steps: int
    """Optimiser steps."""
    batch: int = 8
    """Examples per optimiser step, over all processes and accumulation."""
    micro_batch: int | None = None
    """Examples that go through the network at once, per process; all of its share if left out."""
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    """Of the learning rate after the warm-up; the last two end at zero."""
    warmup_steps: int = 0
    cycles: int = 1
    """Equal parts of the run, each with a warm-up and a schedule of its own."""
    clip_norm: float | None = 1.0
    """Largest norm of all gradients together; None: no clipping."""
    ema_decay: float = 0.999
    """Of the averaged weights, which are validated and saved; 0: no average."""
    precision: Literal["32", "bf16", "16"] = "32"
    """Of activations; weights stay in 32 bits."""
    checkpoint_activations: bool = False
    """Forget activations of blocks and compute them again: less memory, more time."""
    compile: bool = False
    seed: int = 0
    log_every: int = 10
    save_every: int = 500
    validate_every: int = 0
    """Steps between validations; 0: at the end only."""
    validate_limit: int | None = None
    """Examples of each validation; None: all."""
    workers: int = 0
    """Processes that read examples, per training process; 0 reads in the loop."""
    strategy: Literal["auto", "ddp", "fsdp2"] = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "cycles", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.micro_batch is not None and self.micro_batch < 1:
            raise ValueError(f"micro_batch must be at least 1, got {self.micro_batch}")
        for name in ("workers", "validate_every", "warmup_steps"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not 0 < self.learning_rate < inf or not (self.clip_norm is None or self.clip_norm > 0):
            raise ValueError(
                "learning_rate and clip_norm must be positive, "
                f"got {self.learning_rate} and {self.clip_norm}"
            )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")
