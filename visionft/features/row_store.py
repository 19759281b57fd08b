"""Rows of one size on disk, one for each image content: features, hashes and other measurements.

Rows are appended, never changed: `rows.bin` first, `keys.bin` (digest of the content, checksum of the row) after it, so
a partial write after a crash is cut off at the next opening. A row with a wrong checksum counts as missing and is
computed again.

`stored_rows` computes missing rows in threads, and stores them as they come.
"""

import contextlib
import hashlib
import os
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import FileLock

from visionft.core.events import Progress
from visionft.core.files import fsync_folder, refuse_leaving_link, write_error
from visionft.core.jobs import JobContext

ROWS, KEYS, LOCK = "rows.bin", "keys.bin", "rows.lock"
_KEY: Final = struct.Struct("<32sI")
_READ: Final = 65_536  # rows read at a time
_TOUCH_S: Final = 3600


class RowStore:
    """An array of rows of `dtype` (a scalar, subarray or structured type), found by the content they belong to.

    A project's readers and one writer at a time may use it from several processes.
    """

    def __init__(self, folder: Path, dtype: np.dtype) -> None:
        """Open the store in `folder`; the first `append` makes the folder."""
        self._folder = folder
        self.dtype = np.dtype(dtype)
        self._places: dict[bytes, int] = {}
        self._checksums: list[int] = []
        self.reload()

    def __len__(self) -> int:
        """Return the number of rows, rows of removed contents included."""
        return len(self._checksums)

    def reload(self) -> None:
        """Read what other processes have added."""
        try:
            with (self._folder / KEYS).open("rb") as handle:
                handle.seek(len(self) * _KEY.size)
                added = handle.read()
            rows = (self._folder / ROWS).stat().st_size // self.dtype.itemsize
            is_cut = rows < len(self) or (self._folder / KEYS).stat().st_size < len(self) * _KEY.size
        except FileNotFoundError:
            added = b""
            rows = 0
            is_cut = bool(len(self))
        if is_cut:  # not by us: everything is read again
            self._places, self._checksums = {}, []
            if rows:
                self.reload()
            return
        before = len(self)
        count = min(len(added) // _KEY.size, rows - before)
        for place, (content, checksum) in enumerate(_KEY.iter_unpack(added[: count * _KEY.size]), before):
            self._places[content] = place  # the latest row of a content counts
            self._checksums.append(checksum)

    def places(self, contents: Sequence[str]) -> np.ndarray:
        """Return the (N,) places of the rows of contents (SHA-256); -1 if not stored."""
        found = (self._places.get(_key(content), -1) for content in contents)
        return np.fromiter(found, np.int64, len(contents))

    def read(self, contents: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, ...) rows of contents, zeros for missing ones, and (N,) whether each exists and is whole."""
        places = self.places(contents)
        rows = np.zeros((len(contents), *self.dtype.shape), self.dtype.base)
        exists = places >= 0
        rows[exists], is_whole = self._rows(places[exists])
        exists[exists] = is_whole
        return rows, exists

    def _rows(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read rows by their (N,) places, as `places` gives them, without -1.

        Returns:
            (N, ...) rows, a copy; (N,) whether each matches its checksum.
        """
        if not len(places):
            return np.empty((0, *self.dtype.shape), self.dtype.base), np.zeros(0, bool)
        raw = np.empty((len(places), self.dtype.itemsize), np.uint8)
        try:
            for start in range(0, len(places), _READ):  # mapped anew each time: pages that were read do not pile up
                mapped = np.memmap(self._folder / ROWS, np.uint8, "r", shape=(len(self), self.dtype.itemsize))
                raw[start : start + _READ] = mapped[places[start : start + _READ]]
            self._note_use()
        except (FileNotFoundError, ValueError):  # deleted or cut off since this store was opened
            return np.zeros((len(places), *self.dtype.shape), self.dtype.base), np.zeros(len(places), bool)
        checksums = np.fromiter((zlib.crc32(row.data) for row in raw), np.uint32, len(raw))
        wanted = np.array(self._checksums, np.uint32)[places]
        rows = raw.view(self.dtype.base).reshape(len(raw), *self.dtype.shape)
        return rows, checksums == wanted

    def _note_use(self) -> None:
        """Renew the time of use, the file's own, once an hour: by it the oldest are found."""
        with contextlib.suppress(OSError):  # a project that cannot be written
            if (self._folder / ROWS).stat().st_mtime < time.time() - _TOUCH_S:
                os.utime(self._folder / ROWS)

    def append(self, contents: Sequence[str], rows: np.ndarray) -> None:
        """Add rows (N, ...) for contents; durable when this returns.

        Raises:
            VisionFTError: The disk is full, or the folder cannot be written.
        """
        data = np.ascontiguousarray(rows, self.dtype.base)
        raw = data.view(np.uint8).reshape(len(contents), self.dtype.itemsize)
        checksums = [zlib.crc32(row.data) for row in raw]
        widths = {self._folder / KEYS: _KEY.size, self._folder / ROWS: self.dtype.itemsize}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            refuse_leaving_link(self._folder / LOCK)
            with FileLock(self._folder / LOCK, thread_local=False):
                # The files only grow, so that their size tells; reading all keys each time would cost quadratic time.
                if not all(
                    path.exists() and path.stat().st_size == len(self) * width for path, width in widths.items()
                ):
                    self.reload()
                count = len(self)
                keys = [_KEY.pack(_key(key), crc) for key, crc in zip(contents, checksums, strict=True)]
                _write(self._folder / ROWS, count * self.dtype.itemsize, raw.tobytes())
                _write(self._folder / KEYS, count * _KEY.size, b"".join(keys))
                fsync_folder(self._folder)
        except OSError as error:
            raise write_error(self._folder, error) from error
        for offset, key in enumerate(contents):
            self._places[_key(key)] = count + offset
        self._checksums += checksums


def delete_rows(folder: Path) -> None:
    """Delete all rows of a store: they count as missing from then on, for every process (OSError: they cannot be)."""
    refuse_leaving_link(folder / LOCK)
    with FileLock(folder / LOCK, thread_local=False):
        for name in (KEYS, ROWS):  # keys first: an orphan key would cut later rows off, an orphan row is harmless
            (folder / name).unlink(missing_ok=True)


def _key(content: str) -> bytes:
    return hashlib.blake2b(content.encode(), digest_size=32).digest()


def _write(path: Path, start: int, data: bytes) -> None:
    """Write behind the last valid byte and truncate the rest; on the disk when this returns."""
    refuse_leaving_link(path)
    with path.open("r+b" if path.exists() else "w+b") as handle:
        handle.truncate(start)
        handle.seek(start)
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


_BLOCK: Final = 64  # items between two events


def stored_rows(
    store: RowStore, keys: Sequence[str], measure: Callable[[int], Any], *, stage: str, job: JobContext
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return (N, ...) rows, zeros for missing ones, (N,) whether each exists, and {key: reason} of the missing ones.

    Args:
        store: Its rows are keyed by content.
        keys: (N) contents; those without a row are measured, each once.
        measure: Called in a thread with the place of a key; returns a row, or the reason why it is missing.
        stage: Of the progress.
        job: Rows so far are stored when it is cancelled.

    Raises:
        VisionFTError: The disk is full, or the project's folder cannot be written.
    """
    import cv2

    written = time.monotonic()
    rows, exists = store.read(keys)
    missing = list({keys[place]: place for place in np.flatnonzero(~exists).tolist()}.values())
    if not missing:
        return rows, exists, {}
    reasons = dict[str, str]()
    waiting = list[tuple[str, Any]]()

    def write() -> None:
        nonlocal written
        written = time.monotonic()
        if waiting:
            store.append([key for key, _ in waiting], np.stack([row for _, row in waiting]))
            waiting.clear()

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # each call is too small for several; OpenCV and the decoders release the GIL
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for start in range(0, len(missing), _BLOCK):
                job.check_cancelled()
                places = missing[start : start + _BLOCK]
                for place, row in zip(places, pool.map(measure, places), strict=True):
                    if isinstance(row, str):
                        reasons[keys[place]] = row
                    else:
                        waiting.append((keys[place], row))
                if len(waiting) >= 512 and time.monotonic() > written + 1.0:  # each write waits for the disk
                    write()
                job.report(Progress(stage=stage, done=start + len(places), total=len(missing)))
    finally:
        cv2.setNumThreads(threads)
        write()
    return (*store.read(keys), reasons)
