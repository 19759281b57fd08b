"""Preprocessing: geometry and values."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.catalog import BACKBONES
from models.shapes import input_shape
from visionft.data.preprocess import WHOLE, PreprocessConfig, is_region, parsed_region

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


@pytest.mark.parametrize("text", ["", "0,0,1", "0.5,0,0.5,1", "-0.1,0,1,1", "0,0,1,1.1", "a,b,c,d"])
def test_a_region_outside_the_image_is_none(text: str) -> None:
    assert not is_region(text) and parsed_region("0.1, 0.2, 0.9, 1") == (100, 200, 900, 1000)


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


def test_constant_images_keep_their_value() -> None:
    out = PLAIN.apply(np.full((50, 60, 3), (0, 51, 255), np.uint8))
    expected = torch.tensor([-1.0, -0.6, 1.0]).view(3, 1, 1).expand(3, 32, 32)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
    made = PreprocessConfig.for_backbone(BACKBONES["resnet18"], (224, 224))
    assert made.mean == (0.485, 0.456, 0.406) and made.crop_share == 0.95 and made.shape == (224, 224)
