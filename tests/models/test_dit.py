"""The transformer: laws of its conditions and its padding, a slow twin, sizes."""

import copy
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.models.hexplane.condition_embeddings import Influence, check_shapes, nearest
from roadloom.models.hexplane.conditions import NAMES, Conditions, join
from roadloom.models.hexplane.dit import HexPlaneDit, untrained
from roadloom.models.hexplane.dit_block import Block
from roadloom.models.hexplane.dit_config import DitConfig, dit_base, dit_dc2, dit_tiny
from roadloom.models.hexplane.embeddings import TimeEmbed
from roadloom.models.hexplane.planes import PlaneSize
from roadloom.models.hexplane.rollout import live_cells, map_shape, unroll

SIZE = PlaneSize(2, 6, 4, 2)
SMALL: dict[str, Any] = {
    "size": SIZE, "channels": 3, "width": 16, "depth": 2, "heads": 2, "frames": 4,
    "token_rank": 4,
}  # fmt: skip
COMPAT: dict[str, Any] = {
    "size": SIZE, "channels": 3, "width": 16, "depth": 2, "heads": 2, "frames": 4,
    "conditions": NAMES,
}  # fmt: skip
CONFIGS = {
    "ours": DitConfig(**SMALL),
    "unfold": DitConfig(**SMALL, tokens="unfold"),
    "vertical": DitConfig(**SMALL, tokens="vertical", modulation="block"),
    "past": DitConfig(**SMALL | {"width": 8}, past_bottleneck=True),
    "held": DitConfig(**SMALL | {"width": 8}, past_bottleneck=True, hold_past=True),
    "variance": DitConfig(**SMALL, learned_variance=True, normalize_heads=False),
    "compat": dit_dc2(**COMPAT),
    "cross": dit_dc2(**COMPAT, cross_attention=True),
}
every_config = pytest.mark.parametrize("name", CONFIGS)


def alive(config: DitConfig, seed: int = 0) -> HexPlaneDit:
    """A network whose every weight matters, as if it had been trained."""
    module = untrained(config, seed)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            scale = 1 / math.sqrt(math.prod(parameter.shape[1:])) if parameter.ndim > 1 else 0.3
            parameter.add_(scale * torch.randn(parameter.shape, generator=source))
    return module.eval()


def latents(batch: int = 3, seed: int = 5, channels: int = 3) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, *map_shape(SIZE), generator=source)


def times(batch: int = 3) -> Tensor:
    return torch.linspace(10, 900, batch)


def asked(config: DitConfig, batch: int = 3, seed: int = 3) -> Conditions:
    source = torch.Generator().manual_seed(seed)
    return Conditions(
        previous=latents(batch, seed),
        layout=torch.rand(batch, 4, config.layout_kinds, 12, 8, generator=source) > 0.5,
        command=torch.arange(batch) % 4,
        trajectory=torch.randn(batch, 4, 3, generator=source),
    )


@every_config
def test_an_untrained_network_returns_zero(name: str) -> None:
    config = CONFIGS[name]
    output = untrained(config, 0)(latents(), times(), asked(config))
    assert output.shape == (3, config.out_channels, *map_shape(SIZE))
    assert not output.any()


@every_config
def test_padding_is_neither_read_nor_written(name: str) -> None:
    module, x, conditions = alive(CONFIGS[name]), latents(), asked(CONFIGS[name])
    live = live_cells(SIZE)
    spoiled = {"previous": conditions.previous.masked_fill(~live, torch.nan)}  # type: ignore[union-attr]
    dirty = Conditions(**{**conditions.values(), **spoiled})
    output = module(x, times(), conditions)
    assert torch.equal(module(x.masked_fill(~live, torch.nan), times(), dirty), output)
    assert not output[..., ~live].any() and (output[..., live] != 0).all()


@every_config
def test_absent_equals_not_given(name: str) -> None:
    """What a sample is not given does not matter, be it garbage."""
    module, conditions = alive(CONFIGS[name]), asked(CONFIGS[name])
    for left_out in NAMES:
        kept = conditions.only(*(other for other in NAMES if other != left_out))
        wrong = asked(CONFIGS[name], seed=8)
        if left_out in ("previous", "trajectory"):
            wrong = wrong.map(lambda t: t * torch.nan if t.is_floating_point() else t)
        masked = join(kept, Conditions()).values() | wrong.only(left_out).values()
        given = {left_out: torch.zeros(3, dtype=torch.bool)}
        torch.testing.assert_close(
            module(latents(), times(), Conditions(**masked, given=given)),
            module(latents(), times(), kept),
        )


