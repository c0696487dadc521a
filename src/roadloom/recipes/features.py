"""Recipes of the two feature networks that generation scores look through.

Both learn from prepared clips alone; ``roadloom.models.features.targets`` says what.
The folder holds ``train`` and ``val``, or is itself what is trained on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from roadloom.datasets.windows import OccupancyWindows
from roadloom.io.read import is_dir
from roadloom.metrics.oblique import ObliqueView, oblique_view
from roadloom.models.features.pretext import (
    ScenePretext,
    ViewPretext,
    pretext_loss,
    thumbnail,
)
from roadloom.models.features.scene_net import SceneFeatureConfig, SceneFeatures, whiten
from roadloom.models.features.targets import (
    CHANGE_LAGS,
    PLAYBACKS,
    change_counts,
    ground_counts,
    mean_motion,
    total_counts,
)
from roadloom.models.features.view_net import ViewFeatureConfig
from roadloom.models.store import save_model
from roadloom.recipes.recipe import Recipe
from roadloom.scene.class_views import IGNORE, view
from roadloom.scene.palette import view_colors
from roadloom.training.config import TrainConfig
from roadloom.training.task import Examples, Step

FRAMES = 16
PER_SCENE = 16
"""Examples of each scene in one pass; the seed chooses where."""
WHITEN_ON = {"labels": 400, "image": 1600}
"""Examples that ``center`` and ``whiten`` of the features come from."""
READ_AT_ONCE = {"labels": 2, "image": 32}
"""Examples of a batch outside of training."""


class SceneExamples:
    """Windows played in one of four ways, each mirrored or not.

    Args:
        plain: every frame, forwards and not mirrored, as scores will see them.
    """

    def __init__(self, windows: OccupancyWindows, *, plain: bool = False) -> None:
        span = (FRAMES - 1) * max(step for step, _ in PLAYBACKS) + 1
        if windows.frames != span:
            raise ValueError(f"windows of {span} frames are needed, got {windows.frames}")
        self.windows, self.plain = windows, plain

    def __len__(self) -> int:
        return len(self.windows.scenes) * PER_SCENE

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        random = np.random.default_rng(seed)
        scene = index // PER_SCENE
        frames = self.windows.scenes[scene]
        start = int(random.choice(frames.starts))
        playback = 0 if self.plain else int(random.integers(len(PLAYBACKS)))
        every, backwards = PLAYBACKS[playback]
        span = (FRAMES - 1) * every + 1
        start += int(random.integers(self.windows.frames - span + 1))
        played = start + every * np.arange(FRAMES)[:: -1 if backwards else 1]
        labels = np.stack([_labels(self.windows, scene, int(frame)) for frame in played])
        poses = frames.drive.world_from_ego[frames.numbers[played]]
        motion = mean_motion(poses.rotation, poses.translation)
        if not self.plain and random.random() < 0.5:
            labels, motion = labels[:, :, ::-1], motion * np.array([1, -1, -1], np.float32)
        classes = len(self.windows.view)
        return {
            "labels": torch.from_numpy(np.ascontiguousarray(labels)),
            "counts": torch.from_numpy(ground_counts(labels, classes)),
            "totals": torch.from_numpy(total_counts(labels, classes)),
            "changes": torch.from_numpy(change_counts(labels, classes)),
            "motion": torch.from_numpy(motion),
            "playback": torch.tensor(playback),
        }


class ViewExamples:
    """Oblique views of single frames, each mirrored or not."""

    def __init__(self, windows: OccupancyWindows, *, plain: bool = False) -> None:
        self.windows, self.plain = windows, plain
        self._sight: ObliqueView | None = None

    def __len__(self) -> int:
        return len(self.windows.scenes) * PER_SCENE

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_sight": None}

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        random = np.random.default_rng(seed)
        scene = index // PER_SCENE
        frames = self.windows.scenes[scene]
        frame = int(random.choice(frames.starts)) + int(random.integers(self.windows.frames))
        labels = _labels(self.windows, scene, frame)[None]
        if not self.plain and random.random() < 0.5:
            labels = labels[:, :, ::-1]
        if self._sight is None:
            x, y, z = frames.drive.grid.cell_m
            self._sight = oblique_view(self.windows.shape, (x, y, z))
        picture = self._sight.draw(
            np.ascontiguousarray(labels), view_colors(self.windows.view.name)
        )[0]
        image = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        classes = len(self.windows.view)
        return {
            "image": image,
            "counts": torch.from_numpy(ground_counts(labels, classes)),
            "totals": torch.from_numpy(total_counts(labels, classes)),
            "thumbnail": thumbnail(image[None])[0],
        }


class MadeUp:
    """Noise in the shapes of either kind of examples, to plan with."""

    plain = True

    def __init__(self, kind: str, scenes: int = 100) -> None:
        self.kind, self.scenes = kind, scenes

    def __len__(self) -> int:
        return self.scenes * PER_SCENE

    def read(self, index: int, seed: int) -> dict[str, Tensor]:
        random = np.random.default_rng(seed)
        counts = torch.rand(11, 4, 4, generator=torch.Generator().manual_seed(seed))
        if self.kind == "features_view":
            image = torch.from_numpy(random.integers(256, size=(3, 128, 128), dtype=np.uint8))
            return {
                "image": image, "counts": counts, "totals": counts[:, 0, 0],
                "thumbnail": thumbnail(image[None])[0],
            }  # fmt: skip
        labels = np.zeros((FRAMES, 128, 128, 8), np.uint8)
        labels[..., 0] = random.integers(1, 12, size=labels.shape[:-1])
        return {
            "labels": torch.from_numpy(labels),
            "counts": counts,
            "totals": counts[:, 0, 0],
            "changes": counts[:, 0, : len(CHANGE_LAGS)].T.contiguous(),
            "motion": counts[0, 0, :3],
            "playback": torch.tensor(seed % len(PLAYBACKS)),
        }


@dataclass(frozen=True, kw_only=True)
class FeatureTask:
    """Train either network; ``validate`` gives its losses on held-out clips."""

    system: str
    """``features_scene`` or ``features_view``."""
    config: SceneFeatureConfig | ViewFeatureConfig
    classes: int
    train: Examples
    held_out: Examples | None
    facts: Mapping[str, Any]
    """For the card."""

    def build(self) -> nn.Module:
        if isinstance(self.config, SceneFeatureConfig):
            return ScenePretext(self.config)
        return ViewPretext(self.config, self.classes)

    def examples(self) -> Examples:
        return self.train

    def loss(
        self, module: nn.Module, batch: Mapping[str, Tensor], step: Step
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return pretext_loss(module(_input(batch)), batch)

    @torch.no_grad()
    def validate(self, module: nn.Module, limit: int | None) -> dict[str, float]:
        if self.held_out is None:
            return {}
        count = min(len(self.held_out), limit or len(self.held_out))
        device = next(module.parameters()).device
        sums: dict[str, float] = {}
        for batch in _spread(self.held_out, count):
            batch = {name: value.to(device) for name, value in batch.items()}
            share = len(batch["counts"]) / count
            for name, part in pretext_loss(module(_input(batch)), batch)[1].items():
                sums[name] = sums.get(name, 0.0) + float(part) * share
        return sums

    def card(self) -> dict[str, Any]:
        return dict(self.facts)


def save_features(
    examples: Examples, task: FeatureTask, module: nn.Module, folder: Path, card: dict[str, Any]
) -> None:
    """Whiten the network's features on plain examples and write it without its heads."""
    net, config = module.net, task.config
    assert isinstance(net, nn.Module)
    if isinstance(module, ScenePretext):
        net = scored_part(module)
        config = net.config
    name = "labels" if task.system == "features_scene" else "image"
    count = min(len(examples), WHITEN_ON[name])
    if isinstance(examples, MadeUp):
        count = 2
    with torch.no_grad():
        for parameter in net.parameters():  # as they are stored, so that the rest fits them
            parameter.copy_(parameter.half())
    batches = (batch[name] for batch in _spread(examples, count))
    whiten(net, batches, correlated=isinstance(module, ScenePretext))
    save_model(folder, net, task.system, config, card, half=True)


