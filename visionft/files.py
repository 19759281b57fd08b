"""Writing files so that a crash leaves the old or the new content, never a torn one; and hashing them.

Owns every write of an artefact (checkpoints, configs, exports). The project database has its own durability.
"""

import errno
import gzip
import hashlib
import json
import math
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from visionft.amounts import size_text
from visionft.errors import VisionFTError, disk_fault

MOST_JSON = 500_000_000  # what a check finds in a million pictures takes less
MOST_LINES = 4_000_000_000  # the probabilities of 1,000 classes for 100,000 pictures take 2.5 GB
MOST_ARRAYS = 500_000_000  # what the map of a million pictures is drawn of takes 110 MB
_HEADER = 500  # bytes of an array's; a long one can exhaust the parser that NumPy reads it with
_PATIENCE_S = 1.0  # a reader that finishes what a killed export left holds the lock for a moment


def from_home(path: str | Path) -> Path:
    """Return a path with the user's own folder in the place of `~`; what names a user whom nobody knows stays."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib's raises for such a user)


def fsync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(finished: Path, target: Path) -> None:
    """Rename a finished folder to `target`, durably; an empty folder of that name gives way.

    Raises:
        OSError: The system refused, or `target` is a folder that is not empty.
    """
    if target.is_dir():
        target.rmdir()
    finished.rename(target)
    fsync_folder(target.parent)


def fsync_tree(folder: Path) -> None:
    """Make every file and folder below `folder`, and `folder` itself, durable; then it may be renamed into place.

    Raises:
        OSError: Something in it cannot be flushed.
    """
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            with (Path(parent) / name).open("rb+") as handle:
                os.fsync(handle.fileno())
        fsync_folder(Path(parent))


@contextmanager
def atomic_path(target: Path) -> Generator[Path]:
    """Yield a temporary path beside `target`; on success fsync it and rename it over `target`, else remove it.

    A link stays, and the file it leads to is replaced. A device or a pipe is yielded itself, to be written into.

    Raises:
        VisionFTError: The disk is full or the folder cannot be written; `target` is untouched.
    """
    if is_stream(target):
        with naming_faults(target):
            yield target
        return
    target = Path(os.path.realpath(target)) if os.path.islink(target) else target  # noqa: PTH114  (Path's raises)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with naming_faults(target):
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(target)
            fsync_folder(target.parent)
    finally:
        with suppress(OSError):  # mostly there is none any more; any other reason stopped the writing and is said
            temporary.unlink()


def is_stream(path: Path) -> bool:
    """Tell whether a path names a device, a pipe or a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:  # there is none, or none that we may see: who writes there learns why not
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def naming_faults(target: Path) -> Generator[None]:
    """Have a refusal of the system while `target` is written say where and what to do, whichever library met it.

    Raises:
        VisionFTError: The disk is full, or the place cannot be written.
    """
    try:
        yield
    except Exception as error:
        if fault := disk_fault(error):
            raise write_error(target, fault) from error
        raise


