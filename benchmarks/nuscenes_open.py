"""nuScenes at the size of trainval: opening for the first and the second time, beside the devkit.

    python benchmarks/nuscenes_open.py [--devkit-python PATH] [--scenes 850] [--rounds 20]

Writes tables of the size of v1.0-trainval (850 scenes, 34,149 samples, 2.6 million sensor records
and poses, 1.4 million annotations, 3 GB) into a temporary folder, then measures in fresh
processes. ``--devkit-python`` names a Python that has nuscenes-devkit 1.2.0; without it the
devkit is measured where this Python has it, and left out where not. The rate of key frames (six
photographs, sweep, boxes) is measured on the recorded key frame, where that is at hand.

Aims: first opening 2 GB at most; second opening 2 s and 300 MB a process.
"""

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

VERSION = "v1.0-trainval"
SENSORS = {
    "LIDAR_TOP": ("lidar", 10),
    **dict.fromkeys(
        ("CAM_FRONT", "CAM_FRONT_LEFT", "CAM_FRONT_RIGHT", "CAM_BACK", "CAM_BACK_LEFT",
         "CAM_BACK_RIGHT"), ("camera", 6),
    ),
    **dict.fromkeys(
        ("RADAR_FRONT", "RADAR_FRONT_LEFT", "RADAR_FRONT_RIGHT", "RADAR_BACK_LEFT"), ("radar", 6)
    ),
    "RADAR_BACK_RIGHT": ("radar", 7),
}  # fmt: skip
"""Modality, and records per key frame: 77 in all, as in trainval."""
SAMPLES, INSTANCES_PER_SCENE, BOXES_PER_SAMPLE = 34_149, 76, 41
CATEGORIES = (
    "vehicle.car", "human.pedestrian.adult", "movable_object.barrier", "vehicle.truck",
    "movable_object.trafficcone", "vehicle.bicycle",
)  # fmt: skip
ATTRIBUTES = ("vehicle.moving", "vehicle.parked", "pedestrian.moving")
HALF_SECOND_US = 500_000
START_US = 1_532_402_927_647_951

ROADLOOM = """
import json, resource, sys, time
start = time.perf_counter()
import roadloom
source = roadloom.open(sys.argv[1])
opened = time.perf_counter() - start
clip = source[len(source) // 2]
boxes = len(clip[0].boxes)
ready = time.perf_counter() - start
"""
DEVKIT = """
import json, resource, sys, time
start = time.perf_counter()
from nuscenes.nuscenes import NuScenes
root, version = sys.argv[1].removeprefix("nuscenes:").split("@")
source = NuScenes(version, root, verbose=False)
opened = time.perf_counter() - start
scene = source.scene[len(source.scene) // 2]
sample = source.get("sample", scene["first_sample_token"])
boxes = len(source.get_sample_data(sample["data"]["LIDAR_TOP"])[1])
ready = time.perf_counter() - start
"""
REPORT = """
lines = [line.split() for line in open("/proc/self/smaps_rollup")]
rollup = {words[0].rstrip(":"): words[1:] for words in lines}
mb = {key: int(rollup[key][0]) / 1024 for key in ("Rss", "Pss", "Pss_Anon", "Pss_File")}
print(json.dumps({
    "open_s": round(opened, 2), "open_and_first_boxes_s": round(ready, 2), "boxes": boxes,
    "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    "rss_mb": round(mb["Rss"]), "own_memory_mb": round(mb["Pss_Anon"]),
    "mapped_files_mb": round(mb["Pss_File"]),
}))
"""
READ_ROADLOOM = """
import json, sys, time
import roadloom
place, rounds = sys.argv[1], int(sys.argv[2])
clip = roadloom.open(place)[0]

def read():
    frame = clip[0]
    pixels = [image.pixels for image in frame.images.values()]
    return len(pixels), len(frame.lidar()), len(frame.boxes)
"""
READ_DEVKIT = """
import json, sys, time
import numpy as np
from PIL import Image
from nuscenes.nuscenes import NuScenes
from nuscenes.utils.data_classes import LidarPointCloud
place, rounds = sys.argv[1], int(sys.argv[2])
root, version = place.removeprefix("nuscenes:").split("@")
source = NuScenes(version, root, verbose=False)

def read():
    sample = source.sample[0]
    cameras = [token for name, token in sample["data"].items() if name.startswith("CAM")]
    pixels = [np.asarray(Image.open(source.get_sample_data_path(token))) for token in cameras]
    path, boxes, _ = source.get_sample_data(sample["data"]["LIDAR_TOP"])
    return len(pixels), LidarPointCloud.from_file(path).points.shape[1], len(boxes)
"""
RATE = """
found = read()
times = []
for _ in range(rounds):
    start = time.perf_counter()
    assert read() == found
    times.append(time.perf_counter() - start)
times.sort()
print(json.dumps({"images": found[0], "points": found[1], "boxes": found[2],
                  "key_frames_per_s": round(1 / times[len(times) // 2], 2)}))
"""


