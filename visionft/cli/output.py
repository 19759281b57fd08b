"""How the command line talks: results on stdout, as text or JSON; events, notices and errors on stderr; Ctrl-C."""

import dataclasses
import errno
import json
import math
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, TextIO

import typer

from visionft.cli.next_steps import command_for, next_words
from visionft.core.amounts import duration_text
from visionft.core.errors import ConfigError, VisionFTError
from visionft.core.events import EpochDone, Event, Notice, Progress, RunStarted, StepDone
from visionft.core.foreign_text import printable, printable_json
from visionft.core.jobs import JobCancelled, JobContext

if TYPE_CHECKING:
    from visionft.api import Project
    from visionft.training.evaluation.stored import Evaluation

# Exit codes, with their meaning for scripts.
EXIT_CODES: Final = {
    0: "done",
    1: "a bug in the program, and stderr holds what to report; or what was to be checked is not as it should be",
    2: "refused: wrong usage, or something to mend first; the error says what",
    130: "stopped by Ctrl-C; what was done until then is kept, and printed where it is worth something",
    141: "nobody reads the output any more",
    143: "stopped by SIGTERM, as by Ctrl-C",
}

NO_READER = 141  # as a shell reports a tool ended by SIGPIPE
_CLEAR = "\r\x1b[2K"  # the progress line of a terminal


def print_result(
    value: Any, text: str | Callable[[], str], *, as_json: bool, paths: Mapping[int, Path | str] | None = None
) -> None:
    """Print a result as JSON, with paths for image ids, or as text; only rank 0 prints."""
    if os.environ.get("RANK", "0") == "0":
        write_out(json_text(value, paths) if as_json else text if isinstance(text, str) else text())


def json_text(value: Any, paths: Mapping[int, Path | str] | None = None) -> str:
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "")
    return printable_json(json.dumps(plain(value, paths), ensure_ascii=not is_utf8, allow_nan=False))


def plain(value: Any, paths: Mapping[int, Path | str] | None = None) -> Any:
    """Return a value as JSON types; `paths` are the paths of the images by id.

    A dataclass becomes its fields without `HIDDEN`, and its properties in `COMPUTED_FIELDS`. Ids of images
    become paths: `image_id` becomes `path`, `image_ids` becomes `images`. NaN and infinity become null.
    """
    names = paths or {}
    if isinstance(value, Mapping):
        return {str(key): plain(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, names) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return str(value) if isinstance(value, Path) else value
    printed: dict[str, Any] = {}
    fields = [field.name for field in dataclasses.fields(value)]
    hidden = {*getattr(value, "HIDDEN", ()), *(["image_id"] if "path" in fields else [])}
    for name in (*fields, *getattr(value, "COMPUTED_FIELDS", ())):
        each = getattr(value, name)
        if name in hidden:
            continue
        if name == "image_id":
            printed["path"] = str(names[each]) if each in names else None
        elif name == "image_ids":
            printed["images"] = [str(names[image_id]) for image_id in each if image_id in names]
        else:
            printed[name] = plain(each, names)
    return printed


def accuracy_output(evaluation: "Evaluation | None") -> dict[str, Any] | None:
    """Return an evaluation's accuracy with its 95 % interval, and the images behind it."""
    if evaluation is None:
        return None
    low, high = evaluation.top1_interval
    return {
        "split": evaluation.split,
        "top1": evaluation.top1,
        "low": low,
        "high": high,
        "images": evaluation.images,
    }


def write_out(text: str) -> None:
    """Print text on stdout, without terminal control sequences; `typer.Exit` where the reader has closed the pipe."""
    _clear_line()
    try:
        print(printable(text, keep="\n"), flush=True)
    except OSError as error:
        _drop_output(sys.stdout)
        if error.errno != errno.EPIPE and not (os.name == "nt" and error.errno == errno.EINVAL):
            raise
        raise typer.Exit(NO_READER) from error


@contextmanager
def opened_project(project: Path, *, read_only: bool = False, hidden_notice: str = "") -> Generator["Project"]:
    """Open a project, and print its notices on stderr but `hidden_notice`, which the command itself tells."""
    from visionft.api import Project

    with Project.open(project, read_only=read_only) as opened:
        print_notices(opened, hidden_notice=hidden_notice)
        yield opened


def print_notices(project: "Project", *, hidden_notice: str = "") -> None:
    """Print the notices of a project on stderr, now and until it is closed."""

    def report(notice: Notice) -> None:
        if notice.message != hidden_notice:
            print_event(notice)

    for notice in project.notices.copy():
        report(notice)
    project.forward_notices(report)


def is_stdout(target: Path) -> bool:
    """Return whether a path option means stdout: `-`, or the same file, such as /dev/stdout."""
    if str(target) == "-":
        return True
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), target.stat())
    except (OSError, ValueError):  # no such file, or no real stdout in tests
        return False


