"""The published autoencoder: two ways of computing agree, its names and sizes are the recorded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tests.models.published_fixtures import recorded, vae_config
from torch import Tensor

from roadloom.errors import BadInput
from roadloom.models.hexplane.attention_projection import Squeezer, TransformerConfig
from roadloom.models.hexplane.config import HexPlaneConfig, published
from roadloom.models.hexplane.frame_norm import frame_norm
from roadloom.models.hexplane.planes import NAMES, Planes, compression, random_planes
from roadloom.models.hexplane.published_names import HEXPLANE_VAE, build
from roadloom.models.hexplane.published_vae import PublishedVae
from roadloom.models.hexplane.volume_head import position_code
from roadloom.models.parity import draw
from roadloom.models.published import load_published, published_state, read_published

SMALL = published(
    classes=5, frames=4, shape=(8, 6, 4), channels=4, volume_channels=4, query_channels=6,
    head_channels=(8, 5),
)  # fmt: skip


def pair(config: HexPlaneConfig, **options: Any) -> tuple[PublishedVae, PublishedVae]:
    """Reference and cheap way with the same weights, in float64."""
    torch.manual_seed(3)
    reference = PublishedVae(config, reference=True, **options).double()
    with torch.no_grad():
        for parameter in reference.parameters():  # the zero-initialised ones too
            parameter.add_(0.1 * torch.randn_like(parameter))
    cheap = PublishedVae(config, **options).double()
    cheap.load_state_dict(reference.state_dict())
    return reference, cheap


def voxels_of(config: HexPlaneConfig, batch: int = 2) -> Tensor:
    shape = (batch, config.frames, *config.shape)
    generator = torch.Generator().manual_seed(1)
    return torch.randint(config.classes, shape, generator=generator, dtype=torch.uint8)


def everything(module: PublishedVae, voxels: Tensor) -> tuple[Tensor, ...]:
    means, logvars = module.encode(voxels)
    return (*means, *logvars, module.decode(means))


def gradients(module: PublishedVae, voxels: Tensor) -> dict[str, Tensor]:
    module.zero_grad()
    generator = torch.Generator().manual_seed(2)
    total = torch.zeros((), dtype=torch.float64)
    for out in everything(module, voxels):
        total = total + (out * torch.randn(out.shape, generator=generator).double()).sum()
    total.backward()
    return {n: p.grad for n, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"compat": False},
        {"halvings": (0, 0, 0, 0)},
        {"halvings": (2, 1, 1, 0)},
        {"halvings": (1, 2, 1, 1), "shape": (8, 8, 4)},
    ],
)
def test_the_cheap_way_is_the_same_function(changes: dict[str, Any]) -> None:
    config = published(**vars(SMALL) | changes)
    _same_values_and_gradients(*pair(config), voxels_of(config))


def test_a_sum_instead_of_the_product() -> None:
    _same_values_and_gradients(*pair(SMALL, product=False), voxels_of(SMALL))


def _same_values_and_gradients(one: PublishedVae, two: PublishedVae, voxels: Tensor) -> None:
    for a, b in zip(everything(one, voxels), everything(two, voxels), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-9)
    wanted, ours = gradients(one, voxels), gradients(two, voxels)
    assert wanted.keys() == ours.keys() == dict(one.named_parameters()).keys()
    for name in wanted:
        torch.testing.assert_close(ours[name], wanted[name], rtol=1e-7, atol=1e-8, msg=name)


def test_checkpointing_changes_nothing() -> None:
    _, module = pair(SMALL)
    voxels = voxels_of(SMALL)
    plain, wanted = everything(module, voxels), gradients(module, voxels)
    module.checkpoint_blocks()
    module.extractor.frames_at_once = 3
    for a, b in zip(plain, everything(module, voxels), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)
    for name, gradient in gradients(module, voxels).items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-9, atol=1e-9)


def test_half_precision_stays_near() -> None:
    _, module = pair(SMALL)
    module, voxels = module.float(), voxels_of(SMALL)
    planes = random_planes(2, 4, SMALL.size, torch.Generator().manual_seed(0))
    means, logits = module.encode(voxels)[0], module.decode(planes)
    with torch.autocast("cpu", torch.bfloat16):
        for half, full in zip(module.encode(voxels)[0], means, strict=True):
            assert _relative(half, full) < 0.05
        half_logits = module.decode(planes)
    assert half_logits.dtype == torch.bfloat16
    assert _relative(half_logits, logits) < 0.05


def _relative(ours: Tensor, wanted: Tensor) -> float:
    return ((ours.float() - wanted).norm() / wanted.norm()).item()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("reference", [True, False])
def test_a_gpu_computes_the_same(reference: bool) -> None:
    module = pair(SMALL)[0 if reference else 1]
    voxels = voxels_of(SMALL)
    wanted = everything(module, voxels)
    for a, b in zip(wanted, everything(module.cuda(), voxels.cuda()), strict=True):
        torch.testing.assert_close(b.cpu(), a, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("reference", [True, False])
def test_frames_are_decoded_by_themselves(reference: bool) -> None:
    module = pair(SMALL)[0 if reference else 1]
    planes = random_planes(2, 4, SMALL.size, torch.Generator().manual_seed(0))
    planes = planes.map(Tensor.double)
    whole = module.decode(planes)
    part = module.decode_frames(planes, 1, 3)
    torch.testing.assert_close(part, whole[:, 1:3], rtol=1e-9, atol=1e-9)
    assert torch.equal(module.labels(planes), whole.argmax(dim=-1).to(torch.uint8))


@pytest.mark.parametrize("first", [True, False])
def test_one_query_is_enough(first: bool) -> None:
    """The last layer's other outputs are never read; 1e-6 in float32."""
    torch.manual_seed(0)
    full = Squeezer(16, 300, TransformerConfig(), first=first, reference=True)
    one = Squeezer(16, 300, TransformerConfig(), first=first)
    one.load_state_dict(full.state_dict())
    sequence = torch.randn(5, 300, 16)
    torch.testing.assert_close(one(sequence), full(sequence), rtol=0, atol=1e-6)


