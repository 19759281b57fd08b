"""Going back to a backup, also from a damaged project; what is replaced is kept.

Nothing here depends on reading the present database: when that fails, in whatever way, the file is moved away as it is.
The order makes every interruption safe: the present state is kept first, then its logs are out of the way (a stale log
would be replayed onto the restored file), and only then is the database replaced, in one rename.
"""

import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path

from visionft.errors import ProjectError, VisionFTError
from visionft.files import atomic_path, fsync_folder, write_error
from visionft.project.db import schema
from visionft.project.db.database import DATABASE, verify
from visionft.project.db.locking import ProjectLock
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.names import project_path
from visionft.project.safety import backups
from visionft.project.safety.backups import BACKUPS_FOLDER, Backup
from visionft.project.safety.sealing import write_seal

logger = logging.getLogger(__name__)

# What belongs to the database it lies beside, and to no other.
_BESIDE = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", f"{DATABASE}.sha256")


def restore_backup(project_folder: Path, name: str | None = None) -> Backup:
    """Make a backup the project's database again. The project must not be open.

    The present state becomes a backup itself, or, when that cannot be made, is moved to `backups/damaged ...`.

    Args:
        project_folder: The project.
        name: The backup, as `list_backups` names it; the newest intact one when None.

    Returns:
        The backup that was restored.

    Raises:
        ProjectError: There is no such intact backup, or the project is open or cannot be written.
    """
    project_folder = project_path(project_folder)
    if not project_folder.is_dir():
        raise ProjectError(f"{project_folder} is not a project.", "Give the project folder.")
    lock = ProjectLock(project_folder)
    reason = lock.acquire()
    if reason:
        raise ProjectError(f"The project cannot be restored: {reason}.", "Close it there, then try again.")
    try:
        chosen = _choose(project_folder, name)
        source = project_folder / BACKUPS_FOLDER / chosen.name / DATABASE
        database = project_folder / DATABASE
        with atomic_path(database) as temporary:
            shutil.copyfile(source, temporary)
            _set_aside(project_folder)
        with suppress(VisionFTError):  # a full disk; without one a check sees less
            write_seal(database, chosen.sha256)
        return chosen
    except OSError as error:
        raise write_error(project_folder, error) from error
    finally:
        lock.release()


def _choose(project_folder: Path, name: str | None) -> Backup:
    """Return the named backup, or the newest, once its bytes are the ones that were verified."""
    found = backups.list_backups(project_folder)
    if not found:
        raise ProjectError(f"{project_folder} has no backups.", "Import the pictures and their labels into a new one.")
    wanted = [backup for backup in found if name in (None, backup.name)]
    if not wanted:
        raise ProjectError(f"There is no backup “{name}”.", f"The newest is “{found[0].name}”.")
    intact = next((backup for backup in wanted if backups.is_intact(project_folder, backup)), None)
    if intact is None:
        raise ProjectError(f"The backup “{wanted[0].name}” is damaged.", "Choose another one.")
    return intact


def _set_aside(project_folder: Path) -> None:
    """Keep the present database, as a backup or as the bytes it is, and leave none of its logs behind."""
    database = project_folder / DATABASE
    try:
        verify(database, may_recover=True)
        backups.make_backup(database, project_folder, reason="before a restore")
        _fold_log(database)
    except Exception as error:  # whatever damage does to those who read it, nobody has to read it
        logger.warning("the present database is kept unread: %s", error)
        _move_away(project_folder)
    for name in _BESIDE:
        (project_folder / name).unlink(missing_ok=True)
    fsync_folder(project_folder)


def _move_away(project_folder: Path) -> None:
    """Move the database and its logs to a folder beside the backups: nothing is read, and it takes no space."""
    names = [name for name in (*_BESIDE, DATABASE) if (project_folder / name).exists()]
    if names:
        kept = _free_folder(project_folder / BACKUPS_FOLDER)
        for name in names:
            (project_folder / name).rename(kept / name)
        fsync_folder(kept)


def _free_folder(backups_folder: Path) -> Path:
    """Create the folder that a damaged database moves to, named by the time."""
    name, number = f"damaged {time.strftime('%Y-%m-%d %H-%M-%S', time.gmtime())}", 1
    folder = backups_folder / name
    while folder.exists():
        number += 1
        folder = backups_folder / f"{name} {number}"
    folder.mkdir(parents=True)
    return folder


def _fold_log(database: Path) -> None:
    """Write the log into the database file and remove it, as a clean close does."""
    with expected_errors(database):
        connection = schema.connect(database, writable=True)
        try:
            schema.make_durable(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.close()
