"""When backups are made: before bulk changes, every half hour of work, and at the end of a session that changed things.

A backup before a change does not hold the change up: a read transaction pins what is to be kept, and once the change
turned out to alter something, one thread copies and verifies it while work goes on. Failures are logged and told, never
raised into the work they protect.
"""

import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from visionft.errors import VisionFTError
from visionft.project.db import schema
from visionft.project.safety import backups

logger = logging.getLogger(__name__)

INTERVAL_S = 30 * 60


@dataclass
class Pinned:
    """A state of the project that may become a backup: an open read transaction, or a private copy of the file."""

    reason: str
    source: sqlite3.Connection
    folder: Path | None = None

    def close(self) -> None:
        """Let go of it."""
        self.source.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class BackupSchedule:
    """Make the automatic backups of one open project."""

    def __init__(self, database: Path, project_folder: Path, *, on_failure: Callable[[str], None]) -> None:
        """Watch over `database`; `on_failure` receives a sentence for the user, from the backup's thread."""
        self._database = database
        self._folder = project_folder
        self._on_failure = on_failure
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="visionft-backup")
        self._pending: list[Future[None]] = []
        self._is_modified = False
        latest = backups.list_backups(project_folder)
        self._has_any = bool(latest)
        self._last = _on_this_clock(latest[0].created) if latest else time.monotonic()

    def pin(self, title: str, *, is_bulk: bool) -> Pinned | None:
        """Hold on to the state before a change, when it is a bulk change or the last backup is half an hour old.

        Returns:
            What `keep` takes, or is closed, once it is known whether the change altered anything; None when no backup
            is due.
        """
        if is_bulk:
            return self._pin("before " + title.encode("utf-8", "replace").decode())
        return self._pin("while working") if self._is_modified and self._is_due() else None

    def keep(self, pinned: Pinned) -> None:
        """Start to back up what was pinned."""
        self.note_backup()
        self._pending.append(self._thread.submit(self._back_up, pinned))

    def _is_due(self) -> bool:
        return self._last is None or time.monotonic() - self._last > INTERVAL_S

    def note_change(self) -> None:
        """Remember that there is something new to back up."""
        self._is_modified = True

    def note_backup(self) -> None:
        """Remember that everything is backed up as of now."""
        self._is_modified, self._has_any, self._last = False, True, time.monotonic()

    def finish(self) -> None:
        """Back up what a session changed, unless that was done within the half hour, and wait for all backups."""
        try:
            if self._is_modified and (not self._has_any or self._is_due()):
                pinned = self._pin("at the end of a session")
                if pinned is not None:
                    self.keep(pinned)
            self.wait()
        finally:
            self._thread.shutdown(wait=True)

    def wait(self) -> None:
        """Wait for the backups that were started."""
        for future in self._pending:
            future.result()
        self._pending.clear()

    def _pin(self, reason: str) -> Pinned | None:
        """Open a read transaction on what is committed now; a failure is told. None too when there are no pictures."""
        try:
            pinned = Pinned(reason, schema.connect(self._database, writable=False))
            try:
                pinned.source.execute("BEGIN")
                if pinned.source.execute("SELECT EXISTS (SELECT 1 FROM image)").fetchone()[0]:
                    self._free_writer(pinned)
                    return pinned
            except BaseException:
                pinned.close()
                raise
            pinned.close()  # nothing anybody could miss
        except (VisionFTError, sqlite3.Error, OSError) as error:
            self._tell(error)
        return None

    def _free_writer(self, pinned: Pinned) -> None:
        """Read on from a copy where a reader would hold up the writer: with a rollback journal (network drives)."""
        if pinned.source.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        folder = self._folder / backups.BACKUPS_FOLDER
        folder.mkdir(exist_ok=True)
        pinned.folder = Path(tempfile.mkdtemp(prefix=backups.PARTIAL_PREFIX, dir=folder))
        schema.copy_into(pinned.source, pinned.folder / self._database.name)
        pinned.source.close()
        pinned.source = schema.connect(pinned.folder / self._database.name, writable=False)
        pinned.source.execute("BEGIN")

    def _back_up(self, pinned: Pinned) -> None:
        try:
            backups.backup_pinned(pinned.source, self._folder, reason=pinned.reason)
        except (VisionFTError, sqlite3.Error) as error:
            self._tell(error)
        finally:
            pinned.close()

    def _tell(self, error: Exception) -> None:
        logger.warning("the backup failed: %s", error)
        self._on_failure(f"The automatic backup failed: {error}")


def _on_this_clock(created: float) -> float | None:
    """Return when a backup was made, by the clock that nobody sets; None when its date lies in the future."""
    age = time.time() - created
    return time.monotonic() - age if age >= 0 else None
