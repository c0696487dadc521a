"""Frames read in worker processes: the same bytes as in the parent, and no storm of threads."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.processes import answers_of, begun
from tests.scene.readers import av2_log
from tests.scene.readers.nuscenes_root import Root
from tests.scene.rich_clip import rich_clip

import roadloom
from roadloom.errors import NotRecorded
from roadloom.scene.boxes import Boxes
from roadloom.scene.clip import Frame
from roadloom.scene.sweep import POINT_COLUMNS, Sweep

WORKERS = 4
PROC = Path("/proc/self")
pytestmark = pytest.mark.skipif(not PROC.exists(), reason="counts threads and files in /proc")


@pytest.fixture(scope="module", params=["folder", "nuscenes", "av2"])
def name(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("workers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROADLOOM_CACHE", str(folder / "cache"))
        if request.param == "folder":
            rich_clip(folder).save(folder / "clip")
            yield f"folder:{folder}/clip"
        elif request.param == "nuscenes":
            yield f"nuscenes:{Root().write(folder / 'root')}"
        else:
            yield f"av2:{av2_log.write_log(folder).folder}"


def hash_of(frame: Frame) -> str:
    """Of every image, point and box of a frame."""
    digest = hashlib.sha256(str(frame.time_ns).encode())
    for camera, image in frame.images.items():
        digest.update(camera.encode() + image.pixels.tobytes())
        digest.update(image.world_from_ego.translation.tobytes())
    for read in (frame.lidar, lambda: frame.boxes):
        try:
            value: Sweep | Boxes = read()
        except NotRecorded:
            continue
        names = POINT_COLUMNS if isinstance(value, Sweep) else ("size", "class_id", "track_id")
        for column in names:
            array = getattr(value, column)
            digest.update(b"" if array is None else array.tobytes())
    digest.update(frame.world_from_ego.rotation.tobytes())
    return digest.hexdigest()


def threads() -> int:
    return len(list((PROC / "task").iterdir()))


def open_files() -> set[str]:
    """Names of all regular files that this process holds open."""
    found = set()
    for link in (PROC / "fd").iterdir():
        try:
            found.add(str(link.readlink()))
        except FileNotFoundError:
            continue  # the descriptor that listed the folder
    return {name for name in found if name.startswith("/") and Path(name).is_file()}


def read_in_worker(frame: Frame) -> tuple[str, int, int, int]:
    """Hash, threads before and after reading, and the process."""
    before = threads()
    return hash_of(frame), before, threads(), os.getpid()


def read_file_in_worker(source: Any, key: int) -> str:
    """The same through a source that the parent opened."""
    return hash_of(source[0][key])


def test_four_spawned_workers_read_what_the_parent_reads(name: str) -> None:
    """A BLAS pool starts with NumPy, one thread a core; reading may add a thread, not a pool."""
    clip = roadloom.open(name)[0]
    expected = [hash_of(frame) for frame in clip]
    assert len(set(expected)) == len(clip)
    jobs = [partial(read_in_worker, frame) for frame in list(clip) * 3]
    more = [partial(read_file_in_worker, roadloom.open(name), key) for key in range(len(clip))]
    found = answers_of(jobs + more, WORKERS)
    answers, sources = found[: len(jobs)], found[len(jobs) :]
    assert [answer[0] for answer in answers] == expected * 3
    assert sources == expected
    cores = os.cpu_count() or 1
    for _, before, after, process in answers:
        assert process != os.getpid()
        assert after <= before + 1, "reading started a pool"
        assert after <= cores + 3, "the worker runs more threads than the machine has cores"


def test_forked_workers_share_nothing_with_a_parent_that_has_read(name: str) -> None:
    """An open file would share its offset; what was read before the fork must not matter."""
    expected = [hash_of(frame) for frame in roadloom.open(name)[0]]
    (found,) = answers_of([partial(_read_in_forks, name, inherit=False)], workers=1)
    assert found == (expected, expected * 5, expected)


def test_forked_workers_may_use_the_parent_s_own_objects(name: str) -> None:
    expected = [hash_of(frame) for frame in roadloom.open(name)[0]]
    (found,) = answers_of([partial(_read_in_forks, name, inherit=True)], workers=1)
    assert found == (expected, expected * 5, expected)


def _read_in_forks(name: str, inherit: bool) -> tuple[list[str], list[str], list[str]]:
    """Hashes that this process finds before it forks, those of its forks, and its own meanwhile."""
    source = roadloom.open(name)
    before = [hash_of(frame) for frame in source[0]]
    if inherit:
        _INHERITED[name] = source
    jobs = [partial(_hash_of_inherited, name, key) for key in range(len(before))] * 5
    with begun(jobs, WORKERS, "fork", patience_s=60) as answers:
        meanwhile = [hash_of(frame) for frame in source[0]]
        return before, answers(), meanwhile


_INHERITED: dict[str, Any] = {}


def _hash_of_inherited(name: str, key: int) -> str:
    """Through objects that live in the parent's memory image, where there are any."""
    source = _INHERITED.get(name) or roadloom.open(name)
    return hash_of(source[0][key])


def test_no_file_stays_open(name: str) -> None:
    """A descriptor that lives on would be shared by every process forked later."""
    clip = roadloom.open(name)[0]
    for frame in clip:
        hash_of(frame)
    place = name.split(":")[1]
    assert not [path for path in open_files() if path.startswith(place)]


def test_reading_loads_neither_torch_nor_numba(name: str) -> None:
    code = (
        "import sys, roadloom\n"
        f"clip = roadloom.open({name!r})[0]\n"
        "frame = clip[0]\n"
        "frame.boxes, frame.lidar(), [i.pixels for i in frame.images.values()]\n"
        "found = sorted({'torch', 'numba'} & sys.modules.keys())\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path.cwd())


def test_a_data_loader_of_torch_reads_the_same(tmp_path: Path) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    rich_clip(tmp_path).save(tmp_path / "clip")
    clip = roadloom.open(f"folder:{tmp_path}/clip")[0]
    loader = torch_data.DataLoader(
        _Frames(clip), batch_size=None, num_workers=2, multiprocessing_context="spawn", timeout=120
    )
    assert list(loader) == [hash_of(frame) for frame in clip]


class _Frames:
    """A map-style data set of hashes."""

    def __init__(self, clip: Any) -> None:
        self.clip = clip

    def __len__(self) -> int:
        return len(self.clip)

    def __getitem__(self, index: int) -> str:
        return hash_of(self.clip[index])


def test_a_worker_that_dies_or_stalls_fails_the_test_instead_of_holding_it() -> None:
    with pytest.raises(AssertionError, match="ended without an answer, with status 3"):
        answers_of([partial(os._exit, 3), os.getpid], workers=2)
    with pytest.raises(AssertionError, match="not answered within 0.1 s"):
        answers_of([partial(time.sleep, 600)], workers=1, patience_s=0.1)
