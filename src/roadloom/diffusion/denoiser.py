"""What the samplers call: a function from a noisy sample and its time to the network's output."""

from collections.abc import Callable

from torch import Tensor

from roadloom.errors import BadInput

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""(x [batch channel ...], times [batch], 0 clean to 1000 noise) -> output [batch channels_out ...].

The output is the noise (``epsilon``), the noise and then as many variance channels, or the
velocity (``flow``)."""


def split_variance(output: Tensor, channels: int) -> tuple[Tensor, Tensor | None]:
    """Prediction and variance channels of an output; None where there are no such channels.

    Raises:
        BadInput: the output has neither ``channels`` nor twice as many channels.
    """
    if output.shape[1] == channels:
        return output, None
    if output.shape[1] == 2 * channels:
        return output[:, :channels], output[:, channels:]
    raise BadInput(
        f"the denoiser gave {output.shape[1]} channels for a sample of {channels}; "
        f"it must give {channels}, or {2 * channels} with learned variance"
    )
