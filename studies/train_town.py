"""Every model that ships for 4-D cities, made from nothing by the program's own commands.

    python -m studies.train_town --out DIR --hours 5
    python -m studies.train_town --out DIR --install

    town -> data -> vae -> score -> latents -> dit -> drive -> student    features_scene, ...
                 -> models/NAME, with the commands in each card -> --install: src/roadloom/weights

Run it again to go on: what is whole is kept, what was cut off is resumed. Each command's output
is in DIR/log. With --hours every training gets a share of the time that is left, and so many
steps as ``roadloom plan`` says fit in it; the number is kept in DIR/budget.json, because the
learning rate's course is laid out for it. Without --hours the recipes' own numbers are used.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadloom.io.atomic import write_json
from roadloom.io.read import read_json
from roadloom.training.spread import pick_device
from studies.train_town_models import MODELS, collect, install

SHARES = {
    "vae": 0.40, "score": 0.02, "encode": 0.07, "dit": 0.19, "drive": 0.12,
    "student": 0.09, "features_scene": 0.07, "features_view": 0.04,
}  # fmt: skip
"""Of the time, once the data are there; only trainings are fitted to theirs."""
TRAINED = tuple(stage for stage in SHARES if stage not in ("score", "encode"))
STAGES = ("prepare", *SHARES, "collect")
CLIPS = {"train": 700, "val": 150}
"""That ``town-v1`` has."""
SAFETY = 0.95
"""Share of a training's time that steps are chosen for."""
Run = Callable[[Sequence[str], Path], str]
"""Run ``roadloom`` with these words, its output into a file; what it printed."""


def in_process(words: Sequence[str], log: Path) -> str:
    """In a process of its own, so that each stage has the machine's memory to itself.

    Raises:
        SystemExit: the command failed or was stopped; its status.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "roadloom", *words]
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {shlex.join(['roadloom', *words])}\n")
        stream.flush()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=stream, text=True)
        stream.write(done.stdout)
    if done.returncode:
        print(f"stopped with status {done.returncode}: see {log}")
        raise SystemExit(done.returncode)
    return done.stdout


@dataclass
class Town:
    """One folder of everything, and how far it is."""

    out: Path
    data: Path
    device: str = "auto"
    clips: int = 100
    val_clips: int = 150
    workers: int = 2
    stride: int = 4
    val_stride: int = 16
    scored: int = 600
    """Windows that the autoencoder's scores are of."""
    hours: float | None = None
    steps: dict[str, int] = field(default_factory=dict)
    """Given ones, by stage."""
    run: Run = in_process

    def __post_init__(self) -> None:
        self.cuda = pick_device(self.device).type == "cuda"
        file = self.out / "budget.json"
        known = read_json(file) if file.exists() else {}
        self.chosen: dict[str, Any] = known.get("steps", {})
        self.spent: dict[str, float] = known.get("seconds", {})

    def recipe(self, stage: str) -> str:
        """By stage; only the autoencoder may be of a larger recipe, as it stays small enough."""
        size = "small" if stage == "vae" and self.cuda else "tiny"
        return f"{stage if stage.startswith('features') else f'hexplane_{stage}'}_{size}"

    def model(self, stage: str) -> Path:
        return self.out / stage / "model"

    def keep(self) -> None:
        write_json(self.out / "budget.json", {"steps": self.chosen, "seconds": self.spent})

    def left_s(self) -> float | None:
        """Seconds until the hours are over, not counting those between runs."""
        return None if self.hours is None else self.hours * 3600 - sum(self.spent.values())

    def do(self, stage: str) -> None:
        """One stage, skipped if it is whole."""
        start = time.monotonic()
        try:
            self._do(stage)
        finally:
            self.spent[stage] = self.spent.get(stage, 0.0) + time.monotonic() - start
            self.keep()
        left = self.left_s()
        more = "" if left is None else f", {left / 3600:.2f} h left"
        print(f"{stage:<16}{self.spent[stage] / 60:8.1f} min{more}", flush=True)

    def _do(self, stage: str) -> None:
        if stage == "collect":
            collect(self.out, {name: self.commands(kind) for name, kind in MODELS.items()})
        elif not self.is_whole(stage):
            if stage in TRAINED:
                self.choose(stage)
            for words in self.words(stage):
                self.run(words, self.out / "log" / f"{stage}.log")

    def is_whole(self, stage: str) -> bool:
        """Whether nothing is left to do; commands that look for themselves are asked."""
        if stage in TRAINED:
            return self.model(stage).exists()
        return stage == "score" and self._scored()

    def _scored(self) -> bool:
        """Whether the scores are of the autoencoder that is there."""
        file, mark = self.out / "vae.json", self.out / "vae-scored.json"
        weights = read_json(self.model("vae") / "card.json")["weights_sha256"]
        if file.exists() and mark.exists() and read_json(mark) == weights:
            return True
        file.unlink(missing_ok=True)
        write_json(mark, weights)
        return False

    def choose(self, stage: str) -> None:
        """How many steps a training takes; never changed once it has begun."""
        if stage in self.chosen:
            return
        if stage in self.steps or self.hours is None:
            self.chosen[stage] = self.steps.get(stage)  # None: the recipe's own
        else:
            text = self.run([*self.training("plan", stage), "--json"], self.out / "log/plan.log")
            plan = json.loads(text[text.index("{") :])
            self.chosen[stage] = steps_within(plan, self.share_s(stage))
            print(f"{stage:<16}{self.chosen[stage]} steps of {plan['step_s']:.3g} s", flush=True)
        self.keep()

    def share_s(self, stage: str) -> float:
        """Of the time that is left, for this stage and those after it that are not done."""
        ahead = STAGES[STAGES.index(stage) :]
        open_stages = [s for s in ahead if s in SHARES and (s == stage or s not in self.spent)]
        return max(0.0, self.left_s() or 0.0) * SHARES[stage] / sum(SHARES[s] for s in open_stages)

    def words(self, stage: str) -> list[list[str]]:
        """The commands of a stage."""
        on = ["--device", self.device]
        if stage == "prepare":
            return [
                ["prepare", f"town-v1:{part}", "--out", str(self.data / part), "--occupancy",
                 "carla_sc", "--hz", "10", "--workers", str(self.workers),
                 "--shard", f"0/{max(1, CLIPS[part] // count)}"]
                for part, count in (("train", self.clips), ("val", self.val_clips))
            ]  # fmt: skip
        vae = str(self.model("vae"))
        if stage == "score":
            return [
                ["evaluate", "reconstruction", str(self.data / "val"), "--vae", vae, "--out",
                 str(self.out / "vae.json"), "--count", str(self.scored), "--partial", *on]
            ]  # fmt: skip
        if stage == "encode":
            return [
                ["encode", str(self.data / part), "--vae", vae, "--out",
                 str(self.out / "latents" / part), "--stride", str(stride), "--partial",
                 "--precision", "bf16", *on]
                for part, stride in (("train", self.stride), ("val", self.val_stride))
            ]  # fmt: skip
        made = ["--out", str(self.out / stage)]
        return [[*self.training("train", stage), *made]]

    def training(self, what: str, stage: str) -> list[str]:
        """``roadloom train`` or ``plan`` of a stage's recipe."""
        latents = stage in ("dit", "drive", "student")
        words = [what, self.recipe(stage), "--device", self.device]
        words += ["--data", str(self.out / "latents" if latents else self.data)]
        words += ["--partial"] if stage == "vae" else []
        words += ["--start", str(self.model("dit"))] if stage == "drive" else []
        words += ["--teacher", str(self.model("drive"))] if stage == "student" else []
        words += ["--workers", str(self.workers)] if self.cuda else []
        words += ["--no-plan"] if what == "train" and stage in self.steps else []
        steps = self.chosen.get(stage)
        return words if steps is None else [*words, "--steps", str(steps)]

    def commands(self, stage: str) -> list[str]:
        """All that made a model, for its card."""
        before = {
            "drive": ("vae", "encode", "dit"), "student": ("vae", "encode", "dit", "drive"),
        }.get(stage, ())  # fmt: skip
        stages = ("prepare", *before, stage)
        return [shlex.join(["roadloom", *words]) for s in stages for words in self.words(s)]


