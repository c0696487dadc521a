"""Damage to every file, table and field of our own format: always a typed error that names it."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.scene.rich_clip import START_NS, rich_clip

from roadloom.errors import BadInput, MissingInput
from roadloom.scene.folder_file import DAY_NS
from roadloom.scene.registry import open_reader

Damage = Callable[[Path], None]

FILES = (
    "clip.json",
    "rig.yaml",
    "ego.csv",
    "keys.csv",
    "cameras/CAM_FRONT.csv",
    "lidars/TOP.csv",
    "lidars/SIDE.csv",
    "cameras/CAM_FRONT/000001.jpg",
    "cameras/CAM_LEFT/000001.png",
    "cameras/CAM_FRONT/000001_depth.npz",
    "cameras/CAM_FRONT/000000_semantic.npz",
    "lidars/TOP/000002.npz",
    "boxes/000000.csv",
    "occupancy/grid0/000000.npz",
    "map/map.json",
    "map/ground.npz",
    "map/mask_0.png",
)


def replaced(data: bytes) -> Damage:
    return lambda path: None if path.write_bytes(data) else None


def truncated(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: 2 * len(data) // 3])


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


WHOLE: dict[str, Damage] = {
    "missing": Path.unlink,
    "empty": replaced(b""),
    "truncated": truncated,
    "garbage": replaced(bytes(range(256)) * 3),
    "text": replaced(b"something else\n"),
    "folder": a_folder,
}


def table(edit: Callable[[list[list[str]]], None]) -> Damage:
    """Edit the rows of a CSV; row 0 holds the names."""

    def damage(path: Path) -> None:
        rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
        edit(rows)
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        path.write_text(buffer.getvalue())

    return damage


def cell(column: str, value: str, row: int = 1) -> Damage:
    def edit(rows: list[list[str]]) -> None:
        rows[row][rows[0].index(column)] = value

    return table(edit)


def without(column: str) -> Damage:
    def edit(rows: list[list[str]]) -> None:
        place = rows[0].index(column)
        for row in rows:
            del row[place]

    return table(edit)


def twice(column: str) -> Damage:
    def edit(rows: list[list[str]]) -> None:
        place = rows[0].index(column)
        for row in rows:
            row.append(row[place])

    return table(edit)


def renamed(column: str) -> Damage:
    def edit(rows: list[list[str]]) -> None:
        rows[0][rows[0].index(column)] += "x"

    return table(edit)


def same_as_above(column: str) -> Damage:
    def edit(rows: list[list[str]]) -> None:
        place = rows[0].index(column)
        rows[2][place] = rows[1][place]

    return table(edit)


def left_handed(rows: list[list[str]]) -> None:
    for name in ("r00", "r10", "r20"):
        place = rows[0].index(name)
        rows[1][place] = str(-float(rows[1][place]))


def in_json(*keys: str | int, value: Any = "GONE") -> Damage:
    """Set a value inside a JSON or YAML file, or delete it."""

    def damage(path: Path) -> None:
        text = path.read_text()
        tree = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        inner = tree
        for key in keys[:-1]:
            inner = inner[key]
        if value == "GONE":
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
        path.write_text(json.dumps(tree))  # JSON is YAML

    return damage


def in_text(old: str, new: str) -> Damage:
    def damage(path: Path) -> None:
        text = path.read_text()
        assert re.search(old, text)
        path.write_text(re.sub(old, new, text, count=1))

    return damage


def array(name: str, change: Callable[[np.ndarray], Any]) -> Damage:
    """Change one array of an npz file; None takes it out."""

    def damage(path: Path) -> None:
        with np.load(path) as file:
            arrays = dict(file)
        arrays[name] = change(arrays.get(name, np.zeros(0)))
        kept = {k: v for k, v in arrays.items() if v is not None}
        np.savez(path, allow_pickle=True, **kept)

    return damage


def put(index: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(old: np.ndarray) -> np.ndarray:
        new = old.copy()
        new.reshape(-1)[index] = value
        return new

    return change


def pickled(old: np.ndarray) -> np.ndarray:
    return np.full(old.shape, None, object)


def gone(_: np.ndarray) -> None:
    return None


def picture(size: tuple[int, int]) -> Damage:
    def damage(path: Path) -> None:
        Image.new("RGB", size).save(path)

    return damage


def cases() -> Iterator[tuple[str, str, Damage, str | None]]:
    """Name, file, damage, field that the error must name (None: the file as a whole)."""
    for file in FILES:
        for what, damage in WHOLE.items():
            yield f"{file} {what}", file, damage, "ANY"
    for file in ("ego.csv", "cameras/CAM_FRONT.csv", "lidars/TOP.csv", "boxes/000000.csv"):
        for column in ("x", "y", "z", "r00", "r12", "r22"):
            yield f"{file} {column} missing", file, without(column), column
            yield f"{file} {column} nan", file, cell(column, "nan"), column
            yield f"{file} {column} blank", file, cell(column, ""), column
        yield f"{file} y text", file, cell("y", "left"), "y"
        yield f"{file} x far", file, cell("x", "-1e12"), "x"
        yield f"{file} z infinite", file, cell("z", "-inf"), "z"
        yield f"{file} y twice", file, twice("y"), "y"
        yield f"{file} z renamed", file, renamed("z"), "zx"
        yield f"{file} left-handed", file, table(left_handed), "r00"
        yield f"{file} stretched", file, cell("r22", "1.1"), "r00"
    for file in ("ego.csv", "keys.csv", "cameras/CAM_FRONT.csv", "lidars/TOP.csv"):
        yield f"{file} time missing", file, without("time_ns"), "time_ns"
        yield f"{file} time twice", file, same_as_above("time_ns"), "time_ns"
        yield f"{file} time falls", file, cell("time_ns", "5", row=2), "time_ns"
        yield f"{file} time a float", file, cell("time_ns", "1.6e18"), "time_ns"
        yield f"{file} time nan", file, cell("time_ns", "NaN"), "time_ns"
        yield f"{file} time blank", file, cell("time_ns", ""), "time_ns"
        yield f"{file} time too large", file, cell("time_ns", "9" * 19, row=-1), "time_ns"
    yield (
        "ego.csv no rows",
        "ego.csv",
        table(lambda rows: rows.__delitem__(slice(1, None))),
        "time_ns",
    )
    yield (
        "ego.csv short",
        "ego.csv",
        table(lambda rows: rows.__delitem__(slice(50, None))),
        "time_ns",
    )
    yield from _keys()
    yield from _records()
    yield from _boxes()
    yield from _clip_json()
    yield from _rig()
    yield from _arrays()
    yield from _map()


def _keys() -> Iterator[tuple[str, str, Damage, str | None]]:
    file = "keys.csv"
    for sensor in ("TOP", "CAM_FRONT", "CAM_LEFT", "SIDE"):
        yield f"{file} {sensor} past the end", file, cell(sensor, "99"), sensor
        yield f"{file} {sensor} negative", file, cell(sensor, "-2"), sensor
        yield f"{file} {sensor} text", file, cell(sensor, "first"), sensor
        yield f"{file} {sensor} a float", file, cell(sensor, "1.0"), sensor
    yield f"{file} CAM_FRONT far in time", file, cell("CAM_FRONT", "2"), "CAM_FRONT"
    yield f"{file} TOP not its time", file, cell("TOP", "1"), "TOP"
    yield f"{file} unknown sensor", file, renamed("CAM_LEFT"), "CAM_LEFTx"
    for column in ("boxes", "occupancy/grid0"):
        yield f"{file} {column} outside", file, cell(column, "../a.csv"), column
        yield f"{file} {column} absolute", file, cell(column, "/etc/passwd"), column
        yield f"{file} {column} twice", file, same_as_above(column), column
    yield f"{file} grid unknown", file, renamed("occupancy/grid0"), "occupancy/grid0x"


def _records() -> Iterator[tuple[str, str, Damage, str | None]]:
    for file in ("cameras/CAM_FRONT.csv", "lidars/TOP.csv"):
        yield f"{file} file outside", file, cell("file", "a/../../b"), "file"
        yield f"{file} file twice", file, same_as_above("file"), "file"
    file = "cameras/CAM_FRONT.csv"
    for kind in ("depth", "semantic"):
        yield f"{file} {kind} absolute", file, cell(kind, "/a.npz"), kind
        yield f"{file} {kind} renamed", file, renamed(kind), f"{kind}x"


def _boxes() -> Iterator[tuple[str, str, Damage, str | None]]:
    file = "boxes/000000.csv"
    for column in ("length", "width", "height"):
        for value in ("0", "-1", "nan", ""):
            yield f"{file} {column} {value!r}", file, cell(column, value), column
        yield f"{file} {column} missing", file, without(column), column
    yield f"{file} class unknown", file, cell("class", "vehicle.boat"), "class"
    for name in ("free", "unknown"):
        yield f"{file} class {name}", file, cell("class", name), "class"
    for column in ("x", "length", "vx"):
        yield f"{file} {column} far", file, cell(column, "1e10"), column
    yield f"{file} class a number", file, cell("class", "19"), "class"
    yield f"{file} class missing", file, without("class"), "class"
    for column in ("token", "track_id"):
        yield f"{file} {column} twice", file, _filled(column), column
    for column in ("num_lidar_points", "num_radar_points"):
        for value in ("-5", "2147483648", "1.5", "many"):
            yield f"{file} {column} {value}", file, cell(column, value), column
    for value in ("5", "-1", "full"):
        yield f"{file} visibility {value}", file, cell("visibility", value), "visibility"
    for column in ("vx", "vy", "vz"):
        yield f"{file} {column} infinite", file, cell(column, "inf"), column
        yield f"{file} {column} text", file, cell(column, "fast"), column


def _filled(column: str) -> Damage:
    def edit(rows: list[list[str]]) -> None:
        for row in rows[1:]:
            row[rows[0].index(column)] = "same"

    return table(edit)


def _clip_json() -> Iterator[tuple[str, str, Damage, str | None]]:
    file = "clip.json"
    for name in ("roadloom_clip", "scene_id", "licence"):
        yield f"{file} {name} missing", file, in_json(name), name
    for name in ("scene_id", "licence", "source", "lidar", "map", "class_hash", "grids"):
        yield f"{file} {name} a number", file, in_json(name, value=3), name
    for value in (0, 2, "1", 1.5, True, None):
        yield (
            f"{file} schema {value!r}",
            file,
            in_json("roadloom_clip", value=value),
            "roadloom_clip",
        )
    for value in ("", "a:b", "a/b", "a b", "..", "a\0b", "\x1b[31m", "\ud800", "x" * 121):
        yield f"{file} scene_id {value[:9]!r}", file, in_json("scene_id", value=value), "scene_id"
    yield f"{file} class list", file, in_json("class_hash", value="0123456789abcdef"), "class_hash"
    yield f"{file} no such lidar", file, in_json("lidar", value="BOTTOM"), "lidar"
    yield f"{file} camera for lidar", file, in_json("lidar", value="CAM_FRONT"), "lidar"
    yield f"{file} unknown field", file, in_json("licens", value="x"), "licens"
    yield f"{file} key twice", file, in_text('"lidar"', '"source": "a", "lidar"'), "source"
    yield f"{file} map outside", file, in_json("map", value="../map.json"), "map"
    yield f"{file} attributes a list", file, in_json("attributes", value=[1]), "attributes"
    mount = "our_from_vehicle"
    yield f"{file} {mount} text", file, in_json(mount, value="here"), mount
    for place, value in (("translation_m", [0, 0]), ("rotation", [[1, 0, 0]]), ("rotation", 1)):
        damage = in_json(mount, place, value=value)
        yield f"{file} {mount} {place} {value}", file, damage, f"{mount}.{place}"
    mirror = in_json(mount, "rotation", value=[[1, 0, 0], [0, 1, 0], [0, 0, -1]])
    yield f"{file} {mount} left-handed", file, mirror, f"{mount}.rotation"
    yield f"{file} nan", file, in_text("0.32", "NaN"), None
    for place, value in (("shape", [0, 1, 1]), ("cell_m", [0, 1, 1])):
        damage = in_json("grids", "grid0", place, value=value)
        yield f"{file} grid {place} {value}", file, damage, "grids.grid0"
    for name, commands in {
        "unknown word": [[START_NS, "fly"]],
        "word of another case": [[START_NS, "Left"]],
        "no word": [[START_NS, ""]],
        "later word": [[START_NS, "follow"], [START_NS + 1, "\ud800"]],
        "negative": [[-1, "follow"], [START_NS, "left"]],
        "falling": [[START_NS, "follow"], [START_NS - 1, "left"]],
        "two days early": [[START_NS - 2 * DAY_NS, "follow"]],
        "two days late": [[START_NS, "follow"], [START_NS + 2 * DAY_NS, "left"]],
        "beyond 64 bits": [[START_NS, "follow"], [2**70, "left"]],
    }.items():
        yield f"{file} commands {name}", file, in_json("commands", value=commands), "commands"
    damage = in_json("grids", "grid0", "shape", value=[1, 2])
    yield f"{file} grid shape short", file, damage, "grids[...].shape"


def _rig() -> Iterator[tuple[str, str, Damage, str | None]]:
    file = "rig.yaml"
    camera: tuple[str | int, ...] = ("cameras", 0)
    for name in ("name", "width", "fx", "cy", "ego_from_camera"):
        yield f"{file} camera {name} missing", file, in_json(*camera, name), "ANY"
    for name, value in (
        ("width", 0), ("height", 1.5), ("fx", -1.0), ("cx", ".nan"), ("model", "box"),
        ("name", "CAM_LEFT"), ("name", "a/b"), ("k1", "strong"),
    ):  # fmt: skip
        yield f"{file} camera {name} {value}", file, in_json(*camera, name, value=value), "ANY"
    mirror = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
    damage = in_json(*camera, "ego_from_camera", "rotation", value=mirror)
    yield f"{file} left-handed", file, damage, "ANY"
    yield f"{file} version", file, in_json("roadloom_rig", value=9), "ANY"


def _arrays() -> Iterator[tuple[str, str, Damage, str | None]]:
    file = "lidars/TOP/000002.npz"
    columns = ("points", "point_time_ns", "ring", "intensity", "origin_id", "returned", "label")
    for name in columns:
        yield f"sweep {name} pickled", file, array(name, pickled), name
        yield f"sweep {name} text", file, array(name, lambda a: a.astype("U")), name
        yield f"sweep {name} short", file, array(name, lambda a: a[:-1]), "ANY"
    for name in ("points", "motion_compensated", "class_hash", "origin_name", "origin_rotation"):
        yield f"sweep {name} missing", file, array(name, gone), name
    yield "sweep points nan", file, array("points", put(4, np.nan)), "points"
    yield "sweep points infinite", file, array("points", put(5, np.inf)), "points"
    yield "sweep points double", file, array("points", lambda a: a.astype(float)), "points"
    yield "sweep points flat", file, array("points", lambda a: a[:, :2]), "points"
    yield "sweep intensity infinite", file, array("intensity", put(4, np.inf)), "intensity"
    yield "sweep points bool", file, array("points", lambda a: a > 0), "points"
    yield "sweep points far", file, array("points", put(4, 1e10)), "points"
    yield "sweep intensity of bytes", file, array("intensity", put(4, 200)), "intensity"
    yield "sweep intensity below 0", file, array("intensity", put(4, -0.1)), "intensity"
    yield "sweep ring below -1", file, array("ring", put(4, -2)), "ring"
    yield "sweep origin_id dangling", file, array("origin_id", put(0, 2)), "origin_id"
    yield "sweep label unknown", file, array("label", put(0, 200)), "label"
    yield "sweep class list", file, array("class_hash", lambda _: np.array("x")), "class_hash"
    yield "sweep origin mirrored", file, array("origin_rotation", put(0, -1.0)), "origin_rotation"
    yield (
        "sweep origin nan",
        file,
        array("origin_translation", put(0, np.nan)),
        "origin_translation",
    )
    yield "sweep unknown array", file, array("rings", lambda _: np.zeros(3)), "rings"
    file = "cameras/CAM_FRONT/000001_depth.npz"
    for value in (np.nan, 0.0, -3.0, -np.inf):
        yield f"depth {value}", file, array("depth", put(7, value)), "depth"
    yield "depth size", file, array("depth", lambda a: a.T), "depth"
    yield "depth pickled", file, array("depth", pickled), "depth"
    file = "cameras/CAM_FRONT/000000_semantic.npz"
    yield "semantic unknown class", file, array("semantic", put(0, 254)), "semantic"
    yield "semantic class list", file, array("class_hash", lambda _: np.array("")), "class_hash"
    yield "semantic size", file, array("semantic", lambda a: a[:-1]), "semantic"
    file = "cameras/CAM_FRONT/000001_normal.npz"
    for name, change in {
        "long": lambda a: a * np.float32(1.01),
        "short": lambda a: a * np.float32(0.99),
        "zero": np.zeros_like,
        "too long within 1": np.ones_like,
        "one short": put(-1, -0.7),
        "one nan": put(-1, np.nan),
        "infinite": put(-1, np.inf),
    }.items():
        yield f"normal {name}", file, array("normal", change), "normal"
    file = "occupancy/grid0/000000.npz"
    yield "occupancy labels missing", file, array("labels", gone), "labels"
    yield "occupancy labels pickled", file, array("labels", pickled), "labels"
    yield "occupancy labels unknown", file, array("labels", put(0, 200)), "labels"
    yield "occupancy class list", file, array("class_hash", lambda _: np.array("x")), "class_hash"
    yield "occupancy schema", file, array("schema", lambda _: np.array(2)), "schema"
    yield "occupancy other grid", file, array("lower_m", lambda a: a + 1), "grid"
    yield "occupancy corner nan", file, array("lower_m", put(0, np.nan)), "ANY"
    yield "occupancy mask short", file, array("mask_lidar", lambda a: a[1:]), "mask_lidar"
    for file in ("cameras/CAM_FRONT/000001.jpg", "cameras/CAM_LEFT/000001.png"):
        yield f"{file} wrong size", file, picture((16, 24)), "size"


def _map() -> Iterator[tuple[str, str, Damage, str | None]]:
    file = "map/map.json"
    for name in ("schema", "polygons", "lines", "lanes", "rasters", "ground"):
        yield f"map {name} missing", file, in_json(name), name
        yield f"map {name} a number", file, in_json(name, value=7), name
    exterior = ("polygons", "drivable_area", 0, "exterior")
    yield "map x null", file, in_json(*exterior, 0, 0, value=None), "ANY"
    yield "map point short", file, in_json(*exterior, 0, value=[1, 2]), "ANY"
    yield "map lane id", file, in_json("lanes", 0, "id", value=5), "lanes[0].id"
    raster = ("rasters", "drivable_area")
    for name in ("../mask_0.png", "/mask_0.png", "other.png"):
        damage = in_json(*raster, "file", value=name)
        yield f"map mask {name}", file, damage, "rasters.drivable_area.file"
    yield "ground pickled", "map/ground.npz", array("ground", pickled), "ground"
    yield "ground flat", "map/ground.npz", array("ground", lambda a: a[0]), "ground"
    yield "ground missing", "map/ground.npz", array("ground", gone), "ground"


CASES = {name: (file, damage, field) for name, file, damage, field in cases()}
RENAMES = {
    # A mask is looked for when the map is read: the map that names it is at fault.
    "map/mask_0.png missing": "map/map.json",
    "map/mask_0.png folder": "map/map.json",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    rich_clip(folder).save(folder / "clip")
    return folder / "clip"


@pytest.fixture(autouse=True)
def restored(saved: Path) -> Iterator[None]:
    """Put every file back as it was."""
    before = {p: p.read_bytes() for p in saved.rglob("*") if p.is_file()}
    yield
    for path, data in before.items():
        if path.is_dir():
            path.rmdir()
        if not path.exists() or path.read_bytes() != data:
            path.write_bytes(data)


def problems(folder: Path) -> list[BadInput]:
    """What validate would print; any other exception goes through and fails the test."""
    try:
        _, reader = open_reader(f"folder:{folder}")
        return list(reader.problems(None, partial=False))
    except BadInput as error:
        return [error]


@pytest.mark.parametrize("name", CASES)
def test_damage_is_named(saved: Path, name: str) -> None:
    file, damage, field = CASES[name]
    damage(saved / file)
    found = problems(saved)
    assert found, "the damage went unseen"
    first = found[0]
    assert first.file == str(saved / RENAMES.get(name, file)), str(first)
    assert "\n" not in str(first) and (first.remedy or file == "rig.yaml"), str(first)
    if field != "ANY":
        assert first.field == field, str(first)
    elif (saved / file).is_file() and name.split()[-1] not in WHOLE:
        assert first.field, str(first)


def test_there_are_many_cases_and_none_is_damaged_before(saved: Path) -> None:
    assert len(CASES) > 300
    assert problems(saved) == []


@pytest.mark.parametrize("column", ["boxes", "occupancy/grid0"])
def test_a_dangling_file_of_a_key_frame_is_missing(saved: Path, column: str) -> None:
    cell(column, "boxes/none", row=1)(saved / "keys.csv")
    (error,) = problems(saved)
    assert isinstance(error, MissingInput) and error.file == str(saved / "boxes/none")


def test_partial_forgives_absent_sensor_files_only(saved: Path) -> None:
    for name in ("cameras/CAM_FRONT/000001.jpg", "lidars/TOP/000002.npz", "boxes/000000.csv"):
        (saved / name).unlink()
    _, reader = open_reader(f"folder:{saved}")
    (error,) = reader.problems(None, partial=True)
    assert error.file == str(saved / "boxes/000000.csv")


@pytest.mark.parametrize("name", ["clip.json", "keys.csv", "lidars/TOP.csv"])
def test_absent_files_are_listed_as_far_as_tables_can_be_read(saved: Path, name: str) -> None:
    _, reader = open_reader(f"folder:{saved}")
    (saved / "cameras/CAM_FRONT/000001.jpg").unlink()
    (saved / name).write_text("{")
    expected = ["cameras/CAM_FRONT/000001.jpg"] if name == "lidars/TOP.csv" else []
    assert list(reader.absent_files(None)) == expected
    assert [e.file for e in reader.problems(None, partial=True)] == [str(saved / name)]


def test_every_problem_is_found_in_one_go(saved: Path) -> None:
    for name in ("cameras/CAM_FRONT/000001.jpg", "lidars/TOP/000002.npz", "map/map.json"):
        (saved / name).write_bytes(b"x")
    cell("length", "0")(saved / "boxes/000000.csv")
    assert len(problems(saved)) == 4


def test_normals_and_commands_that_are_sound_pass(saved: Path) -> None:
    array("normal", lambda a: a * np.float32(1.0005))(saved / "cameras/CAM_FRONT/000001_normal.npz")
    words = ("follow", "straight", "left", "right")
    begins = (START_NS - DAY_NS, START_NS, START_NS + 1, START_NS + DAY_NS)
    told = list(zip(begins, words, strict=True))
    in_json("commands", value=told)(saved / "clip.json")
    assert not problems(saved)
    assert open_reader(f"folder:{saved}")[1].open_scene("rich-1").commands() == tuple(told)


def test_a_place_without_clips(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        (error,) = problems(place)
        assert isinstance(error, MissingInput) and error.remedy


def test_a_clip_without_key_frames_is_refused(saved: Path) -> None:
    table(lambda rows: rows.__delitem__(slice(1, None)))(saved / "keys.csv")
    (error,) = problems(saved)
    assert (error.file, error.field) == (str(saved / "keys.csv"), "time_ns") and error.remedy


def test_the_main_lidar_needs_its_table(saved: Path) -> None:
    (saved / "lidars/TOP.csv").unlink()
    without("TOP")(saved / "keys.csv")
    (error,) = problems(saved)
    assert (error.file, error.field) == (str(saved / "lidars/TOP.csv"), "lidar") and error.remedy


@pytest.mark.parametrize("wxyz", ["2,0,0,0", "0.9,0,0,0", "1e308,1e308,0,0", "0,0,0,0"])
def test_quaternions_have_length_one(saved: Path, wxyz: str) -> None:
    (saved / "ego.csv").write_text(f"time_ns,x,y,z,qw,qx,qy,qz\n0,0,0,0,{wxyz}\n")
    first = problems(saved)[0]
    assert first.file == str(saved / "ego.csv") and first.field == "qw" and first.remedy


def test_a_place_that_no_folder_can_have() -> None:
    (error,) = problems(Path("a" * 5000))
    assert error.remedy and len(str(error)) < 500
