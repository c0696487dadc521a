"""What the town looks like by day, at dusk, in haze and in rain.

``python -m studies.town_gallery --out out/gallery`` writes for each of the four a picture of the
front camera at 1600 x 900 and a sheet of all six cameras at 256 x 256, as networks see them:
front left, front, front right above back left, back, back right. Clips are the first of val
with such a look unless numbers are given; of each, the key frame with the most around the ego.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from roadloom.io.image import write_image
from roadloom.scene.clip import Clip
from roadloom.scene.source import Source, SourceName
from roadloom.town.config import TownConfig
from roadloom.town.plan.draw import dice_of
from roadloom.town.plan.look import draw_look
from roadloom.town.plan.types import Look
from roadloom.town.source import TownSource
from studies.town_beside import GAP, ORDER

LOOKS: dict[str, Callable[[Look], bool]] = {
    "day": lambda look: look.weather == "clear" and look.time_of_day == "day",
    "dusk": lambda look: look.weather == "clear" and look.time_of_day == "dusk",
    "haze": lambda look: look.weather == "haze",
    "wet": lambda look: look.weather == "wet",
}
SEARCHED = 60
SIDE = 256


def first_with(fits: Callable[[Look], bool]) -> int:
    """The first clip of val with such a look; no town is drawn for this."""
    for index in range(SEARCHED):
        if fits(draw_look(dice_of("val", index, 0))):
            return index
    raise LookupError(f"none of the first {SEARCHED} clips of val")


def clip_of(index: int, scale: float, rays_per_pixel: int) -> Clip:
    config = TownConfig(image_scale=scale, rays_per_pixel=rays_per_pixel)
    return Source(SourceName("town-v1", "val", None), TownSource("val", config))[index]


def liveliest(clip: Clip) -> int:
    """The key frame with the most people and vehicles 6 to 40 m before the ego."""
    counts = []
    for frame in clip:
        boxes = clip.reader.boxes_at(frame.time_ns)
        x, y = boxes.pose.translation[:, 0], boxes.pose.translation[:, 1]
        counts.append(int(((x > 6) & (x < 40) & (np.abs(y) < 0.7 * x)).sum()))
    return int(np.argmax(counts))


def squares(clip: Clip, key: int) -> np.ndarray:
    """Three above three, each the middle of its picture."""
    sheet = np.full((2 * SIDE + GAP, 3 * SIDE + 2 * GAP, 3), 255, np.uint8)
    for n, camera in enumerate(ORDER):
        pixels = clip[key].image(camera).pixels
        left = (pixels.shape[1] - SIDE) // 2
        row, column = divmod(n, 3)
        y, x = row * (SIDE + GAP), column * (SIDE + GAP)
        sheet[y : y + SIDE, x : x + SIDE] = pixels[:SIDE, left : left + SIDE]
    return sheet


@dataclass(frozen=True)
class Chosen:
    name: str
    index: int
    key: int


def choose(options: argparse.Namespace) -> list[Chosen]:
    chosen = []
    for name, fits in LOOKS.items():
        index = getattr(options, name)
        index = first_with(fits) if index is None else index
        key = liveliest(clip_of(index, 0.5, 1)) if options.key is None else options.key
        chosen.append(Chosen(name, index, key))
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="out/gallery")
    parser.add_argument("--key", type=int, help="key frame, of all clips")
    parser.add_argument("--rays", type=int, default=4, help="rays a pixel: 1, 4, 9 or 16")
    for name in LOOKS:
        parser.add_argument(f"--{name}", type=int, metavar="CLIP", help=f"clip of val for {name}")
    options = parser.parse_args()
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for one in choose(options):
        front = clip_of(one.index, 1.0, options.rays)[one.key].image("CAM_FRONT").pixels
        write_image(out / f"{one.name}_front.png", front)
        small = clip_of(one.index, SIDE / 900, options.rays)
        write_image(out / f"{one.name}_six.png", squares(small, one.key))
        print(f"{one.name}: clip {one.index}, key frame {one.key}")


if __name__ == "__main__":
    main()
