"""From windows to clips on disk, from recordings to conditions, and the command around both."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.pipelines.micro import VAE, micro_world, save_micro, street

import roadloom
from roadloom.cli.main import main
from roadloom.datasets.drive_conditions import trajectory_of
from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.distill import StudentGrid
from roadloom.errors import BadInput, MissingInput, NotRecorded
from roadloom.export.occ3d import Occ3dOptions, export_occ3d
from roadloom.export.ply import PlyOptions, export_ply
from roadloom.export.video import VideoOptions, export_video
from roadloom.geometry.pose import Pose
from roadloom.geometry.voxel_grid import CARLA_SC, OCC3D
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.motion import motion_of
from roadloom.pipelines.ego import between, compose, from_middle, invert, joined, poses_of
from roadloom.pipelines.generate import Wish, clips_of, default_model, write_generated
from roadloom.pipelines.hexplane import HexPlaneWorld
from roadloom.pipelines.pictures import SIZE, side_by_side, views
from roadloom.pipelines.real_windows import RealWindows, split_time
from roadloom.pipelines.saved import GeneratedClip, clip_of, packed, save_windows, story
from roadloom.pipelines.uses import How, Window, drive, generate, outpaint
from roadloom.scene.class_views import view
from roadloom.scene.clip import Clip
from roadloom.scene.regrid import regrid
from roadloom.viewer.bev import bev_picture, top_picture
from roadloom.viewer.write import ViewOptions, write_view

TWO = SamplerConfig(steps=2)
HOW = How(sampler=TWO)
STAY = Pose.identity()
STEP_M = 0.4
PATH = np.stack([np.arange(16) * STEP_M, np.zeros(16), np.arange(16) * 0.01], axis=1)


@pytest.fixture(scope="module")
def world() -> HexPlaneWorld:
    return micro_world()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """16 frames at 10 Hz on a folder, as a recording would be: four windows."""
    seen = torch.cat([street(seed) for seed in range(4)])
    labels = packed(view("dynamiccity12").to_classes(seen.numpy()))
    reader = GeneratedClip(
        "drive", labels, CARLA_SC, poses_of(PATH), hz=10.0, source="made:drive",
        licence="CC-BY-4.0",
        attributes={},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("recorded") / "drive"
    Clip(reader).save(folder)
    return f"folder:{folder}"


def windows(world: HexPlaneWorld, count: int = 2) -> list[Window]:
    return list(drive(world, count, 3, how=HOW))


def test_a_saved_clip_reads_back_equal(world: HexPlaneWorld, tmp_path: Path) -> None:
    made = windows(world)
    told = story(world, "generate", TWO)
    save_windows(world, made, tmp_path / "city", told)
    (clip,) = roadloom.open(f"folder:{tmp_path / 'city'}")
    assert clip.scene_id == "city" and len(clip) == 8 and clip.licence == "CC0-1.0"
    assert np.diff(clip.times_ns).tolist() == [100_000_000] * 7
    expected = torch.cat([window.labels for window in made]).numpy()
    for frame, labels in zip(clip, expected, strict=True):
        assert np.array_equal(frame.occupancy(CARLA_SC).as_view(world.class_view), labels)
    facts = clip.attributes["generated"]
    assert facts["seeds"] == [window.seed for window in made]
    assert facts["sampler"] == {"name": "flow_euler", "steps": 2, "shift": 1.0}
    assert facts["path_from"] == "the ego motion that the latent holds"
    with pytest.raises(BadInput, match="not empty"):
        save_windows(world, made, tmp_path / "city", told)


def test_a_clip_tells_the_guidance_that_was_used() -> None:
    """Asked for, or distilled into a student, which takes no other."""
    for built_in, told in ((1.0, 2.0), (1.5, 1.5)):
        student = micro_world(student=StudentGrid(steps=2), guidance=built_in)
        assert story(student, "generate", guidance=2.0)["guidance"] == told


def test_the_path_is_the_latents_the_trajectorys_or_told_unknown(world: HexPlaneWorld) -> None:
    made = windows(world, 1)
    told = world.motion(made[0].planes)
    assert told is not None
    clip = clip_of(world, made, "a", {})
    metres = told[0].double().numpy() * (0.4, 0.4, 1)
    found = trajectory_of(clip.ego.world_from_ego)
    assert np.allclose(found, compose(invert(metres[:1]), metres), atol=1e-5)
    rows = torch.tensor(PATH[: VAE.frames], dtype=torch.float32)
    led = [replace(window, conditions=Conditions(trajectory=rows[None])) for window in made]
    clip = clip_of(world, led, "b", {})
    assert np.allclose(trajectory_of(clip.ego.world_from_ego), rows, atol=1e-6)
    assert clip.attributes["generated"]["path_from"] == "the trajectory that was asked for"
    clip = clip_of(world, made, "c", {}, path="none")
    assert not clip.ego.world_from_ego.translation.any()
    assert "unknown" in clip.attributes["generated"]["path_from"]
    plain = micro_world(motion=False)
    moving = [replace(made[0], labels=street())]
    clip = clip_of(plain, moving, "d", {})
    assert "estimated" in clip.attributes["generated"]["path_from"]
    ahead = np.diff(clip.ego.world_from_ego.translation[:, 0])
    assert np.allclose(ahead, 0.4, atol=0.1), "the street comes nearer by a cell a frame"
    for kind in ("latent", "trajectory"):
        with pytest.raises(BadInput, match=f"no {kind}"):
            clip_of(plain, made, "e", {}, path=kind)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="no window"):
        clip_of(world, [], "f", {})


def test_motion_of_poses_comes_back_as_their_path() -> None:
    poses = poses_of(PATH[:4])
    rows = from_middle(torch.from_numpy(motion_of(poses, (0.4, 0.4))), (0.4, 0.4))
    assert np.allclose(rows, PATH[:4], atol=1e-6)


def test_windows_join_by_the_mean_of_the_steps_around_the_gap() -> None:
    first, second = PATH[:4] * (1, 1, 0), PATH[:4] * (3, 1, 0)
    path = joined([first, second])
    assert np.allclose(np.diff(path[:, 0]) / STEP_M, [1, 1, 1, 2, 3, 3, 3])
    arc = np.zeros((1, 3))
    for _ in range(15):
        arc = np.concatenate([arc, compose(arc[-1:], np.array([[0.4, 0.0, 0.05]]))])
    parts = [compose(invert(part[:1]), part) for part in np.split(arc, 4)]
    assert np.allclose(joined(parts), arc), "a steady turn is cut and joined without a trace"
    assert np.allclose(compose(PATH[:-1], between(PATH)), PATH[1:])


def test_conditions_of_a_recording_are_its_own(world: HexPlaneWorld, recorded: str) -> None:
    real = RealWindows(world, f"{recorded}@0.4")
    window = real.read(0)
    assert torch.equal(window.voxels, street(1)) and real.scene == "drive"
    found = real.conditions(0, ("layout", "trajectory", "command", "previous"))
    assert found.trajectory is not None and found.previous is not None
    expected = compose(invert(PATH[4:5]), PATH[4:8])
    assert np.allclose(found.trajectory[0], expected, atol=1e-6)
    assert found.command.tolist() == [2]  # type: ignore[union-attr]
    assert torch.equal(found.layout, world.layout(street(1)[None]))  # type: ignore[arg-type]
    before = real.read(-1)
    assert before.motion is not None
    planes = world.encode(street(0)[None], before.motion[None])
    assert torch.allclose(found.previous, world.generator.past_of(planes))
    assert real.conditions(1, ("command",)).values().keys() == {"command"}
    with pytest.raises(MissingInput, match="in a row"):
        real.read(3)
    with pytest.raises(MissingInput, match="outside the scene"):
        RealWindows(world, f"{recorded}@9")
    with pytest.raises(BadInput, match="frames a second"):
        RealWindows(micro_world(hz=20.0), recorded)


def test_a_time_is_what_follows_the_last_at() -> None:
    assert split_time("town-v1:val:3@2.5") == ("town-v1:val:3", 2.5)
    assert split_time("nuscenes:/d@v1.0-mini:scene-1") == ("nuscenes:/d@v1.0-mini:scene-1", 0.0)
    assert split_time("folder:/d") == ("folder:/d", 0.0)
    for moment in ("-1", "inf", "nan"):
        with pytest.raises(BadInput, match="no moment"):
            split_time(f"folder:/d@{moment}")


def test_generated_clips_have_no_more_than_they_say(world: HexPlaneWorld) -> None:
    clip = clip_of(world, windows(world, 1), "a", {})
    for ask in (
        lambda: clip[0].occupancy(OCC3D),
        lambda: clip[0].occupancy(CARLA_SC, solid=True),
        lambda: clip[0].boxes,
        lambda: clip.reader.records("CAM"),
    ):
        with pytest.raises(NotRecorded):
            ask()


def test_views_show_every_frame(world: HexPlaneWorld) -> None:
    window = replace(windows(world, 1)[0], labels=street())
    clip = clip_of(world, [window], "a", {})
    pictures = list(views(clip))
    assert len(pictures) == 4 and pictures[0].shape == (*SIZE, 3)
    assert not np.array_equal(pictures[0], pictures[3]), "the street moves"
    wide = side_by_side(pictures)
    assert np.array_equal(wide[:, : SIZE[1]], pictures[0])
    assert np.array_equal(wide[:, -SIZE[1] :], pictures[3])


def test_generated_clips_are_viewed_and_exported(world: HexPlaneWorld, tmp_path: Path) -> None:
    window = replace(windows(world, 1)[0], labels=street())
    clip = save_windows(world, [window], tmp_path / "city", {})
    source = f"folder:{tmp_path / 'city'}"
    above = bev_picture(clip[0], CARLA_SC, 128)
    top = top_picture(clip[0].occupancy(CARLA_SC))
    assert np.array_equal(above[:40, :40], top[:40, :40]), "without map and boxes, occupancy"
    written = write_view(clip, tmp_path / "view", ViewOptions(film=False))
    assert {"index.html", "bev.png", "occupancy.png"} <= {path.name for path in written}
    export_ply(source, tmp_path / "ply", PlyOptions(occupancy="points"))
    assert len(list((tmp_path / "ply").rglob("*.ply"))) == 4
    options = VideoOptions(cameras=False, width=64)
    assert export_video(source, tmp_path / "film", options).frames == 4
    with pytest.raises(NotRecorded, match="--regrid"):
        export_occ3d(source, tmp_path / "none", Occ3dOptions())
    export_occ3d(source, tmp_path / "occ3d", Occ3dOptions(regrid=True))
    (back,) = roadloom.open(f"occ3d:{tmp_path / 'occ3d'}")
    expected = regrid(clip[3].occupancy(CARLA_SC), OCC3D, frame="ego", new_from_old=STAY)
    found, occ3d = back[3].occupancy(OCC3D), view("occ3d18")
    assert np.array_equal(found.labels == 0, ~expected.occupied)
    same = expected.occupied
    assert np.array_equal(found.as_view(occ3d)[same], expected.as_view(occ3d)[same])


def test_wishes_that_cannot_be_are_refused() -> None:
    for wrong, words in (
        ({"count": 0}, "at least 1"),
        ({"guidance": float("nan")}, "must be finite"),
        ({"frames": 10**6}, "at most"),
        ({"edit": "forecast"}, "needed by use and edit"),
        ({"window": "folder:x"}, "nothing is made of it"),
        ({"window": "folder:x", "edit": "inpaint"}, "come together"),
        ({"paste": True}, "goes with"),
        ({"window": "folder:x", "edit": "forecast", "use": ("previous",)}, "go with an edit"),
        ({"command": ("up",)}, "no such command"),
    ):
        with pytest.raises(BadInput, match=words):
            Wish(**wrong)  # type: ignore[arg-type]


def test_a_wish_is_met_by_the_plain_functions(
    world: HexPlaneWorld, recorded: str, tmp_path: Path
) -> None:
    """The command's clips are what the functions give, conditions and seeds included."""
    how = How(sampler=world.sampler(2))
    (clip,) = clips_of(world, Wish(steps=2, seed=5, command=("left",)))
    given = Conditions(command=torch.tensor([2]))
    (window,) = generate(world, [5], given, how)
    assert labels_of(clip, world) == window.labels.tolist()
    file = tmp_path / "path.json"
    file.write_text(json.dumps(PATH[:8].tolist()))
    (clip,) = clips_of(world, Wish(steps=2, frames=6, trajectory=file))
    assert len(clip) == 6
    parts = [compose(invert(part[:1]), part) for part in np.split(PATH[:8], 2)]
    rows = [Conditions(trajectory=torch.from_numpy(part).float()[None]) for part in parts]
    made = list(drive(world, 2, 0, rows, how))
    expected = torch.cat([window.labels for window in made])[:6]
    assert labels_of(clip, world) == expected.tolist()
    assert np.allclose(trajectory_of(clip.ego.world_from_ego), PATH[:6], atol=1e-5)
    real = RealWindows(world, f"{recorded}@0.4").read(0)
    wish = Wish(steps=2, window=f"{recorded}@0.4", edit="outpaint", direction="left")
    (clip,) = clips_of(world, wish)
    other = outpaint(world, real.voxels, "left", 0, how=how, motion=real.motion)
    assert labels_of(clip, world) == other.labels.tolist()
    assert clip.licence == "CC-BY-4.0; CC0-1.0"