def token(*parts: object) -> str:
    """32 hexadecimal digits, as nuScenes has them; the empty token for a negative number."""
    if any(isinstance(part, int) and part < 0 for part in parts):
        return ""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def samples_of(scenes: int) -> list[int]:
    """Key frames of each scene, 34,149 in all for 850."""
    ends = [round(i * SAMPLES / 850) for i in range(scenes + 1)]
    return [b - a for a, b in zip(ends, ends[1:], strict=False)]


def write_table(folder: Path, name: str, records: Iterable[dict[str, object]]) -> int:
    """One field a line, as published; returns the number of records."""
    count = 0
    with (folder / f"{name}.json").open("w") as file:
        file.write("[\n")
        for count, record in enumerate(records, start=1):
            if count > 1:
                file.write(",\n")
            file.write(json.dumps(record, indent=0))
        file.write("\n]")
    return count


def small_tables(scenes: int) -> Iterator[tuple[str, list[dict[str, object]]]]:
    logs = max(1, scenes * 68 // 850)
    yield (
        "sensor",
        [
            {"token": token("sensor", name), "channel": name, "modality": modality}
            for name, (modality, _) in SENSORS.items()
        ],
    )
    yield "log", [
        {"token": token("log", i), "logfile": f"n015-{i}", "vehicle": "n015",
         "date_captured": "2018-07-24", "location": "singapore-onenorth"} for i in range(logs)
    ]  # fmt: skip
    yield "map", [
        {"token": token("map"), "category": "semantic_prior", "filename": "maps/mask.png",
         "log_tokens": [token("log", i) for i in range(logs)]}
    ]  # fmt: skip
    yield (
        "category",
        [
            {"token": token("category", name), "name": name, "description": ""}
            for name in CATEGORIES
        ],
    )
    yield (
        "attribute",
        [
            {"token": token("attribute", name), "name": name, "description": ""}
            for name in ATTRIBUTES
        ],
    )
    yield (
        "visibility",
        [
            {"token": str(i + 1), "level": level, "description": ""}
            for i, level in enumerate(("v0-40", "v40-60", "v60-80", "v80-100"))
        ],
    )
    yield "scene", [
        {"token": token("scene", i), "log_token": token("log", i * logs // scenes),
         "nbr_samples": count, "first_sample_token": token("sample", i, 0),
         "last_sample_token": token("sample", i, count - 1), "name": f"scene-{i:04d}",
         "description": "made up"} for i, count in enumerate(samples_of(scenes))
    ]  # fmt: skip
    yield "calibrated_sensor", [
        {"token": token("calibration", i, name), "sensor_token": token("sensor", name),
         "translation": [1.7, 0.1, 1.5], "rotation": [0.5, -0.5, 0.5, -0.5],
         "camera_intrinsic": [[1266.4, 0, 816.2], [0, 1266.4, 491.5], [0, 0, 1]]
         if modality == "camera" else []}
        for i in range(scenes) for name, (modality, _) in SENSORS.items()
    ]  # fmt: skip


def samples(scenes: int) -> Iterator[dict[str, object]]:
    for scene, count in enumerate(samples_of(scenes)):
        for i in range(count):
            yield {
                "token": token("sample", scene, i),
                "timestamp": START_US + scene * 60_000_000 + i * HALF_SECOND_US,
                "prev": token("sample", scene, i - 1),
                "next": token("sample", scene, i + 1 if i + 1 < count else -1),
                "scene_token": token("scene", scene),
            }


def records(scenes: int, *, poses: bool) -> Iterator[dict[str, object]]:
    """Sensor records, or their ego poses, scene by scene and sensor by sensor."""
    for scene, count in enumerate(samples_of(scenes)):
        for name, (modality, rate) in SENSORS.items():
            for i in range(total := count * rate):
                key = min(-(-i // rate), count - 1)
                time = START_US + scene * 60_000_000 + i * HALF_SECOND_US // rate
                if poses:
                    yield pose(scene, name, i, time)
                    continue
                yield record(scene, name, modality, i, total, key, time, i == key * rate)


def pose(scene: int, name: str, i: int, time: int) -> dict[str, object]:
    yaw = 0.3 + i * 0.001
    return {
        "token": token("record", scene, name, i),
        "timestamp": time,
        "rotation": [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)],
        "translation": [411.3039349319818 + i * 0.4123456, 1180.8903791765097 + i * 0.1, 0.0],
    }


def record(
    scene: int, name: str, modality: str, i: int, total: int, key: int, time: int, is_key: bool
) -> dict[str, object]:
    camera = modality == "camera"
    suffix = {"camera": "jpg", "lidar": "pcd.bin", "radar": "pcd"}[modality]
    folder = "samples" if is_key else "sweeps"
    return {
        "token": token("record", scene, name, i),
        "sample_token": token("sample", scene, key),
        "ego_pose_token": token("record", scene, name, i),
        "calibrated_sensor_token": token("calibration", scene, name),
        "timestamp": time,
        "fileformat": "jpg" if camera else "pcd",
        "is_key_frame": is_key,
        "height": 900 if camera else 0,
        "width": 1600 if camera else 0,
        "filename": f"{folder}/{name}/n015-2018-07-24-11-22-45+0800__{name}__{time}.{suffix}",
        "prev": token("record", scene, name, i - 1),
        "next": token("record", scene, name, i + 1 if i + 1 < total else -1),
    }


def lives(scene: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Objects of a scene: number, first and last sample."""
    length = max(1, round(count * BOXES_PER_SAMPLE / INSTANCES_PER_SCENE))
    for k in range(INSTANCES_PER_SCENE):
        first = k * 7 % max(1, count - length + 1)
        yield k, first, min(first + length, count) - 1


def instances(scenes: int) -> Iterator[dict[str, object]]:
    for scene, count in enumerate(samples_of(scenes)):
        for k, first, last in lives(scene, count):
            yield {
                "token": token("instance", scene, k),
                "category_token": token("category", CATEGORIES[k % len(CATEGORIES)]),
                "nbr_annotations": last - first + 1,
                "first_annotation_token": token("box", scene, k, first),
                "last_annotation_token": token("box", scene, k, last),
            }


def annotations(scenes: int) -> Iterator[dict[str, object]]:
    for scene, count in enumerate(samples_of(scenes)):
        for k, first, last in lives(scene, count):
            for i in range(first, last + 1):
                yield {
                    "token": token("box", scene, k, i),
                    "sample_token": token("sample", scene, i),
                    "instance_token": token("instance", scene, k),
                    "visibility_token": str(k % 4 + 1),
                    "attribute_tokens": [token("attribute", ATTRIBUTES[k % 3])],
                    "translation": [373.2559901348878 + k + i * 0.7, 1130.4190021661 - k, 0.8],
                    "size": [0.621, 0.669, 1.642],
                    "rotation": [0.9831106525526323, 0.0, 0.0, -0.18301214396191703],
                    "prev": token("box", scene, k, i - 1 if i > first else -1),
                    "next": token("box", scene, k, i + 1 if i < last else -1),
                    "num_lidar_pts": k % 50,
                    "num_radar_pts": k % 3,
                }


def write_root(root: Path, scenes: int) -> dict[str, int]:
    """The tables, and a mask of one pixel; returns how many records each table has."""
    folder = root / VERSION
    folder.mkdir(parents=True)
    counts = {name: write_table(folder, name, rows) for name, rows in small_tables(scenes)}
    counts["sample"] = write_table(folder, "sample", samples(scenes))
    counts["ego_pose"] = write_table(folder, "ego_pose", records(scenes, poses=True))
    counts["sample_data"] = write_table(folder, "sample_data", records(scenes, poses=False))
    counts["instance"] = write_table(folder, "instance", instances(scenes))
    counts["sample_annotation"] = write_table(folder, "sample_annotation", annotations(scenes))
    (root / "maps").mkdir()
    (root / "maps" / "mask.png").write_bytes(_png())
    return counts


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def run(python: str, code: str, arguments: list[str], cache: Path) -> dict[str, object]:
    """What the code prints, from a fresh process."""
    environment = os.environ | {"ROADLOOM_CACHE": str(cache)}
    done = subprocess.run(
        [python, "-c", code, *arguments], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        sys.exit(f"{python} failed:\n{done.stderr}")
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def tell(case: str, **figures: object) -> None:
    print(json.dumps({"benchmark": "nuscenes_open", "case": case, **figures}), flush=True)


def has_devkit(python: str) -> bool:
    return subprocess.run([python, "-c", "import nuscenes"], capture_output=True).returncode == 0


def real_root() -> Path | None:
    named = os.environ.get("ROADLOOM_REAL_DATA")
    place = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return place / "nuscenes" if (place / "nuscenes").is_dir() else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--devkit-python", default=os.environ.get("DEVKIT_PYTHON", sys.executable))
    parser.add_argument("--scenes", type=int, default=850, help="850 is the size of trainval")
    parser.add_argument("--rounds", type=int, default=20, help="readings of the key frame")
    options = parser.parse_args()
    devkit = options.devkit_python if has_devkit(options.devkit_python) else None
    if devkit is None:
        tell("devkit", left_out="nuscenes-devkit is not installed; see --devkit-python")
    with tempfile.TemporaryDirectory(prefix="nuscenes_open_") as temporary:
        cache = Path(temporary) / "cache"
        real = real_root()
        if real is not None:
            measure_reading(f"nuscenes:{real}@v1.0-mini", devkit, options.rounds, cache)
        root = Path(temporary) / "root"
        counts = write_root(root, options.scenes)
        size = sum(path.stat().st_size for path in (root / VERSION).iterdir())
        tell("tables", megabytes=round(size / 1e6), **counts)
        place = f"nuscenes:{root}@{VERSION}"
        tell("first open", **run(sys.executable, ROADLOOM + REPORT, [place], cache))
        index = sum(p.stat().st_size for p in cache.rglob("*.npy"))
        second = [run(sys.executable, ROADLOOM + REPORT, [place], cache) for _ in range(3)]
        tell("second open", index_mb=round(index / 1e6), **second[-1])
        if devkit is not None:
            tell("devkit open", **run(devkit, DEVKIT + REPORT, [place], cache))


def measure_reading(place: str, devkit: str | None, rounds: int, cache: Path) -> None:
    arguments = [place, str(rounds)]
    tell("key frames", **run(sys.executable, READ_ROADLOOM + RATE, arguments, cache))
    if devkit is not None:
        tell("devkit key frames", **run(devkit, READ_DEVKIT + RATE, arguments, cache))


if __name__ == "__main__":
    main()
