"""The facts of an image's file: header and content hash, from one read of the file."""

import hashlib
import os
import stat
from pathlib import Path

from visionft.data.decode import in_memory, open_image, read_header_open
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.project.edits.import_changes import FileFacts

_READ_WHOLE = 8 * 2**20  # bytes of the largest files read in one piece


def read_facts(path: Path, image_reading: ImageReading = AS_STORED) -> FileFacts:
    """Return a file's header and content hash; an `ImageError` unless it is a usable image."""
    with open_image(path) as handle:
        status = os.fstat(handle.fileno())
        if status.st_size > _READ_WHOLE:
            header = read_header_open(handle, image_reading)
            handle.seek(0)
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        else:  # one call to the system instead of many: a network folder answers each after milliseconds
            content = handle.read()
            header = read_header_open(in_memory(content, path), image_reading)
            sha256 = hashlib.sha256(content).hexdigest()
        return FileFacts(
            sha256=sha256,
            bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            width=header.width,
            height=header.height,
            format=header.format,
            losses=header.losses,
        )


def status_of(path: Path) -> os.stat_result | None:
    """Return the status of a regular file; None for anything else."""
    try:
        status = os.stat(path)  # noqa: PTH116  (quicker)
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None
