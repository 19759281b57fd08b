"""Augmentation of whole batches on tensors, for the student only.

Colours, blur and sharpening leave the teacher's outputs unchanged; a mirror or a CutMix is applied to
the outputs too. Must not know about models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

CUTMIX_SHARE = 0.3
FILTERED_SHARE = 0.4
NO_CLASS = -1


@dataclass(frozen=True)
class Targets:
    """Distillation targets of one batch.

    Attributes:
        maps: Standardised teacher feature map, ``(B, 320, 5, 5)``.
        pooled: Standardised teacher pooled features, ``(B, 1280)``.
        probabilities: Softened teacher probabilities, ``(B, 1000)``.
        class_index: True class, or ``NO_CLASS`` for a view of several images, ``(B,)``.
    """

    maps: torch.Tensor
    pooled: torch.Tensor
    probabilities: torch.Tensor
    class_index: torch.Tensor


def augment(
    views: torch.Tensor, targets: Targets, generator: torch.Generator, *, recoloured_share: float = 0.6
) -> tuple[torch.Tensor, Targets]:
    """Mirror, recolour, blur or sharpen, and sometimes CutMix a batch.

    Args:
        views: float32 in -1..1, ``(B, 3, H, H)``.
        targets: Teacher outputs for ``views``.
        generator: CPU generator; equal state gives equal results.
        recoloured_share: Share of the views with changed colours.
    """

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.empty(shape).uniform_(low, high, generator=generator).to(views.device)

    batch = len(views)
    mirrored = uniform(0, 1, batch, 1, 1, 1) < 0.5
    views = torch.where(mirrored, views.flip(3), views)
    targets = replace(targets, maps=torch.where(mirrored, targets.maps.flip(3), targets.maps))

    # Contrast around each view's mean, per-channel gain, saturation: one affine colour map per view.
    is_recoloured = uniform(0, 1, batch, 1, 1, 1) < recoloured_share
    is_gray = uniform(0, 1, batch, 1, 1, 1) < 0.08
    saturation = torch.where(is_gray, torch.zeros(()), uniform(0.6, 1.4, batch, 1, 1, 1))
    gain = uniform(0.7, 1.35, batch, 1, 1, 1) * uniform(0.9, 1.1, batch, 3, 1, 1)
    shift = uniform(-0.25, 0.25, batch, 1, 1, 1)
    gray = views.mean(1, keepdim=True)
    center = views.mean((1, 2, 3), keepdim=True)
    recoloured = (gray + (views - gray) * saturation - center) * gain + center + shift
    views = torch.where(is_recoloured, recoloured, views)

    # Negative strengths blur, positive ones sharpen; on a part of the batch, for pooling is slow on a CPU.
    filtered = torch.randperm(batch, generator=generator)[: int(batch * FILTERED_SHARE)].to(views.device)
    strength = uniform(-1.0, 1.2, len(filtered), 1, 1, 1)
    part = views[filtered]
    blurred = F.avg_pool2d(F.pad(part, (1, 1, 1, 1), mode="replicate"), 3, 1)
    views[filtered] = torch.lerp(blurred, part, 1 + strength)
    views.clamp_(-1, 1)

    if float(uniform(0, 1, 1)) < CUTMIX_SHARE:
        views, targets = _cutmix(views, targets, generator)
    return views, targets


def _cutmix(views: torch.Tensor, targets: Targets, generator: torch.Generator) -> tuple[torch.Tensor, Targets]:
    """Paste one window of the next view, aligned with the grid of the teacher's map to paste the targets as well."""
    cells = targets.maps.shape[-1]
    height, width = (int(torch.randint(2, cells, (), generator=generator)) for _ in range(2))
    top = int(torch.randint(0, cells - height + 1, (), generator=generator))
    left = int(torch.randint(0, cells - width + 1, (), generator=generator))
    share = height * width / cells**2

    def pasted(values: torch.Tensor) -> torch.Tensor:
        scale = values.shape[-1] / cells
        rows = slice(round(top * scale), round((top + height) * scale))
        columns = slice(round(left * scale), round((left + width) * scale))
        result = values.clone()
        result[:, :, rows, columns] = values.roll(1, 0)[:, :, rows, columns]
        return result

    def blended(values: torch.Tensor) -> torch.Tensor:
        return torch.lerp(values, values.roll(1, 0), share)

    return pasted(views), Targets(
        maps=pasted(targets.maps),
        pooled=blended(targets.pooled),
        probabilities=blended(targets.probabilities),
        class_index=torch.full_like(targets.class_index, NO_CLASS),
    )
