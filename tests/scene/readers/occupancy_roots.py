"""Made roots of Occ3D, Occ3D-Waymo, CarlaSC and SemanticKITTI: the published formats, from numbers.

Written with NumPy and json alone, so that a reader is tested against the format and not against
our own writer.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from roadloom.geometry.pose import Pose, rotation_from_yaw

OCC3D_SHAPE = (200, 200, 16)
SCENES = ("scene-0103", "scene-0061")
TOKENS = ("b" * 32, "a" * 32)
"""In time order; by name they come the other way round."""
START_US = 1_533_151_603_547_590
STEP_US = 500_000


def numbers(seed: int, shape: tuple[int, ...], classes: int, kind: str) -> np.ndarray:
    """Mostly the last class, which is free in Occ3D; every class somewhere."""
    rng = np.random.default_rng(seed)
    values = np.full(shape, classes - 1)
    count = min(500, values.size)
    values.reshape(-1)[rng.integers(0, values.size, count)] = rng.integers(0, classes, count)
    values.reshape(-1)[:classes] = np.arange(classes)
    return values.astype(kind)


def bits(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """A pattern that is no other seed's, and packs quickly."""
    return (np.arange(np.prod(shape)).reshape(shape) // (seed + 3)) % 5 < 2


def pose(step: float) -> Pose:
    """A drive to the left."""
    return Pose(rotation_from_yaw(np.array(0.2 * step)), np.array([5.0 * step, 0.5 * step, 0.1]))


def matrix(of: Pose) -> np.ndarray:
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = of.rotation, of.translation
    return whole


def occ3d_arrays(seed: int) -> dict[str, np.ndarray]:
    return {
        "semantics": numbers(seed, OCC3D_SHAPE, 18, "u1"),
        "mask_lidar": bits(seed + 1, OCC3D_SHAPE).astype(np.uint8),
        "mask_camera": bits(seed + 2, OCC3D_SHAPE).astype(np.uint8),
    }


def annotations() -> dict[str, Any]:
    """Two scenes of two frames; one camera, which the second frame of the first scene lacks."""
    infos: dict[str, Any] = {}
    for number, scene in enumerate(SCENES):
        infos[scene] = {}
        for step, token in enumerate(TOKENS):
            stamp = START_US + STEP_US * (step + 10 * number)
            camera = {
                "img_path": f"CAM_FRONT/n015__CAM_FRONT__{stamp + 12_000}.jpg",
                "intrinsic": [[1250.0, 0.0, 816.0], [0.0, 1251.0, 491.0], [0.0, 0.0, 1.0]],
                "extrinsic": _stored(Pose(rotation_from_yaw(np.array(0.1)), np.ones(3))),
                "ego_pose": _stored(pose(step + 0.02)),
            }
            infos[scene][token] = {
                "timestamp": str(stamp),
                "camera_sensor": {"0" * 32: camera} if (number, step) != (0, 1) else {},
                "ego_pose": _stored(pose(step)),
                "gt_path": f"gts/{scene}/{token}/labels.npz",
                "prev": TOKENS[step - 1] if step else "",
                "next": TOKENS[step + 1] if step + 1 < len(TOKENS) else "",
            }
    return {"train_split": [SCENES[0]], "val_split": [SCENES[1]], "scene_infos": infos}


def _stored(of: Pose) -> dict[str, Any]:
    return {"translation": of.translation.tolist(), "rotation": of.quaternion.tolist()}


def write_occ3d(root: Path, *, annotated: bool = True) -> Path:
    for number, scene in enumerate(SCENES):
        for step, token in enumerate(TOKENS):
            folder = root / "gts" / scene / token
            folder.mkdir(parents=True)
            np.savez_compressed(folder / "labels.npz", **occ3d_arrays(10 * number + step))
    if annotated:
        facts = annotations()
        (root / "annotations.json").write_text(json.dumps(facts))
        image = root / "imgs" / facts["scene_infos"][SCENES[0]][TOKENS[0]]["camera_sensor"][
            "0" * 32
        ]["img_path"]  # fmt: skip
        image.parent.mkdir(parents=True)
        Image.new("RGB", (1600, 900), (9, 99, 199)).save(image)
    return root


def waymo_arrays(frame: int) -> dict[str, np.ndarray]:
    stored = numbers(frame, OCC3D_SHAPE, 16, "u1")
    stored[stored == 15] = 23
    stored[0, 0, 15] = 15  # the published list's own number of free
    return {
        "voxel_label": stored,
        "origin_voxel_state": bits(frame + 1, OCC3D_SHAPE).astype(np.uint8),
        "final_voxel_state": bits(frame + 2, OCC3D_SHAPE).astype(np.uint8),
        "infov": bits(frame + 3, OCC3D_SHAPE),
        "ego2global": matrix(pose(frame)),
    }


WAYMO_SCENES = ("training-007", "validation-000")


def write_waymo(root: Path, scenes: tuple[str, ...] = WAYMO_SCENES, frames: int = 2) -> Path:
    for scene in scenes:
        folder = root.joinpath(*scene.split("-"))
        folder.mkdir(parents=True)
        for frame in range(frames):
            np.savez_compressed(folder / f"{frame:03d}_04.npz", **waymo_arrays(frame))
        (folder / "000.npz").write_bytes(b"the grid of 0.1 m, which nobody opens")
    return root


CARLA_SHAPE = (128, 128, 8)
CARLA_PARAMS = {
    "grid_size": [128.0, 128.0, 8.0],
    "min_bound": [float(np.float32(-25.6)), float(np.float32(-25.6)), -2.0],
    "max_bound": [float(np.float32(25.6)), float(np.float32(25.6)), 1.0],
    "num_channels": 25,
    "coordinates": "cartesian",
}
CARLA_SCENES = ("Train-Town01_Light", "Test-Town10_Heavy")


def carla_counts(frame: int) -> np.ndarray:
    return np.where(bits(frame, CARLA_SHAPE), 3.0, 0.0).astype(np.float32)


def points(frame: int, count: int = 50) -> np.ndarray:
    rng = np.random.default_rng(frame)
    rows = rng.normal(0, 8, (count, 4)).astype(np.float32)
    rows[:, 3] = rng.random(count, dtype=np.float32)
    return rows


def write_carla(root: Path, scenes: tuple[str, ...] = CARLA_SCENES) -> Path:
    for scene in scenes:
        split, town = scene.split("-")
        folder = root / "Cartesian" / split / town / "cartesian"
        for kind in ("velodyne", "labels", "evaluation"):
            (folder / kind).mkdir(parents=True)
        (folder / "evaluation/params.json").write_text(json.dumps(CARLA_PARAMS))
        np.savetxt(folder / "times.txt", np.arange(3) * 0.1)
        np.savetxt(folder / "poses.txt", [matrix(pose(s))[:3].reshape(-1) for s in range(3)])
        for frame in range(3):
            name = f"{frame:06d}"
            points(frame).tofile(folder / f"velodyne/{name}.bin")
            numbers(frame, (50,), 23, "<u4").tofile(folder / f"labels/{name}.label")
            numbers(frame, CARLA_SHAPE, 23, "<u4").tofile(folder / f"evaluation/{name}.label")
            carla_counts(frame).tofile(folder / f"evaluation/{name}.bin")
    return root


KITTI_SHAPE = (256, 256, 32)
KITTI_CLASSES = np.array([0, 10, 40, 252, 259, 70, 99], np.uint32)
CAMERA_FROM_LIDAR = Pose(
    np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.array([0.05, -0.1, -0.3])
)


def kitti_points(frame: int) -> np.ndarray:
    return KITTI_CLASSES[np.random.default_rng(frame).integers(0, 7, 50)] | (frame + 5) << 16


def kitti_voxels(frame: int) -> np.ndarray:
    return KITTI_CLASSES[np.random.default_rng(frame).integers(0, 7, KITTI_SHAPE)].astype("<u2")


KITTI_SCENES = ("08", "11")


def write_kitti(root: Path, scenes: tuple[str, ...] = KITTI_SCENES) -> Path:
    """Six scans, voxels at scans 0 and 5; in sequence 11, as in the test split, no classes."""
    for scene in scenes:
        folder = root / "sequences" / scene
        for kind in ("velodyne", "labels", "voxels"):
            (folder / kind).mkdir(parents=True)
        row = " ".join(f"{v:.6e}" for v in matrix(CAMERA_FROM_LIDAR)[:3].reshape(-1))
        (folder / "calib.txt").write_text(f"P0: {row}\nTr: {row}\n")
        np.savetxt(folder / "times.txt", np.arange(6) * 0.1037)
        camera = [CAMERA_FROM_LIDAR @ pose(s) @ CAMERA_FROM_LIDAR.inverse() for s in range(6)]
        rows = [matrix(p)[:3].reshape(-1) for p in camera]
        np.savetxt(folder / "poses.txt", rows, fmt="%.6e")
        for frame in range(6):
            points(frame).tofile(folder / f"velodyne/{frame:06d}.bin")
            if scene == "08":
                kitti_points(frame).astype("<u4").tofile(folder / f"labels/{frame:06d}.label")
        for frame in (0, 5):
            for number, kind in enumerate(("bin", "invalid", "occluded")):
                packed = np.packbits(bits(frame + number, KITTI_SHAPE).reshape(-1))
                packed.tofile(folder / f"voxels/{frame:06d}.{kind}")
            if scene == "08":
                kitti_voxels(frame).tofile(folder / f"voxels/{frame:06d}.label")
    return root
