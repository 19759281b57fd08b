"""The hybrid ViT with the heads for its pretraining, and the distillation loss.

It starts as its embedding: projection and blocks are the identity, and the position embedding's mean is zero, so the
pooled features are the ResNet's stage 3. Must not know about files or time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from hybrid_targets import STAGE4_CHANNELS, TEACHER_CHANNELS, TEACHER_POOLED
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from torch import Tensor, nn
from torch.nn import functional as F

from models.catalog import BACKBONES
from models.networks import build_network

TEMPERATURE = 2.0
SOFT_WEIGHT, POOLED_WEIGHT, MAP_WEIGHT, CLASS_WEIGHT = 0.5, 4.0, 2.0, 0.3
# A few channels of the teachers are nearly always zero; standardised, their rare peaks would rule the loss.
TARGET_LIMIT = 5.0
POSITION_SCALE = 0.2
NO_CLASS = -1
RIDGE = 0.01


@dataclass(frozen=True)
class CachedBatch:
    """A batch of the cache, float32 except for the class.

    Attributes:
        embed: The frozen embedding's map, ``(B, 256, H, H)``.
        pooled: Target pooled features of all teachers, concatenated, not standardised, ``(B, P)``.
        maps: Target maps of both teachers, concatenated, not standardised, ``(B, M, H / 2, H / 2)``.
        class_index: True class, or ``NO_CLASS`` for a view of several images, ``(B,)``.
    """

    embed: Tensor
    pooled: Tensor
    maps: Tensor
    class_index: Tensor


def start_from(resnet: Any) -> Any:
    """Build a hybrid ViT equal to its embedding: stages 1 to 3 of `resnet`, then identity blocks."""
    row = BACKBONES["hybrid_vit"]
    network: Any = build_network(row, classes=0, shape=row.input_shape())
    stages = network.patch_embed.backbone
    stages.load_state_dict({name: value for name, value in resnet.state_dict().items() if name in stages.state_dict()})
    grid = network.patch_embed.grid_size
    position = build_sincos2d_pos_embed(list(grid), dim=network.embed_dim).view_as(network.pos_embed)
    with torch.no_grad():
        network.patch_embed.proj.weight.copy_(torch.eye(network.embed_dim)[:, :, None, None])
        network.patch_embed.proj.bias.zero_()
        network.pos_embed.copy_(POSITION_SCALE * (position - position.mean(1, keepdim=True)))
        for block in network.blocks:
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.zero_()
                layer.bias.zero_()
    stages.requires_grad_(False).eval()
    return network


class HybridDistiller(nn.Module):
    """The network, linear heads for the teachers' pooled features and maps and for the true classes.

    Args:
        network: See `start_from`.
        classifier: EfficientNet-Lite2's last layer, from pooled features to logits; frozen.
        sample: Stored outputs, for the targets' mean and spread and for the closed-form start of the heads.
        class_count: True classes.
    """

    pooled_mean: Tensor
    pooled_std: Tensor
    map_mean: Tensor
    map_std: Tensor

    def __init__(self, network: Any, classifier: nn.Linear, *, sample: CachedBatch, class_count: int):
        super().__init__()
        self.network = network
        self.classifier = classifier.requires_grad_(False)
        width = network.embed_dim
        self.to_pooled = nn.Linear(width, sample.pooled.shape[1])
        self.to_maps = nn.Linear(width, STAGE4_CHANNELS + TEACHER_CHANNELS)
        self.map_norm = nn.LayerNorm(width)
        self.to_classes = nn.Linear(width, class_count)
        for name, values in (("pooled", sample.pooled), ("map", sample.maps.transpose(0, 1).flatten(1).T)):
            self.register_buffer(f"{name}_mean", values.mean(0))
            self.register_buffer(f"{name}_std", values.std(0) + 1e-3)
        self._solve_heads(sample)

    def heads(self) -> list[nn.Parameter]:
        """Return the trained parameters left out of the export."""
        parts = (self.to_pooled, self.to_maps, self.map_norm, self.to_classes)
        return [parameter for part in parts for parameter in part.parameters()]

    @torch.no_grad()
    def _solve_heads(self, sample: CachedBatch) -> None:
        """Initialise the heads with their ridge solutions, so the blocks learn the residual from the first step."""
        blocks, self.network.blocks = self.network.blocks, nn.Identity()  # as they are now, and at no cost
        pooled, cells, wanted = self._encode(sample)
        self.network.blocks = blocks
        _solve(self.to_pooled, pooled, self._wanted_pooled(sample))
        _solve(self.to_maps, cells.flatten(0, 1), wanted.flatten(0, 1))
        is_known = sample.class_index != NO_CLASS
        one_hot = F.one_hot(sample.class_index[is_known], self.to_classes.out_features).float()
        _solve(self.to_classes, pooled[is_known], 8 * (one_hot - one_hot.mean(0)))

    def _wanted_pooled(self, stored: CachedBatch) -> Tensor:
        return ((stored.pooled - self.pooled_mean) / self.pooled_std).clamp(-TARGET_LIMIT, TARGET_LIMIT)

    def _encode(self, stored: CachedBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return pooled features (B, D), normalised means of 2 x 2 tokens (B, N, D), their wanted maps (B, N, M)."""
        network = self.network
        embedded = network.patch_embed.proj(stored.embed)  # (B, D, H, H)
        side, old = embedded.shape[3], network.patch_embed.grid_size
        position = resample_abs_pos_embed(network.pos_embed, new_size=[side, side], old_size=old, num_prefix_tokens=0)
        tokens = network.blocks(embedded.flatten(2).transpose(1, 2) + position)  # (B, H * H, D)
        pooled = network.fc_norm(tokens.mean(1))
        cells = F.avg_pool2d(tokens.transpose(1, 2).unflatten(2, (side, side)), 2).flatten(2).transpose(1, 2)
        wanted = (stored.maps.flatten(2).transpose(1, 2) - self.map_mean) / self.map_std
        return pooled, self.map_norm(cells), wanted.clamp(-TARGET_LIMIT, TARGET_LIMIT)

    def forward(self, stored: CachedBatch) -> dict[str, Tensor]:
        """Return the weighted losses by name; their sum is to be minimised."""
        pooled, cells, wanted_maps = self._encode(stored)
        guess = self.to_pooled(pooled)
        own = slice(0, TEACHER_POOLED)
        logits = self.classifier(guess[:, own] * self.pooled_std[own] + self.pooled_mean[own])
        soft_target = F.softmax(self.classifier(stored.pooled[:, own]) / TEMPERATURE, 1)
        soft = F.kl_div(F.log_softmax(logits / TEMPERATURE, 1), soft_target, reduction="batchmean") * TEMPERATURE**2
        losses = {
            "soft": SOFT_WEIGHT * soft,
            "pooled": POOLED_WEIGHT * F.mse_loss(guess, self._wanted_pooled(stored)),
            "map": MAP_WEIGHT * F.mse_loss(self.to_maps(cells), wanted_maps),
        }
        is_known = stored.class_index != NO_CLASS
        if bool(is_known.any()):
            classes = self.to_classes(pooled[is_known])
            losses["class"] = CLASS_WEIGHT * F.cross_entropy(classes, stored.class_index[is_known], label_smoothing=0.1)
        return losses


def _solve(layer: nn.Linear, features: Tensor, wanted: Tensor) -> None:
    """Set a layer to the ridge solution of `wanted` from `features`, in place."""
    mean, offset = features.mean(0), wanted.mean(0)
    centred = features - mean
    gram = centred.T @ centred / len(centred)
    gram += RIDGE * gram.diagonal().mean() * torch.eye(len(gram))
    weight = torch.linalg.solve(gram, centred.T @ (wanted - offset) / len(centred)).T
    layer.weight.copy_(weight)
    layer.bias.copy_(offset - weight @ mean)