def write_err(text: str, *, end: str = "\n", keep: str = "\n") -> None:
    """Print text on stderr like `write_out`; on a closed pipe the work goes on."""
    try:
        print(printable(text, keep=keep), end=end, file=sys.stderr, flush=True)
    except OSError:
        _drop_output(sys.stderr)


def _clear_line() -> None:
    if sys.stderr.isatty():
        write_err(_CLEAR, end="", keep=_CLEAR)


def open_closed_streams() -> None:
    """Open each closed standard stream (`>&-`), else the next opened file would get its descriptor.

    Writing to stdout then fails as on a closed pipe; stdin is empty, and messages are discarded.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        with suppress(OSError):
            os.fstat(descriptor)
            continue
        if name == "stdout":
            read_end, source = os.pipe()
            os.close(read_end)
        else:
            source = os.open(os.devnull, os.O_RDWR)
        if source != descriptor:
            os.dup2(source, descriptor)
            os.close(source)
        setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", encoding="utf-8", closefd=False))


def _drop_output(stream: TextIO) -> None:
    """Redirect an unwritable stream to the null device; else Python's own last flush of it would fail as well."""
    with suppress(OSError, ValueError):  # no real file in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def error_value(error: VisionFTError, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON value of an expected error, the last line on stderr; for settings also each problem's field."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    return {
        "error": {
            "message": error.message,
            "hint": error.hint,
            "next": None if error.next_step is None else command_for(error.next_step, given) or None,
            "problems": [{"field": each.field, "message": each.message} for each in problems],
        }
    }


def print_error(error: VisionFTError, given: Mapping[str, Any]) -> None:
    """Print an expected error: as one line of JSON if requested, else with its hint and its next command below."""
    if given.get("json"):
        write_err(json_text(error_value(error, given)))
        return
    write_err(f"visionft: {' '.join(error.message.split())}")
    if error.hint:
        write_err(f"  {' '.join(error.hint.split())}")
    if error.next_step is not None:
        write_err(f"  Next: {next_words(error.next_step, given)}")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return aligned columns; numbers to the right."""
    columns: list[list[str]] = []
    for title, *cells in zip(header, *rows, strict=True):
        texts = [printable(str(cell)) for cell in (title, *cells)]
        side = ">" if all(isinstance(cell, int | float) for cell in cells) else "<"
        columns.append([f"{text:{side}{max(map(len, texts))}}" for text in texts])
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def print_event(event: Event) -> None:
    """Print a job's event on stderr: a line per epoch, notices, and on a terminal a progress line."""
    match event:
        case RunStarted():
            share = event.trainable_parameters / event.total_parameters
            devices = f"{event.processes} x {event.device}" if event.processes > 1 else event.device
            _say(
                f"{event.run}: {event.train_images} training and {event.val_images} validation images, "
                f"{event.trainable_parameters:,} of {event.total_parameters:,} parameters train ({share:.2%}), "
                f"{devices}, {event.precision}"
            )
        case EpochDone():
            loss = "" if event.train_loss is None else f"loss {event.train_loss:.4f}  "
            where = f"epoch {event.epoch}/{event.epochs}" if event.epochs else "solved"
            if event.val_loss is None:
                _say(f"{where}  not validated: no labelled image is for validation")
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
    _clear_line()
    write_err(line)


def _running(line: str) -> None:
    if sys.stderr.isatty():
        _clear_line()
        room = shutil.get_terminal_size().columns - 1  # a wrapped line could not be cleared
        write_err(printable(line)[:room], end="")


@contextmanager
def running_job() -> Generator[JobContext]:
    """Yield the context of a job that prints its events; exit with 130 or 143 when the user cancelled.

    The first Ctrl-C (or a SIGTERM) lets the job end well and prints its result; the second stops at once.
    """
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        _say("Stopping well; press Ctrl-C again to stop at once.")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield JobContext(print_event, lambda: bool(received))
    except JobCancelled as error:
        write_err(error.message)
    except KeyboardInterrupt:
        write_err("Stopped.")  # the second time
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _clear_line()
    if received:
        raise typer.Exit(128 + received[-1])  # as a shell reports a process ended by a signal
