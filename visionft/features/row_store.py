"""Rows of fixed size on disk, one for each image content: features, hashes and other measurements.

Rows are only appended, first to `rows.bin` and then to `keys.bin` (digest of the content, checksum of the row), so that
the next opening truncates a partial write after a crash. A row with a wrong checksum counts as missing and is computed
again.

`stored_rows` computes missing rows in threads, and stores them in batches.
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
_ROWS_PER_READ: Final = 65_536
_TOUCH_INTERVAL_S: Final = 3600


class RowStore:
    """An array of rows of `dtype` (a scalar, subarray or structured type), which are looked up by image content.

    Several processes may read it while one of them writes.
    """

    def __init__(self, folder: Path, dtype: np.dtype) -> None:
        """Open the store in `folder`, which the first `append` creates."""
        self._folder = folder
        self.dtype = np.dtype(dtype)
        self._indices: dict[bytes, int] = {}
        self._checksums: list[int] = []
        self.reload()

    def __len__(self) -> int:
        """Return the number of rows, including rows of removed images."""
        return len(self._checksums)

    def reload(self) -> None:
        """Read the keys that other processes have added."""
        try:
            with (self._folder / KEYS).open("rb") as handle:
                handle.seek(len(self) * _KEY.size)
                added = handle.read()
            rows = (self._folder / ROWS).stat().st_size // self.dtype.itemsize
            has_shrunk = rows < len(self) or (self._folder / KEYS).stat().st_size < len(self) * _KEY.size
        except FileNotFoundError:
            added = b""
            rows = 0
            has_shrunk = bool(len(self))
        if has_shrunk:  # another process deleted the rows, so everything is read again
            self._indices, self._checksums = {}, []
            if rows:
                self.reload()
            return
        before = len(self)
        count = min(len(added) // _KEY.size, rows - before)
        for index, (key, checksum) in enumerate(_KEY.iter_unpack(added[: count * _KEY.size]), before):
            self._indices[key] = index  # the latest row of a content is used
            self._checksums.append(checksum)

    def indices(self, contents: Sequence[str]) -> np.ndarray:
        """Return the (N,) row indices of contents (SHA-256); -1 if not stored."""
        indices = (self._indices.get(_key(content), -1) for content in contents)
        return np.fromiter(indices, np.int64, len(contents))

    def read(self, contents: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the (N, ...) rows of contents, zeros if missing, and (N,) whether each exists and is undamaged."""
        indices = self.indices(contents)
        rows = np.zeros((len(contents), *self.dtype.shape), self.dtype.base)
        exists = indices >= 0
        rows[exists], is_intact = self._rows(indices[exists])
        exists[exists] = is_intact
        return rows, exists

    def _rows(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read rows by (N,) indices, which must not contain -1.

        Returns:
            (N, ...) copied rows; (N,) whether each matches its checksum.
        """
        if not len(indices):
            return np.empty((0, *self.dtype.shape), self.dtype.base), np.zeros(0, bool)
        raw = np.empty((len(indices), self.dtype.itemsize), np.uint8)
        try:
            # Mapped again for each chunk, so that pages that were read do not accumulate in memory.
            for start in range(0, len(indices), _ROWS_PER_READ):
                mapped = np.memmap(self._folder / ROWS, np.uint8, "r", shape=(len(self), self.dtype.itemsize))
                raw[start : start + _ROWS_PER_READ] = mapped[indices[start : start + _ROWS_PER_READ]]
            self._touch()
        except (FileNotFoundError, ValueError):  # deleted or truncated since this store was opened
            return np.zeros((len(indices), *self.dtype.shape), self.dtype.base), np.zeros(len(indices), bool)
        checksums = np.fromiter((zlib.crc32(row.data) for row in raw), np.uint32, len(raw))
        expected = np.array(self._checksums, np.uint32)[indices]
        rows = raw.view(self.dtype.base).reshape(len(raw), *self.dtype.shape)
        return rows, checksums == expected

    def _touch(self) -> None:
        """Set the file's modification time to now, at most once an hour; the least recently used files go first."""
        with contextlib.suppress(OSError):  # a read-only project
            if (self._folder / ROWS).stat().st_mtime < time.time() - _TOUCH_INTERVAL_S:
                os.utime(self._folder / ROWS)

    def append(self, contents: Sequence[str], rows: np.ndarray) -> None:
        """Append (N, ...) rows for contents; they are on the disk when this returns.

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
                # The files only grow, so a changed size means new rows; reading all keys again would be quadratic.
                if not all(
                    path.exists() and path.stat().st_size == len(self) * width for path, width in widths.items()
                ):
                    self.reload()
                count = len(self)
                keys = [_KEY.pack(_key(content), crc) for content, crc in zip(contents, checksums, strict=True)]
                _write(self._folder / ROWS, count * self.dtype.itemsize, raw.tobytes())
                _write(self._folder / KEYS, count * _KEY.size, b"".join(keys))
                fsync_folder(self._folder)
        except OSError as error:
            raise write_error(self._folder, error) from error
        for offset, content in enumerate(contents):
            self._indices[_key(content)] = count + offset
        self._checksums += checksums


def delete_rows(folder: Path) -> None:
    """Delete all rows of a store, also for other processes that have it open; raises `OSError` if it fails."""
    refuse_leaving_link(folder / LOCK)
    with FileLock(folder / LOCK, thread_local=False):
        for name in (KEYS, ROWS):  # keys first, because keys without rows would damage the store
            (folder / name).unlink(missing_ok=True)


def _key(content: str) -> bytes:
    return hashlib.blake2b(content.encode(), digest_size=32).digest()


def _write(path: Path, start: int, data: bytes) -> None:
    """Write at `start`, the end of the valid bytes, and truncate the rest; the data is on the disk on return."""
    refuse_leaving_link(path)
    with path.open("r+b" if path.exists() else "w+b") as handle:
        handle.truncate(start)
        handle.seek(start)
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


_ITEMS_PER_EVENT: Final = 64


def stored_rows(
    store: RowStore, keys: Sequence[str], measure: Callable[[int], Any], *, stage: str, job: JobContext
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return (N, ...) rows, zeros for missing ones, (N,) whether each exists, and {key: reason} for the missing ones.

    Args:
        store: The store to read from and to append to.
        keys: N contents; each content without a row is measured once.
        measure: Called in a thread with the index of a key; returns a row, or the reason why it is missing.
        stage: Stage of the progress events.
        job: When it is cancelled, the rows so far are stored.

    Raises:
        VisionFTError: The disk is full, or the project's folder cannot be written.
    """
    import cv2

    written = time.monotonic()
    rows, exists = store.read(keys)
    missing = list({keys[index]: index for index in np.flatnonzero(~exists).tolist()}.values())
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
    cv2.setNumThreads(1)  # each call is too small for several threads; OpenCV and the decoders release the GIL
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for start in range(0, len(missing), _ITEMS_PER_EVENT):
                job.check_cancelled()
                indices = missing[start : start + _ITEMS_PER_EVENT]
                for index, row in zip(indices, pool.map(measure, indices), strict=True):
                    if isinstance(row, str):
                        reasons[keys[index]] = row
                    else:
                        waiting.append((keys[index], row))
                if len(waiting) >= 512 and time.monotonic() > written + 1.0:  # each write waits for the disk
                    write()
                job.report(Progress(stage=stage, done=start + len(indices), total=len(missing)))
    finally:
        cv2.setNumThreads(threads)
        write()
    return (*store.read(keys), reasons)
