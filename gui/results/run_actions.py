"""Actions on training runs besides their evaluation: combine, rename, pin, free space, retrain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu, QWidget

from gui.jobs import Job, Lane
from gui.kit import dialogs
from gui.kit.folders import show_folder
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.runner import RESULTS
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.amounts import size_text
from visionft.core.errors import VisionFTError
from visionft.core.messages import Message
from visionft.training.runs.run_folder import (
    RUNS_FOLDER,
    StoredRun,
    delete_weights,
    rename_run,
    require_weights,
    run_title,
    weights_bytes,
)

if TYPE_CHECKING:
    from visionft.training.combining import Combination

combine = lazy_function("visionft.training.combining:combine")


def verdict_words(found: "Combination", titles: dict[str, str]) -> str:
    best = titles.get(found.best.run, found.best.run)
    if found.has_dominant_member:
        return tr("{run} is clearly better than the others: use it alone.", run=best)
    if not found.is_worth_it:
        return tr("It is not better than {run} alone: use that run.", run=best)
    words = Message(
        "Not significantly better than {run} alone: {fixed} images right that {run} has wrong, {broken} the other way."
    )
    if found.is_significant:
        words = Message("Significantly better than {run} alone: {fixed} of its errors corrected, {broken} new ones.")
    return tr(words, run=best, fixed=f"{found.fixed:,}", broken=f"{found.broken:,}")


def parts_words(run: StoredRun, runs: Mapping[str, StoredRun]) -> str:
    """Return the members of an ensemble, the largest weight first; empty for any other run.

    A member without a user-given name is identified by the number at the start of its folder name.
    """
    named = {name: each.given_title for name, each in runs.items()}
    return " + ".join(f"{part.share:.0%} {named.get(part.run) or part.run.partition('-')[0]}" for part in run.parts)


class RunActions(QObject):
    """Acts on runs of the open project; every change ends in `session.runs_changed`."""

    combined = Signal(str)  # the name of a new ensemble

    def __init__(self, state: AppState, session: ProjectSession | None, parent: QWidget) -> None:
        super().__init__(parent)
        self._state, self._session, self._parent = state, session, parent
        self._is_combining = False

    def rename(self, run: StoredRun, title: str) -> None:
        """Rename a run; an empty `title` restores its own name."""
        self._try(lambda: rename_run(run, title))
        self._tell_changed()

    def _try(self, act: Callable[[], object]) -> bool:
        """Return whether an action succeeded; an error is reported."""
        try:
            act()
        except VisionFTError as error:
            self._state.report(error)
            return False
        return True

    def _tell_changed(self) -> None:
        if self._session is not None:
            self._session.runs_changed.emit()

    def delete_weights(self, run: StoredRun) -> None:
        size = size_text(weights_bytes(run))
        question = tr(
            "This frees {size}. Curves, figures and predictions stay, and so do exported files. The run can no longer "
            "be evaluated, explained, exported or continued, and this cannot be undone.",
            size=size,
        )
        title = tr("Delete the weights of “{run}”?", run=run.title)
        if not dialogs.ask_yes(self._parent, title, question, yes=tr("Delete weights")):
            return
        if self._try(lambda: delete_weights(run)):
            done = tr("The weights of {run} were deleted.", run=run.title)
            self._state.show_message(done, tr("{size} are free again.", size=size), tone="good")
        self._tell_changed()

    def train_again(self, run: StoredRun) -> None:
        """Start a new run with this run's settings and best weights, on the current labels.

        A closed-form head is solved again from scratch: it has no weights to continue from.
        """
        if self._session is None or not self._try(lambda: require_weights(run)):
            return
        self._state.page_requested.emit("train")
        self._session.runner.start(replace(run.config, start_from=run.name if run.config.total_epochs else ""))

    def menu(self, run: StoredRun, parent: QWidget, *, edit_name: Any) -> QMenu:
        """Return the menu of a run; `edit_name` lets the user type its new name in place."""
        menu = QMenu(parent)
        is_free = not self._state.jobs.is_busy(Lane.COMPUTE, Lane.TRAINING)
        again = Message("Retrain from these weights") if run.config.total_epochs else Message("Fit again")
        can_train_on = run.has_weights and run.best is not None and not run.parts
        entries: list[tuple[str, Any, bool]] = [
            (tr("Rename") + "\tF2", edit_name, True),
            (tr(again), lambda: self.train_again(run), can_train_on),
            (tr("Edit settings and train"), lambda: self._state.run_duplicate_requested.emit(run), not run.parts),
            (tr("Open folder"), lambda: show_folder(run.path), True),
            (tr("Delete weights…"), lambda: self.delete_weights(run), is_free and weights_bytes(run) > 0),
        ]
        for title, act, is_possible in entries:
            if (title, act, is_possible) == entries[-1]:
                menu.addSeparator()
            action = menu.addAction(title)
            action.setEnabled(is_possible)
            action.triggered.connect(lambda _checked=False, act=act: act())
        return menu

    def why_not_combine(self, runs: Sequence[StoredRun]) -> str:
        """Return the reason why these runs cannot form an ensemble; empty when they can."""
        if self._is_combining:
            return tr("Runs are being combined already.")
        if len(runs) < 2:
            return tr("Choose two or more runs, with Ctrl.")
        for run in runs:
            if run.is_going:
                return tr("{run} is being trained.", run=run.title)
            if run.best is None or not run.has_weights or run.faults:
                return tr("{run} has no weights.", run=run.title)
            if set(run.class_names) != set(runs[0].class_names):
                return tr("{run} has other classes than {other}.", run=run.title, other=runs[0].title)
        return ""

    def combine(self, runs: Sequence[StoredRun]) -> None:
        session = self._session
        if session is None or self.why_not_combine(runs):
            return
        work = partial(combine, session.path, [run.name for run in runs], session.snapshot_getter)
        title = tr("Combining {runs} runs", runs=len(runs))
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=RESULTS, device=True, makes_files=True)
        self._is_combining = True
        titles = {run.name: run.title for run in runs}

        def on_end(job: "Job[Combination]") -> None:
            self._is_combining = False
            session.runs_changed.emit()
            if (found := job.result) is not None:
                self.combined.emit(found.run)
                tone = "good" if found.is_worth_it else "warn"
                made = run_title(session.path / RUNS_FOLDER / found.run)
                self._state.show_message(tr("{run} was made.", run=made), verdict_words(found, titles), tone=tone)

        self._state.jobs.run(job, owner=self, on_end=on_end)
