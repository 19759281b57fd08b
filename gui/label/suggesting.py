"""A run's suggestions for the label page: made in a task, read in the background, offered until they are used up."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMenu, QWidget

from gui.kit.i18n import tr
from gui.kit.workers import WorkerPool
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.errors import VisionFTError
from visionft.events import OnEvent, ShouldStop
from visionft.libraries import load_libraries
from visionft.project.store import Project
from visionft.suggest.suggestions import (
    Suggestion,
    current_suggestions,
    read_suggestions,
    runs_that_can_suggest,
    suggesting_run,
)
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from visionft.data.types import Snapshot

logger = logging.getLogger(__name__)
Suggestions = Mapping[int, Suggestion]


def suggest(run_dir: Path, images: "Snapshot", *, on_event: OnEvent, should_stop: ShouldStop) -> object:
    """Classify the pictures without a label, in a task; what is found is kept in the run's folder."""
    load_libraries(on_event)
    from visionft.suggest.suggestions import suggest_labels

    return suggest_labels(run_dir, images, on_event=on_event, should_stop=should_stop)


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

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        super().__init__(parent)
        self.found: Suggestions = {}
        self.run_name = ""
        self._state, self._session, self._page = state, session, page
        self._hidden: Path | None = None
        self._pool = WorkerPool(_load, threads=1, parent=self)
        self._pool.done.connect(self._on_loaded)
        self.reload()

    def runs(self) -> list[RunSummary]:
        """Return the runs that can suggest, the newest first."""
        return runs_that_can_suggest(self._session.path) if self._session is not None else []

    def start(self, run: RunSummary) -> None:
        """Classify the pictures without a label with this run."""
        if self._session is not None:
            self._hidden = None
            title = tr("Suggesting labels with {run}", run=run.name)
            work = partial(suggest, run.path, self._session.snapshot())
            task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True)
            self._state.tasks.run(task, owner=self, on_done=lambda _result: self.reload())

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
        session = self._session
        return current_suggestions(session.project, self.found) if session is not None and self.found else {}

    def hide(self) -> None:
        """Offer these suggestions no more until the project is opened anew or a run suggests again."""
        self._hidden = suggesting_run(self._session.path) if self._session is not None else None
        self._take({}, "")

    @Slot()
    def reload(self) -> None:
        """Read the suggestions of the open project in the background."""
        session = self._session
        run_dir = suggesting_run(session.path) if session is not None else None
        if session is None or run_dir is None or run_dir == self._hidden:
            self._take({}, "")
        else:
            self._pool.request([(session.project, run_dir)])

    def close(self) -> None:
        """Wait for what is being read."""
        self._pool.close()

    @Slot(object, object)
    def _on_loaded(self, key: tuple[Project, Path], found: dict[int, Suggestion]) -> None:
        _, run_dir = key
        if run_dir != self._hidden:
            self._take(found, run_dir.name)

    def _take(self, found: Suggestions, run_name: str) -> None:
        if found or self.found:
            self.found, self.run_name = found, run_name
            self.changed.emit()
