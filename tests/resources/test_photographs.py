"""The sample's photographs: documented properties, licences, and no near-duplicates."""

import io
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from resources.photographs import PHOTOGRAPHS, STRIP


@pytest.fixture(scope="module")
def images() -> dict[str, Image.Image]:
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        return {name: Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()}


def test_the_archive_holds_as_many_of_each_class_and_nothing_else(images: dict[str, Image.Image]) -> None:
    counts = Counter(name.split("/")[0] for name in images)
    assert counts == dict.fromkeys(("cardboard", "glass", "metal", "paper", "plastic"), 80)
    assert {(each.format, each.mode, max(each.size)) for each in images.values()} == {("JPEG", "RGB", 256)}
    assert PHOTOGRAPHS.stat().st_size < 6_000_000


def test_the_licence_travels_with_the_images() -> None:
    with zipfile.ZipFile(PHOTOGRAPHS) as archive:
        assert archive.comment.startswith(b"MIT License\n\nCopyright (c) 2017 Gary Thung")


def test_no_two_images_show_nearly_the_same(images: dict[str, Image.Image]) -> None:
    """Compare them small, grey and without their brightness: a crop or a second shot is close to 1."""
    small = np.array([np.asarray(each.convert("L").resize((12, 16)), float).ravel() for each in images.values()])
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True)
    alike = small @ small.T - 2 * np.eye(len(small))
    assert alike.max() < 0.98


def test_the_strip_is_squares_side_by_side() -> None:
    with Image.open(STRIP) as image:
        assert image.width == 5 * image.height
