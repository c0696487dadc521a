"""The program as a user meets it: help, one-line errors, exit codes."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from roadloom.cli.info import Info
from roadloom.cli.main import COMMANDS, GROUPS, main
from roadloom.cli.many import counted
from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import CARLA_SC, GRIDS
from roadloom.scene.labels import LabelFolder
from roadloom.scene.occupancy import Occupancy


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from roadloom.cli.main import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
    )


ALL = {(name,): kind for name, kind in COMMANDS.items()} | {
    (group, name): kind for group, kinds in GROUPS.items() for name, kind in kinds.items()
}
every_command = pytest.mark.parametrize("words", ALL, ids=" ".join)


def help_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


@every_command
def test_help_explains_every_flag(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    text = help_of(*words, capsys=capsys)
    assert f"Example: roadloom {' '.join(words)}" in re.sub(r"\s+", " ", text)
    assert "--debug" in text


@every_command
def test_help_names_every_grid(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    flags = {f.name for f in fields(ALL[words])}  # type: ignore[arg-type]
    asks = "grid" in flags or words == ("prepare",)
    text = help_of(*words, capsys=capsys)
    assert not asks or [name for name in GRIDS if name not in text] == []


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(group, capsys=capsys)
    assert all(re.search(rf"\b{name}\b", text) for name in GROUPS[group])


OVER_SOURCE = {"source", "out", "workers", "shard"}
OF_CHOICES = {"teacher", "start", "student_steps", "student_rank", "guidance", "partial"}
OF_RECIPE = {"recipe", "steps", "micro_batch", "workers", "device"}
OVER_DRIVES = OVER_SOURCE | {"labels", "grid", "rig"}


def test_flags_do_not_grow_unseen() -> None:
    """A new flag is a decision: add it here, or write a function that returns a configuration."""
    flags = {
        " ".join(words): {f.name for f in fields(kind)} - {"debug"}  # type: ignore[arg-type]
        for words, kind in ALL.items()
    }
    expected = {
        "demo": {"out", "scene", "rig"},
        "encode": {
            "data", "vae", "out", "stride", "batch", "shard", "clips", "partial", "device",
            "precision",
        },
        "info": {"source", "json"},
        "validate": {"source", "partial", "most"},
        "view": {"source", "out", "all", "labels", "rig", "film", "max_frames", "image_width"},
        "plan": OF_RECIPE | OF_CHOICES | {"data", "json"},
        "train": OF_RECIPE | OF_CHOICES | {"data", "out", "strategy", "tensorboard", "plan"},
        "parity": {"fixture", "out"},
        "prepare": OVER_SOURCE | {
            "occupancy", "layouts", "boxes", "images", "cameras", "sweeps", "hz",
        },
        "label": OVER_SOURCE | {
            "grid", "frame", "window", "target", "boxes", "masks", "future", "min_hits",
            "partial", "ego_box", "carve_ground",
        },
        "evaluate generation": {
            "made", "real", "out", "scene", "view", "count", "real_count", "stride", "partial",
            "device",
        },
        "evaluate reconstruction": {
            "data", "vae", "out", "count", "stride", "partial", "device",
        },
        "export ply": OVER_DRIVES | {
            "sweeps", "occupancy", "boxes", "merge", "frame", "voxel_m",
        },
        "export video": OVER_DRIVES | {
            "cameras", "bev", "boxes", "lidar", "rate", "width", "crf",
        },
        "export rerun": OVER_DRIVES | {
            "rate", "cameras", "lidar", "boxes", "occupancy", "map", "map_range_m", "image_width",
        },
        "export occ3d": OVER_SOURCE | {"labels", "masks", "split", "lower", "regrid"},
        "export nuscenes": OVER_SOURCE | {
            "labels", "rig", "version", "official", "split", "city", "tile_m", "lead_sweeps",
            "key_hz", "images", "camera_sweeps", "image_format", "radar", "channel", "occupancy",
            "partial",
        },
        "generate hexplane": {
            "out", "model", "vae", "count", "frames", "steps", "seed", "guidance", "command",
            "trajectory", "window", "use", "edit", "region", "direction", "paste", "film",
            "device",
        },
        "render lidar": OVER_SOURCE | {"labels", "grid", "lidar", "keys_only", "moving", "format"},
        "render cameras": OVER_DRIVES | {"size", "cameras", "view", "spread", "half", "pictures"},
    }  # fmt: skip
    assert flags == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nonsense", "is no source"),
        ("nuscenez:/data", "unknown kind of source"),
        ("nuscenes:/does/not/exist", "/does/not/exist"),
        ("av2:/does/not/exist", "/does/not/exist"),
        ("folder:/does/not/exist", "/does/not/exist"),
        ("layouts:/does/not/exist.json", "/does/not/exist"),
        ("town-v1:nowhere", "nowhere"),
        ("town-v1:val:99999", "99999"),
    ],
)
def test_bad_sources_are_one_line_with_a_remedy(source: str, words: str, tmp_path: Path) -> None:
    done = run("view", source, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr and "remedy: " in done.stderr
    assert not (tmp_path / "out").exists(), "nothing is written for a source that does not open"


@pytest.mark.parametrize("scene", ["99999", "-1", "1e3", "nowhere"])
def test_validate_refuses_a_scene_that_is_not_there(scene: str) -> None:
    done = run("validate", f"town-v1:val:{scene}")
    assert done.returncode == 1
    assert "no scene" in done.stdout and "is sound" not in done.stdout


@pytest.mark.parametrize(
    "flags",
    [("--image-width", "0"), ("--image-width", "100000"), ("--max-frames", "0")],
    ids=" ".join,
)
def test_bad_options_are_one_line(flags: tuple[str, ...], tmp_path: Path) -> None:
    done = run("view", "town-v1:val:0", "--out", str(tmp_path / "out"), *flags)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "unexpected" not in done.stderr, done.stderr


def test_out_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    done = run("demo", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "unexpected" not in done.stderr and str(tmp_path / "out") in done.stderr


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    code = "import sys; from roadloom.cli.main import main; main(sys.argv[1:])"
    line = f"{sys.executable} -c '{code}' validate folder:{tmp_path} --most 100000 | true"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""


def test_info_lists_the_scenes_of_a_source() -> None:
    lines = run("info", "town-v1:val").stdout.splitlines()
    assert len(lines) == 150 and lines[3].startswith("3  Clip(town-v1:val:3, 40 key frames")
    scenes = json.loads(run("info", "town-v1:val", "--json").stdout)["scenes"]
    assert scenes == [str(i) for i in range(150)]


def test_another_rig_only_where_the_world_is_made(tmp_path: Path) -> None:
    from roadloom.sensors.presets import preset
    from roadloom.sensors.rig_yaml import rig_to_yaml

    file = tmp_path / "rig.yaml"
    file.write_text(rig_to_yaml(preset("av2")))
    done = run("view", f"folder:{tmp_path}", "--rig", str(file), "--out", str(tmp_path / "out"))
    assert done.returncode == 2 and "another rig" in done.stderr
    file.write_text("roadloom_rig: 1\nname: broken\n")
    done = run("demo", "--rig", str(file), "--out", str(tmp_path / "out"))
    assert done.returncode == 2 and str(file) in done.stderr


def _finishes() -> int:
    return 0


def _finds_an_error() -> int:
    raise BadInput("nothing is right")


def _is_told_to_end() -> int:
    signal.raise_signal(signal.SIGTERM)
    raise AssertionError("went on")


@pytest.mark.parametrize(
    ("work", "status"), [(_finishes, 0), (_finds_an_error, 2), (_is_told_to_end, 130)]
)
def test_a_run_leaves_sigterm_as_it_was(
    work: Callable[[], int], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else children that a caller forks later inherit a handler, and can miss the signal."""
    monkeypatch.setattr(Info, "run", lambda _: work())
    usual = signal.getsignal(signal.SIGTERM)
    try:
        for before in (signal.SIG_DFL, signal.SIG_IGN, lambda *_: None):
            signal.signal(signal.SIGTERM, before)
            with pytest.raises(SystemExit) as stop:
                main(["info", "town-v1:val"])
            assert stop.value.code == status
            assert signal.getsignal(signal.SIGTERM) == before
    finally:
        signal.signal(signal.SIGTERM, usual)