@every_config
def test_samples_do_not_see_each_other(name: str) -> None:
    """Any mix of conditions in one batch equals the samples one by one."""
    module, conditions = alive(CONFIGS[name]), asked(CONFIGS[name])
    given = {key: torch.arange(3) != row % 3 for row, key in enumerate(NAMES)}
    mixed = Conditions(**conditions.values(), given=given)
    together = module(latents(), times(), mixed)
    for i in range(3):
        row = torch.tensor([i])
        kept = [key for key in NAMES if given[key][i]]
        alone = module(latents()[row], times()[row], conditions.select(row).only(*kept))
        torch.testing.assert_close(together[row], alone)


@every_config
@pytest.mark.parametrize("condition", NAMES)
def test_every_condition_counts(name: str, condition: str) -> None:
    module = alive(CONFIGS[name])
    first, second = asked(CONFIGS[name]), asked(CONFIGS[name], seed=4)
    changed = second.values()[condition].clone()
    if condition == "command":
        changed = (changed + 1) % 4
    other = Conditions(**{**first.values(), condition: changed})
    outputs = [module(latents(), times(), c) for c in (first, other, first.null())]
    for a, b in ((0, 1), (0, 2)):
        assert ((outputs[a] - outputs[b]).abs().amax((1, 2, 3)) > 1e-4).all()


@every_config
def test_every_parameter_has_a_gradient(name: str) -> None:
    """With conditions and without, so that DDP needs no search for unused parameters."""
    module = alive(CONFIGS[name]).train()
    for conditions in (None, asked(CONFIGS[name]), asked(CONFIGS[name]).null()):
        module.zero_grad(set_to_none=True)
        (module(latents(), times(), conditions) ** 2).sum().backward()
        assert [key for key, p in module.named_parameters() if p.grad is None] == []
        assert all(p.grad.isfinite().all() for p in module.parameters())


class Spread(torch.nn.Module):
    """Gives every token a modulation of its own, all alike."""

    def __init__(self, inner: torch.nn.Module, tokens: int) -> None:
        super().__init__()
        self.inner, self.tokens = inner, tokens

    def forward(self, time: Tensor, conditions: Conditions, position: Tensor) -> Influence:
        influence = self.inner(time, conditions, position)
        assert influence.vector.shape[1] == 1
        return influence._replace(vector=influence.vector.expand(-1, self.tokens, -1))


GLOBAL = dit_dc2(**COMPAT | {"conditions": ("command", "trajectory")})


@pytest.mark.parametrize("config", [CONFIGS["ours"], CONFIGS["vertical"], GLOBAL])
def test_modulation_per_sample_equals_per_token(config: DitConfig) -> None:
    """In double precision: single rounds a sum over 16 channels by more than 1e-6."""
    module = alive(config).double()
    per_token = copy.deepcopy(module)
    per_token.conditions = Spread(module.conditions, len(module.layout.positions))
    conditions = asked(config).only("command", "trajectory")
    conditions = conditions.map(lambda t: t.double() if t.is_floating_point() else t)
    torch.testing.assert_close(
        per_token(latents().double(), times(), conditions),
        module(latents().double(), times(), conditions),
        atol=1e-6, rtol=0,
    )  # fmt: skip


def test_modulation_is_computed_once_per_sample_unless_tokens_differ() -> None:
    seen: list[tuple[int, int]] = []
    for config, conditions in (
        (CONFIGS["ours"], asked(CONFIGS["ours"]).only("command", "trajectory")),
        (CONFIGS["ours"], asked(CONFIGS["ours"])),
        (dit_dc2(**COMPAT | {"conditions": ()}), Conditions()),
        (CONFIGS["compat"], Conditions()),
    ):
        module = alive(config)
        block: Block = module.blocks[0]

        def note(_: Any, inputs: tuple[Any, ...]) -> None:
            vector, shared = inputs[1:3]
            seen.append((vector.shape[1], 0 if shared is None else shared.shape[1]))

        block.register_forward_pre_hook(note)
        module(latents(), times(), conditions)
    tokens = SIZE.cells() // 4
    assert seen == [(1, 1), (1, tokens), (1, 0), (tokens, 0)]


def test_time_waves() -> None:
    embed = TimeEmbed(4)
    seen: list[Tensor] = []
    embed.mlp.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    embed(torch.tensor([7]))
    angles = [7 * 10000 ** (-i / 128) for i in range(128)]
    expected = [*map(math.cos, angles), *map(math.sin, angles)]
    torch.testing.assert_close(seen[0][0], torch.tensor(expected), atol=1e-6, rtol=1e-5)


def test_published_layouts_are_resized_by_the_lower_index() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    resized = nearest(image, (4, 2))[0, 0]
    assert resized.tolist() == [[0, 1], [0, 1], [3, 4], [3, 4]]


