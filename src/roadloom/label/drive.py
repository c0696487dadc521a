"""Where the vehicle was at any point's own time, also a little beyond the recorded path."""

import numpy as np
from jaxtyping import Float, Int64

from roadloom.geometry.interpolate import PoseTrack, blend
from roadloom.geometry.pose import Pose

BEYOND_NS = 200_000_000
"""A path is continued this far: the first turn of a recording began before its first pose."""
BASE_NS = 100_000_000
"""Its speed there is the mean over this span: neighbouring poses may be a few microseconds apart,
and their noise would be blown up."""
SAMPLE_NS = 1_000_000
"""Origins run linearly between moments this near: off by 1e-7 m at 0.5 rad/s."""


class Drive:
    """The vehicle's path, continued by ``BEYOND_NS`` at both ends."""

    def __init__(self, ego: PoseTrack) -> None:
        times, poses = [ego.time_ns], [ego.world_from_ego]
        if len(ego.time_ns) > 1:
            times.insert(0, ego.time_ns[:1] - BEYOND_NS)
            times.append(ego.time_ns[-1:] + BEYOND_NS)
            poses.insert(0, _continued(ego, 0, 1)[None])
            poses.append(_continued(ego, -1, -1)[None])
        self._ego = PoseTrack(
            time_ns=np.concatenate(times),
            world_from_ego=Pose(
                np.concatenate([p.rotation for p in poses]),
                np.concatenate([p.translation for p in poses]),
            ),
        )

    def at(self, times_ns: Int64[np.ndarray, " point"]) -> Pose:
        """world_from_ego at each time.

        Raises:
            BadInput: a time lies more than ``BEYOND_NS`` off the path.
        """
        return self._ego.at(times_ns, BEYOND_NS if len(self._ego.time_ns) == 1 else 0)

    def points_at(
        self,
        times_ns: Int64[np.ndarray, " point"],
        place_m: Float[np.ndarray, "3"],
        frame_from_world: Pose,
    ) -> Float[np.ndarray, "point 3"]:
        """Where a place of the vehicle was at each time [m], in the frame that is named.

        Raises:
            BadInput: a time lies more than ``BEYOND_NS`` off the path.
        """
        if not len(times_ns):
            return np.zeros((0, 3))
        first, last = int(times_ns.min()), int(times_ns.max())
        knots = self._ego.time_ns
        between = knots[(knots > first) & (knots < last)]
        count = max(2, -(-(last - first) // SAMPLE_NS) + 1)
        even = first + (np.arange(count) * (last - first)) // (count - 1)
        moments = np.unique(np.concatenate([even, between]))
        way = (frame_from_world @ self.at(moments)).apply(place_m[None, None])[:, 0]
        after = (times_ns - first).astype(np.float64)
        return np.stack([np.interp(after, moments - first, way[:, k]) for k in range(3)], axis=1)

    def largest_turn(self, times_ns: Int64[np.ndarray, " point"], frame_from_world: Pose) -> float:
        """The largest angle [rad] between a frame and the vehicle over a span of times.

        Between two of the path's poses the vehicle turns about one axis, at most to that pose of
        the two which is turned farther: so the ends and the poses between them tell.

        Raises:
            BadInput: a time lies more than ``BEYOND_NS`` off the path.
        """
        first, last = int(times_ns.min()), int(times_ns.max())
        knots = self._ego.time_ns
        between = knots[(knots > first) & (knots < last)]
        moments = np.unique(np.concatenate([[first, last], between]).astype(np.int64))
        turned = (frame_from_world @ self.at(moments)).rotation
        cosine = (np.trace(turned, axis1=-2, axis2=-1) - 1) / 2
        return float(np.arccos(np.clip(cosine, -1.0, 1.0)).max())


def _continued(ego: PoseTrack, end: int, inward: int) -> Pose:
    """The pose ``BEYOND_NS`` off the path's end, by the mean motion over ``BASE_NS``."""
    time_ns = int(ego.time_ns[end])
    span = min(BASE_NS, int(ego.time_ns[-1] - ego.time_ns[0]))
    inner = ego.at(np.array([time_ns + inward * span], np.int64))[0]
    return blend(ego.world_from_ego[end], inner, -BEYOND_NS / span)
