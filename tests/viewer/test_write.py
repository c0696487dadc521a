"""All files of a view: which are written, what they hold, and that frames are read once."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from roadloom.errors import BadInput, MissingExtra
from roadloom.io.image import read_image
from roadloom.io.ply import read_ply
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.palette import colors_of
from roadloom.scene.reader import ClipReader
from roadloom.sensors.rig import Rig
from roadloom.viewer.held import HeldReader, held
from roadloom.viewer.options import ViewOptions
from roadloom.viewer.write import colored_cloud, film_rate, write_view

CAMERAS = {
    f"cameras/{n}{end}.jpg" for n in ("BACK", "RIGHT", "FRONT", "LEFT") for end in ("", "_overlay")
}
SHEETS = {"ring.png", "bev.png", "overview.png"}


def names(written, folder) -> set[str]:
    found = {str(p.relative_to(folder)) for p in written}
    assert len(found) == len(written)
    on_disk = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert on_disk == found
    return found


def test_every_file(make_clip, tmp_path, small_grid) -> None:
    pytest.importorskip("av", reason="the video extra is not installed")
    clip = make_clip()
    written = write_view(clip, tmp_path / "v", ViewOptions(grid=small_grid, frame=1))
    assert written[0] == tmp_path / "v" / "index.html"
    data = {"index.html", "film.mp4", "points.ply", "occupancy.npz", "occupancy.png"}
    assert names(written, tmp_path / "v") == CAMERAS | SHEETS | data
    cloud = read_ply(tmp_path / "v/points.ply")
    sweep = clip[1].lidar()
    hits = sweep[sweep.returned]
    np.testing.assert_array_equal(cloud.points, hits.points)
    np.testing.assert_array_equal(cloud.label, hits.label)
    np.testing.assert_array_equal(cloud.colors, colors_of(hits.label))
    np.testing.assert_array_equal(cloud.intensity, hits.intensity)
    assert cloud.comments[0] == "arithmetic:here scene scene-1 at 500000000 ns"
    assert "licence CC0-1.0" in cloud.comments
    saved = Occupancy.from_npz(tmp_path / "v/occupancy.npz")
    assert saved.same_as(clip[1].occupancy(small_grid))
    photo = read_image(tmp_path / "v/cameras/FRONT.jpg", (160, 90))
    assert abs(photo.astype(int) - clip[1].image("FRONT").pixels).max() <= 2


def test_film(make_clip, tmp_path) -> None:
    av = pytest.importorskip("av", reason="the video extra is not installed")
    write_view(make_clip(count=5), tmp_path, ViewOptions())
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert film.streams.video[0].average_rate == 2
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]
    assert len(frames) == 5
    assert all(abs(a.astype(int) - b).max() > 20 for a, b in zip(frames, frames[1:], strict=False))


def test_rate_of_the_film(make_clip) -> None:
    assert film_rate(make_clip(count=5)) == 2
    assert film_rate(make_clip(count=3)) == Fraction(3, 2)
    assert film_rate(make_clip(count=1)) == 1


def test_only_what_was_recorded(make_clip, tmp_path) -> None:
    lacks = ("lidar", "boxes", "occupancy", "map", "images")
    written = write_view(make_clip(lacks=lacks), tmp_path, ViewOptions(film=False))
    overlays = {name for name in CAMERAS if "_overlay" in name}
    assert names(written, tmp_path) == overlays | SHEETS | {"index.html"}


def test_a_clip_without_cameras(make_clip, tmp_path) -> None:
    clip = make_clip(rig=Rig(name="blind", cameras=(), lidars=make_clip().rig.lidars))
    written = write_view(clip, tmp_path, ViewOptions(film=False))
    assert names(written, tmp_path) == {"index.html", "bev.png", "overview.png", "points.ply"}


def test_film_without_its_extra(make_clip, tmp_path, monkeypatch) -> None:
    def refuse(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("roadloom.io.extras.import_module", refuse)
    with pytest.raises(MissingExtra, match=r"roadloom\[video\]"):
        write_view(make_clip(), tmp_path / "v", ViewOptions())
    assert not (tmp_path / "v").exists()
    assert write_view(make_clip(), tmp_path / "v", ViewOptions(film=False))


def test_each_frame_is_read_once(make_clip, tmp_path, small_grid) -> None:
    pytest.importorskip("av", reason="the video extra is not installed")
    clip = make_clip(count=4)
    asked: Counter = Counter()

    def counting(name: str) -> None:
        read = getattr(clip.reader, name)

        def counted(*args, **options):
            asked[(name, *args)] += 1
            return read(*args, **options)

        setattr(clip.reader, name, counted)

    for name in ("image", "sweep", "boxes", "occupancy"):
        counting(name)
    write_view(clip, tmp_path, ViewOptions(grid=small_grid))
    assert len(asked) == 4 * (4 + 1 + 1 + 1)
    assert set(asked.values()) == {1}


def test_held_clip_is_the_same_clip(make_clip, small_grid) -> None:
    clip = make_clip()
    other = held(clip)
    assert isinstance(other, Clip)
    for mine, theirs in zip(clip, other, strict=True):
        assert mine.boxes.same_as(theirs.boxes)
        assert mine.lidar().same_as(theirs.lidar())
        assert mine.occupancy(small_grid).same_as(theirs.occupancy(small_grid))
        assert mine.layout(small_grid).same_as(theirs.layout(small_grid))
        for name in clip.rig.camera_names:
            np.testing.assert_array_equal(mine.image(name).pixels, theirs.image(name).pixels)


def test_held_reader_answers_everything_that_a_reader_does() -> None:
    """A method that it inherited would answer for no recording at all."""
    asked = {name for name in vars(ClipReader) if not name.startswith("_") and name != "meta"}
    assert asked >= {"image", "image_bytes", "occupancy_grids"}
    assert asked <= vars(HeldReader).keys()


def test_held_reader_passes_on_what_it_does_not_keep(make_clip, small_grid) -> None:
    clip = make_clip()
    clip.reader.occupancy_grids = lambda: (small_grid,)
    clip.reader.image_bytes = lambda camera, index: (f"{camera} {index}".encode(), ".png")
    other = held(clip)
    assert other.occupancy_grids == (small_grid,)
    assert other.reader.image_bytes("FRONT", 2) == (b"FRONT 2", ".png")


def test_an_earlier_view_leaves_nothing_and_others_files_stay(make_clip, tmp_path) -> None:
    earlier = [*("film.mp4", "points.ply", "occupancy.png", "occupancy.npz"), *CAMERAS]
    own = ["notes.txt", "cameras/holiday.jpg", "cameras/FRONT.txt", "film.mp4.bak"]
    for name in (*earlier, *own, "cameras/OLD.jpg", "cameras/OLD_overlay.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("earlier")
    lacks = ("lidar", "occupancy", "images")
    written = write_view(make_clip(lacks=lacks), tmp_path, ViewOptions(film=False))
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {str(p.relative_to(tmp_path)) for p in written} | set(own)
    assert all((tmp_path / name).read_text() == "earlier" for name in own)
    assert {"film.mp4", "points.ply", "cameras/OLD.jpg", "cameras/FRONT.jpg"}.isdisjoint(left)


def test_a_film_of_an_earlier_view_does_not_stay(make_clip, tmp_path) -> None:
    pytest.importorskip("av", reason="the video extra is not installed")
    assert tmp_path / "film.mp4" in write_view(make_clip(), tmp_path, ViewOptions())
    names(write_view(make_clip(count=2), tmp_path, ViewOptions(film=False)), tmp_path)
    assert not (tmp_path / "film.mp4").exists()


def test_an_interrupted_view_has_no_page(make_clip, tmp_path) -> None:
    write_view(make_clip(), tmp_path, ViewOptions(film=False))
    clip = make_clip()
    read = clip.reader.boxes

    def boxes(key):
        if key == 2:
            raise BadInput("damaged", field="boxes")
        return read(key)

    clip.reader.boxes = boxes
    with pytest.raises(BadInput, match="damaged"):
        write_view(clip, tmp_path, ViewOptions(film=False))
    assert (tmp_path / "bev.png").exists()
    assert not (tmp_path / "index.html").exists()


def test_what_cannot_be_shown_leaves_the_earlier_view(make_clip, tmp_path) -> None:
    written = write_view(make_clip(), tmp_path, ViewOptions(film=False))
    with pytest.raises(BadInput, match="no key frame"):
        write_view(make_clip(count=0), tmp_path, ViewOptions(film=False))
    assert all(path.exists() for path in written)


def test_point_cloud_does_not_tell_where_the_recording_lay(make_clip) -> None:
    clip = make_clip()
    clip.meta = replace(clip.meta, source="av2:/home/ann/secret/log-7")
    comments = colored_cloud(clip[0]).comments
    assert comments[0].startswith("av2:log-7 scene scene-1 at")
    assert "secret" not in " ".join(comments)
