"""Six views of a town beside the six photographs of a real key frame, through the same cameras.

``python -m studies.town_beside --out out/beside`` writes one PNG for each chosen clip of val: the
real views above, the town's below, in the order front left, front, front right, back left, back,
back right. The real frame is nuScenes' under ROADLOOM_REAL_DATA.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import roadloom
from roadloom.io.image import write_image
from roadloom.scene.clip import Clip, Frame
from roadloom.town.config import TownConfig
from roadloom.town.source import TownReader

ORDER = (
    "CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_LEFT", "CAM_BACK", "CAM_BACK_RIGHT",
)  # fmt: skip
GAP = 4


def six(frame: Frame, width: int) -> np.ndarray:
    """Three above three, with a thin gap."""
    views = []
    for camera in ORDER:
        pixels = Image.fromarray(frame.image(camera).pixels)
        height = round(width * pixels.height / pixels.width)
        views.append(np.asarray(pixels.resize((width, height), Image.Resampling.LANCZOS)))
    height = views[0].shape[0]
    sheet = np.full((2 * height + GAP, 3 * width + 2 * GAP, 3), 255, np.uint8)
    for n, view in enumerate(views):
        row, column = divmod(n, 3)
        y, x = row * (height + GAP), column * (width + GAP)
        sheet[y : y + height, x : x + width] = view
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", default=os.environ.get("ROADLOOM_REAL_DATA", "../shared/data"))
    parser.add_argument("--out", default="out/beside")
    parser.add_argument("--clips", type=int, nargs="+", default=[9, 1, 8, 7])
    parser.add_argument("--key", type=int, default=12)
    parser.add_argument("--width", type=int, default=640)
    options = parser.parse_args()
    real = roadloom.open(f"nuscenes:{options.real}/nuscenes:scene-0061")[0]
    above = six(next(f for f in real if len(f.images) == len(ORDER)), options.width)
    # The recording does not say how its LiDAR's beams are arranged, and nothing asks for them here.
    config = TownConfig(rig=replace(real.rig, lidars=()), image_scale=0.5)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for clip in options.clips:
        town = Clip(TownReader("val", clip, config))
        below = six(town[options.key], options.width)
        gap = np.full((4 * GAP, above.shape[1], 3), 255, np.uint8)
        path = out / f"beside_{clip}.png"
        write_image(path, np.concatenate([above, gap, below]))
        print(path)


if __name__ == "__main__":
    main()
