"""The five radars of nuScenes, empty: no source of ours has any, but its tools expect the files.

A file without points has one, all NaN, which its readers take for none. Format: PCD 0.7, binary,
with the 18 fields that nuScenes gives its radars.
"""

import struct

import numpy as np

from roadloom.geometry.pose import Pose, rotation_from_yaw

MOUNTS = {
    "RADAR_FRONT": (3.41, 0.0, 0.5, 0.0),
    "RADAR_FRONT_LEFT": (2.42, 0.8, 0.78, 90.0),
    "RADAR_FRONT_RIGHT": (2.42, -0.8, 0.77, -90.0),
    "RADAR_BACK_LEFT": (-0.56, 0.63, 0.53, 180.0),
    "RADAR_BACK_RIGHT": (-0.56, -0.63, 0.53, 180.0),
}
"""x, y, z [m] and heading [degrees]: nominal, after the layout of the nuScenes car."""

_FIELDS = (
    *((name, "F", 4) for name in ("x", "y", "z")),
    ("dyn_prop", "I", 1), ("id", "I", 2),
    *((name, "F", 4) for name in ("rcs", "vx", "vy", "vx_comp", "vy_comp")),
    *((name, "I", 1) for name in (
        "is_quality_valid", "ambig_state", "x_rms", "y_rms", "invalid_state", "pdh0", "vx_rms",
        "vy_rms",
    )),
)  # fmt: skip
"""Name, type and bytes of each field."""


def ego_from_radar(channel: str) -> Pose:
    """Mount of one of ``MOUNTS``; x points away from the car."""
    x, y, z, heading = MOUNTS[channel]
    return Pose(rotation_from_yaw(np.deg2rad(np.array(heading))), np.array([x, y, z]))


def empty_file() -> bytes:
    """A radar file in which nothing was met."""
    names, kinds, sizes = zip(*_FIELDS, strict=True)
    header = (
        "# .PCD v0.7 - Point Cloud Data file format",
        "VERSION 0.7",
        f"FIELDS {' '.join(names)}",
        f"SIZE {' '.join(map(str, sizes))}",
        f"TYPE {' '.join(kinds)}",
        f"COUNT {' '.join('1' for _ in names)}",
        "WIDTH 1",
        "HEIGHT 1",
        "VIEWPOINT 0 0 0 1 0 0 0",
        "POINTS 1",
        "DATA binary",
        "",
    )
    code = {("F", 4): "f", ("I", 1): "b", ("I", 2): "h"}
    layout = "<" + "".join(code[kind, size] for kind, size in zip(kinds, sizes, strict=True))
    values = [float("nan") if kind == "F" else 0 for kind in kinds]
    # Readers of nuScenes want a byte after the last point.
    return "\n".join(header).encode() + struct.pack(layout, *values) + b"\n"
