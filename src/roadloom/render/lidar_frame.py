"""A frame of any clip seen by a LiDAR: its occupancy, its boxes, its path, and which device."""

from contextlib import suppress
from dataclasses import replace

from roadloom.errors import MissingInput, NotRecorded
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.render.lidar import CastSweep, cast_sweep, device_times_ns
from roadloom.render.moving import boxes_around, movers_of
from roadloom.render.place import ego_from_grid
from roadloom.scene.clip import Clip, Frame
from roadloom.sensors.lidar_models import LIDAR_MODELS, lidar_model
from roadloom.sensors.presets import preset
from roadloom.sensors.rig import MountedLidar

HDL_32E = "HDL-32E"
MODELS = (HDL_32E, *LIDAR_MODELS)
"""What ``mount_of`` can set in the place of a clip's own LiDAR."""


def mount_of(clip: Clip, name: str | None = None) -> MountedLidar:
    """A LiDAR whose beams are known, where it sits on the clip's vehicle.

    Args:
        name: of a LiDAR of the rig, the main one by default; or a model (``MODELS``), which then
            takes the place of the main LiDAR and turns as its maker says, up to the stamp. Where
            a recording has none, it sits as the LiDAR of the preset ``nuscenes`` does.

    Raises:
        NotRecorded: the clip has no LiDAR, or the beams of this one are not known.
        MissingInput: neither a LiDAR of the rig nor a model.
    """
    main = clip.meta.lidar
    if main is None and clip.rig.lidars:
        main = clip.rig.lidar_names[0]
    if name is None and main is None:
        raise NotRecorded(
            "this recording has no LiDAR", field="lidar",
            remedy=f"name a model: {', '.join(MODELS)}",
        )  # fmt: skip
    name = main if name is None else name
    assert name is not None
    if name in clip.rig.lidar_names:
        mount = clip.rig.lidar(name)
        if mount.lidar is None:
            raise NotRecorded(
                "the recording does not say how its beams are arranged", field=name,
                remedy=f"name a model in its place: {', '.join(MODELS)}",
            )  # fmt: skip
        return mount
    if name not in MODELS:
        names = ", ".join((*clip.rig.lidar_names, *MODELS))
        raise MissingInput(
            f"no LiDAR of the rig and no model is called {name!r}", field="lidar",
            remedy=f"choose one of {names}",
        )  # fmt: skip
    nominal = preset("nuscenes").lidars[0]
    place = nominal.ego_from_lidar if main is None else clip.rig.lidar(main).ego_from_lidar
    if name == HDL_32E:
        return replace(nominal, name=name, ego_from_lidar=place)
    device = lidar_model(name)
    return MountedLidar(
        name=name,
        lidar=device,
        ego_from_lidar=place,
        trigger_offset_ns=-round(device.turn_s * 1e9),
        source="roadloom.sensors.lidar_models",
    )


def render_sweep(
    frame: Frame,
    grid: VoxelGrid,
    lidar: str | MountedLidar | None = None,
    *,
    moving: bool = True,
    num_threads: int = 1,
    device: str | None = None,
) -> CastSweep:
    """What a LiDAR measures in a frame's occupancy while the vehicle drives on.

    Occupancy comes from the labels attached to the clip, else from its source. Cells go with
    their boxes (``moving.movers_of``); where the source has no boxes, all of them stand.

    Args:
        grid: of the occupancy.
        lidar: a name that ``mount_of`` knows, or any LiDAR, mounted.
        moving: False freezes the moment: neither the vehicle nor any box moves.
        num_threads, device: as in ``cast_sweep``.

    Raises:
        NotRecorded: no such occupancy, or no beams of this LiDAR.
        MissingInput: no such LiDAR.
        BadInput: the turn begins or ends off the recorded path.
    """
    mount = lidar if isinstance(lidar, MountedLidar) else mount_of(frame.clip, lidar)
    times = device_times_ns(mount, frame.time_ns)
    occupancy = frame.occupancy(grid)
    place = None if occupancy.frame == "ego" else ego_from_grid(frame, occupancy).inverse()
    if not moving:
        still = cast_sweep(
            occupancy, mount, time_ns=frame.time_ns, grid_from_ego=place,
            num_threads=num_threads, device=device,
        )  # fmt: skip
        return replace(still, world_from_ego=frame.world_from_ego)
    movers = None
    with suppress(NotRecorded):
        boxes, others = boxes_around(frame, int(times.min()), int(times.max()))
        movers = movers_of(occupancy, boxes, others, place)
    found = cast_sweep(
        occupancy, mount, time_ns=frame.time_ns, ego=frame.clip.ego, movers=movers,
        grid_from_ego=place, num_threads=num_threads, device=device,
    )  # fmt: skip
    return replace(found, world_from_ego=frame.world_from_ego)
