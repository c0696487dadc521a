"""What lies beside the tables of one scene: messages of the car's buses, map, occupancy."""

from contextlib import suppress
from pathlib import Path

from roadloom.errors import NotRecorded
from roadloom.export.nuscenes import can_bus
from roadloom.export.nuscenes.map_expansion import fragment
from roadloom.export.nuscenes.map_expansion_crop import tile_map
from roadloom.export.nuscenes.map_mask import tile_mask, write_tile
from roadloom.export.nuscenes.map_tiles import Tile
from roadloom.export.nuscenes.outbox import WORK, Outbox
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.atomic import write_bytes
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.occ3d_file import LABELS_FILE, occ3d_bytes
from roadloom.scene.road_map import RoadMap


def mask_path(root: Path, scene: str) -> Path:
    """Mask of a scene's tile, from which ``merge`` makes that of the city."""
    return root / WORK / "maps" / f"{scene}.png"


def expansion_path(root: Path, scene: str) -> Path:
    """Rows of the map expansion, for ``merge``."""
    return root / WORK / "maps" / f"{scene}.json"


def write_map(clip: Clip, tile: Tile, scene: str, root: Path) -> bool:
    """Mask and expansion of a scene's tile; both empty, and False, where the clip has no map."""
    road_map = RoadMap(name=tile.city)
    with suppress(NotRecorded):
        road_map = clip.map
    write_tile(mask_path(root, scene), tile_mask(road_map, tile))
    write_bytes(expansion_path(root, scene), fragment(tile_map(road_map, tile), scene))
    return bool(road_map.layers or road_map.lanes)


def write_can_bus(clip: Clip, tile: Tile, scene: str, box: Outbox) -> int:
    """Messages of the buses; how many kinds there are."""
    files = can_bus.files(clip, tile.shift)
    for message, data in files.items():
        box.put(f"can_bus/{scene}_{message}.json", data)
    return len(files)


def occupancy_file(scene: str, sample: str) -> str:
    """Relative to the root, as Occ3D names it."""
    return f"gts/{scene}/{sample}/{LABELS_FILE}"


def occupancy_bytes(frame: Frame) -> bytes:
    """Occ3D's file of a key frame, with masks where they are known.

    Raises:
        NotRecorded: there is no occupancy on Occ3D's grid.
    """
    with suppress(NotRecorded):
        return occ3d_bytes(frame.occupancy(OCC3D, masks=True))
    return occ3d_bytes(frame.occupancy(OCC3D))
