"""nuScenes, straight from its tables: every scene, key frame, sensor and sweep.

    nuscenes:ROOT[@VERSION][:SCENE] -> index (built once) -> one ``NuScenesClip`` per scene

The vehicle frame of nuScenes has its origin on the ground under the rear axle, x forward, y left,
z up: it is ours, so ``our_from_vehicle`` is the identity. Its world is the map's frame, with
z = 0 on the road. Key frames are taken at the time of their LIDAR_TOP record. Radars are counted
and checked, but not opened. The file format: Caesar et al., "nuScenes", CVPR 2020, and
https://www.nuscenes.org/nuscenes#data-format.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import OCC3D, VoxelGrid
from roadloom.io.image import read_image
from roadloom.io.read import exists, is_dir, read_bytes, read_json
from roadloom.scene.boxes import Boxes
from roadloom.scene.occ3d_file import LABELS_FILE, read_occ3d
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import HOW_TO_LABEL, ClipMeta, ClipReader, Records, SourceReader
from roadloom.scene.readers.json_fields import Fields
from roadloom.scene.readers.nuscenes_boxes import boxes_of
from roadloom.scene.readers.nuscenes_index import Index
from roadloom.scene.readers.nuscenes_lidar import AROUND_NS, make_sweep, read_labels, read_points
from roadloom.scene.readers.nuscenes_map import read_map
from roadloom.scene.readers.nuscenes_scene import NS_PER_US, REACH_NS, SceneRows, scene_rig
from roadloom.scene.readers.nuscenes_tokens import NO_ROW
from roadloom.scene.readers.plain_files import check_stored
from roadloom.scene.road_map import RoadMap
from roadloom.scene.sweep import Sweep

LICENCE = "nuScenes terms of use, https://www.nuscenes.org/terms-of-use (CC BY-NC-SA 4.0)"
LICENCES = "licences.json"
"""Of a root that holds other data than that of nuScenes: scene -> licence."""


class NuScenesSource(SourceReader):
    """The scenes of one nuScenes root and version. Picklable; the index opens when asked.

    Args:
        place: ``ROOT`` or ``ROOT@VERSION``; the version may be left out where there is but one.

    Raises:
        BadInput: no such root or version, or several versions to choose from.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.root, self.version = _root_and_version(place)
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """Built, with a bar on stderr, when a root is opened for the first time."""
        if self._index is None:
            self._index = Index.open(self.root, self.version)
        return self._index

    @property
    def scenes(self) -> tuple[str, ...]:
        return tuple(self.index.texts("scene.name"))

    def open_scene(self, scene: str) -> "NuScenesClip":
        names = self.scenes
        if scene not in names:
            raise MissingInput(f"no scene {scene!r}", file=self.place, field="SCENE")
        rows = SceneRows(self.index, names.index(scene))
        return NuScenesClip(rows, self.root, f"nuscenes:{self.place}")

    def problems(self, scene: str | None, *, partial: bool) -> Iterator[BadInput]:
        from roadloom.scene.readers.nuscenes_check import problems

        return problems(self, scene, partial=partial)

    def absent_files(self, scene: str | None) -> Iterator[str]:
        from roadloom.scene.readers.nuscenes_check import absent_files

        return absent_files(self, scene)


def _root_and_version(place: str) -> tuple[Path, str]:
    root, version = Path(place), ""
    if not is_dir(root) and "@" in place:
        before, _, version = place.rpartition("@")
        root = Path(before)
    if not is_dir(root):
        raise MissingInput("no such folder", file=root, remedy="give the root of a nuScenes copy")
    found = sorted(path.name for path in root.glob("v1.0-*") if is_dir(path))
    there = f"it holds {', '.join(found)}" if found else "it holds no folder v1.0-*"
    if version and not is_dir(root / version):
        raise MissingInput(f"no version {version!r}; {there}", file=root, field="VERSION")
    if not version and len(found) != 1:
        raise BadInput(
            f"which version? {there}", file=root, field="VERSION",
            remedy=f"name one, as nuscenes:{place}@{found[0] if found else 'v1.0-mini'}",
        )  # fmt: skip
    return root.resolve(), version or found[0]


