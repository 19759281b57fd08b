"""Random changes: decided by the seed alone, each step independent of the others."""

import numpy as np
import pytest

from visionft.data.augment import PRESETS, build_augment


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
def test_augmentation_depends_on_the_seed_alone(preset: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 45, 3), np.uint8)
    augment, other = build_augment(preset, (32, 32)), build_augment(preset, (32, 32))
    first = augment(pixels, 7)
    augment(pixels, 8)
    assert first.shape == (32, 32, 3) and first.dtype == np.uint8
    assert np.array_equal(augment(pixels, 7), first) and np.array_equal(other(pixels, 7), first)
    assert not np.array_equal(augment(pixels, 8), first)


def test_mirrored_crops_are_as_large_as_others() -> None:
    ramp = np.zeros((200, 200, 3), np.uint8)
    ramp[..., 0] = np.arange(200)  # the red channel is the column
    augment = build_augment("light", (32, 32))
    widths: dict[bool, list[int]] = {True: [], False: []}
    for seed in range(2000):
        row = augment(ramp, seed * 7919 + 13)[16, :, 0].astype(int)
        widths[bool(row[0] > row[-1])].append(row.max() - row.min())
    assert len(widths[True]) == pytest.approx(1000, abs=100)
    assert np.mean(widths[True]) == pytest.approx(np.mean(widths[False]), abs=3)  # 13 apart when each had one stream
