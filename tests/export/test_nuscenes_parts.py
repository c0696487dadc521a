"""Parts of the nuScenes export on their own: times, classes, lenses, rows of sweeps, flags."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.export.toy_drive import RIG, ToyDrive
from tests.scene.rich_clip import rich_clip

from roadloom.cli.export_nuscenes import _told
from roadloom.cli.main import main
from roadloom.errors import BadInput
from roadloom.export.nuscenes.annotations import Annotations
from roadloom.export.nuscenes.classes import CATEGORIES, NEAREST, attributes_of, category_of
from roadloom.export.nuscenes.images import image_file, plain_camera, rectified
from roadloom.export.nuscenes.lidar import sweep_rows
from roadloom.export.nuscenes.manifest import claim, writing
from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.outbox import Outbox
from roadloom.export.nuscenes.radar import empty_file
from roadloom.export.nuscenes.run import Summary
from roadloom.export.nuscenes.tokens import token, whole_us
from roadloom.export.trim import trimmed
from roadloom.geometry.pose import Pose
from roadloom.scene.classes import class_id
from roadloom.scene.clip import Clip
from roadloom.sensors.camera import FisheyeCamera, PinholeCamera


def test_times_are_rounded_half_up_and_rise():
    times = np.array([1_499, 1_500, 2_499, 2_500, 9_000], np.int64)
    assert whole_us(times, "x").tolist() == [1, 2, 3, 4, 9]
    with pytest.raises(BadInput, match="no time after 1970"):
        whole_us(np.array([400], np.int64), "x")


def test_tokens_differ_by_every_part():
    assert token("a", "bc") != token("ab", "c")
    assert token("a", 1) == token("a", "1")
    assert len(token()) == 32


def test_classes_without_a_category_are_left_out_and_others_go_to_theirs():
    names = set(CATEGORIES.values())
    for ours, name in NEAREST.items():
        assert category_of(class_id(ours)) == name and name in names
    assert category_of(class_id("vehicle.car.moving")) == "vehicle.car"
    for ours in ("object.bollard", "human.rider.bicycle", "vehicle.railed", "structure.stop_sign"):
        assert category_of(class_id(ours)) is None
    assert attributes_of("vehicle.parked,cycle.odd") == (["vehicle.parked"], ["cycle.odd"])
    assert attributes_of("") == ([], [])


LENSES = (
    PinholeCamera(width=80, height=60, fx=60.0, fy=61.0, cx=40.0, cy=29.0, k1=-0.2, p1=0.002),
    FisheyeCamera(width=80, height=60, fx=30.0, fy=30.0, cx=39.5, cy=29.5, k1=0.02),
)  # fmt: skip


@pytest.mark.parametrize("lens", LENSES)
def test_a_rectified_image_shows_each_direction_where_the_plain_camera_has_it(lens):
    """The image is a function of direction, so the rectified one must be it again."""
    v, u = np.indices((lens.height, lens.width), dtype=np.float64)
    rays, seen = lens.unproject(np.stack([u, v], axis=-1))

    def paint(rays):
        level = 128 + 60 * rays[..., 0] + 50 * rays[..., 1]
        return np.rint(np.nan_to_num(level))[..., None].repeat(3, axis=-1).astype(np.uint8)

    plain = plain_camera(lens)
    found = rectified(paint(rays), lens, plain)
    wanted_rays, _ = plain.unproject(np.stack([u, v], axis=-1))
    at, inside = lens.project(wanted_rays)
    assert inside.mean() > 0.5
    apart = np.abs(found.astype(int) - paint(wanted_rays))[inside]
    assert apart.max() <= 2
    assert (found[~inside] == 0).all()


def test_a_plain_camera_keeps_its_numbers_and_the_axis_of_others():
    plain = PinholeCamera(width=80, height=60, fx=60.0, fy=61.0, cx=40.0, cy=29.0)
    assert plain_camera(plain) == plain
    assert plain_camera(LENSES[0]) == plain
    near = np.array([0.01, -0.008, 1.0])
    wide = LENSES[1]
    np.testing.assert_allclose(
        plain_camera(wide).project(near)[0], wide.project(near)[0], atol=1e-3
    )


def test_a_file_that_only_exif_turns_is_not_copied(tmp_path):
    clip = rich_clip(tmp_path)
    lens = replace(clip.rig.cameras[0].camera, k1=0.0, p2=0.0)
    rig = replace(clip.rig, cameras=(replace(clip.rig.cameras[0], camera=lens),))
    clip.reader.meta = replace(clip.meta, rig=rig)
    data, kind = image_file(Clip(clip.reader), "CAM_FRONT", 0, "png")
    assert kind == "png" and data != clip.reader.image_bytes("CAM_FRONT", 0)[0]


def test_points_that_were_not_compensated_are_moved_to_the_sweeps_time():
    reader = ToyDrive("0", "toy:val")
    ego, mount = reader.ego(), RIG.lidars[0].ego_from_lidar
    whole = reader.sweep("top", 10)
    whole = whole[whole.returned]
    then = ego.at(whole.point_time_ns)
    world = whole.world_from_ego.apply(whole.points.astype(np.float64))
    raw = np.einsum("nji,nj->ni", then.rotation, world - then.translation)
    sweep = replace(whole, points=raw.astype(np.float32), motion_compensated=False)
    assert np.abs(sweep.points - whole.points).max() > 0.1
    rows, at = sweep_rows(sweep, mount, ego)
    wanted, _ = sweep_rows(whole, mount, ego)
    assert len(at) == len(whole)
    np.testing.assert_allclose(rows, wanted, atol=2e-4)


def test_shots_without_return_stay_where_nuscenes_keeps_them():
    reader = ToyDrive("0", "toy:val")
    mount = RIG.lidars[0].ego_from_lidar
    sweep = reader.sweep("top", 10)
    points = sweep.points.copy()
    points[0] = mount.translation  # where the unit is
    points[1] = [50.0, 0.0, 1.0]
    rows, at = sweep_rows(replace(sweep, points=points), mount, reader.ego())
    assert at.tolist() == [0, *range(7, len(sweep))]
    assert np.abs(rows[0, :3]).max() < 1e-6
    nothing, none = sweep_rows(sweep[:7], mount, reader.ego())
    assert nothing.tolist() == [[0, 0, 0, 0, 0]] and len(none) == 0


def test_unknown_intensity_and_ring_are_zero():
    sweep = ToyDrive("0", "toy:val").sweep("top", 10)[7:10]
    sweep = replace(
        sweep, intensity=np.array([np.nan, 1.0, 41 / 255], np.float32),
        ring=np.array([-1, 3, 300], np.int16),
    )  # fmt: skip
    rows, _ = sweep_rows(sweep, Pose.identity(), ToyDrive("0", "toy:val").ego())
    assert rows[:, 3].tolist() == [0, 255, 41] and rows[:, 4].tolist() == [0, 3, 255]


def test_a_track_with_two_boxes_at_once_is_refused():
    boxes = ToyDrive("0", "toy:val").boxes(0)
    twice = replace(boxes, track_id=np.array(["a", "a", "c", "d", ""]))
    found = Annotations(token, np.zeros(3))
    found.add("s", twice, Pose.identity(), None, None)  # a car and an adult: two objects
    assert len(found.instances()) == 4
    with pytest.raises(BadInput, match="two boxes in one key frame"):
        found.add("s", twice, Pose.identity(), None, None)


def test_radar_files_have_one_point_of_nothing():
    data = empty_file()
    header, _, body = data.partition(b"DATA binary\n")
    assert b"SIZE 4 4 4 1 2 4 4 4 4 4 1 1 1 1 1 1 1 1\nTYPE F F F I I F F F F F I I I" in header
    assert len(body) == 3 * 4 + 1 + 2 + 5 * 4 + 8 + 1
    assert np.isnan(np.frombuffer(body[:12], "<f4")).all()


def test_an_outbox_leaves_no_temporaries(tmp_path: Path):
    with pytest.raises(ValueError, match="stop"), Outbox(tmp_path, "s") as box:
        box.put("a/b/c.bin", b"1")
        assert box.has("a/b/c.bin") and not box.has("a/b/d.bin")
        raise ValueError("stop")
    files = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert files == ["a/b/c.bin"]
    (tmp_path / "file").write_bytes(b"")
    with Outbox(tmp_path, "s") as box, pytest.raises(BadInput, match="cannot be written"):
        box.put("file/below.bin", b"1")


def test_trimmed_clips_travel_and_answer_for_the_key_frames_that_stay():
    import pickle

    clip = Clip(ToyDrive("0", "toy:val"))
    cut = pickle.loads(pickle.dumps(trimmed(clip, lead=3, key_hz=1, between=False)))
    assert cut.times_ns.tolist() == clip.times_ns[[1, 3]].tolist()
    assert cut[1].boxes.same_as(clip[3].boxes)
    assert cut[1].lidar().same_as(clip[3].lidar())
    assert len(cut.sweeps["top"]) == 50 - 7 and len(cut.images["rear"]) == 2
    assert (cut[0].image("rear").pixels == clip[1].image("rear").pixels).all()
    assert not trimmed(clip, images=False).rig.cameras
    with pytest.raises(BadInput, match="2 key frames a second, not 4"):
        trimmed(clip, key_hz=4)
    with pytest.raises(BadInput, match="no key frame of 0 has 99 sweeps"):
        trimmed(clip, lead=99)


class GappyDrive(ToyDrive):
    """Key frames from ``there`` on lack their sweep."""

    there = 0

    def records(self, sensor):
        records = super().records(sensor)
        key = np.where(np.arange(len(records.key)) < self.there, records.key, -1)
        return replace(records, key=key)


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (1, r"has 20 sweeps before it: 4 of its 5 have no sweep.*--lead-sweeps 0 --partial"),
        (0, r"lidar: 0 has no key frame with a sweep.*restore"),
    ],
)
def test_why_a_cut_down_recording_has_no_key_frame_left(there, words):
    drive = GappyDrive("0", "toy:val")
    drive.there = there
    with pytest.raises(BadInput, match=words):
        trimmed(Clip(drive), lead=20)


@pytest.mark.parametrize(
    ("cameras", "images", "told"),
    [
        (("FRONT", "REAR"), 4, True), (("CAM_FRONT", "REAR"), 4, False), (("FRONT",), 0, False),
    ],
)  # fmt: skip
def test_cameras_that_no_detector_looks_for_are_told(cameras, images, told):
    done = Summary(
        written=1, kept=0, counts={"images": images, "boxes": 1}, left_out={}, names=("a",),
        cameras=cameras,
    )  # fmt: skip
    text = _told(done, Path("root"), "v1.0-trainval")
    assert f"1 scene, 0 key frames, {images} images, 0 sweeps, 1 box written" in text
    assert ("detectors look for CAM_FRONT, " in text) == told
    assert ("cameras are named FRONT, REAR" in text) == told


def test_a_root_into_which_a_scene_is_written_stays_with_its_export(tmp_path):
    one, other = NuScenesOptions(radar=False), NuScenesOptions(radar=True)
    facts = {"licence": "CC0-1.0", "labels": None, "rig": None}
    claim(tmp_path, "toy:val", ("0",), one, **facts)
    with (
        writing(tmp_path, "toy:val", one),
        writing(tmp_path, "toy:val", one),
        pytest.raises(BadInput, match="--radar: the folder was begun with False"),
    ):
        claim(tmp_path, "toy:val", ("0",), other, **facts)
    assert not (tmp_path / ".roadloom/writers.lock").exists()
    claim(tmp_path, "toy:val", ("0",), other, **facts)
    with (
        pytest.raises(BadInput, match="another export took the place"),
        writing(tmp_path, "toy:val", one),
    ):
        pass


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"version": "mini"}, "--version"),
        ({"city": "nowhere"}, "--city"),
        ({"official": "val", "split": "train"}, "--split"),
        ({"lead_sweeps": -1}, "--lead-sweeps"),
        ({"key_hz": 0}, "--key-hz"),
        ({"images": False, "camera_sweeps": True}, "--camera-sweeps"),
        ({"channels": (("a", "front"),)}, "--channel"),
        ({"image_format": "gif"}, "--image-format"),
    ],
)
def test_options_that_fit_nothing_are_refused(wrong, field):
    with pytest.raises(BadInput) as error:
        NuScenesOptions(**wrong)
    assert error.value.field == field


def test_the_program_exports_and_says_how_to_look(toy, tmp_path, capsys):
    root = tmp_path / "root"
    flags = ["--no-images", "--tile-m", "240", "--no-radar", "--official", "val"]
    with pytest.raises(SystemExit) as stop:
        main(["export", "nuscenes", f"{toy}:1", "--out", str(root), *flags])
    told = capsys.readouterr()
    assert stop.value.code == 0, told.err
    assert "1 scene, 4 key frames, 0 images, 45 sweeps, 14 boxes written" in told.out
    assert "4 object.bollard" in told.out
    assert f"roadloom view nuscenes:{root}@v1.0-trainval:scene-0003" in told.out
    assert "1 key frame left out: fewer sweeps before them" in told.out
    assert "detectors look for" not in told.out  # no image was asked for
    with pytest.raises(SystemExit):
        main(["export", "nuscenes", f"{toy}:1", "--out", f"{root}0", *flags, "--lead-sweeps", "0"])
    whole = capsys.readouterr().out
    assert "1 scene, 5 key frames" in whole and "left out: fewer" not in whole
    with pytest.raises(SystemExit):
        main(["export", "nuscenes", f"{toy}:1", "--out", str(root), *flags, "--channel", "x"])
    assert "write it as NAME=CHANNEL" in capsys.readouterr().err
