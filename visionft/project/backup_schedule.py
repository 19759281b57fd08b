"""When backups are made: before bulk changes, every half hour of work, and at the end of a session that changed things.

A backup before a change does not hold the change up: a read transaction pins what is to be kept, and one thread copies
and verifies it while work goes on. Failures are logged and told, never raised into the work they protect.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from visionft.errors import VisionFTError
from visionft.project import backups, schema

logger = logging.getLogger(__name__)

INTERVAL_S = 30 * 60


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
        self._last = latest[0].created if latest else time.time()

    def before(self, title: str, *, is_bulk: bool) -> None:
        """Start a backup before a change when it is a bulk change, or when the last one is half an hour old."""
        is_due = self._is_modified and time.time() - self._last > INTERVAL_S
        if is_bulk or is_due:
            self._start("before " + title.encode("utf-8", "replace").decode() if is_bulk else "while working")

    def note_change(self) -> None:
        """Remember that there is something new to back up."""
        self._is_modified = True

    def note_backup(self) -> None:
        """Remember that everything is backed up as of now."""
        self._is_modified, self._has_any, self._last = False, True, time.time()

    def finish(self) -> None:
        """Back up what a session changed, unless that was done within the half hour, and wait for all backups."""
        try:
            if self._is_modified and (not self._has_any or time.time() - self._last > INTERVAL_S):
                self._start("at the end of a session")
            self.wait()
        except sqlite3.Error as error:  # the project folder is gone
            self._tell(error)
        finally:
            self._thread.shutdown(wait=True)

    def wait(self) -> None:
        """Wait for the backups that were started."""
        for future in self._pending:
            future.result()
        self._pending.clear()

    def _start(self, reason: str) -> None:
        """Pin what is committed now and hand it to the backup thread."""
        source = schema.connect(self._database, writable=False)
        source.execute("BEGIN")
        if source.execute("SELECT NOT EXISTS (SELECT 1 FROM image)").fetchone()[0]:
            source.close()  # nothing anybody could miss
            return
        self.note_backup()
        self._pending.append(self._thread.submit(self._back_up, source, reason))

    def _back_up(self, source: sqlite3.Connection, reason: str) -> None:
        try:
            backups.backup_pinned(source, self._folder, reason=reason)
        except (VisionFTError, sqlite3.Error) as error:
            self._tell(error)
        finally:
            source.close()

    def _tell(self, error: Exception) -> None:
        logger.warning("the backup failed: %s", error)
        self._on_failure(f"The automatic backup failed: {error}")
