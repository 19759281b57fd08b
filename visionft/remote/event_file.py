"""The events of a job as lines of JSON in a file, for a reader on another computer."""

import dataclasses
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from models.messages import Message
from visionft import events
from visionft.errors import IrregularFileError, VisionFTError
from visionft.events import Event, Progress, StepDone
from visionft.files import parse_json, write_error
from visionft.jobs import JobContext

_KINDS: Final = {
    kind.__name__: kind
    for kind in (
        events.Progress,
        events.Notice,
        events.ResultStored,
        events.RunStarted,
        events.StepDone,
        events.EpochDone,
    )
}
_EVERY_S: Final = 0.5  # of steps and progress; the others are all written
_MOST: Final = 4000  # characters of a text


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
    if name not in _KINDS:
        return ""
    values = {key: value for key, value in dataclasses.asdict(event).items() if key != "next_step"}
    return json.dumps({"event": name} | values, ensure_ascii=False)


def read_event(line: str) -> Event | None:
    """Return the event of a line; None for other lines, as of another program."""
    try:
        values: dict[str, Any] = parse_json(line)
        kind = _KINDS[values.pop("event")]
        fields = {field.name: field.type for field in dataclasses.fields(kind)}
        chosen = {name: _plain(value) for name, value in values.items() if name in fields}
        return kind(**chosen)  # type: ignore[return-value]
    except (ValueError, TypeError, KeyError, AttributeError, VisionFTError):
        return None


def _plain(value: Any) -> Any:
    """Return a number or a text of bounded length (TypeError: it is neither)."""
    if isinstance(value, str):
        return Message(value[:_MOST])
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(value)
