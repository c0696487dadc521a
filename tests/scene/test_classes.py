"""The class list never changes what it has said; data sets map in without merging."""

import json
import pickle
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from roadloom.errors import BadInput, UnknownClass
from roadloom.scene import classes
from roadloom.scene.class_maps import DATASET_CLASSES, DATASET_NAMES, ids_from, to_dataset
from roadloom.scene.class_views import IGNORE, VIEW_NAMES, VIEWS, view
from roadloom.scene.classes import (
    CLASS_HASH,
    CLASSES,
    DETECTION_NAMES,
    FREE,
    KNOWN_HASHES,
    UNKNOWN,
    check_class_hash,
    check_ids,
    class_id,
    class_info,
    class_name,
)

GOLDEN = json.loads((Path(__file__).parent / "golden_classes.json").read_text())
"""The list as it was released. Classes may be appended after it; no row of it may change."""


# The list


def test_released_rows_never_change() -> None:
    released = [tuple(row) for row in GOLDEN["classes"]]
    assert [(c.id, c.name) for c in CLASSES[: len(released)]] == released
    assert KNOWN_HASHES[GOLDEN["hash"]] == len(released)


def test_hash_is_that_of_the_stated_text() -> None:
    text = "roadloom classes\n255 unknown\n" + "".join(f"{c.id} {c.name}\n" for c in CLASSES)
    assert sha256(text.encode()).hexdigest()[:16] == CLASS_HASH
    assert KNOWN_HASHES[CLASS_HASH] == len(CLASSES)
    assert list(KNOWN_HASHES.values()) == list(range(1, len(CLASSES) + 1))


def test_ids_and_names_are_one_to_one() -> None:
    assert [c.id for c in CLASSES] == list(range(len(CLASSES)))
    assert len(CLASSES) < UNKNOWN
    assert len({c.name for c in CLASSES}) == len(CLASSES)
    for info in (*CLASSES, class_info(UNKNOWN)):
        assert class_id(class_name(info.id)) == info.id
        assert class_info(info.id) is info
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", info.name)
        assert info.group in classes.GROUPS
    assert (class_name(FREE), class_name(UNKNOWN)) == ("free", "unknown")


def test_a_moving_variant_differs_from_its_base_in_motion_only() -> None:
    moving = [c for c in CLASSES if c.base is not None]
    assert len(moving) == 8
    for info in moving:
        base = class_info(info.base)  # type: ignore[arg-type]
        assert info.name == f"{base.name}.moving"
        assert (info.group, info.thing) == (base.group, base.thing)
        assert base.base is None


def test_unknown_names_and_ids_are_refused_with_a_remedy() -> None:
    with pytest.raises(UnknownClass, match="vehicle.car'"):
        class_id("vehicle.cra")
    with pytest.raises(UnknownClass, match=r"no class has the id 254.*class_maps"):
        class_name(254)
    check_ids(np.array([[0, 255], [1, len(CLASSES) - 1]], np.uint8))
    check_ids(np.zeros(0, np.uint8))
    with pytest.raises(UnknownClass, match=rf"x\.npz: no class has the id {len(CLASSES)}"):
        check_ids(np.array([0, len(CLASSES), 254], np.uint8), file="x.npz")


def test_a_file_of_an_earlier_list_is_read_one_of_a_later_list_refused() -> None:
    for known in KNOWN_HASHES:
        check_class_hash(known)
    with pytest.raises(BadInput, match=r"a\.npz: class_hash: .*update roadloom"):
        check_class_hash("0123456789abcdef", file="a.npz")


# Data sets


def test_each_data_set_has_all_its_classes() -> None:
    counts = {name: len(rows) for name, rows in DATASET_CLASSES.items()}
    assert counts == {
        "nuscenes": 23,
        "lidarseg": 32,
        "occ3d": 18,
        "occ3d_waymo": 16,
        "carla_sc": 23,
        "av2": 30,
        "nuplan": 7,
        "semantickitti": 34,
    }


@pytest.mark.parametrize("dataset", DATASET_CLASSES)
def test_no_data_set_is_merged(dataset: str) -> None:
    rows = DATASET_CLASSES[dataset]
    assert len(set(rows.values())) == len(rows)
    theirs = np.array(list(rows))
    ids = ids_from(dataset, theirs)
    assert ids.dtype == np.uint8
    back = to_dataset(dataset, ids)
    np.testing.assert_array_equal(back, theirs)
    if dataset in DATASET_NAMES:
        names = list(DATASET_NAMES[dataset].values())
        assert len(set(names)) == len(rows)
        np.testing.assert_array_equal(ids_from(dataset, names), ids)


