"""The log: one rotating file that the window and the command line share, for whoever helps a user.

It takes INFO and above of the program's own modules and WARNING and above of libraries: at most four files of 1 MB, the
newest called `visionft.log`. Lines of INFO name no file, project, picture or class of the user; warnings and errors
may. Nothing about the log ever fails the program: where it cannot be written, it is lost.
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
from visionft.errors import VisionFTError
from visionft.foreign_text import printable

logger = logging.getLogger(__name__)

LOG_FILE, CRASH_FILE = "visionft.log", "crash.log"
MAX_BYTES = 1_000_000
OLDER_FILES = 3
_OWN = ("visionft", "gui", "models", "qt")
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def log_folder() -> Path:
    """Return the folder of the log, in the platform's place for logs."""
    return platformdirs.user_log_path("visionft", appauthor=False)


def log_file() -> Path:
    """Return the file that is written now; older ones lie beside it as `visionft.log.1` and so on."""
    return log_folder() / LOG_FILE


def start_log(program: str) -> None:
    """Send what is logged from now on to the file, what a crash of the interpreter leaves included.

    Args:
        program: What begins, for the first line: "window", "command train".
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
    file, lines = log_file(), list[str]()
    for each in (file.with_name(f"{LOG_FILE}.1"), file):
        with suppress(OSError):
            lines += each.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-count:]


def log_expected(to: logging.Logger, error: BaseException) -> None:
    """Log what a user was told in place of a result: in a line with where it arose, or with the traceback.

    A fault of the program's own making says enough; one of a library or the system (no memory, a full disk) does not.
    """
    if isinstance(error, VisionFTError):
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else "not raised"
        cause = "" if error.__cause__ is None else f"; from {type(error.__cause__).__name__}: {error.__cause__}"
        said = printable(f"{error} ({place}{cause})")  # names that are no Unicode must not harm who handles the record
        to.warning("refused: %s: %s", type(error).__name__, said)
    else:
        to.warning("failed", exc_info=error)


class SharedFileHandler(logging.Handler):
    """Appends each record to the file that has the name now, so that several processes may write and rotate it.

    The file is open no longer than for a record: Windows renames no file that another process holds open.
    """

    def __init__(self, file: Path, *, max_bytes: int = MAX_BYTES, older_files: int = OLDER_FILES) -> None:
        super().__init__(logging.INFO)
        self._file, self._max_bytes, self._older_files = file, max_bytes, older_files
        self.setFormatter(_LogFormatter(_FORMAT))
        self.addFilter(_is_worth_keeping)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; a full disk or a folder that cannot be written costs the record alone."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # a log call whose words and values do not fit; as the standard handlers do
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
        return self._file.exists() and self._file.stat().st_size >= self._max_bytes

    def _beside(self, ending: str) -> Path:
        return self._file.with_name(f"{self._file.name}.{ending}")


class _LogFormatter(logging.Formatter):
    """Messages and tracebacks quote names that others gave; none may steer the terminal that shows the file."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


def _is_worth_keeping(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] in _OWN


class _Crashes:
    """The file in which the interpreter's own crashes leave their trace; the next start takes it into the log.

    It needs an open file, which the log is not.
    """

    def __init__(self) -> None:
        self._handle: TextIO | None = None

    def watch(self, file: Path) -> None:
        """Log what an earlier crash has left, and let the next one leave its trace.

        Where the interpreter tells crashes already (`python -X faulthandler`), whoever asked for that keeps it.
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
