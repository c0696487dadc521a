"""The town beside the real recordings, line by line: ``python -m studies.town_statistics``.

Prints a Markdown table: question, real value, town's, deviation. The real values were measured on
a nuScenes key frame (NK) and scene (NS), an Argoverse 2 log (AV) and an Occ3D label (O3): small
samples, so they say what is plausible, not what is right.
"""

import argparse

import roadloom
from roadloom.io.progress import show_progress
from studies import measure

REAL: dict[str, tuple[float, str]] = {
    "vehicle.car length mean": (4.49, "NS+NK"), "vehicle.car length std": (0.41, "NS+NK"),
    "vehicle.car width mean": (1.87, "NS+NK"), "vehicle.car width std": (0.15, "NS+NK"),
    "vehicle.car height mean": (1.79, "NS+NK"), "vehicle.car height std": (0.20, "NS+NK"),
    "pedestrian length mean": (0.73, "NS+NK"), "pedestrian length std": (0.20, "NS+NK"),
    "pedestrian width mean": (0.68, "NS+NK"), "pedestrian width std": (0.14, "NS+NK"),
    "pedestrian height mean": (1.76, "NS+NK"), "pedestrian height std": (0.16, "NS+NK"),
    "object.traffic_cone length mean": (0.38, "NS+NK"),
    "object.traffic_cone height mean": (0.95, "NS+NK"),
    "object.barrier length mean": (0.69, "NK"), "object.barrier width mean": (1.99, "NK"),
    "object.barrier height mean": (1.08, "NK"),
    "two_wheeler.bicycle length mean": (1.68, "NS+NK"),
    "two_wheeler.bicycle width mean": (0.56, "NS+NK"),
    "boxes a frame, mean": (52.3, "NS"), "boxes a frame, least": (23, "NS"),
    "boxes a frame, most": (65, "NS"), "boxes within 50 m a frame, mean": (44.3, "NS"),
    "cars a frame, mean": (24.3, "NS"), "cars within 50 m a frame, mean": (20.2, "NS"),
    "people a frame, mean": (23.3, "NS"), "people within 50 m a frame, mean": (20.3, "NS"),
    "vehicle.car distance median": (29.6, "NS"), "pedestrian distance median": (27.2, "NS"),
    "vehicle.car share at 0-10 m": (5.5, "NS"), "vehicle.car share at 10-20 m": (17.1, "NS"),
    "vehicle.car share at 20-30 m": (27.9, "NS"), "vehicle.car share at 30-40 m": (19.4, "NS"),
    "vehicle.car share at 40-50 m": (13.4, "NS"), "vehicle.car share at 50-60 m": (7.7, "NS"),
    "vehicle.car share at 60-80 m": (7.9, "NS"),
    "pedestrian share at 0-10 m": (5.4, "NS"), "pedestrian share at 10-20 m": (26.5, "NS"),
    "pedestrian share at 20-30 m": (26.1, "NS"), "pedestrian share at 30-40 m": (16.0, "NS"),
    "pedestrian share at 40-50 m": (13.1, "NS"), "pedestrian share at 50-60 m": (8.5, "NS"),
    "pedestrian share at 60-80 m": (4.0, "NS"),
    "vehicle.car standing share": (0.874, "NS"), "vehicle.car moving speed mean": (5.64, "NS"),
    "vehicle.car moving speed std": (3.61, "NS"), "vehicle.car moving speed 5 %": (0.7, "NS"),
    "vehicle.car moving speed 25 %": (2.0, "NS"), "vehicle.car moving speed 50 %": (6.0, "NS"),
    "vehicle.car moving speed 75 %": (9.0, "NS"), "vehicle.car moving speed 95 %": (10.7, "NS"),
    "vehicle.car fastest": (12.1, "NS"),
    "pedestrian standing share": (0.119, "NS"), "pedestrian moving speed mean": (1.26, "NS"),
    "pedestrian moving speed std": (0.29, "NS"), "pedestrian moving speed 5 %": (0.74, "NS"),
    "pedestrian moving speed 25 %": (1.11, "NS"), "pedestrian moving speed 50 %": (1.31, "NS"),
    "pedestrian moving speed 75 %": (1.47, "NS"), "pedestrian moving speed 95 %": (1.65, "NS"),
    "pedestrian fastest": (2.1, "NS"),
    "cars the ego's way": (35, "NS"), "cars against it": (43, "NS"), "cars crossing": (18, "NS"),
    "ego speed mean": (6.07, "NS; AV 4.66"), "ego speed std": (2.52, "NS; AV 3.58"),
    "ego speed 5 %": (1.8, "NS; AV 0.1"), "ego speed 25 %": (3.9, "NS; AV 1.7"),
    "ego speed 50 %": (6.8, "NS; AV 3.9"), "ego speed 75 %": (8.3, "NS; AV 7.7"),
    "ego speed 95 %": (8.9, "NS; AV 11.0"), "ego fastest": (8.99, "NS; AV 11.2"),
    "ego standing share": (0.077, "AV; NS 0"), "ego yaw rate std": (8.0, "AV; NS 1.1"),
    "ego acceleration least": (-3.3, "NS; AV -2.6"), "ego acceleration most": (1.1, "NS; AV 2.2"),
    "LiDAR returns, share of shots": (75.4, "NK, ego body apart"),
    "LiDAR range 3-5 m": (14.8, "NK"), "LiDAR range 5-7.5 m": (27.1, "NK"),
    "LiDAR range 7.5-10 m": (10.2, "NK"), "LiDAR range 10-15 m": (16.5, "NK"),
    "LiDAR range 15-20 m": (8.6, "NK"), "LiDAR range 20-30 m": (10.1, "NK"),
    "LiDAR range 30-40 m": (5.5, "NK"), "LiDAR range 40-50 m": (3.2, "NK"),
    "LiDAR range 50-60 m": (1.5, "NK"), "LiDAR range 60-80 m": (2.0, "NK"),
    "LiDAR range 80-100 m": (0.5, "NK"), "LiDAR range median": (9.4, "NK"),
    "LiDAR height -9 to -0.3 m": (2.0, "NK"), "LiDAR height -0.3 to -0.15 m": (3.4, "NK"),
    "LiDAR height -0.15 to 0.15 m": (49.4, "NK; AV 16.4"),
    "LiDAR height 0.15 to 0.5 m": (10.4, "NK; AV 4.3"),
    "LiDAR height 0.5 to 1 m": (5.2, "NK; AV 10.0"), "LiDAR height 1 to 2 m": (7.4, "NK; AV 28.4"),
    "LiDAR height 2 to 4 m": (10.2, "NK; AV 28.6"), "LiDAR height 4 to 8 m": (9.7, "NK; AV 10.4"),
    "LiDAR height 8 to 15 m": (2.0, "NK; AV 1.7"), "LiDAR height 15 to 99 m": (0.3, "NK; AV 0.1"),
    "intensity of all hits 5 %": (3, "NK"), "intensity of all hits 25 %": (7, "NK"),
    "intensity of all hits 50 %": (12, "NK"), "intensity of all hits 75 %": (24, "NK"),
    "intensity of all hits 95 %": (60, "NK"), "intensity of all hits mean": (18.9, "NK"),
    "intensity of ground 5 %": (3, "NK"), "intensity of ground 25 %": (6, "NK"),
    "intensity of ground 50 %": (10, "NK"), "intensity of ground 75 %": (15, "NK"),
    "intensity of ground 95 %": (37, "NK"), "intensity of ground mean": (13.4, "NK"),
    "intensity of cars 5 %": (1, "NK; AV 0"), "intensity of cars 25 %": (7, "NK; AV 1"),
    "intensity of cars 50 %": (11, "NK; AV 7"), "intensity of cars 75 %": (24, "NK; AV 71"),
    "intensity of cars 95 %": (44, "NK; AV 108"), "intensity of cars mean": (16.9, "NK; AV 34.8"),
    "intensity of people 25 %": (10, "NK"), "intensity of people 50 %": (24, "NK"),
    "intensity of people 75 %": (38, "NK"), "intensity of people mean": (25.0, "NK"),
    "intensity of other 25 %": (7, "NK"), "intensity of other 50 %": (15, "NK"),
    "intensity of other 75 %": (31, "NK"), "intensity of other mean": (24.0, "NK"),
    "vehicle.car points at 0-10 m, median": (698, "NS"),
    "vehicle.car points at 10-20 m, median": (67, "NS"),
    "vehicle.car points at 20-30 m, median": (12, "NS"),
    "vehicle.car points at 30-40 m, median": (3, "NS"),
    "vehicle.car points at 40-50 m, median": (1, "NS"),
    "pedestrian points at 0-10 m, median": (50, "NS"),
    "pedestrian points at 10-20 m, median": (11, "NS"),
    "pedestrian points at 20-30 m, median": (4, "NS"),
    "pedestrian points at 30-40 m, median": (3, "NS"),
    "pedestrian points at 40-50 m, median": (2, "NS"),
    "vehicle.car under 5 points at 20-30 m": (0.22, "NS"),
    "vehicle.car under 5 points at 40-50 m": (0.85, "NS"),
    "pedestrian under 5 points at 20-30 m": (0.54, "NS"),
    "pedestrian under 5 points at 40-50 m": (0.99, "NS"),
    "boxes without a point": (13.8, "NS; NK 4.4, AV 17.4"),
    "boxes under 5 points": (52, "NS; NK 60, AV 40"),
    "image mean red": (108, "NK"), "image mean green": (110, "NK"), "image mean blue": (108, "NK"),
    "image std red": (55, "NK"), "image std green": (53, "NK"), "image std blue": (55, "NK"),
    "image third 1": (126.7, "NK"), "image third 2": (92.7, "NK"), "image third 3": (107, "NK"),
    "image luma std": (50, "NK, 43-57"), "image saturation": (0.105, "NK, 0.09-0.12"),
    "image gradient per pixel": (4.1, "NK, 3.2-5.0"), "image clipped %": (2.9, "NK, 0-5.8"),
    "image clipped dark %": (0, "NK"),
    "occupied": (6.11, "O3"), "columns occupied": (39.0, "O3"),
    "occupied by vegetation": (47.8, "O3"), "occupied by driveable_surface": (21.6, "O3"),
    "occupied by manmade": (13.5, "O3"), "occupied by sidewalk": (6.7, "O3"),
    "occupied by car": (4.5, "O3"), "occupied by terrain": (2.6, "O3"),
    "occupied by bus": (2.5, "O3"), "occupied by others": (0.4, "O3"),
    "occupied by motorcycle": (0.2, "O3"), "occupied by barrier": (0.2, "O3"),
    "columns occupied at 5-10 m": (92, "O3"), "columns occupied at 10-20 m": (66, "O3"),
    "columns occupied at 20-30 m": (43, "O3"), "columns occupied at 30-40 m": (33, "O3"),
    "street lane width mean": (4.47, "AV"), "street lane width median": (4.0, "AV"),
    "street lane length mean": (21.1, "AV"), "street lane length median": (17.6, "AV"),
    "junction lane width mean": (4.89, "AV"), "junction lane length mean": (12.8, "AV"),
    "junction lane length median": (10.4, "AV"),
    "crossing width mean": (2.76, "AV"), "crossing length mean": (14.4, "AV"),
    "drivable within 10 m": (0.84, "AV"), "drivable within 20 m": (0.49, "AV"),
    "drivable within 30 m": (0.36, "AV"),
}  # fmt: skip
"""Question -> what was measured in reality, and where."""


