"""The log: one rotating file, shared by the window and the command line, for troubleshooting.

It records INFO and above from the program's own modules, and WARNING and above from libraries, in at most four files of
1 MB; the newest is `visionft.log`. INFO lines do not name the user's files, projects, images or classes; warnings and
errors may. A record that cannot be written is dropped without an error.
"""

import faulthandler
import logging
import os
import platform
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import platformdirs
from filelock import FileLock, Timeout

import visionft
from visionft.core.errors import VisionFTError
from visionft.core.foreign_text import printable, without_secrets

logger = logging.getLogger(__name__)

LOG_FILE, CRASH_FILE = "visionft.log", "crash.log"
MAX_BYTES = 1_000_000
OLDER_FILES = 3
_PACKAGES = ("visionft", "gui", "models", "qt")
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def log_folder() -> Path:
    """Return the folder of the log, in the platform's usual location."""
    return platformdirs.user_log_path("visionft", appauthor=False)


def log_file() -> Path:
    """Return the current log file; older ones lie next to it as `visionft.log.1` and so on."""
    return log_folder() / LOG_FILE


def start_log(program: str) -> None:
    """Start logging to the file, including traces of interpreter crashes.

    Args:
        program: Name of the program for the first line, such as "window" or "command train".
    """
    root, file = logging.getLogger(), log_file()
    for handler in [handler for handler in root.handlers if isinstance(handler, SharedFileHandler)]:
        root.removeHandler(handler)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
    root.addHandler(SharedFileHandler(file))
    root.setLevel(min(root.level, logging.INFO) or logging.INFO)
    system = f"Python {platform.python_version()}, {platform.platform()}"
    logger.info("VisionFT %s starts: %s; %s", visionft.__version__, program, system)
    _crash_log.enable(file.with_name(CRASH_FILE))


def last_lines(count: int) -> list[str]:
    """Return the last `count` lines of the log in chronological order; empty if there is no log."""
    newest = log_file()
    lines = list[str]()
    for file in (newest.with_name(f"{LOG_FILE}.1"), newest):
        with suppress(OSError):
            lines += file.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-count:]


def log_visionft_error(to: logging.Logger, error: BaseException) -> None:
    """Log an error shown to the user: a `VisionFTError` as one line with its origin, others with the traceback.

    Errors of libraries and the system (out of memory, a full disk) cannot be understood without a traceback.
    """
    if isinstance(error, VisionFTError):
        frames = traceback.extract_tb(error.__traceback__)
        origin = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else "not raised"
        cause = "" if error.__cause__ is None else f"; from {type(error.__cause__).__name__}: {error.__cause__}"
        text = printable(f"{error} ({origin}{cause})")  # logging handlers may fail on invalid Unicode in names
        to.warning("refused: %s: %s", type(error).__name__, text)
    else:
        to.warning("failed", exc_info=error)


class SharedFileHandler(logging.Handler):
    """A log handler whose file several processes may write and rotate.

    The file is opened anew for each record, because Windows cannot rename a file that another process has open.
    """

    def __init__(self, file: Path, *, max_bytes: int = MAX_BYTES, older_files: int = OLDER_FILES) -> None:
        super().__init__(logging.INFO)
        self._file, self._max_bytes, self._older_files = file, max_bytes, older_files
        self.setFormatter(LineFormatter(_FORMAT))
        self.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.partition(".")[0] in _PACKAGES)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or drop it if the disk is full or the folder is read-only."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # the log call's values do not fit its format; the standard handlers do the same
            self.handleError(record)
            return
        with suppress(OSError):
            self._rotate_when_full()
            with self._file.open("a", encoding="utf-8", newline="\n") as handle:
                handle.write(line)

    def _rotate_when_full(self) -> None:
        if not self._is_full():
            return
        # If another process holds the lock, it rotates the files.
        with suppress(Timeout, OSError), FileLock(self._with_suffix("lock"), timeout=0):
            if self._is_full():
                for number in range(self._older_files, 0, -1):
                    newer = self._with_suffix(str(number - 1)) if number > 1 else self._file
                    if newer.exists():
                        newer.replace(self._with_suffix(str(number)))

    def _is_full(self) -> bool:
        try:
            return self._file.stat().st_size >= self._max_bytes
        except FileNotFoundError:  # not written yet, or just renamed by another process
            return False

    def _with_suffix(self, suffix: str) -> Path:
        return self._file.with_name(f"{self._file.name}.{suffix}")


class LineFormatter(logging.Formatter):
    """Format records with secrets masked and control characters escaped, which could otherwise control a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return printable(without_secrets(super().format(record)), keep="\n")


class _CrashLog:
    """The file for traces of interpreter crashes, which the next start copies into the log.

    `faulthandler` needs a file that stays open, so it cannot write to the log itself.
    """

    def __init__(self) -> None:
        self._handle: TextIO | None = None

    def enable(self, file: Path) -> None:
        """Log the trace left by an earlier crash, and write future crash traces to `file`, or stderr if it fails.

        A fault handler enabled elsewhere (`python -X faulthandler`) is left alone.
        """
        if faulthandler.is_enabled() and self._handle is None:
            return
        try:
            trace = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
            if trace.strip():
                logger.error("An earlier session crashed:\n%s", trace.strip())
                os.truncate(file, 0)
            handle = file.open("a", encoding="utf-8")
        except OSError:
            faulthandler.enable()
            return
        faulthandler.enable(handle)
        if self._handle is not None:
            self._handle.close()
        self._handle = handle


_crash_log = _CrashLog()