def labels_of(clip: Clip, world: HexPlaneWorld) -> list:  # type: ignore[type-arg]
    return [frame.occupancy(CARLA_SC).as_view(world.class_view).tolist() for frame in clip]


def test_numbers_of_windows_must_fit(world: HexPlaneWorld, recorded: str, tmp_path: Path) -> None:
    file = tmp_path / "path.json"
    for text in ("[[0, 0, 0]]", '{"x": 1}', "[[0, 0], [1]]", json.dumps([["a", 0, 0]] * 4)):
        file.write_text(text)
        with pytest.raises(BadInput, match=r"path\.json"):
            next(clips_of(world, Wish(trajectory=file)))
    with pytest.raises(BadInput, match="3 commands for 2 windows"):
        next(clips_of(world, Wish(command=("left",) * 3, frames=8)))
    wish = Wish(window=recorded, edit="inpaint", region="0,0,8,8", frames=8)
    with pytest.raises(BadInput, match="makes one window"):
        next(clips_of(world, wish))
    for nothing in (Wish(guidance=2.0), Wish(window=recorded, edit="outpaint", guidance=2.0)):
        with pytest.raises(BadInput, match="no condition to strengthen"):
            next(clips_of(world, nothing))
    with pytest.raises(BadInput, match="no rectangle"):
        next(clips_of(world, Wish(window=recorded, edit="inpaint", region="0,0,8")))


