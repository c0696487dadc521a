"""A transformer and what it takes to use it: one model folder, ``hexplane_dit``.

    module, card = load_model("DIR")
    noise -> sample(module.guided(conditions, 2.0), noise, sampler) -> module.planes(map)

Latents are normalised for training; the network sees maps whose cells are plain numbers of mean 0
and deviation 1. Statistics, objective and the name of the autoencoder travel with the weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from roadloom.datasets.latents import LatentStatistics
from roadloom.diffusion.denoiser import Denoiser
from roadloom.diffusion.distill import StudentGrid
from roadloom.diffusion.guidance import GuidanceConfig, guide
from roadloom.diffusion.objectives import EpsilonObjective, FlowObjective, Objective
from roadloom.errors import BadInput
from roadloom.geometry.voxel_grid import grid_named
from roadloom.models.hexplane.ahead import foreseen, seen_ahead
from roadloom.models.hexplane.conditions import Conditions, join
from roadloom.models.hexplane.dit import HexPlaneDit
from roadloom.models.hexplane.dit_config import DitConfig
from roadloom.models.hexplane.motion import CHANNELS, read_motion
from roadloom.models.hexplane.planes import NAMES, Planes
from roadloom.models.hexplane.rollout import live_cells, map_shape, roll_out, unroll


def plain_statistics(channels: int) -> LatentStatistics:
    """Of latents that are taken as they are."""
    return LatentStatistics(
        mean=dict.fromkeys(NAMES, (0.0,) * channels), std=dict.fromkeys(NAMES, (1.0,) * channels)
    )


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Everything about the network that is no weight; exactly one objective is set."""

    dit: DitConfig = field(default_factory=DitConfig)
    flow: FlowObjective | None = None
    epsilon: EpsilonObjective | None = None
    statistics: LatentStatistics
    """Of the latents that it was trained on, plane by plane."""
    vae: str = ""
    """Hash of the weights of the autoencoder whose latents these are; "": of none."""
    class_view: str = "dynamiccity12"
    grid: str = "carla_sc"
    hz: float = 10.0
    """Frames a second."""
    layout: tuple[str, ...] = ("Road", "Sidewalk", "Vehicle")
    """Classes behind the channels of a layout."""
    guidance: float = 1.0
    """Scale of the guidance that was distilled into a student, which then takes no other."""
    student: StudentGrid | None = None
    """The steps that a student takes, no others; None: any sampler."""
    carry_past: bool = False
    """The window before is moved to where this one is foreseen (see ``ahead``); its latents tell
    the ego's motion."""
    follow_gain: float = 1.0
    """What clean XY, XZ and YZ are multiplied by in a window that follows a generated one, without
    further guidance (``diffusion.gain``): measured, of these weights."""

    def __post_init__(self) -> None:
        if (self.flow is None) == (self.epsilon is None):
            raise ValueError("set flow or epsilon, and one of them alone")
        if self.objective.channels_out(self.dit.channels) != self.dit.out_channels:
            raise ValueError("the network's learned_variance is not the objective's")
        if self.student is not None and self.flow is None:
            raise ValueError("students know the flow only")
        if self.guidance != 1 and self.student is None:
            raise ValueError("guidance is distilled into students only")
        if "layout" in self.dit.conditions and len(self.layout) != self.dit.layout_kinds:
            raise ValueError(f"layout needs {self.dit.layout_kinds} classes, got {self.layout}")
        widths = {name: len(means) for name, means in self.statistics.mean.items()}
        if widths != dict.fromkeys(NAMES, self.dit.channels):
            raise ValueError(f"statistics need {self.dit.channels} channels of {NAMES}")
        if self.carry_past and "previous" not in self.dit.conditions:
            raise ValueError("carry_past needs the condition previous")
        if self.carry_past and self.dit.channels < CHANNELS:
            raise ValueError(f"carry_past needs {CHANNELS} channels that tell the motion")
        if self.follow_gain != 1 and self.flow is None:
            raise ValueError("follow_gain is of a flow")
        if not 0.5 <= self.follow_gain <= 2:
            raise ValueError(f"follow_gain must lie in 0.5 to 2, got {self.follow_gain}")
        if self.hz <= 0:
            raise ValueError(f"hz must be positive, got {self.hz}")

    @property
    def objective(self) -> Objective:
        found = self.flow or self.epsilon
        assert found is not None
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a map."""
        return self.dit.channels, *map_shape(self.dit.size)

    @property
    def mask(self) -> Bool[Tensor, "height width"]:
        """Cells of a map that are no padding."""
        return live_cells(self.dit.size)


class HexPlaneGenerator(nn.Module):
    """The transformer on normalised maps, and the way between maps and planes."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.dit = HexPlaneDit(config.dit)

    def forward(
        self,
        latent: Float[Tensor, "batch channel height width"],
        time: Float[Tensor, " batch"],
        conditions: Conditions | Mapping[str, Tensor] | None = None,
    ) -> Float[Tensor, "batch out_channel height width"]:
        """What the objective asks of a noisy map; arguments as of ``HexPlaneDit``."""
        output: Tensor = self.dit(latent, time, conditions)
        return output

    def checkpoint_blocks(self) -> Sequence[nn.Module]:
        return self.dit.checkpoint_blocks()

    def guided(self, conditions: Conditions, scale: float | None = None) -> Denoiser:
        """A denoiser for the samplers, led by conditions of the whole batch.

        Args:
            scale: of classifier-free guidance; None: 1, the conditions as they are.

        Raises:
            BadInput: more is asked of a student into which guidance was distilled.
        """
        known = conditions.only(*self.config.dit.conditions)
        if self.config.guidance != 1.0 and scale not in (None, 1.0):
            raise BadInput(
                f"takes none but {self.config.guidance:g}, which was distilled into this student",
                field="scale", remedy="leave the scale out, or take the student's teacher",
            )  # fmt: skip
        if scale in (None, 1.0) or not known.values():
            return lambda x, time: self(x, time, known)
        settings = GuidanceConfig(scales=(float(scale or 0.0),))
        return guide(self, [known], known.null(), settings, join=join_all)

    def map_of(self, planes: Planes) -> Float[Tensor, "batch channel height width"]:
        """Planes of the autoencoder as the normalised map that the network knows."""
        plain = self.config.statistics.normalise(planes._asdict())
        return assemble(plain)

    def past_of(self, planes: Planes) -> Float[Tensor, "batch channel height width"]:
        """Planes of the window before as the condition ``previous``."""
        return as_past(self.config, self.map_of(planes))

    def planes(self, canvas: Float[Tensor, "batch channel height width"]) -> Planes:
        """The reverse: planes for the autoencoder's decoder."""
        planes = unroll(canvas, self.config.dit.size)
        return Planes(**self.config.statistics.restore(planes._asdict()))


