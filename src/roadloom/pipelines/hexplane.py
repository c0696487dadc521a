"""A generator of 4-D occupancy: autoencoder, transformer, sampler and guidance under one roof.

    noise of a seed -> transformer, steps -> normalised map -> planes -> decoder -> labels [T X Y Z]

Two forms of a latent: ``Planes`` as the autoencoder gives them, and the padded map that the
transformer sees, normalised by the statistics of its training. What is sampled follows from seeds,
conditions and known planes that are passed in, and from nothing else. What a seed gives does not
depend on the rest of the batch, to rounding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from roadloom.datasets.drive_conditions import layout_of
from roadloom.diffusion.courses import SamplerConfig
from roadloom.diffusion.denoiser import Denoiser
from roadloom.diffusion.gain import amplified, check_gain
from roadloom.diffusion.guidance import GuidanceConfig, guide
from roadloom.diffusion.masked import MaskedConfig, sample_masked
from roadloom.diffusion.sample import Callback, sample
from roadloom.diffusion.seeds import noise_like
from roadloom.errors import BadInput, MissingInput
from roadloom.geometry.voxel_grid import VoxelGrid, grid_named
from roadloom.io.read import read_json
from roadloom.models.hexplane.conditions import Conditions, check
from roadloom.models.hexplane.generator import GeneratorConfig, HexPlaneGenerator, join_all
from roadloom.models.hexplane.motion import read_motion
from roadloom.models.hexplane.planes import SPACE, Planes
from roadloom.models.hexplane.rollout import map_shape, roll_out, unroll
from roadloom.models.hexplane.vae import HexPlaneVae
from roadloom.models.store import CARD, find_model, load_model, shipped
from roadloom.scene.class_views import ClassView
from roadloom.scene.class_views import view as class_view

Guidance = float | Mapping[str, float]
"""One scale for all conditions together, or one per condition by name; 1 is none."""
STEPS = 50
"""Where none are asked for."""
SHIFT = 3.0
"""Of a flow's times: what a window is, is decided at high noise (Esser et al., arXiv 2403.03206,
section 5.3.2); there few steps of equal length lose variance."""


class Known(NamedTuple):
    """What a sample must keep."""

    planes: Planes
    """As the autoencoder gives them, of one window or one per seed."""
    keep: Planes
    """True where known: [first second] or [channel first second] per plane."""


@dataclass(frozen=True, kw_only=True, eq=False)
class HexPlaneWorld:
    """Everything that turns seeds into windows.

    Raises:
        BadInput: the parts do not fit each other.
    """

    vae: HexPlaneVae
    generator: HexPlaneGenerator
    vae_hash: str = ""
    """Of the autoencoder's weights; compared with what the generator was trained with."""
    licence: str = "unknown"
    """Of the weights, and so of what they make."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the parts are called, and the hashes of their weights, for what is written."""

    def __post_init__(self) -> None:
        config, sizes = self.config, self.vae.config
        if config.vae and self.vae_hash and config.vae != self.vae_hash:
            raise BadInput(
                f"is {self.vae_hash[:12]}, the generator knows latents of {config.vae[:12]}",
                field="vae", remedy="use the autoencoder that its latents were encoded with",
            )  # fmt: skip
        if (config.dit.size, config.dit.channels, config.dit.frames) != (
            sizes.size, sizes.channels, sizes.frames,
        ):  # fmt: skip
            raise BadInput(
                f"makes planes {tuple(sizes.size)} of {sizes.channels} channels, the generator "
                f"{tuple(config.dit.size)} of {config.dit.channels}", field="vae",
                remedy="use the autoencoder that its latents were encoded with",
            )  # fmt: skip
        if config.carry_past and not sizes.carries:
            raise BadInput(
                "tells no motion of the ego, by which the generator moves the window before",
                field="vae", remedy="use the autoencoder that its latents were encoded with",
            )  # fmt: skip
        if self.box.shape != sizes.shape:
            raise BadInput(
                f"{config.grid} has {self.box.shape} cells, the autoencoder {sizes.shape}",
                field="grid", remedy="use models of one grid",
            )  # fmt: skip
        if len(self.class_view) != sizes.classes:
            raise BadInput(
                f"{config.class_view} has {len(self.class_view)} classes, the autoencoder "
                f"{sizes.classes}", field="class_view", remedy="use models of one view",
            )  # fmt: skip

    @property
    def config(self) -> GeneratorConfig:
        return self.generator.config

    @property
    def box(self) -> VoxelGrid:
        return grid_named(self.config.grid, "grid")

    @property
    def class_view(self) -> ClassView:
        return class_view(self.config.class_view)

    @property
    def frames(self) -> int:
        """Of one window."""
        return self.vae.config.frames

    @property
    def device(self) -> torch.device:
        return next(self.vae.parameters()).device

    def to(self, device: torch.device | str) -> "HexPlaneWorld":
        """Moves the networks themselves."""
        self.vae.to(device)
        self.generator.to(device)
        return self

    @torch.no_grad()
    def encode(
        self,
        voxels: UInt8[Tensor, "batch time x y z"],
        motion: Float[Tensor, "batch time 3"] | None = None,
    ) -> Planes:
        """Means of the planes of windows (view ids; 255 enters as free).

        Args:
            motion: of the ego in cells, see ``models.hexplane.motion``; None: read from the voxels.

        Raises:
            BadInput: windows of another size.
        """
        wanted = (self.frames, *self.vae.config.shape)
        if voxels.ndim != 5 or tuple(voxels.shape[1:]) != wanted or voxels.dtype != torch.uint8:
            raise BadInput(
                f"{voxels.dtype} of {tuple(voxels.shape[1:])}, the model takes uint8 of {wanted}",
                field="voxels", remedy=f"give {self.frames} frames on the grid {self.config.grid}",
            )  # fmt: skip
        motion = None if motion is None else motion.to(self.device)
        return self.vae.encode(voxels.to(self.device), motion).mean

    def labels(self, planes: Planes) -> UInt8[Tensor, "batch time x y z"]:
        """View ids, on the CPU."""
        # In one layout of memory: other layouts take other kernels, which round otherwise.
        return self.vae.labels(planes.map(Tensor.contiguous)).cpu()

    def layout(
        self, voxels: UInt8[Tensor, "batch time x y z"], pool: int = 2
    ) -> Bool[Tensor, "batch time kind x_pooled y_pooled"]:
        """The layout of windows, in the channels that the generator knows."""
        names = self.class_view.names
        return layout_of(voxels, [names.index(name) for name in self.config.layout], pool)

    def motion(self, planes: Planes) -> Float[Tensor, "batch time 3"] | None:
        """The ego's motion that the planes tell [cells, rad], in the middle frame's coordinates;
        None: these planes tell none."""
        if not self.vae.config.carries:
            return None
        return read_motion(planes.tz, self.frames).cpu()

    def sampler(self, steps: int | None = None) -> SamplerConfig:
        """The way that fits the generator; a student has only one.

        Raises:
            BadInput: steps that it cannot take.
        """
        student = self.config.student
        if student is not None:
            if steps not in (None, student.steps):
                raise BadInput(
                    f"a student of {student.steps} steps cannot take {steps}", field="steps",
                    remedy="leave steps out, or use its teacher",
                )  # fmt: skip
            return student.sampler()
        count = STEPS if steps is None else steps
        try:
            if self.config.epsilon is None:
                return SamplerConfig(name="dpm++", objective="flow", steps=count, shift=SHIFT)
            schedule = self.config.epsilon.schedule
            return SamplerConfig(name="dpm++", objective="epsilon", steps=count, schedule=schedule)
        except ValueError as error:
            raise BadInput(str(error), field="steps", remedy="take more or fewer") from error

    def sample(
        self,
        seeds: Sequence[int],
        conditions: Conditions | None = None,
        *,
        sampler: SamplerConfig | None = None,
        guidance: Guidance = 1.0,
        gain: float = 1.0,
        known: Known | None = None,
        masked: MaskedConfig | None = None,
        callback: Callback | None = None,
    ) -> Planes:
        """Planes of one window per seed.

        Args:
            conditions: of the batch; ``previous`` as ``generator.past_of`` gives it.
            sampler: None: the generator's own.
            gain: of the planes of space, XY, XZ and YZ, in clean samples, see ``diffusion.gain``;
                for a flow. Those of time are left as they are: what moves keeps its variety, and
                with a gain on the ego's motion a drive would go faster from window to window.
            known: what to keep; those cells come back bit for bit.
            masked: how known cells are kept on the way.
            callback: told of every step.

        Raises:
            BadInput: no seed, conditions that do not fit or that the generator never learned, a
                sampler of another objective, guidance of a student, or a gain without a flow.
        """
        way = self.sampler() if sampler is None else sampler
        check_way(self.config, way, guidance)
        check_conditions(self.config, conditions, len(seeds))
        check_gain(gain)
        if gain != 1 and self.config.flow is None:
            raise BadInput("a generator that predicts noise takes none", field="gain")
        guided = self._guided(conditions, guidance)
        if gain != 1:
            guided = amplified(guided, self._gains(gain))
        noise = noise_like(seeds, self.config.shape, device=self.device)
        if known is None:
            return self.generator.planes(sample(guided, noise, way, seeds, callback=callback))
        planes = known.planes.map(lambda p: p.to(self.device).expand(len(seeds), -1, -1, -1))
        keep = Planes(
            *(mask.to(self.device).expand(plane.shape)
              for mask, plane in zip(known.keep, planes, strict=True))
        )  # fmt: skip
        mask = roll_out(keep.map(Tensor.float)) > 0
        canvas = sample_masked(
            guided, noise, self.generator.map_of(planes), mask, way, seeds, masked,
            callback=callback,
        )  # fmt: skip
        made = self.generator.planes(canvas)
        # Normalising and restoring rounds; what is known stays as it was.
        return Planes(*(torch.where(k, p, m) for k, p, m in zip(keep, planes, made, strict=True)))

    def _gains(self, gain: float) -> Float[Tensor, "1 channel height width"]:
        """Of each cell of the map: 1 in the planes of time."""
        gains = torch.ones(1, *self.config.shape, device=self.device)
        for plane in unroll(gains, self.config.dit.size)[:SPACE]:  # views
            plane.fill_(gain)
        return gains

    def _guided(self, conditions: Conditions | None, guidance: Guidance) -> Denoiser:
        if conditions is None:
            return lambda x, times: self.generator(x, times, None)
        given = conditions.to(self.device)
        if not isinstance(guidance, Mapping):
            return self.generator.guided(given, float(guidance))
        if guidance.keys() != given.values().keys():
            raise BadInput(
                f"names {', '.join(guidance)}, the conditions are {', '.join(given.values())}",
                field="guidance", remedy="give one number for all, or one for each condition",
            )  # fmt: skip
        settings = GuidanceConfig(scales=tuple(guidance.values()))
        branches = [given.only(name) for name in guidance]
        return guide(self.generator, branches, given.null(), settings, join=join_all)


