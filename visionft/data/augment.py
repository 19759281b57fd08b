"""Random changes to training pictures, as declarative presets; the only file that knows albumentations.

A preset is a list of (transform name, parameters), so that another library could carry it out. The randomness of each
picture derives from a seed that the caller gives: the same seed gives the same pixels, whatever came before.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for updates when imported


@dataclass(frozen=True, slots=True)
class Step:
    """One random transform: albumentations' name and its parameters."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


_REFLECT = 4  # cv2.BORDER_REFLECT_101

PRESETS: dict[str, tuple[Step, ...]] = {
    "none": (),
    "light": (
        Step("RandomResizedCrop", {"scale": (0.6, 1.0), "ratio": (0.8, 1.25), "area_for_downscale": "image"}),
        Step("HorizontalFlip", {"p": 0.5}),
    ),
    "medium": (
        Step("RandomResizedCrop", {"scale": (0.4, 1.0), "ratio": (0.75, 1.333), "area_for_downscale": "image"}),
        Step("HorizontalFlip", {"p": 0.5}),
        Step("Rotate", {"limit": 15, "border_mode": _REFLECT, "p": 0.5}),
        Step(
            "ColorJitter",
            {
                "brightness": (0.7, 1.3),
                "contrast": (0.7, 1.3),
                "saturation": (0.7, 1.3),
                "hue": (-0.05, 0.05),
                "p": 0.8,
            },
        ),
        Step("GaussianBlur", {"blur_limit": 0, "sigma_limit": (0.3, 1.2), "p": 0.15}),
    ),
}

Augment = Callable[[np.ndarray, int], np.ndarray]


def build_augment(preset: str, size: int) -> Augment:
    """Return a function (uint8 (H, W, 3) pixels, seed) -> uint8 (size, size, 3) pixels, for any preset but `none`.

    Raises:
        KeyError: There is no such preset.
    """
    steps = PRESETS[preset]
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)  # loader processes would otherwise fight over the cores
    transforms = [getattr(A, step.name)(**_sized(step, size)) for step in steps]
    compose = A.Compose(transforms, seed=0)

    def augment(pixels: np.ndarray, seed: int) -> np.ndarray:
        # One stream for all steps: by `set_random_seed` each has a copy of the same, and mirrored crops are smaller.
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return compose(image=pixels)["image"]

    return augment


def _sized(step: Step, size: int) -> dict[str, Any]:
    sized = {"size": (size, size)} if step.name == "RandomResizedCrop" else {}
    return {**step.parameters, **sized}
