"""The published transformer: recorded outputs, every key of its manifests, its options."""

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.published_fixtures import recorded

from roadloom.errors import BadInput
from roadloom.models.hexplane.dit import HexPlaneDit
from roadloom.models.hexplane.embeddings import wave_table
from roadloom.models.hexplane.published_dit import HEXPLANE_DIT, build, inputs, names, outputs, run
from roadloom.models.hexplane.rollout import live_cells
from roadloom.models.parity import check
from roadloom.models.published import load_published, published_state
from roadloom.models.registry import SYSTEMS

CONFIG: dict[str, Any] = {
    "in_channels": 2, "txyz": [2, 6, 4, 2], "seq_len": 3, "depth": 1, "hidden_size": 8,
    "num_heads": 2,
}  # fmt: skip
FLAGS = ("hex_cond", "layout_cond", "cmd_cond", "traj_cond")
ALL = CONFIG | dict.fromkeys(FLAGS, True)


@pytest.mark.parametrize("name", ["hexplane_dit_small", "hexplane_dit_xattn"])
def test_recorded_outputs_of_the_published_transformer(name: str) -> None:
    report = check(recorded(f"{name}.json"))
    assert report.passed
    assert report.errors["output"] <= 2.3e-5  # specification, section 9


@pytest.mark.parametrize(
    ("name", "trained"),
    [
        # counted from the manifests; the first is the paper's
        ("plain", 43_175_936), ("hex", 52_662_656), ("layout", 52_637_761),
        ("cmd", 43_177_472), ("traj", 43_490_432),
    ],
)  # fmt: skip
def test_every_key_of_the_full_size_maps(name: str, trained: int) -> None:
    path = recorded(f"hexplane_dit_full_manifest_{name}.json")
    manifest = json.loads(path.read_text())
    with torch.device("meta"):
        module = build(manifest["config"])
    own, pairs = module.state_dict(), names(module)
    assert {key: list(own[ours].shape) for key, ours in pairs.items()} == manifest["parameters"]
    assert sorted(pairs.values()) == sorted(own)
    assert module.parameter_count() == trained
    fixed = math.prod(manifest["parameters"]["pos_embed"])
    assert sum(value.numel() for value in own.values()) - trained == fixed == 554_496


@pytest.mark.parametrize("config", [CONFIG, ALL, ALL | {"x_attn": True}])
def test_names_are_one_to_one_and_tensors_come_back(config: dict[str, Any]) -> None:
    module = build(config)
    tensors = {
        key: torch.randn(value.shape, generator=torch.Generator().manual_seed(i))
        for i, (key, value) in enumerate(published_state(HEXPLANE_DIT, module).items())
    }
    load_published(HEXPLANE_DIT, module, tensors)
    back = published_state(HEXPLANE_DIT, module)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[key], tensors[key]) for key in tensors)
    for lost in ("pos_embed", "blocks.0.attn.qkv.bias"):
        with pytest.raises(BadInput, match=lost):
            rest = {key: value for key, value in tensors.items() if key != lost}
            load_published(HEXPLANE_DIT, module, rest)


def test_position_table_is_kept_for_the_whole_map() -> None:
    module = build(CONFIG)
    assert torch.equal(module.position[0], wave_table((5, 4), 8))
    loaded = published_state(HEXPLANE_DIT, module)["pos_embed"]
    assert loaded.shape == (1, 20, 8)


def arrays(module: HexPlaneDit, batch: int = 2) -> dict[str, torch.Tensor]:
    sizes: dict[str | int, int] = {"batch": batch, "rows": 7, "columns": 5}
    made = {}
    source = torch.Generator().manual_seed(0)
    for name, field in inputs(module).items():
        shape = [sizes.get(length, length) for length in field.shape]
        value = torch.randn(*shape, generator=source)  # type: ignore[arg-type]
        made[name] = value if field.dtype == "float32" else torch.arange(batch)
    live = live_cells(module.config.size, module.config.patch).flatten()
    made["patch_mask"] = live.float()[None, :, None].expand(batch, -1, -1)
    return made


@pytest.mark.parametrize("config", [CONFIG, ALL, ALL | {"x_attn": True}])
def test_run_takes_its_inputs_and_gives_its_outputs(config: dict[str, Any]) -> None:
    module = build(config)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    given = arrays(module)
    with torch.no_grad():
        result = run(module, given)
    (field,) = outputs(module).values()
    assert result["output"].shape == (2, *field.shape[1:]) == (2, 4, 10, 8)
    for name in given.keys() & {"cond_hexplane", "cond_layout", "cond_traj"}:
        with torch.no_grad():
            other = run(module, given | {name: given[name] + 1.0})
        assert not torch.equal(other["output"], result["output"])


def test_run_refuses_another_mask_and_unknown_commands() -> None:
    module = build(ALL)
    given = arrays(module)
    with pytest.raises(BadInput, match="patch_mask"):
        run(module, given | {"patch_mask": torch.ones(2, 20, 1)})
    with pytest.raises(BadInput, match="cond_cmd"):
        run(module, given | {"cond_cmd": torch.tensor([0, 4])})


def test_the_published_channel_order_of_outputs() -> None:
    """A token's numbers are (row, column, channel), the channel fastest."""
    module = build(CONFIG)
    with torch.no_grad():
        module.readout.linear.bias.copy_(torch.arange(16.0))
        output = run(module, arrays(module))["output"][0, :, :2, :2]
    assert torch.equal(output, torch.arange(16.0).reshape(2, 2, 4).movedim(-1, 0))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"depht": 3}, "depht"), ({"depth": 0}, "depth"), ({"depth": True}, "depth"),
        ({"depth": 10**12}, "depth"),
        ({"depth": 2.0}, "depth"), ({"hidden_size": 9}, "hidden_size"),
        ({"num_heads": 3}, "hidden_size"), ({"patch_size": 4}, "patch_size"),
        ({"txyz": [2, 6, 4]}, "txyz"), ({"txyz": "2 6 4 2"}, "txyz"), ({"txyz": None}, "txyz"),
        ({"txyz": [2, 6, 4, 0]}, "txyz"), ({"txyz": [2, 6, 4, 3]}, "patch_size"),
        ({"hex_cond": 1}, "hex_cond"), ({"x_attn": True}, "x_attn"),
        ({"traj_cond": True, "traj_size": 6}, "traj_size"),
    ],
)  # fmt: skip
def test_options_that_we_do_not_know_are_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        build(CONFIG | change)
    assert caught.value.field == field


def test_it_is_registered() -> None:
    assert SYSTEMS["hexplane_dit"] is HEXPLANE_DIT


def test_the_recorded_mask_is_that_of_the_rollout() -> None:
    """Nothing else enters the transformer."""
    with np.load(recorded("hexplane_dit_small.npz")) as file:
        mask = file["patch_mask"]
    config = json.loads(recorded("hexplane_dit_small.json").read_text())["config"]
    live = live_cells(build(config).config.size, 2).flatten().numpy()
    assert (mask[..., 0] == live).all()
