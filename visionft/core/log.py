"""The log: one rotating file, shared by the window and the command line, for troubleshooting.

It records INFO and above of the program's own modules and WARNING and above of libraries: at most four files of 1 MB,
the newest called `visionft.log`. Lines of INFO name no file, project, image or class of the user; warnings and errors
may. A log error never fails the program: a record that cannot be written is lost.
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
    """Start logging to the file, traces of interpreter crashes included.

    Args:
        program: The starting program, for the first line: "window", "command train".
    """
    root, file = logging.getLogger(), log_file()
    for handler in [each for each in root.handlers if isinstance(each, SharedFileHandler)]:
        root.removeHandler(handler)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
    root.addHandler(SharedFileHandler(file))
    root.setLevel(min(root.level, logging.INFO) or logging.INFO)
    system = f"Python {platform.python_version()}, {platform.platform()}"
    logger.info("VisionFT %s starts: %s; %s", visionft.__version__, program, system)
    _crashes.watch(file.with_name(CRASH_FILE))


def last_lines(count: int) -> list[str]:
    """Return the newest lines of the log, the oldest of them first; none where there is no log."""
    file = log_file()
    lines = list[str]()
    for each in (file.with_name(f"{LOG_FILE}.1"), file):
        with suppress(OSError):
            lines += each.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-count:]


def log_visionft_error(to: logging.Logger, error: BaseException) -> None:
    """Log an error message shown to the user: in a line with its origin, or with the traceback.

    An error of the program's own is clear enough; one of a library or the system (no memory, a full disk) is not.
    """
    if isinstance(error, VisionFTError):
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else "not raised"
        cause = "" if error.__cause__ is None else f"; from {type(error.__cause__).__name__}: {error.__cause__}"
        said = printable(f"{error} ({place}{cause})")  # invalid Unicode in names must not harm a handler of the record
        to.warning("refused: %s: %s", type(error).__name__, said)
    else:
        to.warning("failed", exc_info=error)


class SharedFileHandler(logging.Handler):
    """Appends each record to the current file of that name, so several processes may write and rotate it.

    The file is open only for the time of a record: Windows cannot rename a file held open by another process.
    """

    def __init__(self, file: Path, *, max_bytes: int = MAX_BYTES, older_files: int = OLDER_FILES) -> None:
        super().__init__(logging.INFO)
        self._file, self._max_bytes, self._older_files = file, max_bytes, older_files
        self.setFormatter(LineFormatter(_FORMAT))
        self.addFilter(lambda each: each.levelno >= logging.WARNING or each.name.partition(".")[0] in _PACKAGES)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; with a full disk or a read-only folder only the record is lost."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # a log call with words and values that do not fit; as the standard handlers do
            self.handleError(record)
            return
        with suppress(OSError):
            self._rotate_when_full()
            with self._file.open("a", encoding="utf-8", newline="\n") as handle:
                handle.write(line)

    def _rotate_when_full(self) -> None:
        if not self._is_full():
            return
        with suppress(Timeout, OSError), FileLock(self._beside("lock"), timeout=0):  # else another process does it
            if self._is_full():
                for number in range(self._older_files, 0, -1):
                    newer = self._beside(str(number - 1)) if number > 1 else self._file
                    if newer.exists():
                        newer.replace(self._beside(str(number)))

    def _is_full(self) -> bool:
        try:
            return self._file.stat().st_size >= self._max_bytes
        except FileNotFoundError:  # not written yet, or renamed by another process at this moment
            return False

    def _beside(self, ending: str) -> Path:
        return self._file.with_name(f"{self._file.name}.{ending}")


class LineFormatter(logging.Formatter):
    """Formats records; quoted names cannot control a terminal, and secrets are masked."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return printable(without_secrets(super().format(record)), keep="\n")


class _Crashes:
    """The file for traces of interpreter crashes; the next start copies it into the log.

    It needs an open file, unlike the log.
    """

    def __init__(self) -> None:
        self._handle: TextIO | None = None

    def watch(self, file: Path) -> None:
        """Log the trace of an earlier crash, and record the next one.

        An active fault handler (`python -X faulthandler`) is left in place.
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


_crashes = _Crashes()
