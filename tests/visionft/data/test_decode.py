"""The one decoder: every kind of image comes out right, every bad file is an `ImageError` with a short reason."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from visionft.core.errors import ImageError
from visionft.data.decode import decode, decode_open, open_image, read_header
from visionft.data.depth import FEW_LEVELS, FIRST_PLANE

ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def upright(width: int = 48, height: int = 32) -> np.ndarray:
    """Return an image with four different quarters: red, green, blue, white, from top left."""
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


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def assert_is_close(actual: np.ndarray, expected: np.ndarray, tolerance: int = 0) -> None:
    assert actual.shape == expected.shape and actual.dtype == np.uint8
    assert int(np.abs(actual.astype(int) - expected.astype(int)).max()) <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_orientation_is_applied_once_whatever_the_format(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = Image.fromarray(stored_for(orientation, upright()))
    options = {"quality": 100, "subsampling": 0} if suffix == ".jpg" else {}
    path = save(tmp_path / f"a{suffix}", image, exif=exif, **options)
    header, pixels = read_header(path), decode(path)
    assert (header.width, header.height) == (48, 32)
    assert_is_close(pixels, upright(), tolerance=2)
    assert decode(path, max_side=24).shape == (16, 24, 3)


def test_a_photograph_of_a_phone_is_read_upright_and_refused_when_it_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    content = (Path(__file__).parents[2] / "fixtures" / "images" / "turned.heic").read_bytes()  # by `irot`, and by EXIF
    path.write_bytes(content)
    header, pixels = read_header(path), decode(path)
    assert (header.width, header.height, header.format, header.losses) == (192, 128, "HEIF", ())
    assert_is_close(pixels[::16, ::16], upright(192, 128)[::16, ::16], tolerance=6)
    assert decode(path, max_side=24).shape == (16, 24, 3)
    for share in (0.9, 0.5, 0.05):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ImageError):
            decode(path)
    path.write_bytes(content.replace(b"Exif\0", b"Ex\xeaf\0"))  # pi-heif 1.4 crashes
    with pytest.raises(ImageError):
        read_header(path)
    place = content.index(b"ispe") + 8
    path.write_bytes(content[:place] + struct.pack(">II", 60_000, 60_000) + content[place + 8 :])
    with pytest.raises(ImageError):
        read_header(path)
    path.write_bytes(content[:place] + struct.pack(">II", 64, 64) + content[place + 8 :])  # less than it decodes to
    with pytest.raises(ImageError):
        decode(path)


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


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    for name in ("a.png", "a.tif"):
        pixels = decode(save(tmp_path / name, Image.fromarray(ramp)))
        assert_is_close(pixels, np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2), tolerance=1)


@pytest.mark.parametrize(("least", "greatest"), [(0.0, 1.0), (0.0, 255.0), (0.0, 65535.0), (-3.0, 3.0)])
def test_float_images_use_their_natural_range(tmp_path: Path, least: float, greatest: float) -> None:
    ramp = np.linspace(least, greatest, 256, dtype=np.float32).reshape(16, 16)
    pixels = decode(save(tmp_path / "a.tif", Image.fromarray(ramp)))
    assert_is_close(pixels[..., 0], np.arange(256, dtype=np.uint8).reshape(16, 16), tolerance=1)
    values = np.full((4, 4), 0.5, np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    pixels = decode(save(tmp_path / "holes.tif", Image.fromarray(values)))
    assert pixels[0, 0].tolist() == [0, 0, 0] and pixels[2, 2].tolist() == [128, 128, 128]


def test_transparent_parts_and_colours_become_white(tmp_path: Path) -> None:
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:16, :24] = 0
    image = Image.fromarray(np.dstack([upright(), alpha]))
    on_white = upright()
    on_white[:16, :24] = WHITE
    assert_is_close(decode(save(tmp_path / "rgba.png", image)), on_white)
    assert_is_close(decode(save(tmp_path / "palette.png", image.quantize(8))), on_white)
    grey = decode(save(tmp_path / "la.png", image.convert("LA")))
    assert grey[0, 0].tolist() == [255, 255, 255] and grey[0, 30].tolist() == [150, 150, 150]
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decode(save(tmp_path / "half.png", half))[0, 0].tolist() == [127, 127, 127]
    grey = save(tmp_path / "grey.png", Image.new("L", (4, 4), 7), transparency=7)
    red = save(tmp_path / "red.png", Image.new("RGB", (4, 4), RED), transparency=RED)
    sixteen = save(tmp_path / "16.png", Image.fromarray(np.full((4, 4), 700, np.uint16)), transparency=700)
    for path in (grey, red, sixteen):
        assert (decode(path) == 255).all(), path.name


def test_bilevel_lab_palette_and_cmyk_modes_become_rgb(tmp_path: Path) -> None:
    black_white = Image.fromarray(upright()[..., 1] > 128)
    assert_is_close(decode(save(tmp_path / "1.png", black_white))[..., 2], (upright()[..., 1] > 128) * np.uint8(255))
    white = Image.new("LAB", (4, 4), (255, 128, 128))
    assert decode(save(tmp_path / "lab.tif", white)).min() >= 253
    assert_is_close(decode(save(tmp_path / "p.gif", Image.fromarray(upright()))), upright())
    for name, options in (("a.jpg", {"quality": 100, "subsampling": 0}), ("a.tif", {})):  # cmyk is not inverted
        image = Image.fromarray(upright()).convert("CMYK")
        assert_is_close(decode(save(tmp_path / name, image, **options)), upright(), tolerance=3)


def test_max_side_only_shrinks_and_keeps_the_image(tmp_path: Path) -> None:
    image = np.asarray(Image.fromarray(upright()).resize((3000, 2000), Image.Resampling.BICUBIC))
    for name in ("a.jpg", "a.png"):
        path = save(tmp_path / name, Image.fromarray(image))
        small = decode(path, max_side=150)
        expected = np.asarray(Image.fromarray(image).resize((150, 100), Image.Resampling.BICUBIC))
        assert small.shape == (100, 150, 3)
        assert np.abs(small.astype(int) - expected.astype(int)).mean() < 3
        assert decode(path, max_side=9000).shape == (2000, 3000, 3)
    thin = save(tmp_path / "thin.png", Image.new("RGB", (2000, 1)))
    assert decode(thin, max_side=100).shape == (1, 100, 3)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".avif"])
def test_a_cut_off_file_is_refused_in_every_format(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"a{suffix}", Image.fromarray(noise))
    content = path.read_bytes()
    for share in (0.9, 0.5, 0.05):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ImageError) as caught:
            decode(path)
        assert 0 < len(caught.value.message) < 160


def test_decompression_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    for width, height in ((60_000, 60_000), (1_000_001, 1)):
        bomb = tmp_path / "bomb.png"
        bomb.write_bytes(png(width, height, png_chunk(b"IDAT", b"")))
        for read in (read_header, decode):
            with pytest.raises(ImageError, match="too large"):
                read(bomb)


def test_what_is_not_a_image_says_so(tmp_path: Path) -> None:
    svg = tmp_path / "drawing.jpg"
    svg.write_text('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>')
    empty = tmp_path / "empty.png"
    empty.touch()
    paths = [svg, empty, tmp_path, tmp_path / "gone.jpg"]
    if hasattr(os, "mkfifo"):  # not on Windows; opened, it would wait for a writer
        os.mkfifo(tmp_path / "pipe.jpg")
        paths.append(tmp_path / "pipe.jpg")
    for path in paths:
        for read in (read_header, decode):
            with pytest.raises(ImageError):
                read(path)


def deep(kind: str, low: int, high: int) -> np.ndarray:
    values = np.linspace(low, high, 64 * 64).reshape(64, 64)
    return np.repeat(values[..., None], 3, 2).astype(np.uint16) if kind == "rgb" else values.astype(kind)


@pytest.mark.parametrize(("kind", "suffix"), [("uint16", ".png"), ("uint16", ".tif"), ("rgb", ".png"), ("rgb", ".tif")])
def test_an_image_of_16_bits_that_decodes_to_few_grey_levels_says_so(tmp_path: Path, kind: str, suffix: str) -> None:
    dim, full = tmp_path / f"dim{suffix}", tmp_path / f"full{suffix}"
    cv2.imwrite(str(dim), deep(kind, 400, 1300))
    cv2.imwrite(str(full), deep(kind, 400, 40_000))
    assert len(np.unique(decode(dim))) <= 5 and read_header(dim).losses == (FEW_LEVELS,)
    assert read_header(full).losses == ()


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".webp", ".png"])
def test_an_image_of_several_planes_or_frames_says_that_only_the_first_is_used(tmp_path: Path, suffix: str) -> None:
    first, others = Image.fromarray(upright()), [Image.new("RGB", (48, 32), color) for color in ("black", "white")]
    options = {"lossless": True} if suffix == ".webp" else {}
    one = save(tmp_path / f"one{suffix}", first, **options)
    many = save(tmp_path / f"many{suffix}", first, save_all=True, append_images=others, **options)
    assert read_header(one).losses == () and read_header(many).losses == (FIRST_PLANE,)
    with open_image(many) as handle:
        decoded = decode_open(handle)
    assert decoded.losses == (FIRST_PLANE,) and decoded.pixels.flags.c_contiguous and decoded.pixels.flags.writeable
    assert_is_close(decoded.pixels, upright())