def test_parameter_counts() -> None:
    """43,175,936 and 554,496: specification, section 2.6; ours: counted by hand as well."""
    with torch.device("meta"):
        paper, tiny, base = (HexPlaneDit(config) for config in (dit_dc2(), dit_tiny(), dit_base()))
    assert paper.parameter_count() == 43_175_936
    assert paper.position.numel() == 554_496
    assert tiny.parameter_count() == count_by_hand(dit_tiny()) == 2_365_056
    assert base.parameter_count() == count_by_hand(dit_base())
    assert len(tiny.layout.positions) == 354


def count_by_hand(config: DitConfig) -> int:
    """Of ours with all conditions: a linear layer of a inputs and b outputs has (a + 1) b."""
    d, cells = config.width, config.patch**2
    hidden, rank = int(d * config.mlp_ratio), config.token_rank
    block = (d + 1) * 3 * d + (d + 1) * d + (d + 1) * hidden + (hidden + 1) * d
    block += 6 * d + 2 * d // config.heads
    conditions = (config.channels * cells + 1) * d + d  # and the vector for "not given"
    conditions += (config.frames * config.layout_kinds * cells + 1) * d + d
    conditions += 4 * d + d + (3 * config.frames + 1) * d + (d + 1) * d + d
    conditions += (d + 1) * rank + (rank + 1) * 8 * d
    ends = (config.channels * cells + 1) * d + (d + 1) * 2 * d
    ends += (d + 1) * config.channels * cells
    if config.past_bottleneck:
        ends += (d + 1) * config.channels * cells + 2 * (config.channels * cells) ** 2
    if config.hold_past:
        ends += (d + 1) * config.channels * cells
    return config.depth * block + conditions + ends + (256 + 1) * d + (d + 1) * d + (d + 1) * 6 * d


@pytest.mark.parametrize("past", [False, True])
def test_noise_needs_a_way_past_tokens_that_are_narrower_than_patches(past: bool) -> None:
    """Rank of what one patch of 12 numbers can do to itself through tokens of 8."""
    config = DitConfig(**SMALL | {"width": 8}, past_bottleneck=past)
    module = alive(config).double()
    latent = latents(1).double()
    near = torch.autograd.functional.jacobian(
        lambda patch: module(paste(latent, patch), times(1).double())[0, :, :2, :2],
        latent[0, :, :2, :2],
    )
    rank = int(torch.linalg.matrix_rank(near.reshape(12, 12)))
    assert rank == 12 if past else rank <= 8


def paste(latent: Tensor, patch: Tensor) -> Tensor:
    out = latent.clone()
    out[0, :, :2, :2] = patch
    return out


def test_past_the_bottleneck_lies_any_linear_filter() -> None:
    """With nothing from the tokens: each patch times Q diag(gate) Q', as Wiener's filter is."""
    config = DitConfig(**SMALL | {"width": 8}, past_bottleneck=True)
    module = untrained(config, 0)
    source = torch.Generator().manual_seed(2)
    q, _ = torch.linalg.qr(torch.randn(12, 12, generator=source))
    gate = torch.rand(12, generator=source)
    assert module.readout.gate is not None
    with torch.no_grad():
        module.readout.gate.bias.copy_(gate)
        module.readout.into.weight.copy_(q.T)
        module.readout.back.weight.copy_(q)
    latent = latents()
    shown = module.layout.tokens(unroll(module(latent, times()), SIZE))
    seen = module.layout.tokens(unroll(latent, SIZE))
    torch.testing.assert_close(shown, seen @ (q * gate) @ q.T)


def test_the_window_before_goes_to_the_last_layer_where_it_is_given() -> None:
    """With nothing from the tokens: the past itself, and nothing for who has none."""
    module = untrained(CONFIGS["held"], 0)
    assert module.readout.hold is not None
    with torch.no_grad():
        module.readout.hold.bias.fill_(0.5)
    past = latents(seed=9)
    known = Conditions(previous=past, given={"previous": torch.tensor([True, False, True])})
    shown = module(latents(), times(), known)
    live = live_cells(SIZE)
    torch.testing.assert_close(shown[0][:, live], 0.5 * past[0][:, live])
    assert not shown[1].any() and not module(latents(), times()).any()


@every_config
def test_wrappers_may_pass_tensors(name: str) -> None:
    module, conditions = alive(CONFIGS[name]), asked(CONFIGS[name])
    batch = conditions.null().tensors()
    assert torch.equal(
        module(latents(), times(), batch), module(latents(), times(), conditions.null())
    )


@pytest.mark.parametrize("name", ["ours", "cross"])
def test_half_precision_is_near_and_comes_back_whole(name: str) -> None:
    module, conditions = alive(CONFIGS[name]), asked(CONFIGS[name])
    whole = module(latents(), times(), conditions)
    with torch.autocast("cpu", torch.bfloat16):
        half = module(latents(), times(), conditions)
    assert half.dtype == torch.float32
    error = (half - whole).square().mean().sqrt() / whole.square().mean().sqrt()
    assert 0 < error < 0.05  # bfloat16 keeps 8 bits: 0.004 per operation