@torch.no_grad()
def scored_part(module: ScenePretext) -> SceneFeatures:
    """The network that scores look at: the head ``totals`` folded into its last layer, and pace."""
    head, whole = module.heads["totals"], module.net
    assert isinstance(head, nn.Linear)
    config = replace(whole.config, features=head.out_features, pace=True)
    net = SceneFeatures(config)
    kept = {
        name: value for name, value in whole.state_dict().items()
        if not name.startswith(("readout", "center", "whiten"))
    }  # fmt: skip
    net.load_state_dict(kept, strict=False)
    net.readout.weight.copy_(head.weight @ whole.readout.weight)
    net.readout.bias.copy_(head.weight @ whole.readout.bias + head.bias)
    return net.eval()


def features_scene_tiny(data: Path | None) -> Recipe:
    """3-D features of 16-frame windows on the CarlaSC grid."""
    config = TrainConfig(
        steps=600, batch=8, learning_rate=2e-3, weight_decay=0.01, warmup_steps=50,
        ema_decay=0.99, validate_limit=100,
    )  # fmt: skip
    about = "3-D features of windows, 0.25 million parameters; one core, about 20 minutes"
    return _recipe("features_scene", about, data, config, FRAMES * 2 - 1)


def features_view_tiny(data: Path | None) -> Recipe:
    """Features of oblique views of single frames on the CarlaSC grid."""
    config = TrainConfig(
        steps=800, batch=32, learning_rate=2e-3, weight_decay=0.01, warmup_steps=50,
        ema_decay=0.99, validate_limit=200,
    )  # fmt: skip
    about = "features of rendered views, 0.25 million parameters; one core, about 10 minutes"
    return _recipe("features_view", about, data, config, 1)


