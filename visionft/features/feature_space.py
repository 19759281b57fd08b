"""The disk space of a project's stored features: counted with the decoded images, limited, and cleared.

Features are computed again from the images, so that all may be deleted at any time, also while they are read. What
stays is which features the project uses: a network that the user chose for them.
"""

import contextlib
import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from visionft.data.cache_space import IN_USE_S, CacheUse, cache_limit
from visionft.errors import VisionFTError
from visionft.features.feature_store import ABOUT, FOLDER, current_folder
from visionft.features.row_store import KEYS, ROWS, delete_rows

logger = logging.getLogger(__name__)

_EARLIER: Final = "speed.json"  # of earlier versions


@dataclass(frozen=True, slots=True)
class _Entry:
    folder: Path
    used: float  # when its rows were read or written last
    bytes: int


def feature_use(project_dir: Path) -> CacheUse:
    """Return the number of kinds of features of a project, and what their rows take."""
    entries = _survey(project_dir)
    return CacheUse(len(entries), sum(entry.bytes for entry in entries))


def clear_features(project_dir: Path) -> CacheUse:
    """Delete all features of a project; return the rest, such as undeletable files."""
    for entry in _survey(project_dir):
        _delete(project_dir, entry)
    return feature_use(project_dir)


def make_room(project_dir: Path, *, keeps: str) -> None:
    """Delete the features of a project that were unused for the longest until the rest fits.

    It fits in the limit of decoded images, which holds for each by itself, and in half of the available disk space. The
    project's current features stay, and those used in the last `IN_USE_S` seconds: a measurement of the framing returns
    to each.

    Args:
        project_dir: The project.
        keeps: Name of the folder of features that are about to grow.
    """
    entries = sorted(_survey(project_dir), key=lambda entry: entry.used)
    total = sum(entry.bytes for entry in entries)
    if not entries:
        return
    allowed = min(cache_limit(), (total + shutil.disk_usage(project_dir).free) // 2)
    stay = {keeps, current_folder(project_dir)}
    for entry in entries:
        if total <= allowed or entry.used > time.time() - IN_USE_S:
            break
        if entry.folder.name not in stay:
            logger.info("features are deleted to make room: %s", entry.folder.name)
            _delete(project_dir, entry)
            total -= entry.bytes


def _delete(project_dir: Path, entry: _Entry) -> None:
    with contextlib.suppress(
        OSError, VisionFTError
    ):  # deleted by another, open on Windows, or of a project that cannot be written
        delete_rows(entry.folder)
        (entry.folder / _EARLIER).unlink(missing_ok=True)
        if entry.folder.name != current_folder(project_dir):
            (entry.folder / ABOUT).unlink(missing_ok=True)


def _survey(project_dir: Path) -> list[_Entry]:
    """Return the folders with rows; what lies outside of the project, behind a link, is none of them."""
    found: list[_Entry] = []
    with contextlib.suppress(OSError), os.scandir(project_dir / FOLDER) as folders:
        for folder in folders:
            with contextlib.suppress(OSError):
                if folder.is_dir(follow_symlinks=False):
                    rows, keys = (Path(folder.path, name).stat() for name in (ROWS, KEYS))
                    found.append(_Entry(Path(folder.path), rows.st_mtime, rows.st_size + keys.st_size))
    return found
