"""The JSON file of a moving layout, parsed and checked field by field; see ``layouts.py``.

file -> Fields -> LayoutFrame (time, ego pose, cameras, boxes)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roadloom.errors import BadInput, UnknownClass
from roadloom.geometry.pose import Pose, rotation_from_yaw
from roadloom.io.read import read_json
from roadloom.scene.boxes import Boxes
from roadloom.scene.class_maps import ids_from
from roadloom.scene.classes import DETECTION_NAMES
from roadloom.scene.readers.json_fields import END_OF_TIMES_US, Fields, sensor_name_problem
from roadloom.sensors.pinhole import PinholeCamera

IMAGE_SIZE = (1600, 900)
NS_PER_US = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class LayoutCamera:
    time_ns: int
    world_from_ego: Pose
    ego_from_camera: Pose
    lens: PinholeCamera


@dataclass(frozen=True, kw_only=True, eq=False)
class LayoutBox:
    class_id: int
    lidar_from_box: Pose
    size: np.ndarray
    velocity_xy: np.ndarray
    """Along the LiDAR's axes [m/s]."""
    num_lidar_points: int


@dataclass(frozen=True, kw_only=True, eq=False)
class LayoutFrame:
    token: str
    time_ns: int
    world_from_ego: Pose
    ego_from_lidar: Pose
    cameras: dict[str, LayoutCamera]
    found: tuple[LayoutBox, ...]

    def boxes(self) -> Boxes:
        if not self.found:
            return Boxes.empty(self.time_ns)
        # The ground velocity whose x and y along the LiDAR's axes are those annotated.
        ground_from_lidar = np.linalg.inv(self.ego_from_lidar.rotation.T[:2, :2])
        velocity = np.zeros((len(self.found), 3))
        velocity[:, :2] = np.stack([b.velocity_xy for b in self.found]) @ ground_from_lidar.T
        return Boxes.make(
            self.time_ns,
            np.array([b.class_id for b in self.found], np.uint8),
            self.ego_from_lidar @ Pose.stack([b.lidar_from_box for b in self.found]),
            np.stack([b.size for b in self.found]),
            velocity=velocity,
            num_lidar_points=np.array([b.num_lidar_points for b in self.found], np.int32),
            token=np.array([f"{self.token}:{row}" for row in range(len(self.found))]),
        )


def read_frames(file: Path) -> list[LayoutFrame]:
    """All frames, checked; raises BadInput that names the field."""
    layout = open_layout(file)
    frames = [_frame(fields) for fields in layout.each("frames")]
    for problem in _order_problems(layout, frames):
        raise problem
    return frames


def layout_problems(file: Path) -> Iterator[BadInput]:
    """Everything that is wrong with the file, field by field."""
    try:
        layout = open_layout(file)
        layout.text("scene")
        count = len(layout.items("frames"))
    except BadInput as problem:
        yield problem
        return
    frames = []
    for index in range(count):
        try:
            where = f"frames[{index}]"
            frames.append(_frame(Fields(file, where, layout.value["frames"][index])))
        except BadInput as problem:
            yield problem
    if len(frames) == count:
        yield from _order_problems(layout, frames)


def open_layout(file: Path) -> Fields:
    layout = Fields(file, "", read_json(file, nan=True))
    if not layout.items("frames"):
        raise layout.bad("frames", "is empty")
    return layout


def _order_problems(layout: Fields, frames: list[LayoutFrame]) -> Iterator[BadInput]:
    """What only shows between frames."""
    first, tokens = frames[0], set()
    for index, frame in enumerate(frames):
        if index and frame.time_ns <= frames[index - 1].time_ns:
            yield layout.bad(f"frames[{index}].timestamp_us", "does not come after the one before")
        if frame.token in tokens:
            yield layout.bad(f"frames[{index}].sample_token", f"{frame.token} is there twice")
        tokens.add(frame.token)
        if not _same(frame.ego_from_lidar, first.ego_from_lidar):
            yield layout.bad(f"frames[{index}].ego_from_lidar", "changes within the scene")
        if frame.cameras.keys() != first.cameras.keys():
            yield layout.bad(f"frames[{index}].cameras", "are not those of the first frame")
            continue
        for name, camera in frame.cameras.items():
            where = f"frames[{index}].cameras.{name}"
            if camera.lens != first.cameras[name].lens:
                yield layout.bad(f"{where}.intrinsics", "change within the scene")
            if not _same(camera.ego_from_camera, first.cameras[name].ego_from_camera):
                yield layout.bad(f"{where}.ego_from_camera", "changes within the scene")


