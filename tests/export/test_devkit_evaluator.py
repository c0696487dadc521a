"""The official evaluator of detections: our own boxes score 1.0, and worse ones worse.

make devkit && .venv-devkit/bin/python -m pytest tests/export/test_devkit_evaluator.py

Town's ground truth is judged by ``studies/export_evaluator.py``, as its sweeps take minutes.
"""

import copy

import pytest
from tests.export.street_clip import export_streets

from roadloom.export.nuscenes.detections import root_results, write_detections

pytest.importorskip(
    "nuscenes", reason="nuscenes-devkit is not here: `make devkit` builds .venv-devkit with it"
)
pytestmark = pytest.mark.filterwarnings("ignore")
"""Its warnings are not ours."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return export_streets(tmp_path_factory.mktemp("judged") / "root")


@pytest.fixture(scope="module")
def judge(root, tmp_path_factory):
    from nuscenes import NuScenes
    from nuscenes.eval.common.config import config_factory
    from nuscenes.eval.detection.evaluate import DetectionEval

    nusc = NuScenes("v1.0-trainval", str(root), verbose=False)
    folder = tmp_path_factory.mktemp("scores")

    def judged(results):
        write_detections(folder / "detections.json", results)
        evaluation = DetectionEval(
            nusc, config_factory("detection_cvpr_2019"), str(folder / "detections.json"), "val",
            str(folder / "out"), verbose=False,
        )  # fmt: skip
        return evaluation, evaluation.evaluate()[0]

    return judged


def test_our_own_boxes_score_1(root, judge):
    evaluation, metrics = judge(root_results(str(root)))
    assert len(evaluation.gt_boxes.all) == 80  # ten of eleven things have points
    assert metrics.mean_ap == pytest.approx(1.0, abs=1e-9)
    assert metrics.nd_score == pytest.approx(1.0, abs=1e-9)
    assert metrics.tp_errors == pytest.approx(dict.fromkeys(metrics.tp_errors, 0.0), abs=1e-9)


def test_boxes_moved_sideways_score_less(root, judge):
    results = copy.deepcopy(root_results(str(root)))
    for row in sum(results.values(), []):
        row["translation"][0] += 0.7  # beyond the narrowest of the four thresholds
    _, metrics = judge(results)
    assert metrics.mean_ap == pytest.approx(0.75, abs=1e-9)
    assert metrics.tp_errors["trans_err"] == pytest.approx(0.7, abs=1e-9)


def test_boxes_that_hold_no_point_would_be_judged_false(root, judge):
    results = copy.deepcopy(root_results(str(root)))
    rows = next(iter(results.values()))
    ghost = copy.deepcopy(next(row for row in rows if row["detection_name"] == "car"))
    ghost["translation"][1] += 12.0
    rows.insert(0, ghost)
    _, metrics = judge(results)
    assert metrics.mean_dist_aps["car"] < 1.0
    assert metrics.mean_dist_aps["bus"] == pytest.approx(1.0, abs=1e-9)