def test_nothing_is_left_of_what_failed(
    world: HexPlaneWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise BadInput("no room")

    monkeypatch.setattr("roadloom.pipelines.generate.write_look", fails)
    with pytest.raises(BadInput, match="no room"):
        write_generated(world, Wish(steps=1), tmp_path / "out", film=False)
    assert not list(tmp_path.iterdir())


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    told = capsys.readouterr()
    assert isinstance(stop.value.code, int)
    return stop.value.code, told.out + told.err


def test_the_command_end_to_end(
    recorded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, vae = save_micro(tmp_path / "models")
    words = ["generate", "hexplane", "--model", model, "--vae", vae, "--steps", 1]
    out = tmp_path / "out"
    code, told = run(capsys, *words, "--out", out, "--count", 2)
    assert code == 0 and f"folder:{out}" in told
    assert sorted(path.name for path in out.iterdir()) == [
        "look.mp4", "look.png", "window-0000", "window-0001",
    ]  # fmt: skip
    assert run(capsys, "validate", f"folder:{out}")[0] == 0
    code, told = run(capsys, *words, "--out", out)
    assert code == 2 and "not empty" in told
    edit = ["--window", f"{recorded}@0.4", "--edit", "inpaint", "--region=0,-8,8,8", "--paste"]
    code, told = run(capsys, *words, "--out", tmp_path / "edit", "--no-film", *edit)
    assert code == 0 and not (tmp_path / "edit" / "look.mp4").exists()
    (clip,) = roadloom.open(f"folder:{tmp_path / 'edit'}")
    facts = clip.attributes["generated"]
    assert facts["use"] == "inpaint" and facts["region_m"] == "0,-8,8,8" and facts["paste"]
    first = roadloom.open(recorded)[0][4].occupancy(CARLA_SC).as_view(view("dynamiccity12"))
    made = clip[0].occupancy(CARLA_SC).as_view(view("dynamiccity12"))
    changed = (made != first).any(-1)
    assert changed.any() and not changed[:50].any(), "pasted behind the region"
    later = ["--window", f"{recorded}@0.4", "--edit", "forecast", "--use", "trajectory", "command"]
    code, told = run(
        capsys, *words, "--out", tmp_path / "later", "--no-film", *later, "--frames", 8
    )
    assert code == 0
    (clip,) = roadloom.open(f"folder:{tmp_path / 'later'}")
    # Conditions are those of the windows after the one that is given.
    expected = compose(invert(PATH[8:9]), PATH[8:16])
    assert np.allclose(trajectory_of(clip.ego.world_from_ego), expected, atol=1e-4)
    assert clip.attributes["generated"]["conditions"] == ["command", "trajectory"]


def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", tmp_path / "out"]
    for words, told in (
        (["--model", tmp_path / "none"], "no folder and no model that ships"),
        (["--device", "abacus"], "device"),
        (["--command", "left", "--frames", "-1"], "at least 1"),
    ):
        code, text = run(capsys, "generate", "hexplane", *out, *words)
        assert code == 2 and told in text and text.count("\n") == 1, text
    assert not (tmp_path / "out").exists()


def test_the_default_is_the_shipped_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadloom.models.store._shelf", lambda: tmp_path)
    with pytest.raises(MissingInput, match="no generator ships"):
        default_model()
    save_micro(tmp_path)
    assert default_model() == "dit"
    save_micro(tmp_path / "more", student=True)
    (tmp_path / "more" / "dit").rename(tmp_path / "quick")
    assert default_model() == "quick"
