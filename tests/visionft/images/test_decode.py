"""The one decoder: every kind of picture comes out right, every bad file is an `ImageError` with a short reason."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.errors import ImageError
from visionft.images.decode import decode, read_header

ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def upright(width: int = 48, height: int = 32) -> np.ndarray:
    """Return a picture whose four quarters differ: red, green, blue, white, read from top left."""
    pixels = np.zeros((height, width, 3), np.uint8)
    half_y, half_x = height // 2, width // 2
    pixels[:half_y, :half_x], pixels[:half_y, half_x:] = RED, GREEN
    pixels[half_y:, :half_x], pixels[half_y:, half_x:] = BLUE, WHITE
    return pixels


def stored_for(orientation: int, pixels: np.ndarray) -> np.ndarray:
    """Return the pixels as a camera would store them under `orientation` (the inverse of turning upright)."""
    inverse = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    return np.ascontiguousarray(inverse[orientation](pixels))


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def assert_is_close(actual: np.ndarray, expected: np.ndarray, tolerance: int = 0) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == np.uint8
    assert int(np.abs(actual.astype(int) - expected.astype(int)).max()) <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_orientation_is_applied_once_whatever_the_format(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(stored_for(orientation, upright()))
    options = {
        ".jpg": {"quality": 100, "subsampling": 0},
        ".webp": {"lossless": True},
        ".avif": {"quality": 100, "subsampling": "4:4:4"},
    }
    path = save(tmp_path / f"a{suffix}", image, exif=exif, **options.get(suffix, {}))

    header, pixels = read_header(path), decode(path)

    assert (header.width, header.height) == (48, 32)
    assert_is_close(pixels, upright(), tolerance=12 if suffix == ".avif" else 2)
    assert decode(path, max_side=24).shape == (16, 24, 3)


@pytest.mark.shared_data
def test_the_eight_exif_examples_show_the_same_picture(shared_data: Path) -> None:
    pictures = [decode(path, max_side=200).astype(int) for path in sorted((shared_data / "exif").glob("*.jpg"))]
    assert len(pictures) == 9
    for picture in pictures[1:]:  # the number printed on each differs, the photograph does not
        assert np.abs(picture - pictures[0]).mean() < 4


@pytest.mark.shared_data
def test_no_exception_but_image_error_leaves_the_decoder(shared_data: Path) -> None:
    decoded, refused = 0, {}
    for path in sorted(p for p in (shared_data / "bad_inputs").rglob("*") if p.is_file()):
        try:
            header = read_header(path)
            pixels = decode(path)
        except ImageError as error:
            refused[path.relative_to(shared_data / "bad_inputs").as_posix()] = error.message
            continue
        assert pixels.shape == (header.height, header.width, 3), path
        decoded += 1
    assert decoded >= 68
    kinds = {name.split("/")[0] for name in refused}
    assert {"truncated", "bomb", "unidentified", "decode_error"} <= kinds
    assert all(0 < len(reason) < 160 for reason in refused.values())
