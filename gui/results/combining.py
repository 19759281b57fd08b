"""Combining the chosen runs beside the window, and what is said of the combination. Knows tasks, no widget."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gui.kit.i18n import tr
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from visionft.events import OnEvent, ShouldStop
from visionft.libraries import load_libraries
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from visionft.combining.combine import Combination
    from visionft.data.types import Snapshot


def combine(
    project_dir: Path, runs: Sequence[str], images: "Snapshot", *, on_event: OnEvent, should_stop: ShouldStop
) -> "Combination":
    """Combine runs, in a task; the combination is kept as a run of the project."""
    load_libraries(on_event)
    from visionft.combining.combine import combine as combine_runs

    return combine_runs(project_dir, runs, images, on_event=on_event, should_stop=should_stop)


class Combining(QObject):
    """Makes one combination at a time."""

    made = Signal(str)  # the run's name

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        """Args: `page` is the page that the task leads to."""
        super().__init__(parent)
        self._state, self._session, self._page = state, session, page
        self._is_under_way = False

    def why_not(self, runs: Sequence[RunSummary]) -> str:
        """Return why these runs cannot be combined; empty when they can."""
        if self._is_under_way:
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

    def start(self, runs: Sequence[RunSummary]) -> None:
        """Combine these runs."""
        session = self._session
        if session is None or self.why_not(runs):
            return
        work = partial(combine, session.path, [run.name for run in runs], session.snapshot())
        title = tr("Combining {runs} runs", runs=len(runs))
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True)
        self._is_under_way = True
        titles = {run.name: run.title for run in runs}
        self._state.tasks.run(
            task,
            owner=self,
            on_done=lambda _found: None,
            on_end=partial(self._on_ended, titles),
        )

    def _on_ended(self, titles: dict[str, str], outcome: "Outcome[Combination]") -> None:
        self._is_under_way = False
        if self._session is not None:
            self._session.runs_changed.emit()
        if (found := outcome.result) is not None:
            self.made.emit(found.run)
            tone = "good" if found.is_worth_it else "warn"
            self._state.say(tr("{run} was made.", run=found.run), verdict_words(found, titles), tone=tone)


def verdict_words(found: "Combination", titles: dict[str, str]) -> str:
    """Return whether a combination is worth it, in the words of the window."""
    best = titles.get(found.best.run, found.best.run)
    if found.stands_alone:
        return tr("{run} is clearly better than the others, which only harm it: keep that.", run=best)
    if not found.is_worth_it:
        return tr("It is no better than {run} alone: keep that.", run=best)
    values = {"run": best, "fixed": f"{found.fixed:,}", "broken": f"{found.broken:,}"}
    if found.is_sure:
        words = (
            "It is really better than {run} alone: {fixed} pictures right that {run} has wrong, {broken} the other way."
        )
        return tr(words, **values)
    words = (
        "It may be better than {run} alone, or it is luck: {fixed} pictures right that {run} has wrong, {broken} the "
        "other way."
    )
    return tr(words, **values)


def parts_words(run: RunSummary, runs: Mapping[str, RunSummary]) -> str:
    """Return what a combination is made of, the largest share first; empty for any other run.

    A part that its owner gave no name is told by the number that its folder begins with.
    """
    named = {name: each.notes.title for name, each in runs.items()}
    return " + ".join(f"{part.share:.0%} {named.get(part.run) or part.run.partition('-')[0]}" for part in run.parts)