def test_lidarseg_agrees_with_the_boxes() -> None:
    shared = set(DATASET_CLASSES["nuscenes"]) & set(DATASET_NAMES["lidarseg"].values())
    assert len(shared) == 23
    names = sorted(shared)
    np.testing.assert_array_equal(ids_from("lidarseg", names), ids_from("nuscenes", names))
    fixed = {0: "noise", 17: "vehicle.car", 24: "flat.driveable_surface", 31: "vehicle.ego"}
    assert {k: DATASET_NAMES["lidarseg"][k] for k in fixed} == fixed


def test_ids_keep_the_shape_of_what_is_given() -> None:
    labels = np.array([[0, 10], [252, 259]], np.uint32)
    ids = ids_from("semantickitti", labels)
    assert [class_name(i) for i in ids.ravel()] == [
        "unknown",
        "vehicle.car",
        "vehicle.car.moving",
        "vehicle.other.moving",
    ]
    assert ids.shape == (2, 2)
    assert to_dataset("semantickitti", ids).dtype == np.uint16
    assert ids_from("av2", [["DOG"], ["BUS"]]).shape == (2, 1)
    assert ids_from("av2", []).shape == (0,)
    assert ids_from("occ3d", np.zeros((2, 0), np.uint8)).shape == (2, 0)
    assert ids_from("nuplan", np.array(["vehicle"], object))[0] == class_id("vehicle")


@pytest.mark.parametrize(
    ("dataset", "values", "named"),
    [
        ("nuscenes", ["vehicle.car", "vehicle.tram"], "'vehicle.tram'"),
        ("av2", ["bus"], "'bus'"),
        ("occ3d", np.array([0, 18]), "18"),
        ("occ3d", np.array([3, -1]), "-1"),
        ("semantickitti", np.array([10, 12], np.uint32), "12"),
        ("semantickitti", np.array([10, (7 << 16) | 10], np.uint32), str((7 << 16) | 10)),
        ("lidarseg", ["vehicle.tram"], "'vehicle.tram'"),
    ],
)
def test_what_a_data_set_does_not_hold_is_named(dataset: str, values: object, named: str) -> None:
    with pytest.raises(UnknownClass, match=f"{dataset} has no class {named}"):
        ids_from(dataset, values)


def test_wrong_kinds_of_labels_are_refused() -> None:
    with pytest.raises(BadInput, match="names, got int64"):
        ids_from("av2", np.array([3]))
    with pytest.raises(BadInput, match="got float64"):
        ids_from("occ3d", np.array([3.0]))
    with pytest.raises(BadInput, match="use one of nuscenes"):
        ids_from("kitti", np.array([3]))
    with pytest.raises(UnknownClass, match=r"no class for 'human.child'.*view"):
        to_dataset("occ3d", np.array([class_id("human.child")], np.uint8))


# Views


@pytest.mark.parametrize("name", VIEW_NAMES)
def test_a_view_is_total_and_its_way_back_ends_where_it_began(name: str) -> None:
    chosen = view(name)
    everything = np.array([c.id for c in CLASSES] + [UNKNOWN], np.uint8)
    seen = chosen.apply(everything)
    assert set(seen.tolist()) - {IGNORE} == set(range(len(chosen)))
    assert seen[-1] == IGNORE
    own = np.array([*range(len(chosen)), IGNORE], np.uint8)
    np.testing.assert_array_equal(chosen.apply(chosen.to_classes(own)), own)
    for info in CLASSES:
        if info.base is not None:
            assert chosen.lut[info.id] == chosen.lut[info.base]
    with pytest.raises(UnknownClass):
        chosen.apply(np.array([250], np.uint8))
    with pytest.raises(BadInput, match=f"no class {len(chosen)}"):
        chosen.to_classes(np.array([len(chosen)], np.uint8))
    assert pickle.loads(pickle.dumps(chosen)) is chosen
    assert VIEWS[name] is chosen


def test_there_is_no_other_view() -> None:
    with pytest.raises(BadInput, match="use one of occ3d18, dynamiccity12, det10"):
        view("occ3d17")


def test_occ3d_comes_back_as_it_was() -> None:
    numbers = np.arange(18, dtype=np.uint8)
    np.testing.assert_array_equal(view("occ3d18").apply(ids_from("occ3d", numbers)), numbers)
    assert view("occ3d18").names == tuple(DATASET_NAMES["occ3d"].values())


