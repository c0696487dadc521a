"""Fixtures pass, damaged models fail, damaged fixtures are refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from tests.models.published_fixtures import recorded, vae_config, write_vae_fixture

from roadloom.cli.main import main
from roadloom.errors import BadInput, MissingInput
from roadloom.io.npz import write_npz
from roadloom.models.hexplane.published_names import build
from roadloom.models.hexplane.published_vae import PublishedVae
from roadloom.models.parity import check, draw, largest_error
from roadloom.models.registry import SYSTEMS


@pytest.mark.parametrize(
    ("key", "shape", "scale", "shift"),
    [
        ("a.weight", (6, 4, 2), 8**-0.5, 0.0),
        ("a.weight", (6,), 0.1, 1.0),
        ("a.scale", (6,), 0.1, 1.0),
        ("a.bias", (6,), 0.1, 0.0),
        ("a.running_mean", (6,), 0.1, 0.0),
        ("a.token", (6, 1), 1.0, 0.0),
    ],
)
def test_the_recipe(key: str, shape: tuple[int, ...], scale: float, shift: float) -> None:
    bits = np.random.PCG64([crc32(key.encode()), 9])
    x = np.random.Generator(bits).standard_normal(shape)
    np.testing.assert_allclose(draw(key, shape, 9).numpy(), shift + scale * x, rtol=1e-6)
    assert draw(key, shape, 9).dtype == torch.float32
    assert not torch.equal(draw(key, shape, 9), draw(key, shape, 10))


def test_running_variances_are_positive() -> None:
    assert draw("n.running_var", (1000,), 1).min() >= 1


def test_the_seed_and_the_name_alone_decide() -> None:
    """Recorded once from NumPy 2.3: the recipe may not drift with a library."""
    drawn = draw("encoder.embedding.weight", (2, 2), 31).numpy()
    x = np.random.Generator(np.random.PCG64([3088797234, 31])).standard_normal((2, 2))
    assert crc32(b"encoder.embedding.weight") == 3088797234
    np.testing.assert_allclose(drawn, x / math.sqrt(2), rtol=1e-6)


def test_recorded_outputs_of_the_published_autoencoder() -> None:
    report = check(recorded("hexplane_vae_small.json"))
    assert report.passed and len(report.errors) == 14
    latents = [error for name, error in report.errors.items() if name != "logits"]
    assert max(latents) <= 1.4e-5  # what faithful float32 code reaches (specification, 9)


def test_the_cheap_way_passes_too() -> None:
    path = recorded("hexplane_vae_small.json")
    module = build(json.loads(path.read_text())["config"])
    assert not module.head.reference
    assert check(path, module).passed


def test_a_fixture_of_our_own(tmp_path: Path) -> None:
    path = write_vae_fixture(tmp_path)
    assert max(check(path).errors.values()) == 0.0


def _no_replication(module: PublishedVae) -> None:
    module.extractor.spatial.unit.first.padding_mode = "zeros"


def _a_sum(module: PublishedVae) -> None:
    module.squeeze.product = False


def _the_token(module: PublishedVae) -> None:
    module.projection.squeezers["tx"].read = 6


@pytest.mark.parametrize("damage", [_no_replication, _a_sum, _the_token])
def test_a_model_that_computes_something_else_fails(
    damage: Callable[[PublishedVae], None], tmp_path: Path
) -> None:
    path = write_vae_fixture(tmp_path)
    module = build(vae_config(), reference=True)
    damage(module)
    assert not check(path, module).passed


def test_recorded_numbers_that_differ_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_vae_fixture(tmp_path)
    with np.load(tmp_path / "own.npz") as archive:
        arrays = dict(archive)
    arrays["logits"][0, 1, 2, 3, 1, 0] += 1e-3
    write_npz(tmp_path / "own.npz", arrays)
    assert _status(path) == 1
    out = capsys.readouterr().out
    assert "FAILED" in out and out.count("above the tolerance") == 1


def test_the_command_writes_what_we_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write_vae_fixture(tmp_path), tmp_path / "ours.npz"
    assert _status(path, "--out", str(out)) == 0
    names = json.loads(path.read_text())["outputs"]
    assert all(name in capsys.readouterr().out for name in names[:1])
    with np.load(out) as ours, np.load(tmp_path / "own.npz") as theirs:
        assert set(ours) == set(names)
        assert all(np.array_equal(ours[name], theirs[name]) for name in names)


def _status(*words: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["parity", *map(str, words)])
    assert isinstance(stop.value.code, int)
    return stop.value.code


def _changed(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda about: about.update(fields)


def _dropped(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(about: dict[str, Any]) -> None:
        for name in path[:-1]:
            about = about[name]
        del about[path[-1]]

    return change


def _option(section: str, name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda about: about["config"][section].update({name: value})


def _parameter(key: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    def change(about: dict[str, Any]) -> None:
        about["parameters"].setdefault(key, {"shape": [1], "dtype": "float32", "random": True})
        about["parameters"][key].update(fields)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_changed(system="no_such"), "system"),
        (_changed(tolerance=0), "tolerance"),
        (_changed(tolerance="wide"), "tolerance"),
        (_changed(seed=-1), "seed"),
        (_changed(io="../own.npz"), "io"),
        (_changed(io="gone.npz"), "no such file"),
        (_changed(outputs=[]), "outputs"),
        (_changed(outputs=["logits", "logits"]), "outputs"),
        (_changed(outputs=["depth"]), "depth"),
        (_changed(inputs=[]), "voxels"),
        (_changed(inputs=["voxels", "x"]), "inputs"),
        (_dropped("config"), "config"),
        (_dropped("config", "dataset"), "config.dataset"),
        (_dropped("config", "model", "hadamard"), "hadamard"),
        (_dropped("parameters", "vae.fc_mu_logvar.0.bias"), "vae.fc_mu_logvar.0.bias"),
        (_parameter("encoder.extra"), "encoder.extra"),
        (_parameter("vae.fc_mu_logvar.0.bias", shape=[7]), "vae.fc_mu_logvar.0.bias"),
        (_parameter("vae.fc_mu_logvar.0.bias", shape=[-1]), "shape"),
        (_parameter("vae.fc_mu_logvar.0.bias", random=1), "random"),
        (_parameter("vae.fc_mu_logvar.0.bias", dtype="int64"), "int64"),
        (_option("dataset", "spatial_size", [65536, 65536, 8]), "spatial_size"),
        (_option("model", "encoder_type", "mean"), "encoder_type"),
        (_option("dataset", "spatial_size", [8, 6]), "spatial_size"),
        (_option("dataset", "spatial_size", [8, 6, 8]), "parameters"),
    ],
)
def test_a_bad_fixture_is_refused(
    change: Callable[[dict[str, Any]], None], says: str, tmp_path: Path
) -> None:
    path = write_vae_fixture(tmp_path)
    about = json.loads(path.read_text())
    change(about)
    path.write_text(json.dumps(about))
    with pytest.raises(BadInput, match=says) as raised:
        check(path)
    assert str(tmp_path) in str(raised.value)
    assert _status(path) == 2


def _arrays(tmp_path: Path) -> dict[str, np.ndarray]:
    with np.load(tmp_path / "own.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("logits", lambda a: a[:, 1:]),
        ("logits", lambda a: np.where(a == a.max(), np.nan, a)),
        ("mean_xy", lambda a: a.astype(np.float64) + 1e-9),
        ("voxels", lambda a: a.astype(np.int32)),
        ("voxels", lambda a: a + np.uint8(200)),
        ("voxels", lambda a: np.concatenate([a, a])),
    ],
)
def test_bad_arrays_are_refused(
    name: str, damage: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    path = write_vae_fixture(tmp_path)
    arrays = _arrays(tmp_path)
    arrays[name] = damage(arrays[name])
    write_npz(tmp_path / "own.npz", arrays)
    with pytest.raises(BadInput):
        check(path)


def test_a_truncated_array_file_is_refused(tmp_path: Path) -> None:
    path = write_vae_fixture(tmp_path)
    data = (tmp_path / "own.npz").read_bytes()
    for kept in (0, 10, len(data) // 2, len(data) - 1):
        (tmp_path / "own.npz").write_bytes(data[:kept])
        with pytest.raises(BadInput):
            check(path)


def test_no_fixture(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        check(tmp_path / "none.json")


def test_what_is_not_finite_is_infinitely_wrong() -> None:
    one = np.ones(3, np.float32)
    assert largest_error(one, one) == 0
    assert largest_error(one * np.nan, one) == math.inf
    assert largest_error(one[:2], one) == math.inf
    assert largest_error(one + 0.5, one) == 0.5


def test_systems_are_named_as_their_fixtures_name_them() -> None:
    assert "hexplane_vae" in SYSTEMS
