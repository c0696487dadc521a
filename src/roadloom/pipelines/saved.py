"""Generated windows as clips: folders that every viewer and exporter of Roadloom reads.

    windows -> GeneratedClip -> clip.save(DIR/SCENE) -> folder:DIR

A clip says what made it: ``clip.attributes["generated"]`` names models and hashes, seed, sampler
and conditions, and where the path comes from. It has no sensors. Frames are kept compressed, so a
drive of minutes fits in little memory.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from roadloom import __version__
from roadloom.diffusion.courses import SamplerConfig
from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.interpolate import PoseTrack
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.pipelines.ego import TOLD, Path2, PathKind, from_labels, from_middle, joined, poses_of
from roadloom.pipelines.hexplane import Guidance, HexPlaneWorld
from roadloom.pipelines.uses import Window
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.reader import ClipMeta, ClipReader, Records
from roadloom.scene.stream import NS_PER_S
from roadloom.sensors.rig import Rig


class GeneratedClip(ClipReader):
    """Frames of occupancy at a steady rate, with a path.

    Args:
        scene: a name for it.
        labels: class ids of every frame, compressed by ``packed``.
    """

    def __init__(
        self,
        scene: str,
        labels: Sequence[bytes],
        grid: VoxelGrid,
        poses: Pose,
        *,
        hz: float,
        source: str,
        licence: str,
        attributes: Mapping[str, Any],
    ) -> None:
        times = np.arange(len(labels)) * round(NS_PER_S / hz)
        self.labels, self.grid, self.poses = tuple(labels), grid, poses
        self.meta = ClipMeta(
            scene_id=scene,
            source=source,
            licence=licence,
            rig=Rig(name="generated", cameras=(), lidars=(), source="there are no sensors"),
            key_times_ns=times.astype(np.int64),
            lidar=None,
            our_from_vehicle=Pose.identity(),
            attributes=dict(attributes),
        )

    def ego(self) -> PoseTrack:
        return PoseTrack(time_ns=self.meta.key_times_ns, world_from_ego=self.poses)

    def records(self, sensor: str) -> Records:
        raise NotRecorded("what is generated has no sensors", field=sensor)

    def occupancy_grids(self) -> tuple[VoxelGrid, ...]:
        return (self.grid,)

    def occupancy(self, key: int, grid: VoxelGrid, *, solid: bool = False) -> Occupancy:
        if grid != self.grid:
            raise NotRecorded(
                f"occupancy was generated on {self.grid}, not on {grid}", field="grid",
                remedy="ask for its own grid",
            )  # fmt: skip
        if solid:
            raise NotRecorded("models make surfaces, not interiors", field="occupancy")
        data = np.frombuffer(zlib.decompress(self.labels[key]), np.uint8)
        return Occupancy(grid=grid, labels=data.reshape(grid.shape))


def packed(labels: UInt8[np.ndarray, "time x y z"]) -> list[bytes]:
    """Frames one by one, compressed."""
    return [zlib.compress(np.ascontiguousarray(frame).tobytes(), 1) for frame in labels]


def clip_of(
    world: HexPlaneWorld,
    windows: Iterable[Window],
    scene: str,
    told: Mapping[str, Any],
    *,
    path: PathKind | None = None,
    frames: int | None = None,
) -> Clip:
    """One clip of windows that follow each other.

    Args:
        told: facts for ``attributes["generated"]``, see ``story``.
        path: what the path is read from; None: the trajectories if all windows were given one,
            else the motion that the latents hold, else the labels.
        frames: keep so many of the first; None: all.

    Raises:
        BadInput: no window, or a path of this kind is not known.
    """
    rows: list[Path2] = []
    labels: list[bytes] = []
    seeds: list[int] = []
    for window in windows:
        path = _kind(world, window) if path is None else path
        rows.append(_path(world, window, path))
        labels += packed(world.class_view.to_classes(window.labels.numpy()))
        seeds.append(window.seed)
    if path is None:
        raise BadInput("there is no window", field="windows", remedy="generate one at least")
    labels = labels[:frames]
    facts = {**told, "seeds": seeds, "path_from": TOLD[path]}
    return Clip(
        GeneratedClip(
            scene, labels, world.box, poses_of(joined(rows)[: len(labels)]), hz=world.config.hz,
            source=f"generated:{world.names.get('model', 'hexplane')}", licence=world.licence,
            attributes={"generated": facts},
        )
    )  # fmt: skip


def story(
    world: HexPlaneWorld,
    use: str,
    sampler: SamplerConfig | None = None,
    guidance: Guidance = 1.0,
    conditions: Iterable[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """What a clip says of how it was made: JSON values."""
    way = world.sampler() if sampler is None else sampler
    if world.config.guidance != 1.0:
        guidance = world.config.guidance  # distilled into a student, which takes no other
    return {
        "by": f"roadloom {__version__}",
        "system": "hexplane",
        "use": use,
        "models": dict(world.names),
        "sampler": {"name": way.name, "steps": way.steps, "shift": way.shift},
        "guidance": dict(guidance) if isinstance(guidance, Mapping) else float(guidance),
        "conditions": sorted(conditions),
        **more,
    }


def save_windows(
    world: HexPlaneWorld,
    windows: Iterable[Window],
    folder: str | Path,
    told: Mapping[str, Any],
    **options: Any,
) -> Clip:
    """``clip_of`` of the folder's name, written whole or not at all."""
    target = Path(folder)
    clip = clip_of(world, windows, target.name, told, **options)
    clip.save(target)
    return clip


def _kind(world: HexPlaneWorld, window: Window) -> PathKind:
    if _trajectory(window) is not None:
        return "trajectory"
    return "latent" if world.vae.config.carries else "odometry"


def _trajectory(window: Window) -> Tensor | None:
    given = window.conditions
    if given is None or given.trajectory is None or not bool(given.mask("trajectory").all()):
        return None
    return given.trajectory[0]


def _path(world: HexPlaneWorld, window: Window, kind: PathKind) -> Path2:
    cell = (world.box.cell_m[0], world.box.cell_m[1])
    if kind == "none":
        return np.zeros((len(window.labels), 3))
    if kind == "odometry":
        return from_labels(window.labels, world.config.class_view, cell)
    found = _trajectory(window)
    if kind == "trajectory" and found is not None:
        rows: Path2 = found.double().cpu().numpy()
        return rows
    motion = world.motion(window.planes)
    if kind == "latent" and motion is not None:
        return from_middle(motion[0], cell)
    raise BadInput(
        f"a window has no {kind} to read its path from", field="path",
        remedy="choose odometry, which reads it from the labels",
    )  # fmt: skip