def assemble(latents: Mapping[str, Tensor]) -> Float[Tensor, "batch channel height width"]:
    """Planes by name to one map."""
    return roll_out(Planes(**latents))


def as_past(
    config: GeneratorConfig, canvas: Float[Tensor, "batch channel height width"]
) -> Float[Tensor, "batch channel height width"]:
    """The normalised map of the window before as the condition ``previous``."""
    if not config.carry_past:
        return canvas
    planes = unroll(canvas, config.dit.size)
    (tz,) = config.statistics.restore({"tz": planes.tz}).values()
    steps = read_motion(tz, tz.shape[2])  # [B step 3], in cells of the grid
    x, y, _ = grid_named(config.grid, "grid").shape
    shrink = steps.new_tensor((config.dit.size.x / x, config.dit.size.y / y, 1.0))
    return roll_out(seen_ahead(planes, foreseen(steps * shrink, config.dit.frames)))


def join_all(parts: Sequence[Conditions]) -> Conditions:
    """Conditions of several batches behind each other."""
    return reduce(join, parts)


@torch.no_grad()
def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """All parameters and buffers of a module into its twin."""
    for mine, theirs in zip(target.parameters(), source.parameters(), strict=True):
        mine.copy_(theirs)
    for mine, theirs in zip(target.buffers(), source.buffers(), strict=True):
        mine.copy_(theirs)