def town(clips: int, seen: int) -> measure.Figures:
    """``clips`` of val for boxes, ego and map; the first ``seen`` of them through sensors too."""
    source = roadloom.open("town-v1:val")
    opened = [source[i] for i in range(clips)]
    out: measure.Figures = {}
    for clip in show_progress(opened, desc="boxes"):
        clip.map  # noqa: B018 - drawn while its world is at hand
    out |= measure.boxes(opened, every=4) | measure.ego(opened)
    out |= measure.roads([clip.map for clip in opened])
    frames = [clip[key] for clip in opened[:seen] for key in (7, 27)]
    for part in (measure.lidar, measure.points_in_boxes, measure.occupancy, measure.drivable):
        out |= part(frames)
    days = [c for c in opened if c.attributes["time_of_day"] == "day"]
    days = [c for c in days if c.attributes["weather"] in ("clear", "cloudy")]
    return out | measure.photographs([clip[7] for clip in days[:seen]])


def rows(figures: measure.Figures) -> list[str]:
    lines = ["| | real | from | town | deviation |", "|---|---|---|---|---|"]
    for question, (real, where) in REAL.items():
        if question not in figures:
            lines.append(f"| {question} | {real:g} | {where} | none seen | |")
            continue
        value = figures[question]
        apart = f"{100 * (value / real - 1):+.0f} %" if real else f"{value - real:+.3g}"
        lines.append(f"| {question} | {real:g} | {where} | {value:.3g} | {apart} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--seen", type=int, default=8)
    options = parser.parse_args()
    print("\n".join(rows(town(options.clips, options.seen))))


if __name__ == "__main__":
    main()
