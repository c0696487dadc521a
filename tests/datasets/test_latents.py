"""Latents: what was encoded comes back beside its conditions; a run that ended goes on; damage
and other encoders are refused."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.datasets.made_drive import made_clip
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from roadloom.datasets.drive_conditions import DriveWindows
from roadloom.datasets.encode_latents import LatentWriter, encode_clips
from roadloom.datasets.latent_windows import LatentWindows
from roadloom.datasets.latents import LatentFolder, LatentStatistics
from roadloom.datasets.windows import OccupancyWindows
from roadloom.errors import BadInput, MissingInput
from roadloom.models.hexplane.conditions import Conditions
from roadloom.models.hexplane.planes import Planes, PlaneSize
from roadloom.models.hexplane.rollout import roll_out, unroll

HASH = "0123456789abcdef" * 4
FRAMES, STRIDE = 8, 4


class Two(NamedTuple):
    xy: Tensor
    tx: Tensor


def encode(voxels: Tensor) -> Two:
    """Counts that differ for every window and cell."""
    pooled = voxels.float().reshape(*voxels.shape[:2], 8, 16, 8, 16, 8)
    cells = pooled.mean((3, 5, 6))  # [B T 8 8]
    xy = torch.stack([cells.mean(1), 100 * cells.std(1), torch.ones_like(cells[:, 0])], dim=1)
    tx = torch.stack([cells.mean(3), cells.amax(3) - 5, 0 * cells.mean(3)], dim=1)
    return Two(xy=xy, tx=tx)


def as_map(voxels: Tensor) -> Tensor:
    return encode(voxels).xy


def beside(latents: dict[str, Tensor]) -> Tensor:
    """A map of both: [B C 16 8]."""
    return torch.cat([latents["xy"], latents["tx"]], dim=2)


def windows_of(prepared: Path, **options: object) -> OccupancyWindows:
    return OccupancyWindows(prepared, frames=FRAMES, stride=STRIDE, **options)


@pytest.fixture(scope="module")
def encoded(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latents") / "made"
    done = encode_clips(windows_of(prepared), encode, folder, encoder=HASH, batch=3)
    assert done == (3, 0, 15)
    return folder


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    """A folder of one scene that a test may damage."""
    encode_clips(windows_of(prepared, scenes=["a"]), encode, tmp_path / "own", encoder=HASH)
    return tmp_path / "own"


def test_what_was_encoded_comes_back(prepared: Path, encoded: Path) -> None:
    windows, folder = windows_of(prepared), LatentFolder(encoded, encoder=HASH)
    assert len(folder) == len(windows) == 15 and folder.licence == "CC0"
    assert folder.shapes == {"xy": (3, 8, 8), "tx": (3, 8, 8)}
    for index in range(len(windows)):
        expected = encode(windows.read(index, 0)["voxels"][None])
        found = folder.latents(windows.window_name(index).scene, index % 5)
        for name, tensor in found.items():
            assert torch.equal(tensor, getattr(expected, name)[0].half().float()), name
    assert list(folder.problems()) == []


def test_statistics_are_those_of_all_windows(encoded: Path) -> None:
    folder = LatentFolder(encoded)
    every = [folder.latents(scene, n) for scene in folder.scenes for n in range(5)]
    statistics = folder.statistics()
    for name in ("xy", "tx"):
        stacked = torch.stack([latents[name] for latents in every]).double()
        mean, std = stacked.mean((0, 2, 3)), stacked.std((0, 2, 3), correction=0)
        std[std == 0] = 1  # the constant channels
        torch.testing.assert_close(torch.tensor(statistics.mean[name]).double(), mean.double())
        torch.testing.assert_close(
            torch.tensor(statistics.std[name]).double(), std, rtol=1e-5, atol=1e-6
        )
        plain = torch.stack([statistics.normalise(latents)[name] for latents in every])
        assert plain.mean((0, 2, 3)).abs().max() < 1e-3
        moving = torch.tensor(statistics.std[name]) != 1
        assert (plain.std((0, 2, 3))[moving] - 1).abs().max() < 1e-2
    again = statistics.restore(statistics.normalise(every[0]))
    torch.testing.assert_close(again, every[0])
    text = json.loads(json.dumps(statistics.to_json()))
    assert LatentStatistics.from_json(text) == statistics


@pytest.mark.parametrize("value", [{"xy": 3}, {"xy": {"mean": [1], "std": []}},
                                   {"xy": {"mean": [1], "std": [0]}}])  # fmt: skip
def test_what_is_no_statistics(value: object) -> None:
    with pytest.raises(ValueError, match="statistics|std"):
        LatentStatistics.from_json(value)


def test_examples_bring_the_conditions_of_their_windows(prepared: Path, encoded: Path) -> None:
    """Without the occupancy, the same as with it."""
    windows, examples = windows_of(prepared), LatentWindows(encoded, assemble=beside)
    drive = DriveWindows(windows)
    assert len(examples) == len(windows)
    statistics = LatentFolder(encoded).statistics()
    for index in range(len(windows)):
        found, wanted = examples.read(index, 0), drive.read(index, 0)
        for key in ("layout", "trajectory", "command"):
            assert torch.equal(found[key], wanted[key]), key
        assert examples.window_name(index) == windows.window_name(index)
        before = windows.previous(index)
        assert examples.previous(index) == before
        assert bool(found["given.previous"]) == (before is not None)
        latent = {n: t[None] for n, t in encode(windows.read(index, 0)["voxels"][None])
                  ._asdict().items()}  # fmt: skip
        latent = {name: tensor[0].half().float() for name, tensor in latent.items()}
        expected = beside(statistics.normalise(latent))[0]
        torch.testing.assert_close(found["latent"], expected)
        if before is None:
            assert not found["previous"].any()
        else:
            assert torch.equal(found["previous"], examples.read(before, 0)["latent"])
    assert sum(examples.previous(i) is None for i in range(15)) == 6  # two of each scene


def test_planes_without_a_map(encoded: Path) -> None:
    found = LatentWindows(encoded).read(3, 0)
    assert {"latent.xy", "latent.tx", "previous.xy", "previous.tx"} < set(found)
    other = LatentStatistics(
        mean={"xy": (0.0,) * 3, "tx": (0.0,) * 3}, std={"xy": (2.0,) * 3, "tx": (1.0,) * 3}
    )
    raw = LatentFolder(encoded).latents("a", 3)
    assert torch.equal(LatentWindows(encoded, statistics=other).read(3, 0)["latent.xy"],
                       raw["xy"] / 2)  # fmt: skip


def test_an_encoder_of_maps(prepared: Path, tmp_path: Path) -> None:
    windows = windows_of(prepared, scenes=["b"], skip=1)
    encode_clips(windows, as_map, tmp_path / "maps", encoder=HASH, pool=4, classes=("Vehicle",))
    examples = LatentWindows(tmp_path / "maps", compat=True)
    found = examples.read(1, 0)
    assert found["latent"].shape == (3, 8, 8) and found["layout"].shape == (8, 1, 32, 32)
    published = DriveWindows(windows, pool=4, classes=("Vehicle",), compat=True).read(1, 0)
    for key in ("layout", "trajectory", "command"):
        assert torch.equal(found[key], published[key])
    assert examples.window_name(1) == windows.window_name(1)


def as_planes(voxels: Tensor) -> Planes:
    means = voxels.float().mean((1, 2, 3, 4))[:, None, None, None]
    size = PlaneSize(t=4, x=8, y=8, z=4)
    return Planes(*(means * torch.ones(len(voxels), 2, *shape) for shape in size.shapes()))


def rolled(latents: dict[str, Tensor]) -> Tensor:
    return roll_out(Planes(**latents))


def test_six_planes_become_a_rollout_and_conditions(prepared: Path, tmp_path: Path) -> None:
    """The names are those that the transformer's conditions are read by."""
    windows = windows_of(prepared, scenes=["c"])
    encode_clips(windows, as_planes, tmp_path / "planes", encoder=HASH)
    examples = LatentWindows(tmp_path / "planes", assemble=rolled)
    batch = default_collate([examples.read(index, 0) for index in range(4)])
    assert batch["latent"].shape == batch["previous"].shape == (4, 2, 16, 16)
    conditions = Conditions.from_tensors(batch)
    assert conditions.mask("previous").tolist() == [False, False, True, True]
    assert set(conditions.values()) == {"previous", "layout", "command", "trajectory"}
    mean = windows.read(2, 0)["voxels"].float().mean()
    size = PlaneSize(t=4, x=8, y=8, z=4)
    planes = unroll(batch["latent"][2:3], size)._asdict()
    for plane in examples.statistics.restore(planes).values():
        torch.testing.assert_close(plane, mean.expand_as(plane), rtol=1e-3, atol=1e-5)


