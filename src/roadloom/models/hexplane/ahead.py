"""The window before, moved to where the next one will lie.

Planes lie in the grid of their own window's middle frame (see ``motion``). One window later that
frame has driven on by some ten metres, so what stands lies elsewhere in the planes of the next
window, and a network that takes the past as it lay must first learn to move it. Where the next
window will be nobody knows before it is made; the past tells how fast the vehicle goes and turns,
and with both held on its next middle frame is foreseen:

    steps of TZ -> pose of the next middle frame in this one's -> planes as seen from there

XY is moved and turned; XZ, YZ, TX and TY know one axis of the ground and are moved along it; TZ,
which holds the ego's motion, stays. What comes in at the border is zero.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from roadloom.models.hexplane.motion import carry_map, middle
from roadloom.models.hexplane.planes import Planes


def foreseen(steps: Float[Tensor, "batch step 3"], frames: int) -> Float[Tensor, "batch 3"]:
    """x, y and yaw of the next window's middle frame in this one's, if speed and turn stay.

    Args:
        steps: the motion that TZ tells, each over ``frames / steps`` frames, in units of length
            that the answer has too.
    """
    count = steps.shape[1]
    if count == 1:
        return torch.zeros_like(steps[:, 0])
    back = min(2, count - 1)
    last = steps[:, -1]
    x, y, turn = _seen_from(steps[:, -1 - back], last).unbind(-1)
    # The arc of this turn with this chord, continued (the exponential map of planar motions).
    ahead, aside = _arc(turn)
    norm = ahead.square() + aside.square()
    forward, sideways = (ahead * x + aside * y) / norm, (ahead * y - aside * x) / norm
    span = frames / count
    longer = (frames + middle(frames) - (span * (count - 0.5) - 0.5)) / (back * span)
    ahead, aside = _arc(turn * longer)
    x = longer * (ahead * forward - aside * sideways)
    y = longer * (aside * forward + ahead * sideways)
    cos, sin = last[:, 2].cos(), last[:, 2].sin()
    moved = torch.stack((cos * x - sin * y, sin * x + cos * y, turn * longer), dim=-1)
    return last + moved


def seen_ahead(planes: Planes, pose: Float[Tensor, "batch 3"]) -> Planes:
    """Planes as a frame of this pose [cells of the planes, rad] has them, zero outside."""
    none = torch.zeros_like(pose[:, :1])
    along, across = (
        torch.cat((pose[:, axis : axis + 1], none, none), dim=1)[:, None] for axis in (0, 1)
    )
    return planes._replace(
        xy=carry_map(planes.xy, pose[:, None]),
        xz=carry_map(planes.xz, along),
        yz=carry_map(planes.yz, across),
        tx=carry_map(planes.tx.mT, along).mT,
        ty=carry_map(planes.ty.mT, across).mT,
    )


def _seen_from(frame: Tensor, pose: Tensor) -> Tensor:
    x, y, yaw = (pose - frame).unbind(-1)
    cos, sin = frame[:, 2].cos(), frame[:, 2].sin()
    return torch.stack((cos * x + sin * y, cos * y - sin * x, yaw), dim=-1)


def _arc(turn: Tensor) -> tuple[Tensor, Tensor]:
    """sin(turn) / turn and (1 - cos(turn)) / turn, also at 0."""
    half = turn / 2
    return torch.sinc(turn / torch.pi), half.sin() * torch.sinc(half / torch.pi)
