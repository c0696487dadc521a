"""The chain that makes every shipped weight: what it runs, skips, fits into hours and installs."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from studies.train_town import SAFETY, STAGES, TRAINED, main, steps_within
from studies.train_town_models import MODELS, install
from tests.recipes.toy_latents import made_drives

from roadloom.errors import RoadloomError
from roadloom.io.read import read_json
from roadloom.models.features.view_net import ViewFeatureConfig, ViewFeatures
from roadloom.models.hexplane.generator import HexPlaneGenerator
from roadloom.models.low_rank import LowRankDifference
from roadloom.models.store import load_model, save_model
from studies import train_town, train_town_models

PLAN = {
    "seconds": 5 + 100 * 0.5 + 20 + 2, "step_s": 0.5, "how": "measured", "notes": [],
    "parts": {"start": 5.0, "steps": 50.0, "validate": 20.0, "export": 2.0},
}  # fmt: skip
"""Of 100 steps."""


class Fake:
    """Stands for ``roadloom``: keeps the commands, and leaves what they would."""

    def __init__(self, fail_at: str = "") -> None:
        self.commands: list[list[str]] = []
        self.fail_at = fail_at
        self.clock = 0.0

    def __call__(self, words: Sequence[str], log: Path) -> str:
        self.commands.append(list(words))
        if log.stem == self.fail_at:
            raise SystemExit(130)
        out = Path(words[words.index("--out") + 1]) if "--out" in words else Path()
        if words[0] == "evaluate":
            out.write_text('{"miou": 75}')
        if words[0] == "train":
            steps = int(words[words.index("--steps") + 1]) if "--steps" in words else 0
            self.clock += 7 + 0.7 * steps
            store(out / "model", out.name)
        return "told\n" + json.dumps(PLAN) if words[0] == "plan" else ""

    def of(self, word: str) -> list[list[str]]:
        return [words for words in self.commands if words[0] == word]


def store(folder: Path, stage: str) -> None:
    """A small network; the student's is a difference from the transformer's."""
    config = ViewFeatureConfig()
    torch.manual_seed(len(stage))
    module = ViewFeatures(config)
    card = {"licence": "Apache-2.0", "recipe": stage}
    extra = {}
    if stage == "student":
        teacher = folder.parents[1] / "drive" / "model"
        extra = {"base": teacher, "difference": LowRankDifference(module, 2).tensors()}
    save_model(folder, module, "features_view", config, card, half=True, **extra)  # type: ignore[arg-type]


def test_every_stage_runs_once_in_order(tmp_path: Path) -> None:
    fake = Fake()
    main(["--out", str(tmp_path), "--clips", "100"], run=fake)
    assert [words[0] for words in fake.commands] == [
        "prepare", "prepare", "train", "evaluate", "encode", "encode", *["train"] * 5,
    ]  # fmt: skip
    train, val = fake.of("prepare")
    assert train[train.index("--shard") + 1] == "0/7" and val[val.index("--shard") + 1] == "0/1"
    recipes = [words[1] for words in fake.of("train")]
    assert recipes == [
        "hexplane_vae_tiny", "hexplane_dit_tiny", "hexplane_drive_tiny", "hexplane_student_tiny",
        "features_scene_tiny", "features_view_tiny",
    ]  # fmt: skip
    again = Fake()
    main(["--out", str(tmp_path), "--clips", "100"], run=again)
    assert {words[0] for words in again.commands} == {"prepare", "encode"}  # they look themselves


def test_cards_hold_the_commands_and_scores(tmp_path: Path) -> None:
    fake = Fake()
    main(["--out", str(tmp_path)], run=fake)
    card = read_json(tmp_path / "models" / "hexplane_student_v1" / "card.json")
    assert [words.split()[1] for words in card["commands"]] == [
        "prepare", "prepare", "train", "encode", "encode", "train", "train", "train",
    ]  # fmt: skip
    assert card["commands"][-1].split()[1:] == fake.of("train")[3]
    vae = read_json(tmp_path / "models" / "hexplane_vae_v1" / "card.json")
    assert vae["reconstruction"] == {"miou": 75}
    assert "roadloom prepare" in (tmp_path / "models" / "hexplane_vae_v1" / "README.md").read_text()


def test_another_autoencoder_is_scored_anew(tmp_path: Path) -> None:
    fake = Fake()
    main(["--out", str(tmp_path), "--only", "vae,score"], run=fake)
    main(["--out", str(tmp_path), "--only", "score"], run=fake)
    assert len(fake.of("evaluate")) == 1
    store(tmp_path / "vae" / "model", "another")
    main(["--out", str(tmp_path), "--only", "score"], run=fake)
    assert len(fake.of("evaluate")) == 2


def test_steps_fill_their_time() -> None:
    """100 planned steps take 70 s with their validations, and 7 s come once."""
    steps = steps_within(PLAN, 1000)
    assert 7 + 0.7 * steps <= SAFETY * 1000 < 7 + 0.7 * (steps + 1)
    assert steps_within(PLAN, 1) == 1
    with pytest.raises(SystemExit, match="could not be timed"):
        steps_within(PLAN | {"how": "counted", "notes": ["no memory"]}, 1000)


def test_hours_choose_steps_that_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is done in time; a run that was cut off goes on with the steps it was begun with."""
    cut, after = Fake(fail_at="dit"), Fake()
    ticking = SimpleNamespace(monotonic=lambda: cut.clock + after.clock)
    monkeypatch.setattr(train_town, "time", ticking)
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--hours", "2", "--steps-vae", "1000"], run=cut)
    vae, dit = cut.of("train")
    assert vae[vae.index("--steps") + 1] == "1000" and "--no-plan" in vae
    steps = int(dit[dit.index("--steps") + 1])
    ahead = [train_town.SHARES[s] for s in STAGES[STAGES.index("dit") : -1]]
    assert steps == steps_within(PLAN, (7200 - cut.clock) * ahead[0] / sum(ahead))
    main(["--out", str(tmp_path), "--hours", "2"], run=after)
    words = after.of("train")[0]
    assert words[1] == "hexplane_dit_tiny" and words[words.index("--steps") + 1] == str(steps)
    assert 0.85 * 7200 < cut.clock + after.clock < 7200


