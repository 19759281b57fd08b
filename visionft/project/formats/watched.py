"""Run third-party parsers of label files in a subprocess with limits on memory and processor time.

calamine, pyarrow and SciPy have no limits: a small file can expand to gigabytes, and a damaged file can crash the
process (decision 0089).
"""

import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from visionft.core.amounts import size_text
from visionft.core.errors import ProjectError
from visionft.core.files import open_regular
from visionft.core.messages import Message
from visionft.project.formats import foreign_files
from visionft.project.formats.whole_files import reading_errors

MAX_MEMORY = 2 * 10**9  # bytes of the subprocess
MAX_SECONDS = 60  # of processor time; Parquet files of images get a second more for each 10 MB
_BYTES_PER_SECOND = 10_000_000
_MAX_LINE_BYTES = 2**28  # bytes of a row, which may contain an image
_CHECK_SECONDS = 0.05  # seconds between two checks


def foreign_rows(kind: str, file: Path, title: str) -> Generator[list[Any]]:
    """Yield the rows of a file; `kind` is a key of `foreign_files.KINDS`, `title` the format for error messages.

    Raises:
        ProjectError: The file is damaged, or parsing takes too much memory or time.
    """
    with reading_errors(file), open_regular(file):
        seconds = MAX_SECONDS + file.stat().st_size // _BYTES_PER_SECOND
    process = subprocess.Popen(
        _command(kind, file),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    is_done, excess = threading.Event(), list[str]()
    threading.Thread(target=_watch, args=(process, seconds, is_done, excess), daemon=True).start()
    assert process.stdout is not None
    try:
        while line := process.stdout.readline(_MAX_LINE_BYTES):
            if not line.endswith(b"\n"):  # the process was killed, or the row is too long
                process.kill()
                break
            value: Any = json.loads(line)
            if isinstance(value, dict):
                raise _unreadable_error(file, title, str(cast("dict[str, Any]", value)["error"]))
            yield value
        if process.wait():
            raise _limit_error(file, excess[0]) if excess else _unreadable_error(file, title, Message("it is damaged"))
    finally:
        is_done.set()
        process.kill()
        process.stdout.close()
        process.wait()


def _command(kind: str, file: Path) -> list[str]:
    is_frozen = getattr(sys, "frozen", False)
    program = [foreign_files.OPTION] if is_frozen else ["-P", foreign_files.__file__]
    return [sys.executable, *program, kind, str(file.absolute())]


def _watch(process: "subprocess.Popen[bytes]", seconds: int, is_done: threading.Event, excess: list[str]) -> None:
    """Kill a process that exceeds a limit, and add the limit to `excess`."""
    import psutil

    with suppress(psutil.Error):
        watched = psutil.Process(process.pid)
        while process.poll() is None and not is_done.wait(_CHECK_SECONDS):
            memory, times = watched.memory_info(), watched.cpu_times()
            if max(memory.rss, getattr(memory, "private", 0)) > MAX_MEMORY:
                excess.append(Message("{size} of memory", size=size_text(MAX_MEMORY)))
            elif times.user + times.system > seconds:
                excess.append(Message("{seconds} s", seconds=seconds))
            if excess:
                process.kill()
                return


def _limit_error(file: Path, amount: str) -> ProjectError:
    message = Message("Reading {file} would take more than {amount}.", file=file, amount=amount)
    return ProjectError(message, "Divide it, or save the table with the labels as CSV.")


def _unreadable_error(file: Path, title: str, reason: str) -> ProjectError:
    reason = (reason.splitlines() or [""])[0].rstrip(".")
    message = Message("{file} cannot be read as {format}: {reason}.", file=file, format=title, reason=reason)
    return ProjectError(message, "Save it again, or save the table with the labels as CSV.")
