"""How much of a clip is shown, and how large."""

from dataclasses import dataclass

from roadloom.geometry.voxel_grid import VoxelGrid


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    film: bool = True
    """Write ``film.mp4``; needs the extra ``video``."""
    frame: int | None = None
    """Key frame that pictures, point cloud and occupancy file show and the page opens with.
    None: the first that holds a LiDAR sweep, else the first of all."""
    max_frames: int = 40
    """Key frames on the page; longer clips are thinned evenly, and the page says so."""
    image_width: int = 480
    """Longer side [px] of the images on the page."""
    max_points: int = 30_000
    """LiDAR points of a frame on the page; denser sweeps are thinned evenly."""
    max_megabytes: float = 25.0
    """Aim for the page's size: frames are left out evenly until it is met."""
    grid: VoxelGrid | None = None
    """Grid of layout and occupancy. None: the first of ``GRIDS`` on which the clip holds
    occupancy, else the first of all, which is Occ3D's."""

    def __post_init__(self) -> None:
        if not 64 <= self.image_width <= 1600:
            raise ValueError(f"image_width must be 64 to 1600, got {self.image_width}")
        for name in ("max_frames", "max_points", "max_megabytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
