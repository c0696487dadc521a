"""``roadloom train``: one run of a recipe, begun or gone on with."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from roadloom.cli.plan import OfRecipe

if TYPE_CHECKING:
    from roadloom.recipes.recipe import Recipe
    from roadloom.training.config import TrainConfig
    from roadloom.training.loop import Result

_FORESEEN = ("seconds", "memory_bytes", "disk_bytes")
STOPPED = 130
"""Exit status of a run that was told to stop, as of a shell after Ctrl-C."""


@dataclass(frozen=True, kw_only=True)
class Train(OfRecipe):
    """Train a recipe into a folder: checkpoints, log.jsonl, run.json and at the end the model.

    Run it again to go on where it stopped; Ctrl-C finishes the step and saves. Several GPUs:
    torchrun --nproc-per-node 8 -m -- roadloom train ...
    Example: roadloom train hexplane_vae_tiny --data cache --out runs/vae
    """

    data: Path
    """Folder to train on."""
    out: Path
    """Folder of this run; created if missing."""
    strategy: Literal["auto", "ddp", "fsdp2"] = "auto"
    """With several processes: all weights in each (auto, ddp) or a part in each (fsdp2)."""
    tensorboard: bool = False
    """Write curves for TensorBoard beside log.jsonl."""
    plan: bool = True
    """First say what the run will take, by trying a few steps."""

    def run(self) -> int:
        from dataclasses import replace

        from roadloom.training.loop import train

        recipe = self.find(self.data)
        config = replace(self.settings(recipe.train), strategy=self.strategy)
        planned = self._plan(recipe, config)
        result = train(
            recipe.name, recipe.task, config, self.out, device=self.device, progress=True,
            save=recipe.save, tensorboard=self.tensorboard, plan=planned,
        )  # fmt: skip
        if os.environ.get("RANK", "0") == "0":
            sys.stdout.write(_told(result, self.out, planned))
        return 0 if result.finished else STOPPED

    def _plan(self, recipe: "Recipe", config: "TrainConfig") -> dict[str, Any] | None:
        """The plan of this folder, made and shown when its run begins; of one process only."""
        from roadloom.io.atomic import write_json
        from roadloom.io.read import is_file, read_json
        from roadloom.training.plan import plan

        if int(os.environ.get("WORLD_SIZE", "1")) > 1 or not self.plan:
            return None
        file = self.out / "plan.json"
        if is_file(file):
            return _kept_plan(read_json(file), file)
        made = plan(recipe.task, config, self.device, save=recipe.save)
        sys.stdout.write(f"{made.table()}\n")
        sys.stdout.flush()
        write_json(file, made.as_json())
        return made.as_json()


def _kept_plan(kept: Any, file: Path) -> dict[str, Any]:
    from roadloom.errors import BadInput

    numbers = [kept.get(name) for name in _FORESEEN] if isinstance(kept, dict) else [""]
    if not all(number is None or type(number) in (int, float) for number in numbers):
        raise BadInput("is no plan", file=file, remedy="remove it; the run is then planned anew")
    return dict(kept)


def _told(result: "Result", out: Path, planned: dict[str, Any] | None) -> str:
    """What a run did, for the terminal."""
    from roadloom.training.plan import told_size, told_time

    if not result.finished:
        return (
            f"stopped after step {result.step} and saved in {out}; run the same command again "
            "to go on\n"
        )
    seconds = sum(result.facts["seconds"].values())
    lines = [f"{result.step} steps done, in {out}"]
    for name, value, foreseen, told in (
        ("time", seconds, (planned or {}).get("seconds"), told_time),
        ("memory", result.facts["memory_bytes"], (planned or {}).get("memory_bytes"), told_size),
        ("disk", result.facts["disk_bytes"], (planned or {}).get("disk_bytes"), told_size),
    ):
        lines.append(f"{name:<8}{told(value)}" + (f" (plan: {told(foreseen)})" if foreseen else ""))
    wide = max(5, *map(len, result.scores), 0) + 3
    lines += [f"{name:<{wide}}{score:.4g}" for name, score in result.scores.items()]
    return "\n".join(lines) + "\n"
