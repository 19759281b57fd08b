"""Images reduced on their way to the network: the same image, upright, whole or refused; and the same input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.core.errors import ImageError
from visionft.data.decode import decode, decode_open, open_image
from visionft.data.preprocess import PreprocessConfig


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """Return a camera-like image, 1600 x 1200: edges, gradients, texture, a little noise."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
    texture = rng.integers(116, 141, (300, 400, 3), np.uint8)
    fine = Image.fromarray(texture).resize((1600, 1200), Image.Resampling.BICUBIC)
    pixels = np.asarray(coarse, np.float32) + np.asarray(fine, np.float32) - 128 + rng.normal(0, 3, (1200, 1600, 1))
    pixels[400:800, 300:310], pixels[600:620] = 0, 255
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("quality", "subsampling"), [(75, 2), (95, 0)])
def test_a_jpeg_decoded_at_a_fraction_shows_the_same_image(
    quality: int, subsampling: int, photograph: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(photograph).save(path, quality=quality, subsampling=subsampling)
    for near_side in (150, 300, 600):  # an eighth, a quarter, a half
        found = decode(path, near_side=near_side).astype(int)
        whole = Image.fromarray(decode(path)).reduce(1200 // found.shape[0])
        difference = np.abs(found - np.asarray(whole).astype(int))
        assert difference.mean() <= 1.0 and np.quantile(difference, 0.99) <= 8


def test_a_reduced_image_is_upright_and_whole(photograph: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    Image.fromarray(photograph).save(tmp_path / "1.jpg", quality=95)
    upright = decode(tmp_path / "1.jpg", near_side=300)
    for orientation, turned in {3: upright[::-1, ::-1], 6: np.rot90(upright, -1), 8: np.rot90(upright, 1)}.items():
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.jpg"
        Image.fromarray(photograph).save(path, quality=95, exif=exif)
        assert np.array_equal(decode(path, near_side=300), turned)
    content = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(ImageError, match="truncated"):
        decode(tmp_path / "cut.jpg", near_side=150)
    with pytest.raises(ImageError, match="too large"):
        decode(tmp_path / "1.jpg", near_side=150, limit=10_000_000)


@pytest.mark.parametrize(
    ("size", "crop_share", "suffix", "interpolation"),
    [(224, 0.95, "jpg", "bicubic"), (160, 0.875, "png", "bilinear"), (64, 1.0, "jpg", "bilinear")],
)
def test_the_network_sees_nearly_what_the_exported_graph_makes_of_the_whole_image(
    size: int, crop_share: float, suffix: str, interpolation: str, photograph: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(photograph).save(path)
    plain = PreprocessConfig(
        height=size, width=size, crop_share=crop_share, interpolation=interpolation, mean=(0.0,) * 3, std=(1 / 255,) * 3
    )
    with open_image(path) as handle:
        decoded = decode_open(handle, near_side=2 * size)
    assert decoded.size == (1200, 1600) and decoded.factor > 1
    difference = (plain.apply_reduced(decoded) - plain.apply(decode(path))).abs()
    assert difference.mean() <= 2 and difference.flatten().quantile(0.99) <= 12
    assert size < 160 or (difference.mean() <= 1 and difference.flatten().quantile(0.99) <= 6)  # of 255
