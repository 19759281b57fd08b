"""Suggestions from frozen features: there as soon as a few pictures are labelled, refreshed after each label.

The second source of suggestions beside runs (`suggestions`), in the same shape. NumPy only: it lives in the window's
process, and no network runs; features are computed before (`visionft.features`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from visionft.errors import NextStep, ProjectError
from visionft.features.feature_store import Features, load_features
from visionft.project.store import Project
from visionft.suggest.blend import Answers, answers
from visionft.suggest.closed_form import ClosedForm
from visionft.suggest.suggestions import Suggestion

Labels = Mapping[int, tuple[str, ...]]
Need = Literal["", "features", "labels", "classes"]


@dataclass(frozen=True)
class LabelsSoFar:
    """The labels of a project as a suggester reads them.

    Attributes:
        given: {image id: class names} that a person or a source gave: what is learnt from.
        accepted: Pictures whose label was only accepted from suggestions: learning from them would teach the suggester
            to believe itself.
        class_names: The classes, in the project's order.
        undecided: Pictures on whose class sources disagree: a person decides, so nothing is suggested for them.
    """

    given: Labels
    accepted: frozenset[int]
    class_names: tuple[str, ...]
    undecided: frozenset[int] = frozenset()

    @property
    def closed(self) -> frozenset[int]:
        """The pictures without a given label for which nothing is suggested."""
        return self.accepted | self.undecided


@dataclass(frozen=True, slots=True)
class Reason:
    """A labelled picture that is like another one; `cosine` is from -1 to 1."""

    image_id: int
    classes: tuple[str, ...]
    cosine: float


class FeatureSuggester:
    """What features and the labels so far say of all pictures of a project.

    Cheap after each label: `learn` compares with what it knew, and one product with all pictures follows. Nothing is
    computed until it is asked for. Not safe for several threads at once.

    Args:
        features: Of the project's pictures; those without any have no suggestion.
        labels: What is known now.
        is_multilabel: Whether a picture may have several labels.
    """

    def __init__(
        self,
        features: Features,
        labels: LabelsSoFar,
        *,
        is_multilabel: bool = False,
    ) -> None:
        self.is_multilabel = is_multilabel
        self.class_names: tuple[str, ...] = ()
        self.state = ClosedForm(features.inputs, 0)
        self.image_ids = np.array([image.image_id for image in features.images], np.int64)
        self._scaling = features.scaling
        self._contents = [image.sha256 for image in features.images]
        self._is_gone = np.zeros(len(features), bool)
        self._place_of = dict(features.place_of)
        self._given: dict[int, tuple[str, ...]] = {}
        self._closed: frozenset[int] = frozenset()
        self._rejected: dict[int, set[str]] = {}
        self._answers: Answers | None = None
        self.learn(labels)

    # -- learning -----------------------------------------------------------------------------------------------

    def learn(self, labels: LabelsSoFar) -> int:
        """Take in all labels as they are now; return how many pictures that changed."""
        if labels.class_names != self.class_names:
            self._take_classes(labels.class_names)
        given = {key: names for key, names in labels.given.items() if key in self._place_of and names}
        changed = {key: names for key, names in given.items() if self._given.get(key) != names}
        gone = self._given.keys() - given.keys()
        if self._closed != labels.closed:
            self._closed = labels.closed
            self.__dict__.pop("open_places", None)
        return self.change({**changed, **dict.fromkeys(gone, ())})

    def change(self, labels: Labels) -> int:
        """Take in the labels of the pictures that changed: no name takes the label away. Unknown pictures are left out.

        Raises:
            KeyError: A class is not among `class_names`: `learn` first.
        """
        known = {key: names for key, names in labels.items() if key in self._place_of}
        taken = [key for key, names in known.items() if not names and key in self._given]
        given = [key for key, names in known.items() if names]
        column = {name: place for place, name in enumerate(self.class_names)}
        if taken:
            self.state.unlabel(self._places(taken))
        if given:
            targets = np.zeros((len(given), len(self.class_names)), np.float32)
            for row, key in enumerate(given):
                targets[row, [column[name] for name in known[key]]] = 1
            self.state.label(self._places(given), targets)
        for key in taken:
            del self._given[key]
        self._given.update({key: known[key] for key in given})
        if taken or given:
            self._forget_answers()
        return len(taken) + len(given)

    def reject(self, image_ids: Iterable[int], class_name: str) -> None:
        """Take note that pictures are not of a class, for as long as the suggester lives: it is not suggested again."""
        for image_id in image_ids:
            self._rejected.setdefault(image_id, set()).add(class_name)
        self._forget_answers()

    def _take_classes(self, names: tuple[str, ...]) -> None:
        """Take on other classes; `learn` then brings the labels of those that are called otherwise now."""
        known = {name: number for number, name in enumerate(self.class_names)}
        self.state.arrange_classes([known.get(name, -1) for name in names])
        self.class_names = names
        self._forget_answers()

    def take_pictures(self, features: Features) -> None:
        """Take note of pictures that came, went or were edited; `learn` afterwards brings their labels.

        New ones are seen in the directions and scales of those that were there first: where most are new, a new
        suggester knows better ones.
        """
        now = {image.image_id: image.sha256 for image in features.images}
        gone = [key for key, place in self._place_of.items() if now.get(key) != self._contents[place]]
        self.change(dict.fromkeys(gone, ()))
        for key in gone:
            self._is_gone[self._place_of.pop(key)] = True
        new = np.array([place for place, image in enumerate(features.images) if image.image_id not in self._place_of])
        if len(new):
            images = tuple(features.images[place] for place in new)
            first = len(self.state)
            self.state.add(Features(features.kind, images, features.vectors[new]).scaled_by(self._scaling))
            self.image_ids = np.append(self.image_ids, [image.image_id for image in images])
            self._contents += [image.sha256 for image in images]
            self._is_gone = np.append(self._is_gone, np.zeros(len(new), bool))
            self._place_of.update({image.image_id: first + place for place, image in enumerate(images)})
        self.__dict__.pop("directions", None)
        self._forget_answers()

    def _places(self, image_ids: Iterable[int]) -> np.ndarray:
        return np.array([self._place_of[image_id] for image_id in image_ids], np.intp)

    def _forget_answers(self) -> None:
        self._answers = None
        self.__dict__.pop("open_places", None)

    # -- answering ----------------------------------------------------------------------------------------------

    @property
    def needs(self) -> Need:
        """Return what is missing before anything can be suggested; empty when nothing is."""
        if not len(self.state):
            return "features"
        if not self._given:
            return "labels"
        return "classes" if np.count_nonzero(self.state.counts) < 2 and not self.is_multilabel else ""

    @cached_property
    def open_places(self) -> np.ndarray:
        """Return the places of pictures that wait for a suggestion: they have neither a label nor a conflict."""
        is_open = ~self.state.is_labelled & ~self._is_gone
        is_open[self._places(key for key in self._closed if key in self._place_of)] = False
        return np.flatnonzero(is_open)

    @property
    def answers(self) -> Answers:
        """Return what is said of every picture; (N, C) columns as `class_names`."""
        if self._answers is None:
            self._answers = answers(self.state, is_multilabel=self.is_multilabel)
            self._leave_out_rejected(self._answers.probabilities)
        return self._answers

    def _leave_out_rejected(self, probabilities: np.ndarray) -> None:
        """Give what was rejected no probability; the other classes share it, all alike where nothing is left."""
        for image_id, names in self._rejected.items():
            place = self._place_of.get(image_id)
            columns = [index for index, name in enumerate(self.class_names) if name in names]
            if place is not None and columns:
                row = probabilities[place]
                row[columns] = 0
                rest = row.sum()
                others = np.array([name not in names for name in self.class_names])
                if not self.is_multilabel and others.any():
                    probabilities[place] = row / rest if rest > 1e-6 else others / others.sum()

    @property
    def suggestions(self) -> Mapping[int, Suggestion]:
        """Return the suggestions for pictures without a label as of now, each made when it is looked at."""
        return {} if self.needs else Suggestions(self, self.answers, self.open_places)

    def suggestion(self, place: int, found: Answers) -> Suggestion:
        """Return what is suggested for the picture at a place."""
        return Suggestion.of(
            int(self.image_ids[place]),
            self._contents[place],
            found.probabilities[place],
            class_names=self.class_names,
            thresholds=found.thresholds,
        )

    def reasons(self, image_id: int, count: int = 5) -> tuple[Reason, ...]:
        """Return the labelled pictures nearest to one, the nearest first: why it is called what it is."""
        place = self._place_of.get(image_id)
        labelled = np.flatnonzero(self.state.is_labelled)
        labelled = labelled[labelled != place]
        if place is None or not len(labelled):
            return ()
        cosines = self.cosines(labelled, np.array([place]))[:, 0]
        nearest = np.argsort(-cosines, kind="stable")[:count]
        ids = [int(self.image_ids[labelled[each]]) for each in nearest]
        return tuple(
            Reason(key, self._given[key], float(cosines[each])) for key, each in zip(ids, nearest, strict=True)
        )

    def cosines(self, places: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the (A, B) cosines between pictures."""
        return self.directions[places] @ self.directions[others].T

    @cached_property
    def directions(self) -> np.ndarray:
        """Return (N, D') float32 of length 1: for cosines among the pictures."""
        rows = self.state.features
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class Suggestions(Mapping[int, Suggestion]):
    """Suggestions by picture id, made when they are looked at: of 100,000 pictures a window shows a hundred."""

    def __init__(self, suggester: FeatureSuggester, found: Answers, places: np.ndarray) -> None:
        self._suggester, self._found = suggester, found
        ids = suggester.image_ids[places].tolist()
        self._place_of = dict(zip(ids, places.tolist(), strict=True))

    def __getitem__(self, image_id: int) -> Suggestion:
        """Return what is suggested for a picture."""
        return self._suggester.suggestion(self._place_of[image_id], self._found)

    def __iter__(self) -> Iterator[int]:
        """Go through the pictures."""
        return iter(self._place_of)

    def __len__(self) -> int:
        """Return how many pictures have one."""
        return len(self._place_of)

    def __contains__(self, image_id: object) -> bool:
        """Tell whether a picture has one, without making it."""
        return image_id in self._place_of


