"""How much of a clip is shown, and how large."""

from dataclasses import dataclass
from math import isfinite
from numbers import Integral, Real

from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import VoxelGrid


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """Choices of a view, each with a default.

    Raises:
        BadInput: a value is of the wrong kind or out of range; names the field and the remedy.
    """

    film: bool = True
    """Write ``film.mp4``; needs the extra ``video``."""
    frame: int | None = None
    """Key frame that pictures, point cloud and occupancy file show and the page opens with.
    None: the first that holds a LiDAR sweep, else the first of all."""
    max_frames: int = 40
    """Key frames on the page; longer clips are thinned evenly, and the page says so."""
    image_width: int = 480
    """Longer side [px] of the images on the page; smaller ones are not enlarged."""
    max_points: int = 30_000
    """LiDAR points of a frame on the page; denser sweeps are thinned evenly."""
    max_megabytes: float = 25.0
    """Aim for the page's size: frames are left out evenly until it is met."""
    grid: VoxelGrid | None = None
    """Grid of layout and occupancy. None: the first on which any key frame holds occupancy, of
    those that the clip names and then of ``GRIDS``; else the first of these, Occ3D's."""

    def __post_init__(self) -> None:
        self._require(isinstance(self.film, bool), "film", "True or False")
        self._require(self.frame is None or _whole(self.frame), "frame", "a whole number or None")
        self._require(
            _whole(self.image_width) and bool(64 <= self.image_width <= 1600),
            "image_width", "64 to 1600 whole pixels, the longer side of an image",
        )  # fmt: skip
        for name in ("max_frames", "max_points"):
            value = getattr(self, name)
            self._require(_whole(value) and bool(value > 0), name, "a positive whole number")
        number = isinstance(self.max_megabytes, Real) and not isinstance(self.max_megabytes, bool)
        self._require(
            number and isfinite(self.max_megabytes) and self.max_megabytes > 0,
            "max_megabytes", "a positive number",
        )  # fmt: skip
        grid = self.grid is None or isinstance(self.grid, VoxelGrid)
        self._require(grid, "grid", "a VoxelGrid or None")

    def _require(self, holds: bool, name: str, what: str) -> None:
        if not holds:
            raise BadInput(
                f"must be {what}, got {getattr(self, name)!r}",
                field=name, remedy=f"give ViewOptions({name}=...) {what}",
            )  # fmt: skip


def _whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
