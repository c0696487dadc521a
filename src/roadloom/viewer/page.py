"""One clip as one HTML file that plays offline: cameras, 3-D, layout, time.

    clip -> frames that are shown -> facts (JSON) + a block per frame (``pack.py``)
         -> page/page.html with style, script and data put in -> a file of its own

Nothing is loaded from outside; the page's content security policy forbids it.
"""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import roadloom
from roadloom.errors import NotRecorded
from roadloom.geometry.voxel_grid import GRIDS, VoxelGrid
from roadloom.io.atomic import write_text
from roadloom.io.progress import show_progress
from roadloom.scene.classes import CLASS_HASH, UNKNOWN, class_name
from roadloom.scene.clip import Clip, Frame
from roadloom.scene.layout import CHANNELS
from roadloom.viewer.bev import PATH_STEPS
from roadloom.viewer.colors import class_colors, layer_colors
from roadloom.viewer.draw import ramp_colors
from roadloom.viewer.names import short_source
from roadloom.viewer.options import ViewOptions
from roadloom.viewer.pack import Arrays, frame_arrays, packed, photographs, safe_json, shown_size
from roadloom.viewer.ring import chosen_key, ring_rows

SCRIPTS = (
    "data.js", "matrix.js", "shaders.js", "space.js", "hand.js", "plan.js", "cameras.js", "page.js",
)  # fmt: skip
SINGLE_FRAME_RATE = 2.0
"""Frames per second given for a clip of one key frame."""


def write_page(clip: Clip, path: str | Path, options: ViewOptions | None = None) -> Path:
    """Write the page of a clip; see ``ViewOptions`` for what is thinned and when.

    Raises:
        BadInput: the clip has no key frame, or data of it is damaged.
    """
    page = Page(clip, options or ViewOptions())
    for key in show_progress(page.keys, desc="page", unit="frame"):
        page.add(clip[key])
    return page.write(path)


class Page:
    """A page that is given its frames one by one: ``add`` each of ``keys``, then ``write``."""

    def __init__(self, clip: Clip, options: ViewOptions) -> None:
        self.clip, self.options = clip, options
        self.opening, self.grid = chosen_key(clip, options.frame), shown_grid(clip, options)
        self._blocks: dict[int, str] = {}
        self._seen = Seen(clip, self.grid)
        self.add(clip[self.opening])
        size = len(self._blocks[self.opening])
        self.keys = shown_keys(len(clip), self.opening, options, size)

    def add(self, frame: Frame) -> None:
        """Pack a key frame, unless it is packed already."""
        if frame.key is None or frame.key in self._blocks:
            return
        arrays = frame_arrays(frame, self.grid, self.options)
        images = photographs(frame, self.options.image_width)
        self._blocks[frame.key] = packed(images, arrays)
        self._seen.add(frame.key, arrays)

    def write(self, path: str | Path) -> Path:
        facts = _facts(self.clip, self.keys, self.grid, self._seen, self.options)
        facts["opening"] = self.keys.index(self.opening)
        data = [("clip", safe_json(facts))]
        data += [(f"frame-{i}", self._blocks[key]) for i, key in enumerate(self.keys)]
        write_text(path, _filled(f"{facts['title']} · Roadloom", data))
        return Path(path)


