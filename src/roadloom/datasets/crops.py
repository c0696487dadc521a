"""Windows cut down along x, y and time, at a place drawn by the seed: for small machines.

CropWindows(OccupancyWindows(...), size=(64, 64)).read(index, seed)
    -> {"voxels", "valid", "offset"}
"""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from roadloom.datasets.flips import Flip
from roadloom.datasets.windows import WindowName
from roadloom.geometry.pose import Pose
from roadloom.scene.class_views import ClassView

_STREAM = 2
"""Of an example's seed; flips have another."""


@runtime_checkable
class Windows(Protocol):
    """What wrappers of windows need of them; ``OccupancyWindows`` says what each does."""

    view: ClassView
    frames: int
    shape: tuple[int, int, int]

    def __len__(self) -> int: ...
    def read(self, index: int, seed: int) -> dict[str, Tensor]: ...
    def flip(self, seed: int) -> Flip: ...
    def window_name(self, index: int) -> WindowName: ...
    def poses(self, index: int) -> Pose: ...
    def previous(self, index: int) -> int | None: ...


class CropWindows:
    """``Examples`` of a training task, with the crop's first cell as ``offset`` (t, x, y), int64.

    ``window_name`` and ``poses`` are those of the whole window.

    Args:
        windows: to be cut.
        size: cells along x and y.
        frames: T; None: all.
        multiple: offsets in x and y are multiples of it, so that pooled maps line up.

    Raises:
        ValueError: the crop is larger than the windows.
    """

    def __init__(
        self,
        windows: Windows,
        *,
        size: tuple[int, int],
        frames: int | None = None,
        multiple: int = 1,
    ) -> None:
        self.windows, self.view = windows, windows.view
        self.frames = windows.frames if frames is None else frames
        self.shape = (*size, windows.shape[2])
        whole = (windows.frames, *windows.shape[:2])
        self._room = tuple(n - m for n, m in zip(whole, (self.frames, *size), strict=True))
        if min(self._room) < 0 or min(self.frames, *size) < 1 or multiple < 1:
            raise ValueError(f"no crop of {self.frames} x {size} from {whole}")
        self.multiple = multiple

    def __len__(self) -> int:
        return len(self.windows)

    def offset(self, seed: int) -> tuple[int, int, int]:
        """First frame and first cell along x and y of the crop that this seed draws."""
        draw = np.random.default_rng((seed, _STREAM))
        time, x, y = self._room
        places = draw.integers(0, [time + 1, x // self.multiple + 1, y // self.multiple + 1])
        return int(places[0]), int(places[1]) * self.multiple, int(places[2]) * self.multiple

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        whole = self.windows.read(index, seed)
        time, x, y = self.offset(seed)
        cut = (
            slice(time, time + self.frames),
            slice(x, x + self.shape[0]),
            slice(y, y + self.shape[1]),
        )
        found = {name: whole[name][cut].contiguous() for name in ("voxels", "valid")}
        return found | {"offset": torch.tensor((time, x, y))}

    def flip(self, seed: int) -> Flip:
        return self.windows.flip(seed)

    def window_name(self, index: int) -> WindowName:
        return self.windows.window_name(index)

    def poses(self, index: int) -> Pose:
        return self.windows.poses(index)

    def previous(self, index: int) -> int | None:
        return self.windows.previous(index)
