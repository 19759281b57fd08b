"""Decoded images on disk: the exact decoded pixels, whatever happens to the cache or to the originals."""

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.core.errors import ImageError
from visionft.core.files import sha256_file
from visionft.data import image_cache
from visionft.data.decode import decode
from visionft.data.image_cache import CacheUse, ImageCache, cache_use, clear_cache

SIDE = 50
GB = 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> ImageCache:
    return ImageCache(folder, limit=GB)


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    return draw(tmp_path / "a.jpg", seed=1)


def draw(path: Path, *, seed: int, age_s: float = 100.0) -> Path:
    """Draw an image of 300 x 200, modified `age_s` seconds ago."""
    small = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(small).resize((300, 200), Image.Resampling.BICUBIC).save(path, quality=90)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def kept(folder: Path) -> list[Path]:
    """Return the cached files, each under one of its names."""
    return list({path.stat().st_ino: path for path in folder.rglob("*") if path.is_file()}.values())


def test_what_is_kept_is_what_decoding_gives(cache, folder, photograph, decoded) -> None:
    expected = decode(photograph, near_side=SIDE)
    assert not cache.holds(photograph, SIDE)
    for _ in range(3):
        pixels = cache.load(photograph, SIDE).pixels
        assert np.array_equal(pixels, expected) and pixels.flags.writeable and pixels.flags.c_contiguous
    assert len(decoded) == 1 and cache.holds(photograph, SIDE) and not cache.holds(photograph, SIDE + 1)
    (entry,) = kept(folder)
    assert cache_use(folder) == CacheUse(1, entry.stat().st_size)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no time of the last change of a file's facts")
def test_an_original_replaced_under_its_old_size_and_time_is_seen(cache, tmp_path) -> None:
    path = tmp_path / "a.bmp"
    Image.new("RGB", (60, 60), "red").save(path)
    facts = path.stat()
    cache.load(path, SIDE)
    Image.new("RGB", (60, 60), "blue").save(tmp_path / "b.bmp")
    assert (tmp_path / "b.bmp").stat().st_size == facts.st_size
    os.utime(tmp_path / "b.bmp", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (tmp_path / "b.bmp").replace(path)
    assert cache.load(path, SIDE).pixels[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("limit", [GB, 0])
def test_an_image_of_another_content_than_expected_is_refused(folder, photograph, limit) -> None:
    cache = ImageCache(folder, limit=limit)
    content = sha256_file(photograph)
    first = cache.load(photograph, 64, sha256=content)
    again = cache.load(photograph, 64, sha256=content)
    assert np.array_equal(first.pixels, again.pixels)
    draw(photograph, seed=2)
    with pytest.raises(ImageError) as caught:
        cache.load(photograph, 64, sha256=content)
    assert caught.value.hint
    assert not np.array_equal(cache.load(photograph, 64).pixels, first.pixels)
    with pytest.raises(ImageError):  # the changed one is kept by now
        cache.load(photograph, 64, sha256=content)


def test_an_original_that_is_gone_damaged_or_too_large_says_so_in_spite_of_the_cache(cache, photograph) -> None:
    cache.load(photograph, SIDE)
    with pytest.raises(ImageError, match="too large"):  # for the memory that is allowed now
        cache.load(photograph, SIDE, limit=100_000)
    whole = photograph.read_bytes()
    photograph.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="truncated"):
        cache.load(photograph, SIDE)
    photograph.unlink()
    with pytest.raises(ImageError):
        cache.load(photograph, SIDE)


def test_a_full_disk_costs_no_image_and_leaves_no_piece(
    cache, folder, photograph, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.replace

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    expected = decode(photograph, near_side=SIDE)
    for _ in range(2):
        assert np.array_equal(cache.load(photograph, SIDE).pixels, expected)
    assert kept(folder) == []
    monkeypatch.setattr(Path, "replace", write)
    later = time.monotonic() + 3600
    monkeypatch.setattr(image_cache.time, "monotonic", lambda: later)
    cache.load(photograph, SIDE)
    assert cache.holds(photograph, SIDE)  # there was room again


def test_a_full_cache_throws_out_what_was_not_used_for_long_and_nothing_that_is_in_use(folder, tmp_path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(90)]
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(path)
    size = 20 * 20 * 3 + 572
    cache = ImageCache(folder, limit=70 * size)
    for path in paths:
        cache.load(path, SIDE)
    assert [cache.holds(path, SIDE) for path in paths] == [True] * 70 + [False] * 20
    for entry in kept(folder):
        os.utime(entry, (time.time() - image_cache.IN_USE_S - 60,) * 2)
    cache.load(paths[0], SIDE)  # used now
    later = ImageCache(folder, limit=70 * size)
    for path in paths[70:]:
        later.load(path, SIDE)
    assert cache_use(folder).bytes <= 70 * size
    assert later.holds(paths[0], SIDE) and all(later.holds(path, SIDE) for path in paths[70:])


def test_clearing_takes_what_is_kept_and_nothing_else(cache, folder, photograph) -> None:
    cache.load(photograph, SIDE)
    (entry,) = kept(folder)
    pieces = [entry.with_name(f"{entry.name}.{number}.tmp") for number in (1, 2)]
    for piece in pieces:
        piece.write_bytes(b"half")
    os.utime(pieces[0], (1000, 1000))  # of a killed writer, a while ago
    cache_use(folder)
    assert [piece.exists() for piece in pieces] == [False, True]
    mine = [folder / "notes.txt", folder / "50" / "mine.jpg", folder / "50" / "ab" / "holiday.jpg"]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert clear_cache(folder) == CacheUse(0, 0)
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(mine)
    for path in mine:
        path.unlink()
    clear_cache(folder)
    assert not folder.exists() and photograph.exists()


def test_what_a_killed_writer_or_a_crash_left_is_never_read(folder, photograph) -> None:
    def load() -> np.ndarray:
        return ImageCache(folder, limit=GB).load(photograph, SIDE).pixels

    expected = load()
    assert os.name == "nt" or folder.stat().st_mode & 0o077 == 0  # others may not look into it
    (entry,) = kept(folder)
    whole = entry.read_bytes()
    contents = [b"", b"PK", b"x" * 40, whole[:-1], whole + b"\0"]
    for place in (0, 5, 9, 20, 30, 36, 3000, len(whole) - 1):
        contents.append(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
    for end in range(0, len(whole), 997):  # as a disk may show it after a power cut: the name, and a part of the bytes
        contents.append(whole[:end] + bytes(len(whole) - end) if end % 2 else whole[:end])
    for content in contents:
        for path in (each for each in folder.rglob("*") if each.is_file()):
            path.write_bytes(content)
        assert np.array_equal(load(), expected)