class Rows(Dataset):
    def __init__(self, examples: LatentWindows) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.examples.read(index, 0)


def test_workers_and_memory_read_the_same(encoded: Path) -> None:
    examples, kept = (LatentWindows(encoded, assemble=beside) for _ in range(2))
    size = kept.preload()
    assert size == sum(p.stat().st_size for p in (encoded / "windows").iterdir())
    with pytest.raises(BadInput, match="limit_bytes"):
        examples.preload(size - 1)
    again = pickle.loads(pickle.dumps(kept))
    assert again._kept == {}
    loaded = list(DataLoader(Rows(examples), batch_size=None, num_workers=2))
    for index, row in enumerate(loaded):
        for source in (kept, again):
            for key, tensor in source.read(index, 0).items():
                assert torch.equal(tensor, row[key]), key


# -- going on --------------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes_and_is_done_once(
    prepared: Path, encoded: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for part in ((0, 2), (1, 2)):
        encode_clips(windows_of(prepared), encode, other, encoder=HASH, batch=8, shard=part)
    for path in encoded.glob("*/*.*"):
        assert path.read_bytes() == (other / path.relative_to(encoded)).read_bytes(), path

    def never(voxels: Tensor) -> Tensor:
        raise AssertionError("everything is there")

    assert encode_clips(windows_of(prepared), never, other, encoder=HASH) == (0, 3, 0)


