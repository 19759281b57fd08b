"""A second project with the same pictures, labels, history and runs, to try something without a risk to the first.

The database is copied as one read transaction sees it, so that the original may stay open and change meanwhile. What
belongs to the original alone (its backups, its lock) is left out, and nothing half-written stays.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from visionft.errors import ProjectError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import fsync_tree, publish_folder, temporary_folder, write_error
from visionft.project.db import schema
from visionft.project.db.database import DATABASE
from visionft.project.names import project_path
from visionft.project.safety.backups import BACKUPS_FOLDER
from visionft.project.store import FOLDERS, Project

_ITS_OWN = (BACKUPS_FOLDER, ".lock", ".lock.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A project that was duplicated, and where."""

    path: Path
    files: int
    stopped: bool = False


def duplicate_project(
    project: Project, target: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Duplicate:
    """Copy a project into a new (or empty) folder; pictures that lie outside it are shared by both.

    Args:
        project: The original; it is only read.
        target: The new project's folder.
        on_event: Receives `Progress` in bytes.
        should_stop: Asked between files; a stopped copy leaves nothing.

    Raises:
        ProjectError: The target does not fit.
        VisionFTError: It cannot be written.
    """
    target = project_path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProjectError(f"{target} exists already.", "Choose a new folder.")
    if target.is_relative_to(project.path):
        raise ProjectError(f"{target} lies in the project itself.", "Choose a folder outside it.")
    files = [(path, path.stat().st_size) for path in _files(project.path)]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target) as partial:
            partial.chmod(0o700)
            for name in FOLDERS:
                (partial / name).mkdir()
            if not _copy_files(files, project.path, partial, on_event, should_stop):
                return Duplicate(path=target, files=0, stopped=True)
            with project.reading() as connection:
                schema.copy_into(connection, partial / DATABASE)
            fsync_tree(partial)
            publish_folder(partial, target)
    except OSError as error:
        raise write_error(target, error) from error
    return Duplicate(path=target, files=len(files))


def _files(folder: Path) -> Iterator[Path]:
    """Yield what is to be copied as it lies: all but the database, which is copied through SQLite."""
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name not in _ITS_OWN]
            names = [name for name in names if name not in _ITS_OWN and not name.startswith(DATABASE)]
        yield from (path for name in names if (path := Path(parent, name)).is_file() and path.suffix != ".lock")


def _copy_files(
    files: list[tuple[Path, int]], source: Path, target: Path, on_event: OnEvent, should_stop: ShouldStop
) -> bool:
    """Copy files to the same places below another folder; return False when stopped."""
    done, total = 0, sum(size for _, size in files)
    for path, size in files:
        if should_stop():
            return False
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)
        done += size
        on_event(Progress(stage="Copying the project", done=done, total=max(done, total), unit="bytes"))
    return True