def test_the_way_back_gives_the_plainest_class() -> None:
    numbers = np.arange(18, dtype=np.uint8)
    np.testing.assert_array_equal(view("occ3d18").to_classes(numbers), ids_from("occ3d", numbers))
    back = [class_name(i) for i in view("dynamiccity12").to_classes(numbers[:12])]
    assert back == [
        "free",
        "structure.building",
        "object.barrier",
        "other",
        "human.pedestrian",
        "structure.pole",
        "flat.road",
        "flat.ground",
        "flat.sidewalk",
        "nature.vegetation",
        "vehicle",
        "two_wheeler.bicycle",
    ]
    ten = view("occ3d18").lut[view("det10").to_classes(numbers[:10])]
    assert tuple(view("occ3d18").names[k] for k in ten) == DETECTION_NAMES


def test_lidarseg_becomes_the_16_classes_of_its_challenge() -> None:
    # nuScenes lidarseg challenge: number -> one of 16, 0 for what it leaves out.
    challenge = [
        0, 0, 7, 7, 7, 0, 7, 0, 0, 1, 0, 0, 8, 0, 2, 3, 3, 4, 5, 0, 0, 6, 9, 10, 11, 12, 13, 14,
        15, 0, 16, 0,
    ]  # fmt: skip
    seen = view("occ3d18").apply(ids_from("lidarseg", np.arange(32)))
    np.testing.assert_array_equal(seen, challenge)


def test_carla_sc_becomes_dynamiccitys_twelve() -> None:
    remap = [0, 1, 2, 3, 4, 5, 6, 6, 8, 9, 10, 2, 5, 3, 7, 3, 3, 2, 5, 3, 3, 3, 7]
    seen = view("dynamiccity12").apply(ids_from("carla_sc", np.arange(23)))
    np.testing.assert_array_equal(seen, remap)


def test_occ3d_becomes_dynamiccitys_twelve() -> None:
    # DynamicCity, the map of its Occ3D-nuScenes experiments.
    remap = [3, 2, 11, 10, 10, 10, 11, 4, 5, 10, 10, 6, 7, 8, 7, 1, 9, 0]
    seen = view("dynamiccity12").apply(ids_from("occ3d", np.arange(18)))
    np.testing.assert_array_equal(seen, remap)


def test_nuscenes_categories_become_the_ten_of_its_detection_task() -> None:
    task = {
        "human.pedestrian.adult": "pedestrian",
        "human.pedestrian.child": "pedestrian",
        "human.pedestrian.police_officer": "pedestrian",
        "human.pedestrian.construction_worker": "pedestrian",
        "vehicle.car": "car",
        "vehicle.motorcycle": "motorcycle",
        "vehicle.bicycle": "bicycle",
        "vehicle.bus.bendy": "bus",
        "vehicle.bus.rigid": "bus",
        "vehicle.truck": "truck",
        "vehicle.construction": "construction_vehicle",
        "vehicle.trailer": "trailer",
        "movable_object.barrier": "barrier",
        "movable_object.trafficcone": "traffic_cone",
    }
    names = list(DATASET_CLASSES["nuscenes"])
    seen = view("det10").apply(ids_from("nuscenes", names))
    for name, kind in zip(names, seen, strict=True):
        expected = DETECTION_NAMES.index(task[name]) if name in task else IGNORE
        assert kind == expected, name


# Real recordings


def test_real_names_are_known(real_data: Path) -> None:
    table = json.loads((real_data / "nuscenes" / "v1.0-mini" / "category.json").read_text())
    assert {row["name"] for row in table} == set(DATASET_CLASSES["nuscenes"])
    text = (real_data / "semantickitti" / "semantic-kitti.yaml").read_text()
    listed = text.split("color_map")[0]
    rows = {int(k): v for k, v in re.findall(r'^\s+(\d+)\s*:\s*"([^"]+)"', listed, re.MULTILINE)}
    assert rows == dict(DATASET_NAMES["semantickitti"])
    labels = np.fromfile(next((real_data / "semantickitti").rglob("*.label")), np.uint32)
    assert len(np.unique(ids_from("semantickitti", labels & 0xFFFF))) > 5
    occupancy = np.load(next((real_data / "occ3d_nuscenes").rglob("labels.npz")))["semantics"]
    ids = ids_from("occ3d", occupancy)
    np.testing.assert_array_equal(view("occ3d18").apply(ids), occupancy)
    np.testing.assert_array_equal(to_dataset("occ3d", ids), occupancy)
