"""Where recorded outputs of published models lie, and a small fixture of our own making."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from roadloom.io.npz import write_npz
from roadloom.models.parity import Fixture, Parameter, fill
from roadloom.models.registry import SYSTEMS

FOLDER = Path(os.environ.get("ROADLOOM_PARITY", Path(__file__).parents[3] / "shared" / "parity"))


def recorded(name: str) -> Path:
    """A recorded file; without the folder the test is skipped, and says so."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no {path}: name the folder of recorded outputs in ROADLOOM_PARITY")
    return path


def vae_config(**model: Any) -> dict[str, Any]:
    """A published configuration of the autoencoder, small."""
    return {
        "model": {
            "vae": True, "latent_channels": 4, "query_channels": 6, "encoder_type": "tr",
            "separate_t_encoder": True, "one_hot_time": True, "down_x": 1, "down_y": 1,
            "down_z": 1, "hex_down_t": 1, "hex_down_x": 0, "hex_down_y": 0, "hex_down_z": 0,
            "separate_t_reducer": True, "transformer_depth": 2, "transformer_heads": 2,
            "transformer_dim_head": 16, "transformer_dim_mlp": 8, "dropout": 0.1,
            "decoder_type": "conv", "hadamard": True, "pe_freq": 3, "conv_hidden_low_res": 8,
            "conv_hidden_high_res": 5, "learning_rate": 0.001,
        } | model,
        "dataset": {"num_classes": 5, "sequence_length": 4, "spatial_size": [8, 6, 4]},
    }  # fmt: skip


def write_vae_fixture(folder: Path, seed: int = 5) -> Path:
    """A fixture of what our own autoencoder computes."""
    config, system = vae_config(), SYSTEMS["hexplane_vae"]
    module = system.build(config)
    own = module.state_dict()
    parameters = {
        key: Parameter(shape=list(own[ours].shape), dtype="float32", random=True)
        for key, ours in system.names(module).items()
    }
    voxels = np.random.default_rng(seed).integers(0, 5, (1, 4, 8, 6, 4), dtype=np.uint8)
    names = list(system.outputs(module))
    fixture = Fixture(
        system="hexplane_vae", io="own.npz", tolerance=1e-4, seed=seed, inputs=["voxels"],
        outputs=names, config=config, parameters=parameters,
    )  # fmt: skip
    fill(system, module, fixture)
    with torch.no_grad():
        out = system.run(module, {"voxels": torch.from_numpy(voxels)})
    write_npz(folder / "own.npz", {"voxels": voxels} | {name: out[name].numpy() for name in names})
    about = {name: getattr(fixture, name) for name in Fixture.__struct_fields__}
    about["parameters"] = {
        key: {"shape": p.shape, "dtype": p.dtype, "random": p.random}
        for key, p in parameters.items()
    }
    path = folder / "own.json"
    path.write_text(json.dumps(about))
    return path
