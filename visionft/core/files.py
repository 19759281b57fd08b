"""Atomic file writes, so a crash leaves the old or the new content, never a torn one; and hashing.

Owns every write of an artefact (checkpoints, configs, exports). The project database has its own durability.
"""

import errno
import gc
import gzip
import hashlib
import json
import os
import shutil
import stat
import sys
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from visionft.core.amounts import size_text
from visionft.core.errors import IrregularFileError, VisionFTError, find_os_error
from visionft.core.messages import Message

MAX_JSON_BYTES = 500_000_000  # the results of a check on a million images take less
MAX_RECORD_BYTES = 16_000_000  # the record of an export with 20,000 classes takes less
MAX_LINE_BYTES = 50_000_000  # the probabilities of one image take less
MAX_TEXT_FILE_BYTES = 4_000_000_000  # the probabilities of 1,000 classes for 100,000 images take 2.5 GB
_MADE_OF_JSON = 10  # times the largest file: allowed memory of its values; label files take 4 to 7 times theirs
_PROJECT = "project.db"  # the file that every project folder holds
_WITHOUT_WAITING: int = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # for a pipe's other end
_PATIENCE_S = 1.0  # a reader that finishes what a killed export left holds the lock for a moment


def expand_home(path: str | Path) -> Path:
    """Return a path with `~` expanded to the user's home folder; `~name` of an unknown user is left unchanged."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  (pathlib's raises for such a user)


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes; pipes and devices are refused: they may have no end.

    Raises:
        OSError: It cannot be opened, or is no regular file (`IrregularFileError`).
    """
    descriptor = os.open(path, os.O_RDONLY | _WITHOUT_WAITING)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IrregularFileError(path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


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
    """Rename a finished folder to `target`, durably, in place of an empty one (OSError: `target` has content)."""
    if target.is_dir():
        target.rmdir()
    finished.rename(target)
    fsync_folder(target.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link of a file, or a copy where the disk has no links: FAT, and some network disks."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def fsync_tree(folder: Path, *, without: str = "") -> None:
    """Flush a folder with its content, but for folders named `without`, to the disk (OSError: that is impossible)."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != without]
        for name in names:
            with (Path(parent) / name).open("rb+") as handle:
                os.fsync(handle.fileno())
        fsync_folder(Path(parent))


@contextmanager
def atomic_path(target: Path, *, flushes_folder: bool = True) -> Generator[Path]:
    """Yield a temporary path next to `target`; on success fsync it and rename it over `target`, else remove it.

    The new name survives a power cut unless not `flushes_folder`: then the caller calls `fsync_folder`, once for many.

    A link stays, and its target is replaced. A device or a pipe is yielded itself, to be written into. Temporary files
    of killed processes for the same target are removed.

    Raises:
        VisionFTError: The disk is full, the folder cannot be written, or a link in a project leads out of it. `target`
            is untouched.
    """
    if is_stream(target):
        with converting_write_errors(target):
            yield target
        return
    refuse_leaving_link(target)
    target = Path(os.path.realpath(target)) if os.path.islink(target) else target  # noqa: PTH114  (Path's raises)
    temporary = _beside(target, f"{os.getpid()}.tmp")
    start = temporary.name.removesuffix(f"{os.getpid()}.tmp")
    with suppress(OSError):  # inaccessible leftovers stay
        for name in [each.name for each in os.scandir(temporary.parent) if each.name.startswith(start)]:
            import psutil

            number = name.removeprefix(start).removesuffix(".tmp")
            if name == f"{start}{number}.tmp" and number.isdecimal() and not psutil.pid_exists(int(number)):
                temporary.with_name(name).unlink()
    try:
        with converting_write_errors(target):
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(target)
            if flushes_folder:
                fsync_folder(target.parent)
    finally:
        with suppress(OSError):  # usually already gone; any other error has stopped the writing and is reported
            temporary.unlink()


def refuse_leaving_link(path: Path) -> None:
    """Refuse to write through a link in a project that leads out of it: somebody else may have made the link.

    Raises:
        VisionFTError: It is such a link.
    """
    if not os.path.islink(path):  # noqa: PTH114  (Path's raises)
        return
    folder = next((each for each in path.absolute().parents if is_file(each / _PROJECT)), None)
    place = Path(os.path.realpath(path))
    if folder is not None and not place.is_relative_to(os.path.realpath(folder)):
        message = Message("{path} is a link that leads out of its project, to {place}.", path=path, place=place)
        raise VisionFTError(message, "Nothing was written. Delete the link, or put a copy of the file in its place.")


def is_stream(path: Path) -> bool:
    """Tell whether a path names a device, a pipe or a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:  # missing or inaccessible: the writer learns the reason
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


@contextmanager
def converting_write_errors(target: Path) -> Generator[None]:
    """Turn system errors while writing `target` into a message with the place and a hint, for any library.

    Raises:
        VisionFTError: The disk is full, or the place cannot be written.
    """
    try:
        yield
    except Exception as error:
        if fault := find_os_error(error):
            raise write_error(target, fault) from error
        raise


def write_error(target: Path, error: OSError) -> VisionFTError:
    """Turn an `OSError` from writing `target` into an error message with a hint."""
    reason = error.strerror or str(error)
    hint = "Free some space or choose a folder you may write to."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "Check its permissions, or choose a place where you may read and write."
    elif error.errno in (errno.ENOENT, errno.ENODEV, errno.EIO):
        hint = "Its folder is gone: connect its disk, or put the folder back where it was."
    return VisionFTError(Message("Cannot write {target}: {reason}.", target=target, reason=reason), hint)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; file names outside of UTF-8 survive the round trip."""
    text = json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    write_text(target, text + "\n")  # \udcff is JSON's form of such a character, too


def read_gzip(path: Path) -> bytes:
    """Return the content of one of our gzip files, with a limit on its size: a few bytes may unpack to any amount.

    Our texts shrink to a tenth or so; content that grows 200-fold, or beyond 1 GB, is refused.

    Raises:
        OSError, EOFError: It cannot be read, or is cut short.
        ValueError: It unpacks to too much, or is damaged.
    """
    limit = min(10**9, 10**6 + 200 * path.stat().st_size)
    try:
        with open_regular(path) as packed, gzip.open(packed) as handle:
            content = handle.read(limit + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) > limit:
        raise ValueError(Message("it unpacks to more than {limit}", limit=size_text(limit)))
    return content


@contextmanager
def collection_paused() -> Generator[None]:
    """Pause Python's cycle collector where many objects are created and none is garbage.

    At the bottom of a deep recursion its finalizers would fail for want of stack.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def json_memory(text: str) -> int:
    """Return the bytes of memory of a JSON text and its values, estimated from its punctuation without parsing it.

    Values of every shape take at most 4 % more (tests), usual ones half: `[],` takes 24 times its characters.
    """
    marks = {"[": 104, "{": 200, ",": 48, ":": 40, '"': 16}  # bytes of the value behind each, in CPython
    return 2 * sys.getsizeof(text) + sum(text.count(mark) * size for mark, size in marks.items())


def parse_json(text: str | bytes, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Return the value of a JSON text; every error in it is a ValueError, unlimited nesting included.

    Args:
        text: The text; it may come from an untrusted source.
        max_bytes: Size limit of such texts; the values may take ten times as much memory.

    Raises:
        ValueError: It is no JSON, or its values would take more memory.
    """
    text = text.decode(json.detect_encoding(text), "surrogatepass") if isinstance(text, bytes) else text
    if (needed := json_memory(text)) > (limit := _MADE_OF_JSON * max_bytes):
        text = Message("its values would take {needed} of memory (at most {at_most})")
        raise ValueError(Message(text, needed=size_text(needed), at_most=size_text(limit)))
    try:
        with collection_paused():
            return json.loads(text)
    except RecursionError as error:
        raise ValueError(Message("it is nested too deeply")) from error


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text with all scalars as text; every error in it is a ValueError.

    An alias (`*a`) is refused: nested aliases expand exponentially, a few bytes to billions of values.
    Numbers stay text: `1:1:1:...` of a megabyte would take minutes to become one.

    Raises:
        ValueError: It is no YAML, or has an alias.
    """
    import yaml  # slow to load, and rarely needed

    class Loader(yaml.BaseLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            events: Any = self
            if events.check_event(yaml.AliasEvent):
                raise ValueError("it repeats a part by an alias")
            return super().compose_node(parent, index)

    try:
        return Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("it is no YAML") from error


def read_json(path: Path, *, max_bytes: int | None = None) -> Any:
    """Return the value of a JSON file of at most `max_bytes`: projects and exports may be untrusted.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON, or larger than any file of the program (`MAX_JSON_BYTES` when None).
    """
    max_bytes = MAX_JSON_BYTES if max_bytes is None else max_bytes
    with open_regular(path) as handle:
        # `read` allocates the requested size, so no more than the file's size is requested.
        content = handle.read(min(max_bytes, os.fstat(handle.fileno()).st_size) + 1)
    if len(content) > max_bytes:
        raise ValueError(Message("it is larger than {limit}", limit=size_text(max_bytes)))
    return parse_json(content.decode("utf-8"), max_bytes=max_bytes)


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, without their ends and one at a time: it may be untrusted.

    Raises:
        OSError: It cannot be read.
        ValueError: The text is not UTF-8, a line is longer than `MAX_LINE_BYTES`, or the file than
            `MAX_TEXT_FILE_BYTES`.
    """
    read = 0
    with open_regular(path) as handle:
        while line := handle.readline(MAX_LINE_BYTES + 1):
            read += len(line)
            if len(line) > MAX_LINE_BYTES or read > MAX_TEXT_FILE_BYTES:
                limit = MAX_LINE_BYTES if len(line) > MAX_LINE_BYTES else MAX_TEXT_FILE_BYTES
                raise ValueError(Message("it is larger than {value}", value=size_text(limit)))
            yield line.decode("utf-8").rstrip("\r\n")


@contextmanager
def temporary_folder(target: Path, *, inside: bool = False) -> Generator[Path]:
    """Yield an empty folder on the file system of `target`, removed afterwards with its content.

    It lies next to `target` or in it. Its name is derived from that of `target`, and a lock next to it is held
    meanwhile and released by the end of the process: the next writer to the same place removes the leftovers of a
    killed one, and never a folder in use.

    Raises:
        VisionFTError: It cannot be made, or another process is writing to the same place.
    """
    from filelock import FileLock, Timeout  # slow to load, and not needed for reading

    folder = partial_folder(target, inside=inside)
    lock_file = folder.with_name(f"{folder.name}.lock")
    lock = FileLock(lock_file, timeout=_PATIENCE_S, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        hint = "Wait for its end, or choose another place."
        raise VisionFTError(Message("Another window or command writes {target} now.", target=target), hint) from error
    except OSError as error:
        raise write_error(target, error) from error
    try:
        with converting_write_errors(target):
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if os.name != "nt":  # Windows removes no open file; there the lock does so itself when it is released
            with suppress(OSError):
                lock_file.unlink()
        lock.release()


def partial_folder(target: Path, *, inside: bool = False) -> Path:
    """Return the path of the folder of `temporary_folder`: next to `target`, or inside it."""
    return target / ".visionft-partial" if inside else _beside(target, "visionft-partial")


def _beside(target: Path, ending: str) -> Path:
    """Return a hidden name next to `target` for temporary content; `target` may be the current folder.

    Raises:
        VisionFTError: It is the root of a disk, without a place next to it.
    """
    whole = target.resolve() if target.name in ("", "..") else target
    if not whole.name:
        raise write_error(target, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    return whole.with_name(f".{whole.name}.{ending}")


def is_file(path: Path) -> bool:
    """Return whether the user can see a file; a folder without permission to enter holds none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def list_folder(folder: Path) -> list[Path]:
    """Return the entries of a folder, by name; empty where there is no such folder.

    Raises:
        VisionFTError: It may not be listed.
    """
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)  # whole paths compare slowly
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message = Message("{folder} cannot be read: {reason}.", folder=folder, reason=error.strerror or str(error))
        raise VisionFTError(message, "Check its permissions.") from error


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with open_regular(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def umask_permissions(path: Path) -> Generator[None]:
    """Give a file that is written inside the permissions that the umask gives new files.

    safetensors' `save_file` makes its files readable for the owner only, so that others could not use a shared run.
    """
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    yield
    path.chmod(mode)
