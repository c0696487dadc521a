"""Model folders: a round trip, the shelf of shipped ones, and every kind of damage."""

import dataclasses
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from roadloom.errors import BadInput, MissingInput
from roadloom.models import store
from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import find_model, load_model, save_model, shipped

CONFIG = HexPlaneConfig(
    frames=2, shape=(8, 8, 8), width=8, ground_width=8, plane_width=8, query_channels=4, heads=2
)
CARD = {
    "about": "A small one.", "licence": "CC0-1.0", "steps": 3, "seed": 0,
    "scores": {"miou": 12.34567},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return save_model(tmp_path / "small", HexPlaneVae(CONFIG), "hexplane_vae", CONFIG, CARD)


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_model_comes_back_the_same(folder: Path) -> None:
    torch.manual_seed(0)
    wanted = HexPlaneVae(CONFIG).state_dict()
    module, card = load_model(folder)
    assert isinstance(module, HexPlaneVae) and module.config == CONFIG
    assert not module.training and not any(p.requires_grad for p in module.parameters())
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in wanted.items())
    assert card["steps"] == 3 and card["scores"] == CARD["scores"]
    assert card["parameters"] == sum(tensor.numel() for tensor in wanted.values())
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md", "card.json", "config.json", "model.safetensors",
    ]  # fmt: skip


def test_half_precision_is_half_the_file_and_the_rounded_weights(
    folder: Path, tmp_path: Path
) -> None:
    whole, _ = load_model(folder)
    half = save_model(tmp_path / "half", whole, "hexplane_vae", CONFIG, CARD, half=True)
    again, _ = load_model(half)
    for name, tensor in whole.state_dict().items():
        assert again.state_dict()[name].dtype == torch.float32
        assert torch.equal(again.state_dict()[name], tensor.half().float())
    sizes = [(place / "model.safetensors").stat().st_size for place in (half, folder)]
    assert sizes[0] < 0.6 * sizes[1]


def test_the_page_tells_what_the_card_holds(folder: Path) -> None:
    page = (folder / "README.md").read_text()
    for told in ("license: CC0-1.0", "# small", "A small one.", "| miou | 12.35 |", "- steps: 3"):
        assert told in page


def test_shipped_models_go_by_their_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_shelf", lambda: folder.parent)
    assert shipped() == ("small",)
    assert find_model("small") == folder
    assert load_model("small")[0].state_dict().keys() == load_model(folder)[0].state_dict().keys()
    with pytest.raises(MissingInput, match="one of small"):
        load_model("large")


def test_weights_that_do_not_fit_half_precision_or_are_not_finite(tmp_path: Path) -> None:
    for value, half in ((70_000.0, True), (float("nan"), False), (float("inf"), False)):
        module = HexPlaneVae(CONFIG)
        with torch.no_grad():
            module.posterior[0].bias[0] = value
        with pytest.raises(BadInput, match="posterior.0.bias"):
            save_model(tmp_path / "x", module, "hexplane_vae", CONFIG, {}, half=half)
        assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["config.json", "card.json", "model.safetensors"])
def test_a_file_that_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(MissingInput, match=name):
        load_model(folder)


def test_weights_cut_short_at_any_place(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    for length in (0, 1, 7, 8, 100, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:length])
        with pytest.raises(BadInput, match="model.safetensors"):
            load_model(folder)


def test_pickles_are_refused_unread(folder: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    file = folder / "model.safetensors"
    torch.save({"x": torch.zeros(1)}, tmp_path / "zip.pt")
    for data in (pickle.dumps(Trap()), (tmp_path / "zip.pt").read_bytes()):
        file.write_bytes(data)
        with pytest.raises(BadInput, match="pickled"):
            load_model(folder)
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network(folder: Path) -> None:
    file = folder / "model.safetensors"
    good = load_file(file)
    name = "posterior.0.bias"
    cases = (
        ({**good, "extra": torch.zeros(2)}, "extra"),
        ({k: v for k, v in good.items() if k != name}, name),
        ({**good, name: torch.zeros(5)}, name),
        ({**good, name: torch.full_like(good[name], torch.nan)}, name),
    )
    for tensors, named in cases:
        save_file(tensors, file)
        with pytest.raises(BadInput, match=named):
            load_model(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"roadloom_model": 99}, "version"),
        ({"system": "no_such"}, "no_such"),
        ({"system": ["x"]}, "system"),
        ({"config": dataclasses.asdict(CONFIG) | {"wheels": 4}}, "wheels"),
        ({"config": dataclasses.asdict(CONFIG) | {"frames": "many"}}, "frames"),
        ({"config": dataclasses.asdict(CONFIG) | {"frames": 3}}, "cannot be halved"),
        ({"config": None}, "config"),
        ({"config": dataclasses.asdict(CONFIG) | {"classes": -1}}, "describes no network"),
        ({"config": dataclasses.asdict(CONFIG) | {"head_blocks": 10**12}}, "beyond"),
        ({"config": dataclasses.asdict(CONFIG) | {"shape": [10**6, 8, 8]}}, "beyond"),
        ({"config": dataclasses.asdict(CONFIG) | {"width": 2**14}}, "model.safetensors"),
    ],
)
def test_configurations_that_we_do_not_know(
    folder: Path, changes: dict[str, object], told: str
) -> None:
    edit(folder / "config.json", **changes)
    with pytest.raises(BadInput, match=told):
        load_model(folder)


def test_a_card_that_is_none(folder: Path) -> None:
    (folder / "card.json").write_text("[]")
    with pytest.raises(BadInput, match="card.json"):
        load_model(folder)


@pytest.mark.parametrize("changes", [{"weights_sha256": None}, {"grid": 3}, {"licence": ["x"]}])
def test_a_card_of_other_types(folder: Path, changes: dict[str, object]) -> None:
    edit(folder / "card.json", **changes)
    with pytest.raises(BadInput, match=rf"card.json: {next(iter(changes))}"):
        load_model(folder)


def test_one_bit_that_changed_is_noticed(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-4] ^= 1  # the lowest bit of a float: still finite, of the same shape
    file.write_bytes(bytes(data))
    with pytest.raises(BadInput, match="is not the file that card.json names"):
        load_model(folder)


def test_every_system_is_there() -> None:
    for kind, network in store.SYSTEMS.values():
        assert dataclasses.is_dataclass(store._import(kind))
        assert issubclass(store._import(network), nn.Module)
