"""Preprocessing: geometry and values."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.shapes import input_shape
from visionft.data.preprocess import WHOLE, PreprocessConfig

PLAIN = PreprocessConfig(
    height=32, width=32, crop_share=0.9, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)


SIDES, STEPS = st.integers(1, 4000), st.integers(1, 20)


@given(height=SIDES, width=SIDES, rows=STEPS, columns=STEPS, share=st.floats(0.01, 1.0), region=st.booleans())
def test_the_crop_is_the_largest_box_of_the_inputs_shape(height, width, rows, columns, share, region) -> None:
    part = (125, 250, 750, 875) if region else WHOLE
    made = replace(PLAIN, height=32 * rows, width=32 * columns, crop_share=share, region=part)
    top, left, inner_height, inner_width = made.region_box(height, width)
    box = made.crop_box(height, width)
    assert 1 <= box.height <= inner_height and 1 <= box.width <= inner_width
    assert abs((inner_height - box.height) - 2 * (box.top - top)) <= 1
    assert abs((inner_width - box.width) - 2 * (box.left - left)) <= 1
    fits = min(inner_height / rows, inner_width / columns) * round(share * 1000) / 1000
    assert abs(box.height - fits * rows) <= 1 and abs(box.width - fits * columns) <= 1
    assert top + inner_height <= height and left + inner_width <= width


@pytest.mark.parametrize(
    ("size", "aspect", "step", "shape"),
    [(160, 1.0, 32, (160, 160)), (224, 0.75, 32, (256, 192)), (224, 1.5, 14, (182, 280)), (160, 0.05, 32, (640, 32))],
)
def test_the_inputs_shape_keeps_aspect_and_pixels(size: int, aspect: float, step: int, shape: tuple[int, int]) -> None:
    assert input_shape(size, aspect, step) == shape


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (32, 32), (70, 41)])
def test_any_shape_becomes_the_networks_input(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    out = PLAIN.apply(pixels)
    assert out.shape == (3, 32, 32) and out.dtype == torch.float32
    assert out.min() >= -1 - 1e-6 and out.max() <= 1 + 1e-6
