"""What is suggested on the label page, and by whom: the labels so far, or a run that was asked. Torch-free.

Suggestions from the labels so far come by themselves once the pictures have features; a run's are made in a task and
read in the background. Those of the source asked last are shown.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMenu, QWidget

from gui.kit.i18n import tr
from gui.kit.workers import WorkerPool
from gui.label.live import Learnt, LiveSuggestions, Reasons
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from visionft.errors import VisionFTError
from visionft.events import OnEvent, ShouldStop
from visionft.features.feature_store import current_kind
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands of the suggestions, for pictures without a label.

    Attributes:
        count: How many there are.
        expected: Expected share of them that are right, 0 to 1.
        classes: The classes that are suggested.
    """

    count: int = 0
    expected: float = 0.0
    classes: frozenset[str] = frozenset()


def suggest(run_dir: Path, images: "Snapshot", *, on_event: OnEvent, should_stop: ShouldStop) -> object:
    """Classify the pictures without a label, in a task; what is found is kept in the run's folder."""
    load_libraries(on_event)
    from visionft.suggest.suggestions import suggest_labels

    return suggest_labels(run_dir, images, on_event=on_event, should_stop=should_stop)


def look_at_pictures(project_dir: Path, images: "Snapshot", *, on_event: OnEvent, should_stop: ShouldStop) -> object:
    """Compute the features of pictures that have none, in a task."""
    load_libraries(on_event)
    from visionft.features.embedding import embed

    return embed(project_dir, images, on_event=on_event, should_stop=should_stop)


def _load(key: tuple[Project, Path]) -> dict[int, Suggestion]:
    """Read what a run suggests and keep what still holds; safe in any thread."""
    project, run_dir = key
    try:
        return current_suggestions(project, read_suggestions(run_dir))
    except VisionFTError as error:  # the project was closed meanwhile, or its folder is gone
        logger.warning("Suggestions were not read: %s", error)
        return {}


