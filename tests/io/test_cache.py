"""The cache lies where the user says, else where such things lie on this system."""

from pathlib import Path

import pytest

from roadloom.io.cache import cache_folder


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ROADLOOM_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "roadloom"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/roadloom")
    monkeypatch.setenv("ROADLOOM_CACHE", "/named")
    assert cache_folder() == Path("/named")