def _same(a: Pose, b: Pose) -> bool:
    return np.array_equal(a.rotation, b.rotation) and np.array_equal(a.translation, b.translation)


def _frame(fields: Fields) -> LayoutFrame:
    time_ns = _time_ns(fields)
    cameras = fields.inner("cameras")
    for name in cameras.value:
        if problem := sensor_name_problem(name):
            raise fields.bad("cameras", problem)
    return LayoutFrame(
        token=fields.text("sample_token"),
        time_ns=time_ns,
        world_from_ego=_pose(fields, "world_from_ego"),
        ego_from_lidar=_pose(fields, "ego_from_lidar"),
        cameras={name: _camera(cameras.inner(name), time_ns) for name in cameras.value},
        found=_boxes(fields),
    )


def _time_ns(fields: Fields) -> int:
    return fields.whole("timestamp_us", lowest=1, highest=END_OF_TIMES_US - 1) * NS_PER_US


def _boxes(fields: Fields) -> tuple[LayoutBox, ...]:
    found, seen = [], set()
    for box in fields.each("boxes_in_lidar"):
        found.append(_box(box))
        what = (box.text("category"), *box.items("center_m"), *box.items("size_lwh_m"))
        if what in seen:
            raise box.bad("center_m", "is that of another box of the same category and size")
        seen.add(what)
    return tuple(found)


def _box(fields: Fields) -> LayoutBox:
    return LayoutBox(
        class_id=_class_id(fields),
        lidar_from_box=Pose(
            rotation_from_yaw(np.float64(fields.number("yaw_rad"))), fields.numbers("center_m", 3)
        ),
        size=fields.positive("size_lwh_m", 3),
        velocity_xy=_velocity(fields),
        num_lidar_points=fields.whole("num_lidar_points", highest=2**31 - 1),
    )


def _velocity(fields: Fields) -> np.ndarray:
    """Two numbers; both may be NaN, which means unknown."""
    value = fields.items("velocity_mps")
    if len(value) == 2 and all(isinstance(v, float) and v != v for v in value):
        return np.full(2, np.nan)
    return fields.numbers("velocity_mps", 2)


def _class_id(fields: Fields) -> int:
    """Names are those of the detection task where it has one, else of nuScenes' categories."""
    name = fields.text("category")
    try:
        return int(ids_from("occ3d" if name in DETECTION_NAMES else "nuscenes", [name])[0])
    except UnknownClass as error:
        raise fields.bad("category", error.message) from error


def _camera(fields: Fields, frame_ns: int) -> LayoutCamera:
    time_ns = _time_ns(fields)
    if abs(time_ns - frame_ns) > 1_000_000_000:
        raise fields.bad("timestamp_us", "is more than a second from its frame")
    return LayoutCamera(
        time_ns=time_ns,
        world_from_ego=_pose(fields, "world_from_ego"),
        ego_from_camera=_pose(fields, "ego_from_camera"),
        lens=_lens(fields),
    )


def _lens(fields: Fields) -> PinholeCamera:
    matrix = fields.numbers("intrinsics", 3, 3)
    fx, fy = matrix[0, 0], matrix[1, 1]
    plain = np.array([[fx, 0, matrix[0, 2]], [0, fy, matrix[1, 2]], [0, 0, 1]])
    if fx <= 0 or fy <= 0 or not np.array_equal(matrix, plain):
        raise fields.bad("intrinsics", f"is no camera matrix without skew: {matrix.tolist()}")
    width, height = IMAGE_SIZE
    return PinholeCamera(
        width=width, height=height, fx=float(fx), fy=float(fy),
        cx=float(matrix[0, 2]), cy=float(matrix[1, 2]),
    )  # fmt: skip


def _pose(fields: Fields, name: str) -> Pose:
    pose = fields.inner(name)
    wxyz = pose.numbers("rotation_wxyz", 4)
    if abs(np.linalg.norm(wxyz) - 1) > 1e-3:
        raise pose.bad("rotation_wxyz", f"is no unit quaternion: {wxyz.tolist()}")
    return Pose.from_quaternion(wxyz, pose.numbers("translation_m", 3))