def test_the_mended_read_out_reads_the_token() -> None:
    torch.manual_seed(0)
    squeezer = Squeezer(16, 7, TransformerConfig(depth=1))
    with torch.no_grad():
        squeezer.layers[0].proj.weight.zero_()  # nothing but the read position comes through
    rows, other = torch.randn(2, 1, 7, 16)
    assert torch.equal(squeezer(rows), squeezer(other))
    published_one = Squeezer(16, 7, TransformerConfig(depth=1), first=True)
    published_one.load_state_dict(squeezer.state_dict())
    changed = torch.cat([rows[:, :1], other[:, 1:]], dim=1)
    assert torch.equal(published_one(rows), published_one(changed))
    assert not torch.equal(published_one(rows), published_one(other))


def test_the_frame_number_changes_nothing() -> None:
    """What is constant over space does not pass an instance normalisation."""
    reference, _ = pair(SMALL)
    voxels = voxels_of(SMALL)
    before, _ = reference.encode(voxels)
    with torch.no_grad():
        reference.extractor.temporal.first.weight[:, 4:].add_(3.0)
    for a, b in zip(before, reference.encode(voxels)[0], strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("slope", [1.0, 0.1])
def test_frame_norm_against_torch(slope: float) -> None:
    cells = torch.randn(3, 4, 5, 2, 6, dtype=torch.float64, requires_grad=True)
    wanted = F.leaky_relu(F.instance_norm(cells.movedim(-1, 1)), slope).movedim(1, -1)
    torch.testing.assert_close(frame_norm(cells, slope), wanted)
    weight = torch.randn_like(wanted)
    ours = torch.autograd.grad((frame_norm(cells, slope) * weight).sum(), cells)
    theirs = torch.autograd.grad((wanted * weight).sum(), cells)
    torch.testing.assert_close(ours, theirs)


def test_frame_norm_in_half_precision() -> None:
    cells = torch.randn(2, 500, 3) + 20
    half = frame_norm(cells.bfloat16(), 0.1)
    assert half.dtype == torch.bfloat16
    wanted = frame_norm(cells.bfloat16().float(), 0.1)
    torch.testing.assert_close(half.float(), wanted, rtol=0.01, atol=0.01)


def test_the_position_code() -> None:
    """Features of frame 3 at (2, 1, 0): for 1, 2, 4 the sines of t x y z, then the cosines."""
    code = position_code(torch.tensor([5, 3]), (4, 3, 2))
    assert code.shape == (2, 24, 4, 3, 2)
    at = np.array([3.0, 2.0, 1.0, 0.0])
    wanted = np.concatenate([f(k * at) for k in (1, 2, 4) for f in (np.sin, np.cos)])
    np.testing.assert_allclose(code[1, :, 2, 1, 0].numpy(), wanted, atol=1e-6)


# Table 4 of the paper: halvings of t, x, y, z -> voxels per number, CarlaSC and Occ3D-Waymo.
RATIOS = [
    ((16, 128, 128, 8), (0, 0, 0, 0), 5.78),
    ((16, 128, 128, 8), (0, 1, 1, 0), 17.96),
    ((16, 128, 128, 8), (1, 1, 1, 1), 23.14),
    ((16, 128, 128, 8), (1, 2, 2, 1), 71.86),
    ((16, 200, 200, 16), (0, 1, 1, 0), 38.42),
    ((16, 200, 200, 16), (1, 1, 1, 1), 48.25),
    ((16, 200, 200, 16), (1, 2, 2, 1), 153.69),
]


@pytest.mark.parametrize(("volume", "halvings", "ratio"), RATIOS)
def test_compression_of_the_paper(
    volume: tuple[int, int, int, int], halvings: tuple[int, int, int, int], ratio: float
) -> None:
    config = published(frames=volume[0], shape=volume[1:], halvings=halvings)
    assert compression(volume, config.size, config.channels) == pytest.approx(ratio, abs=0.01)


def test_planes_have_the_size_that_the_configuration_says() -> None:
    config = published(**vars(SMALL) | {"shape": (12, 4, 8), "halvings": (2, 1, 1, 1)})
    means, _ = PublishedVae(config).encode(voxels_of(config))
    assert means.size == config.size
    assert [plane.shape[-2:] for plane in means] == [torch.Size(s) for s in config.size.shapes()]


def full_manifest() -> dict[str, Any]:
    about: dict[str, Any] = json.loads(recorded("hexplane_vae_full_manifest.json").read_text())
    return about


def test_every_published_tensor_has_its_place() -> None:
    about = full_manifest()
    module = build(about["config"])
    state = published_state(HEXPLANE_VAE, module)
    assert {key: list(tensor.shape) for key, tensor in state.items()} == about["parameters"]
    assert len(state) == len(module.state_dict())


def test_parameters_at_carla_sizes() -> None:
    """Section 2.6 of the specification: encoder, posterior heads, decoder."""
    module = PublishedVae(published())

    def count(*parts: torch.nn.Module) -> int:
        return sum(p.numel() for part in parts for p in part.parameters())

    assert count(module.extractor, module.projection, module.halve) == 192_688
    assert count(module.posterior) == 3_264
    assert count(module.squeeze, module.head) == 1_503_336
    assert count(module) == 1_699_288


def test_the_decoder_alone_against_recorded_numbers() -> None:
    path = recorded("hexplane_vae_small.json")
    about = json.loads(path.read_text())
    with np.load(path.with_suffix(".npz")) as archive:
        means = Planes(*(torch.from_numpy(archive[f"mean_{name}"]) for name in NAMES))
        wanted = torch.from_numpy(archive["logits"])
    drawn = {k: draw(k, tuple(p["shape"]), about["seed"]) for k, p in about["parameters"].items()}
    # 6e-6 in the specification; 6.2e-6 seen on one thread, as rounding follows the order of sums
    for reference, most in ((True, 1e-5), (False, 6e-5)):
        module = build(about["config"], reference=reference)
        load_published(HEXPLANE_VAE, module, drawn)
        with torch.no_grad():
            torch.testing.assert_close(module.decode(means), wanted, rtol=0, atol=most)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("encoder_type", "mean"), ("decoder_type", "mlp"), ("separate_t_encoder", False),
        ("one_hot_time", 1), ("down_x", 2), ("hex_down_x", 1), ("hex_down_t", -1),
        ("pe_freq", 4), ("latent_channels", 0), ("latent_channels", 4.0), ("hadamard", 1),
        ("transformer_depth", "2"), ("dropout", 1.5), ("vae", False), ("new_option", 1),
    ],
)  # fmt: skip
def test_option_values_that_we_do_not_know(option: str, value: object) -> None:
    with pytest.raises(BadInput) as raised:
        build(vae_config(**{option: value}))
    assert raised.value.field == option


