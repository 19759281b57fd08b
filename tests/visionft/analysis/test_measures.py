"""Measurements of a single image, and damage in decodable files."""

import io
from pathlib import Path

import cv2
import drawing
import numpy as np
import pytest
from drawing import jpeg
from PIL import Image

from visionft.analysis.quality_measures import MEASURES, corruption_in, filled_share, measure
from visionft.core.errors import ImageError
from visionft.core.files import sha256_file


def scene(seed: int = 0, size: tuple[int, int] = (160, 200)) -> np.ndarray:
    return drawing.scene(seed, size, radii=(8, 40))


@pytest.fixture
def measured(tmp_path: Path):
    """Return a function: pixels or bytes -> the row of them."""

    def measured(content: np.ndarray | bytes, name: str = "image.jpg") -> np.ndarray:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else jpeg(content))
        return measure(path, sha256_file(path))

    return measured


def test_light_and_size_are_measured(measured):
    row = measured(scene())
    assert (row["width"], row["height"]) == (200, 160)
    assert row["black"] < row["dark"] < row["light"] < row["white"] <= 1
    assert row["entropy"] > 4 and not row["damage"]


def blurred(pixels: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(pixels, (0, 0), 2)


def moved(pixels: np.ndarray) -> np.ndarray:
    return cv2.filter2D(pixels, -1, np.eye(9, dtype=np.float32) / 9)


@pytest.mark.parametrize("spoil", [blurred, moved])
@pytest.mark.parametrize("name", ["edges_large", "edges_small"])
def test_blur_of_any_kind_softens_edges_at_both_scales(measured, spoil, name):
    for seed in range(3):
        assert measured(spoil(scene(seed)))[name] < measured(scene(seed))[name] - 0.2


def test_sharpness_does_not_depend_on_contrast_and_the_finest_detail_goes_first(measured):
    pale = (scene() * 0.3 + 80).astype(np.uint8)
    assert abs(measured(pale)["edges_large"] - measured(scene())["edges_large"]) < 0.25
    assert measured(cv2.GaussianBlur(scene(), (0, 0), 0.8))["fine_large"] < measured(scene())["fine_large"] - 1


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (16, 16)])
def test_a_tiny_or_even_image_has_no_sharpness_and_all_else(measured, size):
    row = measured(np.full((*size, 3), 90, np.uint8))
    assert np.isnan(row["edges_large"]) and row["deviation"] < 0.01 and row["height"] == size[0]


def test_a_large_image_is_measured_at_the_scale_of_others(measured):
    large = cv2.resize(scene(), None, fx=12, fy=12, interpolation=cv2.INTER_CUBIC)
    assert (measured(large)["width"], measured(large)["height"]) == (2400, 1920)
    assert abs(measured(large)["edges_small"] - measured(scene())["edges_small"]) < 0.3


class TestDamage:
    def test_a_file_cut_off_says_so_and_has_no_numbers(self, measured):
        row = measured(jpeg(scene())[:3000])
        assert b"truncated" in bytes(row["damage"])
        assert all(np.isnan(row[name]) for name in MEASURES)

    def test_a_file_cut_off_and_closed_decodes_but_is_seen(self, measured):
        content = jpeg(scene())
        row = measured(content[: len(content) // 2] + b"\xff\xd9")
        assert not row["damage"] and 0.3 < row["painted"] < 0.7
        content = jpeg(cv2.resize(scene(), None, fx=16, fy=16, interpolation=cv2.INTER_CUBIC))  # decoded smaller
        assert measured(content)["painted"] == 0
        assert 0.3 < measured(content[: len(content) // 2] + b"\xff\xd9")["painted"] < 0.7

    @pytest.mark.parametrize("turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180])
    def test_the_lost_part_is_found_on_any_side(self, turn):
        content = jpeg(scene())
        pixels = np.array(Image.open(io.BytesIO(content[: len(content) // 2] + b"\xff\xd9")).transpose(turn))
        assert filled_share(content, pixels) > 0.3

    def test_margins_are_no_damage(self):
        framed = np.pad(scene(), ((0, 40), (0, 0), (0, 0)), constant_values=255)
        around = np.pad(scene(), ((30, 30), (30, 30), (0, 0)), constant_values=90)
        assert filled_share(jpeg(scene()), framed) == filled_share(jpeg(scene()), around) == 0
        assert filled_share(b"GIF89a", np.pad(scene(), ((0, 40), (0, 0), (0, 0)), constant_values=90)) == 0

    def test_a_lost_sector_of_a_jpeg_is_found(self, measured):
        content = jpeg(scene())
        middle = len(content) // 2
        assert b"zeros" in bytes(measured(content[:middle] + bytes(512) + content[middle + 512 :])["damage"])
        assert not measured(jpeg(scene(), comment=bytes(4000)))["damage"]  # zeros before the pixels do not count
        assert not measured(jpeg(np.full((2000, 2000, 3), 90, np.uint8)))["damage"]

    def test_a_changed_bit_of_a_png_is_found(self):
        handle = io.BytesIO()
        Image.fromarray(scene()).save(handle, "PNG")
        content = bytearray(handle.getvalue())
        assert corruption_in(bytes(content)) == ""
        content[len(content) // 2] ^= 1
        assert "checksum" in corruption_in(bytes(content))
        assert corruption_in(bytes(content[:-400])) not in ("", corruption_in(bytes(content)))

    @pytest.mark.shared_data
    def test_hostile_files_get_a_row_or_a_reason(self, shared_data):
        for path in sorted((shared_data / "bad_inputs").rglob("*")):
            if path.is_file():
                try:
                    measure(path, sha256_file(path))
                except ImageError as error:
                    assert error.message


def test_a_file_that_is_missing_edited_or_too_large_now_leaves_no_row(tmp_path, monkeypatch):
    path = tmp_path / "a.jpg"
    with pytest.raises(ImageError, match="missing"):
        measure(path, "0" * 64)
    path.write_bytes(jpeg(scene(size=(600, 600))))
    with pytest.raises(ImageError, match="edited"):
        measure(path, "0" * 64)
    monkeypatch.setenv("VISIONFT_IMAGE_MB", "1")
    with pytest.raises(ImageError, match="too large"):
        measure(path, sha256_file(path))