class NuScenesClip(ClipReader):
    """One scene: row numbers and paths."""

    def __init__(self, rows: SceneRows, root: Path, source: str) -> None:
        self.rows, self.index, self.root = rows, rows.index, root
        self._opened: dict[str, Records] = {}
        self.meta = ClipMeta(
            scene_id=rows.name,
            source=source,
            licence=_licence(root, rows.name),
            rig=scene_rig(rows),
            key_times_ns=rows.key_times_ns(),
            lidar=rows.main_lidar,
            our_from_vehicle=Pose.identity(),
            attributes=_attributes(rows),
        )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}

    def ego(self) -> PoseTrack:
        """Poses of the records of all sensors, radars included, in time order.

        Without a LiDAR key frames lie at the times of samples, which may be a little before the
        first record or after the last: the path is continued to them.
        """
        times, poses = self.rows.path()
        track = PoseTrack(time_ns=times, world_from_ego=poses)
        keys = self.meta.key_times_ns
        beyond = keys[(keys < times[0]) | (keys > times[-1])]
        if not len(beyond):
            return track
        every = np.union1d(times, beyond)
        return PoseTrack(time_ns=every, world_from_ego=track.at(every, extrapolate_ns=REACH_NS))

    def records(self, sensor: str) -> Records:
        if sensor not in self._opened:
            rig = self.meta.rig
            if sensor not in rig.lidar_names:
                rig.camera(sensor)  # says which there are
            self._opened[sensor] = self.rows.records(sensor)
        return self._opened[sensor]

    def image(self, camera: str, index: int) -> UInt8[np.ndarray, "height width 3"]:
        plane = self.meta.rig.camera(camera).camera
        return read_image(self._file(camera, index), size=(plane.width, plane.height))

    def image_bytes(self, camera: str, index: int) -> tuple[bytes, str]:
        path = self._file(camera, index)
        return read_bytes(path), path.suffix.lower()

    def sweep(self, lidar: str, index: int) -> Sweep:
        """Points, times and shots without return: see ``nuscenes_lidar``."""
        mount, records = self.meta.rig.lidar(lidar), self.records(lidar)
        points = read_points(self._file(lidar, index))
        time_ns = int(records.time_ns[index])
        around = self.rows.around(time_ns, AROUND_NS)
        return make_sweep(
            points,
            name=lidar,
            time_ns=time_ns,
            ego_from_lidar=mount.ego_from_lidar,
            world_from_ego=records.world_from_ego[index],
            times_ns=self.index["record.timestamp"][around] * NS_PER_US,
            world_from_ego_around=self.rows.poses(around),
            label=self._labels(self._row(lidar, index), len(points)),
        )

    def boxes(self, key: int) -> Boxes:
        """Annotations of a key frame; their velocities: see ``nuscenes_boxes``."""
        key = range(self.rows.count)[key]
        time_ns = int(self.meta.key_times_ns[key])
        return boxes_of(self.index, self.rows.first_sample + key, time_ns, self._key_pose(key))

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        """Occ3D's, where the root holds ``gts/SCENE`` beside the tables."""
        return (OCC3D,) if is_dir(self.root / "gts" / self.rows.name) else ()

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        """``gts/SCENE/SAMPLE_TOKEN/labels.npz``; see ``readers/occ3d.py``."""
        if not self.occupancy_grids():
            raise NotRecorded(
                "the root holds no folder gts of this scene", field="occupancy",
                remedy=HOW_TO_LABEL,
            )  # fmt: skip
        check_stored(grid, (OCC3D,), solid=solid)
        return read_occ3d(self.occupancy_file(key))

    def occupancy_file(self, key: int) -> Path:
        """Where Occ3D's labels of a key frame lie."""
        row = self.rows.first_sample + range(self.rows.count)[key]
        token = self.index["sample.token"][row].decode()
        return self.root / "gts" / self.rows.name / token / LABELS_FILE

    def road_map(self) -> RoadMap:
        return read_map(self.root, self.rows.location, self.mask)

    @property
    def mask(self) -> str | None:
        """File of the drivable area, relative to the root, where the tables name one."""
        row = int(self.index["log.map"][self.rows.log])
        return None if row == NO_ROW else self.index.texts("map.filename")[row]

    def path_of(self, row: int) -> Path:
        """The sensor file of a row of the index's records."""
        return self.root / self.index["record.filename"][row].decode()

    def labels_of(self, row: int) -> Path | None:
        """The lidarseg file of a row of the index's records, where there is one."""
        records = self.index["points.record"]
        at = int(np.searchsorted(records, row))
        if at == len(records) or records[at] != row:
            return None
        return self.root / self.index["points.filename"][at].decode()

    def label_names(self) -> dict[int, str]:
        """Category of each value in lidarseg files."""
        values = self.index["category.index"].tolist()
        pairs = zip(values, self.index.texts("category.name"), strict=True)
        return {value: name for value, name in pairs if value >= 0}

    def _row(self, sensor: str, index: int) -> int:
        rows = self.rows.rows[sensor]
        return range(rows.start, rows.stop)[index]

    def _file(self, sensor: str, index: int) -> Path:
        return self.path_of(self._row(sensor, index))

    def _labels(self, row: int, points: int) -> np.ndarray | None:
        path = self.labels_of(row)
        return None if path is None else read_labels(path, points, self.label_names())

    def _key_pose(self, key: int) -> Pose:
        if self.rows.main_lidar is None:
            return self.ego().at(self.meta.key_times_ns[key : key + 1])[0]
        records = self.records(self.rows.main_lidar)
        return records.world_from_ego[int(records.key[key])]


def _licence(root: Path, scene: str) -> str:
    """That of nuScenes, unless the root says otherwise, as exports of other data do."""
    path = root / LICENCES
    if not exists(path):
        return LICENCE
    fields = Fields(path, "", read_json(path))
    return fields.text(scene) if scene in fields.value else LICENCE


def _attributes(rows: SceneRows) -> dict[str, Any]:
    index = rows.index
    tokens = index["sample.token"][rows.first_sample : rows.first_sample + rows.count]
    facts = ("location", "logfile", "vehicle", "date_captured")
    return {
        "description": index.texts("scene.description")[rows.scene],
        "scene_token": index.texts("scene.token")[rows.scene],
        "sample_tokens": [token.decode() for token in tokens.tolist()],
        "version": index.tables.name,
        **{name: index.texts(f"log.{name}")[rows.log] for name in facts},
    }
