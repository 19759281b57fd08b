"""Suggestions from frozen features: available from a few labels on, updated after each label.

The second source of suggestions beside runs. NumPy only: it runs in the window's process, without a network; features
are computed before (`visionft.features`).

The classifier depends on the number of images of a class: the class mean at one, ridge regression for a few, Gaussian
discriminant analysis from eight; between these sizes they are blended into calibrated probabilities. Each averages
over a grid of regularization strengths; none is tuned (no validation image is needed). The Gaussian classifier uses
Student's t, because its covariance is only estimated: it is uncertain far from all labelled images, and its
temperature is near 1.

Order of labelling: cluster centres show every kind of image once (TypiClust, 2202.02794), uncertain images are the
most informative, and clustering the uncertain ones keeps them diverse (DropQuery, 2401.14555).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from models.heads.calibration import fit_temperature, sigmoid, softmax
from models.heads.closed_form import ClosedForm, FeatureMap, Terms, assign, k_means
from models.heads.numerics import parts, unit_rows
from visionft.analysis.suggestions import Suggestion, Suggestions, uncertainties
from visionft.core.errors import NextStep, ProjectError
from visionft.core.messages import Message
from visionft.data.types import group_numbers
from visionft.features.feature_store import Features, load_features
from visionft.project.store import ProjectStore

_SHOTS = (1.0, 2.0, 4.0, 8.0)  # median images per class ...
_SHARES = {  # ... and the weight of each classifier there
    "means": (1.0, 0.5, 0.0, 0.0),
    "ridge": (0.0, 0.5, 0.5, 0.0),
    "gda": (0.0, 0.0, 0.5, 1.0),
}
# Factors from outputs to logits, before the temperature is fitted.
_MEANS_SCALE = 2.0
_RIDGE_SCALE = 4.0


@dataclass(frozen=True)
class BlendedPredictions:
    """Predictions for every image."""

    probabilities: np.ndarray  # (N, C); rows sum to 1 unless the project is multi-label
    thresholds: np.ndarray | None  # (C) for several labels: the probability from which a class is assigned
    left_out: np.ndarray  # (B) places of the labelled images with a leave-one-out prediction
    left_out_probabilities: np.ndarray  # (B, C)


def shares_at(counts: np.ndarray) -> dict[str, float]:
    """Return the weight of each classifier for classes with these numbers of labelled images (C)."""
    known = counts[counts > 0]
    shots = float(np.median(known)) if len(known) else 1.0
    place = np.log2(max(shots, 1.0))
    shares = {kind: float(np.interp(place, np.log2(_SHOTS), values)) for kind, values in _SHARES.items()}
    return {kind: share for kind, share in shares.items() if share > 0}


def predict(state: ClosedForm, *, is_multilabel: bool, most_left_out: int = 600) -> BlendedPredictions:
    """Return predictions for every image, calibrated on leave-one-out predictions of the labelled ones.

    For several labels each class is a ridge regression of its own, with the threshold at a half. At most
    `most_left_out` labelled images get leave-one-out predictions.
    """
    counts = state.counts
    is_usable = state.is_labelled if is_multilabel else state.targets[:, counts > 1].any(axis=1)
    places = np.flatnonzero(is_usable)
    places = places[:: max(1, len(places) // most_left_out)]
    shares = {"ridge": 1.0} if is_multilabel else shares_at(counts)
    left_out = _logits(state, shares, places, is_multilabel=is_multilabel)
    targets = state.targets[places].astype(np.float64)
    temperature = fit_temperature(left_out, targets if is_multilabel else targets.argmax(axis=1), spread=0.5)
    to_probabilities = sigmoid if is_multilabel else softmax
    probabilities = np.empty(state.targets.shape, np.float32)
    for part in parts(*probabilities.shape):
        logits = _logits(state, shares, part, is_multilabel=is_multilabel)
        probabilities[part] = to_probabilities(logits / np.float32(temperature))
    return BlendedPredictions(
        probabilities,
        np.full(state.classes, 0.5) if is_multilabel else None,
        places,
        to_probabilities(left_out / temperature),
    )


def _logits(
    state: ClosedForm, shares: dict[str, float], places: slice | np.ndarray, *, is_multilabel: bool
) -> np.ndarray:
    """Return the (B, C) logits of a part of all images, or of labelled ones (B) by leave-one-out, double precision."""
    counts = state.counts
    logits = np.zeros(1)
    terms = list[Terms]()
    if "ridge" in shares or "gda" in shares:
        numbers = range(len(state.strengths))
        if isinstance(places, slice):
            terms = [state.of_all(number, places) for number in numbers]
        else:
            terms = [state.left_out(number, places) for number in numbers]
    if "means" in shares:
        products = state.to_means(places) if isinstance(places, slice) else state.to_means_left_out(places)
        logits = logits + shares["means"] * _MEANS_SCALE * products
    if "ridge" in shares:
        logits = logits + shares["ridge"] * _RIDGE_SCALE * np.mean(
            [strength_terms.products for strength_terms in terms], axis=0
        )
    if "gda" in shares:
        # the mean logarithm of Student's t densities, each about the mean of a class
        densities = np.zeros_like(terms[0].distances)
        for term in terms:
            widened = np.log1p(term.distances / (1 + 1 / np.maximum(term.counts, 1)))
            densities -= np.where(np.isfinite(widened), widened, 0)
        densities = (float(counts.sum()) / 2 + 1) * densities / len(terms)
        logits = logits + shares["gda"] * (densities + np.log((counts + 1) / (counts.sum() + 1)))
    return logits - _RIDGE_SCALE / 2 if is_multilabel else np.where(counts > 0, logits, -30)


Need = Literal["", "features", "labels", "classes"]


@dataclass(frozen=True)
class LabelsSoFar:
    """The labels of a project as a suggester reads them.

    Attributes:
        given: {image id: class names} assigned by a person or an annotation source: the training labels.
        accepted: Images whose label is only an accepted suggestion: training on them would make the suggester confirm
            itself.
        class_names: The classes, in the project's order.
        undecided: Images with a label conflict: nothing is suggested for them.
    """

    given: Mapping[int, tuple[str, ...]]
    accepted: frozenset[int]
    class_names: tuple[str, ...]
    undecided: frozenset[int] = frozenset()

    @property
    def closed(self) -> frozenset[int]:
        """Images without a given label for which nothing is suggested."""
        return self.accepted | self.undecided


@dataclass(frozen=True, slots=True)
class Reason:
    """A labelled image similar to another one; `cosine` is from -1 to 1."""

    image_id: int
    classes: tuple[str, ...]
    cosine: float


class FeatureSuggester:
    """Suggest labels for all images of a project from features and the current labels.

    Cheap after each label: `learn` applies the differences, then one product with all images follows. Evaluated lazily.
    Not thread-safe. Images without features have no suggestion.
    """

    def __init__(self, features: Features, labels: LabelsSoFar, *, is_multilabel: bool = False) -> None:
        """Fit the inputs of the classifiers to the images, and learn the labels so far."""
        self.is_multilabel = is_multilabel
        self.class_names = labels.class_names
        feature_map = FeatureMap.fitted(features.inputs)
        groups = np.array(group_numbers(features.images))
        self.state = ClosedForm(
            feature_map(features.inputs), len(self.class_names), linear=feature_map.linear, groups=groups
        )
        self.image_ids = np.array([image.image_id for image in features.images], np.int64)
        self._hashes = [image.sha256 for image in features.images]
        self._place_of = features.place_of
        self._given: dict[int, tuple[str, ...]] = {}
        self._closed: frozenset[int] = frozenset()  # image ids for which nothing is suggested
        self._rejected_classes: dict[int, set[str]] = {}
        self._predictions: BlendedPredictions | None = None
        self.learn(labels)

    def learn(self, labels: LabelsSoFar) -> None:
        """Update to the current labels of all images, of the same classes; unknown images are ignored.

        Raises:
            KeyError: A class is not among `class_names`.
        """
        given = {key: names for key, names in labels.given.items() if key in self._place_of and names}
        changed = {key: names for key, names in given.items() if self._given.get(key) != names}
        unlabelled = [key for key in self._given if key not in given]
        if self._closed != labels.closed:
            self._closed = labels.closed
            self.__dict__.pop("open_places", None)
        if unlabelled:
            self.state.unlabel(self._places(unlabelled))
        if changed:
            self.state.label(self._places(changed), self._targets_of(list(changed.values())))
        self._given = given
        if unlabelled or changed:
            self._forget_predictions()

    def _targets_of(self, labels: Sequence[tuple[str, ...]]) -> np.ndarray:
        """Return (N, C) float32: 1 for each class of an image, else 0."""
        column = {name: place for place, name in enumerate(self.class_names)}
        targets = np.zeros((len(labels), len(self.class_names)), np.float32)
        for row, names in enumerate(labels):
            targets[row, [column[name] for name in names]] = 1
        return targets

    def reject(self, image_ids: Iterable[int], class_name: str) -> None:
        """Exclude classes from the suggestions of images, for the lifetime of the suggester."""
        for image_id in image_ids:
            self._rejected_classes.setdefault(image_id, set()).add(class_name)
        self._forget_predictions()

    def _places(self, image_ids: Iterable[int]) -> np.ndarray:
        return np.array([self._place_of[image_id] for image_id in image_ids], np.intp)

    def _forget_predictions(self) -> None:
        self._predictions = None
        self.__dict__.pop("open_places", None)

    @property
    def needs(self) -> Need:
        """Return the missing requirement of suggestions; empty if nothing is missing."""
        if not len(self.state):
            return "features"
        if not self._given:
            return "labels"
        return "classes" if np.count_nonzero(self.state.counts) < 2 and not self.is_multilabel else ""

    @cached_property
    def open_places(self) -> np.ndarray:
        """Return the places of images open for a suggestion: without a label and without a conflict."""
        is_open = ~self.state.is_labelled
        is_open[self._places(key for key in self._closed if key in self._place_of)] = False
        return np.flatnonzero(is_open)

    @property
    def predictions(self) -> BlendedPredictions:
        """Return the predictions for every image; (N, C) columns as `class_names`."""
        if self._predictions is None:
            self._predictions = predict(self.state, is_multilabel=self.is_multilabel)
            # Rejected classes get zero; a single-label row is renormalized, uniform if nothing is left.
            probabilities = self._predictions.probabilities
            for image_id, names in self._rejected_classes.items():
                place = self._place_of.get(image_id)
                others = np.array([name not in names for name in self.class_names])
                if place is None or others.all():
                    continue
                row = probabilities[place]
                row[~others] = 0
                if not self.is_multilabel and others.any():
                    rest = row.sum()
                    probabilities[place] = row / rest if rest > 1e-6 else others / others.sum()
        return self._predictions

    @property
    def suggestions(self) -> Suggestions:
        """Return the current suggestions for unlabelled images; they do not change with later labels."""
        if self.needs:
            return Suggestions.of(())
        places, class_names, thresholds = self.open_places, self.class_names, self.predictions.thresholds
        shares = self.predictions.probabilities[places]
        if thresholds is None:
            rows = np.arange(len(places))
            columns = shares.argmax(axis=1)
        else:
            has_any = (shares >= thresholds).any(axis=1)
            places, shares = places[has_any], shares[has_any]
            rows, columns = np.nonzero(shares >= thresholds)
        ids = self.image_ids[places]
        hashes = [self._hashes[place] for place in places]

        def suggestion_at(place: int) -> Suggestion:
            image_id = int(ids[place])
            sha256 = hashes[place]
            row = shares[place]
            return Suggestion.of(image_id, sha256, row, class_names=class_names, thresholds=thresholds)

        return Suggestions(
            ids,
            shares.max(axis=1),
            uncertainties(shares, thresholds),
            labels=(rows, columns),
            class_names=class_names,
            suggestion_at=suggestion_at,
        )

    def reasons(self, image_id: int, count: int = 5) -> tuple[Reason, ...]:
        """Return the labelled images nearest to an image, the nearest first: the evidence for its suggestion."""
        place = self._place_of.get(image_id)
        labelled = np.flatnonzero(self.state.is_labelled)
        labelled = labelled[labelled != place]
        if place is None or not len(labelled):
            return ()
        cosines = self.directions[labelled] @ self.directions[place]
        nearest = np.argsort(-cosines, kind="stable")[:count]
        pairs = [(int(self.image_ids[labelled[index]]), float(cosines[index])) for index in nearest]
        return tuple(Reason(image_id, self._given[image_id], cosine) for image_id, cosine in pairs)

    @cached_property
    def directions(self) -> np.ndarray:
        """Return (N, D') float32 of length 1, for cosine similarities between the images."""
        return unit_rows(self.state.features)


def labels_so_far(project: ProjectStore) -> LabelsSoFar:
    """Read the labels of a project for a suggester."""
    with project.reading() as connection:
        names = connection.execute("SELECT id, name FROM class ORDER BY position, id").fetchall()
        rows = connection.execute("SELECT image_id, class_id, source FROM label ORDER BY image_id, class_id").fetchall()
        undecided = frozenset(row[0] for row in connection.execute("SELECT DISTINCT image_id FROM conflict"))
    name_of = dict(names)
    given = dict[int, tuple[str, ...]]()
    accepted = set[int]()
    for image_id, class_id, source in rows:
        if source == "suggestion":
            accepted.add(image_id)
        elif class_id in name_of:
            given[image_id] = (*given.get(image_id, ()), name_of[class_id])
    accepted -= given.keys()
    return LabelsSoFar(given, frozenset(accepted), tuple(name for _, name in names), undecided)


def open_suggester(project: ProjectStore, features: Features | None = None) -> FeatureSuggester:
    """Return a suggester with the labels of a project, and its stored features unless others are given.

    Raises:
        ProjectError: There are no features yet; the error names the step to compute them.
    """
    features = load_features(project.path, project.snapshot()) if features is None else features
    return FeatureSuggester(features, labels_so_far(project), is_multilabel=project.task == "multi")


def need_error(suggester: FeatureSuggester, project_dir: Path) -> ProjectError:
    """Return the missing requirement of suggestions as an error."""
    if suggester.needs == "features":
        hint = Message("Check that the images can be read, then compute their features.")
        step = NextStep("find_issues", project=project_dir)
        return ProjectError("No image has features, so nothing can be suggested.", hint, step)
    if suggester.needs == "labels":
        hint = Message("Label a few of each class; the first in the queue are the most informative.")
        return ProjectError("No image has a label yet.", hint, NextStep("label", project=project_dir))
    hint = Message("Label an image of another class.")
    return ProjectError("All labels are of one class.", hint, NextStep("label", project=project_dir))


@dataclass(frozen=True, slots=True)
class QueuedImage:
    """An image to label next, and the reason."""

    image_id: int
    why: Literal["centre", "unsure"]


def next_images(suggester: FeatureSuggester, count: int, *, seed: int = 0) -> tuple[QueuedImage, ...]:
    """Return up to `count` unlabelled images in the order in which to label them."""
    if not len(suggester.open_places) or count <= 0:
        return ()
    counts = suggester.state.counts
    if suggester.needs or not len(counts) or np.median(counts) < 2:  # from there on, uncertainty is more useful
        found = _centres(suggester, count, seed)
        if len(found):
            return tuple(QueuedImage(int(suggester.image_ids[place]), "centre") for place in found)
    return tuple(QueuedImage(int(suggester.image_ids[place]), "unsure") for place in _unsure(suggester, count, seed))


def _centres(suggester: FeatureSuggester, count: int, seed: int) -> np.ndarray:
    """Return the places nearest to the centres of clusters without a label, the largest cluster first."""
    directions = suggester.directions
    labelled = np.flatnonzero(suggester.state.is_labelled)
    classes = len(suggester.class_names)
    clusters = max(classes * 4, len(labelled) + count) if classes else count
    clusters = min(clusters, max(1, len(directions) // 2))
    centres = k_means(directions, clusters, seed=seed)
    places = suggester.open_places
    nearest = assign(directions, centres)
    sizes = np.bincount(nearest, minlength=clusters)
    sizes[np.unique(nearest[labelled])] = 0
    mine = nearest[places]
    closeness = np.einsum("nd,nd->n", directions[places], centres[mine])
    found = [
        places[members[np.argmax(closeness[members])]]
        for cluster in np.argsort(-sizes, kind="stable")
        if sizes[cluster] and len(members := np.flatnonzero(mine == cluster))
    ]
    return np.array(found[:count], np.intp)


def _unsure(suggester: FeatureSuggester, count: int, seed: int) -> np.ndarray:
    """Return uncertain places, one of each cluster among them, the most uncertain first."""
    places, found = suggester.open_places, suggester.predictions
    doubts = uncertainties(found.probabilities[places], found.thresholds)
    chosen = np.argsort(-doubts, kind="stable")[: count * 8]
    if len(chosen) > count:
        directions = suggester.directions[places[chosen]]
        nearest = assign(directions, k_means(directions, count, seed=seed))
        first = np.unique(nearest, return_index=True)[1]  # `chosen` goes from the most uncertain down
        rest = np.setdiff1d(np.arange(len(chosen)), first)[: count - len(first)]
        chosen = chosen[np.sort(np.concatenate([first, rest]))]
    return places[chosen]
