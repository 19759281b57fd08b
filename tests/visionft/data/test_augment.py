"""Random changes: decided by the seed alone, each step independent of the others."""

import numpy as np
import pytest

from visionft.data.augment import build_augment


def ramp() -> np.ndarray:
    """Return 200 x 200 pixels whose red channel is the column."""
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[..., 0] = np.arange(200)
    return pixels


def test_the_same_seed_gives_the_same_pixels_whatever_came_before() -> None:
    augment, other = build_augment("medium", 32), build_augment("medium", 32)
    first = augment(ramp(), 5)
    augment(ramp(), 6)
    assert np.array_equal(augment(ramp(), 5), first) and np.array_equal(other(ramp(), 5), first)
    assert not np.array_equal(augment(ramp(), 6), first)


def test_mirrored_crops_are_as_large_as_others() -> None:
    augment = build_augment("light", 32)
    widths: dict[bool, list[int]] = {True: [], False: []}
    for seed in range(2000):
        row = augment(ramp(), seed * 7919 + 13)[16, :, 0].astype(int)
        widths[bool(row[0] > row[-1])].append(row.max() - row.min())
    assert len(widths[True]) == pytest.approx(1000, abs=100)
    assert np.mean(widths[True]) == pytest.approx(np.mean(widths[False]), abs=3)  # 13 apart when each had one stream
