"""Depth and classes of occupancy, as the cameras of a rig would see it.

    occupancy, rig -> one Gaussian per occupied cell -> ellipses of each camera -> ``CameraMaps``

UniScene's camera condition (2025, "Occupancy to Gaussians"): classes blend, and the largest sum of
weights wins. ``docs/rendering.md`` says what is exact about such maps and what is not.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from roadloom.errors import BadInput
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.render.gaussians import SPREAD, Gaussians, check_look, gaussians_of
from roadloom.render.place import ego_from_grid as place_of_grid
from roadloom.render.project import FAR_M, NEAR_M, project_gaussians
from roadloom.render.splat import splat_classes
from roadloom.scene.class_views import view
from roadloom.scene.classes import FREE
from roadloom.scene.clip import Frame
from roadloom.scene.occupancy import Occupancy
from roadloom.sensors.camera import Camera
from roadloom.sensors.rig import Rig

LEAST_ALPHA = 0.1
"""A pixel that stops less light shows nothing."""
NOTHING_DEPTH_M = 51.2
"""What ``depth_sum`` holds there, as in the paper."""
LARGEST_SIDE = 16_384
"""Pixels."""


class CameraMaps(NamedTuple):
    """What one camera sees of the occupancy."""

    depth: Float32[np.ndarray, "height width"]
    """z [m]: the blended depth divided by ``alpha``; infinite where nothing was hit."""
    depth_sum: Float32[np.ndarray, "height width"]
    """The paper's map: blended depth not divided, so nearer than it should be where ``alpha`` is
    below 1; 51.2 where nothing was hit."""
    semantic: UInt8[np.ndarray, "height width"]
    """Our class ids, or those of a view; free where nothing was hit."""
    alpha: Float32[np.ndarray, "height width"]
    """Share of the light that was stopped. Below 0.1 nothing counts as hit."""


@dataclass(frozen=True, kw_only=True)
class CameraOptions:
    """How maps are made. Fields are checked when it is made."""

    size: tuple[int, int] | None = None
    """Width and height [px] that every camera is resized to; None: each camera's own."""
    cameras: tuple[str, ...] = ()
    """Names of the rig's cameras; none named: all."""
    view: str | None = None
    """A coarser list of classes, such as ``occ3d18``; its classes blend, not ours."""
    near_m: float = NEAR_M
    far_m: float = FAR_M
    spread: float = SPREAD
    """Standard deviation as a share of the cell's edge."""
    opacity: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "cameras", tuple(dict.fromkeys(self.cameras)))
        if self.size is not None and not all(1 <= n <= LARGEST_SIDE for n in self.size):
            raise BadInput(
                f"{self.size[0]}x{self.size[1]} is no size", field="size",
                remedy=f"give width and height from 1 to {LARGEST_SIDE}, such as 512x256",
            )  # fmt: skip
        if self.view is not None:
            view(self.view)
        if not 0 < self.near_m < self.far_m < float("inf"):
            raise BadInput(
                f"{self.near_m} to {self.far_m} m is no range", field="near_m",
                remedy="give 0 < near_m < far_m",
            )  # fmt: skip
        check_look(self.spread, self.opacity)


DEFAULT = CameraOptions()


class _Seen(NamedTuple):
    """What all cameras share: Gaussians, the channel of each and the class of each channel."""

    gaussians: Gaussians
    channels: np.ndarray
    classes: np.ndarray
    nothing: int


def render_cameras(
    occupancy: Occupancy,
    rig: Rig,
    options: CameraOptions = DEFAULT,
    *,
    ego_from_grid: Pose | None = None,
    num_threads: int = 1,
) -> dict[str, CameraMaps]:
    """The maps of each camera by name, all at the moment of the occupancy.

    Args:
        ego_from_grid: where the grid lies; may be left out if it lies in the ego frame.
        num_threads: cameras are shared out; the maps are the same.

    Raises:
        MissingInput: the rig has no such camera.
        BadInput: the grid lies in another frame, and ``ego_from_grid`` does not say where.
    """
    if ego_from_grid is None:
        if occupancy.frame != "ego":
            raise BadInput(
                f"the occupancy lies in the {occupancy.frame} frame", field="ego_from_grid",
                remedy="give the pose that carries points of its frame into the ego frame",
            )  # fmt: skip
        ego_from_grid = Pose.identity()
    mounts = [rig.camera(name) for name in options.cameras or rig.camera_names]
    views = {m.name: (m.camera, m.ego_from_camera.inverse() @ ego_from_grid) for m in mounts}
    return _render(occupancy, views, options, num_threads)