def steps_within(plan: dict[str, Any], seconds: float) -> int:
    """How many steps of a planned run fit, its validations and checkpoints included."""
    if plan["seconds"] is None or plan["how"] != "measured":
        raise SystemExit(f"a step could not be timed: {'; '.join(plan['notes'])}")
    once = plan["parts"]["start"] + plan["parts"]["export"]
    planned = max(1, round(plan["parts"]["steps"] / plan["step_s"]))
    each = (plan["seconds"] - once) / planned
    return max(1, int((SAFETY * seconds - once) / each))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="prepared train and val; default: OUT/data")
    parser.add_argument("--clips", type=int, default=100, help="of town-v1:train, at least")
    parser.add_argument("--val-clips", type=int, default=150, help="of town-v1:val, at least")
    parser.add_argument("--stride", type=int, default=4, help="of encoded training windows")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=2, help="processes that prepare, or read")
    parser.add_argument("--scored", type=int, default=600, help="windows of the VAE's scores")
    parser.add_argument("--hours", type=float, help="for everything")
    for stage in TRAINED:
        parser.add_argument(f"--steps-{stage.replace('_', '-')}", type=int)
    parser.add_argument("--only", help=f"comma-separated: {','.join(STAGES)}")
    parser.add_argument("--install", action="store_true", help="copy models into the package")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None, run: Run = in_process) -> None:
    told = parse(arguments)
    given = {stage: getattr(told, f"steps_{stage}") for stage in TRAINED}
    town = Town(
        out=told.out, data=told.data or told.out / "data", device=told.device, clips=told.clips,
        val_clips=told.val_clips, workers=told.workers, stride=told.stride, hours=told.hours,
        scored=told.scored,
        steps={stage: steps for stage, steps in given.items() if steps is not None}, run=run,
    )  # fmt: skip
    wanted = STAGES if told.only is None else tuple(told.only.split(","))
    if odd := set(wanted) - set(STAGES):
        raise SystemExit(f"no such stages: {', '.join(sorted(odd))}")
    if told.install and told.only is None:
        wanted = ()
    for stage in STAGES:
        if stage in wanted and not (stage == "prepare" and told.data):
            town.do(stage)
    if told.install:
        print(install(told.out / "models"))


if __name__ == "__main__":
    main()
