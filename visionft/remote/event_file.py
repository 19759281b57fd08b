"""The events of a job as lines of JSON in a file; `contents.read_event` reads them on another computer."""

import dataclasses
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from visionft.errors import IrregularFileError
from visionft.events import Event, Progress, StepDone
from visionft.files import write_error
from visionft.jobs import JobContext
from visionft.remote.contents import EVENTS

_EVERY_S: Final = 0.5  # of steps and progress; the others are all written


@contextmanager
def recorded(job: JobContext, path: Path | None) -> Generator[JobContext]:
    """Yield a context with its events appended to a file too (VisionFTError: it cannot be written)."""
    if path is None:
        yield job
        return
    try:
        if path.exists() and not path.is_file():
            raise IrregularFileError(path)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise write_error(path, error) from error
    last_s = float("-inf")

    def report(event: Event) -> None:
        nonlocal last_s
        job.report(event)
        line = event_line(event)
        if isinstance(event, Progress | StepDone):
            if time.monotonic() - last_s < _EVERY_S:
                return
            last_s = time.monotonic()
        if line:
            file.write(line + "\n")
            file.flush()

    with file:
        yield job.with_report(report)


def event_line(event: Event) -> str:
    """Return an event as a line of JSON; empty for events about images of this computer."""
    name = type(event).__name__
    if name not in EVENTS:
        return ""
    values = {key: value for key, value in dataclasses.asdict(event).items() if key != "next_step"}
    return json.dumps({"event": name} | values, ensure_ascii=False)
