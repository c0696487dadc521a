"""An oblique view of one frame's labels: shaded cubes on white, always from the same place.

    labels [T X Y Z] -> first filled voxel along each pixel's ray -> its colour, shaded by its face

Which voxels a pixel's ray crosses depends on camera and grid only, so it is worked out once;
a frame then costs one look-up. The camera stands behind the ego vehicle and looks forward and
down; it scales with the grid, which it sees whole but for the nearest corners.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, UInt8

WHITE = 255
TOP, FRONT, SIDE = 0, 1, 2
_SHADE = np.array([1.0, 0.78, 0.6])
"""Of a colour on faces that look up or down, along x, along y."""
_STEP = 1e-9


@dataclass(frozen=True, kw_only=True)
class ObliqueCamera:
    """Lengths are shares of the grid's extent along x."""

    height: int = 128
    width: int = 128
    """Of the picture [px]."""
    behind: float = 0.95
    """From the grid's centre back to the camera, along x."""
    above: float = 0.7
    """From the grid's floor up to the camera."""
    focal: float = 1.05
    """In picture widths."""

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or min(self.behind, self.above, self.focal) <= 0:
            raise ValueError(f"sizes, distances and focal length must be positive, got {self}")


@dataclass(frozen=True, eq=False)
class ObliqueView:
    """Which voxels each pixel looks through, near to far."""

    shape: tuple[int, int, int]
    size: tuple[int, int]
    voxels: Int32[np.ndarray, "pixel step"]
    """Flat numbers; ``x * y * z`` of the grid after the ray has left it."""
    faces: UInt8[np.ndarray, "pixel step"]

    def draw(
        self, labels: UInt8[np.ndarray, "time x y z"], colors: UInt8[np.ndarray, "class 3"]
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """Pictures of frames; id 0 and ids without a colour (255) are seen through."""
        if labels.shape[1:] != self.shape:
            raise ValueError(f"frames of {labels.shape[1:]} for a view of {self.shape}")
        shaded = np.concatenate(
            [np.rint(colors[:, None] * _SHADE[:, None]), np.full((1, 3, 3), WHITE)]
        ).astype(np.uint8)  # [class face 3]
        pictures = np.empty((len(labels), *self.size, 3), np.uint8)
        pixel = np.arange(len(self.voxels))
        for frame, picture in zip(labels, pictures, strict=True):
            seen = np.append(np.where(frame < len(colors), frame, 0).ravel(), np.uint8(0))
            filled = (seen != 0)[self.voxels]
            first = filled.argmax(axis=1)
            ids = seen[self.voxels[pixel, first]].astype(np.int64)
            ids[~filled[pixel, first]] = len(colors)
            picture[:] = shaded[ids, self.faces[pixel, first]].reshape(picture.shape)
        return pictures


def oblique_view(
    shape: tuple[int, int, int],
    cell_m: tuple[float, float, float],
    camera: ObliqueCamera | None = None,
) -> ObliqueView:
    """The view of a grid of ``shape`` cells, each of ``cell_m`` [m]."""
    camera = camera or ObliqueCamera()
    eye, rays = camera_rays(shape, cell_m, camera)
    enter, face = [], []
    # In cells: planes at whole numbers; every crossing of one opens the next voxel.
    for axis in range(3):
        with np.errstate(divide="ignore"):
            at = (np.arange(shape[axis] + 1) - eye[axis]) / rays[:, axis, None]
        enter.append(at)
        face.append(np.full(at.shape, (FRONT, SIDE, TOP)[axis], np.uint8))
    distance = np.concatenate(enter, axis=1)
    distance = np.where(np.isfinite(distance), np.maximum(distance, 0), np.inf)
    order = np.argsort(distance, axis=1, kind="stable")
    distance = np.take_along_axis(distance, order, axis=1)
    faces = np.take_along_axis(np.concatenate(face, axis=1), order, axis=1)
    last = np.isfinite(distance[:, :-1]) & np.isfinite(distance[:, 1:])
    with np.errstate(invalid="ignore"):
        middle = np.where(last, (distance[:, :-1] + distance[:, 1:]) / 2, 0)
        wide = last & (distance[:, 1:] - distance[:, :-1] > _STEP)
    cells = np.floor(eye + middle[..., None] * rays[:, None]).astype(np.int64)
    inside = wide & ((cells >= 0) & (cells < np.array(shape))).all(axis=-1)
    outside = int(np.prod(shape))
    flat = (cells[..., 0] * shape[1] + cells[..., 1]) * shape[2] + cells[..., 2]
    voxel_rows = np.where(inside, flat, outside)
    # Left-justify: what lies outside moves to the end of its row.
    keep = np.argsort(~inside, axis=1, kind="stable")[:, : max(int(inside.sum(axis=1).max()), 1)]
    return ObliqueView(
        shape=shape,
        size=(camera.height, camera.width),
        voxels=np.take_along_axis(voxel_rows, keep, axis=1).astype(np.int32),
        faces=np.take_along_axis(faces[:, :-1], keep, axis=1),
    )


def camera_rays(
    shape: tuple[int, int, int], cell_m: tuple[float, float, float], camera: ObliqueCamera
) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "pixel 3"]]:
    """Eye and directions of all pixels, row by row, in cells from the grid's lower corner."""
    extent = np.array(shape) * np.array(cell_m)
    eye = np.array([(0.5 - camera.behind) * extent[0], extent[1] / 2, camera.above * extent[0]])
    forward = np.array([extent[0] / 2, extent[1] / 2, 0.0]) - eye
    forward /= np.linalg.norm(forward)
    right = np.array([0.0, -1.0, 0.0])
    up = np.cross(right, forward)
    u = (np.arange(camera.width) + 0.5) / camera.width - 0.5
    v = ((np.arange(camera.height) + 0.5) - camera.height / 2) / camera.width
    rays = camera.focal * forward + u[None, :, None] * right - v[:, None, None] * up
    return eye / np.array(cell_m), (rays / np.array(cell_m)).reshape(-1, 3)
