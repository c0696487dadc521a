"""One clip into its shards, frame by frame.

    clip -> times of the frames -> occupancy, layout, boxes, images, sweep of each -> zip members

Frame n of every kind has the members ``00000n...``. What one frame lacks is left out; what no
frame of a clip holds is an error, as somebody asked for it.
"""

from contextlib import ExitStack, suppress
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import GRIDS
from roadloom.io.atomic import write_json
from roadloom.io.image import encode_image
from roadloom.prepare.archive import ArchiveWriter, write_archive
from roadloom.prepare.request import SCENES, Request
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.folder_arrays import sweep_arrays
from roadloom.scene.registry import is_made, open_source
from roadloom.sensors.rig import Rig
from roadloom.sensors.rig_yaml import rig_to_yaml

NS_PER_S = 1_000_000_000
CLIP = "clip"
"""The kind that is always there: times, poses, rig and facts."""


def shard_path(folder: Path, kind: str, scene: str) -> Path:
    return folder / kind / f"{scene}.zip"


def record_path(folder: Path, scene: str) -> Path:
    return folder / SCENES / f"{scene}.json"


def frame_times(clip: Clip, hz: int | None, *, made: bool) -> Int64[np.ndarray, " frame"]:
    """When the frames are: the key frames, or ``hz`` a second.

    A made world has every moment from its first key frame to the end of its last. Of a recording
    the key frames nearest to those moments are taken.

    Raises:
        BadInput: a recording has fewer key frames a second.
    """
    keys = clip.times_ns
    if hz is None or len(keys) < 2:
        return keys
    every = NS_PER_S // hz
    if made:
        end = keys[-1] + (keys[-1] - keys[-2])
        return np.arange(keys[0], end, every, dtype=np.int64)
    gap = float(np.median(np.diff(keys)))
    if every < 0.8 * gap:
        raise BadInput(
            f"{clip.scene_id} has {NS_PER_S / gap:.3g} key frames a second, not {hz}",
            field="--hz", remedy="leave --hz out: recordings hold labels at key frames only",
        )  # fmt: skip
    wanted = np.arange(keys[0], keys[-1] + 1, every, dtype=np.int64)
    after = np.clip(np.searchsorted(keys, wanted), 1, len(keys) - 1)
    nearer = np.where(wanted - keys[after - 1] <= keys[after] - wanted, after - 1, after)
    return keys[np.unique(nearer)]


def write_clip(request: Request, scene: str, folder: Path) -> int:
    """Write every shard of one scene, then its record; returns the number of frames.

    Raises:
        NotRecorded: no frame of the scene holds something that is asked for.
        BadInput: the source is damaged.
    """
    made = is_made(request.source)
    clip = open_source(request.source).clip(scene)
    rig = clip.rig if request.images is None else resized(clip.rig, request.images, request.cameras)
    drawn = made and request.images is not None
    pictures = open_source(request.source, rig=rig).clip(scene) if drawn else clip
    times = frame_times(clip, request.hz, made=made)
    found = dict.fromkeys(request.kinds, 0)
    lies_in: dict[str, str] = {}
    with ExitStack() as stack:
        files = {
            kind: stack.enter_context(write_archive(shard_path(folder, kind, scene)))
            for kind in (CLIP, *request.kinds)
        }
        _write_facts(files[CLIP], clip, rig, times)
        if "images" in files:
            _write_image_times(files["images"], pictures, rig, times)
        for number, time_ns in enumerate(times.tolist()):
            frame = clip.at(time_ns)
            for kind in request.kinds:
                name = f"{number:06d}"
                if kind == "images":
                    wrote = _write_images(files[kind], pictures.at(time_ns), name, rig)
                else:
                    wrote = _write_frame(files[kind], kind, frame, name, lies_in)
                found[kind] += wrote
        for kind, count in found.items():
            if len(times) and not count:
                raise NotRecorded(
                    f"no frame of {request.source} scene {scene} holds it", field=kind,
                    remedy="leave it out of the flags",
                )  # fmt: skip
    record = {
        "scene": scene,
        "frames": len(times),
        "files": {kind: _file_facts(shard_path(folder, kind, scene)) for kind in files},
    }
    if lies_in:
        record["occupancy_frames"] = lies_in
    write_json(record_path(folder, scene), record)
    return len(times)


def _file_facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}


def resized(rig: Rig, size: tuple[int, int], names: tuple[str, ...]) -> Rig:
    """The rig's cameras (all, or those named) with images of one size."""
    cameras = []
    for mounted in [rig.camera(name) for name in names] if names else rig.cameras:
        if (mounted.camera.width, mounted.camera.height) == size:
            cameras.append(mounted)
            continue
        camera = mounted.camera.resize(*size)
        # The picture still takes as long from its first row to its last.
        row_time_ns = round(mounted.row_time_ns * mounted.camera.height / camera.height)
        cameras.append(replace(mounted, camera=camera, row_time_ns=row_time_ns))
    return replace(rig, cameras=tuple(cameras))


