"""The memory limit of an image: hostile files are refused by their headers, allowed ones stay within it."""

import base64
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from visionft.core.errors import ImageError
from visionft.data.decode import decode, read_header
from visionft.data.limits import memory_needed

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
from visionft.core.errors import ImageError
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
    "alpha.png": ("RGBA", {}),
    "16.png": ("I;16", {}),
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
