"""A starter backbone with the heads for pretraining, and the distillation loss.

Must not know about files, time or augmentation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from augment import NO_CLASS, Targets
from students import build_student
from targets import MAP_CHANNELS, POOLED_CHANNELS
from torch import nn
from torch.nn import functional as F

from models.catalog import BACKBONES

TEMPERATURE = 2.0
SOFT_WEIGHT, POOLED_WEIGHT, MAP_WEIGHT, CLASS_WEIGHT = 0.5, 4.0, 2.0, 0.3
# A few channels of the teacher are nearly always zero; standardised, their rare peaks would rule the loss.
TARGET_LIMIT = 5.0


class Distiller(nn.Module):
    """Backbone plus linear heads for the teacher's logits, pooled features and feature map, and the true classes."""

    def __init__(self, name: str, *, class_count: int):
        super().__init__()
        self.family = BACKBONES[name].family
        self.backbone: Any = build_student(name)
        width = BACKBONES[name].features
        self.to_logits = nn.Linear(width, 1000)
        self.to_pooled = nn.Linear(width, POOLED_CHANNELS)
        self.to_classes = nn.Linear(width, class_count)
        channels = self.backbone.num_features  # of the feature map, before pooling
        self.map_norm = nn.LayerNorm(channels)
        self.to_map = nn.Linear(channels, MAP_CHANNELS)
        self.extract: Callable[[torch.Tensor], torch.Tensor] = self.backbone.forward_features

    def heads(self) -> list[nn.Parameter]:
        """Return the parameters left out of the export."""
        return [parameter for name, parameter in self.named_parameters() if not name.startswith("backbone.")]

    def forward(self, views: torch.Tensor, targets: Targets) -> dict[str, torch.Tensor]:
        """Return the weighted losses by name; their sum is to be minimised.

        Args:
            views: ``(B, 3, H, H)``, H a multiple of 32.
            targets: Answers for ``views``.
        """
        with torch.autocast(views.device.type, torch.bfloat16):
            features = self.extract(views)
            pooled = self.backbone.forward_head(features)  # (B, width)
            logits, guess, classes = self.to_logits(pooled), self.to_pooled(pooled), self.to_classes(pooled)
            cells = features.flatten(2).transpose(1, 2) if self.family == "resnet" else features  # (B, cells, width)
            cell_guess = self.to_map(self.map_norm(cells))
        side = round(cells.shape[1] ** 0.5)
        wanted = F.interpolate(targets.maps, size=(side, side), mode="bilinear", antialias=True)
        wanted = wanted.flatten(2).transpose(1, 2)  # (B, cells, MAP_CHANNELS)
        log_probabilities = F.log_softmax(logits.float() / TEMPERATURE, 1)
        soft = F.kl_div(log_probabilities, targets.probabilities, reduction="batchmean") * TEMPERATURE**2
        losses = {
            "soft": SOFT_WEIGHT * soft,
            "pooled": POOLED_WEIGHT * F.mse_loss(guess.float(), targets.pooled),
            "map": MAP_WEIGHT * F.mse_loss(cell_guess.float(), wanted),
        }
        is_known = targets.class_index != NO_CLASS
        if bool(is_known.any()):
            hard = F.cross_entropy(classes.float()[is_known], targets.class_index[is_known], label_smoothing=0.1)
            losses["class"] = CLASS_WEIGHT * hard
        return losses


class TargetSource:
    """Turns stored teacher outputs into standardised targets.

    Args:
        classifier: Last layer of the teacher, from pooled features to logits.
        maps: Sample of teacher maps for the statistics, ``(n, 320, 5, 5)``.
        pooled: Sample of pooled features, ``(n, 1280)``.
    """

    def __init__(self, classifier: nn.Linear, *, maps: torch.Tensor, pooled: torch.Tensor):
        self.classifier = classifier
        self.map_mean = maps.mean((0, 2, 3))[:, None, None]
        self.map_std = maps.std((0, 2, 3))[:, None, None] + 1e-3
        self.pooled_mean = pooled.mean(0)
        self.pooled_std = pooled.std(0) + 1e-2

    @torch.no_grad()
    def targets(self, maps: torch.Tensor, pooled: torch.Tensor, class_index: torch.Tensor) -> Targets:
        """Standardise the teacher outputs of one batch, float32."""
        return Targets(
            maps=((maps - self.map_mean) / self.map_std).clamp(-TARGET_LIMIT, TARGET_LIMIT),
            pooled=((pooled - self.pooled_mean) / self.pooled_std).clamp(-TARGET_LIMIT, TARGET_LIMIT),
            probabilities=F.softmax(self.classifier(pooled) / TEMPERATURE, 1),
            class_index=class_index,
        )
