"""The Rerun SDK, opened late, and a stream into a file whose content does not depend on the clock.

The SDK gives each row and each chunk an id made of the time of day and chance. A recording is
therefore written to a file beside, read back chunk by chunk, and written again with ids that
count up: two runs give equal chunks in equal order. Their bytes still differ, as the SDK writes
the entries of its headers in the order of a hash that is seeded anew in every process.
Nothing is sent anywhere: analytics are off.
"""

import os
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from roadloom.io.extras import need
from roadloom.scene.clip import Clip
from roadloom.sensors.camera import PinholeCamera
from roadloom.sensors.rig import MountedCamera
from roadloom.viewer.names import short_source

APPLICATION = "roadloom"
"""Recordings of one application share the viewer's layout."""
EYE_M, TARGET_M = (-22.0, 0.0, 14.0), (8.0, 0.0, 0.0)
"""Where the layout looks from, and at, in the ego frame."""
ROW_ID = "rerun.controls.RowId"


def sdk() -> Any:
    """The package ``rerun``.

    Raises:
        MissingExtra: it is not installed.
    """
    os.environ.setdefault("RERUN_ANALYTICS", "0")  # read once, when the package is loaded
    return need("rerun")


@contextmanager
def counted_stream(rr: Any, clip: Clip, path: Path) -> Iterator[Any]:
    """Yield a stream; on a clean exit what was logged is in ``path``."""
    name = f"{short_source(clip.meta.source)}:{clip.scene_id}"
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    first = path.with_name(f"{path.stem}.first{path.suffix}")
    stream = rr.RecordingStream(
        APPLICATION,
        recording_id=identity,
        send_properties=False,
        batcher_config=rr.ChunkBatcherConfig(flush_tick=3600.0, flush_num_rows=1),
    )
    try:
        stream.save(first)
        stream.set_log_time_enabled(False)
        stream.set_log_tick_enabled(False)
        yield stream
        stream.flush()
        stream.disconnect()
        _write_again(first, path, identity)
    finally:
        stream.disconnect()
        first.unlink(missing_ok=True)


def write_layout(clip: Clip, path: Path) -> None:
    """A layout for the viewer: the world as the vehicle moves through it, and the cameras."""
    blueprint = need("rerun.blueprint")
    views = [
        blueprint.Spatial2DView(origin=f"{place_of(mount)}/{mount.name}", name=mount.name)
        for mount in clip.rig.cameras
    ]
    behind = blueprint.EyeControls3D(position=EYE_M, look_target=TARGET_M, eye_up=(0, 0, 1))
    world = blueprint.Spatial3DView(
        origin="world/ego", contents="world/**", name="world", eye_controls=behind
    )
    parts = [world, blueprint.Grid(*views)] if views else [world]
    shares = [2, 1][: len(parts)]
    vertical = blueprint.Vertical(*parts, row_shares=shares)
    layout = blueprint.Blueprint(vertical, collapse_panels=True)
    layout.save(APPLICATION, str(path))


def place_of(mount: MountedCamera) -> str:
    """Where the entity of a camera hangs: the viewer's only lens is a plain pinhole."""
    return "world/cameras" if isinstance(mount.camera, PinholeCamera) else "fisheyes"


def _write_again(first: Path, path: Path, identity: str) -> None:
    """Write the chunks of one file into another, with ids that count up."""
    chunk = need("rerun.chunk")
    counted = _counted(chunk, chunk.RrdReader(first).stream())
    chunk.LazyChunkStream.from_iter(counted).write_rrd(
        path, application_id=APPLICATION, recording_id=identity
    )


def _counted(chunk: Any, chunks: Any) -> Iterator[Any]:
    arrow = need("pyarrow")
    row = 0
    for number, old in enumerate(chunks):
        batch = old.to_record_batch()
        at = batch.schema.get_field_index(ROW_ID)
        ids = b"".join(_id(row + i) for i in range(len(batch)))
        row += len(batch)
        column = arrow.Array.from_buffers(
            batch.schema.field(at).type, len(batch), [None, arrow.py_buffer(ids)]
        )
        facts = {**batch.schema.metadata, b"rerun:id": f"chunk_{_id(number).hex()}".encode()}
        schema = batch.schema.with_metadata(dict(sorted(facts.items())))
        columns = [column if i == at else batch.column(i) for i in range(batch.num_columns)]
        yield from chunk.Chunk.from_record_batch(
            arrow.RecordBatch.from_arrays(columns, schema=schema)
        )


def _id(number: int) -> bytes:
    """16 bytes, big end first: nanoseconds and a counter; the SDK refuses neither being small."""
    return struct.pack(">QQ", 1, number)
