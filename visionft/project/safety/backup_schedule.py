"""Schedule of automatic backups: before bulk changes, every half hour of work, and at the end of a changed session.

A backup before a change does not delay the change: a read transaction pins the state, and if the change altered
something, a thread copies and verifies it in the background. Failures are logged and reported, never raised.
"""

import logging
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from visionft.core.errors import VisionFTError
from visionft.core.messages import Message, Text
from visionft.project.db import schema
from visionft.project.safety import backups

logger = logging.getLogger(__name__)

INTERVAL_S = 30 * 60  # between automatic backups of a project that changes, as in Anki


@dataclass
class PinnedState:
    """A project state for a possible backup: an open read transaction, or a private copy of the file."""

    reason: str
    source: sqlite3.Connection
    folder: Path | None = None

    def close(self) -> None:
        self.source.close()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class BackupSchedule:
    """Make the automatic backups of one open project."""

    def __init__(self, database: Path, project_folder: Path, *, on_failure: Callable[[str], None]) -> None:
        """Create the schedule of `database`; `on_failure` receives a sentence for the user, from a backup thread."""
        self._database = database
        self._folder = project_folder
        self._on_failure = on_failure
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="visionft-backup")
        self._pending: list[Future[None]] = []
        self._is_modified = False
        latest = backups.list_backups(project_folder)
        self._has_any = bool(latest)
        age = time.time() - latest[0].created if latest else 0.0
        self._last = time.monotonic() - age if age >= 0 else None  # None for a date in the future

    def pin(self, title: str, *, is_bulk: bool) -> PinnedState | None:
        """Pin the state before a bulk change, or after half an hour; `keep` it if something changes, else close it."""
        if is_bulk:
            return self._pin(Message("before: {change}", change=title.encode("utf-8", "replace").decode()))
        return self._pin("while working") if self._is_modified and self._is_due() else None

    def keep(self, pinned: PinnedState) -> None:
        """Start the backup of a pinned state."""
        self.note_backup()
        self._pending.append(self._thread.submit(self._back_up, pinned))

    def _is_due(self) -> bool:
        return self._last is None or time.monotonic() - self._last > INTERVAL_S

    def note_change(self) -> None:
        self._is_modified = True

    def note_backup(self) -> None:
        """Record that everything is backed up as of now."""
        self._is_modified = False
        self._has_any = True
        self._last = time.monotonic()

    def finish(self) -> None:
        """Back up the session's changes, unless a backup was made within the half hour, and wait for all backups."""
        try:
            if self._is_modified and (not self._has_any or self._is_due()):
                pinned = self._pin("at the end of a session")
                if pinned is not None:
                    self.keep(pinned)
            self.wait()
        finally:
            self._thread.shutdown(wait=True)

    def wait(self) -> None:
        for future in self._pending:
            future.result()
        self._pending.clear()

    def _pin(self, reason: Text) -> PinnedState | None:
        """Open a read transaction on the committed state; None on a failure (it is reported) or without images."""
        try:
            with ExitStack() as stack:
                pinned = PinnedState(reason, schema.connect(self._database, writable=False))
                stack.callback(pinned.close)
                pinned.source.execute("BEGIN")
                if not pinned.source.execute("SELECT EXISTS (SELECT 1 FROM image)").fetchone()[0]:
                    return None  # nothing of value
                if pinned.source.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    # With a rollback journal (network drives) a reader would block the writer: pin a copy.
                    folder = self._folder / backups.BACKUPS_FOLDER
                    folder.mkdir(exist_ok=True)
                    pinned.folder = Path(tempfile.mkdtemp(prefix=backups.PARTIAL_PREFIX, dir=folder))
                    copy = pinned.folder / self._database.name
                    schema.copy_into(pinned.source, copy)
                    pinned.source.close()
                    pinned.source = schema.connect(copy, writable=False)
                    pinned.source.execute("BEGIN")
                stack.pop_all()
                return pinned
        except (VisionFTError, sqlite3.Error, OSError) as error:
            self._tell(error)
        return None

    def _back_up(self, pinned: PinnedState) -> None:
        try:
            backups.backup_pinned(pinned.source, self._folder, reason=pinned.reason)
        except (VisionFTError, sqlite3.Error) as error:
            self._tell(error)
        finally:
            pinned.close()

    def _tell(self, error: Exception) -> None:
        logger.warning("the backup failed: %s", error)
        self._on_failure(Message("The automatic backup failed: {reason}", reason=error))
