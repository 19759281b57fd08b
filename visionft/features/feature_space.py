"""The disk space of a project's stored features: counted with the decoded images, limited, and cleared.

Features are computed again from the images, so that all may be deleted at any time, also while they are read. What
stays is which features the project uses: a network that the user chose for them.
"""

import contextlib
import logging
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from visionft.core.errors import VisionFTError
from visionft.data import cache_space
from visionft.data.cache_space import CacheUse, Entry
from visionft.features.feature_store import ABOUT, FOLDER, current_folder
from visionft.features.row_store import KEYS, ROWS, delete_rows

logger = logging.getLogger(__name__)

_EARLIER: Final = "speed.json"  # of earlier versions


def feature_use(project_dir: Path) -> CacheUse:
    """Return the number of kinds of features of a project, and what their rows take."""
    entries = _survey(project_dir)
    return CacheUse(len(entries), sum(entry.bytes for entry in entries))


def clear_features(project_dir: Path) -> CacheUse:
    """Delete all features of a project; return the rest, such as undeletable files."""
    for entry in _survey(project_dir):
        with contextlib.suppress(OSError):
            _delete(entry.path)
    return feature_use(project_dir)


def make_room(project_dir: Path, *, keeps: str) -> None:
    """Delete the features of a project that were unused for the longest until the rest fits (`cache_space.make_room`).

    The limit is that of decoded images, and holds for each by itself. The project's current features stay, and those
    used lately: a measurement of the framing returns to each.

    Args:
        project_dir: The project.
        keeps: Name of the folder of features that are about to grow.
    """
    stay = {keeps, current_folder(project_dir)}
    if entries := _survey(project_dir):
        used = (replace(each, used=math.inf) if each.path.name in stay else each for each in entries)
        cache_space.make_room(used, project_dir, cache_space.cache_limit(), _delete)


def _delete(folder: Path) -> None:
    """Delete the rows of a kind of features (OSError: a file is open on Windows, or may not be written)."""
    logger.info("features are deleted: %s", folder.name)
    try:
        delete_rows(folder)
    except VisionFTError as error:  # behind a link of others
        raise OSError(str(error)) from error
    (folder / _EARLIER).unlink(missing_ok=True)
    if folder.name != current_folder(folder.parents[1]):
        (folder / ABOUT).unlink(missing_ok=True)


def _survey(project_dir: Path) -> list[Entry]:
    """Return the folders with rows; what lies outside of the project, behind a link, is none of them."""
    found: list[Entry] = []
    with contextlib.suppress(OSError), os.scandir(project_dir / FOLDER) as folders:
        for folder in folders:
            with contextlib.suppress(OSError):
                if folder.is_dir(follow_symlinks=False):
                    rows, keys = (Path(folder.path, name).stat() for name in (ROWS, KEYS))
                    found.append(Entry(Path(folder.path), rows.st_mtime, rows.st_size + keys.st_size))
    return found
