"""What long work of the Python interface shows, how an interrupt ends it, and errors in Python terms.

A line on stderr is rewritten while the work goes on, as in tqdm: it works in terminals and notebooks alike.
"""

import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from visionft.api.python_steps import call_for
from visionft.core.amounts import duration_text
from visionft.core.errors import VisionFTError, as_visionft_error
from visionft.core.events import EpochDone, Event, Notice, Progress, RunStarted, StepDone
from visionft.core.foreign_text import printable
from visionft.core.jobs import EVENT_INTERVAL_S, JobContext

Callback = Callable[[Event], None] | JobContext
"""Receives the events of a long call in place of the progress line; a `JobContext` is also asked about cancelling."""

_WIDTH = 20  # of the bar, in characters
_MAX_LINE_LENGTH = 100  # characters: a longer progress line would wrap in a terminal


class ProgressLine:
    """Prints events on stderr: a line per epoch and notice, and a progress line that is rewritten.

    Call it with each event; `close` ends the progress line.
    """

    def __init__(self) -> None:
        self._began = self._written = time.monotonic()
        self._length = 0  # of the progress line on the screen, in characters

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._print(
                    f"{event.run}: {event.backbone}, {event.method}, {event.train_images} training and "
                    f"{event.val_images} validation images, {event.device}"
                )
            case EpochDone():
                epoch = f"epoch {event.epoch}/{event.epochs}" if event.epochs else "solved in closed form"
                loss = "" if event.val_loss is None else f"  validation loss {event.val_loss:.4f}"
                best = "  best so far" if event.is_best else ""
                self._print(f"{epoch}{loss}  accuracy {event.accuracy_text}{best}")
            case Notice():
                step = f" Next: {call_for(event.next_step)}" if event.next_step is not None else ""
                self._print(f"{event.message}{step}")
            case StepDone():
                words = f"epoch {event.epoch}, step {event.step}/{event.steps}, loss {event.loss:.3f}"
                self._rewrite(words, event.share)
            case Progress():
                count = f" {event.done}/{event.total}" if event.total else ""
                share = event.done / event.total if event.total and event.share is None else event.share
                self._rewrite(f"{event.stage}{count}", share)

    def close(self) -> None:
        """Clear the progress line."""
        self._write(f"\r{' ' * self._length}\r" if self._length else "")
        self._length = 0

    def _print(self, text: str) -> None:
        self.close()
        self._write(f"{printable(text)}\n")

    def _rewrite(self, words: str, share: float | None) -> None:
        now = time.monotonic()
        if now - self._written < EVENT_INTERVAL_S:
            return
        self._written = now
        bar = ""
        if share is not None:
            filled = round(_WIDTH * share)
            bar = f"{share:4.0%}|{'█' * filled}{' ' * (_WIDTH - filled)}| "
        lasted = f" [{duration_text(now - self._began)}]"
        line = printable(f"{bar}{words}"[: _MAX_LINE_LENGTH - len(lasted)] + lasted)
        self._write(f"\r{line.ljust(self._length)}")
        self._length = max(self._length, len(line))

    def _write(self, text: str) -> None:
        if text and sys.stderr is not None:  # a windowed program has none
            sys.stderr.write(text)
            sys.stderr.flush()


@contextmanager
def running_job(callback: Callback | None = None) -> Generator[JobContext]:
    """Yield the context of a job whose events go to `callback`, or to a progress line on stderr.

    A `JobContext` is yielded as it is: its owner handles interrupts. Without one, the first interrupt (Ctrl-C, or the
    stop button of a notebook) ends the job early with its result, the second raises KeyboardInterrupt. In a thread
    other than the main one there are no interrupts. Errors as `in_python_terms`.
    """
    if isinstance(callback, JobContext):
        with in_python_terms():
            yield callback
        return
    line = ProgressLine()
    interrupts: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        interrupts.append(number)
        if len(interrupts) > 1:
            raise KeyboardInterrupt

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, interrupt) if is_main else None
    try:
        with in_python_terms(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings of libraries are for developers; a user cannot act on them
            yield JobContext(callback or line, lambda: bool(interrupts))
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)
        line.close()


@contextmanager
def in_python_terms() -> Generator[None]:
    """Add the next step, as a call of this interface, to the expected errors of the block; others pass unchanged."""
    try:
        yield
    except Exception as error:
        expected = as_visionft_error(error)
        if expected is None:
            raise
        add_next_step(expected)
        if expected is error:
            raise
        raise expected from error


def add_next_step(error: VisionFTError) -> None:
    """Add the next step of an error to its traceback, once, as a call of this interface."""
    notes: list[str] = getattr(error, "__notes__", [])
    if error.next_step is not None and not any(note.startswith("Next: ") for note in notes):
        error.add_note(f"Next: {call_for(error.next_step)}")
