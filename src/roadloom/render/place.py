"""Where the grid of an occupancy lies: in the ego frame of its moment, or in another."""

from roadloom.errors import NotRecorded
from roadloom.geometry.pose import Pose
from roadloom.scene.clip import Frame
from roadloom.scene.occupancy import Occupancy


def ego_from_grid(frame: Frame, occupancy: Occupancy) -> Pose:
    """Carries points [m] of the grid's frame into the ego frame of ``frame``.

    Raises:
        NotRecorded: the grid lies in the frame of a LiDAR, and the clip has no main one.
    """
    if occupancy.frame == "ego":
        return Pose.identity()
    if occupancy.frame == "world":
        return frame.world_from_ego.inverse()
    lidar = frame.clip.meta.lidar
    if lidar is None:
        raise NotRecorded(
            f"where occupancy in the {occupancy.frame} frame lies is not recorded", field="frame",
            remedy="give occupancy in the ego frame",
        )  # fmt: skip
    return frame.clip.rig.lidar(lidar).ego_from_lidar
