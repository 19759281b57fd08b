"""Suggestions from the labels that there are so far: learnt beside the window after each label. Torch-free.

`LiveSuggestions` belongs to the window, `_Learner` to its one worker thread. What crosses is never changed afterwards:
a view of answers stays what it was when others are learnt.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from gui.kit.workers import WorkerPool
from gui.label.rows_view import RowOfAlike
from visionft.errors import VisionFTError
from visionft.features.feature_store import current_kind, load_features
from visionft.project.db.journal import Effects
from visionft.project.store import Project
from visionft.suggest.feature_suggester import (
    FeatureSuggester,
    LabelsSoFar,
    Need,
    Reason,
    Suggestions,
    labels_so_far,
)
from visionft.suggest.queue import next_pictures, rows_of_alike
from visionft.suggest.suggestions import Suggestion

logger = logging.getLogger(__name__)
QUEUED = 24  # pictures that are put first at a time
ROWS = 24
Reasons = tuple[Reason, ...]


@dataclass(frozen=True, eq=False)
class Learnt:
    """What was learnt from the labels so far.

    Attributes:
        found: The suggestions, each made when it is looked at.
        ids: (N) the pictures that have one.
        called: (N) places in `class_names`: what each is most probably.
        confidence: (N) the probability of that.
        uncertainty: (N) as `Suggestion.uncertainty`.
        class_names: By place.
        labelled: How many pictures it was learnt from.
        needs: What is missing before anything can be suggested; empty when nothing is.
        missing: Pictures that no network has looked at yet.
    """

    found: Mapping[int, Suggestion]
    ids: np.ndarray
    called: np.ndarray
    confidence: np.ndarray
    uncertainty: np.ndarray
    class_names: tuple[str, ...]
    labelled: int
    needs: Need
    missing: int

    @cached_property
    def uncertainties(self) -> dict[int, float]:
        """Return {image id: how undecided it is}."""
        return dict(zip(self.ids.tolist(), self.uncertainty.tolist(), strict=True))


class _Question(NamedTuple):
    """What the worker is asked: learn, why, rows or queue, with what it is about; no two have the same number."""

    kind: str
    about: Any
    number: int


class _Learner:
    """Knows the suggester. All but `note` runs in the worker's thread."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._is_stale = True
        self._suggester: FeatureSuggester | None = None
        self._class_names: tuple[str, ...] = ()
        self._missing = 0
        self._rejected: list[tuple[tuple[int, ...], str]] = []
        self._told = 0  # rejections that the suggester knows

    def reject(self, image_ids: tuple[int, ...], class_name: str) -> None:
        """Take note that pictures are not of a class, as long as the project is open. Safe in any thread."""
        with self._lock:
            self._rejected.append((image_ids, class_name))

    def note(self) -> None:
        """Take note that pictures or features are others now: all is read anew. Safe in any thread."""
        with self._lock:
            self._is_stale = True

    def __call__(self, question: _Question) -> Any:
        """Answer; None where nothing can be said."""
        try:
            suggester = self._up_to_date()
            if suggester is None:
                return None
            match question.kind:
                case "learn":
                    return _learnt(suggester, self._missing)
                case "why":
                    return suggester.reasons(question.about)
                case "rows":
                    return _rows(suggester, *question.about)
                case _:
                    return tuple(each.image_id for each in next_pictures(suggester, QUEUED))
        except VisionFTError as error:  # the project was closed meanwhile, or its folder is gone
            logger.warning("Nothing is suggested: %s", error)
            return None

    def _up_to_date(self) -> FeatureSuggester | None:
        labels = labels_so_far(self._project)
        with self._lock:
            is_stale, self._is_stale = self._is_stale, False
            rejected = tuple(self._rejected)
        if is_stale or labels.class_names != self._class_names:
            self._class_names, self._suggester, self._told = (), None, 0  # if it cannot be read now, the next time
            self._suggester = self._begin(labels)
        elif self._suggester is not None:
            self._suggester.learn(labels)
        self._class_names = labels.class_names
        if self._suggester is not None:
            for image_ids, name in rejected[self._told :]:
                self._suggester.reject(image_ids, name)
            self._told = len(rejected)
        return self._suggester

    def _begin(self, labels: LabelsSoFar) -> FeatureSuggester | None:
        """Return a suggester of its own for other pictures or classes: views of the one before keep their names."""
        project = self._project
        if current_kind(project.path) is None:
            return None
        features = load_features(project.path, project.snapshot())
        self._missing = len(features.missing)
        return FeatureSuggester(features, labels, is_multilabel=project.task == "multi")


