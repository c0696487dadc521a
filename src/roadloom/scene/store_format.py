"""The bytes of a scene's file of labels: a header, then records, each with its checksum.

    header   magic, schema, class hash, frame, grid, scene, CRC-32
    record   magic, time [ns], offset, flags, bytes of payload, CRC-32 of it, CRC-32 of the above
             payload of ``store_codec``

All numbers are little-endian. Files grow at their end only.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.scene.classes import CLASS_HASH, check_class_hash
from roadloom.scene.occupancy import FRAMES
from roadloom.scene.store_codec import MOST_CELLS, largest_payload

SCHEMA = 1
"""Version of the file's layout; a reader refuses any other."""
SUFFIX = ".labels"
MOST_OFFSET = 2**32 - 1

_MAGIC, _RECORD_MAGIC = b"RLlabels", b"RLab"
_HEADER = struct.Struct("<8sI16s8s3d3d3Q120s")
_RECORD = struct.Struct("<4sqIIII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
RECORD_BYTES = _RECORD.size + _CRC.size


def remedy(path: str | Path) -> str:
    """What helps against damage: one scene is made again, the others stay."""
    name = Path(path).name.removesuffix(SUFFIX)
    return f"delete it and scenes/{name}.json beside it, then label this scene again"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What all labels of a scene share."""

    scene_id: str
    grid: VoxelGrid
    frame: str
    class_hash: str = CLASS_HASH
    """Of the class list that the ids follow: ours, or one that ours continues."""

    @property
    def cells(self) -> int:
        x, y, z = self.grid.shape
        return x * y * z

    def to_bytes(self) -> bytes:
        fixed = _HEADER.pack(
            _MAGIC, SCHEMA, self.class_hash.encode(), self.frame.encode(), *self.grid.lower_m,
            *self.grid.cell_m, *self.grid.shape, self.scene_id.encode(),
        )  # fmt: skip
        return fixed + _CRC.pack(crc32(fixed))

    @staticmethod
    def from_bytes(data: bytes, path: Path, scene_id: str) -> "Header":
        """Check and read a header.

        Raises:
            BadInput: no such file, damaged, of another schema, class list or scene.
        """
        magic, schema, class_hash, frame, *numbers, scene = _HEADER.unpack_from(data)
        check_magic(data, path)
        if schema != SCHEMA:
            raise BadInput(
                f"is {schema}, this version reads {SCHEMA}", file=path, field="schema",
                remedy="update roadloom, or write the labels again",
            )  # fmt: skip
        if _CRC.unpack_from(data, _HEADER.size)[0] != crc32(data[: _HEADER.size]):
            raise BadInput(
                "its checksum differs: damaged", file=path, field="header", remedy=remedy(path)
            )
        name, frame, class_hash = (
            b.rstrip(b"\0").decode(errors="replace") for b in (scene, frame, class_hash)
        )
        check_class_hash(class_hash, file=path)
        if name != scene_id:
            raise BadInput(
                f"holds the labels of scene {ascii(name)}", file=path, field="scene_id",
                remedy="give the file its own name back",
            )  # fmt: skip
        try:
            grid = VoxelGrid(
                lower_m=tuple(numbers[:3]), cell_m=tuple(numbers[3:6]), shape=tuple(numbers[6:])
            )
            header = Header(scene_id=name, grid=grid, frame=frame, class_hash=class_hash)
            if frame not in FRAMES or header.cells > MOST_CELLS:
                raise ValueError(f"{frame!r}, {header.cells} cells")
        except ValueError as error:
            raise BadInput(
                f"no grid of labels: {error}", file=path, field="grid", remedy=remedy(path)
            ) from error
        return header


def check_magic(data: bytes, path: Path) -> None:
    """Refuse a file that is none of labels; ``data`` is its beginning, however short."""
    if not data.startswith(_MAGIC[: len(data)]):
        raise BadInput(
            "is no file of labels", file=path, remedy="take it out of the folder of labels"
        )


@dataclass(frozen=True, kw_only=True)
class Record:
    """What stands before a payload."""

    time_ns: int
    offset: int
    flags: int
    size: int
    """Bytes of the payload."""
    payload_crc: int

    @property
    def key(self) -> tuple[int, int]:
        return self.time_ns, self.offset

    def to_bytes(self) -> bytes:
        fixed = _RECORD.pack(
            _RECORD_MAGIC, self.time_ns, self.offset, self.flags, self.size, self.payload_crc
        )
        return fixed + _CRC.pack(crc32(fixed))

    @staticmethod
    def from_bytes(data: bytes, header: Header) -> "Record | None":
        """None where these bytes are no sound record of a label on this grid."""
        magic, time_ns, offset, flags, size, payload_crc = _RECORD.unpack_from(data)
        sound = (
            magic == _RECORD_MAGIC
            and _CRC.unpack_from(data, _RECORD.size)[0] == crc32(data[: _RECORD.size])
            and size <= largest_payload(header.cells)
        )
        if not sound:
            return None
        return Record(
            time_ns=time_ns, offset=offset, flags=flags, size=size, payload_crc=payload_crc
        )
