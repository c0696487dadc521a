"""The published HexPlane transformer: its options, its key names, one evaluation of it.

Written from the released code's configuration and state dict (DynamicCity, arXiv 2410.18084).
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from roadloom.errors import BadInput
from roadloom.io.npz import Field
from roadloom.models.hexplane.conditions import COMMANDS, Conditions
from roadloom.models.hexplane.dit import HexPlaneDit
from roadloom.models.hexplane.dit_config import dit_dc2
from roadloom.models.hexplane.planes import PlaneSize
from roadloom.models.hexplane.rollout import live_cells, map_shape
from roadloom.models.published import PublishedSystem

_CONDITIONS = {
    "hex_cond": "previous", "layout_cond": "layout",
    "cmd_cond": "command", "traj_cond": "trajectory",
}  # fmt: skip
_INPUTS = {
    "previous": "cond_hexplane", "layout": "cond_layout",
    "command": "cond_cmd", "trajectory": "cond_traj",
}  # fmt: skip
_COUNTS = {
    "in_channels": 16, "seq_len": 16, "depth": 16, "hidden_size": 384, "num_heads": 8,
    "patch_size": 2,
}  # fmt: skip
"""Options that are whole numbers, and what they are where a configuration leaves them out."""
_MOST = 4096
"""Of any of them: a damaged file may not ask for endless work."""

_MODULES = {
    "embed": "x_embedder.proj",
    "time.mlp.0": "t_embedder.mlp.0",
    "time.mlp.2": "t_embedder.mlp.2",
    "conditions.parts.previous": "hex_emb.embedder.proj",
    "conditions.parts.layout": "layout_emb.embedder.proj",
    "conditions.parts.command": "cmd_emb.embedder",
    "conditions.parts.trajectory.0": "traj_emb.embedder.0",
    "conditions.parts.trajectory.2": "traj_emb.embedder.2",
    "conditions.parts.trajectory.4": "traj_emb.embedder.4",
    "readout.linear": "final_layer.linear",
    "readout.modulation": "final_layer.adaLN_modulation.1",
}
_BLOCK = {
    "attention.qkv": "attn.qkv",
    "attention.out": "attn.proj",
    "cross.q": "x_attn.q",
    "cross.kv": "x_attn.kv",
    "cross.out": "x_attn.proj",
    "mlp.0": "mlp.fc1",
    "mlp.2": "mlp.fc2",
    "modulation": "adaLN_modulation.1",
}


def build(config: Mapping[str, Any]) -> HexPlaneDit:
    """The transformer that these options describe, in evaluation mode.

    Raises:
        BadInput: an unknown option, or a value that does not make a network; ``field`` names it.
    """
    known = {*_COUNTS, *_CONDITIONS, "x_attn", "txyz", "traj_size"}
    if unknown := sorted(config.keys() - known):
        raise BadInput(
            "is no option of this system", field=unknown[0], remedy=f"one of {sorted(known)}"
        )
    counts = {name: _count(config, name, usual) for name, usual in _COUNTS.items()}
    size = _size(config.get("txyz"))
    conditions = tuple(ours for name, ours in _CONDITIONS.items() if _flag(config, name))
    inputs = _count(config, "traj_size", 3 * counts["seq_len"])
    if "trajectory" in conditions and inputs != 3 * counts["seq_len"]:
        raise BadInput(f"must be 3 x seq_len, got {inputs}", field="traj_size")
    try:
        settings = dit_dc2(
            size=size, channels=counts["in_channels"], frames=counts["seq_len"],
            depth=counts["depth"], width=counts["hidden_size"], heads=counts["num_heads"],
            patch=counts["patch_size"], conditions=conditions,
            cross_attention=_flag(config, "x_attn"),
        )  # fmt: skip
    except BadInput as error:
        raise BadInput(error.message, field="patch_size", remedy=error.remedy) from error
    except ValueError as error:
        field = "x_attn" if "cross_attention" in str(error) else "hidden_size"
        raise BadInput(str(error), field=field) from error
    return HexPlaneDit(settings).eval()


def names(module: nn.Module) -> dict[str, str]:
    """Every published key and ours."""
    theirs = dict(_MODULES)
    for number in range(module.config.depth):
        for own, published in _BLOCK.items():
            theirs[f"blocks.{number}.{own}"] = f"blocks.{number}.{published}"
    pairs = {"pos_embed": "position"}
    for key in module.state_dict():
        stem, _, leaf = key.rpartition(".")
        if key != "position":
            pairs[f"{theirs[stem]}.{leaf}"] = key
    return pairs


def inputs(module: nn.Module) -> dict[str, Field]:
    """Arrays that ``run`` takes."""
    config = module.config
    height, width = map_shape(config.size)
    patches = (height // config.patch) * (width // config.patch)
    conditions = {
        "cond_hexplane": Field("float32", ("batch", config.channels, height, width), finite=True),
        "cond_layout": Field("float32", ("batch", config.frames, "rows", "columns"), finite=True),
        "cond_cmd": Field("int64", ("batch",)),
        "cond_traj": Field("float32", ("batch", 3 * config.frames), finite=True),
    }
    wanted = {_INPUTS[name] for name in config.conditions}
    return {
        "x": Field("float32", ("batch", config.channels, height, width), finite=True),
        "t": Field("int64", ("batch",)),
        "patch_mask": Field("float32", ("batch", patches, 1), finite=True),
        **{name: field for name, field in conditions.items() if name in wanted},
    }


def outputs(module: nn.Module) -> dict[str, Field]:
    """Arrays that ``run`` returns."""
    config = module.config
    return {"output": Field("float32", ("batch", config.out_channels, *map_shape(config.size)))}


def run(module: nn.Module, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Noise and variance channels for noisy maps; ``patch_mask`` must be that of the rollout."""
    config = module.config
    live = live_cells(config.size, config.patch).flatten()
    if not (arrays["patch_mask"][..., 0].bool() == live).all():
        raise BadInput("is not that of the padded rollout", field="patch_mask")
    values = {name: arrays[_INPUTS[name]] for name in config.conditions}
    if "layout" in values:
        values["layout"] = values["layout"][:, :, None]
    if "trajectory" in values:
        values["trajectory"] = values["trajectory"].unflatten(1, (config.frames, 3))
    command = values.get("command")
    if command is not None and not ((command >= 0) & (command < len(COMMANDS))).all():
        raise BadInput(f"commands are 0 to {len(COMMANDS) - 1}", field="cond_cmd")
    return {"output": module(arrays["x"], arrays["t"], Conditions.from_tensors(values))}


def _count(config: Mapping[str, Any], name: str, usual: int) -> int:
    value = config.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise BadInput(
            f"must be a whole number from 1 to {_MOST}, got {str(value)[:60]!r}", field=name
        )
    return value


def _flag(config: Mapping[str, Any], name: str) -> bool:
    value = config.get(name, False)
    if not isinstance(value, bool):
        raise BadInput(f"must be true or false, got {value!r}", field=name)
    return value


def _size(value: object) -> PlaneSize:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise BadInput(f"must be four whole numbers (T, X, Y, Z), got {value!r}", field="txyz")
    return PlaneSize(*(_count({"txyz": cells}, "txyz", 1) for cells in value))


HEXPLANE_DIT = PublishedSystem(build=build, names=names, inputs=inputs, outputs=outputs, run=run)
