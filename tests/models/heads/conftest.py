"""Made-up features around class means."""

from collections.abc import Callable

import numpy as np
import pytest

Blobs = Callable[..., tuple[np.ndarray, np.ndarray]]


@pytest.fixture
def blobs() -> Blobs:
    """Return a function that makes features (N, D) float32 around class means, and their class indices."""

    def make(count: int, *, classes: int = 4, width: int = 20, spread: float = 1.0, seed: int = 0):
        centres = np.random.default_rng(7).normal(0, 2, (classes, width))
        labels = np.arange(count) % classes
        noise = np.random.default_rng(100 + seed).normal(0, spread, (count, width))
        return (centres[labels] + noise).astype(np.float32), labels

    return make