def write_error(target: Path, error: OSError) -> VisionFTError:
    """Turn an `OSError` met while writing `target` into advice."""
    reason = error.strerror or str(error)
    hint = "Free some space or choose a folder you may write to."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "Check its permissions, or choose a place where you may read and write."
    return VisionFTError(f"Cannot write {target}: {reason}.", hint)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; a file name that is not UTF-8 comes back as it was."""
    text = json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    write_text(target, text + "\n")  # \udcff is what JSON writes for such a sign, too


def read_gzip(path: Path) -> bytes:
    """Return what a gzip file of ours holds, and never more than one of them can hold: a few bytes may unpack to all.

    Texts of ours shrink to a tenth or so; what would grow 200-fold, or beyond 1 GB, is none of them.

    Raises:
        OSError, EOFError: It cannot be read, or is cut short.
        ValueError: It unpacks to too much, or is damaged.
    """
    limit = min(10**9, 10**6 + 200 * path.stat().st_size)
    try:
        with gzip.open(path) as handle:
            content = handle.read(limit + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) > limit:
        raise ValueError(f"it unpacks to more than {size_text(limit)}")
    return content


def write_arrays(target: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as NumPy's .npz, not compressed, atomically."""
    with atomic_path(target) as temporary, temporary.open("wb") as handle:
        np.savez(handle, **arrays)  # pyright: ignore[reportArgumentType]  (of flags of its own)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return what `write_arrays` wrote, in no more memory than the file has bytes: it may come from anybody.

    `np.load` makes whatever a header claims, and unpacks whatever was compressed.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file, is damaged, claims more than it holds, or is larger than `MOST_ARRAYS` bytes.
    """
    try:
        with path.open("rb") as handle, zipfile.ZipFile(handle) as archive:
            members, size = archive.infolist(), os.fstat(handle.fileno()).st_size
            if size > MOST_ARRAYS:
                raise ValueError(f"it is larger than {size_text(MOST_ARRAYS)}")
            if sum(max(each.file_size, each.compress_size) for each in members) > size:
                raise ValueError("it claims more than it holds")
            return {each.filename.removesuffix(".npy"): _array(archive, each) for each in members}
    except (zipfile.BadZipFile, EOFError, RuntimeError, OverflowError, TypeError, struct.error) as error:
        raise ValueError(str(error) or "it is cut short") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Return an array of which all numbers are there; neither compressed ones nor Python objects are any of ours."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    content = archive.read(member)
    handle = BytesIO(content)
    np.lib.format.read_magic(handle)
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(handle, max_header_size=_HEADER)
    numbers = np.frombuffer(content, dtype, math.prod(shape), handle.tell())
    return numbers.reshape(shape, order="F" if is_fortran else "C").copy()


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text; every fault of it is a ValueError, nesting without end included."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path) -> Any:
    """Return the value of a JSON file of at most `MOST_JSON` bytes: a project or an export may come from anybody.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON, or larger than any that the program writes.
    """
    with path.open("rb") as handle:
        content = handle.read(MOST_JSON + 1)
    if len(content) > MOST_JSON:
        raise ValueError(f"it is larger than {size_text(MOST_JSON)}")
    return parse_json(content.decode("utf-8"))


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, without their ends and one at a time: it may come from anybody.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such text, a line is longer than `MOST_JSON` bytes, or all are than `MOST_LINES`.
    """
    read = 0
    with path.open("rb") as handle:
        while line := handle.readline(MOST_JSON + 1):
            read += len(line)
            if len(line) > MOST_JSON or read > MOST_LINES:
                raise ValueError(f"it is larger than {size_text(MOST_JSON if len(line) > MOST_JSON else MOST_LINES)}")
            yield line.decode("utf-8").rstrip("\r\n")


@contextmanager
def temporary_folder(target: Path, *, inside: bool = False) -> Generator[Path]:
    """Yield an empty folder on the file system of `target`, removed afterwards with whatever is left in it.

    It lies beside `target` or in it. Its name follows from that of `target`, and a lock beside it is held meanwhile,
    which dies with its process: whoever comes next for the same place clears away what a killed one left, and nobody
    clears what is still in use.

    Raises:
        VisionFTError: It cannot be made, or something else writes to the same place now.
    """
    folder = partial_folder(target, inside=inside)
    with _hold(folder.with_name(f"{folder.name}.lock"), target):
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir()
        except OSError as error:
            raise write_error(target, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def partial_folder(target: Path, *, inside: bool = False) -> Path:
    """Return where `temporary_folder` keeps what is to become `target`, or a part of it."""
    return target / ".visionft-partial" if inside else target.with_name(f".{target.name}.visionft-partial")


@contextmanager
def _hold(lock_file: Path, target: Path) -> Generator[None]:
    """Hold a lock whose file is gone afterwards."""
    lock = FileLock(lock_file, timeout=_PATIENCE_S, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        hint = "Wait for its end, or choose another place."
        raise VisionFTError(f"Another window or command writes {target} now.", hint) from error
    except OSError as error:
        raise write_error(target, error) from error
    try:
        yield
    finally:
        if os.name != "nt":  # Windows removes no open file; there the lock does so itself when it is released
            with suppress(OSError):
                lock_file.unlink()
        lock.release()


def is_file(path: Path) -> bool:
    """Tell whether there is a file that this user can see; a folder that may not be entered holds none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder, by name; nothing where there is no such folder.

    Raises:
        VisionFTError: It may not be listed.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        reason = error.strerror or str(error)
        raise VisionFTError(f"{folder} cannot be read: {reason}.", "Check its permissions.") from error


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
