"""What the scores of films read from real windows: motion against true poses, blinking, lasting.

    python studies/film_scores.py --data DIR/val --windows 90

Motion is read from occupancy alone and compared with the recorded poses. Blinking and
persistence are shown for the real film, for shuffled frames and for 5 % label noise.
"""

import argparse
from time import perf_counter

import numpy as np
import torch

from roadloom.datasets.drive_conditions import command_of, trajectory_of
from roadloom.datasets.windows import OccupancyWindows
from roadloom.metrics.following import read_trajectory, trajectory_error
from roadloom.metrics.odometry import static_ids
from roadloom.metrics.temporal import blinking, persistence


def motion(windows: OccupancyWindows, chosen: list[int]) -> None:
    grid, rows, agreed, seconds = windows.scenes[0].drive.grid, [], 0, 0.0
    for number in chosen:
        true = trajectory_of(windows.poses(number))
        labels = windows.read(number, 0)["voxels"]
        begun = perf_counter()
        read = read_trajectory(labels, windows.view.name, grid)
        seconds += perf_counter() - begun
        error = trajectory_error(true, read)
        rows.append([error.mean_m, error.final_m, error.mean_rad, float(true[-1, :2].norm())])
        agreed += command_of(read) == command_of(true)
    table = np.array(rows)
    for name, column in zip(("mean m", "final m", "mean rad", "way m"), table.T, strict=True):
        print(f"{name:9} median {np.median(column):.4f}  mean {column.mean():.4f}  "
              f"most {column.max():.4f}")  # fmt: skip
    print(f"commands agree in {agreed} of {len(chosen)}; {seconds / len(chosen):.2f} s a window")


def films(windows: OccupancyWindows, chosen: list[int], seed: int) -> None:
    grid, static = windows.scenes[0].drive.grid, static_ids(windows.view.name)
    classes, random = len(windows.view), np.random.default_rng(seed)
    told: dict[str, list] = {}
    for number in chosen:
        labels, poses = windows.read(number, 0)["voxels"].numpy(), windows.poses(number)
        step = poses[:-1].inverse() @ poses[1:]
        motions = np.column_stack([step.translation[:, :2], step.yaw])
        hit = random.random(labels.shape, dtype=np.float32) < 0.05
        noise = random.integers(classes, size=labels.shape, dtype=np.uint8)
        for name, film in (
            ("real", labels),
            ("shuffled", labels[random.permutation(len(labels))]),
            ("noise 5 %", np.where(hit, noise, labels)),
        ):
            shares = [blinking(film, classes), persistence(film, motions, grid, static)]
            held = told.get(name)
            told[name] = (
                shares if held is None else [a + b for a, b in zip(held, shares, strict=True)]
            )
    for name, (blinks, lasts) in told.items():
        print(f"{name:10} blinking {blinks.mean(range(1, classes)):.4f}  "
              f"persistence {lasts.mean(static):.4f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--windows", type=int, default=90)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    windows = OccupancyWindows(args.data, frames=16, stride=16, partial=True)
    chosen = np.linspace(0, len(windows) - 1, args.windows).astype(int).tolist()
    motion(windows, chosen)
    films(windows, chosen, args.seed)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