def test_debug_shows_the_traceback() -> None:
    done = run("view", "nonsense", "--out", "unused", "--debug")
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_validate_counts_and_fails(tmp_path: Path) -> None:
    done = run("validate", f"folder:{tmp_path}")
    assert done.returncode == 1
    assert re.search(r"FAILED: \d+ problem", done.stdout)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["semantickitti", "occ3d", "nuscenes", "av2", "layouts"])
def test_a_source_without_scenes_is_not_sound(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sequences").mkdir()
    (tmp_path / "gts").mkdir()
    for words in (["validate"], ["info"], ["view", "--out", str(tmp_path / "out")]):
        with pytest.raises(SystemExit) as stop:
            main([words[0], f"{kind}:{tmp_path}", *words[1:]])
        said = capsys.readouterr()
        assert stop.value.code == (1 if words == ["validate"] else 2)
        assert "is sound" not in said.out and "remedy" in said.out + said.err


def test_info_tells_of_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = LabelFolder.create(
        tmp_path / "l", {"source": "toy:a", "licence": "CC0-1.0", "recipe": {"min_hits": 3}}
    )
    cells = np.zeros(CARLA_SC.shape, np.uint8)
    for time_ns in (5, 9):
        made.add("s", time_ns, Occupancy(grid=CARLA_SC, labels=cells))
    made.finish("s")
    told = []
    for flags in ([], ["--json"]):
        with pytest.raises(SystemExit) as stop:
            main(["info", f"labels:{made.folder}", *flags])
        assert stop.value.code == 0
        told.append(capsys.readouterr().out)
    assert told[0].startswith("2 labels of 1 scene\n") and "min_hits        3" in told[0]
    assert "toy:a" in told[0] and "CC0-1.0" in told[0]
    assert re.search(r"^s  2 labels, carla_sc, ego frame, [0-9.]+ kB$", told[0], re.M)
    held = json.loads(told[1])
    assert held["recipe"] == {"min_hits": 3}
    assert (held["scenes"]["s"]["labels"], held["scenes"]["s"]["finished"]) == (2, True)


@pytest.mark.parametrize(
    ("number", "what", "told"),
    [(1, "box", "1 box"), (0, "box", "0 boxes"), (1, "key frame", "1 key frame"),
     (2, "scene", "2 scenes")],
)  # fmt: skip
def test_counted(number: int, what: str, told: str) -> None:
    assert counted(number, what) == told


def test_validate_passes_the_built_in_town() -> None:
    done = run("validate", "town-v1:val:0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "is sound" in done.stdout


def test_info_as_json() -> None:
    facts = json.loads(run("info", "--json").stdout)
    assert facts["packages"]["numpy"] and facts["class_list"]["classes"] > 50


def test_version() -> None:
    import roadloom

    assert run("--version").stdout == f"roadloom {roadloom.__version__}\n"