def _learnt(suggester: FeatureSuggester, missing: int) -> Learnt:
    nothing = np.zeros(0)
    labelled = int(suggester.state.is_labelled.sum())
    if suggester.needs:
        return Learnt(
            {}, nothing.astype(np.int64), nothing.astype(np.int64), nothing, nothing, suggester.class_names, labelled,
            suggester.needs, missing,
        )  # fmt: skip
    found, places = suggester.answers, suggester.open_places
    shares = found.probabilities[places]
    if found.thresholds is not None:
        has_any = (shares >= found.thresholds).any(axis=1)
        places, shares = places[has_any], shares[has_any]
        unsure = 1.0 - np.abs(shares - found.thresholds).min(axis=1)
    else:
        top = np.partition(shares, -2, axis=1)[:, -2:] if shares.shape[1] > 1 else np.pad(shares, ((0, 0), (1, 0)))
        unsure = 1.0 - (top[:, 1] - top[:, 0])
    return Learnt(
        Suggestions(suggester, found, places),
        suggester.image_ids[places],
        shares.argmax(axis=1),
        shares.max(axis=1) if len(shares) else nothing,
        unsure,
        suggester.class_names,
        labelled,
        "",
        missing,
    )


def _rows(suggester: FeatureSuggester, width: int, leave_out: frozenset[int]) -> tuple[RowOfAlike, ...]:
    rows = rows_of_alike(suggester, most=ROWS, width=width)
    kept = ((each, tuple(one for one in each.image_ids if one not in leave_out)) for each in rows)
    return tuple(RowOfAlike(image_ids=ids, class_name=each.class_name, share=each.purity) for each, ids in kept if ids)


class LiveSuggestions(QObject):
    """Asks the worker, and tells what came; without features there is nothing to tell."""

    learnt = Signal(object)  # Learnt, or None where there are no features
    reasons_found = Signal(int, object)  # image id, Reasons
    rows_found = Signal(object)  # RowOfAlike, several
    queue_found = Signal(object)  # image ids

    def __init__(self, project: Project, parent: QObject) -> None:
        super().__init__(parent)
        self._learner = _Learner(project)
        self._asked = 0
        self._wishes: dict[str, _Question] = {}
        self._pool = WorkerPool(self._learner, threads=1, answers_age=True, parent=self)
        self._pool.done.connect(self._on_done)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._wishes)

    def follow(self, effects: object = None) -> None:
        """Learn from what changed; None reads everything anew."""
        if not isinstance(effects, Effects) or effects.has_new_images:
            self._learner.note()
        self._ask("learn")

    def reject(self, image_ids: tuple[int, ...], class_name: str) -> None:
        """Suggest a class no more for pictures that are not of it."""
        self._learner.reject(image_ids, class_name)
        self._ask("learn")

    def ask_reasons(self, image_id: int) -> None:
        """Ask why a picture is called what it is."""
        self._ask("why", image_id)

    def ask_rows(self, width: int, leave_out: Iterable[int]) -> None:
        """Ask for rows of up to `width` alike pictures, without some."""
        self._ask("rows", (width, frozenset(leave_out)))

    def ask_queue(self) -> None:
        """Ask which pictures are the most useful to label next."""
        self._ask("queue")

    def close(self) -> None:
        """Wait for what is being learnt."""
        self._wishes.clear()
        self._pool.close()

    def _ask(self, kind: str, about: Any = None) -> None:
        """Ask; of each kind only the last question counts, and what is seen at once is answered first."""
        self._asked += 1
        self._wishes[kind] = _Question(kind, about, self._asked)
        order = ("why", "learn", "rows", "queue")
        self._pool.request(sorted(self._wishes.values(), key=lambda each: order.index(each.kind)))

    @Slot(object, object)
    def _on_done(self, question: _Question, answer: Any) -> None:
        if self._wishes.get(question.kind) == question:
            del self._wishes[question.kind]
        match question.kind:
            case "learn":
                self.learnt.emit(answer)
            case "why":
                self.reasons_found.emit(question.about, answer or ())
            case "rows":
                self.rows_found.emit(answer or ())
            case _:
                self.queue_found.emit(answer or ())
