"""Raw ids of each data set, through our list, give DynamicCity's twelve classes.

The tables are those of the data sets' remaps: CarlaSC from the published configuration, Occ3D from
the appendix of the paper (arXiv 2410.18084).
"""

import numpy as np
import pytest

from roadloom.scene.class_maps import DATASET_NAMES, ids_from
from roadloom.scene.class_views import view

NAMES = (
    "Free", "Building", "Barrier", "Other", "Pedestrian", "Pole", "Road", "Ground", "Sidewalk",
    "Vegetation", "Vehicle", "Bicycle",
)  # fmt: skip
CARLA_SC = (0, 1, 2, 3, 4, 5, 6, 6, 8, 9, 10, 2, 5, 3, 7, 3, 3, 2, 5, 3, 3, 3, 7)
OCC3D_WAYMO = {
    "general object": 3, "vehicle": 10, "pedestrian": 4, "sign": 5, "traffic light": 5, "pole": 5,
    "construction cone": 5, "cyclist": 11, "bicycle": 11, "motorcycle": 11, "building": 1,
    "vegetation": 9, "tree trunk": 9, "road": 6, "walkable": 8, "free": 0,
}  # fmt: skip
OCC3D = {
    "others": 3, "barrier": 2, "bicycle": 11, "motorcycle": 11, "bus": 10, "car": 10,
    "construction_vehicle": 10, "trailer": 10, "truck": 10, "pedestrian": 4, "traffic_cone": 5,
    "driveable_surface": 6, "other_flat": 7, "terrain": 7, "sidewalk": 8, "manmade": 1,
    "vegetation": 9, "free": 0,
}  # fmt: skip


def test_the_view_has_the_twelve_classes() -> None:
    assert view("dynamiccity12").names == NAMES


def test_carla_sc() -> None:
    ids = ids_from("carla_sc", np.arange(23))
    assert view("dynamiccity12").apply(ids).tolist() == list(CARLA_SC)


@pytest.mark.parametrize(("dataset", "table"), [("occ3d_waymo", OCC3D_WAYMO), ("occ3d", OCC3D)])
def test_occ3d(dataset: str, table: dict[str, int]) -> None:
    names = DATASET_NAMES[dataset]
    assert set(names.values()) == set(table)
    ids = ids_from(dataset, np.array(list(names)))
    assert view("dynamiccity12").apply(ids).tolist() == [table[name] for name in names.values()]
