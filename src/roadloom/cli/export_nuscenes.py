"""``roadloom export nuscenes``: any clips as a nuScenes data root."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from roadloom.cli.many import OverLabels, counted
from roadloom.errors import BadInput

if TYPE_CHECKING:
    from roadloom.export.nuscenes.options import NuScenesOptions
    from roadloom.export.nuscenes.run import Summary
    from roadloom.sensors.rig import Rig


@dataclass(frozen=True, kw_only=True)
class ExportNuScenes(OverLabels):
    """Write clips as a nuScenes data root, for detectors and tools that read nuScenes.

    Run it again to go on where it was interrupted, or with another SOURCE to append. Several
    machines may share a folder, each with its own --shard.
    Example: roadloom export nuscenes town-v1:val --out town --official val --workers 2
    """

    out: Path
    """Data root; created if missing."""
    version: str = "v1.0-trainval"
    """Folder of the tables; the official evaluator wants this one for val."""
    official: Literal["train", "val"] | None = None
    """Name scenes as this split of nuScenes does, so that its evaluator takes them."""
    split: Literal["train", "val", "test"] | None = None
    """List of splits.json; that of the source's place if left out, else train."""
    city: str = "spread"
    """City that scenes claim to lie in: boston-seaport, singapore-onenorth,
    singapore-queenstown, singapore-hollandvillage, or spread: all four in turn."""
    tile_m: float = 480.0
    """Edge of the square that each scene has in its city's map [m]."""
    lead_sweeps: int = 5
    """Sweeps before the first key frame; key frames with fewer before them are left out."""
    key_hz: int | None = None
    """Key frames a second, fewer than the source has, such as 2 for Argoverse."""
    images: bool = True
    """Without them: LiDAR, boxes and maps only."""
    camera_sweeps: bool = False
    """Images between key frames too; drawing them takes several times as long."""
    image_format: Literal["jpg", "png"] = "jpg"
    """Of images that are drawn; recorded files are copied as they are."""
    radar: bool = True
    """Five radars whose files are empty, as some tools expect them."""
    channel: tuple[str, ...] = ()
    """NAME=CHANNEL: the channel that a sensor becomes, such as front=CAM_FRONT."""
    occupancy: bool = False
    """Occ3D occupancy of every key frame, from --labels or the source, into gts/."""
    rig: str | None = None
    """See a made source through this rig: a YAML file, or nuscenes, av2, waymo, nuplan,
    hyperion."""
    partial: bool = False
    """Let a cut-down recording keep its gaps: its absent files stay absent."""

    def run(self) -> int:
        from roadloom.export.nuscenes.run import export_nuscenes

        done = export_nuscenes(
            self.source, self.out, self._options(), labels=self.labels, rig=self._rig(),
            workers=self.workers, shard=self.part,
        )  # fmt: skip
        sys.stdout.write(_told(done, self.out, self.version))
        return 0

    def _options(self) -> "NuScenesOptions":
        from roadloom.export.nuscenes.options import NuScenesOptions

        return NuScenesOptions(
            version=self.version, city=self.city, tile_m=self.tile_m, split=self.split,
            official=self.official, lead_sweeps=self.lead_sweeps, key_hz=self.key_hz,
            images=self.images, camera_sweeps=self.camera_sweeps,
            image_format=self.image_format, radar=self.radar,
            channels=tuple(_renamed(text) for text in self.channel), occupancy=self.occupancy,
            partial=self.partial,
        )  # fmt: skip

    def _rig(self) -> "Rig | None":
        if self.rig is None:
            return None
        from roadloom.sensors.presets import PRESETS, preset
        from roadloom.sensors.rig_yaml import read_rig

        return preset(self.rig) if self.rig in PRESETS else read_rig(self.rig)


def _renamed(text: str) -> tuple[str, str]:
    sensor, equals, channel = text.partition("=")
    if not (sensor and equals and channel):
        raise BadInput(
            f"{text!r} renames nothing", field="--channel", remedy="write it as NAME=CHANNEL"
        )
    return sensor, channel


def _told(done: "Summary", root: Path, version: str) -> str:
    """What was written, what was not, and how to look at it."""
    from roadloom.export.nuscenes.merge import OFFICIAL_ORDER

    counts = done.counts
    kept = f"; {counted(done.kept, 'scene')} kept" if done.kept else ""
    told = [counted(done.written, "scene")]
    for kind in ("key_frame", "image", "sweep"):
        told.append(counted(counts.get(f"{kind}s", 0), kind.replace("_", " ")))
    told.append(counted(counts.get("boxes", 0), "box"))
    lines = [f"{', '.join(told)} written to {root}{kept}"]
    looked_for = [name for name in OFFICIAL_ORDER if name.startswith("CAM_")]
    if counts.get("images") and not set(done.cameras) & set(looked_for):
        lines.append(
            f"detectors look for {', '.join(looked_for)}, here cameras are named "
            f"{', '.join(done.cameras)}: to change that use --channel SENSOR=CHANNEL and a new "
            "folder"
        )
    if done.left_out:
        boxes = ", ".join(f"{count} {name}" for name, count in done.left_out.items())
        lines.append(f"left out, as nuScenes annotates no such boxes: {boxes}")
    if trimmed := counts.get("key_frames_left_out"):
        lines.append(
            f"{counted(trimmed, 'key frame')} left out: fewer sweeps before them than "
            "--lead-sweeps asks for, none of their own, or more a second than --key-hz"
        )
    if bare := counts.get("key_frames_without_boxes"):
        lines.append(f"{counted(bare, 'key frame')} without boxes: the source has none there")
    if absent := counts.get("absent_files"):
        lines.append(f"{counted(absent, 'file')} absent here too, as the recording lacks them")
    lines.append(f"look at it: roadloom view nuscenes:{root}@{version}:{done.names[0]}")
    return "\n".join(lines) + "\n"
