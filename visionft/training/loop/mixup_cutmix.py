"""Mixup (Zhang et al. 2018, arXiv:1710.09412) and CutMix (Yun et al. 2019, arXiv:1905.04899) of a batch."""

from dataclasses import dataclass

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253


@dataclass(frozen=True, slots=True)
class MixupCutmix:
    """How pictures of a batch are mixed.

    Attributes:
        mixup: Alpha of mixup's Beta distribution; 0 never.
        cutmix: Alpha of CutMix's; 0 never. With both, each batch takes one of them.
    """

    mixup: float
    cutmix: float

    def __bool__(self) -> bool:
        return self.mixup > 0 or self.cutmix > 0

    def mix(self, images: Tensor, targets: Tensor, *, seed: int) -> tuple[Tensor, Tensor]:
        """Mix each picture with another of the batch, and their targets likewise.

        Args:
            images: (B, 3, H, W).
            targets: (B, C) shares.
            seed: Decides everything random.
        """
        rng = np.random.default_rng(seed)
        cuts = self.cutmix > 0 and (self.mixup == 0 or rng.random() < 0.5)
        alpha = self.cutmix if cuts else self.mixup
        kept = float(rng.beta(alpha, alpha))
        partner = torch.from_numpy(rng.permutation(len(images))).to(images.device)
        if cuts:
            images, kept = _paste(images, partner, kept, rng)
        else:
            images = images * kept + images[partner] * (1 - kept)
        return images, targets * kept + targets[partner] * (1 - kept)


def _paste(images: Tensor, partner: Tensor, kept: float, rng: np.random.Generator) -> tuple[Tensor, float]:
    """Paste a box of the partner into each picture; return the pictures and the share they really keep."""
    height, width = images.shape[-2:]
    box_height, box_width = (round(side * (1 - kept) ** 0.5) for side in (height, width))
    top, left = (int(rng.integers(0, free + 1)) for free in (height - box_height, width - box_width))
    mixed = images.clone()
    box = (..., slice(top, top + box_height), slice(left, left + box_width))
    mixed[box] = images[partner][box]
    return mixed, 1 - box_height * box_width / (height * width)
