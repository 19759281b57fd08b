"""A run's suggestions for the label page: made in a job, read in the background, offered until they are used up."""

import logging
from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMenu, QWidget

from gui import work
from gui.kit.i18n import tr
from gui.kit.workers import WorkerPool
from gui.state import AppState, JobOutcome
from visionft.errors import VisionFTError
from visionft.project.store import Project
from visionft.suggest.suggestions import (
    Suggestion,
    current_suggestions,
    read_suggestions,
    runs_that_can_suggest,
    suggesting_run,
)
from visionft.training.runs.run_folder import RunSummary

logger = logging.getLogger(__name__)
KIND = "suggest"
Suggestions = Mapping[int, Suggestion]


def _load(key: tuple[Project, Path]) -> dict[int, Suggestion]:
    """Read what a run suggests and keep what still holds; safe in any thread."""
    project, run_dir = key
    try:
        return current_suggestions(project, read_suggestions(run_dir))
    except VisionFTError as error:  # the project was closed meanwhile, or its folder is gone
        logger.warning("Suggestions were not read: %s", error)
        return {}


class Suggesting(QObject):
    """The suggestions of the open project: those of the run that suggested last."""

    changed = Signal()

    def __init__(self, state: AppState, *, page: str) -> None:
        super().__init__(state)
        self.found: Suggestions = {}
        self.run_name = ""
        self._state, self._page = state, page
        self._hidden: Path | None = None
        self._pool = WorkerPool(_load, threads=1, parent=self)
        self._pool.done.connect(self._on_loaded)
        state.project_changed.connect(self.reload)
        state.job_ended.connect(self._on_job_ended)
        self.reload()

    def runs(self) -> list[RunSummary]:
        """Return the runs that can suggest, the newest first."""
        return runs_that_can_suggest(self._state.path) if self._state.path is not None else []

    def start(self, run: RunSummary) -> None:
        """Classify the pictures without a label with this run."""
        snapshot = self._state.snapshot()
        if snapshot is not None:
            self._hidden = None
            title = tr("Suggesting labels with {run}", run=run.name)
            self._state.start_job(KIND, title, work.suggest(run.path, snapshot), page=self._page)

    def menu(self, parent: QWidget) -> QMenu:
        """Return one entry per run that can suggest, the newest first."""
        menu = QMenu(parent)
        for run in self.runs():
            assert run.best is not None
            title = tr("{run}: {share} right on validation", run=run.name, share=f"{run.best.val_accuracy:.1%}")
            menu.addAction(title).triggered.connect(lambda _checked=False, run=run: self.start(run))
        if menu.isEmpty():
            train = menu.addAction(tr("No run yet: train one first"))
            train.triggered.connect(lambda _checked=False: self._state.page_requested.emit("train"))
        return menu

    def open_ones(self) -> dict[int, Suggestion]:
        """Return the suggestions of pictures that have no label yet."""
        project = self._state.project
        return current_suggestions(project, self.found) if project is not None and self.found else {}

    def hide(self) -> None:
        """Offer these suggestions no more until the program starts anew or a run suggests again."""
        path = self._state.path
        self._hidden = suggesting_run(path) if path is not None else None
        self._take({}, "")

    @Slot()
    def reload(self) -> None:
        """Read the suggestions of the open project in the background."""
        project = self._state.project
        run_dir = suggesting_run(project.path) if project is not None else None
        if project is None or run_dir is None or run_dir == self._hidden:
            self._take({}, "")
        else:
            self._pool.request([(project, run_dir)])

    def close(self) -> None:
        """Wait for what is being read."""
        self._pool.close()

    @Slot(object, object)
    def _on_loaded(self, key: tuple[Project, Path], found: dict[int, Suggestion]) -> None:
        project, run_dir = key
        if project is self._state.project and run_dir != self._hidden:
            self._take(found, run_dir.name)

    def _take(self, found: Suggestions, run_name: str) -> None:
        if found or self.found:
            self.found, self.run_name = found, run_name
            self.changed.emit()

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        if outcome.info.kind == KIND and outcome.result is not None:
            self.reload()
