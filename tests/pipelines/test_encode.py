"""Prepared drives through a tiny autoencoder into latents, from Python and from the program."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.pipelines.micro import VAE, save_micro, scatter
from tests.recipes.toy_latents import made_drives

from roadloom.cli.main import main
from roadloom.datasets.latents import LatentFolder
from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput
from roadloom.io.read import read_json
from roadloom.models.hexplane.motion import motion_of, write_motion
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import load_model, save_model
from roadloom.pipelines.encode import encode_prepared, plane_encoder

STRIDE = 2


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_drives(tmp_path_factory.mktemp("prepared") / "made", frames=9)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_micro(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def vae(models: tuple[Path, Path]) -> HexPlaneVae:
    module = load_model(models[1])[0]
    assert isinstance(module, HexPlaneVae)
    return module


def test_latents_are_the_means_with_the_motion_of_the_poses(
    prepared: Path, models: tuple[Path, Path], vae: HexPlaneVae, tmp_path: Path
) -> None:
    done = encode_prepared(prepared, models[1], tmp_path / "l", stride=STRIDE, batch=2)
    assert done == (3, 0, 9)  # three windows of four among nine frames
    folder = LatentFolder(tmp_path / "l")
    hash_ = read_json(models[1] / "card.json")["weights_sha256"]
    assert folder.manifest["encoder"] == hash_ and folder.manifest["stride"] == STRIDE
    assert folder.manifest["motion"] is vae.config.carries is True
    windows = OccupancyWindows(prepared, frames=VAE.frames, stride=STRIDE)
    drawn = []
    for index in range(9):
        motion = torch.from_numpy(motion_of(windows.poses(index), (0.4, 0.4)))[None]
        with torch.no_grad():
            posterior = vae.encode(windows.read(index, 0)["voxels"][None], motion)
        planes = posterior.mean
        drawn.append((planes.xy[0], posterior.logvar.xy[0].exp()))
        found = folder.latents(windows.window_name(index).scene, index % 3)
        for name, plane in planes._asdict().items():
            torch.testing.assert_close(found[name], plane[0], atol=3e-3, rtol=2e-3)
        told = write_motion(planes.tz, motion)[0, :3]
        torch.testing.assert_close(found["tz"][:3], told, atol=1e-3, rtol=1e-3)
    means, variances = (torch.stack(of).double() for of in zip(*drawn, strict=True))
    spread = (means.var((0, 2, 3), correction=0) + variances.mean((0, 2, 3))).sqrt()
    found_spread = torch.tensor(folder.statistics().std["xy"]).double()
    torch.testing.assert_close(found_spread, spread, atol=1e-3, rtol=1e-3)


def test_the_motion_that_enters_is_that_of_the_poses(prepared: Path, vae: HexPlaneVae) -> None:
    """Of a drive that stands, driven along a circle: voxels alone would not tell."""
    windows = OccupancyWindows(prepared, frames=VAE.frames)
    still, circle = windows.read(len(windows) - 1, 0)["voxels"][None], windows.poses(7)
    with torch.no_grad():
        planes = plane_encoder(vae, (0.4, 0.4))(still, [circle]).latent
    assert windows.window_name(7).scene == "b"
    steps = planes.tz[0, 0, :, 0]
    assert float(steps[1] - steps[0]) > 0.1  # it drives 0.5 m, 1.25 cells, a frame


def test_16_bits_move_latents_little_and_the_motion_not(
    prepared: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    for precision in ("32", "bf16"):
        encode_prepared(prepared, models[1], tmp_path / precision, precision=precision)
    exact, rounded = (LatentFolder(tmp_path / name).latents("b", 0) for name in ("32", "bf16"))
    assert torch.equal(rounded["tz"][:3], exact["tz"][:3])
    for name, plane in exact.items():
        error = float((rounded[name] - plane).norm() / plane.norm())
        assert 0 < error < 0.06, name  # 2^-8 a layer; the micro network is untrained


def test_the_program_goes_on_where_it_ended(
    prepared: Path, models: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["encode", str(prepared), "--vae", str(models[1]), *words])
        assert isinstance(ended.value.code, int)
        told = capsys.readouterr()
        return ended.value.code, told.out + told.err

    out = str(tmp_path / "l")
    status, told = run("--out", out, "--shard", "1/3")
    assert (status, told.splitlines()[-1]) == (0, f"1 clip, 2 windows written to {out}")
    status, told = run("--out", out)
    assert (status, told.splitlines()[-1]) == (
        0, f"2 clips, 4 windows written to {out}; 1 clip kept",
    )  # fmt: skip
    assert len(LatentFolder(out)) == 6
    status, told = run("--out", out, "--stride", "2")
    assert status == 2 and "stride" in told
    status, told = run("--out", str(tmp_path / "one"), "--clips", "1")
    assert status == 0 and LatentFolder(tmp_path / "one").scenes == ("a",)
    status, told = run("--out", out, "--stride", "0")
    assert status == 2 and "--stride" in told


def test_what_cannot_encode_is_told(
    prepared: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="no HexPlane autoencoder"):
        encode_prepared(prepared, models[0], tmp_path / "l")
    small = replace(VAE, shape=(64, 64, 8))
    module = HexPlaneVae(small)
    scatter(module, 0)
    save_model(tmp_path / "small", module, "hexplane_vae", small, {})
    with pytest.raises(BadInput, match="was made for"):
        encode_prepared(prepared, tmp_path / "small", tmp_path / "l")
    assert not (tmp_path / "l").exists()
