"""Names of the published autoencoder: its configuration's options and its state-dict keys."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from roadloom.errors import BadInput
from roadloom.io.npz import Field
from roadloom.models.hexplane.attention_projection import TransformerConfig
from roadloom.models.hexplane.config import published
from roadloom.models.hexplane.planes import NAMES, Planes
from roadloom.models.hexplane.published_vae import PublishedVae
from roadloom.models.hexplane.rollout import roll_out
from roadloom.models.published import PublishedSystem

_TRAINING = {
    "grad_max_norm", "grad_clip_step", "optimizer_type", "learning_rate", "weight_decay",
    "scheduler_type", "lr_scheduler_steps", "lr_scheduler_decay", "ce_class_weight",
    "loss_weights", "use_valid_mask",
}  # fmt: skip
_DEAD = {"interpolate_t_skip", "transformer_dim_head", "mlp_hidden_channels", "mlp_hidden_layers"}
"""The published code reads these and makes nothing of them."""
_ONLY = {
    "vae": True, "encoder_type": "tr", "decoder_type": "conv", "separate_t_encoder": True,
    "one_hot_time": True, "separate_t_reducer": True, "down_x": 1, "down_y": 1, "down_z": 1,
    "hex_down_x": 0, "hex_down_y": 0, "hex_down_z": 0, "pe_freq": 3,
}  # fmt: skip
"""Options whose one known value is the released one."""
_COUNTS = {
    "latent_channels", "query_channels", "transformer_depth", "transformer_heads",
    "transformer_dim_mlp", "conv_hidden_low_res", "conv_hidden_high_res",
}  # fmt: skip
_MOST = 1024
"""Of any count: a damaged file may not ask for more memory than there is."""
_MODEL = _TRAINING | _DEAD | _COUNTS | _ONLY.keys() | {"hex_down_t", "hadamard", "dropout"}


def build(config: Mapping[str, Any], *, reference: bool = False) -> PublishedVae:
    """The autoencoder of a published configuration (``model`` and ``dataset``), to evaluate.

    Raises:
        BadInput: an option is missing, unknown, or has a value that we do not know.
    """
    model, data = _section(config, "model"), _section(config, "dataset")
    for name in sorted(model.keys() - _MODEL):
        raise _bad(name, model[name], "leave out options that the published code does not have")
    for name, value in _ONLY.items():
        _option(model, name, partial(_is, value))
    counts = {name: _option(model, name, _is_count) for name in sorted(_COUNTS)}
    dropout = _option(model, "dropout", lambda v: type(v) in (int, float) and 0 <= v < 1)
    halvings = _option(model, "hex_down_t", lambda v: type(v) is int and 0 <= v <= 8)
    try:
        module = PublishedVae(
            published(
                classes=_option(data, "num_classes", _is_count),
                frames=_option(data, "sequence_length", _is_count),
                shape=tuple(_option(data, "spatial_size", _is_shape)),
                halvings=(halvings, 1, 1, 1),
                channels=counts["latent_channels"],
                volume_channels=counts["latent_channels"],
                query_channels=counts["query_channels"],
                head_channels=(counts["conv_hidden_low_res"], counts["conv_hidden_high_res"]),
            ),
            reference=reference,
            product=_option(model, "hadamard", lambda v: type(v) is bool),
            transformer=TransformerConfig(
                depth=counts["transformer_depth"],
                heads=counts["transformer_heads"],
                hidden=counts["transformer_dim_mlp"],
                dropout=dropout,
            ),
        )
    except ValueError as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(str(error), field="config") from error
    return module.eval()


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    if not isinstance(section, Mapping):
        raise BadInput("is no table of options", field=f"config.{name}")
    return section


def _option(options: Mapping[str, Any], name: str, known: Callable[[Any], bool]) -> Any:
    if name not in options:
        raise BadInput("is missing", field=name, remedy="give every option of the published code")
    if not known(options[name]):
        raise _bad(name, options[name], "use the released value; only explained ones are computed")
    return options[name]


def _bad(name: str, value: object, remedy: str) -> BadInput:
    return BadInput(f"{str(value)[:60]!r} is not known", field=name, remedy=remedy)


def _is(value: object, given: object) -> bool:
    return type(given) is type(value) and given == value


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= _MOST


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_count, value))


def names(module: nn.Module) -> dict[str, str]:
    """Published key -> ours."""
    assert isinstance(module, PublishedVae)
    pairs = [*_encoder(module), *_decoder(module)]
    both = {f"{theirs}.{part}": f"{ours}.{part}" for theirs, ours, parts in pairs for part in parts}
    for name in module.projection.squeezers:
        both[f"encoder.tokens.{name}"] = f"projection.squeezers.{name}.token"
        both[f"encoder.pos_encodings.{name}"] = f"projection.squeezers.{name}.positions"
    return both


_Pairs = list[tuple[str, str, tuple[str, ...]]]
"""(their module, our module, its tensors)."""
_BOTH, _WEIGHT = ("weight", "bias"), ("weight",)


def _encoder(module: PublishedVae) -> _Pairs:
    pairs: _Pairs = [("encoder.embedding", "extractor.table", _WEIGHT)]
    for theirs, ours in (("voxel_encoder", "spatial"), ("t_encoder", "temporal")):
        for inner, mine in {
            "conv0": "first", "conv1.0": "unit.first", "conv1.3": "unit.second",
            "down.0.0": "stages.0.down",
            "down.1.0": "stages.0.unit.first", "down.1.3": "stages.0.unit.second",
        }.items():  # fmt: skip
            pairs.append((f"encoder.{theirs}.{inner}", f"extractor.{ours}.{mine}", _BOTH))
    for name in module.projection.squeezers:
        ours = f"projection.squeezers.{name}"
        pairs += [
            (f"encoder.convs.{name}.{0 if conv == 'mix' else 2}", f"{ours}.{conv}", _BOTH)
            for conv in ("mix", "out")
        ]
        for number in range(len(module.projection.squeezers[name].layers)):
            layer = f"encoder.transformers.{name}.layers.{number}"
            pairs += [
                (f"{layer}.{inner}", f"{ours}.layers.{number}.{mine}", parts)
                for inner, mine, parts in (
                    ("0.0", "norm1", _BOTH), ("0.1.qkv", "qkv", _WEIGHT),
                    ("0.1.proj", "proj", _BOTH),
                    ("1.0", "norm2", _BOTH), ("1.1.fc1", "fc1", _BOTH), ("1.1.fc2", "fc2", _BOTH),
                )
            ]  # fmt: skip
    if module.config.halvings[0]:
        pairs += [(f"encoder.downsamplers.{3 + n}.down.1.0", f"halve.{n}", _BOTH) for n in range(3)]
    return pairs + [(f"vae.fc_mu_logvar.{n}", f"posterior.{n}", _BOTH) for n in range(6)]


def _decoder(module: PublishedVae) -> _Pairs:
    block = "decoder.conv_block"
    pairs: _Pairs = [(f"{block}.norms.{n}", f"squeeze.block.norms.{n}", _BOTH) for n in range(6)]
    for half, letter in enumerate("ht"):
        pairs += [
            (f"{block}.in_layers_{letter}", f"squeeze.block.lift.{half}", _BOTH),
            (f"{block}.out_layers_{letter}.1", f"squeeze.block.out.{half}", _BOTH),
            (f"{block}.shortcut_{letter}", f"squeeze.block.shortcut.{half}", _BOTH),
        ]
    for n in range(6):
        theirs = f"decoder.hex_upsample_block.{n}.upsample"
        pairs += [
            (f"{theirs}.0", f"squeeze.upsamplers.{n}.up", _BOTH),
            (f"{theirs}.3", f"squeeze.upsamplers.{n}.conv", _BOTH),
        ]
    return pairs + [
        (f"decoder.voxel_decoder.{theirs}", f"head.{ours}", _BOTH)
        for theirs, ours in {
            "conv_in.0": "enter",
            "conv_layers.0.0": "wide.first", "conv_layers.0.3": "wide.second",
            "conv_layers.1.0": "narrow.first", "conv_layers.1.3": "narrow.second",
            "transpose_conv": "rise", "final_conv.0": "mix", "final_conv.3": "last",
        }.items()
    ]  # fmt: skip


def inputs(module: nn.Module) -> dict[str, Field]:
    assert isinstance(module, PublishedVae)
    config = module.config
    return {"voxels": Field("uint8", ("batch", config.frames, *config.shape))}


def outputs(module: nn.Module) -> dict[str, Field]:
    assert isinstance(module, PublishedVae)
    config = module.config
    t, x, y, z = config.size
    fields = {
        "logits": Field("float32", ("batch", config.frames, *config.shape, config.classes)),
        "rollout": Field("float32", ("batch", config.channels, x + t + z, y + z + t)),
    }
    for name, shape in zip(NAMES, config.size.shapes(), strict=True):
        for kind in ("mean", "logvar"):
            fields[f"{kind}_{name}"] = Field("float32", ("batch", config.channels, *shape))
    return fields


def run(module: nn.Module, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Voxels to the posterior, and its means to logits."""
    assert isinstance(module, PublishedVae)
    voxels = arrays["voxels"]
    if not len(voxels):
        raise BadInput("holds no window", field="voxels")
    if int(voxels.max()) >= module.config.classes:
        raise BadInput(
            f"holds class {int(voxels.max())} of {module.config.classes}", field="voxels"
        )
    means, logvars = module.encode(voxels)
    out = {"logits": module.decode(means), "rollout": roll_out(means)}
    out |= {f"mean_{name}": plane for name, plane in _named(means)}
    return out | {f"logvar_{name}": plane for name, plane in _named(logvars)}


def _named(planes: Planes) -> list[tuple[str, Tensor]]:
    return list(zip(NAMES, planes, strict=True))


HEXPLANE_VAE = PublishedSystem(
    build=partial(build, reference=True), names=names, inputs=inputs, outputs=outputs, run=run
)
"""In the published order of operations, as close to the recorded numbers as rounding allows."""
