"""How the command line talks: results on stdout, as text or JSON; events, notices and errors on stderr; Ctrl-C."""

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from visionft.errors import VisionFTError
from visionft.events import EpochDone, Event, Notice, OnEvent, Progress, RunStarted, ShouldStop, StepDone

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]
ProjectDir = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project folder.")]
INTERRUPTED = 130


def print_result(value: Any, text: str | Callable[[], str], *, as_json: bool) -> None:
    """Print a command's result: `value` as JSON, or `text` for a person; of processes that train together, one does."""
    if os.environ.get("RANK", "0") != "0":
        return
    if as_json:
        print(json.dumps(plain(value), ensure_ascii=False))
    else:
        print(text if isinstance(text, str) else text())


def plain(value: Any) -> Any:
    """Return dataclasses, paths and tuples as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def print_error(error: VisionFTError) -> None:
    """Print an expected error as one line, and its hint as the next."""
    print(f"visionft: {' '.join(error.message.split())}", file=sys.stderr)
    if error.hint:
        print(f"  {' '.join(error.hint.split())}", file=sys.stderr)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return aligned columns; numbers to the right."""
    texts = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(header))]
    numeric = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(cells).rstrip()

    return "\n".join(line(row) for row in texts)


def print_event(event: Event) -> None:
    """Tell on stderr what a job reports: a line an epoch, notices, and on a terminal a running last line."""
    match event:
        case RunStarted():
            share = event.trainable_parameters / event.total_parameters
            devices = f"{event.processes} x {event.device}" if event.processes > 1 else event.device
            _say(
                f"{event.run}: {event.train_images} training and {event.val_images} validation pictures, "
                f"{event.trainable_parameters:,} of {event.total_parameters:,} parameters train ({share:.2%}), "
                f"{devices}, {event.precision}"
            )
        case EpochDone():
            _say(
                f"epoch {event.epoch}/{event.epochs}  loss {event.train_loss:.4f}  validation loss "
                f"{event.val_loss:.4f}  top-1 {event.val_top1:.1%}{'  kept' if event.is_best else ''}"
            )
        case Notice():
            _say(event.message)
        case StepDone():
            _running(
                f"epoch {event.epoch} step {event.step}/{event.steps}  loss {event.loss:.4f}  {_left(event.eta_s)}"
            )
        case Progress():
            _running(f"{event.stage} {event.done}/{event.total}" if event.total else f"{event.stage} ...")


def _left(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s left" if minutes else f"{rest} s left"


def _say(line: str) -> None:
    print(f"{_CLEAR if sys.stderr.isatty() else ''}{line}", file=sys.stderr)


def _running(line: str) -> None:
    if sys.stderr.isatty():
        print(f"{_CLEAR}{line[:100]}", end="", file=sys.stderr, flush=True)


_CLEAR = "\r\x1b[2K"


class _Interrupt:
    """Remembers a first Ctrl-C (or a SIGTERM); a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        _say("Stopping well; press Ctrl-C again to stop at once.")

    def should_stop(self) -> bool:
        return self.asked


@contextmanager
def job() -> Generator[tuple[OnEvent, ShouldStop]]:
    """Give a job its event printer and its stop question; exit with 130 when the user asked to stop.

    The first Ctrl-C lets the job end well, its result is printed; the second stops at once.
    """
    interrupt = _Interrupt()
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield print_event, interrupt.should_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if sys.stderr.isatty():
            print(_CLEAR, end="", file=sys.stderr)
    if interrupt.asked:
        raise typer.Exit(INTERRUPTED)
