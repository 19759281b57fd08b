"""The memory limit of an image: hostile files are refused by their headers, allowed ones stay within it."""

import base64
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from models.catalog import BACKBONES
from visionft.data.dataset import ImageDataset, SampleKey
from visionft.data.decode import decode, read_header
from visionft.data.limits import image_limit, memory_needed
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import SnapshotImage
from visionft.errors import ImageError

# 122 bytes, one column of 134 million pixels to Pillow.
TALL_TIFF = base64.b64decode(
    "SUkqAAgAAAAIAAABBAABAAAAAQAAAAEBBAARAAAAAQAAAAIBAwAEAAAAbgAAAAYBAwABAAAABQAAABEBBAABAAAAdgAAABUBAwABAAAABAAAABYB"
    "BAABAAAAAQAAABcBBAABAAAABAAAAAAAAAAIAAgACAAIAAAAAEE="
)
# Prints the peak resident memory added by reading an image, in bytes, and the outcome.
MEASURE = """
import json, sys
from pathlib import Path
from PIL import AvifImagePlugin, GifImagePlugin, WebPImagePlugin
from visionft.errors import ImageError
from visionft.data.decode import decode
def peak():  # not getrusage, which starts at what the parent took
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
decode(Path(sys.argv[1]))
before = peak()
try:
    said = decode(Path(sys.argv[2]), max_side=int(sys.argv[3]) or None).shape
except ImageError as error:
    said = error.message
print(json.dumps([peak() - before, said]))
"""
SLACK = 120_000_000  # a band in conversion, libraries loaded with the first image of their kind


def in_a_process(script: str, *arguments: Any) -> list[Any]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return json.loads(done.stdout)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.png"
    Image.new("RGB", (9, 9)).save(path)
    return path