def check_way(config: GeneratorConfig, way: SamplerConfig, guidance: Guidance) -> None:
    """Refuse a sampler or guidance that the generator was not made for."""
    scales = guidance.values() if isinstance(guidance, Mapping) else [guidance]
    if not all(isfinite(scale) for scale in scales):
        raise BadInput(
            f"must be finite, got {guidance}", field="guidance", remedy="leave it out, or take 2"
        )
    objective = "epsilon" if config.flow is None else "flow"
    if way.objective != objective:
        raise BadInput(
            f"{way.name} samples {way.objective}, the generator was trained for {objective}",
            field="sampler", remedy="leave the sampler out",
        )  # fmt: skip
    if config.student is not None:
        if way != config.student.sampler():
            raise BadInput(
                f"a student of {config.student.steps} steps knows no other way", field="sampler",
                remedy="leave the sampler out, or use its teacher",
            )  # fmt: skip
        if guidance != 1.0 and config.guidance != 1.0:
            raise BadInput(
                f"takes none but {config.guidance:g}, which was distilled into this student",
                field="guidance", remedy="leave guidance out, or use its teacher",
            )  # fmt: skip


def check_conditions(config: GeneratorConfig, conditions: Conditions | None, count: int) -> None:
    """Refuse conditions that the generator cannot follow."""
    if count < 1:
        raise BadInput("no seed is given", field="seeds", remedy="give one per window")
    given = {} if conditions is None else conditions.values()
    if conditions is None or not given:
        return
    if len(conditions) != count:
        raise BadInput(f"of {len(conditions)} windows, {count} seeds", field="conditions")
    if unknown := sorted(given.keys() - set(config.dit.conditions)):
        raise BadInput(
            f"this generator cannot follow {', '.join(unknown)}", field="conditions",
            remedy=f"it was trained for {', '.join(config.dit.conditions) or 'none'}",
        )  # fmt: skip
    frames, kinds = config.dit.frames, config.dit.layout_kinds
    wanted = {
        "previous": (config.dit.channels, *map_shape(config.dit.size)),
        "layout": (frames, kinds),
        "command": (),
        "trajectory": (frames, 3),
    }
    for name, value in given.items():
        shape = tuple(value.shape[1:])
        if name == "layout" and len(shape) == 4:
            shape = shape[:2]  # any resolution
        if shape != wanted[name]:
            raise BadInput(
                f"{name} of shape {tuple(value.shape[1:])}, needed is {wanted[name]}",
                field="conditions", remedy="make conditions for the model's own windows",
            )  # fmt: skip
    check(conditions)