COMPILED = """
import torch
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.dit import untrained
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.planes import PlaneSize

module = untrained(DitConfig(size=PlaneSize(2, 6, 4, 2), channels=3, width=16, depth=2, heads=2), 0)
for parameter in module.parameters():
    torch.nn.init.normal_(parameter, std=0.2)
x, command = torch.randn(3, 3, 10, 8), torch.tensor([0, 1, 3])
compiled = torch.compile(module, backend="eager", fullgraph=True)
for conditions in (Conditions(command=command, previous=x), None):
    times = torch.tensor([1.0, 20.0, 300.0])
    torch.testing.assert_close(compiled(x, times, conditions), module(x, times, conditions))
"""


@pytest.mark.slow
def test_compiles_to_one_graph_that_computes_the_same() -> None:
    """In a process of its own: the checker of shapes in tests cannot be traced."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True, timeout=600)


def test_one_seed_one_network() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, again, other = (untrained(CONFIGS["ours"], seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)
    assert torch.equal(torch.get_rng_state(), before)


def test_checkpointed_blocks_give_the_same_gradients() -> None:
    from torch.utils.checkpoint import checkpoint

    plain, lean = alive(CONFIGS["ours"]), alive(CONFIGS["ours"])
    assert list(lean.checkpoint_blocks()) == list(lean.blocks) and len(lean.blocks) == 2
    for block in lean.checkpoint_blocks():
        forward: Callable[..., Tensor] = block.forward
        block.forward = lambda *a, run=forward: checkpoint(run, *a, use_reentrant=False)
    for module in (plain, lean):
        (module(latents(), times(), asked(CONFIGS["ours"])) ** 2).sum().backward()
    for a, b in zip(plain.parameters(), lean.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)  # type: ignore[arg-type]


def test_layouts_of_tokens_differ_in_positions_only() -> None:
    """With positions alike, all layouts compute the same but for two transposed planes."""
    outputs, shapes = [], []
    for tokens in ("unfold", "vertical"):
        module = alive(DitConfig(**SMALL, tokens=tokens))  # type: ignore[arg-type]
        shapes.append({key: value.shape for key, value in module.state_dict().items()})
        module.position.zero_()
        outputs.append(module(latents(), times()))
    assert torch.equal(*outputs)
    assert shapes[0] == {k: v.shape for k, v in alive(CONFIGS["ours"]).state_dict().items()}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"previous": torch.zeros(2, 3, 9, 9)}, "previous"),
        ({"layout": torch.zeros(2, 3, 3, 6, 4)}, "layout"),
        ({"layout": torch.zeros(2, 4, 1, 6, 4)}, "layout"),
        ({"trajectory": torch.zeros(2, 5, 3)}, "trajectory"),
    ],
)
def test_conditions_of_other_shapes_are_refused(wrong: dict[str, Tensor], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_shapes(Conditions(**wrong), CONFIGS["ours"])
    assert caught.value.field == field


def test_conditions_that_the_network_does_not_know_are_refused() -> None:
    module = alive(dit_dc2(**COMPAT | {"conditions": ("command",)}))
    with pytest.raises(BadInput, match="trajectory"):
        module(latents(), times(), Conditions(trajectory=torch.zeros(3, 4, 3)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"patch": 3}, {"heads": 5}, {"width": 18, "heads": 2}, {"depth": 0},
        {"conditions": ("weather",)}, {"conditions": ("layout", "layout")}, {"token_rank": -1},
        {"cross_attention": True}, {"compat": True}, {"mlp_ratio": 0.0},
        {"past_bottleneck": True, "learned_variance": True}, {"hold_past": True},
        {"past_bottleneck": True, "hold_past": True, "conditions": ("layout",)},
    ],
)  # fmt: skip
def test_configurations_that_make_no_network(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        HexPlaneDit(DitConfig(**SMALL | wrong))


def test_cross_attention_needs_something_to_look_at() -> None:
    with pytest.raises(ValueError, match="cross_attention"):
        dit_dc2(**COMPAT | {"conditions": ("command",)}, cross_attention=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_config
def test_cuda_equals_cpu(name: str) -> None:
    module, conditions = alive(CONFIGS[name]), asked(CONFIGS[name])
    plain = module(latents(), times(), conditions)
    moved = copy.deepcopy(module).cuda()
    output = moved(latents().cuda(), times().cuda(), conditions.to("cuda"))
    torch.testing.assert_close(output.cpu(), plain, atol=1e-3, rtol=1e-3)
