"""The suggestions of the label page and their source: the labels so far, or a run. Torch-free.

Suggestions from the labels so far appear automatically once the images have features; suggestions of a run are computed
in a job and read in the background. The source requested last is shown.

`SuggestionController` belongs to the window, `Learner` to its one worker thread. Objects passed between them are never
changed afterwards: a view of predictions stays the same when new ones are computed.
"""

import logging
import threading
from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMenu, QWidget

from gui.jobs import Job, Lane, Priority
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.session import ProjectSession
from gui.state import AppState
from visionft.analysis.feature_suggester import FeatureSuggester, Reason, labels_so_far, next_images
from visionft.analysis.suggestions import (
    Suggestions,
    current_suggestions,
    read_suggestions,
    runs_that_can_suggest,
    suggesting_run,
)
from visionft.core.errors import VisionFTError
from visionft.features.feature_store import current_kind, load_features
from visionft.project.db.journal import Effects
from visionft.project.store import ProjectStore
from visionft.training.evaluation.unseen import accuracy_words, unseen_evaluation
from visionft.training.runs.run_folder import StoredRun

suggest_labels = lazy_function("visionft.analysis.suggestions:suggest_labels")
embedded = lazy_function("visionft.features.embedding:embedded")

NONE = Suggestions.of(())
logger = logging.getLogger(__name__)
Reasons = tuple[Reason, ...]


Request = tuple[Literal["reasons", "learn", "queue"], int, int]  # kind, image id of the reasons, serial number
REQUEST_ORDER = ("reasons", "learn", "queue")  # visible results come first


class Learner:
    """Owns the suggester. All methods but `note` and `reject` run in the worker's thread."""

    def __init__(self, project: ProjectStore) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._is_stale = True
        self._suggester: FeatureSuggester | None = None
        self._class_names: tuple[str, ...] = ()
        self._missing = 0
        self._rejected: list[tuple[tuple[int, ...], str]] = []
        self._passed = 0  # number of rejections passed to the suggester

    def reject(self, image_ids: tuple[int, ...], class_name: str) -> None:
        """Note that images are not of a class, until the project is closed. Thread-safe."""
        with self._lock:
            self._rejected.append((image_ids, class_name))

    def note(self) -> None:
        """Note that images or features have changed: everything is read again. Thread-safe."""
        with self._lock:
            self._is_stale = True

    def __call__(self, request: Request) -> Any:
        """Return the answer to a request; None without features.

        It is the similar labelled images (`Reasons`); the suggestions, the numbers of training images, of images with
        features and of those without; or the ids of the most useful images to label.
        """
        kind, image_id, _number = request
        try:
            self._update()
            suggester = self._suggester
            if suggester is None:
                return None
            if kind == "reasons":
                return suggester.reasons(image_id)
            if kind == "queue":
                return tuple(each.image_id for each in next_images(suggester, 24))
            state = suggester.state
            return suggester.suggestions, int(state.is_labelled.sum()), len(state), self._missing
        except VisionFTError as error:  # the project was closed meanwhile, or its folder is gone
            logger.warning("Nothing is suggested: %s", error)
            return None

    def _update(self) -> None:
        """Bring the suggester up to date; without features it is removed."""
        project = self._project
        labels = labels_so_far(self._project)
        with self._lock:
            is_stale, self._is_stale = self._is_stale, False
            rejected = tuple(self._rejected)
        if is_stale or labels.class_names != self._class_names:
            self._class_names, self._suggester, self._passed = (), None, 0  # after a failed read, retry the next time
            images = project.snapshot()
            if current_kind(project.path, images.image_reading) is not None:
                features = load_features(project.path, images)
                self._missing = len(features.missing)
                self._suggester = FeatureSuggester(features, labels, is_multilabel=project.task == "multi")
        elif self._suggester is not None:
            self._suggester.learn(labels)
        self._class_names = labels.class_names
        if self._suggester is not None:
            for image_ids, name in rejected[self._passed :]:
                self._suggester.reject(image_ids, name)
            self._passed = len(rejected)


