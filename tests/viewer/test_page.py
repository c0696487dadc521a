"""The page: one file that loads nothing, whose data unpack to what the clip holds."""

import base64
import json
import re
import zlib
from dataclasses import fields, replace
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from roadloom.errors import BadInput, NotRecorded
from roadloom.geometry.box import corners
from roadloom.geometry.voxel_grid import OCC3D
from roadloom.scene.classes import CLASS_HASH
from roadloom.scene.palette import PALETTE
from roadloom.viewer.held import held
from roadloom.viewer.names import short_source
from roadloom.viewer.options import ViewOptions
from roadloom.viewer.page import shown_grid, shown_keys, write_page

TYPES = {"u8": "u1", "i16": "<i2", "u16": "<u2", "u32": "<u4", "f32": "<f4"}


class Parsed(HTMLParser):
    """Data blocks by id, and every attribute and element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.blocks: dict[str, str] = {}
        self.tags: list[tuple[str, dict]] = []
        self._open: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = dict(attrs).get("id") if tag == "script" else None

    def handle_endtag(self, tag) -> None:
        self._open = None

    def handle_data(self, data) -> None:
        if self._open:
            self.blocks[self._open] = self.blocks.get(self._open, "") + data

    def facts(self) -> dict:
        return json.loads(self.blocks["clip"])

    def frame(self, index: int) -> tuple[list, dict[str, np.ndarray]]:
        entry = json.loads(self.blocks[f"frame-{index}"])
        buffer = zlib.decompress(base64.b64decode(entry["blob"]))
        # The browser's typed arrays refuse any other start.
        assert all(start % 4 == 0 for _, _, start, _ in entry["arrays"])
        return entry["images"], {
            name: np.frombuffer(buffer, TYPES[kind], count, start)
            for name, kind, start, count in entry["arrays"]
        }


def page_of(clip, tmp_path, **options) -> Parsed:
    path = write_page(clip, tmp_path / "page.html", ViewOptions(**options))
    return Parsed(path.read_text(encoding="utf-8"))


def test_data_unpack_to_the_clip(make_clip, tmp_path, small_grid) -> None:
    clip = make_clip(origin=5e6)
    page = page_of(clip, tmp_path, grid=small_grid)
    facts = page.facts()
    assert facts["layoutGrid"]["shape"] == [80, 80, 8]
    assert [f["seconds"] for f in facts["frames"]] == [0.0, 0.5, 1.0]
    assert facts["rate"] == 2.0
    for index in range(3):
        frame, (_, arrays) = clip[index], page.frame(index)
        sweep = frame.lidar()
        points = arrays["points"].reshape(-1, 3) / 100
        np.testing.assert_allclose(points, sweep.points[sweep.returned], atol=0.0051)
        np.testing.assert_array_equal(arrays["labels"], sweep.label[sweep.returned])
        intensity = (arrays["intensity"] / 255) ** 2
        np.testing.assert_allclose(intensity, sweep.intensity[sweep.returned], atol=0.005)
        shape = corners(frame.boxes.pose, frame.boxes.size)
        np.testing.assert_allclose(arrays["boxes"].reshape(-1, 8, 3), shape, atol=1e-5)
        np.testing.assert_array_equal(arrays["boxClass"], frame.boxes.class_id)
        occupancy = frame.occupancy(small_grid)
        labels = np.zeros(small_grid.shape, np.uint8)
        labels[tuple(arrays["cells"].reshape(-1, 3).T)] = arrays["cellClass"]
        np.testing.assert_array_equal(labels, occupancy.labels)
        layout = frame.layout(small_grid)
        bits = arrays["layout"].reshape(80, 80)
        for channel in range(18):
            np.testing.assert_array_equal(bits >> channel & 1, layout.channels[channel])
        path = arrays["path"].reshape(-1, 2)
        now = path[facts["pathNow"][index]]
        np.testing.assert_allclose(now, [0, 0], atol=1e-6)


def test_overlay_places(make_clip, tmp_path) -> None:
    """The car's near lower left corner, by hand, in an image of half the size."""
    page = page_of(make_clip(), tmp_path, image_width=80)
    facts = page.facts()
    front = [c["name"] for c in facts["cameras"]].index("FRONT")
    assert facts["cameras"][front] == {"name": "FRONT", "width": 80, "height": 45}
    assert [[facts["cameras"][i]["name"] for i in row] for row in facts["rows"]] == [
        ["LEFT", "FRONT", "RIGHT"],
        ["BACK"],
    ]
    images, arrays = page.frame(1)
    u, v = 79.5 - 100 * 0.9 / 7.0, 44.5 + 100 * 1.5 / 7.0
    expected = np.array([(u + 0.5) / 2 - 0.5, (v + 0.5) / 2 - 0.5])
    ends = arrays[f"edges{front}"].reshape(-1, 2) / 16
    assert np.linalg.norm(ends - expected, axis=1).min() < 0.06
    assert set(arrays[f"edgeClass{front}"]) == {1, 19}
    assert len(arrays[f"hits{front}"]) == 2 * len(arrays[f"range{front}"]) > 0
    data = base64.b64decode(images[front].removeprefix("data:image/jpeg;base64,"))
    picture = np.asarray(Image.open(BytesIO(data)))
    assert picture.shape == (45, 80, 3)
    assert abs(picture.astype(int) - make_clip()[1].image("FRONT").pixels[0, 0]).max() <= 2


