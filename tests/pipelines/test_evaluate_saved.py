"""Scores of what lies on disk, over made drives and tiny random networks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.pipelines.micro import save_micro

from roadloom.cli.main import main
from roadloom.errors import BadInput, MissingInput
from roadloom.metrics.protocol import read_scores
from roadloom.models.features.scene_net import SceneFeatureConfig, SceneFeatures
from roadloom.models.features.view_net import ViewFeatureConfig, ViewFeatures
from roadloom.models.store import load_model, save_model
from roadloom.pipelines.evaluate import evaluate_reconstruction
from roadloom.pipelines.evaluate_saved import (
    score_generated,
    score_reconstruction,
    windows_of,
)
from roadloom.prepare import Request
from roadloom.prepare.run import prepare
from roadloom.scene.registry import KINDS


@pytest.fixture(scope="module", autouse=True)
def made_source() -> Iterator[None]:
    """``made:FRAMES``."""
    KINDS["made"] = "tests.datasets.made_drive:MadeSource"
    yield
    del KINDS["made"]


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("nets")
    torch.manual_seed(0)
    scene = SceneFeatureConfig(widths=(8, 8, 8), features=4)
    view = ViewFeatureConfig(widths=(8, 8, 8, 8), features=4)
    return {
        "scene": save_model(folder / "s", SceneFeatures(scene), "features_scene", scene, {}),
        "view": save_model(folder / "v", ViewFeatures(view), "features_view", view, {}),
    }


def test_reconstruction_from_a_folder_and_from_the_source(tmp_path, capsys) -> None:
    """A prepared folder scores as the windows it was made of, where nothing is masked."""
    _, vae = save_micro(tmp_path)
    prepare(Request(source="made:8", occupancy=("carla_sc",)), tmp_path / "cache")
    out = tmp_path / "scores.json"
    with pytest.raises(SystemExit) as stop:
        main(
            ["evaluate", "reconstruction", str(tmp_path / "cache"), "--vae", str(vae),
             "--out", str(out), "--stride", "4", "--count", "4", "--device", "cpu"]
        )  # fmt: skip
    assert stop.value.code == 0
    scores, protocol = read_scores(out)
    assert protocol.protocol_id in capsys.readouterr().out
    assert (protocol.count, protocol.frames, protocol.hz) == (4, 4, 10.0)
    named = {s.name: s for s in scores}
    assert named["IoU"].low <= named["IoU"].value <= named["IoU"].high
    windows = windows_of(tmp_path / "cache", frames=4, stride=4)
    classes = [s.value for s in scores if s.name.startswith("IoU of ")]
    assert 0 < len(classes) < len(windows.view)
    module, _ = load_model(vae)
    own, _, twin = evaluate_reconstruction(
        lambda voxels, _: module.labels(module.encode(voxels, torch.zeros(1, 4, 3)).mean),
        windows, limit=4,
    )  # fmt: skip
    assert twin == protocol
    assert own[0].value != named["IoU"].value  # the poses of a moving vehicle were used


def test_generated_clips_against_recorded_ones(nets, tmp_path) -> None:
    scored = score_generated("made:96", "made:96", **nets, real_count=14, stride=4)
    assert scored.protocol.count == 18
    assert scored.protocol.real_count == 14
    assert len(scored.scores) == 13
    assert all(s.protocol == scored.protocol.protocol_id for s in scored.scores)
    frechet = scored.scores[0]
    assert frechet.low <= frechet.value <= frechet.high
    hashes = dict(scored.protocol.features)
    assert hashes["scene"] == load_model(nets["scene"])[1]["weights_sha256"]


def test_what_cannot_be_scored_is_refused(nets, tmp_path) -> None:
    with pytest.raises(BadInput, match="3 windows of 3 clips"):
        score_generated("made:16", "made:96", **nets)
    with pytest.raises(BadInput, match="--count: 0 is too small"):
        score_generated("made:96", "made:96", **nets, count=0)
    with pytest.raises(BadInput, match="windows in one half"):
        score_generated("made:96", "made:16", **nets)
    with pytest.raises(BadInput, match="no HexPlane autoencoder"):
        score_reconstruction(nets["scene"], "made:8")
    with pytest.raises(MissingInput, match="no folder and no model"):
        score_generated("made:96", "made:96", scene="features_scene_v0", view=nets["view"])


def test_windows_of_one_clip_are_refused(nets) -> None:
    """They have no spread between clips."""
    with pytest.raises(BadInput, match="12 windows of 1 clips"):
        score_generated("made:208", "made:96", **nets, count=12, stride=4)