def labels_so_far(project: Project) -> LabelsSoFar:
    """Read the labels of a project for a suggester."""
    with project.reading() as connection:
        names = connection.execute("SELECT id, name FROM class ORDER BY position, id").fetchall()
        rows = connection.execute("SELECT image_id, class_id, source FROM label ORDER BY image_id, class_id").fetchall()
        undecided = frozenset(row[0] for row in connection.execute("SELECT DISTINCT image_id FROM conflict"))
    name_of, given, accepted = dict(names), dict[int, tuple[str, ...]](), set[int]()
    for image_id, class_id, source in rows:
        if source == "suggestion":
            accepted.add(image_id)
        elif class_id in name_of:
            given[image_id] = (*given.get(image_id, ()), name_of[class_id])
    accepted -= given.keys()
    return LabelsSoFar(given, frozenset(accepted), tuple(name for _, name in names), undecided)


def open_suggester(project: Project, features: Features | None = None) -> FeatureSuggester:
    """Return a suggester for a project.

    Args:
        project: Its labels are read.
        features: Of its pictures; None reads those that were computed before.

    Raises:
        ProjectError: There are no features yet, with the step that computes them.
    """
    features = load_features(project.path, project.snapshot()) if features is None else features
    return FeatureSuggester(features, labels_so_far(project), is_multilabel=project.task == "multi")


def need_error(suggester: FeatureSuggester, project_dir: Path) -> ProjectError:
    """Return in words what is missing before anything can be suggested."""
    match suggester.needs:
        case "features":
            return ProjectError(
                "No picture has features, so nothing can be suggested.",
                "Check that the pictures can be read, then compute their features.",
                NextStep("embed", project=project_dir),
            )
        case "labels":
            hint = "Label a few of each class; those that come first in the queue say most."
            return ProjectError("No picture has a label yet.", hint, NextStep("label", project=project_dir))
        case _:
            hint = "Label a picture of another class."
            return ProjectError("All labels are of one class.", hint, NextStep("label", project=project_dir))
