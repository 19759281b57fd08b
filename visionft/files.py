"""Writing files so that a crash leaves the old or the new content, never a torn one; and hashing them.

Owns every write of an artefact (checkpoints, configs, exports). The project database has its own durability.
"""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from visionft.errors import VisionFTError


def fsync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        try:
            yield target
        except OSError as error:
            raise write_error(target, error) from error
        return
    target = Path(os.path.realpath(target)) if os.path.islink(target) else target  # noqa: PTH114  (Path's raises)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
        fsync_folder(target.parent)
    except OSError as error:
        raise write_error(target, error) from error
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


def write_error(target: Path, error: OSError) -> VisionFTError:
    """Turn an `OSError` met while writing `target` into advice."""
    reason = error.strerror or str(error)
    return VisionFTError(f"Cannot write {target}: {reason}.", "Free some space or choose a folder you may write to.")


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; a file name that is not UTF-8 comes back as it was."""
    text = json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    write_text(target, text + "\n")  # \udcff is what JSON writes for such a sign, too


@contextmanager
def temporary_folder(beside: Path) -> Generator[Path]:
    """Yield an empty folder on the file system of `beside`, removed afterwards with whatever is left in it."""
    folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}.", dir=beside.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
