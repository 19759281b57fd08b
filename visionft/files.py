"""Writing files so that a crash leaves the old or the new content, never a torn one; and hashing them.

Owns every write of an artefact (checkpoints, configs, exports). The project database has its own durability.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
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

    Raises:
        VisionFTError: The disk is full or the folder cannot be written; `target` is untouched.
    """
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
        with contextlib.suppress(OSError):  # a read-only file system refuses this too, and has said so
            temporary.unlink(missing_ok=True)


def write_error(target: Path, error: OSError) -> VisionFTError:
    """Turn an `OSError` met while writing `target` into advice."""
    reason = error.strerror or str(error)
    return VisionFTError(f"Cannot write {target}: {reason}.", "Free some space or choose a folder you may write to.")


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(target, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def temporary_folder(beside: Path) -> Generator[Path]:
    """Yield an empty folder on the file system of `beside`, removed afterwards with whatever is left in it.

    Raises:
        VisionFTError: It cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{beside.name}.", dir=beside.parent))
    except OSError as error:
        raise write_error(beside, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
