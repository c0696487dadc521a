"""Windows: as many as the law says, each cell where the source has it, the same in every worker."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.datasets.conftest import FRAMES
from tests.datasets.made_drive import STEP_NS, MadeReader, made_clip
from tests.scene.readers.occupancy_roots import (
    OCC3D_SHAPE,
    bits,
    carla_counts,
    occ3d_arrays,
    waymo_arrays,
    write_carla,
    write_occ3d,
    write_waymo,
)
from torch.utils.data import DataLoader, Dataset

import roadloom
from roadloom.datasets.flips import Flip, flip_of
from roadloom.datasets.windows import OccupancyWindows, clip_windows
from roadloom.errors import BadInput, MissingInput
from roadloom.prepare import Prepared
from roadloom.scene.class_maps import ids_from
from roadloom.scene.class_views import view
from roadloom.scene.clip import Clip

VIEW = view("dynamiccity12")


@pytest.mark.parametrize(("scenes", "count"), [(18, 32_130), (3, 5_355)])
def test_the_published_counts(scenes: int, count: int) -> None:
    """CarlaSC's Train and Test: scenes of 1,800 frames, T = 16."""
    clips = [made_clip(f"s{number}", 1800) for number in range(scenes)]
    assert len(OccupancyWindows(clips)) == count


@pytest.mark.parametrize("frames", [1, 4, 16])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("skip", [0, 2])
def test_every_window_that_fits_is_there_once(frames: int, stride: int, skip: int) -> None:
    clip = made_clip(frames=50)
    windows = OccupancyWindows(clip, frames=frames, stride=stride, skip=skip)
    thinned = list(range(0, 50, skip + 1))
    expected = thinned[: len(thinned) - frames + 1 : stride]
    assert [windows.window_name(i).frame for i in range(len(windows))] == expected
    assert windows.window_name(len(windows) - 1) == ("a", expected[-1], expected[-1] * STEP_NS)


def test_a_window_holds_the_frames_of_its_name() -> None:
    reader, windows = MadeReader("b", 30), OccupancyWindows(made_clip("b", 30), frames=4, skip=1)
    example = windows.read(5, seed=0)
    first = windows.window_name(5).frame
    assert example["voxels"].dtype == torch.uint8 and example["valid"].dtype == torch.bool
    for step in range(4):
        key = first + 2 * step
        expected = VIEW.apply(reader.labels(key))
        np.testing.assert_array_equal(example["voxels"][step].numpy(), expected)
        np.testing.assert_array_equal(example["valid"][step].numpy(), reader.mask(key))


def test_no_window_spans_a_gap() -> None:
    windows = OccupancyWindows(made_clip(frames=40, gap_at=20), frames=16)
    starts = [windows.window_name(i).frame for i in range(len(windows))]
    assert starts == [*range(5), *range(20, 25)]
    assert windows.previous(5 + 0) is None


def test_previous_is_the_window_that_ends_where_this_begins() -> None:
    clips = [made_clip("a", 40), made_clip("b", 40)]
    windows = OccupancyWindows(clips, frames=8, stride=4)
    for index in range(len(windows)):
        name, before = windows.window_name(index), windows.previous(index)
        if name.frame < 8:
            assert before is None
        else:
            assert before is not None
            assert windows.window_name(before)[:2] == (name.scene, name.frame - 8)
    apart = OccupancyWindows(clips, frames=8, stride=3)
    assert [apart.previous(i) for i in range(len(apart))] == [None] * len(apart)


def test_a_gap_parts_a_window_from_its_previous() -> None:
    windows = OccupancyWindows(made_clip(frames=16, gap_at=8), frames=8)
    assert len(windows) == 2 and windows.previous(1) is None
    whole = OccupancyWindows(made_clip(frames=16), frames=8, stride=8)
    assert len(whole) == 2 and whole.previous(1) == 0