CHILD = """
import sys, time
from tests.datasets.test_latents import HASH, encode, windows_of
from roadloom.datasets.encode_latents import encode_clips
def slowly(voxels):
    time.sleep(0.2)
    return encode(voxels)
encode_clips(windows_of(sys.argv[1]), slowly, sys.argv[2], encoder=HASH, batch=2)
"""


def test_a_killed_run_goes_on(prepared: Path, encoded: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    root = Path(__file__).resolve().parents[2]
    run = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(prepared), str(out)], cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(out.glob("scenes/[!.]*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait(timeout=30)
    assert run.returncode == -signal.SIGKILL
    there = LatentFolder(out, partial=True)
    assert 0 < len(there.scenes) < 3 and list(there.problems()) == []
    with pytest.raises(MissingInput, match="not encoded yet"):
        LatentFolder(out)
    done = encode_clips(windows_of(prepared), encode, out, encoder=HASH)
    assert done.kept == len(there.scenes) and done.written == 3 - done.kept
    for path in encoded.glob("*/*.*"):
        assert path.read_bytes() == (out / path.relative_to(encoded)).read_bytes(), path


# -- what is refused -------------------------------------------------------------------------------


def test_another_encoder(prepared: Path, encoded: Path) -> None:
    for use in (LatentFolder, LatentWindows):
        with pytest.raises(BadInput, match="encoder 0123456789ab, not ffff"):
            use(encoded, encoder="ffff")
    with pytest.raises(BadInput, match="another encoder"):
        LatentWindows(LatentFolder(encoded), encoder="ffff")
    with pytest.raises(BadInput, match="was begun with"):
        encode_clips(windows_of(prepared), encode, encoded, encoder="ffff")
    with pytest.raises(BadInput, match="was begun with"):
        encode_clips(windows_of(prepared, skip=1), encode, encoded, encoder=HASH)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("roadloom_latents", 9),
        ("class_hash", "0"),
        ("frames", None),
        ("encoder", 3),
        ("frames", 10**9),
        ("cells", []),
        ("cells", [0, 0, 0]),
        ("sources", [3]),
        ("skip", -1),
        ("layout", {"classes": ["Road"], "pool": 0}),
        ("layout", {}),
        ("scenes", ["a", "a"]),
    ],
)
def test_a_manifest_that_was_edited(copy: Path, field: str, value: object) -> None:
    path = copy / "latents.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(BadInput) as caught:
        LatentFolder(copy)
    assert caught.value.field == field and caught.value.file == str(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sums", {}), ("squares", {"map": [1.0]}), ("noise", {"xy": [1.0]}), ("noise", None),
        ("latents", {"xy": ["a", 1, 1]}), ("latents", {"xy": [10**6, 1, 1]}), ("windows", 0),
        ("windows", -1), ("scene", "b"),
    ],
)  # fmt: skip
def test_a_record_that_was_edited(copy: Path, field: str, value: object) -> None:
    path = copy / "scenes/a.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(BadInput) as caught:
        LatentFolder(copy)
    assert caught.value.file == str(path) and caught.value.field == field


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("start", lambda t: t[:1]), ("start", lambda t: t.float()), ("start", lambda t: -1 - t),
        ("start", lambda t: t + 10**6), ("time_ns", lambda t: t * 0), ("time_ns", lambda t: None),
        ("rotation", lambda t: t[:1]), ("layout", lambda t: t.float()),
        ("latent.tx", lambda t: t[:0]), ("latent.tx", lambda t: None),
    ],
)  # fmt: skip
def test_tensors_that_were_edited(
    copy: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor | None]
) -> None:
    path, record = copy / "windows/a.safetensors", copy / "scenes/a.json"
    tensors = load_file(path)
    changed = change(tensors.pop(name))
    save_file(tensors if changed is None else tensors | {name: changed.contiguous()}, path)
    told = json.loads(record.read_text()) | {"bytes": path.stat().st_size}
    record.write_text(json.dumps(told))
    with pytest.raises(BadInput) as caught:
        LatentWindows(LatentFolder(copy))
    assert caught.value.file == str(path) and caught.value.field == name