def shown_keys(count: int, opening: int, options: ViewOptions, block_bytes: int) -> range:
    """Key frames that the page shows: every n-th, the one that it opens with among them."""
    affordable = max(1, int(options.max_megabytes * 1e6 / max(1, block_bytes)))
    most = min(options.max_frames, affordable)
    step = -(-count // most)
    return range(opening % step, count, step)


def shown_grid(clip: Clip, options: ViewOptions) -> VoxelGrid:
    """The grid that was asked for, else one on which any key frame holds occupancy: first those
    that the clip names, then the presets."""
    if options.grid is not None:
        return options.grid
    for grid in dict.fromkeys((*clip.occupancy_grids, *GRIDS.values())):
        if any(_holds(frame, grid) for frame in clip):
            return grid
    return next(iter(GRIDS.values()))


def _holds(frame: Frame, grid: VoxelGrid) -> bool:
    try:
        return frame.occupancy(grid).frame == "ego"
    except NotRecorded:
        return False


class Seen:
    """What turned up while the frames were packed: classes, objects, kinds of data."""

    def __init__(self, clip: Clip, grid: VoxelGrid) -> None:
        self.clip, self.grid = clip, grid
        self.names: set[str] = set()
        self.class_ids: set[int] = set()
        self.most = np.zeros(256, np.int64)
        """Boxes of each class in the frame that has most of them."""
        self.layers = np.zeros(len(CHANNELS), bool)
        self.dropped = 0

    def add(self, key: int, arrays: Arrays) -> None:
        self.names |= arrays.keys()
        for name in ("boxClass", "labels", "cellClass"):
            if name in arrays:
                self.class_ids |= set(np.unique(arrays[name]).tolist())
        if "boxClass" in arrays:
            count = np.bincount(arrays["boxClass"], minlength=256)
            self.most = np.maximum(self.most, count)
        if "layout" in arrays and not self.layers.any():
            self.layers = self.clip[key].layout(self.grid).recorded


def _facts(
    clip: Clip, keys: range, grid: VoxelGrid, seen: Seen, options: ViewOptions
) -> dict[str, Any]:
    times, source = clip.times_ns, short_source(clip.meta.source)
    shown = times[list(keys)]
    step = float(np.median(np.diff(shown))) * 1e-9 if len(shown) > 1 else 1 / SINGLE_FRAME_RATE
    rows = ring_rows(clip.rig)
    names = clip.rig.camera_names
    return {
        "title": clip.scene_id if source != clip.meta.source else f"{source}:{clip.scene_id}",
        "summary": f"{source} · {_frames(len(clip))} · {clip.duration_s:.1f} s",
        "licence": clip.licence,
        "facts": [[name, text] for name, text in _about(clip)],
        "notes": list(_notes(clip, keys, seen, options)),
        "frames": [{"seconds": float(t - times[0]) * 1e-9} for t in shown],
        "rate": round(1 / step, 3),
        "cameras": [_camera(clip, name, options) for name in names],
        "rows": [[names.index(name) for name in row] for row in rows],
        "classes": [_class(own, seen) for own in sorted(seen.class_ids)],
        "layers": _layers(seen),
        "layoutGrid": _grid(grid),
        "occupancyGrid": _grid(grid) if "cells" in seen.names else None,
        "planBounds": {"lower": grid.lower_m[:2], "upper": grid.upper_m[:2]},
        "pathNow": _path_now(clip, shown),
        "pointColumns": sorted(seen.names & {"intensity", "labels"}),
        "missing": {
            "lidar": "points" not in seen.names,
            "boxes": "boxes" not in seen.names,
            "occupancy": "cells" not in seen.names,
            "layout": not seen.layers.any(),
        },
        "ramp": ramp_colors(np.linspace(0, 1, 256)).tolist(),
    }


def _camera(clip: Clip, name: str, options: ViewOptions) -> dict[str, Any]:
    width, height = shown_size(clip.rig.camera(name), options.image_width)
    return {"name": name, "width": width, "height": height}


def _class(own: int, seen: Seen) -> dict[str, Any]:
    color = class_colors(np.array([own], np.uint8))[0].tolist()
    name = "unknown" if own == UNKNOWN else class_name(own)
    return {"id": own, "name": name, "color": color, "boxes": int(seen.most[own])}


def _layers(seen: Seen) -> list[dict[str, Any]]:
    if not seen.layers.any():
        return []
    rows = zip(CHANNELS, layer_colors().tolist(), seen.layers.tolist(), strict=True)
    return [{"name": name, "color": color, "recorded": known} for name, color, known in rows]


def _grid(grid: VoxelGrid) -> dict[str, Any]:
    return {
        "lower": grid.lower_m, "upper": grid.upper_m, "cell": grid.cell_m, "shape": grid.shape,
    }  # fmt: skip


def _path_now(clip: Clip, shown: np.ndarray) -> list[int]:
    """Corner of the thinned path (``path_in_ego``) that each shown frame has last passed."""
    times = clip.ego.time_ns
    rows = np.unique(np.linspace(0, len(times) - 1, min(len(times), PATH_STEPS)).round())
    passed = np.searchsorted(times[rows.astype(np.int64)], shown, side="right") - 1
    return np.maximum(passed, 0).tolist()


def _about(clip: Clip) -> Iterator[tuple[str, str]]:
    yield "Source", short_source(clip.meta.source)
    yield "Scene", clip.scene_id
    yield "Licence", clip.licence
    yield "Begins", _moment(int(clip.times_ns[0]))
    yield (
        "Rig",
        f"{clip.rig.name}: {_counted(clip.rig.camera_names, 'camera')}, "
        + _counted(clip.rig.lidar_names, "LiDAR"),
    )
    for name, value in clip.attributes.items():
        yield name, _short(value if isinstance(value, str) else json.dumps(value))
    yield "Class list", CLASS_HASH
    yield "Made with", f"Roadloom {roadloom.__version__}"


def _notes(clip: Clip, keys: range, seen: Seen, options: ViewOptions) -> Iterator[str]:
    if keys.step > 1:
        yield f"showing every {_ordinal(keys.step)} of {len(clip)} frames"
    else:
        yield f"showing all of {_frames(len(clip))}"
    if "points" in seen.names:
        yield (
            f"at most {options.max_points:,} LiDAR points of a frame, to the centimetre, "
            "within 327 m; the overlay shows at most 4,000 in an image"
        )
    if any(name.startswith(("edges", "hits")) for name in seen.names):
        yield (
            "boxes and points are drawn where they were when each camera fired; what moves "
            "with unknown velocity is drawn where it was at the LiDAR's time"
        )
    yield "the ego vehicle is drawn at a nominal size"


def _short(text: str, most: int = 240) -> str:
    return text if len(text) <= most else f"{text[:most]} … ({len(text)} characters)"


def _frames(count: int) -> str:
    return f"{count} key frame{'' if count == 1 else 's'}"


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _moment(time_ns: int) -> str:
    """A date where the clock counts from 1970, else the bare stamp."""
    if time_ns > 1e17:  # 1973: smaller stamps count from the start of the drive
        text = datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"{text} ({time_ns} ns)"
    return f"{time_ns} ns"


def _counted(names: tuple[str, ...], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"


def _filled(title: str, data: list[tuple[str, str]]) -> str:
    """The template with its four marks replaced, each once: texts put in are not searched."""
    folder = files("roadloom.viewer") / "page"
    parts = {
        "TITLE": html.escape(title),
        "STYLE": (folder / "page.css").read_text(encoding="utf-8"),
        "SCRIPT": '(() => {\n"use strict";\n'
        + "\n".join((folder / name).read_text(encoding="utf-8") for name in SCRIPTS)
        + "})();",
        "DATA": "\n".join(
            f'<script type="application/json" id="{name}">{text}</script>' for name, text in data
        ),
    }
    template = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub("@@([A-Z]+)@@", lambda mark: parts[mark[1]], template)