def _write_facts(
    file: ArchiveWriter, clip: Clip, rig: Rig, times: Int64[np.ndarray, " frame"]
) -> None:
    poses = [clip.at(time).world_from_ego for time in times.tolist()]
    file.array("time_ns", times)
    file.array("key", np.array([_key(clip, t) for t in times.tolist()], np.int64))
    file.array("rotation", np.array([p.rotation for p in poses], np.float64).reshape(-1, 3, 3))
    file.array("translation", np.array([p.translation for p in poses], np.float64).reshape(-1, 3))
    file.json("attributes", clip.attributes)
    file.data("rig.yaml", rig_to_yaml(rig).encode(), compress=True)


def _key(clip: Clip, time_ns: int) -> int:
    key = clip.at(time_ns).key
    return -1 if key is None else key


def _write_image_times(
    file: ArchiveWriter, clip: Clip, rig: Rig, times: Int64[np.ndarray, " frame"]
) -> None:
    """Own time and pose of each camera's image in each frame; time -1 where there is none."""
    for camera in rig.camera_names:
        stamps = np.full(len(times), -1, np.int64)
        poses = Pose(np.tile(np.eye(3), (len(times), 1, 1)), np.zeros((len(times), 3)))
        for number, time_ns in enumerate(times.tolist()):
            with suppress(NotRecorded):
                image = clip.at(time_ns).image(camera)
                stamps[number] = image.time_ns
                poses.rotation[number] = image.world_from_ego.rotation
                poses.translation[number] = image.world_from_ego.translation
        file.array(f"{camera}.time_ns", stamps)
        file.array(f"{camera}.rotation", poses.rotation)
        file.array(f"{camera}.translation", poses.translation)


def _write_frame(
    file: ArchiveWriter, kind: str, frame: Frame, number: str, lies_in: dict[str, str]
) -> bool:
    """One frame's members of one kind; False if the source holds nothing of it.

    ``lies_in`` gets the frame of a grid of occupancy that does not lie in the ego's.
    """
    what, _, grid = kind.partition("-")
    try:
        if what == "occupancy":
            occupancy = frame.occupancy(GRIDS[grid])
            if occupancy.frame != "ego":
                lies_in[kind] = occupancy.frame
            file.array(number, occupancy.labels)
        elif what == "layout":
            layout = frame.layout(GRIDS[grid])
            if not layout.recorded.any():
                return False
            file.array(number, np.packbits(layout.channels, axis=-1))
            file.array(f"{number}.recorded", layout.recorded)
        elif what == "boxes":
            file.json(number, boxes_out(frame.boxes))
        else:
            return _write_sweeps(file, frame, number)
    except NotRecorded:
        return False
    return True


def _write_images(file: ArchiveWriter, frame: Frame, number: str, rig: Rig) -> bool:
    found = False
    for mounted in rig.cameras:
        try:
            pixels = frame.image(mounted.name).pixels
        except NotRecorded:
            continue
        found = True
        pixels = fitted(pixels, (mounted.camera.width, mounted.camera.height))
        file.data(f"{number}.{mounted.name}.jpg", encode_image(pixels, ".jpg"))
    return found


def fitted(
    pixels: UInt8[np.ndarray, "height width 3"], size: tuple[int, int]
) -> UInt8[np.ndarray, "height2 width2 3"]:
    """An image at another size (width, height), antialiased; the field of view stays."""
    if pixels.shape[1::-1] == size:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _write_sweeps(file: ArchiveWriter, frame: Frame, number: str) -> bool:
    found = False
    for name in frame.clip.rig.lidar_names:
        try:
            sweep = frame.lidar(name)
        except NotRecorded:
            continue
        found = True
        for column, array in sweep_arrays(sweep).items():
            file.array(f"{number}.{name}.{column}", array)
    return found


def boxes_out(boxes: Boxes) -> dict[str, Any]:
    """Boxes as JSON values; an unknown velocity is null."""
    velocity = [[None if v != v else v for v in row] for row in boxes.velocity.tolist()]
    return {
        "class_id": boxes.class_id.tolist(),
        "rotation": boxes.pose.rotation.tolist(),
        "translation": boxes.pose.translation.tolist(),
        "size": boxes.size.tolist(),
        "track_id": boxes.track_id.tolist(),
        "velocity": velocity,
        "attribute": boxes.attribute.tolist(),
        "visibility": boxes.visibility.tolist(),
        "num_lidar_points": boxes.num_lidar_points.tolist(),
        "num_radar_points": boxes.num_radar_points.tolist(),
        "token": boxes.token.tolist(),
    }