def test_nothing_is_loaded_from_outside(make_clip, tmp_path) -> None:
    page = page_of(make_clip(), tmp_path)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        assert attributes.get("href", "data:").startswith("data:"), tag
    policy = [a["content"] for t, a in page.tags if a.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'; img-src data: blob:")
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|importScripts|https?://", text)


def test_texts_cannot_break_out(make_clip, tmp_path) -> None:
    evil = "</script><script>alert(1)</script><!--&amp; \u2028 @@DATA@@ ü"
    clip = make_clip(scene="<b>&amp;@@DATA@@")
    clip.meta = replace(clip.meta, licence=evil, attributes={"description": evil})
    page = page_of(clip, tmp_path)
    facts = page.facts()
    assert ["description", evil] in facts["facts"] and facts["licence"] == evil
    assert ["Scene", "<b>&amp;@@DATA@@"] in facts["facts"]
    assert sum(tag == "script" for tag, _ in page.tags) == 1 + 1 + 3  # facts, frames, program
    assert "frame-2" in page.blocks
    assert "alert(1)</" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_facts_are_shown(make_clip, tmp_path) -> None:
    facts = page_of(make_clip(), tmp_path).facts()
    table = dict(facts["facts"])
    assert table["Licence"] == facts["licence"] == "CC0-1.0"
    assert table["Class list"] == CLASS_HASH
    assert table["weather"] == "none"
    assert table["tokens"].endswith("(1000 characters)")
    car = {"id": 19, "name": "vehicle.car", "color": PALETTE[19].tolist(), "boxes": 1}
    assert car in facts["classes"]
    layers = {layer["name"]: layer["recorded"] for layer in facts["layers"]}
    assert layers["drivable_area"]
    assert not layers["walkway"]
    assert facts["notes"][0] == "showing all of 3 key frames"


def test_what_was_not_recorded_is_admitted(make_clip, tmp_path, small_grid) -> None:
    full = page_of(make_clip(), tmp_path, grid=small_grid).facts()
    assert not any(full["missing"].values())
    lacks = ("lidar", "boxes", "occupancy", "images", "map")
    bare = page_of(make_clip(lacks=lacks), tmp_path)
    assert all(bare.facts()["missing"].values())
    assert bare.facts()["classes"] == []
    images, arrays = bare.frame(0)
    assert images == [None] * 4
    assert set(arrays) == {"path"}
    one = page_of(make_clip(lacks=("boxes",)), tmp_path).facts()["missing"]
    assert [kind for kind, absent in one.items() if absent] == ["boxes", "occupancy"]


def test_frames_are_thinned_evenly(make_clip, tmp_path) -> None:
    clip = make_clip(count=9)
    facts = page_of(clip, tmp_path, max_frames=3).facts()
    assert [f["seconds"] for f in facts["frames"]] == [0.0, 1.5, 3.0]
    assert facts["notes"][0] == "showing every 3rd of 9 frames"
    page = page_of(clip, tmp_path, max_frames=3, frame=4)
    assert [f["seconds"] for f in page.facts()["frames"]] == [0.5, 2.0, 3.5]
    assert page.facts()["opening"] == 1
    limit = ViewOptions(max_frames=40, max_megabytes=1.0)
    assert shown_keys(40, 0, limit, 100_000) == range(0, 40, 4)
    assert shown_keys(40, 7, limit, 10_000_000) == range(7, 40, 40)


def test_points_are_thinned(make_clip, tmp_path) -> None:
    page = page_of(make_clip(), tmp_path, max_points=100)
    _, arrays = page.frame(0)
    assert 50 < len(arrays["points"]) / 3 <= 100
    assert "at most 100 LiDAR points" in page.facts()["notes"][1]


def test_same_clip_same_bytes(make_clip, tmp_path) -> None:
    for name in ("a", "b"):
        write_page(make_clip(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_refusals(make_clip, tmp_path) -> None:
    with pytest.raises(BadInput, match="no key frame to show"):
        write_page(make_clip(count=0), tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_width", 9),
        ("image_width", 1601),
        ("image_width", 480.0),
        ("image_width", True),
        ("max_points", 0),
        ("max_frames", -3),
        ("max_frames", 2.5),
        ("max_frames", float("nan")),
        ("max_megabytes", float("nan")),
        ("max_megabytes", float("inf")),
        ("max_megabytes", 0.0),
        ("max_megabytes", "25"),
        ("frame", 1.0),
        ("frame", "first"),
        ("film", "yes"),
        ("grid", "occ3d"),
    ],
)
def test_wrong_options_are_named(name, value) -> None:
    """Checked without the checker of types, which tests alone have."""
    options = object.__new__(ViewOptions)
    for field in fields(ViewOptions):
        object.__setattr__(options, field.name, value if field.name == name else field.default)
    with pytest.raises(BadInput, match=f"{name}: must be") as caught:
        options.__post_init__()
    assert caught.value.field == name and name in str(caught.value.remedy)


def test_good_options_pass(small_grid) -> None:
    wide = np.int64(1600)
    assert ViewOptions(image_width=64, frame=-1, max_megabytes=1.0, grid=small_grid, film=False)
    options = object.__new__(ViewOptions)
    for field in fields(ViewOptions):
        value = wide if field.name == "image_width" else field.default
        object.__setattr__(options, field.name, value)
    options.__post_init__()


def test_occupancy_of_an_own_grid_is_found_on_any_key_frame(
    make_clip, tmp_path, small_grid
) -> None:
    """Labelled on the second key frame only, on a grid that is no preset."""
    clip = make_clip()
    read = clip.reader.occupancy

    def sparse(key, grid, *, solid=False):
        if key != 1:
            raise NotRecorded("not labelled", field="occupancy")
        return read(key, grid, solid=solid)

    clip.reader.occupancy = sparse
    clip.reader.occupancy_grids = lambda: (small_grid,)
    assert shown_grid(clip, ViewOptions()) == small_grid
    assert shown_grid(held(clip), ViewOptions()) == small_grid
    page = page_of(held(clip), tmp_path)
    assert page.facts()["occupancyGrid"]["shape"] == [80, 80, 8]
    assert "cells" not in page.frame(0)[1] and len(page.frame(1)[1]["cells"]) > 6400


def test_occupancy_in_the_frame_of_a_lidar_is_not_shown_as_if_in_the_egos(
    make_clip, small_grid, tmp_path
) -> None:
    clip = make_clip()
    read = clip.reader.occupancy
    clip.reader.occupancy = lambda *a, **flags: replace(read(*a, **flags), frame="lidar")
    clip.reader.occupancy_grids = lambda: (small_grid,)
    assert shown_grid(clip, ViewOptions()) == OCC3D
    with pytest.raises(BadInput, match=r"lidar frame.*remedy: take one of clip.occupancy_grids"):
        page_of(clip, tmp_path, grid=small_grid)


def test_where_a_recording_lay_is_not_told(make_clip, tmp_path) -> None:
    clip = make_clip()
    clip.meta = replace(clip.meta, source="av2:/home/ann/secret/drives/log-7")
    page = page_of(clip, tmp_path)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "secret" not in text and "/home" not in text
    facts = page.facts()
    assert ["Source", "av2:log-7"] in facts["facts"]
    assert facts["title"] == "scene-1" and facts["summary"].startswith("av2:log-7 · 3 key")


@pytest.mark.parametrize(
    ("source", "short"),
    [
        ("av2:/long/local/path", "av2:path"),
        ("nuscenes:/data/nuscenes@v1.0-mini/", "nuscenes:nuscenes@v1.0-mini"),
        ("folder:C:\\drives\\one", "folder:one"),
        ("folder:drives/one", "folder:one"),
        ("town-v1:val", "town-v1:val"),
        ("folder:/", "folder:/"),
    ],
)
def test_short_names_of_sources(source, short) -> None:
    assert short_source(source) == short