def render_frame(
    frame: Frame,
    grid: VoxelGrid,
    options: CameraOptions = DEFAULT,
    *,
    num_threads: int = 1,
) -> dict[str, CameraMaps]:
    """The maps of a frame's cameras, each from where the vehicle was when that image was taken.

    What stands in the world then lies where the photograph shows it; what moves lies where it was
    at the frame's time. The first row's time counts for all rows. A camera that has no record in
    this frame is left out, as in ``frame.images``.

    Raises:
        MissingInput: the rig has no such camera.
        NotRecorded: the frame has no occupancy on this grid, or it is not known where that lies.
    """
    occupancy = frame.occupancy(grid)
    names = options.cameras or frame.clip.rig.camera_names
    for name in names:
        frame.clip.rig.camera(name)
    images = frame.images
    world_from_grid = frame.world_from_ego @ place_of_grid(frame, occupancy)
    views = {
        name: (
            images[name].mount.camera,
            images[name].world_from_camera.inverse() @ world_from_grid,
        )
        for name in names
        if name in images
    }
    return _render(occupancy, views, options, num_threads)


def _render(
    occupancy: Occupancy,
    views: dict[str, tuple[Camera, Pose]],
    options: CameraOptions,
    num_threads: int,
) -> dict[str, CameraMaps]:
    seen = _seen(occupancy, options)
    work = partial(_maps, seen, options)
    if num_threads <= 1 or len(views) < 2:
        threads = max(1, num_threads)
        return {name: work(*where, num_threads=threads) for name, where in views.items()}
    with ThreadPoolExecutor(num_threads) as pool:
        maps = pool.map(lambda where: work(*where, num_threads=1), views.values())
        return dict(zip(views, maps, strict=True))


def _seen(occupancy: Occupancy, options: CameraOptions) -> _Seen:
    gaussians = gaussians_of(occupancy, spread=options.spread, opacity=options.opacity)
    ids = gaussians.classes
    nothing = FREE
    if options.view is not None:
        chosen = view(options.view)
        ids, nothing = chosen.apply(ids), int(chosen.lut[FREE])
    classes, channels = np.unique(ids, return_inverse=True)
    return _Seen(gaussians, channels, classes, nothing)


def _maps(
    seen: _Seen,
    options: CameraOptions,
    camera: Camera,
    camera_from_grid: Pose,
    *,
    num_threads: int,
) -> CameraMaps:
    if options.size is not None:
        camera = camera.resize(*options.size)
    gaussians = seen.gaussians
    footprints = project_gaussians(
        gaussians.centers, gaussians.covariances, camera, camera_from_grid,
        near_m=options.near_m, far_m=options.far_m,
    )  # fmt: skip
    depth_sum, strongest, alpha = splat_classes(
        footprints, gaussians.opacities, seen.channels, max(1, len(seen.classes)),
        camera.width, camera.height, num_threads=num_threads,
    )  # fmt: skip
    hit = alpha >= LEAST_ALPHA
    table = np.append(seen.classes, np.uint8(seen.nothing))
    return CameraMaps(
        depth=np.divide(depth_sum, alpha, where=hit, out=np.full_like(alpha, np.inf)).astype(
            np.float32
        ),
        depth_sum=np.where(hit, depth_sum, NOTHING_DEPTH_M).astype(np.float32),
        semantic=table[np.where(hit, strongest, -1)],
        alpha=alpha.astype(np.float32),
    )
