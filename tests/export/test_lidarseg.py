"""Labels of points: official numbers, nothing without labels, every class has a place."""

from dataclasses import replace

import numpy as np
from tests.export.street_clip import street_clip

from roadloom.export.nuscenes.classes import CATEGORIES, category_of
from roadloom.export.nuscenes.lidarseg import lidarseg_file, lidarseg_row, point_labels
from roadloom.scene.class_maps import DATASET_CLASSES, ids_from
from roadloom.scene.classes import CLASSES, class_id

NUMBER = {name: value for value, name in CATEGORIES.items()}


def labelled(names: list[str]) -> np.ndarray:
    sweep = street_clip()[0].lidar()[: len(names)]
    labels = np.array([class_id(name) for name in names], np.uint8)
    found = point_labels(replace(sweep, label=labels))
    assert found is not None
    return found


def test_no_labels_give_no_file() -> None:
    assert point_labels(street_clip(labels=False)[0].lidar()) is None


def test_what_the_format_names_comes_back_as_it_was() -> None:
    ours = np.array(sorted(DATASET_CLASSES["lidarseg"].values()), np.uint8)
    sweep = street_clip()[0].lidar()[: len(ours)]
    found = point_labels(replace(sweep, label=ours))
    assert found is not None and found.dtype == np.uint8
    assert np.array_equal(ids_from("lidarseg", found), ours)


def test_other_classes_go_to_the_nearest() -> None:
    pairs = {
        "unknown": "noise",
        "structure.pole": "static.manmade",
        "marking.road_line": "flat.driveable_surface",
        "human.rider.bicycle": "vehicle.bicycle",
        "vehicle.car.moving": "vehicle.car",
    }
    assert labelled(list(pairs)).tolist() == [NUMBER[name] for name in pairs.values()]


def test_points_in_boxes_have_the_category_of_the_box() -> None:
    for info in CLASSES:
        name = category_of(info.id)
        if name is not None:
            assert labelled([info.name])[0] == NUMBER[name]


def test_only_the_rows_of_the_file() -> None:
    sweep = street_clip()[0].lidar()
    rows = np.array([5, 2, 90, len(sweep) - 1])
    whole, part = point_labels(sweep), point_labels(sweep, rows)
    assert whole is not None and part is not None
    assert np.array_equal(part, whole[rows]) and len(whole) == len(sweep)


def test_rows_name_the_file() -> None:
    row = lidarseg_row("v1.0-mini", "abc")
    assert row["filename"] == lidarseg_file("v1.0-mini", "abc")
    assert row["filename"] == "lidarseg/v1.0-mini/abc_lidarseg.bin"
    assert row["token"] == row["sample_data_token"] == "abc"
