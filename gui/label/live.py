"""Suggestions from the labels so far: trained in the background after each label. Torch-free.

`SuggestionController` belongs to the window, `Learner` to its one worker thread. Objects passed between them are never
changed afterwards: a view of predictions stays the same when new ones are computed.
"""

import logging
import threading
from dataclasses import dataclass
from typing import Any

from visionft.errors import VisionFTError
from visionft.features.feature_store import current_kind, load_features
from visionft.project.store import Project
from visionft.suggest.feature_suggester import FeatureSuggester, Need, Reason, labels_so_far
from visionft.suggest.queue import SuggestionCluster, next_images, suggestion_clusters
from visionft.suggest.suggestions import Suggestions

logger = logging.getLogger(__name__)
Reasons = tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class LearnedSuggestions:
    found: Suggestions
    labelled: int  # number of training images
    needs: Need  # missing prerequisite for suggestions; empty if there is none
    missing: int  # images without features


@dataclass(frozen=True, slots=True, eq=False)
class LearnRequest:
    def answer(self, suggester: FeatureSuggester, missing: int) -> LearnedSuggestions:
        labelled = int(suggester.state.is_labelled.sum())
        return LearnedSuggestions(suggester.suggestions, labelled, suggester.needs, missing)


@dataclass(frozen=True, slots=True, eq=False)
class ReasonsRequest:
    image_id: int

    def answer(self, suggester: FeatureSuggester, _missing: int) -> Reasons:
        return suggester.reasons(self.image_id)


@dataclass(frozen=True, slots=True, eq=False)
class ClustersRequest:
    """Find clusters of suggestions, of up to `width` images, without those of `leave_out`."""

    width: int
    leave_out: frozenset[int]

    def answer(self, suggester: FeatureSuggester, _missing: int) -> tuple[SuggestionCluster, ...]:
        clusters: list[SuggestionCluster] = []
        for each in suggestion_clusters(suggester, most=24, width=self.width):
            if ids := tuple(image_id for image_id in each.image_ids if image_id not in self.leave_out):
                clusters.append(SuggestionCluster(ids, each.class_name, each.purity))
        return tuple(clusters)


@dataclass(frozen=True, slots=True, eq=False)
class QueueRequest:
    def answer(self, suggester: FeatureSuggester, _missing: int) -> tuple[int, ...]:
        return tuple(each.image_id for each in next_images(suggester, 24))


Request = LearnRequest | ReasonsRequest | ClustersRequest | QueueRequest
REQUEST_ORDER = (ReasonsRequest, LearnRequest, ClustersRequest, QueueRequest)  # visible results come first


class Learner:
    """Owns the suggester. All methods but `note` and `reject` run in the worker's thread."""

    def __init__(self, project: Project) -> None:
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
        """Return the answer to a request; None without features."""
        try:
            self._update()
            return request.answer(self._suggester, self._missing) if self._suggester is not None else None
        except VisionFTError as error:  # the project was closed meanwhile, or its folder is gone
            logger.warning("Nothing is suggested: %s", error)
            return None

    def _update(self) -> None:
        """Bring the suggester up to date; without features there is none."""
        project, labels = self._project, labels_so_far(self._project)
        with self._lock:
            is_stale, self._is_stale = self._is_stale, False
            rejected = tuple(self._rejected)
        if is_stale or labels.class_names != self._class_names:
            self._class_names, self._suggester, self._passed = (), None, 0  # after a failed read, retry the next time
            if current_kind(project.path) is not None:
                features = load_features(project.path, project.snapshot())
                self._missing = len(features.missing)
                self._suggester = FeatureSuggester(features, labels, is_multilabel=project.task == "multi")
        elif self._suggester is not None:
            self._suggester.learn(labels)
        self._class_names = labels.class_names
        if self._suggester is not None:
            for image_ids, name in rejected[self._passed :]:
                self._suggester.reject(image_ids, name)
            self._passed = len(rejected)
