"""Random changes to training images, as declarative presets; the only file that knows albumentations.

A preset is {albumentations' transform: its parameters}, in order. The randomness of each image derives from the
caller's seed: the same seed gives the same pixels.
"""

import math
import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from models.shapes import InputShape

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


def build_augment(preset: str, shape: InputShape) -> Augment:
    """Return a function (uint8 (H, W, 3) pixels, seed) -> uint8 (height, width, 3) pixels, for any preset but `none`.

    The ratio of random crops is relative to that of `shape`.
    """
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)  # loader processes would otherwise fight over the cores
    steps = {name: dict(values) for name, values in PRESETS[preset].items()}
    crop, aspect = steps["RandomResizedCrop"], shape[1] / shape[0]
    crop |= {"size": shape, "ratio": tuple(ratio * aspect for ratio in crop["ratio"])}
    transforms = [getattr(A, name)(**values) for name, values in steps.items()]
    compose = A.Compose(transforms, seed=0)

    least = math.ceil(2 * max(aspect, 1 / aspect))  # pixels a side that hold a crop

    def augment(pixels: np.ndarray, seed: int) -> np.ndarray:
        if (times := -(-least // min(pixels.shape[:2]))) > 1:
            pixels = pixels.repeat(times, axis=0).repeat(times, axis=1)
        # One stream for all steps: by `set_random_seed` each has a copy of the same, and mirrored crops are smaller.
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return compose(image=pixels)["image"]

    return augment
