"""Where boxes and LiDAR points of a frame lie in an image, each at the image's own time and pose.

    points, boxes in the frame's ego frame -> world -> camera at the image's time -> pixels

Between the LiDAR's stamp and a camera's exposure the vehicle moves, and so do others: static
points are carried by the ego poses alone, boxes by their velocity too where it is known. A camera
with a row time sees every row from where the vehicle was when that row was exposed.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int64

from roadloom.geometry.box import EDGES, corners
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.scene.boxes import Boxes
from roadloom.scene.image import CameraImage
from roadloom.scene.sweep import Sweep
from roadloom.sensors.camera import Camera, PinholeCamera

NEAR_M = 0.1
"""Lines end this far in front of a pinhole: closer, pixels run off to infinity."""
PIECES = 16
"""An edge is cut into as many pieces, so that a lens can bend it."""
STRAIGHT_PX = 0.25
"""An edge that bends less than this is kept as one line."""
MARGIN = 0.1
"""Share of the image by which lines may leave it before they are cut."""
ROW_PASSES = 3
"""Fixed-point steps from a row's time to the row: each gains two digits at road speeds."""

SLACK_NS = 200_000_000
"""Rows and shots may reach past the recorded path by this much: a turn of a slow LiDAR."""


@dataclass(frozen=True, kw_only=True)
class BoxLines:
    """Straight pieces of box edges in an image, those of far boxes first."""

    ends: Float[np.ndarray, "line 2 2"]
    """Start and end (u, v) [px]; they may lie a little outside the image."""
    box: Int64[np.ndarray, " line"]
    """Row of the box that each piece belongs to."""


def project(
    points: Float[np.ndarray, "point 3"],
    world_from_ego: Pose,
    image: CameraImage,
    ego: PoseTrack | None = None,
) -> tuple[Float[np.ndarray, "point 2"], Float[np.ndarray, " point"], Bool[np.ndarray, " point"]]:
    """Pixels, distance from the camera [m] and visibility of points that stand still.

    Args:
        points: [m], in the ego frame whose pose is ``world_from_ego``.
        world_from_ego: pose of that frame.
        image: its time, pose and calibration count.
        ego: the vehicle's path; needed only for a camera with a row time.
    """
    # Poses are joined before points are touched, so a far world origin costs no precision.
    camera_from_ego = image.world_from_camera.inverse() @ world_from_ego
    local = camera_from_ego.apply(points.astype(np.float64))
    return _seen_by(local, image, ego)


def still_points(sweep: Sweep, ego: PoseTrack | None = None) -> Float[np.ndarray, "point 3"]:
    """Points [m] in the ego frame of ``sweep.time_ns``, each moved from its own time if needed.

    Shots that hit nothing are left out.
    """
    hits = sweep if sweep.returned.all() else sweep[sweep.returned]
    points = hits.points.astype(np.float64)
    if sweep.motion_compensated or ego is None or not len(points):
        return points
    now_from_then = sweep.world_from_ego.inverse() @ ego.at(hits.point_time_ns, SLACK_NS)
    return now_from_then.apply(points[:, None, :])[:, 0]


def box_lines(
    boxes: Boxes, world_from_ego: Pose, image: CameraImage, ego: PoseTrack | None = None
) -> BoxLines:
    """Edges of boxes, and a line from the middle of each floor to its front, in an image.

    ``world_from_ego`` is the pose of the frame that the boxes are in.
    """
    carried = at_time(boxes, image.time_ns)
    camera_from_ego = image.world_from_camera.inverse() @ world_from_ego
    shape = corners(carried.pose, carried.size)
    floor, front = shape[:, :4].mean(axis=1), shape[:, [0, 3]].mean(axis=1)
    ends = np.concatenate([shape[:, EDGES], np.stack([floor, front], axis=1)[:, None]], axis=1)
    ends = camera_from_ego.apply(ends.reshape(-1, 3)).reshape(-1, 2, 3)
    box = np.repeat(np.arange(len(boxes)), len(EDGES) + 1)
    distance = np.linalg.norm(camera_from_ego.apply(carried.pose.translation), axis=-1)

    ends, kept = _cut(ends, image.mount.camera)
    box = box[kept]
    order = np.argsort(-distance[box], kind="stable")
    ends, box = ends[order], box[order]
    samples = _samples(ends, image.mount.camera)
    pixels, _, _ = _seen_by(samples.reshape(-1, 3), image, ego)
    lines = _pieces(pixels.reshape(-1, PIECES + 1, 2), box)
    return lines if isinstance(image.mount.camera, PinholeCamera) else _near(lines, image)


def at_time(boxes: Boxes, time_ns: int) -> Boxes:
    """Boxes where their velocity has carried them by ``time_ns``, still in the same ego frame.

    Those of unknown velocity stay where they are.
    """
    seconds = (time_ns - boxes.time_ns) * 1e-9
    step = np.where(np.isfinite(boxes.velocity), boxes.velocity, 0.0) * seconds
    return replace(boxes, pose=Pose(boxes.pose.rotation, boxes.pose.translation + step))


