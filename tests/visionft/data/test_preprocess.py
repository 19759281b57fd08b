"""Preprocessing: geometry and values."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import BACKBONES
from visionft.data.preprocess import PreprocessConfig

PLAIN = PreprocessConfig(size=32, crop_share=0.9, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@given(height=st.integers(1, 4000), width=st.integers(1, 4000), share=st.floats(0.01, 1.0))
def test_the_crop_is_a_square_inside_the_image(height: int, width: int, share: float) -> None:
    box = PreprocessConfig(size=8, crop_share=share, interpolation="bicubic", mean=(0, 0, 0), std=(1, 1, 1))
    top, left, side = box.crop_box(height, width)
    assert 1 <= side <= min(height, width)
    assert 0 <= top <= height - side and 0 <= left <= width - side
    assert abs((height - side) - 2 * top) <= 1 and abs((width - side) - 2 * left) <= 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (32, 32), (70, 41)])
def test_any_shape_becomes_the_networks_input(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    out = PLAIN.apply(pixels)
    assert out.shape == (3, 32, 32) and out.dtype == torch.float32
    assert out.min() >= -1 - 1e-6 and out.max() <= 1 + 1e-6


def test_constant_images_keep_their_value() -> None:
    out = PLAIN.apply(np.full((50, 60, 3), (0, 51, 255), np.uint8))
    expected = torch.tensor([-1.0, -0.6, 1.0]).view(3, 1, 1).expand(3, 32, 32)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
    made = PreprocessConfig.for_backbone(BACKBONES["resnet18"], 224)
    assert made.mean == (0.485, 0.456, 0.406) and made.crop_share == 0.95 and made.size == 224