class Suggesting(QObject):
    """The suggestions of the open project."""

    changed = Signal()
    reasons_found = Signal(int)  # image id
    rows_found = Signal(object)  # RowOfAlike, several
    queue_found = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        super().__init__(parent)
        self.found: Suggestions = {}
        self.run_name = ""  # whose suggestions they are; empty for those from the labels so far
        self.learnt: Learnt | None = None
        self.reasons: dict[int, Reasons] = {}  # {image id: the labelled pictures that are the most like it}
        self.queue: Sequence[int] = ()  # pictures that are the most useful to label next
        self._state, self._session, self._page = state, session, page
        self._run: tuple[str, Suggestions] = ("", {})
        self._prefers_labels = self._is_hidden = self._has_begun = False
        self._is_multilabel = session is not None and session.project.task == "multi"
        self._looked_at = -1  # pictures without features after the last look: they cannot be read
        self._pool = WorkerPool(_load, threads=1, parent=self)
        self._pool.done.connect(self._on_loaded)
        self._live = LiveSuggestions(session.project, self) if session is not None else None
        if self._live is not None:
            self._live.learnt.connect(self._on_learnt)
            self._live.reasons_found.connect(self._on_reasons_found)
            self._live.rows_found.connect(self.rows_found)
            self._live.queue_found.connect(self._on_queue_found)
        self.reload()

    # -- whose suggestions --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Learn from the labels so far, now that somebody looks."""
        if self._live is not None and not self._has_begun:
            self._has_begun = True
            self._live.follow()

    def follow(self, effects: object = None) -> None:
        """Take note of a change of the project."""
        if self._live is not None and self._has_begun:
            self._live.follow(effects)

    def runs(self) -> list[RunSummary]:
        """Return the runs that can suggest, the newest first."""
        return runs_that_can_suggest(self._session.path) if self._session is not None else []

    def start(self, run: RunSummary) -> None:
        """Classify the pictures without a label with this run."""
        if self._session is not None:
            self._is_hidden = self._prefers_labels = False
            title = tr("Suggesting labels with {run}", run=run.name)
            work = partial(suggest, run.path, self._session.snapshot())
            task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True)
            self._state.tasks.run(task, owner=self, on_done=lambda _result: self.reload())

    def start_from_labels(self) -> None:
        """Suggest from the labels so far; where no network has looked at the pictures yet, let one do so."""
        session = self._session
        if session is None:
            return
        self._prefers_labels, self._is_hidden, self._has_begun = True, False, True
        self._show_best()
        if current_kind(session.path) is None:
            self._look_at_pictures()
        else:
            self.follow()

    def _look_at_pictures(self, *, gives_way: bool = False) -> None:
        """Let a network look at the pictures that none has looked at yet."""
        session = self._session
        if session is None or session.project.is_read_only:
            return
        work, title = partial(look_at_pictures, session.path, session.snapshot()), tr("Looking at the pictures")
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True, gives_way=gives_way)
        self._state.tasks.run(task, owner=self, on_done=lambda _result: None, on_end=self._on_looked)

    def _on_looked(self, _outcome: Outcome[object]) -> None:
        self.follow()

    def menu(self, parent: QWidget) -> QMenu:
        """Return whose suggestions can be had: from the labels so far, or of a run, the newest first."""
        menu = QMenu(parent)
        menu.addAction(tr("From what you have labelled so far")).triggered.connect(
            lambda _checked=False: self.start_from_labels()
        )
        menu.addSeparator()
        runs = self.runs()
        for run in runs:
            assert run.best is not None
            title = tr("{run}: {share} right on validation", run=run.name, share=run.best.accuracy_text)
            menu.addAction(title).triggered.connect(lambda _checked=False, run=run: self.start(run))
        if not runs:
            train = menu.addAction(tr("No run yet: train one first"))
            train.triggered.connect(lambda _checked=False: self._state.page_requested.emit("train"))
        return menu

    def words(self, count: int) -> str:
        """Say that there are so many suggestions, and whose they are, translated."""
        if self.run_name or self.learnt is None:
            return tr("{count} suggestions by {run}", count=f"{count:,}", run=self.run_name)
        labelled = f"{self.learnt.labelled:,}"
        return tr("{count} suggestions from your {labelled} labels", count=f"{count:,}", labelled=labelled)

    # -- what there is ------------------------------------------------------------------------------------------

    @property
    def is_live(self) -> bool:
        """Whether those from the labels so far are shown."""
        return self.learnt is not None and self.found is self.learnt.found and bool(self.found)

    def open_ones(self) -> dict[int, Suggestion]:
        """Return the suggestions of pictures that have no label yet."""
        session = self._session
        return current_suggestions(session.project, self.found) if session is not None and self.found else {}

    def standing(self) -> Standing:
        """Return what stands of them; of those from the labels so far nothing is asked of the project."""
        if self.is_live and self.learnt is not None:
            learnt = self.learnt
            classes = frozenset(learnt.class_names[place] for place in np.unique(learnt.called))
            return Standing(count=len(learnt.ids), expected=float(learnt.confidence.mean()), classes=classes)
        found = self.open_ones().values()
        return Standing(
            count=len(found),
            expected=sum(each.confidence for each in found) / max(1, len(found)),
            classes=frozenset(name for each in found for name in each.classes),
        )

    def sure_ones(self, threshold: float) -> dict[int, Suggestion]:
        """Return the suggestions of pictures without a label that are at least so sure, the least sure first."""
        if self.is_live and self.learnt is not None:
            learnt = self.learnt
            chosen = np.flatnonzero(learnt.confidence >= threshold)
            chosen = chosen[np.argsort(learnt.confidence[chosen], kind="stable")]
            return {int(learnt.ids[place]): learnt.found[int(learnt.ids[place])] for place in chosen}
        sure = (each for each in self.open_ones().values() if each.confidence >= threshold)
        return {each.image_id: each for each in sorted(sure, key=lambda each: each.confidence)}

    def by_confidence(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (N) pictures without a label and how sure their suggestions are, the least sure first."""
        if self.is_live and self.learnt is not None:
            ids, confidences = self.learnt.ids, self.learnt.confidence
        else:
            found = self.open_ones()
            ids = np.fromiter(found, np.int64, len(found))
            confidences = np.fromiter((each.confidence for each in found.values()), np.float64, len(found))
        order = np.argsort(confidences, kind="stable")
        return ids[order], confidences[order]

    def called(self, class_name: str) -> frozenset[int]:
        """Return the pictures for which this class is suggested."""
        if self.is_live and self.learnt is not None and not self._is_multilabel:
            names = np.array(self.learnt.class_names)
            return frozenset(self.learnt.ids[names[self.learnt.called] == class_name].tolist())
        return frozenset(image_id for image_id, each in self.found.items() if class_name in each.classes)

    def uncertainties(self) -> Mapping[int, float]:
        """Return {image id: how undecided its suggestion is}."""
        if self.is_live and self.learnt is not None:
            return self.learnt.uncertainties
        return {image_id: each.uncertainty for image_id, each in self.found.items()}

    def ask_reasons(self, image_id: int) -> None:
        """Ask which labelled pictures are the most like one, if that is why something is suggested for it."""
        if image_id in self.reasons:
            self.reasons_found.emit(image_id)
        elif self._live is not None and self.is_live and image_id in self.found:
            self._live.ask_reasons(image_id)

    def reject(self, image_ids: tuple[int, ...], class_name: str) -> None:
        """Suggest a class no more for pictures of which a person said that they are not of it."""
        if self._live is not None and image_ids and class_name:
            self._live.reject(image_ids, class_name)

    def ask_rows(self, width: int, *, leave_out: Iterable[int] = ()) -> None:
        """Ask for rows of alike pictures that could be labelled with one key each."""
        if self._live is not None:
            self._live.ask_rows(width, leave_out)

    @property
    def has_features(self) -> bool:
        """Whether a network has looked at the pictures."""
        return self.learnt is not None and self.learnt.needs != "features"

    def ask_queue(self) -> None:
        """Ask which pictures are the most useful to label next."""
        if self._live is not None:
            self._live.ask_queue()

    @property
    def is_looking(self) -> bool:
        """Whether an answer is awaited."""
        return self._live is not None and self._live.is_busy

    def why_no_rows(self) -> str:
        """Return why there can be no rows of alike pictures, translated; empty when there can."""
        session, learnt = self._session, self.learnt
        if session is None:
            return tr("Open a project first.")
        if self._is_multilabel:
            return tr("Pictures may have several classes here: no key can be right for a whole row.")
        if learnt is None or learnt.needs == "features":
            return tr("No network has looked at the pictures yet. “Suggest labels” lets one do so.")
        if learnt.needs:
            return tr("Label at least one picture of two classes first.")
        return ""

    # -- coming and going ---------------------------------------------------------------------------------------

    def hide(self) -> None:
        """Offer these suggestions no more until the project is opened anew or others are asked for."""
        self._is_hidden, self._prefers_labels = True, False
        self._show_best()

    @Slot()
    def reload(self) -> None:
        """Read the suggestions of the open project's run in the background."""
        session = self._session
        run_dir = suggesting_run(session.path) if session is not None else None
        if session is not None and run_dir is not None:
            self._pool.request([(session.project, run_dir)])

    def close(self) -> None:
        """Wait for what is being read."""
        self._pool.close()
        if self._live is not None:
            self._live.close()

    @Slot(object, object)
    def _on_loaded(self, key: tuple[Project, Path], found: dict[int, Suggestion]) -> None:
        self._run = (key[1].name, found)
        self._show_best()

    @Slot(object)
    def _on_learnt(self, learnt: Learnt | None) -> None:
        self.learnt = learnt
        self.reasons.clear()
        if learnt is not None and learnt.missing not in (0, self._looked_at):
            self._looked_at = learnt.missing
            self._look_at_pictures(gives_way=True)
        self._show_best()

    @Slot(int, object)
    def _on_reasons_found(self, image_id: int, reasons: Reasons) -> None:
        self.reasons[image_id] = reasons
        self.reasons_found.emit(image_id)

    @Slot(object)
    def _on_queue_found(self, image_ids: Sequence[int]) -> None:
        self.queue = image_ids
        self.queue_found.emit()

    def _show_best(self) -> None:
        """Show a run's suggestions where there are any, unless those from the labels were asked for."""
        name, found = self._run
        if self._is_hidden:
            self._take({}, "")
        elif found and not self._prefers_labels:
            self._take(found, name)
        else:
            self._take(self.learnt.found if self.learnt is not None else {}, "")

    def _take(self, found: Suggestions, run_name: str) -> None:
        if found is not self.found and (found or self.found):
            self.found, self.run_name = found, run_name
            self.changed.emit()
