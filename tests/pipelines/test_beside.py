"""A generated drive beside the recorded one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.pipelines.micro import VAE, micro_world, save_micro, street

import roadloom
from roadloom.cli.main import main
from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import CARLA_SC
from roadloom.io.image import read_image
from roadloom.pipelines.beside import FILM, OUTPUTS, SHEET, USE, write_beside
from roadloom.pipelines.ego import poses_of
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.pipelines.pictures import GAP, SIZE
from roadloom.pipelines.saved import GeneratedClip, packed
from roadloom.scene.class_views import view
from roadloom.scene.clip import Clip

BUILDING, VEGETATION = 1, 9  # of dynamiccity12; neither is in a layout
PATH = np.stack([np.arange(8) * 0.4, np.zeros(8), np.arange(8) * 0.01], axis=1)


@pytest.fixture(scope="module")
def world() -> HexPlaneWorld:
    return micro_world()


def recording(folder: Path, *, overgrown: bool = False) -> str:
    """Two windows; ``overgrown``: what was built is hidden by plants."""
    seen = torch.cat([street(seed) for seed in range(2)])
    if overgrown:
        seen[seen == BUILDING] = VEGETATION
    labels = packed(view("dynamiccity12").to_classes(seen.numpy()))
    reader = GeneratedClip(
        "drive", labels, CARLA_SC, poses_of(PATH), hz=10.0, source="made:drive",
        licence="CC-BY-4.0", attributes={},
    )  # fmt: skip
    Clip(reader).save(folder / "drive")
    return f"folder:{folder / 'drive'}@0"


def made_by(folder: Path) -> Clip:
    return roadloom.open(f"folder:{folder}").clip("window-0000")


def test_it_sees_the_layout_and_the_way_and_nothing_else(
    world: HexPlaneWorld, tmp_path: Path
) -> None:
    clips = []
    for name, overgrown in (("built", False), ("grown", True)):
        place = tmp_path / name
        window = recording(place, overgrown=overgrown)
        write_beside(world, window, place / "out", windows=2, seed=5)
        clips.append(made_by(place / "out"))
    built, grown = clips
    assert built.attributes["generated"]["conditions"] == sorted(USE)
    assert len(built) == len(grown) == 2 * VAE.frames
    for one, other in zip(built, grown, strict=True):
        assert np.array_equal(one.occupancy(CARLA_SC).labels, other.occupancy(CARLA_SC).labels)
    sheets = [read_image(tmp_path / name / "out" / SHEET) for name in ("built", "grown")]
    height = SIZE[0]
    assert sheets[0].shape == (2 * height + GAP, 4 * SIZE[1] + 3 * GAP, 3)
    assert (sheets[0][height + GAP :] == sheets[1][height + GAP :]).all()  # the generated row
    assert (sheets[0][:height] != sheets[1][:height]).any()  # the recorded one


def test_it_replaces_its_own_and_nothing_else(world: HexPlaneWorld, tmp_path: Path) -> None:
    window, out = recording(tmp_path), tmp_path / "out"
    written = write_beside(world, window, out, windows=1)
    assert {path.name for path in written} == {path.name for path in out.iterdir()} == OUTPUTS
    first = (out / SHEET).read_bytes()
    write_beside(world, window, out, windows=1, seed=1)
    assert (out / SHEET).read_bytes() != first
    (out / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="notes.txt"):
        write_beside(world, window, out, windows=1)
    assert (out / "notes.txt").read_text() == "mine" and (out / FILM).exists()


def test_nothing_is_left_of_what_failed(
    world: HexPlaneWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise BadInput("no room")

    window = recording(tmp_path)
    monkeypatch.setattr("roadloom.pipelines.beside.write_video", fails)
    with pytest.raises(BadInput, match="no room"):
        write_beside(world, window, tmp_path / "out", windows=1)
    assert [path.name for path in tmp_path.iterdir()] == ["drive"]


def test_the_demo_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With small networks in place of those that ship, and a short drive."""
    model, vae = save_micro(tmp_path, student=True)
    monkeypatch.setattr("roadloom.pipelines.generate.default_model", lambda: str(model))
    monkeypatch.setattr("roadloom.pipelines.hexplane._shipped_vae", lambda *_: str(vae))
    monkeypatch.setattr("roadloom.cli.demo.SECONDS", 1.0)
    monkeypatch.setattr("roadloom.cli.demo.WIDTH", 64)
    out = tmp_path / "demo"
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--out", str(out)])
    assert stop.value.code in (0, None)
    said = capsys.readouterr().out
    assert str(out / "index.html") in said and str(out / "generated" / FILM) in said
    assert (out / "index.html").exists()
    facts = made_by(out / "generated").attributes["generated"]
    assert facts["window"] == "town-v1:val:9@0" and facts["conditions"] == sorted(USE)
