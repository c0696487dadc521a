"""What can be chosen of an export to nuScenes; the same options give the same bytes."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from roadloom.errors import BadInput
from roadloom.export.nuscenes.map_tiles import CITIES, SPREAD, TILE_M, check_room

SPLITS = ("train", "val", "test")
CHANNEL = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
"""A channel names folders and parts of file names."""
MOST_LEAD = 1000


@dataclass(frozen=True, kw_only=True)
class NuScenesOptions:
    """Fields are checked when it is made; they raise ``BadInput``."""

    version: str = "v1.0-trainval"
    """Folder of the tables. The official evaluator asks for this one when it judges ``val``."""
    city: str = SPREAD
    """One of ``CITIES``, where all scenes of the root then claim to lie, or ``SPREAD``: all four
    in turn. The devkit opens maps of these only."""
    tile_m: float = TILE_M
    """Edge of the square that each scene has in its city's map."""
    split: str | None = None
    """Where ``splits.json`` lists the scenes: one of ``SPLITS``; None: that of the source's place
    (``town-v1:val``), else train."""
    official: str | None = None
    """Take scene names from the official split ``train`` or ``val``, not scene-0001 and so on."""
    lead_sweeps: int = 5
    """Sweeps before the first key frame; key frames that have fewer before them are left out."""
    key_hz: int | None = None
    """Key frames a second, fewer than the source has; None keeps all."""
    images: bool = True
    camera_sweeps: bool = False
    """Write the images between key frames too."""
    image_format: str = "jpg"
    """Of images that no file holds yet: ``jpg`` (quality 95, 4:4:4) or ``png``."""
    radar: bool = True
    """Give every key frame empty files of the five radars."""
    channels: tuple[tuple[str, str], ...] = ()
    """Pairs of a sensor's name and the channel it becomes."""
    occupancy: bool = False
    """Write Occ3D occupancy of every key frame into ``gts/``."""
    partial: bool = False
    """Let a cut-down recording keep its gaps: rows of absent files stay."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"v1\.0-[a-z0-9_]{1,40}", self.version):
            raise BadInput(
                f"{self.version!r} is no version", field="--version",
                remedy="use v1.0-trainval, v1.0-mini, v1.0-test or another v1.0-NAME",
            )  # fmt: skip
        _one_of(self.city, (*CITIES, SPREAD), "--city")
        check_room(1, city=self.city, edge_m=self.tile_m)
        _one_of(self.split, (None, *SPLITS), "--split")
        _one_of(self.official, (None, "train", "val"), "--official")
        _one_of(self.image_format, ("jpg", "png"), "--image-format")
        if self.official is not None and self.split not in (None, self.official):
            raise BadInput(
                f"names of {self.official} do not belong to {self.split}", field="--split",
                remedy="leave --split out",
            )  # fmt: skip
        if not 0 <= self.lead_sweeps <= MOST_LEAD:
            raise BadInput(
                f"{self.lead_sweeps} sweeps are none to begin with", field="--lead-sweeps",
                remedy=f"give 0 to {MOST_LEAD}",
            )  # fmt: skip
        if self.key_hz is not None and self.key_hz < 1:
            raise BadInput(f"{self.key_hz} a second are none", field="--key-hz", remedy="give 2")
        if self.camera_sweeps and not self.images:
            raise BadInput(
                "there are none without images", field="--camera-sweeps",
                remedy="leave one of the two flags out",
            )  # fmt: skip
        for sensor, channel in self.channels:
            check_channel(channel, sensor)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"channels": [list(pair) for pair in self.channels]}


def check_channel(channel: str, sensor: str) -> str:
    """The channel, if it can be one.

    Raises:
        BadInput: it cannot.
    """
    if not CHANNEL.fullmatch(channel):
        raise BadInput(
            f"{channel!r} is no channel for {sensor!r}", field="--channel",
            remedy="use capital letters, digits and _, a letter first, such as CAM_FRONT",
        )  # fmt: skip
    return channel


def _one_of(value: Any, known: tuple[Any, ...], field: str) -> None:
    if value not in known:
        names = ", ".join(str(name) for name in known if name is not None)
        raise BadInput(f"{value!r} is none", field=field, remedy=f"use one of {names}")
