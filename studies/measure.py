"""Figures of any source, by clip: the same questions that were asked of the real recordings.

Each function takes clips and returns ``{question: value}``; ``town_statistics`` puts the real
values beside them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.class_views import view
from roadloom.scene.classes import class_info
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.road_map import RoadMap

Figures = dict[str, float]
PERSON = "human."


def name_of(class_id: int) -> str:
    """Class name with what data sets lump together lumped."""
    name = class_info(int(class_id)).name
    return "pedestrian" if name.startswith(PERSON) and "rider" not in name else name


def boxes(clips: Sequence[Clip], every: int) -> Figures:
    """Sizes (one vote an object), boxes a frame, distances, speeds, headings."""
    sizes: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    rows: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    per_frame = []
    for clip in clips:
        for frame in list(clip)[::every]:
            found = clip.reader.boxes_at(frame.time_ns)
            distance = np.hypot(*found.pose.translation[:, :2].T)
            speed = np.hypot(*found.velocity[:, :2].T)
            names = [name_of(i) for i in found.class_id]
            yaw = np.degrees(found.pose.yaw)
            for n, name in enumerate(names):
                sizes[name][f"{clip.scene_id} {found.track_id[n]}"] = found.size[n]
                rows[name].append((distance[n], speed[n], yaw[n], found.size[n, 0]))
            is_car = np.array([n == "vehicle.car" for n in names])
            is_person = np.array([n == "pedestrian" for n in names])
            near = distance <= 50
            per_frame.append(
                (len(names), near.sum(), is_car.sum(), (is_car & near).sum(), is_person.sum(),
                 (is_person & near).sum())
            )  # fmt: skip
    out: Figures = {}
    for name in ("vehicle.car", "pedestrian", "object.traffic_cone", "object.barrier",
                 "two_wheeler.bicycle"):  # fmt: skip
        if sizes[name]:
            all_sizes = np.array(list(sizes[name].values()))
            for axis, word in enumerate(("length", "width", "height")):
                out[f"{name} {word} mean"] = all_sizes[:, axis].mean()
                out[f"{name} {word} std"] = all_sizes[:, axis].std()
    counts = np.array(per_frame, float)
    for column, word in enumerate(
        ("boxes", "boxes within 50 m", "cars", "cars within 50 m", "people", "people within 50 m")
    ):
        out[f"{word} a frame, mean"] = counts[:, column].mean()
        out[f"{word} a frame, least"] = counts[:, column].min()
        out[f"{word} a frame, most"] = counts[:, column].max()
    for name, limit in (("vehicle.car", 0.5), ("pedestrian", 0.3)):
        table = np.array(rows[name])
        speed = table[:, 1]
        moving = speed[speed >= limit]
        out[f"{name} distance median"] = float(np.median(table[:, 0]))
        for low, high in ((0, 10), (10, 20), (20, 30), (30, 40), (40, 50), (50, 60), (60, 80)):
            share = ((table[:, 0] >= low) & (table[:, 0] < high)).mean()
            out[f"{name} share at {low}-{high} m"] = 100 * share
        out[f"{name} standing share"] = (speed < limit).mean()
        out[f"{name} moving speed mean"] = moving.mean()
        out[f"{name} moving speed std"] = moving.std()
        for q in (5, 25, 50, 75, 95):
            out[f"{name} moving speed {q} %"] = float(np.percentile(moving, q))
        out[f"{name} fastest"] = moving.max()
    yaw = np.abs(np.array(rows["vehicle.car"])[:, 2])
    out["cars the ego's way"] = 100 * (yaw < 15).mean()
    out["cars against it"] = 100 * (yaw > 165).mean()
    out["cars crossing"] = 100 * ((yaw > 75) & (yaw < 105)).mean()
    return out


def ego(clips: Iterable[Clip]) -> Figures:
    speed, rate, push = [], [], []
    for clip in clips:
        times = np.arange(clip.times_ns[0], clip.times_ns[-1], 100_000_000, dtype=np.int64)
        poses = clip.ego.at(times)
        v = np.linalg.norm(np.diff(poses.translation, axis=0), axis=1) / 0.1
        speed.append(v)
        push.append(np.diff(v[::5]) / 0.5)
        rate.append(np.degrees(np.diff(np.unwrap(poses.yaw))) / 0.1)
    v, w, a = (np.concatenate(x) for x in (speed, rate, push))
    out = {"ego speed mean": v.mean(), "ego speed std": v.std(), "ego fastest": v.max()}
    out |= {f"ego speed {q} %": float(np.percentile(v, q)) for q in (5, 25, 50, 75, 95)}
    out |= {"ego standing share": (v < 0.2).mean(), "ego yaw rate std": w.std()}
    out |= {"ego acceleration least": a.min(), "ego acceleration most": a.max()}
    return out


def lidar(frames: Sequence[Frame]) -> Figures:
    """Of the main LiDAR at key frames, in the ego frame."""
    ranges, heights, share = [], [], []
    bright: dict[str, list[np.ndarray]] = defaultdict(list)
    for frame in frames:
        sweep = frame.lidar()
        mount = frame.clip.rig.lidar(frame.clip.meta.lidar or "")
        assert mount.lidar is not None and sweep.label is not None
        share.append(len(sweep) / (mount.lidar.columns * mount.lidar.beams))
        origin = mount.ego_from_lidar.translation
        ranges.append(np.linalg.norm(sweep.points - origin, axis=1))
        heights.append(sweep.points[:, 2])
        names = np.array([class_info(int(i)).name for i in range(87)] + [""] * 169)[sweep.label]
        groups = np.array([class_info(int(i)).group for i in range(87)] + [""] * 169)[sweep.label]
        ground = np.isin(groups, ("flat", "marking")) | (names == "nature.terrain")
        for word, mask in (
            ("all hits", np.ones(len(names), bool)),
            ("ground", ground),
            ("cars", names == "vehicle.car"),
            ("people", groups == "human"),
            ("other", ~ground & ~np.isin(groups, ("vehicle", "human", "two_wheeler"))),
        ):
            bright[word].append(255 * sweep.intensity[mask])
    r, z = np.concatenate(ranges), np.concatenate(heights)
    out = {"LiDAR returns, share of shots": 100 * float(np.mean(share))}
    edges = (0, 3, 5, 7.5, 10, 15, 20, 30, 40, 50, 60, 80, 100)
    out |= {
        f"LiDAR range {a:g}-{b:g} m": 100 * ((r >= a) & (r < b)).mean()
        for a, b in zip(edges, edges[1:], strict=False)
    }
    out["LiDAR range median"] = float(np.median(r))
    steps = (-9, -0.3, -0.15, 0.15, 0.5, 1, 2, 4, 8, 15, 99)
    out |= {
        f"LiDAR height {a:g} to {b:g} m": 100 * ((z >= a) & (z < b)).mean()
        for a, b in zip(steps, steps[1:], strict=False)
    }
    for word, parts in bright.items():
        values = np.concatenate(parts)
        for q in (5, 25, 50, 75, 95):
            out[f"intensity of {word} {q} %"] = float(np.percentile(values, q))
        out[f"intensity of {word} mean"] = values.mean()
    return out


def points_in_boxes(frames: Iterable[Frame]) -> Figures:
    rows: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for frame in frames:
        found = frame.boxes
        distance = np.hypot(*found.pose.translation[:, :2].T)
        for n, count in enumerate(found.num_lidar_points):
            rows[name_of(found.class_id[n])].append((distance[n], int(count)))
    out: Figures = {}
    for name in ("vehicle.car", "pedestrian"):
        table = np.array(rows[name])
        for low, high in ((0, 10), (10, 20), (20, 30), (30, 40), (40, 50), (50, 60), (60, 80)):
            counts = table[(table[:, 0] >= low) & (table[:, 0] < high), 1]
            if len(counts):
                out[f"{name} points at {low}-{high} m, median"] = float(np.median(counts))
                out[f"{name} under 5 points at {low}-{high} m"] = (counts < 5).mean()
    every = np.concatenate([np.array(v)[:, 1] for v in rows.values()])
    out["boxes without a point"] = 100 * (every == 0).mean()
    out["boxes under 5 points"] = 100 * (every < 5).mean()
    return out


def photographs(frames: Iterable[Frame]) -> Figures:
    """As they stand: sRGB 0-255, every camera of the rig."""
    means, thirds, luma_std, saturation, gradient, dark, bright = ([] for _ in range(7))
    for frame in frames:
        for image in frame.images.values():
            p = image.pixels.astype(np.float64)
            means.append((p.mean(axis=(0, 1)), p.std(axis=(0, 1))))
            thirds.append([part.mean() for part in np.array_split(p, 3)])
            y = p @ (0.299, 0.587, 0.114)
            luma_std.append(y.std())
            top = p.max(axis=2)
            saturation.append(((top - p.min(axis=2)) / np.maximum(top, 1)).mean())
            gradient.append(np.hypot(np.diff(y, axis=0)[:, :-1], np.diff(y, axis=1)[:-1]).mean())
            dark.append((y <= 5).mean()), bright.append((y >= 250).mean())
    mean, std = (np.mean([m[i] for m in means], axis=0) for i in (0, 1))
    out = {f"image mean {c}": mean[i] for i, c in enumerate(("red", "green", "blue"))}
    out |= {f"image std {c}": std[i] for i, c in enumerate(("red", "green", "blue"))}
    out |= {f"image third {i + 1}": v for i, v in enumerate(np.mean(thirds, axis=0))}
    out |= {"image luma std": np.mean(luma_std), "image saturation": np.mean(saturation)}
    out |= {"image gradient per pixel": np.mean(gradient)}
    out |= {"image clipped dark %": 100 * np.mean(dark), "image clipped %": 100 * np.mean(bright)}
    return {name: float(value) for name, value in out.items()}


def occupancy(frames: Iterable[Frame]) -> Figures:
    lists = view("occ3d18")
    counts, columns, total, by_radius = np.zeros(len(lists)), [], 0, []
    x, y = (OCC3D.centers()[:, :, 0, i] for i in (0, 1))
    radius = np.hypot(x, y)
    for frame in frames:
        ids = lists.apply(frame.occupancy(OCC3D).labels)
        counts += np.bincount(ids[ids < len(lists)], minlength=len(lists))
        total += ids.size
        free = lists.names.index("free")
        filled = ((ids != free) & (ids != 255)).any(axis=2)
        columns.append(filled.mean())
        rings = ((5, 10), (10, 20), (20, 30), (30, 40))
        by_radius.append([filled[(radius >= a) & (radius < b)].mean() for a, b in rings])
    counts[lists.names.index("free")] = 0
    out = {"occupied": 100 * counts.sum() / total, "columns occupied": 100 * np.mean(columns)}
    for name, count in zip(lists.names, counts, strict=True):
        out[f"occupied by {name}"] = 100 * count / counts.sum()
    for (a, b), share in zip(rings, np.mean(by_radius, axis=0), strict=True):
        out[f"columns occupied at {a}-{b} m"] = 100 * share
    return out


def roads(maps: Sequence[RoadMap]) -> Figures:
    """Lanes, crossings; widths as area over length."""
    widths: dict[bool, list[float]] = defaultdict(list)
    lengths: dict[bool, list[float]] = defaultdict(list)
    across, along = [], []
    for m in maps:
        for lane in m.lanes:
            if lane.kind != "vehicle" or len(lane.centerline) < 2:
                continue
            way = np.linalg.norm(np.diff(lane.centerline[:, :2], axis=0), axis=1).sum()
            ring = np.concatenate([lane.left[:, :2], lane.right[::-1, :2]])
            widths[lane.is_intersection].append(area(ring) / max(way, 0.1))
            lengths[lane.is_intersection].append(way)
        for polygon in m.polygons.get("ped_crossing", ()):
            ring = polygon.exterior[:, :2]
            sides = np.linalg.norm(np.roll(ring, -1, axis=0) - ring, axis=1)
            longest = max(sides)
            along.append(longest)
            across.append(area(ring) / longest)
    out: Figures = {}
    for inside, word in ((False, "street lane"), (True, "junction lane")):
        for what, values in (("width", widths[inside]), ("length", lengths[inside])):
            out[f"{word} {what} mean"] = float(np.mean(values))
            out[f"{word} {what} median"] = float(np.median(values))
    out["crossing width mean"], out["crossing length mean"] = np.mean(across), np.mean(along)
    return out


def area(ring: np.ndarray) -> float:
    """Of a polygon, by the shoelace formula."""
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def drivable(frames: Iterable[Frame]) -> Figures:
    """Share of the disc around the ego that is drivable, from the layout."""
    shares: dict[int, list[float]] = defaultdict(list)
    centre = OCC3D.centers()[:, :, 0]
    radius = np.hypot(centre[..., 0], centre[..., 1])
    for frame in frames:
        drive = frame.layout(OCC3D).channel("drivable_area")
        for reach in (10, 20, 30):
            shares[reach].append(drive[radius <= reach].mean())
    return {f"drivable within {r} m": float(np.mean(v)) for r, v in shares.items()}
