"""The decoder that the paper compares with: every voxel asks the planes by itself.

    voxel (t, x, y, z) -> six bilinear reads, multiplied -> with sines -> perceptron -> logits

"Query" in table 3 of DynamicCity (arXiv 2410.18084), which was never released; four hidden layers
of 256 and three frequencies, as its configuration says. A voxel costs a perceptron of its own, so
frames go one at a time and are forgotten until the backward pass.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from roadloom.models.hexplane.config import HexPlaneConfig
from roadloom.models.hexplane.planes import NAMES, Planes

HIDDEN, LAYERS = 256, 4
FREQUENCIES = (1.0, 2.0, 4.0)
"""Of the sines, times pi and the voxel's place in [-1, 1]."""


class PointsDecoder(nn.Module):
    def __init__(self, config: HexPlaneConfig) -> None:
        super().__init__()
        self.sizes = (config.frames, *config.shape)
        widths = [config.channels + 8 * len(FREQUENCIES), *[HIDDEN] * LAYERS]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(inputs, outputs), nn.SiLU()]
        self.perceptron = nn.Sequential(*layers, nn.Linear(HIDDEN, config.classes))

    def expand(self, planes: Planes) -> Planes:
        """Planes read at every voxel's place along their axes."""
        sizes = dict(zip("txyz", self.sizes, strict=True))
        return Planes(
            *(
                F.interpolate(plane, (sizes[name[0]], sizes[name[1]]), mode="bilinear")
                for name, plane in zip(NAMES, planes, strict=True)
            )
        )

    def forward(
        self, expanded: Planes, frames: Int64[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch frame x y z class"]:
        rows = []
        for example, numbers in enumerate(frames):
            own = Planes(*(plane[example] for plane in expanded))
            rows.append(torch.stack([self._frame(own, number) for number in numbers]))
        return torch.stack(rows)

    def _frame(self, planes: Planes, number: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return self._answer(planes, number)
        out: Tensor = checkpoint(self._answer, planes, number, use_reentrant=False)
        return out

    def _answer(self, planes: Planes, number: Tensor) -> Tensor:
        """Planes [C first second] at full resolution to the logits [X Y Z K] of one frame."""
        xy, xz, yz, tx, ty, tz = (plane.movedim(0, -1) for plane in planes)
        product = xy[:, :, None] * xz[:, None] * yz[None]  # [X Y Z C]
        product = product * tx[number][:, None, None] * ty[number][None, :, None] * tz[number]
        code = self._code(number, xy.device).to(product)
        return self.perceptron(torch.cat((product, code), dim=-1))

    def _code(self, number: Tensor, device: torch.device) -> Tensor:
        """Sines and cosines of a frame's voxels, [X Y Z code]."""
        t, *cells = (
            (torch.arange(count, device=device) + 0.5) * (2 / count) - 1 for count in self.sizes
        )
        places = torch.stack(torch.meshgrid(t[number][None], *cells, indexing="ij"), dim=-1)[0]
        angles = places[..., None] * torch.tensor(FREQUENCIES, device=device) * torch.pi
        return torch.cat((angles.sin(), angles.cos()), dim=-1).flatten(-2)
