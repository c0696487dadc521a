"""What a HexPlane diffusion transformer is made of; presets of the paper and of our own."""

from dataclasses import dataclass
from typing import Literal

from roadloom.models.hexplane.conditions import NAMES
from roadloom.models.hexplane.planes import PlaneSize
from roadloom.models.hexplane.rollout import check_patch


@dataclass(frozen=True, kw_only=True)
class DitConfig:
    """Sizes and parts; the defaults are ours."""

    size: PlaneSize = PlaneSize(8, 64, 64, 4)
    """Cells of the six planes along t, x, y and z."""
    channels: int = 16
    """Of the latent."""
    learned_variance: bool = False
    """Predict as many channels again, which place the variance of a step between its bounds
    (Nichol and Dhariwal, arXiv 2102.09672, section 3.1)."""
    patch: int = 2
    """Cells along a token's edge."""
    tokens: Literal["rollout", "unfold", "vertical"] = "rollout"
    """Layout of the planes (see ``layouts``)."""
    width: int = 384
    depth: int = 16
    heads: int = 8
    mlp_ratio: float = 4.0
    """Hidden width of a block's perceptron over ``width``."""
    conditions: tuple[str, ...] = NAMES
    """What the network can be asked to follow."""
    frames: int = 16
    """Of layouts and trajectories."""
    layout_kinds: int = 3
    """Channels of a layout at one frame."""
    trajectory_scale: tuple[float, float, float] = (10.0, 2.0, 0.2)
    """x, y [m] and yaw [rad] are divided by these; spreads of city drives over 1.6 s."""
    modulation: Literal["shared", "block"] = "shared"
    """``block``: every block turns the condition into shifts, scales and gates by its own linear
    layer (adaLN-Zero; Peebles and Xie, arXiv 2212.09748). ``shared``: one layer for all blocks,
    plus a table per block (adaLN-single; PixArt-alpha, arXiv 2310.00426, section 2.3)."""
    token_rank: int = 32
    """Conditions that differ between tokens are added to the tokens; besides, they change the
    modulation of their token through this many channels, at once for all blocks. 0: they do
    not."""
    normalize_heads: bool = True
    """RMS norm of queries and keys, which keeps attention from saturating in low precision
    (Esser et al., arXiv 2403.03206, section 5.3.2)."""
    past_bottleneck: bool = False
    """Patches of more numbers than ``width`` do not fit through a token, and noise, unlike data,
    cannot be shortened (Li and He, arXiv 2511.13720): hand the noisy patch past the blocks to the
    last layer, which weighs it."""
    hold_past: bool = False
    """Hand the window before past the bottleneck too, with a weight of its own: what stands is
    there already. Needs ``past_bottleneck`` and the condition ``previous``."""
    cross_attention: bool = False
    """``compat`` only: blocks also attend to the tokens of the image conditions."""
    compat: bool = False
    """Reproduce the published code: every token has a modulation of its own, image conditions
    enter it and nothing else, a layout is embedded in one channel, absent conditions are zero
    (positions are added all the same), trajectories are not scaled."""

    def __post_init__(self) -> None:
        check_patch(self.size, self.patch)
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        if self.width % 4:
            raise ValueError(f"width must be a multiple of 4, got {self.width}")
        if min(self.channels, self.depth, self.heads, self.frames, self.layout_kinds) < 1:
            raise ValueError("channels, depth, heads, frames and layout_kinds start at 1")
        if len(set(self.conditions)) != len(self.conditions) or set(self.conditions) - set(NAMES):
            raise ValueError(f"conditions must be some of {NAMES}, got {self.conditions}")
        if self.token_rank < 0 or min(self.trajectory_scale) <= 0 or self.mlp_ratio <= 0:
            raise ValueError("token_rank, trajectory_scale or mlp_ratio is out of range")
        self._check_compat()

    def _check_compat(self) -> None:
        if self.compat:
            if self.modulation != "block" or self.normalize_heads or self.token_rank:
                raise ValueError("compat needs modulation 'block', no head norm, token_rank 0")
            if self.tokens != "rollout" or self.layout_kinds != 1:
                raise ValueError("compat needs the rollout and one kind of layout")
        if self.past_bottleneck and (self.compat or self.learned_variance):
            raise ValueError("past_bottleneck goes with neither compat nor learned_variance")
        if self.hold_past and not (self.past_bottleneck and "previous" in self.conditions):
            raise ValueError("hold_past needs past_bottleneck and the condition previous")
        if self.cross_attention and not (self.compat and self.token_conditions):
            raise ValueError("cross_attention needs compat and a condition on previous or layout")

    @property
    def token_conditions(self) -> tuple[str, ...]:
        """Those that differ between tokens."""
        return tuple(name for name in NAMES[:2] if name in self.conditions)

    @property
    def out_channels(self) -> int:
        return self.channels * (2 if self.learned_variance else 1)


def dit_dc2(**changes: object) -> DitConfig:
    """DiT-DC/2 of the paper's code, without conditions: 43,175,936 trained parameters."""
    settings: dict[str, object] = {
        "modulation": "block", "normalize_heads": False, "token_rank": 0, "layout_kinds": 1,
        "learned_variance": True, "conditions": (), "compat": True,
    }  # fmt: skip
    return DitConfig(**(settings | changes))  # type: ignore[arg-type]


def dit_base(**changes: object) -> DitConfig:
    """Ours at the size of DiT-DC/2, with all conditions."""
    return DitConfig(**changes)  # type: ignore[arg-type]


def dit_tiny(**changes: object) -> DitConfig:
    """Ours for two CPU cores: 354 tokens of 4x4 cells, 2.4 million parameters.

    4.7 MB in half precision leave room for the other models in 10 MB. Heads are 32 wide, on which
    CPU kernels are fast, and six blocks with wide perceptrons cost less than eight with narrow
    ones: attention is what takes the time.
    """
    settings: dict[str, object] = {
        "patch": 4, "width": 160, "depth": 6, "heads": 5, "mlp_ratio": 3.0,
        "past_bottleneck": True,
    }  # fmt: skip
    conditions = changes.get("conditions", NAMES)
    settings["hold_past"] = isinstance(conditions, tuple) and "previous" in conditions
    return DitConfig(**(settings | changes))  # type: ignore[arg-type]
