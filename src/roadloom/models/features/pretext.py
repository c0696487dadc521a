"""Heads that train a feature network; they are dropped afterwards.

All heads are linear, so what they tell lies open in the features, where a Frechet or kernel
distance can see it.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from roadloom.models.features.scene_net import SceneFeatureConfig, SceneFeatures
from roadloom.models.features.targets import CHANGE_LAGS, PARTS, PLAYBACKS
from roadloom.models.features.view_net import ViewFeatureConfig, ViewFeatures

THUMBNAIL = 16
"""Pixels along each side of the picture that view features give back."""


class ScenePretext(nn.Module):
    def __init__(self, config: SceneFeatureConfig) -> None:
        super().__init__()
        self.net = SceneFeatures(config)
        filled = config.classes - 1
        self.heads = nn.ModuleDict(
            {
                "counts": nn.Linear(config.features, filled * PARTS**2),
                "totals": nn.Linear(config.features, filled),
                "changes": nn.Linear(config.features, filled * len(CHANGE_LAGS)),
                "motion": nn.Linear(config.features, 3),
                "playback": nn.Linear(config.features, len(PLAYBACKS)),
            }
        )

    def forward(self, labels: Tensor) -> dict[str, Tensor]:
        features = self.net.raw(labels)
        return {name: head(features) for name, head in self.heads.items()}


class ViewPretext(nn.Module):
    def __init__(self, config: ViewFeatureConfig, classes: int = 12) -> None:
        super().__init__()
        self.net = ViewFeatures(config)
        self.heads = nn.ModuleDict(
            {
                "counts": nn.Linear(config.features, (classes - 1) * PARTS**2),
                "totals": nn.Linear(config.features, classes - 1),
                "thumbnail": nn.Linear(config.features, 3 * THUMBNAIL**2),
            }
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.net.raw(image)
        return {name: head(features) for name, head in self.heads.items()}


WEIGHTS = {
    "counts": 10.0, "totals": 10.0, "changes": 10.0, "motion": 1.0, "playback": 0.2,
    "thumbnail": 3.0,
}  # fmt: skip
"""Of the losses: brings them to one order of size on town."""


def pretext_loss(
    predicted: Mapping[str, Tensor], batch: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Sum of mean squared errors, of a smooth L1 for motion and a cross-entropy for playback."""
    parts = {}
    for name, guess in predicted.items():
        if name == "playback":
            parts[name] = F.cross_entropy(guess, batch[name])
        elif name == "motion":
            parts[name] = F.smooth_l1_loss(guess, batch[name], beta=0.2)
        else:
            parts[name] = F.mse_loss(guess, batch[name].flatten(1))
    total = torch.stack([WEIGHTS[name] * part for name, part in parts.items()]).sum()
    return total, {name: part.detach() for name, part in parts.items()}


def thumbnail(image: Tensor) -> Tensor:
    """The picture in ``THUMBNAIL`` pixels a side, in [-1, 1]: uint8 [B 3 H W] -> [B 3 t t]."""
    return F.adaptive_avg_pool2d(image.float() / 127.5 - 1, THUMBNAIL)