@pytest.mark.parametrize(
    ("option", "value"),
    [("hex_down_t", 0), ("hex_down_t", 2), ("hadamard", False), ("transformer_heads", 4),
     ("transformer_depth", 3), ("transformer_dim_head", 7), ("query_channels", 3)],
)  # fmt: skip
def test_option_values_that_the_code_explains(option: str, value: object) -> None:
    reference, cheap = (build(vae_config(**{option: value}), reference=r) for r in (True, False))
    cheap.load_state_dict(reference.state_dict())
    voxels = voxels_of(reference.config)
    with torch.no_grad():
        for a, b in zip(everything(reference, voxels), everything(cheap, voxels), strict=True):
            torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-3)


def test_shapes_that_do_not_halve_are_refused() -> None:
    config = vae_config()
    config["dataset"]["spatial_size"] = [8, 7, 4]
    with pytest.raises(BadInput, match="halved"):
        build(config)


def test_checkpoints_round_trip_through_a_file(tmp_path: Path) -> None:
    one, two = build(vae_config()), build(vae_config())
    state = {f"module.{k}": v.clone() for k, v in published_state(HEXPLANE_VAE, one).items()}
    save_file(state, tmp_path / "vae.safetensors")
    read_published(HEXPLANE_VAE, two, tmp_path / "vae.safetensors", prefix="module.")
    for name, tensor in one.state_dict().items():
        assert torch.equal(two.state_dict()[name], tensor)
    (tmp_path / "pickled.pt").write_bytes(b"\x80\x04PK not ours")
    with pytest.raises(BadInput, match="pickled"):
        read_published(HEXPLANE_VAE, two, tmp_path / "pickled.pt")


def test_bad_checkpoints_are_refused() -> None:
    module = build(vae_config())
    state = published_state(HEXPLANE_VAE, module)
    key = "decoder.voxel_decoder.final_conv.3.bias"
    rest = {k: v for k, v in state.items() if k != key}
    for bad in (
        rest,
        rest | {key: state[key][:-1]},
        rest | {key: state[key] * torch.nan},
        state | {f"{key}.more": state[key]},
    ):
        with pytest.raises(BadInput) as raised:
            load_published(HEXPLANE_VAE, module, bad)
        assert key in str(raised.value)
