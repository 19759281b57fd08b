"""How the command line talks: results on stdout, as text or JSON; events, notices and errors on stderr; Ctrl-C."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, TextIO

import typer

from visionft.amounts import duration_text
from visionft.cli import completion
from visionft.cli.next_steps import command_for, next_words
from visionft.errors import ConfigError, VisionFTError
from visionft.events import EpochDone, Event, Notice, OnEvent, Progress, RunStarted, ShouldStop, StepDone
from visionft.foreign_text import printable, printable_json
from visionft.project.store import Project

# What a script reads of how a command ended.
EXIT_CODES: Final = {
    0: "done",
    1: "a bug in the program, and stderr holds what to report; or what was to be checked is not as it should be",
    2: "refused: wrong usage, or something to mend first; the error says what",
    130: "stopped by Ctrl-C or SIGTERM; what was done until then is kept, and printed where it is worth something",
    141: "nobody reads the output any more",
}


@dataclass
class Given:
    """What the command that runs was given; typer fills it in.

    Attributes:
        values: The arguments by name.
        as_json: Whether it prints JSON, errors included.
    """

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    as_json: bool = False


def _keep_json(context: typer.Context, as_json: bool) -> bool:
    if isinstance(context.obj, Given):
        context.obj.as_json = as_json
    return as_json


Json = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.", callback=_keep_json)]


def _keep_context(context: typer.Context, project: Path) -> Path:
    """Keep what the command was given, for the next step of an error that it may end with."""
    if isinstance(context.obj, Given):
        context.obj.values = context.params
    return project


ProjectDir = Annotated[
    Path,
    typer.Argument(
        metavar="PROJECT", help="The project folder.", callback=_keep_context, autocompletion=completion.projects
    ),
]
INTERRUPTED = 130
NO_READER = 141  # what a shell reports of a tool that SIGPIPE ends
_NO_READER = (errno.EPIPE, errno.EINVAL) if os.name == "nt" else (errno.EPIPE,)


def print_result(value: Any, text: str | Callable[[], str], *, as_json: bool) -> None:
    """Print a command's result: `value` as JSON, or `text` for a person; of processes that train together, one does."""
    if os.environ.get("RANK", "0") != "0":
        return
    write_out(json_text(value) if as_json else text if isinstance(text, str) else text())


def json_text(value: Any) -> str:
    """Return `value` as one line of JSON."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "")
    return printable_json(json.dumps(plain(value), ensure_ascii=not is_utf8))


def write_out(text: str) -> None:
    """Print text on stdout, with nothing in it that steers the terminal.

    Raises:
        typer.Exit: Nobody reads it any more, as in `visionft runs PROJECT | head -1`.
    """
    if sys.stderr.isatty():
        _write_err(_CLEAR)
    try:
        print(printable(text, keep="\n"), flush=True)
    except OSError as error:
        drop_output(sys.stdout)
        if error.errno not in _NO_READER:
            raise
        raise typer.Exit(NO_READER) from error


@contextmanager
def opened_project(project: Path, *, read_only: bool = False, told_already: str = "") -> Generator[Project]:
    """Open a project for a command, and tell on stderr what its user should know of it.

    Args:
        project: Its folder.
        read_only: The command changes nothing.
        told_already: The notice that is the command's own result.
    """
    with Project.open(project, read_only=read_only) as opened:
        print_notices(opened, told_already=told_already)
        yield opened


def print_notices(project: Project, *, told_already: str = "") -> None:
    """Tell on stderr what the user should know of a project, now and until it is closed."""

    def tell(notice: Notice) -> None:
        if notice.message != told_already:
            print_event(notice)

    for notice in project.notices.copy():
        tell(notice)
    project.tell_notices(tell)


def is_stdout(target: Path) -> bool:
    """Tell whether an option that names a file means stdout: `-`, or what stands behind it, such as /dev/stdout."""
    if str(target) == "-":
        return True
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), target.stat())
    except (OSError, ValueError):  # no such file, or no real stdout in tests
        return False


def write_err(text: str, *, end: str = "\n") -> None:
    """Print text on stderr like `write_out`; where nobody reads it any more the work goes on."""
    _write_err(printable(text, keep="\n") + end)


def _write_err(text: str) -> None:
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except OSError:
        drop_output(sys.stderr)


def drop_output(stream: TextIO) -> None:
    """Let a stream that cannot be written lead nowhere; else Python's own last flush of it would fail as well."""
    with suppress(OSError, ValueError):  # no real file stands behind it in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def plain(value: Any) -> Any:
    """Return dataclasses, paths and tuples as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


# What the last line on stderr holds where a command with `--json` is refused.
ERROR: Final = {
    "error": {"message": str, "hint": str, "next": str | None, "problems": [{"field": str, "message": str}]}
}


def error_value(error: VisionFTError, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON tells of an expected error; of settings also each fault with its field."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    told = {
        "message": error.message,
        "hint": error.hint,
        "next": None if error.next_step is None else command_for(error.next_step, given) or None,
        "problems": [{"field": each.field, "message": each.message} for each in problems],
    }
    return {"error": told}


def print_error(error: VisionFTError, given: Given) -> None:
    """Print an expected error: as one line of JSON where that is wanted.

    Else as one line, its hint as the next, and last the command that takes its next step.
    """
    if given.as_json:
        write_err(json_text(error_value(error, given.values)))
        return
    write_err(f"visionft: {' '.join(error.message.split())}")
    if error.hint:
        write_err(f"  {' '.join(error.hint.split())}")
    if error.next_step is not None:
        write_err(f"  Next: {next_words(error.next_step, given.values)}")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return aligned columns; numbers to the right."""
    texts = [[printable(str(cell)) for cell in row] for row in (header, *rows)]
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
            loss = "" if event.train_loss is None else f"loss {event.train_loss:.4f}  "
            where = f"epoch {event.epoch}/{event.epochs}" if event.epochs else "solved"
            if event.val_loss is None:
                _say(f"{where}  not validated: no labelled picture is for validation")
                return
            _say(
                f"{where}  {loss}validation loss "
                f"{event.val_loss:.4f}  top-1 {event.accuracy_text}{'  kept' if event.is_best else ''}"
            )
        case Notice():
            _say(event.message)
            if event.next_step is not None:
                _say(f"  Next: {next_words(event.next_step)}")
        case StepDone():
            left = duration_text(event.eta_s)
            _running(f"epoch {event.epoch} step {event.step}/{event.steps}  loss {event.loss:.4f}  {left} left")
        case Progress():
            _running(f"{event.stage} {event.done}/{event.total}" if event.total else f"{event.stage} ...")


def _say(line: str) -> None:
    if sys.stderr.isatty():
        _write_err(_CLEAR)
    write_err(line)


def _running(line: str) -> None:
    if sys.stderr.isatty():
        room = shutil.get_terminal_size().columns - 1  # a line that wraps could not be cleared
        _write_err(_CLEAR + printable(line)[:room])


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
            _write_err(_CLEAR)
    if interrupt.asked:
        raise typer.Exit(INTERRUPTED)
