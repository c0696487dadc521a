"""What is to be prepared: a request, and the manifest that ties a folder to it.

DIR/manifest.json         request, class list, licence, scenes: written first, never changed
DIR/scenes/SCENE.json     written last of a scene: it is whole; sizes and checksums
DIR/KIND/SCENE.zip        the shards
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roadloom import __version__
from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.voxel_grid import GRIDS, VoxelGrid, grid_named
from roadloom.io.read import exists, read_json
from roadloom.prepare.archive import remedied
from roadloom.scene.claimed_folder import ClaimedFolder
from roadloom.scene.classes import CLASS_HASH, check_class_hash

SCHEMA = 1
MANIFEST = "manifest.json"
SCENES = "scenes"
FOLDER = ClaimedFolder(
    manifest=MANIFEST,
    schema="roadloom_prepared",
    command="roadloom prepare",
    whole=(f"{SCENES}/*.json",),
    parts=("*/*.zip",),
)
LARGEST_IMAGE = 16_384
MOST_HZ = 100
"""Made worlds move in steps of 10 ms."""
ANEW = "prepare the source again, into a new folder"


@dataclass(frozen=True, kw_only=True)
class Request:
    """The same request gives the same bytes. Fields are checked when it is made.

    A name that is given twice counts once.
    """

    source: str
    """KIND:PLACE[:SCENE]."""
    occupancy: tuple[str, ...] = ()
    """Names of ``GRIDS``."""
    layouts: tuple[str, ...] = ()
    """Names of ``GRIDS``."""
    boxes: bool = False
    images: tuple[int, int] | None = None
    """Width and height [px]: made worlds are drawn at this size, photographs resized."""
    cameras: tuple[str, ...] = ()
    """Of the images; none named: all."""
    sweeps: bool = False
    hz: int | None = None
    """Frames a second, at most ``MOST_HZ``; None: the key frames. Recordings have at most the rate
    of their key frames."""

    def __post_init__(self) -> None:
        for field in ("occupancy", "layouts", "cameras"):
            object.__setattr__(self, field, tuple(dict.fromkeys(getattr(self, field))))
        for field in ("occupancy", "layouts"):
            for name in getattr(self, field):
                grid_named(name, f"--{field}")
        if not self.kinds:
            raise BadInput(
                "nothing is asked for", field="prepare",
                remedy="give --occupancy, --layouts, --boxes, --images or --sweeps",
            )  # fmt: skip
        if self.images is not None and not all(1 <= n <= LARGEST_IMAGE for n in self.images):
            raise BadInput(
                f"{self.images[0]}x{self.images[1]} is no size", field="--images",
                remedy=f"give width and height from 1 to {LARGEST_IMAGE}, such as 256x256",
            )  # fmt: skip
        if self.cameras and self.images is None:
            raise BadInput("images are not asked for", field="--cameras", remedy="add --images")
        if self.hz is not None and self.hz > MOST_HZ:
            raise BadInput(
                f"{self.hz} frames a second are more than {MOST_HZ}", field="--hz",
                remedy=f"use at most {MOST_HZ}; nothing moves in finer steps",
            )  # fmt: skip
        if self.hz is not None and (self.hz < 1 or 1_000_000_000 % self.hz):
            raise BadInput(
                f"{self.hz} frames a second are no whole number of nanoseconds", field="--hz",
                remedy="use a divisor of 1e9, such as 1, 2, 4, 5, 10 or 20",
            )  # fmt: skip

    @property
    def kinds(self) -> tuple[str, ...]:
        """Folders of shards that it makes, beside ``clip``."""
        single = (("boxes", self.boxes), ("images", self.images), ("sweeps", self.sweeps))
        return (
            *(f"occupancy-{name}" for name in self.occupancy),
            *(f"layout-{name}" for name in self.layouts),
            *(name for name, wanted in single if wanted),
        )


def manifest_of(request: Request, licence: str, scenes: tuple[str, ...]) -> dict[str, Any]:
    """What ``manifest.json`` says."""
    grids = {
        name: {"lower_m": list(g.lower_m), "cell_m": list(g.cell_m), "shape": list(g.shape)}
        for name in dict.fromkeys((*request.occupancy, *request.layouts))
        for g in (GRIDS[name],)
    }
    return {
        "roadloom_prepared": SCHEMA,
        "roadloom": __version__,
        "class_hash": CLASS_HASH,
        "licence": licence,
        "request": _asked(request),
        "grids": grids,
        "scenes": list(scenes),
    }


def _asked(request: Request) -> dict[str, Any]:
    """A request as JSON values."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(request).items()}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The checked manifest of a prepared folder.

    Raises:
        MissingInput: no such folder, or no manifest in it.
        BadInput: damaged, of another schema or class list.
    """
    path = folder / MANIFEST
    if not exists(path):
        raise MissingInput(
            "no such file: this is no prepared folder", file=path,
            remedy="name the folder that `roadloom prepare --out` wrote",
        )  # fmt: skip
    with remedied(ANEW):
        found = read_json(path)
    version = found.get("roadloom_prepared") if isinstance(found, dict) else None
    if version != SCHEMA or isinstance(version, bool):
        raise BadInput(
            f"is {version!r}, this version reads {SCHEMA}",
            file=path, field="roadloom_prepared", remedy="prepare the source again",
        )  # fmt: skip
    check_class_hash(str(found.get("class_hash")), file=path)
    for field, kind in (("licence", str), ("request", dict), ("grids", dict), ("scenes", list)):
        if not isinstance(found.get(field), kind):
            raise BadInput(
                f"is no {kind.__name__}", file=path, field=field,
                remedy=ANEW,
            )  # fmt: skip
    scenes = found["scenes"]
    if not all(isinstance(s, str) and s for s in scenes) or len(set(scenes)) != len(scenes):
        raise BadInput("are no names, each once", file=path, field="scenes", remedy=ANEW)
    return found


def grid_of(manifest: dict[str, Any], name: str, file: Path) -> VoxelGrid:
    """A grid as it was when the folder was begun.

    Raises:
        BadInput: its numbers are damaged.
    """
    try:
        numbers = manifest["grids"][name]
        return VoxelGrid(
            lower_m=tuple(map(float, numbers["lower_m"])),  # type: ignore[arg-type]
            cell_m=tuple(map(float, numbers["cell_m"])),  # type: ignore[arg-type]
            shape=tuple(numbers["shape"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"no grid {name!r}: {error}", file=file, field="grids",
            remedy=ANEW,
        ) from error  # fmt: skip
