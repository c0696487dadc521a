"""Pasts as the network itself would have made them, to learn from.

In a drive the window before is generated. Who has learned from recorded pasts alone copies what
generated ones lack (people on pavements, straight walls), and a drive grows poorer from window to
window. So some pasts of a training step are put to noise and brought back by the network as it
stands: they lack what its windows lack, and the window to be learned, which goes on with the
recorded one, has it.

    recorded past -> noise of a share t -> a few steps of the network, told nothing -> past

Learning from one's own output in place of the recorded one is scheduled sampling (Bengio et al.
2015, arXiv 1506.03099); noise and back keeps what the past shows (SDEdit, Meng et al. 2021, arXiv
2108.01073). No gradient flows through it.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from roadloom.diffusion.schedules import LEVELS, flow_grid, per_sample
from roadloom.diffusion.seeds import generators, noise_like

STEPS = 3
"""Few cost little, and lose a little more than a sampler would."""
SHIFT = 3.0
"""Of the times of these steps, as in sampling."""
MOST = 0.9
"""Largest share of noise: with more the past would show another world than the window."""


def own_pasts(
    module: nn.Module, batch: Mapping[str, Tensor], seeds: tuple[int, ...], share: float
) -> dict[str, Tensor]:
    """The batch with a share of its ``previous`` made anew by the network, a flow.

    Which, and from how much noise, follows from each sample's seed.

    Args:
        module: takes a map, times and conditions and predicts the velocity.
        batch: ``previous`` [batch channel height width] of windows as the network takes them.
        share: of the samples.
    """
    made = dict(batch)
    if not share or "previous" not in batch:
        return made
    drawn = torch.stack([torch.rand(2, generator=g) for g in generators(seeds, "own past")])
    chosen = drawn[:, 0] < share
    # One at least goes through: processes that share the weights must call them alike.
    rows = chosen.nonzero()[:, 0] if chosen.any() else torch.zeros(1, dtype=torch.int64)
    past = batch["previous"]
    rows = rows.to(past.device)
    noise = noise_like(seeds, past.shape[1:], device=past.device, stream="own past")
    start = (MOST * drawn[:, 1]).to(past.device)
    again = there_and_back(module, past[rows], noise[rows], start[rows])
    anew = chosen.to(past.device)[:, None, None, None]
    made["previous"] = torch.where(anew, past.index_copy(0, rows, again), past)
    return made


@torch.no_grad()
def there_and_back(module: nn.Module, x: Tensor, noise: Tensor, start: Tensor) -> Tensor:
    """``x`` to the time ``start`` [batch] of the flow, 0 to 1, and back in ``STEPS`` steps."""
    times = start[:, None] * flow_grid(STEPS, SHIFT).to(start)
    first = per_sample(start, x)
    state = (1 - first) * x + first * noise
    for now, then in zip(times.T[:-1], times.T[1:], strict=True):
        velocity = module(state, LEVELS * now, None)
        state = state + per_sample(then - now, state) * velocity.to(state.dtype)
    return state