def test_files_that_are_damaged(copy: Path) -> None:
    path = copy / "windows/a.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(BadInput, match=f"{len(data) - 1} bytes, not {len(data)}"):
        LatentFolder(copy)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (problem,) = LatentFolder(copy).problems()
    assert problem.file == str(path) and "altered" in str(problem)
    path.write_bytes(b"\xff" * len(data))
    with pytest.raises(BadInput, match="is damaged"):
        LatentFolder(copy).latents("a", 0)
    path.unlink()
    with pytest.raises(BadInput, match="is missing"):
        LatentFolder(copy)
    (copy / "scenes/a.json").write_text("{}")
    with pytest.raises(BadInput, match="no record"):
        LatentFolder(copy)


def test_a_damaged_scene_is_encoded_again(prepared: Path, copy: Path) -> None:
    path = copy / "windows/a.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:100])
    done = encode_clips(windows_of(prepared, scenes=["a"]), encode, copy, encoder=HASH)
    assert done.written == 1 and path.read_bytes() == data


def test_what_is_not_there(encoded: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no folder of latents"):
        LatentFolder(tmp_path)
    with pytest.raises(MissingInput, match="zebra"):
        LatentWindows(encoded, scenes=["zebra"])
    with pytest.raises(IndexError, match="no window 15 of 15"):
        LatentWindows(encoded).read(15, 0)


def test_latents_that_half_precision_cannot_hold(prepared: Path, tmp_path: Path) -> None:
    windows = windows_of(prepared, scenes=["a"])
    with pytest.raises(BadInput, match="half precision"):
        encode_clips(windows, lambda v: as_map(v) + 1e6, tmp_path / "x", encoder=HASH)
    with pytest.raises(BadInput, match="answers a int"):
        encode_clips(windows, lambda v: 3, tmp_path / "x", encoder=HASH)
    writer = LatentWriter(windows, tmp_path / "x", encoder=HASH)
    with pytest.raises(BadInput, match="no map of 5 windows"):
        writer.write(0, {"map": torch.zeros(4, 3, 8, 8)})
    with pytest.raises(ValueError, match="batch"):
        encode_clips(windows, as_map, tmp_path / "x", encoder=HASH, batch=0)
    with pytest.raises(ValueError, match="flipped"):
        LatentWriter(windows_of(prepared, flips=True), tmp_path / "x", encoder=HASH)


def test_a_scene_too_short_for_a_window_is_left_out(tmp_path: Path) -> None:
    windows = OccupancyWindows([made_clip("a", 3), made_clip("b", 9)], frames=FRAMES)
    encode_clips(windows, as_map, tmp_path / "x", encoder=HASH)
    assert LatentFolder(tmp_path / "x").scenes == ("b",)


@pytest.mark.parametrize(("gap_at", "before"), [(None, 0), (8, None)])
def test_what_lies_before_a_gap_is_not_previous(
    gap_at: int | None, before: int | None, tmp_path: Path
) -> None:
    windows = OccupancyWindows(made_clip(frames=16, gap_at=gap_at), frames=8, stride=8)
    encode_clips(windows, as_map, tmp_path / "x", encoder=HASH)
    assert LatentWindows(tmp_path / "x").previous(1) == windows.previous(1) == before
