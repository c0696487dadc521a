"""Where the vehicle stood, for data sets whose copies may come without poses."""

from pathlib import Path

from roadloom.errors import NotRecorded
from roadloom.geometry.pose import Pose


def poses_or_lone(poses: Pose | None, count: int, *, file: Path, remedy: str) -> Pose:
    """The poses; without any, a single frame stands at the origin of a world of its own.

    Raises:
        NotRecorded: several frames without poses: nobody knows how they lie to each other.
    """
    if poses is not None:
        return poses
    if count != 1:
        raise NotRecorded(
            f"the poses of {count} frames were not recorded", file=file, field="poses",
            remedy=remedy,
        )  # fmt: skip
    return Pose.stack([Pose.identity()])