class SuggestionController(QObject):
    """The suggestions of the open project."""

    changed = Signal()
    reasons_found = Signal(int)  # image id
    queue_found = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        super().__init__(parent)
        self.found = NONE
        self.run_name = ""  # the run of the suggestions; empty for those from the labels so far
        self.has_features = False
        self._learned, self.labelled = NONE, 0  # the suggestions from the labels so far, and their training images
        self.reasons: dict[int, Reasons] = {}  # {image id: the most similar labelled images}
        self.queue: Sequence[int] = ()  # the images most useful to label next
        self._state, self._session, self._page = state, session, page
        self._of_run: tuple[str, Suggestions] = ("", NONE)  # name of the newest run with suggestions
        self._prefers_labels = self._is_hidden = self._has_begun = False
        self._is_multilabel = session is not None and session.project.task == "multi"
        self._unreadable = -1  # images without features after the last computation
        self._reader = BackgroundReader(self._read_run, self._on_run_read, parent=self)
        self._learner = Learner(session.project) if session is not None else None
        self._pending: dict[str, Request] = {}
        self._numbers = count()
        self._answers = BackgroundReader(self._answer, self._on_answered, parent=self)
        self.reload()

    def begin(self) -> None:
        """Start learning from the labels so far, on the first display of the page."""
        if not self._has_begun:
            self._has_begun = True
            self.follow()

    def follow(self, effects: object = None) -> None:
        """Learn from a change of the project; None reads everything again."""
        if self._learner is not None and self._has_begun:
            if not isinstance(effects, Effects) or effects.has_new_images:
                self._learner.note()
            self._send("learn")

    def start(self, run: StoredRun) -> None:
        if self._session is not None:
            self._is_hidden = self._prefers_labels = False
            title = tr("Suggesting labels with {run}", run=run.title)
            work = partial(suggest_labels, run.path, self._session.snapshot_getter)
            job = Job(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True)
            self._state.jobs.run(job, owner=self, on_done=lambda _result: self.reload())

    def start_from_labels(self) -> None:
        """Suggest from the labels so far; compute missing features first."""
        if self._session is None:
            return
        self._prefers_labels, self._is_hidden, self._has_begun = True, False, True
        self._show_best()
        if current_kind(self._session.path, self._session.project.image_reading) is None:
            self._compute_features()
        else:
            self.follow()

    def _compute_features(self, *, priority: Priority = Priority.REGULAR) -> None:
        session = self._session
        if session is None or session.project.is_read_only:
            return
        work = partial(embedded, session.path, session.snapshot_getter)
        title = tr("Looking at the images")
        job = Job(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True, priority=priority)
        self._state.jobs.run(job, owner=self, on_end=lambda _job: self.follow())

    def menu(self, parent: QWidget) -> QMenu:
        """Return the menu of sources: the labels so far, or a run, the newest first."""
        menu = QMenu(parent)
        action = menu.addAction(tr("From your labels so far"))
        action.triggered.connect(lambda _checked=False: self.start_from_labels())
        menu.addSeparator()
        runs = runs_that_can_suggest(self._session.path) if self._session is not None else []
        for run in runs:
            unseen = unseen_evaluation(run)
            title = f"{run.title}: {tr(accuracy_words(unseen))}" if unseen else run.title
            menu.addAction(title).triggered.connect(lambda _checked=False, run=run: self.start(run))
        if not runs:
            train = menu.addAction(tr("No run yet: train a model first"))
            train.triggered.connect(lambda _checked=False: self._state.page_requested.emit("train"))
        return menu

    def source_text(self, count: int) -> str:
        """Return the number and the source of the suggestions, translated."""
        if self.run_name:
            return tr("{count} suggestion by {run}", "{count} suggestions by {run}", count=count, run=self.run_name)
        return tr(
            "{count} suggestion from your {labelled} labels",
            "{count} suggestions from your {labelled} labels",
            count=count,
            labelled=f"{self.labelled:,}",
        )

    @property
    def is_live(self) -> bool:
        """Whether the suggestions are those from the labels so far."""
        return self.found is self._learned and bool(self.found)

    def current(self) -> Suggestions:
        """Return the suggestions for images still without a label; those from the labels so far are up to date."""
        if self.is_live or self._session is None:
            return self.found
        return current_suggestions(self._session.project, self.found)

    def request_reasons(self, image_id: int) -> None:
        """Request the labelled images most similar to one, if a suggestion is based on them."""
        if image_id in self.reasons:
            self.reasons_found.emit(image_id)
        elif self.is_live and image_id in self.found:
            self._send("reasons", image_id)

    def reject(self, image_ids: tuple[int, ...], class_name: str) -> None:
        """Stop suggesting a class for images after the user's rejection."""
        if self._learner is not None and image_ids and class_name:
            self._learner.reject(image_ids, class_name)
            self._send("learn")

    def request_queue(self) -> None:
        self._send("queue")

    @property
    def is_busy(self) -> bool:
        return bool(self._pending)

    def _send(self, kind: Literal["reasons", "learn", "queue"], image_id: int = 0) -> None:
        """Send a request to the worker; only the last one of each kind counts."""
        if self._learner is not None:
            self._pending[kind] = (kind, image_id, next(self._numbers))
            self._answers.ask_each([self._pending[each] for each in REQUEST_ORDER if each in self._pending])

    def _answer(self, request: Request) -> tuple[Request, Any]:
        """Return a request with its answer; runs in the worker's thread."""
        return request, self._learner(request) if self._learner is not None else None

    def _on_answered(self, answered: tuple[Request, Any]) -> None:
        """Emit an answer, if there are features."""
        request, answer = answered
        kind, image_id, _number = request
        if self._pending.get(kind) == request:
            del self._pending[kind]
        if kind == "learn":
            self._on_learned(*(answer or ()))
        elif kind == "reasons":
            self.reasons[image_id] = answer or ()
            self.reasons_found.emit(image_id)
        else:
            self.queue = answer or ()
            self.queue_found.emit()

    def hide(self) -> None:
        """Hide these suggestions until the project is opened again or others are requested."""
        self._is_hidden, self._prefers_labels = True, False
        self._show_best()

    @Slot()
    def reload(self) -> None:
        """Read the suggestions of the open project's run in the background."""
        if self._session is not None:
            self._reader.ask(self._session)

    def _read_run(self, session: ProjectSession) -> tuple[str, Suggestions]:
        run_dir = suggesting_run(session.path)
        found = current_suggestions(session.project, read_suggestions(run_dir)) if run_dir else NONE
        return (run_dir.name if run_dir else ""), found

    def _on_run_read(self, of_run: tuple[str, Suggestions]) -> None:
        self._of_run = of_run
        self._show_best()

    def close(self) -> None:
        self._reader.close()
        self._pending.clear()
        self._answers.close()

    def _on_learned(
        self, found: Suggestions = NONE, labelled: int = 0, with_features: int = 0, missing: int = 0
    ) -> None:
        self._learned, self.labelled, self.has_features = found, labelled, with_features > 0
        self.reasons.clear()
        if missing not in (0, self._unreadable):
            self._unreadable = missing
            self._compute_features(priority=Priority.BACKGROUND)
        self._show_best()

    def _show_best(self) -> None:
        """Show a run's suggestions if there are any, unless those from the labels were requested."""
        name, found = self._of_run
        if self._is_hidden:
            found, name = NONE, ""
        elif not found or self._prefers_labels:
            found, name = self._learned, ""
        if found is not self.found and (found or self.found):
            self.found, self.run_name = found, name
            self.changed.emit()
