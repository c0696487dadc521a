"""``roadloom export ply|video|rerun`` from the command line."""

import sys
from pathlib import Path

import pytest
from tests.scene.rich_clip import KEYS, rich_clip

from roadloom.cli.main import main


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("cli")
    rich_clip(folder).save(folder / "clip")
    return f"folder:{folder}/clip"


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["export", *words])
    return int(ended.value.code or 0)


def test_ply(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("ply", source, "--out", str(tmp_path / "out"), "--boxes", "cubes", "--merge")
    assert run(*words) == 0
    assert f"1 scene, {KEYS} frames written" in capsys.readouterr().out
    assert (tmp_path / "out/rich-1/merged.ply").is_file()
    assert run(*words) == 0
    assert "0 scenes, 0 frames written" in capsys.readouterr().out
    assert run(*words, "--sweeps") == 2
    assert "--sweeps" in capsys.readouterr().err
    assert run(*words, "--shard", "1/1") == 2
    assert run(*words, "--workers", "0") == 2


def test_video(source: str, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the video extra is not installed")
    words = ("video", source, "--out", str(tmp_path / "out"), "--width", "64", "--no-bev")
    assert run(*words) == 0
    assert (tmp_path / "out/rich-1.mp4").is_file()


def test_rerun_absent(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert run("rerun", source, "--out", str(tmp_path / "out")) == 2
    assert "pip install 'roadloom[rerun]'" in capsys.readouterr().err


def test_rerun(source: str, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    assert run("rerun", source, "--out", str(tmp_path / "out"), "--occupancy", "none") == 0
    assert (tmp_path / "out/rich-1.rrd").is_file()
