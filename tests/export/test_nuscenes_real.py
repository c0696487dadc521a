"""Recorded pieces and the built-in town, exported as nuScenes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from roadloom.errors import BadInput
from roadloom.export.nuscenes.classes import category_of
from roadloom.export.nuscenes.options import NuScenesOptions
from roadloom.export.nuscenes.run import export_nuscenes, trimmed_for
from roadloom.scene import registry
from roadloom.scene.clip import Clip
from roadloom.scene.registry import open_reader, open_source
from roadloom.sensors.presets import preset
from roadloom.town.config import TownConfig
from roadloom.town.source import TownSource

FROM_THE_FIRST = NuScenesOptions(lead_sweeps=0, partial=True)


def problems(root) -> list:
    return list(open_reader(f"nuscenes:{root}")[1].problems(None, partial=True))


def test_the_recorded_frame_of_nuscenes_comes_back(real_data, tmp_path):
    source = f"nuscenes:{real_data / 'nuscenes'}"
    with pytest.raises(BadInput, match="no key frame of scene-0061 has 5 sweeps before it"):
        export_nuscenes(source, tmp_path, NuScenesOptions())
    done = export_nuscenes(source, tmp_path, FROM_THE_FIRST)
    assert (done.counts["key_frames"], done.counts["images"], done.left_out) == (1, 6, {})
    clip, back = open_source(source)[0], open_source(f"nuscenes:{tmp_path}")[0]
    assert problems(tmp_path) == []
    for camera in clip.rig.camera_names:
        assert back.reader.image_bytes(camera, 0) == clip.reader.image_bytes(camera, 0)
        assert back.rig.camera(camera).camera == clip.rig.camera(camera).camera
        a, b = (c.reader.records(camera).time_ns.tolist() for c in (clip, back))
        assert a == b
    a, b = clip[0].boxes, back[0].boxes
    np.testing.assert_allclose(b.pose.translation, a.pose.translation, atol=1e-9)
    np.testing.assert_allclose(b.pose.rotation, a.pose.rotation, atol=1e-12)
    for field in ("size", "class_id", "visibility", "attribute", "num_lidar_points"):
        assert (getattr(a, field) == getattr(b, field)).all(), field
    a, b = clip[0].lidar(), back[0].lidar()
    assert len(a) == len(b) == 34_688
    np.testing.assert_allclose(b.points, a.points, atol=1e-4)
    for field in ("ring", "intensity", "returned", "point_time_ns"):
        assert (getattr(a, field) == getattr(b, field)).all(), field


def test_a_log_of_argoverse_comes_back(real_data, tmp_path):
    source = f"av2:{real_data / 'av2' / 'sensor' / 'val'}"
    done = export_nuscenes(source, tmp_path, replace(FROM_THE_FIRST, tile_m=800.0))
    assert done.counts["key_frames"] == 2  # so many sweeps are at hand
    assert done.left_out and not any(category_of_name(name) for name in done.left_out)
    assert problems(tmp_path) == []
    clip = trimmed_for(open_source(source)[0], FROM_THE_FIRST)
    back = open_source(f"nuscenes:{tmp_path}")[0]
    for key, frame in enumerate(clip):
        a, b = frame.boxes, back[key].boxes
        a = a[[category_of(c) is not None for c in a.class_id.tolist()]]
        np.testing.assert_allclose(b.pose.translation, a.pose.translation, atol=1e-8)
        assert (b.size == a.size).all()
        # The recorded counts are of these very points; a few lie on a face, to rounding.
        known = a.num_lidar_points >= 0
        apart = np.abs(b.num_lidar_points - a.num_lidar_points)[known]
        assert (apart <= 1).mean() > 0.95
        np.testing.assert_allclose(back[key].lidar().points, frame.lidar().points, atol=2e-4)


def category_of_name(name: str) -> str | None:
    from roadloom.scene.classes import class_id

    return category_of(class_id(name))


class LidarTown(TownSource):
    """One clip of val, a second of it, through a LiDAR alone."""

    def __init__(self, place):
        rig = replace(preset("nuscenes"), cameras=())
        super().__init__(place, TownConfig(duration_s=1.0, rig=rig))

    @property
    def scenes(self):
        return ("3",)


@pytest.mark.slow
def test_the_town_comes_back(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.KINDS, "lidar-town", f"{__name__}:LidarTown")
    monkeypatch.setattr(registry, "import_module", lambda name: __import__("sys").modules[name])
    options = NuScenesOptions(official="val", radar=False)
    done = export_nuscenes("lidar-town:val", tmp_path, options)
    assert done.names == ("scene-0003",) and done.counts["key_frames"] == 1
    assert problems(tmp_path) == []
    clip = trimmed_for(Clip(LidarTown("val").open_scene("3")), options)
    back = open_source(f"nuscenes:{tmp_path}")[0]
    shift = json.loads((tmp_path / ".roadloom/scenes/scene-0003.json").read_text())["shift"]
    for key, frame in enumerate(clip):
        moved = back[key].world_from_ego.translation - shift
        np.testing.assert_allclose(moved, frame.world_from_ego.translation, atol=1e-9)
        a, b = frame.boxes, back[key].boxes
        a = a[[category_of(c) is not None for c in a.class_id.tolist()]]
        np.testing.assert_allclose(b.pose.translation, a.pose.translation, atol=1e-9)
        assert (b.size == a.size).all() and (b.attribute == a.attribute).all()
        assert (b.num_lidar_points == a.num_lidar_points).all()
        sweep, other = frame.lidar(), back[key].lidar()
        np.testing.assert_allclose(other.points, sweep.points, atol=1e-4)
        np.testing.assert_allclose(other.intensity, sweep.intensity, atol=1e-7)
    assert back.map.polygons["drivable_area"]
