"""Labels from above, side by side: the town's exact occupancy and what its LiDAR tells of it.

    python -m studies.label_pictures --out label_boxes.png [--data FOLDER]

Above exact occupancy, then labels of a window of 1 s without and with boxes; below a label of the
recorded Argoverse 2 log, if its folder is there, then labels of the whole drive without and with
boxes. Each column of cells has the colour of its highest occupied one, darker the lower it is;
columns of free cells are dark grey, and those of which nothing is known are black.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import roadloom
from roadloom.io.image import write_image
from roadloom.label.recipe import WINDOWS, Recipe
from roadloom.label.scene import SceneLabeller
from roadloom.scene.classes import FREE, UNKNOWN
from roadloom.scene.clip import Clip
from roadloom.scene.occupancy import Occupancy
from roadloom.scene.palette import colors_of
from roadloom.town.config import TownConfig
from roadloom.town.source import TownSource
from studies.only_sweeps import with_sweeps

PIXELS = 2
"""Of a cell."""
TITLE_PX, GAP_PX = 22, 6
FREE_RGB, DARKEST = (44, 47, 52), 0.45


def from_above(occupancy: Occupancy) -> np.ndarray:
    """RGB with x, forward, up and y, to the left, to the left."""
    labels = occupancy.labels
    solid = (labels != FREE) & (labels != UNKNOWN)
    top = labels.shape[2] - 1 - np.argmax(solid[..., ::-1], axis=2)
    classes = np.take_along_axis(labels, top[..., None], axis=2)[..., 0]
    light = DARKEST + (1 - DARKEST) * np.minimum(1.0, (top + 3) / (0.6 * labels.shape[2]))
    picture = np.zeros((*top.shape, 3))
    picture[(labels == FREE).any(axis=2)] = FREE_RGB
    some = solid.any(axis=2)
    picture[some] = colors_of(classes[some]) * light[some, None]
    seen = np.round(picture[::-1, ::-1]).astype(np.uint8)
    return seen.repeat(PIXELS, axis=0).repeat(PIXELS, axis=1)


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    height, width = picture.shape[:2]
    sheet = Image.new("RGB", (width + GAP_PX, height + TITLE_PX + GAP_PX), "white")
    sheet.paste(Image.fromarray(picture), (GAP_PX // 2, TITLE_PX))
    ImageDraw.Draw(sheet).text(
        (GAP_PX, 3), title, fill="black", font=ImageFont.load_default(14)
    )  # fmt: skip
    return np.asarray(sheet)


def recorded(data: Path) -> np.ndarray | None:
    """A label of the two sweeps of the Argoverse 2 log; None where it is not here."""
    logs = sorted((data / "av2/sensor/val").glob("*/"))
    if not logs:
        return None
    clip = roadloom.open(f"av2:{logs[0]}")[0]
    times = clip.sweeps["lidar"].times_ns
    here = {int(p.stem) for p in (logs[0] / "sensors/lidar").glob("*.feather")}
    rows = [i for i, t in enumerate(times.tolist()) if t in here]
    key = int(np.flatnonzero(clip.times_ns == times[rows[0]])[0])
    labeller = SceneLabeller(with_sweeps(clip, rows), Recipe(window=WINDOWS["1s"], masks=False))
    return titled(from_above(labeller.label(key)), "Argoverse 2, two sweeps, with boxes")


def main() -> None:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("--out", type=Path, required=True)
    ask.add_argument("--clip", default="3", help="of the town's val")
    ask.add_argument("--key", type=int, default=20)
    ask.add_argument("--data", default=os.environ.get("ROADLOOM_REAL_DATA", "../shared/data"))
    given = ask.parse_args()
    source = TownSource("val", TownConfig(image_scale=0.1))
    clip = Clip(source.open_scene(given.clip))
    recipe = Recipe(masks=False)
    exact = clip[given.key].occupancy(recipe.grid)
    rows = [[titled(from_above(exact), "town, exact")], []]
    log = recorded(Path(given.data))
    rows[1].append(np.full_like(rows[0][0], 255) if log is None else log)
    for boxes in (False, True):
        for row, window in zip(rows, ("1s", "scene"), strict=True):
            labeller = SceneLabeller(clip, Recipe(masks=False, boxes=boxes, window=WINDOWS[window]))
            told = f"window {window}, {'with' if boxes else 'without'} boxes"
            row.append(titled(from_above(labeller.label(given.key)), told))
    write_image(given.out, np.concatenate([np.concatenate(row, axis=1) for row in rows]))


if __name__ == "__main__":
    main()