def _recipe(system: str, about: str, data: Path | None, config: TrainConfig, frames: int) -> Recipe:
    kind = SceneExamples if system == "features_scene" else ViewExamples
    train: Examples
    plain: Examples
    held_out: Examples | None = None
    facts: dict[str, Any] = {"about": about}
    classes = len(view("dynamiccity12"))
    height = 8
    if data is None:
        train = plain = MadeUp(system)
    else:
        split = data / "train" if is_dir(data / "train") else data
        windows = OccupancyWindows(split, frames=frames, partial=True)
        train, plain = kind(windows), kind(windows, plain=True)
        height, classes = windows.shape[2], len(windows.view)
        if is_dir(data / "val"):
            held_out = kind(OccupancyWindows(data / "val", frames=frames, partial=True))
        drives = [scene.drive for scene in windows.scenes]
        facts |= {
            "data": ", ".join(sorted({drive.source for drive in drives})),
            "data_sha256": windows.identity(),
            "licence": ", ".join(sorted({drive.licence for drive in drives})),
            "clips": len(drives),
            "view": windows.view.name,
        }
    network: SceneFeatureConfig | ViewFeatureConfig = ViewFeatureConfig()
    if system == "features_scene":
        network = SceneFeatureConfig(classes=classes, height=height)
    task = FeatureTask(
        system=system, config=network, classes=classes, train=train, held_out=held_out, facts=facts
    )
    return Recipe(
        name=f"{system}_tiny", about=about, task=task, train=config,
        save=partial(save_features, plain, task),
    )  # fmt: skip


def _labels(windows: OccupancyWindows, scene: int, frame: int) -> np.ndarray:
    """View ids; what was not observed is ignored."""
    labels, observed = windows.frame(scene, frame)
    return labels if observed is None else np.where(observed, labels, np.uint8(IGNORE))


def _spread(examples: Examples, count: int) -> Iterator[dict[str, Tensor]]:
    """``count`` examples from first to last, in batches; each with its own number as seed."""
    chosen = np.linspace(0, len(examples) - 1, count).astype(int).tolist()
    size = READ_AT_ONCE["labels" if "labels" in examples.read(chosen[0], 0) else "image"]
    for first in range(0, count, size):
        read = [examples.read(index, seed=index) for index in chosen[first : first + size]]
        yield {name: torch.stack([one[name] for one in read]) for name in read[0]}


def _input(batch: Mapping[str, Tensor]) -> Tensor:
    return batch["labels"] if "labels" in batch else batch["image"]