def load_world(model: str | Path, vae: str | Path | None = None) -> HexPlaneWorld:
    """A generator with its autoencoder, from model folders or under the names of shipped models.

    Args:
        vae: None: the shipped one whose latents the generator knows.

    Raises:
        MissingInput: no such model, or no shipped autoencoder fits.
        BadInput: a folder is damaged, of another system, or the two do not fit.
    """
    generator, card = load_model(model)
    if not isinstance(generator, HexPlaneGenerator):
        raise BadInput(
            f"is a {card.get('system')}, no hexplane_dit", file=model, remedy="name a generator"
        )
    place = _shipped_vae(generator.config.vae, model) if vae is None else vae
    autoencoder, vae_card = load_model(place)
    if not isinstance(autoencoder, HexPlaneVae):
        raise BadInput(
            f"is a {vae_card.get('system')}, no hexplane_vae", file=place,
            remedy="name an autoencoder",
        )  # fmt: skip
    licences = {str(one.get("licence", "unknown")) for one in (card, vae_card)}
    return HexPlaneWorld(
        vae=autoencoder,
        generator=generator,
        vae_hash=str(vae_card.get("weights_sha256", "")),
        licence="; ".join(sorted(licences)),
        names={
            "model": find_model(model).resolve().name,
            "model_sha256": str(card.get("weights_sha256", "")),
            "vae": find_model(place).resolve().name,
            "vae_sha256": str(vae_card.get("weights_sha256", "")),
        },
    )


def _shipped_vae(wanted: str, model: str | Path) -> str:
    for name in shipped():
        card = read_json(find_model(name) / CARD)
        if wanted and isinstance(card, dict) and card.get("weights_sha256") == wanted:
            return name
    raise MissingInput(
        f"no autoencoder that ships has the hash {wanted[:12] or '(none)'}", file=model,
        field="vae", remedy="name the folder of its autoencoder",
    )  # fmt: skip
