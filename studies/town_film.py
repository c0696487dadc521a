"""A film of a drive: ``python -m studies.town_film --out out/film.mp4 --clip 3``.

The front camera of one clip of val, 10 pictures a second for 20 s, 960 x 540.
"""

import argparse
import multiprocessing
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from roadloom.io.progress import show_progress
from roadloom.io.video import write_video
from roadloom.town.config import TownConfig
from roadloom.town.source import TownReader

CAMERA = "CAM_FRONT"
WIDTH = 960
CHUNK = 5


def picture(reader: TownReader, index: int) -> np.ndarray:
    return reader.image(CAMERA, index)


def pictures(reader: TownReader, count: int, processes: int) -> Iterator[np.ndarray]:
    """In order; each process builds the town for itself."""
    if processes == 1:
        yield from (picture(reader, index) for index in range(count))
        return
    context = multiprocessing.get_context("spawn")  # a fork would share OpenMP's threads
    with context.Pool(processes) as pool:
        yield from pool.imap(partial(picture, reader), range(count), chunksize=CHUNK)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="out/film.mp4")
    parser.add_argument("--clip", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rays", type=int, default=4, help="rays a pixel: 1, 4, 9 or 16")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    path = Path(options.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    config = TownConfig(
        image_scale=WIDTH / 1600, duration_s=options.seconds, rays_per_pixel=options.rays
    )
    reader = TownReader("val", options.clip, config)
    count = len(reader.records(CAMERA).time_ns)
    frames = pictures(reader, count, options.processes)
    bar = show_progress(frames, total=count, desc="Drawing", unit="picture")
    write_video(path, bar, config.camera_hz)
    print(path)


if __name__ == "__main__":
    main()