def test_unknown_stages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such stages: baking"):
        main(["--out", str(tmp_path), "--only", "baking"], run=Fake())


def test_what_is_installed_loads_and_keeps_to_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["--out", str(tmp_path)], run=Fake())
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    text = install(tmp_path / "models", shelf)
    total = sum(file.stat().st_size for file in shelf.rglob("*") if file.is_file())
    assert f"{total:,} of 10,000,000 bytes" in text
    (tmp_path / "drive").rename(tmp_path / "away")  # the student's base lies beside it now
    teacher, student = (load_model(shelf / f"hexplane_{name}_v1")[0] for name in ("dit", "student"))
    assert all(map(torch.equal, teacher.parameters(), student.parameters()))
    monkeypatch.setattr(train_town_models, "BUDGET", total - 1)
    before = sorted(shelf.rglob("*"))
    with pytest.raises(SystemExit, match="too much"):
        install(tmp_path / "models", shelf)
    assert sorted(shelf.rglob("*")) == before


def test_full_precision_or_a_damaged_model_is_not_installed(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--only", "features_view,collect"], run=Fake())
    models, shelf = tmp_path / "models", tmp_path / "shelf"
    config = ViewFeatureConfig()
    save_model(
        models / "features_view_v1", ViewFeatures(config), "features_view", config, {}
    )  # fmt: skip
    with pytest.raises(SystemExit, match="half precision"):
        install(models, shelf)
    (models / "features_view_v1" / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(RoadloomError):
        install(models, shelf)
    assert not shelf.exists()


def test_other_licences_do_not_ship(tmp_path: Path) -> None:
    fake = Fake()
    main(["--out", str(tmp_path), "--only", "features_view"], run=fake)
    file = tmp_path / "features_view" / "model" / "card.json"
    file.write_text(json.dumps(read_json(file) | {"licence": "CC-BY-NC-4.0"}))
    with pytest.raises(SystemExit, match="CC-BY-NC"):
        main(["--out", str(tmp_path), "--only", "collect"], run=fake)


@pytest.mark.slow
def test_the_whole_chain_on_two_drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real commands, a few steps each: every model loads, in the budget."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for part in ("train", "val"):
        made_drives(tmp_path / "data" / part, frames=34)
    main([
        "--out", str(tmp_path), "--data", str(tmp_path / "data"), "--device", "cpu", "--stride",
        "16", "--scored", "1", "--only", ",".join(STAGES[:-1]),
        *(word for stage in TRAINED
          for word in (f"--steps-{stage.replace('_', '-')}", "4" if stage == "student" else "1")),
    ])  # fmt: skip
    train_town_models.collect(tmp_path, dict.fromkeys(MODELS, []), licence="CC0")
    install(tmp_path / "models", tmp_path / "shelf")
    student, card = load_model(tmp_path / "shelf" / "hexplane_student_v1")
    assert isinstance(student, HexPlaneGenerator) and student.config.student is not None
    assert card["rank"] == 16
