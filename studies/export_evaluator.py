"""Town's ground truth through the official evaluator of nuScenes: exported, submitted, judged.

    python studies/export_evaluator.py export FOLDER   with this project
    python studies/export_evaluator.py judge FOLDER    with nuscenes-devkit 1.2.0 installed

The first writes three clips under official names of ``val``, without images, and their own boxes
as a submission; the three hold all ten classes of the task. The second prints the scores. The two
may run in different environments, as the devkit asks for other versions than this project.
"""

import sys
from collections import Counter
from pathlib import Path

SCENES = ("3", "14", "23")
"""3 has buses and bicycles, 14 a trailer, 23 works with barriers, cones and a machine."""
SUBMISSION = "detections.json"


def export(folder: Path) -> None:
    from roadloom.export.nuscenes.detections import root_results, write_detections
    from roadloom.export.nuscenes.options import NuScenesOptions
    from roadloom.export.nuscenes.run import export_nuscenes

    options = NuScenesOptions(official="val", images=False)
    for scene in SCENES:
        done = export_nuscenes(f"town-v1:val:{scene}", folder, options)
        print(f"town-v1:val:{scene} is {', '.join(done.names)}: {done.counts}")
    results = root_results(str(folder))
    write_detections(folder / SUBMISSION, results)
    names = Counter(row["detection_name"] for rows in results.values() for row in rows)
    print(f"{len(results)} samples, {sum(names.values())} boxes with points: {dict(names)}")


def judge(folder: Path) -> None:
    from nuscenes import NuScenes  # type: ignore[import-not-found]
    from nuscenes.eval.common.config import config_factory  # type: ignore[import-not-found]
    from nuscenes.eval.detection.evaluate import DetectionEval  # type: ignore[import-not-found]

    nusc = NuScenes("v1.0-trainval", str(folder), verbose=False)
    judged = DetectionEval(
        nusc, config_factory("detection_cvpr_2019"), str(folder / SUBMISSION), "val",
        str(folder / "evaluation"), verbose=True,
    )  # fmt: skip
    metrics, _ = judged.evaluate()
    truth = Counter(box.detection_name for box in judged.gt_boxes.all)
    print(f"mAP {metrics.mean_ap!r}, NDS {metrics.nd_score!r}")
    print(f"mean errors of true positives: {metrics.tp_errors}")
    for name, precision in metrics.mean_dist_aps.items():
        print(f"{name}: {truth[name]} boxes judged, AP {float(precision)!r}")


if __name__ == "__main__":
    {"export": export, "judge": judge}[sys.argv[1]](Path(sys.argv[2]))
