"""Restore a backup, also of a damaged project; the replaced state is kept.

Restoring does not depend on reading the present database: after any failure, the file is moved away unchanged. The
order makes every interruption safe: first the present state is saved, then its logs are removed (a stale log would be
replayed onto the restored file), and only then the database is replaced, in one rename.
"""

import logging
import shutil
import time
from contextlib import closing, suppress
from pathlib import Path

from visionft.core.errors import ProjectError, VisionFTError
from visionft.core.files import atomic_path, fsync_folder, write_error
from visionft.core.messages import Message
from visionft.core.names import project_path
from visionft.project.db import schema
from visionft.project.db.database import DATABASE, verify, write_seal
from visionft.project.db.locking import ProjectLock
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.safety import backups
from visionft.project.safety.backups import BACKUPS_FOLDER, Backup

logger = logging.getLogger(__name__)

# Files of one database only.
_DATABASE_SIDECARS = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", f"{DATABASE}.sha256")


def restore_backup(project_folder: Path, name: str | None = None) -> Backup:
    """Make a backup the project's database again, and return it. The project must not be open.

    The present state becomes a backup itself or, failing this, is moved to `backups/damaged ...`. Without a `name` (as
    in `list_backups`), the newest intact backup is taken.

    Raises:
        ProjectError: There is no such intact backup, or the project is open or cannot be written.
    """
    project_folder = project_path(project_folder)
    if not project_folder.is_dir():
        raise ProjectError(Message("{path} is not a project.", path=project_folder), "Give the project folder.")
    lock = ProjectLock(project_folder)
    reason = lock.acquire()
    if reason:
        message = Message("The project cannot be restored: {reason}.", reason=reason)
        raise ProjectError(message, "Close it there, then try again.")
    try:
        chosen = _choose(project_folder, name)
        database = project_folder / DATABASE
        with atomic_path(database) as temporary:
            shutil.copyfile(project_folder / BACKUPS_FOLDER / chosen.name / DATABASE, temporary)
            _set_aside(project_folder)
        with suppress(VisionFTError):  # a full disk; without a seal a check covers less
            write_seal(database, chosen.sha256)
        return chosen
    except OSError as error:
        raise write_error(project_folder, error) from error
    finally:
        lock.release()


def _choose(project_folder: Path, name: str | None) -> Backup:
    """Return the named backup, or the newest, after a check of its bytes against the verified ones."""
    found = backups.list_backups(project_folder)
    if not found:
        message = Message("{project} has no backups.", project=project_folder)
        raise ProjectError(message, "Import the images and their labels into a new one.")
    wanted = [backup for backup in found if name in (None, backup.name)]
    if not wanted:
        hint = Message("The newest is “{name}”.", name=found[0].name)
        raise ProjectError(Message("There is no backup “{name}”.", name=name), hint)
    intact = next((backup for backup in wanted if backups.is_intact(project_folder, backup)), None)
    if intact is None:
        raise ProjectError(Message("The backup “{name}” is damaged.", name=wanted[0].name), "Choose another one.")
    return intact


def _set_aside(project_folder: Path) -> None:
    """Save the present database, as a backup or as unchanged bytes, together with its logs."""
    database = project_folder / DATABASE
    try:
        verify(database, may_recover=True)
        backups.make_backup(database, project_folder, reason="before a restore")
        with expected_errors(database), closing(schema.connect(database, writable=True)) as connection:
            schema.make_durable(connection)  # then the log is folded into the file and removed, as a clean close does
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except Exception as error:  # any error of a damaged database: it need not be readable
        logger.warning("the present database is kept unread: %s", error)
        names = [name for name in (*_DATABASE_SIDECARS, DATABASE) if (project_folder / name).exists()]
        if names:  # moved beside the backups: nothing is read, and it takes no extra space
            stamp = time.strftime(backups.STAMP, time.gmtime())
            kept = backups.unused_folder(project_folder / BACKUPS_FOLDER, f"damaged {stamp}")
            kept.mkdir(parents=True)
            for name in names:
                (project_folder / name).rename(kept / name)
            fsync_folder(kept)
    for name in _DATABASE_SIDECARS:
        (project_folder / name).unlink(missing_ok=True)
    fsync_folder(project_folder)
