"""Random changes to training images, as declarative presets; the only file that knows albumentations.

A preset is {albumentations' transform: its parameters}, in order. The randomness of each image derives from the
caller's seed: the same seed gives the same pixels.
"""

import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for updates when imported


_REFLECT = 4  # cv2.BORDER_REFLECT_101
_JITTER = dict.fromkeys(("brightness", "contrast", "saturation"), (0.7, 1.3))

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "none": {},
    "light": {
        "RandomResizedCrop": {"scale": (0.6, 1.0), "ratio": (0.8, 1.25), "area_for_downscale": "image"},
        "HorizontalFlip": {"p": 0.5},
    },
    "medium": {
        "RandomResizedCrop": {"scale": (0.4, 1.0), "ratio": (0.75, 1.333), "area_for_downscale": "image"},
        "HorizontalFlip": {"p": 0.5},
        "Rotate": {"limit": 15, "border_mode": _REFLECT, "p": 0.5},
        "ColorJitter": {"p": 0.8, **_JITTER, "hue": (-0.05, 0.05)},
        "GaussianBlur": {"blur_limit": 0, "sigma_limit": (0.3, 1.2), "p": 0.15},
    },
}

Augment = Callable[[np.ndarray, int], np.ndarray]


def build_augment(preset: str, size: int) -> Augment:
    """Return a function (uint8 (H, W, 3) pixels, seed) -> uint8 (size, size, 3) pixels, for any preset but `none`."""
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)  # loader processes would otherwise fight over the cores
    sizes = {"RandomResizedCrop": {"size": (size, size)}}
    transforms = [getattr(A, name)(**values, **sizes.get(name, {})) for name, values in PRESETS[preset].items()]
    compose = A.Compose(transforms, seed=0)

    def augment(pixels: np.ndarray, seed: int) -> np.ndarray:
        # One stream for all steps: by `set_random_seed` each has a copy of the same, and mirrored crops are smaller.
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return compose(image=pixels)["image"]

    return augment