def test_prepared_and_opened_hold_the_same(prepared: Path) -> None:
    stored = OccupancyWindows(prepared, frames=8, stride=5)
    opened = OccupancyWindows([made_clip("a", FRAMES)], frames=8, stride=5, mask="none")
    for index in range(len(opened)):
        assert stored.window_name(index) == opened.window_name(index)
        for key, tensor in stored.read(index, 0).items():
            assert torch.equal(tensor, opened.read(index, 0)[key]), key
        assert stored.read(index, 0)["valid"].all()
        np.testing.assert_array_equal(
            stored.poses(index).translation, opened.poses(index).translation
        )


@pytest.mark.parametrize("mask", ["lidar", "none"])
def test_preloaded_reads_the_same(mask: str) -> None:
    clip = made_clip(frames=20)
    plain, kept = (OccupancyWindows(clip, frames=4, mask=mask) for _ in range(2))
    size = kept.preload()
    assert 0 < size < 20 * 128 * 128 * 8 / 20
    kept.scenes[0].drive.labels = None  # nothing is read again
    for index in range(len(plain)):
        for key, tensor in plain.read(index, 0).items():
            assert torch.equal(tensor, kept.read(index, 0)[key]), key
    with pytest.raises(BadInput, match="limit_bytes"):
        plain.preload(size - 1)
    assert plain._kept == {}


def test_the_eight_flips(prepared: Path) -> None:
    plain = OccupancyWindows(prepared, frames=4)
    flipped = OccupancyWindows(prepared, frames=4, flips=True)
    seen = set()
    for seed in range(64):
        flip = flipped.flip(seed)
        if flip in seen:
            continue
        seen.add(flip)
        for key, tensor in plain.read(7, seed).items():
            expected = tensor.numpy()
            expected = expected[::-1] if flip.time else expected
            expected = expected[:, ::-1] if flip.x else expected
            expected = expected[:, :, ::-1] if flip.y else expected
            np.testing.assert_array_equal(flipped.read(7, seed)[key].numpy(), expected)
    assert len(seen) == 8 and flip_of(5) == flip_of(5)


def test_a_flip_undoes_itself() -> None:
    cells = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    for flip in (Flip(x=True), Flip(y=True), Flip(time=True), Flip(True, True, True)):
        assert not torch.equal(flip.volume(cells), cells)
        assert torch.equal(flip.volume(flip.volume(cells)), cells)


class Rows(Dataset):
    def __init__(self, windows: OccupancyWindows) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.windows.read(index, index)["voxels"]


def test_workers_read_the_same(prepared: Path) -> None:
    windows = OccupancyWindows(prepared, frames=4, stride=20, flips=True)
    again = pickle.loads(pickle.dumps(windows))
    loaded = list(DataLoader(Rows(windows), batch_size=None, num_workers=2))
    assert len(loaded) == len(windows)
    for index, row in enumerate(loaded):
        assert torch.equal(row, windows.read(index, index)["voxels"])
        assert torch.equal(row, again.read(index, index)["voxels"])


# -- the data sets ---------------------------------------------------------------------------------


def test_carla_sc(tmp_path: Path) -> None:
    source = roadloom.open(f"carla_sc:{write_carla(tmp_path)}")
    windows = OccupancyWindows(source, frames=3)
    assert len(windows) == 2 and windows.window_name(1).scene == "Test-Town10_Heavy"
    example = windows.read(0, 0)
    for frame in range(3):
        observed = carla_counts(frame) > 0
        np.testing.assert_array_equal(example["valid"][frame].numpy(), observed)


def test_occ3d_waymo(tmp_path: Path) -> None:
    source = roadloom.open(f"occ3d_waymo:{write_waymo(tmp_path)}")
    example = OccupancyWindows(source, grid="occ3d", frames=2, mask="camera").read(0, 0)
    assert example["voxels"].shape == (2, *OCC3D_SHAPE)
    for frame in range(2):
        stored = waymo_arrays(frame)["voxel_label"]
        ids = ids_from("occ3d_waymo", np.where(stored == 23, 15, stored))
        np.testing.assert_array_equal(example["voxels"][frame].numpy(), VIEW.apply(ids))
        np.testing.assert_array_equal(
            example["valid"][frame].numpy(), bits(frame + 2, OCC3D_SHAPE).astype(bool)
        )


