"""Clips as Occ3D: ``gts/SCENE/TOKEN/labels.npz`` and ``annotations.json``.

    DIR/export.json                        the flags that the folder was begun with
    DIR/gts/SCENE/TOKEN/labels.npz         occupancy of a key frame; an existing file is kept
    DIR/scene_infos/SCENE.json             a scene's part of annotations.json; written last
    DIR/annotations.json                   order, times, poses, cameras and the split of all scenes

TOKEN is the frame's own token where the source has one, else its time in ns. ``annotations.json``
is put together from all scenes that are finished, at the end of each run, so several machines may
share a folder. Cameras are those whose lens is a plain pinhole, as nothing else can be said
there; images are not written. ``occ3d:DIR`` reads the folder back.

Classes go through the view ``occ3d18``; what it does not judge, and what is unknown, becomes free
with ``mask_lidar`` 0, as Occ3D stores it. A mask that nobody recorded is left out of the file.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from roadloom.errors import BadInput, NotRecorded
from roadloom.export.scenes import Export, ExportJob, Summary, export_scenes
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.io.atomic import write_json
from roadloom.io.progress import show_progress
from roadloom.io.read import is_file, read_json
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.heights import raised_by_cells
from roadloom.scene.occ3d_file import LABELS_FILE, write_occ3d
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import Records, check_scene_name
from roadloom.scene.regrid import regrid
from roadloom.sensors.pinhole import PinholeCamera

GTS, INFOS, ANNOTATIONS = "gts", "scene_infos", "annotations.json"
SPLITS = {"train": "train_split", "val": "val_split"}


@dataclass(frozen=True, kw_only=True)
class Occ3dOptions:
    """What is written."""

    masks: bool = False
    """Ask the source which cells LiDAR and cameras observe; stored masks come anyway."""
    split: Literal["train", "val"] = "val"
    """The list of annotations.json that names the scenes."""
    lower: int = 0
    """Cells by which everything is put lower: 2 gives the heights of Occ3D's own files."""
    regrid: bool = False
    """Bring occupancy that is held on another grid onto Occ3D's, see ``scene.regrid``; what lies
    outside its own grid is unknown."""

    def __post_init__(self) -> None:
        if not 0 <= self.lower < OCC3D.shape[2]:
            raise BadInput(
                f"{self.lower} cells", field="--lower", remedy=f"give 0 to {OCC3D.shape[2] - 1}"
            )


def export_occ3d(
    source: str,
    folder: str | Path,
    options: Occ3dOptions,
    *,
    labels: str | None = None,
    workers: int = 1,
    shard: tuple[int, int] = (0, 1),
) -> Summary:
    """Write the scenes of a source; see ``export_scenes`` for workers, shards and errors."""
    job = ExportJob(source=source, flags=asdict(options), labels=labels)
    export = Export(
        kind="occ3d",
        write=partial(write_scene, options),
        is_whole=_is_whole,
        whole=(f"{INFOS}/*.json",),
        parts=(f"{GTS}/*/*/{LABELS_FILE}",),
    )
    folder = Path(folder)
    done = export_scenes(export, job, folder, workers=workers, shard=shard)
    with FileLock(folder / ".annotations.lock"):
        merge_annotations(folder, job.open().reader.scenes)
    return done


def write_scene(options: Occ3dOptions, clip: Clip, folder: Path) -> int:
    """Write one clip; return the number of key frames that have occupancy.

    Raises:
        NotRecorded: none has.
        BadInput: data is damaged, or a token is no name for a folder.
    """
    infos: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    tokens = tokens_of(clip)
    for key in show_progress(range(len(clip)), desc=clip.scene_id, unit="frame"):
        frame, token = clip[key], tokens[key]
        name = f"{GTS}/{clip.scene_id}/{token}/{LABELS_FILE}"
        if not is_file(folder / name):
            try:
                found = _occupancy(frame, options)
            except NotRecorded as error:
                if options.masks and error.field == "masks":
                    raise
                continue  # this key frame has none; that all lack it is refused below
            if options.lower:
                found = raised_by_cells(found, -options.lower)
            write_occ3d(folder / name, found)
        infos[token] = _info(frame, name)
        sizes[name] = (folder / name).stat().st_size
    if not infos:
        raise NotRecorded(
            "no key frame has occupancy on the grid occ3d", file=clip.meta.source,
            field=clip.scene_id, remedy="make labels with `roadloom label` and attach them"
            + (", or give --regrid" if clip.occupancy_grids and not options.regrid else ""),
        )  # fmt: skip
    _link(infos)
    about = {"licence": clip.licence, "split": options.split, "bytes": sizes, "frames": infos}
    write_json(folder / INFOS / f"{clip.scene_id}.json", about)
    return len(infos)