def _seen_by(
    local: np.ndarray, image: CameraImage, ego: PoseTrack | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Project points given in the camera frame of ``image.time_ns``."""
    camera, row_time = image.mount.camera, image.mount.row_time_ns
    pixels, seen = camera.project(local)
    if not row_time or ego is None or not len(local):
        return pixels, np.linalg.norm(local, axis=1), seen
    moved = local
    for _ in range(ROW_PASSES):
        rows = np.clip(np.nan_to_num(pixels[:, 1]), -0.5, camera.height - 0.5)
        times = image.time_ns + np.round(rows * row_time).astype(np.int64)
        world_from_camera = ego.at(times, SLACK_NS) @ image.mount.ego_from_camera
        then_from_first = world_from_camera.inverse() @ image.world_from_camera
        moved = then_from_first.apply(local[:, None, :])[:, 0]
        pixels, seen = camera.project(moved)
    return pixels, np.linalg.norm(moved, axis=1), seen


def _cut(ends: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Cut lines [line 2 3] to what a pinhole may see; a fisheye's are left whole."""
    if not isinstance(camera, PinholeCamera):
        return ends, np.arange(len(ends))
    left, right, top, bottom = _field_of_view(camera)
    planes = np.array(
        [
            [0, 0, 1, -NEAR_M],
            [1, 0, -left, 0],
            [-1, 0, right, 0],
            [0, 1, -top, 0],
            [0, -1, bottom, 0],
        ]
    )
    start, end = np.zeros(len(ends)), np.ones(len(ends))
    height = ends @ planes[:, :3].T + planes[:, 3]  # [line 2 plane], inside where >= 0
    for near, far in np.moveaxis(height, 2, 0).transpose(0, 2, 1):
        with np.errstate(divide="ignore", invalid="ignore"):
            cross = near / (near - far)
        start = np.where((near < 0) & (far >= 0), np.maximum(start, cross), start)
        end = np.where((near >= 0) & (far < 0), np.minimum(end, cross), end)
        end = np.where((near < 0) & (far < 0), -1.0, end)
    kept = np.flatnonzero(start < end)
    along = np.stack([start, end], axis=1)[kept, :, None]
    cut = ends[kept, :1] + along * (ends[kept, 1:] - ends[kept, :1])
    return cut, kept


@lru_cache(maxsize=64)
def _field_of_view(camera: PinholeCamera) -> tuple[float, float, float, float]:
    """Bounds of x/z and y/z over the image's border, widened by ``MARGIN``."""
    u = np.linspace(-0.5, camera.width - 0.5, 33)
    v = np.linspace(-0.5, camera.height - 0.5, 33)
    border = np.concatenate(
        [np.stack(np.broadcast_arrays(u, edge), -1) for edge in (v[0], v[-1])]
        + [np.stack(np.broadcast_arrays(edge, v), -1) for edge in (u[0], u[-1])]
    )
    ray, _ = camera.unproject(border)
    x, y = ray[:, 0] / ray[:, 2], ray[:, 1] / ray[:, 2]
    wide, high = MARGIN * np.nanmax(abs(x)), MARGIN * np.nanmax(abs(y))
    return (
        float(np.nanmin(x) - wide), float(np.nanmax(x) + wide),
        float(np.nanmin(y) - high), float(np.nanmax(y) + high),
    )  # fmt: skip


def _near(lines: BoxLines, image: CameraImage) -> BoxLines:
    """Leave out what a fisheye shows far outside its image.

    Past the point behind the lens a line jumps to the other side, and would cross the picture.
    """
    size = np.array([image.mount.camera.width, image.mount.camera.height])
    kept = ((lines.ends > -0.5 * size) & (lines.ends < 1.5 * size)).all(axis=(1, 2))
    return BoxLines(ends=lines.ends[kept], box=lines.box[kept])


def _samples(ends: np.ndarray, camera: Camera) -> np.ndarray:
    """Points along each line [line PIECES+1 3]; evenly spaced in a pinhole's image."""
    share = np.broadcast_to(np.linspace(0, 1, PIECES + 1), (len(ends), PIECES + 1))
    if isinstance(camera, PinholeCamera):
        near, far = ends[:, 0, 2:], ends[:, 1, 2:]
        share = share * near / ((1 - share) * far + share * near)
    return ends[:, :1] + share[..., None] * (ends[:, 1:] - ends[:, :1])


def _pieces(pixels: np.ndarray, box: np.ndarray) -> BoxLines:
    """Straight pieces of sampled lines; gaps where the lens sees nothing."""
    first, last = pixels[:, :1], pixels[:, -1:]
    share = np.linspace(0, 1, PIECES + 1)[:, None]
    bend = np.linalg.norm(pixels - (first + share * (last - first)), axis=-1).max(axis=1)
    straight = bend < STRAIGHT_PX  # NaN compares as not straight
    whole = np.stack([pixels[:, 0], pixels[:, -1]], axis=1)[:, None]
    bent = np.stack([pixels[:, :-1], pixels[:, 1:]], axis=2)
    ends, owner = [], []
    for row, is_straight in enumerate(straight.tolist()):
        piece = whole[row] if is_straight else bent[row]
        piece = piece[np.isfinite(piece).all(axis=(1, 2))]
        ends.append(piece)
        owner.append(np.full(len(piece), box[row]))
    if not ends:
        return BoxLines(ends=np.zeros((0, 2, 2)), box=np.zeros(0, np.int64))
    return BoxLines(ends=np.concatenate(ends), box=np.concatenate(owner))
