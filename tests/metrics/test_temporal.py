"""Made films: what blinks, what only comes or goes, and what stays where motion puts it."""

import numpy as np
import pytest

from roadloom.geometry.voxel_grid import VoxelGrid
from roadloom.metrics.temporal import blinking, persistence

GRID = VoxelGrid(lower_m=(-4.0, -4.0, 0.0), cell_m=(0.5, 0.5, 0.5), shape=(16, 16, 2))


def film(*ids: int) -> np.ndarray:
    return np.array(ids, np.uint8).reshape(-1, 1, 1, 1)


def test_blinks_by_hand() -> None:
    # Triples: 110 no frame, 101 a blink of 1, 011 no frame, 111 a stay of 1, 112, 122 no frame.
    share = blinking(film(1, 1, 0, 1, 1, 1, 2, 2), 3)
    assert share.hits.tolist() == [0, 1, 0]
    assert share.tries.tolist() == [0, 2, 0]
    assert share.per_class[1] == 0.5
    assert np.isnan(share.per_class[2])


def test_steady_and_moving_things_do_not_blink() -> None:
    labels = np.zeros((6, 8, 1, 1), np.uint8)
    labels[:, 7] = 1
    for t in range(6):
        labels[t, t] = 2  # through a cell in one frame: there it is free that blinks
    share = blinking(labels, 3)
    assert share.hits.tolist() == [4, 0, 0]
    assert share.mean([1, 2]) == 0


def test_shuffled_time_blinks_more() -> None:
    labels = np.zeros((8, 16, 4, 2), np.uint8)
    for t in range(8):
        labels[t, t : t + 6] = 1
    straight = blinking(labels, 2)
    mixed = blinking(labels[[3, 0, 5, 2, 7, 1, 6, 4]], 2)
    assert straight.mean([1]) == 0
    assert mixed.mean([1]) > 0.1


def test_films_add_up() -> None:
    random = np.random.default_rng(0)
    one, two = (random.integers(3, size=(5, 4, 4, 2), dtype=np.uint8) for _ in range(2))
    joint = blinking(np.concatenate([one, two], axis=1), 3)
    added = blinking(one, 3) + blinking(two, 3)
    assert joint.hits.tolist() == added.hits.tolist()
    assert joint.tries.tolist() == added.tries.tolist()


def scene(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(4, size=(20, 20, 2), dtype=np.uint8)


def test_whole_steps_keep_every_voxel() -> None:
    world = scene(1)
    labels = np.stack([world[t : t + 16, 4 - t : 20 - t] for t in range(4)])
    motions = np.tile([0.5, -0.5, 0.0], (3, 1))
    share = persistence(labels, motions, GRID, [1, 2, 3], tolerance=0)
    assert share.per_class[1:].tolist() == [1, 1, 1]
    assert share.tries.sum() == sum((frame[1:, :15] != 0).sum() for frame in labels[:-1])
    wrong = persistence(labels, -motions, GRID, [1, 2, 3], tolerance=0)
    assert wrong.mean([1, 2, 3]) < 0.4


def test_quarter_turn() -> None:
    first = scene(2)[:16, :16]
    # Turned left, what lay ahead lies on the right: new x is old y, new y is minus old x.
    second = first[::-1].transpose(1, 0, 2)
    motion = np.array([[0.0, 0.0, np.pi / 2]])
    share = persistence(np.stack([first, second]), motion, GRID, [1, 2, 3], tolerance=0)
    assert share.per_class[1:].tolist() == [1, 1, 1]
    assert share.tries.sum() == (first != 0).sum()


def test_only_static_classes_and_tolerance() -> None:
    labels = np.zeros((2, 16, 16, 2), np.uint8)
    labels[0, 5, 5, 0] = labels[1, 6, 5, 0] = 1  # drifted by one cell
    labels[:, 9, 9, 0] = 2, 0
    still = np.zeros((1, 3))
    assert persistence(labels, still, GRID, [1], tolerance=0).mean([1]) == 0
    near = persistence(labels, still, GRID, [1], tolerance=1)
    assert (near.hits.tolist(), near.tries.tolist()) == ([0, 1], [0, 1])


def test_refusals() -> None:
    labels = np.zeros((3, 16, 16, 2), np.uint8)
    with pytest.raises(ValueError, match="1 motions for 3"):
        persistence(labels, np.zeros((1, 3)), GRID, [1])
    with pytest.raises(ValueError, match="filled"):
        persistence(labels, np.zeros((2, 3)), GRID, [0, 1])