def _occupancy(frame: Frame, options: Occ3dOptions) -> Occupancy:
    grids = frame.clip.occupancy_grids
    if not options.regrid or not grids or OCC3D in grids:
        return frame.occupancy(OCC3D, masks=options.masks)
    found = frame.occupancy(grids[0], masks=options.masks)
    return regrid(found, OCC3D, frame="ego", new_from_old=Pose.identity())


def tokens_of(clip: Clip) -> list[str]:
    """The name of each key frame's folder.

    Raises:
        BadInput: a token of the source cannot be one, or is there twice.
    """
    own = clip.attributes.get("sample_tokens")
    if own is None:
        return [str(time) for time in clip.times_ns.tolist()]
    if not isinstance(own, list) or len(own) != len(clip) or len(set(own)) != len(own):
        raise BadInput(
            f"must be {len(clip)} different tokens", file=clip.meta.source, field="sample_tokens"
        )
    return [check_scene_name(str(t), file=clip.meta.source, field="sample_tokens") for t in own]


def merge_annotations(folder: Path, order: tuple[str, ...]) -> None:
    """Write ``annotations.json`` of the scenes that are finished, in this order.

    Raises:
        BadInput: a scene's record is damaged.
    """
    held = {scene: folder / INFOS / f"{scene}.json" for scene in order}
    records = {scene: read_json(path) for scene, path in held.items() if is_file(path)}
    if not records:
        return
    splits: dict[str, list[str]] = {name: [] for name in SPLITS.values()}
    for scene, record in records.items():
        splits[SPLITS[record["split"]]].append(scene)
    licences = dict.fromkeys(record["licence"] for record in records.values())
    infos = {scene: record["frames"] for scene, record in records.items()}
    write_json(
        folder / ANNOTATIONS,
        {**splits, "licence": "; ".join(licences), "scene_infos": infos},
    )


def _is_whole(folder: Path, scene: str) -> bool:
    record = folder / INFOS / f"{scene}.json"
    if not is_file(record):
        return False
    try:
        sizes = read_json(record)["bytes"].items()
        return all((folder / name).stat().st_size == size for name, size in sizes)
    except (BadInput, KeyError, TypeError, AttributeError, OSError):
        return False  # it is written again


def _link(infos: dict[str, Any]) -> None:
    tokens = list(infos)
    for before, after in zip(tokens, tokens[1:], strict=False):
        infos[before]["next"], infos[after]["prev"] = after, before


def _info(frame: Frame, name: str) -> dict[str, Any]:
    return {
        "timestamp": str(frame.time_ns // 1000),
        "time_ns": frame.time_ns,
        "camera_sensor": _cameras(frame),
        "ego_pose": _pose(frame.world_from_ego),
        "gt_path": name,
        "prev": "",
        "next": "",
    }


def _cameras(frame: Frame) -> dict[str, Any]:
    """Plain pinholes that have a record in this frame."""
    found = {}
    for mount in frame.clip.rig.cameras:
        lens = mount.camera
        if not (isinstance(lens, PinholeCamera) and _is_plain(lens)):
            continue
        if (moment := _moment(frame, mount.name)) is None:
            continue
        records, row = moment
        found[mount.name] = {
            "name": mount.name,
            "width": lens.width,
            "height": lens.height,
            "intrinsic": [[lens.fx, 0.0, lens.cx], [0.0, lens.fy, lens.cy], [0.0, 0.0, 1.0]],
            "extrinsic": _pose(mount.ego_from_camera),
            "ego_pose": _pose(records.world_from_ego[row]),
            "time_ns": int(records.time_ns[row]),
        }
    return found


def _is_plain(lens: PinholeCamera) -> bool:
    return not any((lens.k1, lens.k2, lens.k3, lens.p1, lens.p2))


def _moment(frame: Frame, camera: str) -> tuple[Records, int] | None:
    try:
        records = frame.clip.reader.records(camera)
    except NotRecorded:
        return None
    row = int(records.key[frame.key]) if frame.key is not None else -1
    return None if row < 0 else (records, row)


def _pose(pose: Pose) -> dict[str, Any]:
    return {"translation": pose.translation.tolist(), "rotation": pose.quaternion.tolist()}
