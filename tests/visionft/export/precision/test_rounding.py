"""Weights in whole numbers whose errors make up for each other."""

import numpy as np
import pytest

from visionft.export.precision.rounding import compensated


def inputs_of(seed: int, width: int = 160) -> np.ndarray:
    """Return (N, K) inputs that go together, as neighbouring pixels do, one of which is always 0."""
    draw = np.random.default_rng(seed)
    found = draw.standard_normal((4000, 12)) @ np.random.default_rng(0).standard_normal((12, width))
    found += 0.1 * draw.standard_normal(found.shape)
    found[:, 3] = 0
    return found.astype(np.float32)


@pytest.mark.parametrize("bits", [7, 8])
def test_outputs_are_nearer_than_with_each_weight_rounded_to_its_nearest(bits: int) -> None:
    most = 2 ** (bits - 1) - (bits == 8)
    weights = np.random.default_rng(1).standard_normal((24, 160)).astype(np.float32)
    scales = np.abs(weights).max(axis=1) / most
    seen, others = inputs_of(2), inputs_of(3)
    found = compensated(weights, seen.T @ seen / len(seen), scales, most=most)
    nearest = np.round(weights / scales[:, None])
    assert found.dtype == np.int8 and np.abs(found.astype(int)).max() <= most
    missed = [np.square(others @ (whole * scales[:, None] - weights).T).mean() for whole in (found, nearest)]
    assert missed[0] < 0.2 * missed[1]
    assert np.abs(found - nearest).max() <= 3  # near what they were


def test_inputs_that_go_together_with_nothing_leave_weights_at_their_nearest() -> None:
    weights = np.random.default_rng(1).standard_normal((5, 7)).astype(np.float32)
    scales = np.full(5, 0.05)
    found = compensated(weights, np.eye(7, dtype=np.float32), scales, most=64)
    np.testing.assert_array_equal(found, np.clip(np.round(weights.astype(np.float64) / 0.05), -64, 64))
    np.testing.assert_array_equal(compensated(weights, np.zeros((7, 7), np.float32), scales, most=64), found)