def tiff(*entries: tuple[int, int, int, int]) -> bytes:
    """Return a little-endian TIFF of the entries (tag, type, count, value), with some bytes of pixels at 512."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries, key=lambda entry: entry[0]))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + b"\0\0\0\0"
    return head.ljust(512, b"\0") + bytes(512)


def grey_tiff(width: int, height: int, *more: tuple[int, int, int, int]) -> bytes:
    """Return an LZW-compressed grey TIFF, decoded by libtiff."""
    return tiff((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 5), (262, 3, 1, 1), *more)


HOSTILE = {
    "tall.tif": TALL_TIFF,
    "tile.tif": grey_tiff(16, 16, (322, 4, 1, 65536), (323, 4, 1, 30000), (324, 4, 1, 512), (325, 4, 1, 512)),
    "twice.tif": grey_tiff(16, 16, (257, 4, 1, 2_000_000_000), (273, 4, 1, 512), (278, 4, 1, 2**32 - 1)),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory in /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_few_bytes_never_take_the_memory(tmp_path: Path, small: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    took, said = in_a_process(MEASURE, small, path, 0)
    assert isinstance(said, str) and took < SLACK


def test_few_bytes_of_many_pixels_are_refused_with_the_memory_they_would_take(tmp_path: Path) -> None:
    tile, path = tmp_path / "tile.tif", tmp_path / "a.gif"
    tile.write_bytes(HOSTILE["tile.tif"])
    with pytest.raises(ImageError, match=r"16 x 16.*3\.9 GB"):  # the buffer of libtiff
        decode(tile)
    path.write_bytes(b"GIF89a" + struct.pack("<HH", 14142, 14142) + b"\x80\0\0" + bytes(6) + b",\0\0\0\0")
    path.write_bytes(path.read_bytes() + struct.pack("<HH", 14142, 14142) + b"\0\x02\x02\x44\x01\0;")
    for read in (read_header, decode):
        with pytest.raises(ImageError, match=r"4\.0 GB.*2\.0 GB") as caught:
            read(path)
        assert "VISIONFT_IMAGE_MB" in caught.value.hint


@pytest.mark.parametrize("size", [(199_000_000, 1), (1, 199_000_000), (1_000_001, 1)])
def test_a_line_of_pixels_is_refused_at_once_and_the_longest_decodes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "line.pgm"
    path.write_bytes(b"P5 %d %d 255\n" % size)
    for read in (read_header, decode):
        with pytest.raises(ImageError, match="1,000,000"):
            read(path)
    width, height = (min(each, 1_000_000) for each in size)
    path = tmp_path / "line.png"
    Image.new("RGB", (width, height), (9, 8, 7)).save(path)
    assert decode(path).shape == (height, width, 3) and decode(path, max_side=100).max() == 9


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "a.jpg": ("RGB", {}),
    "progressive.jpg": ("RGB", {"progressive": True, "subsampling": 0}),
    "a.webp": ("RGB", {}),
    "a.avif": ("RGB", {"speed": 10, "subsampling": "4:4:4"}),
    "a.gif": ("P", {}),
    "alpha.png": ("RGBA", {}),
    "16.png": ("I;16", {}),
    "float.tif": ("F", {}),
    "strip.tif": ("RGB", {"compression": "tiff_lzw", "strip_size": 1 << 30}),
    "turned.tif": ("RGB", {"compression": "tiff_lzw", "tiffinfo": {274: 6}}),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory in /proc")
@pytest.mark.parametrize("name", KINDS)
def test_no_kind_of_image_takes_more_than_was_counted(tmp_path: Path, small: Path, name: str) -> None:
    mode, options = KINDS[name]
    path = tmp_path / name
    Image.new(mode, (12_000, 2000)).save(path, **options)  # oblong: the decoder counts, not the input
    with path.open("rb") as handle, Image.open(handle) as image:
        needed = memory_needed(image, handle)
    for max_side in (0, 512):
        took, said = in_a_process(MEASURE, small, path, max_side)
        assert said[2] == 3 and took < needed + SLACK


def test_the_environment_moves_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (1000, 1000)).save(path)
    monkeypatch.setenv("VISIONFT_IMAGE_MB", "19.5")
    with pytest.raises(ImageError, match=r"20 MB.*20 MB"):
        read_header(path)
    monkeypatch.setenv("VISIONFT_IMAGE_MB", "21")
    assert decode(path).shape == (1000, 1000, 3)
    for nonsense in ("", "much", "-1", "nan", "inf"):
        monkeypatch.setenv("VISIONFT_IMAGE_MB", nonsense)
        assert image_limit() == 2_000_000_000


def test_a_data_set_keeps_the_limit_it_was_made_under(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (1000, 1000)).save(path)
    how = PreprocessConfig.for_backbone(BACKBONES["test_vit"], (8, 8))
    image = SnapshotImage(image_id=1, path=path, sha256="", labels=(0,), split="train")
    loaded = []
    for megabytes in ("10", "30"):
        monkeypatch.setenv("VISIONFT_IMAGE_MB", megabytes)
        dataset = ImageDataset([image], how, classes=1)
        monkeypatch.delenv("VISIONFT_IMAGE_MB")  # as in a loader process forked from an older server
        loaded.append(dataset[SampleKey(0, 0)])
    assert "20 MB" in loaded[0].reason and loaded[1].pixels is not None


@pytest.mark.slow
def test_a_large_image_comes_out_band_by_band_as_in_one_piece(tmp_path: Path) -> None:
    tile = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    noise = np.tile(tile, (50, 50, 1))  # 2500 x 2500: two bands
    noise[:100, :200], noise[-10:, -900:] = 0, 255
    exif, image = Image.Exif(), Image.fromarray(noise)
    expected = np.asarray(image.resize((300, 300), Image.Resampling.BICUBIC, reducing_gap=2.0))
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        image.save(tmp_path / "a.png", exif=exif, compress_level=1)
        with Image.open(tmp_path / "a.png") as opened:
            assert np.array_equal(decode(tmp_path / "a.png"), np.asarray(ImageOps.exif_transpose(opened)))
        small = decode(tmp_path / "a.png", max_side=300)
        assert np.array_equal(small, expected) or orientation > 1
        assert abs(small.astype(int).mean() - expected.astype(int).mean()) < 0.1
