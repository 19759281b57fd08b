"""One writer per project: the lock a second window meets, and who holds it."""

import json
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from visionft.files import read_json


class ProjectLock:
    """Hold `<project>/.lock` for as long as the project is open for writing.

    The owner's process and host stand in `.lock.json` beside it (on Windows a locked file itself cannot be read). The
    operating system frees the lock when the process dies, so that a crash never locks anyone out.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / ".lock", timeout=0)
        self._owner = folder / ".lock.json"

    def acquire(self) -> str:
        """Take the lock. Return "" on success, else why the project can only be read."""
        try:
            self._lock.acquire()
        except Timeout:
            return f"it is open in another window or command ({self._describe_owner()})"
        except OSError as error:
            return f"its folder cannot be written ({error.strerror or error})"
        try:
            self._owner.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
        except OSError as error:
            self.release()
            return f"its folder cannot be written ({error.strerror or error})"
        return ""

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._lock.is_locked:
            self._owner.unlink(missing_ok=True)
        self._lock.release()

    def _describe_owner(self) -> str:
        try:
            owner = read_json(self._owner)
            return f"process {owner['pid']} on {owner['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
