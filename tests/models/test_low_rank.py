"""Low-rank differences: exact merging, what is refused, and folders that name their base."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from roadloom.errors import BadInput, MissingInput
from roadloom.models.features.view_net import ViewFeatureConfig, ViewFeatures
from roadloom.models.low_rank import LowRankDifference, merged
from roadloom.models.store import load_model, save_model


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.SiLU(), nn.LayerNorm(8), nn.Linear(8, 5))


def trained(base: nn.Module, rank: int) -> LowRankDifference:
    difference = LowRankDifference(base, rank)
    for parameter in difference.parameters():
        nn.init.normal_(parameter)
    return difference


def test_untrained_it_changes_nothing() -> None:
    base, x = net(), torch.randn(3, 6)
    changed = LowRankDifference(base, 2)(base)
    assert torch.equal(functional_call(base, changed, (x,)), base(x))


def test_the_merged_network_is_base_plus_products() -> None:
    base, x = net(), torch.randn(3, 6)
    difference = trained(base, 2)
    parts = difference.tensors()
    twin = net()
    with torch.no_grad():
        for number in (0, 3):
            twin[number].weight += parts[f"{number}.weight.up"] @ parts[f"{number}.weight.down"]
            twin[number].bias += parts[f"{number}.bias.plus"]
        twin[2].weight += parts["2.weight.plus"]
        twin[2].bias += parts["2.bias.plus"]
    assert torch.equal(functional_call(base, difference(base), (x,)), twin(x))
    assert difference.tensors().keys() == {
        *(f"{n}.weight.{part}" for n in (0, 3) for part in ("up", "down")),
        *(f"{n}.bias.plus" for n in (0, 2, 3)), "2.weight.plus",
    }  # fmt: skip


def test_gradients_are_those_of_the_whole_weight() -> None:
    """With G the gradient of the merged weight: G down^T and up^T G."""
    base, x = net().requires_grad_(False), torch.randn(3, 6)
    difference = trained(base, 2)
    changed = difference(base)
    whole = changed["0.weight"]
    whole.retain_grad()
    functional_call(base, changed, (x,)).square().sum().backward()
    parts, gradient = difference.tensors(), whole.grad
    assert gradient is not None
    torch.testing.assert_close(parts["0.weight.up"].grad, gradient @ parts["0.weight.down"].T)
    torch.testing.assert_close(parts["0.weight.down"].grad, parts["0.weight.up"].T @ gradient)
    assert base[0].weight.grad is None


def test_merging_is_in_32_bits_under_autocast() -> None:
    base = net()
    difference = trained(base, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = difference(base)
    for name, tensor in difference(base).items():
        assert torch.equal(rounded[name], tensor)


@pytest.mark.parametrize(
    "parts",
    [
        {"9.weight.plus": torch.zeros(8)},
        {"0.bias.times": torch.zeros(8)},
        {"0.bias.plus": torch.zeros(7)},
        {"0.weight.up": torch.zeros(8, 2)},
        {"0.weight.up": torch.zeros(8, 2), "0.weight.down": torch.zeros(3, 6)},
    ],
)
def test_what_does_not_fit_is_refused(parts: dict[str, Tensor]) -> None:
    with pytest.raises(BadInput):
        merged(dict(net().state_dict()), parts)


def test_ranks_start_at_one() -> None:
    with pytest.raises(ValueError, match="rank"):
        LowRankDifference(net(), 0)


def store_pair(folder: Path) -> tuple[nn.Module, nn.Module]:
    """A base in one folder, its difference in another; what loading them must give."""
    config = ViewFeatureConfig()
    torch.manual_seed(0)
    module = ViewFeatures(config)
    save_model(folder / "base", module, "features_view", config, {}, half=True)
    base, _ = load_model(folder / "base")
    difference = trained(base, 2)
    with torch.no_grad():
        for parameter in difference.parameters():
            parameter.copy_(parameter.half())
        whole = ViewFeatures(config)
        whole.load_state_dict({**base.state_dict(), **difference(base)})
    save_model(
        folder / "changed", whole, "features_view", config, {}, half=True, base=folder / "base",
        difference=difference.tensors(),
    )  # fmt: skip
    return base, whole


def test_a_folder_of_differences_loads_as_the_merged_network(tmp_path: Path) -> None:
    base, whole = store_pair(tmp_path)
    found, card = load_model(tmp_path / "changed")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    pairs = zip(found.parameters(), base.parameters(), strict=True)
    assert not all(torch.equal(mine, theirs) for mine, theirs in pairs)
    assert card["parameters"] == sum(p.numel() for p in whole.parameters())


def test_the_base_is_found_beside_it_and_told_by_its_hash(tmp_path: Path) -> None:
    _, whole = store_pair(tmp_path)
    shelf = tmp_path / "shelf"
    shutil.copytree(tmp_path / "changed", shelf / "student")
    with pytest.raises(MissingInput, match="differs from"):
        load_model(shelf / "student")
    other = ViewFeatures(ViewFeatureConfig())
    save_model(shelf / "other", other, "features_view", ViewFeatureConfig(), {}, half=True)
    with pytest.raises(MissingInput, match="differs from"):
        load_model(shelf / "student")
    shutil.copytree(tmp_path / "base", shelf / "teacher")
    found, _ = load_model(shelf / "student")
    assert torch.equal(next(found.parameters()), next(whole.parameters()))
