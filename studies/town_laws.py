"""What must hold between the sensors of a town, over drawn clips.

``python -m studies.town_laws --clips 4 --keys 3`` prints one JSON line per law and mode: how often
it was asked, how often it was broken, and the worst error. Modes: ``frozen``, where every sensor
sees the moment of the stamp, and ``rolling``, where each shot is asked at its own time.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict

import numpy as np

from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.classes import class_id
from roadloom.town.camera.view import View, lens
from roadloom.town.config import TownConfig
from roadloom.town.source import TownReader
from studies.town_laws_points import (
    TOLERANCE_M,
    Tally,
    depth_images,
    depth_of_points,
    excess,
    points_in_boxes,
    points_in_cells,
    seen_of,
    twin,
)

FRESH = """
import hashlib
from roadloom.town.config import TownConfig
from roadloom.town.source import TownReader
config = TownConfig(image_scale=0.1)
for index in {indices}:
    reader = TownReader("val", index, config)
    parts = [reader.world.plan.digest().encode(), reader.image("CAM_FRONT", 60).tobytes()]
    sweep = reader.sweep("LIDAR_TOP", 120)
    parts += [sweep.points.tobytes(), sweep.point_time_ns.tobytes(), sweep.intensity.tobytes()]
print(hashlib.sha256(b"".join(parts)).hexdigest())
"""


def check_key(reader: TownReader, key: int, laws: dict[str, Tally], twin_rays: int = 40) -> None:
    """All laws at one key frame of a frozen or a rolling clip."""
    stamp_ns, frozen = int(reader.meta.key_times_ns[key]), reader.config.frozen
    seen, shots = seen_of(reader, stamp_ns, frozen=frozen)
    views = []
    for mount in reader.rig.cameras:
        visible = depth_of_points(seen, mount, laws["points end the cameras' sight lines"])
        if frozen:
            view = reader._view(mount.name, int(reader.records(mount.name).key[key]))
            depth_images(seen, view, visible, laws["points lie on the depth images"])
            views.append(view)
    points_in_boxes(seen, laws["points lie in their boxes"])
    points_in_cells(seen, OCC3D, laws["points lie in occupied cells"])
    twin(seen, shots, twin_rays, laws["the slow twin agrees"])
    if frozen:
        pixels_in_boxes(reader, views, laws["pixels of a thing lie in its box"])
        boxes_are_seen(reader, key, views, laws["boxes agree with what pixels show"])


def pixels_in_boxes(reader: TownReader, views: list[View], tally: Tally) -> None:
    """Depth carries a pixel of a boxed thing into that thing's box; its class is the thing's."""
    world = reader.world
    kinds = world.tables.class_id
    marking, sky = class_id("marking.road_line"), class_id("sky")
    boxed_classes = np.unique(world.class_ids[world.boxed])
    for view in views:
        pose = world.town_from_ego(np.array([view.time_ns]))[0] @ view.mount.ego_from_camera
        directions = lens(view.mount.camera)[0]
        on = (view.instance >= 0) & world.boxed[view.instance]
        local = directions[on] / directions[on][:, 2:] * view.depth[on][:, None]
        time_s = np.full(len(local), world.seconds(np.array([view.time_ns]))[0])
        out = excess(world, view.instance[on].astype(np.int64), pose.apply(local), time_s)
        tally.add(pixels=on.sum(), broken=(out > TOLERANCE_M).sum())
        tally.most("nearest_to_its_border_m", out)
        triangle = view.hits.triangle.reshape(on.shape)
        label = np.where(triangle >= 0, kinds[triangle], sky)
        wrong = (view.semantic != label) & (view.semantic != marking) & view.valid
        alone = (view.instance < 0) & np.isin(view.semantic, boxed_classes)
        tally.add(broken=wrong.sum() + alone.sum())


def boxes_are_seen(reader: TownReader, key: int, views: list[View], tally: Tally) -> None:
    """Visibility above the lowest level means pixels; pixels mean a box, if within the range."""
    boxes = reader.boxes(key)
    shown = sum(view.object_pixels() for view in views)
    rows = np.array([int(track.rpartition("-")[2]) for track in boxes.track_id], np.int64)
    seen = shown[rows] > 0
    unseen_yet_visible = ~seen & (boxes.visibility > 1)
    apart = np.sqrt((boxes.pose.translation[:, :2] ** 2).sum(axis=1))
    tally.add(
        boxes=len(boxes), seen=seen.sum(),
        broken=unseen_yet_visible.sum() + (apart > reader.config.box_range_m).sum(),
    )  # fmt: skip


def fresh_process(tally: Tally) -> None:
    """val:7 drawn alone equals val:7 drawn after val:0: plan, picture and sweep, byte by byte."""
    answers = [
        subprocess.run(  # our own interpreter and code
            [sys.executable, "-c", FRESH.format(indices=indices)], capture_output=True, text=True,
            check=True,
        ).stdout
        for indices in ([7], [0, 7])
    ]  # fmt: skip
    tally.add(clips=1, broken=answers[0] != answers[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--keys", type=int, default=3)
    parser.add_argument("--rays", type=int, default=40, help="of the slow twin, for each key frame")
    options = parser.parse_args()
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    for index in np.linspace(0, 149, options.clips).astype(int).tolist():
        for mode in ("frozen", "rolling"):
            reader = TownReader("val", index, TownConfig(frozen=mode == "frozen"))
            laws: dict[str, Tally] = defaultdict(Tally)
            for key in np.linspace(0, len(reader.meta.key_times_ns) - 1, options.keys).astype(int):
                check_key(reader, int(key), laws, options.rays)
            for law, tally in laws.items():
                print(f"val:{index} {mode}: {law}: {tally.broken} broken", file=sys.stderr)
                tallies[mode, law].join(tally)
    fresh_process(tallies["fresh process", "a clip is the same without its predecessors"])
    for (mode, law), tally in tallies.items():
        worst = {name: float(f"{value:.3g}") for name, value in tally.worst.items()}
        print(json.dumps({"study": "town_laws", "mode": mode, "law": law, **tally.counts, **worst}))
    sys.exit(any(tally.broken for tally in tallies.values()))


if __name__ == "__main__":
    main()
