"""Random changes: decided by the seed alone, each step independent of the others."""

import numpy as np
import pytest

from visionft.data.dataset import PRESETS, build_augment


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
def test_augmentation_depends_on_the_seed_alone(preset: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 45, 3), np.uint8)
    augment, other = build_augment(preset, (32, 32)), build_augment(preset, (32, 32))
    first = augment(pixels, 7)
    augment(pixels, 8)
    assert first.shape == (32, 32, 3) and first.dtype == np.uint8
    assert np.array_equal(augment(pixels, 7), first) and np.array_equal(other(pixels, 7), first)
    assert not np.array_equal(augment(pixels, 8), first)