def test_occ3d_nuscenes(tmp_path: Path) -> None:
    clip = roadloom.open(f"occ3d:{write_occ3d(tmp_path)}")[0]
    windows = clip_windows(clip, grid="occ3d", frames=2)
    example = windows.read(0, 0)
    arrays = occ3d_arrays(0)
    expected = VIEW.apply(ids_from("occ3d", arrays["semantics"]))
    np.testing.assert_array_equal(example["voxels"][0].numpy(), expected)
    np.testing.assert_array_equal(example["valid"][0].numpy(), arrays["mask_lidar"] > 0)
    assert windows.read(0, 0)["voxels"].shape == (2, *OCC3D_SHAPE)


def test_real_occ3d(real_data: Path) -> None:
    source = roadloom.open(f"occ3d:{real_data}/occ3d_nuscenes")
    windows = OccupancyWindows(source, grid="occ3d", frames=1, mask="camera")
    example = windows.read(0, 0)
    stored = np.load(next((real_data / "occ3d_nuscenes").rglob("labels.npz")))
    assert len(windows) == 1
    assert int((example["voxels"] == 6).sum()) == int((stored["semantics"] == 11).sum())
    assert int((example["voxels"] == 0).sum()) == int((stored["semantics"] == 17).sum())
    assert int(example["valid"].sum()) == int(stored["mask_camera"].sum())


def test_real_semantickitti(real_data: Path) -> None:
    """These voxels come without classes, so what stands there is Other; bits come packed."""
    folder = real_data / "semantickitti/sequences/08/voxels"
    occupied, invalid = (
        np.unpackbits(np.fromfile(folder / f"001000.{kind}", np.uint8)).reshape(256, 256, 32) > 0
        for kind in ("bin", "invalid")
    )
    source = roadloom.open(f"semantickitti:{real_data}/semantickitti")
    example = OccupancyWindows(source, grid="semantickitti", frames=1).read(0, 0)
    np.testing.assert_array_equal(example["voxels"][0].numpy() == 3, occupied)
    np.testing.assert_array_equal(example["valid"][0].numpy(), ~invalid)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"frames": 0}, {"stride": 0}, {"skip": -1}])
def test_numbers_out_of_range(options: dict) -> None:
    with pytest.raises(ValueError, match=str(next(iter(options)))):
        OccupancyWindows(made_clip(), **options)


def test_what_is_not_there(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no prepared folder"):
        OccupancyWindows(tmp_path / "nowhere")
    with pytest.raises(MissingInput, match="roadloom prepare made:24 --occupancy occ3d"):
        OccupancyWindows(prepared, grid="occ3d")
    for place in (prepared, made_clip()):
        with pytest.raises(MissingInput, match="zebra"):
            OccupancyWindows(place, scenes=["zebra"])
    with pytest.raises(BadInput, match="hz"):
        OccupancyWindows(Prepared(prepared), hz=2)
    with pytest.raises(BadInput, match="100 frames in a row"):
        OccupancyWindows(made_clip(), frames=100)
    with pytest.raises(BadInput, match="the same scene"):
        OccupancyWindows([made_clip("a"), made_clip("a")])
    with pytest.raises(BadInput, match="no view"):
        OccupancyWindows(made_clip(), view="none")
    with pytest.raises(IndexError, match="no window"):
        OccupancyWindows(made_clip()).read(1000, 0)


def test_a_grid_ahead_of_the_ego_is_not_mirrored(real_data: Path) -> None:
    source = roadloom.open(f"semantickitti:{real_data}/semantickitti")
    with pytest.raises(BadInput, match="evenly"):
        OccupancyWindows(source, grid="semantickitti", frames=1, flips=True)


def test_made_worlds_have_any_rate() -> None:
    clip: Clip = roadloom.open("town-v1:val")[0]
    steps = np.diff(OccupancyWindows(clip, frames=4, hz=10).scenes[0].times_ns)
    assert (steps == STEP_NS).all()
