"""Probabilities of label errors, kept in memory and updated with every change of a label.

Three closed-form votes, each held out of its image (`votes`), and a finished run's predictions for images outside its
training data (`run_predictions`), are blended by their fit to the given labels (`noise`). A changed label costs a few
products of the features with one vector; weights stay while few labels change, so that the order is stable.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np

from models.messages import Message
from visionft.curation.check import MOST_EXACT, Issue
from visionft.curation.label_errors.noise import Blend, estimate_mixture, fit_blend, fit_blends, sample_of
from visionft.curation.label_errors.votes import NEIGHBOURS, SPARE, VOTERS, LinearVotes, NeighbourVote, agreements
from visionft.data.types import Snapshot
from visionft.errors import NextStep, ProjectError
from visionft.events import Progress
from visionft.features.feature_store import Features
from visionft.features.neighbours import nearest
from visionft.heads.numerics import Rows, parts, principal_directions, unit_rows
from visionft.jobs import SILENT, JobContext

STAGE: Final = Message("Comparing the labels")
_KEPT_SHARE, _KEPT_SCORE = 0.2, 0.02  # kept issues: this many at least, and all above that score
_FEW_CHANGES, _CHANGED = 10, 0.02  # labels, and their share, allowed to change before the weights are fitted again
_AXES: Final = 128
WRONG, LEFT_OUT, PUT_IN = "wrong", "left_out", "put_in"  # kinds of issues; the last two of several labels


def check_labels(images: Snapshot) -> None:
    """Raise an error early if there is nothing to compare.

    Raises:
        ProjectError: There are no labels, one class, or too few images of a second one.
    """
    labelled = [image for image in images.images if image.labels]
    if not labelled:
        raise ProjectError("No image has a label yet.", "Label some first.", NextStep("label"))
    counts = images.class_counts(labelled).values()
    if sum(count > 0 for count in counts) < 2:
        advice = Message("A wrong label shows beside those of other classes: label images of a second one.")
        raise ProjectError("All labelled images have the same class.", advice, NextStep("label"))
    if sum(count > 1 for count in counts) < 2:
        advice = Message("Two classes with two images each are the least that can be compared.")
        raise ProjectError("There are too few labels to find wrong ones.", advice, NextStep("label"))


class LabelReview:
    """The labelled images of a project with the probability of a label error in each.

    Attributes:
        blend: The most probable blend of the votes.
        possible_errors: The least and the most possible images with a label error.
    """

    def __init__(
        self,
        features: Features,
        images: Snapshot,
        *,
        predictions: Mapping[int, Mapping[str, float]] | None = None,
        job: JobContext = SILENT,
        most_exact: int = MOST_EXACT,
    ) -> None:
        """Score all labels; `predictions` are a run's, {image id: {class name: probability}}, for held-out images.

        With more than `most_exact` labelled images the neighbours of most images are found, along principal axes.

        Raises:
            ProjectError: There are no labels, or too few to compare.
        """
        self._features, self._is_multilabel = features, images.task == "multi"
        self._images = [each for each in images.images if each.labels and each.image_id in features.place_of]
        check_labels(replace(images, images=tuple(self._images)))
        self._place = {image.image_id: place for place, image in enumerate(self._images)}
        chosen = np.array([features.place_of[image.image_id] for image in self._images])
        self.is_approximate = len(self._images) > most_exact  # whether neighbours are searched along principal axes
        self._directions = features.directions if len(chosen) == len(features) else features.directions.among(chosen)
        inputs = features.inputs if len(chosen) == len(features) else features.inputs.among(chosen)
        first = features.vectors[chosen[0]]
        if not any((features.vectors[chosen[part]] != first).any() for part in parts(*inputs.shape)):
            raise ProjectError(
                "All labelled images look the same.", "Label errors cannot be distinguished from correct labels then."
            )
        used = sorted({index for image in self._images for index in image.labels})
        self.class_names = tuple(images.class_names[index] for index in used)
        self._column = {name: place for place, name in enumerate(self.class_names)}
        self._targets = np.zeros((len(self._images), len(used)), np.uint8)
        for row, image in zip(self._targets, self._images, strict=True):
            row[:] = self._row_of(images.labels_of(image))
        self._is_present = np.ones(len(self._images), bool)
        job.report(Progress(stage=STAGE, done=0, total=2))
        job.check_cancelled()
        near = nearest(self._compared(), k=VOTERS + SPARE, job=job.without_events(), most_exact=most_exact)
        self._neighbours = NeighbourVote(near, self._is_present, is_multilabel=self._is_multilabel)
        job.report(Progress(stage=STAGE, done=1, total=2))
        job.check_cancelled()
        self._linear = LinearVotes(inputs, self._targets, is_multilabel=self._is_multilabel)
        job.report(Progress(stage=STAGE, done=2, total=2))
        self.vote_names = (*self._linear.names, NEIGHBOURS)
        self._run_row, self._run_logits = self._logits_of(predictions or {})
        self._fit()
        self._score()

    def __len__(self) -> int:
        return int(self._is_present.sum())

    def follow(self, images: Snapshot) -> bool:
        """Update to the current project; return whether that was possible, else score all labels again."""
        now = {image.image_id: image for image in images.images if image.labels}
        for image in now.values():
            place = self._place.get(image.image_id)
            if place is None:  # without a usable feature it is not scored anyway
                if image.image_id in self._features.place_of:
                    return False
            elif image.sha256 != self._images[place].sha256 or not self._column.keys() >= {*images.labels_of(image)}:
                return False
        has_changed = False
        for place, image in enumerate(self._images):
            target = self._row_of(images.labels_of(now[image.image_id])) if image.image_id in now else None
            before = self._targets[place] if self._is_present[place] else None
            if (before is None) != (target is None) or not np.array_equal(before, target):  # pyright: ignore
                self._change(place, target)
                has_changed = True
        if has_changed:
            self._score()
        return True

    def _change(self, place: int, after: np.ndarray | None) -> None:
        """Give an image another (C,) target; None drops it."""
        self._changed.add(place)
        self._is_present[place] = after is not None
        if after is not None:
            self._targets[place] = after
        self._linear.change(place, after)
        self._neighbours.change(place, after)

    @property
    def probabilities(self) -> np.ndarray:
        """(M, C) probabilities of the true classes of the scored images."""
        return self._shares if self._is_present.all() else self._shares[self._is_present]

    @property
    def targets(self) -> np.ndarray:
        """The (M, C) labels of the scored images, zeros and ones."""
        return self._targets if self._is_present.all() else self._targets[self._is_present]

    def score(self, image_id: int) -> float:
        """Return the probability of a label error in an image of the review."""
        return float(self._scores[self._place[image_id]])

    @property
    def expected_errors(self) -> float:
        """Estimated number of images with a label error, from the scores."""
        return float(self._scores[self._is_present].sum())

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """The weight of each vote, and its agreement: the share of given labels predicted by it alone."""
        is_multi = self._is_multilabel
        right = np.zeros(len(self.vote_names))
        for part in parts(*self._targets.shape):
            places = np.arange(part.start, part.stop)[self._is_present[part]]
            levelled = np.array(self._held_out(places)) + self.blend.levels
            right += [agreements(each, self._targets[places], is_multilabel=is_multi).sum() for each in levelled]
        shares = {
            name: {"weight": float(weight), "agreement": float(count / len(self))}
            for name, weight, count in zip(self.vote_names, self.blend.weights, right, strict=True)
        }
        if self._run_blends:
            places, weight = self._run_places, self._run_blends[0].weights[1]
            logits = self._run_logits[self._run_row[places]]
            agreed = agreements(logits, self._targets[places], is_multilabel=is_multi)
            shares["run"] = {"weight": float(weight), "agreement": float(agreed.mean())}
        return shares

    @cached_property
    def too_small(self) -> tuple[str, ...]:
        """Classes with a single image: nothing to compare it with, so it is not scored."""
        return tuple(np.array(self.class_names)[self._targets.sum(axis=0) < 2].tolist())

    def issues(self) -> tuple[Issue, ...]:
        """Return the images, the most probable errors first, down to those hardly worth a review."""
        is_judged = self._is_present & ~np.isnan(self._order)
        order = np.argsort(np.where(is_judged, -self._order, np.inf), kind="stable")[: is_judged.sum()]
        most = max(int(np.ceil(_KEPT_SHARE * len(order))), int((self._scores[order] >= _KEPT_SCORE).sum()))
        return tuple(self._issue(place) for place in order[:most])

    def evidence(self, image_id: int, suggested: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the ids of the nearest images with the same label, nearest first, and those of the suggested class.

        Raises:
            KeyError: The image or the class is unknown.
        """
        place = self._place[image_id]
        near = self._directions @ self._directions[place]
        near[place] = -np.inf
        near[~self._is_present] = -np.inf
        order = np.argsort(-near, kind="stable")
        order = order[np.isfinite(near[order])]
        other = self._targets[:, self._column[suggested]] > 0 if suggested else np.zeros(len(near), bool)
        own = (self._targets[:, self._targets[place] > 0] > 0).any(axis=1) & ~other
        first, second = (tuple(self._images[at].image_id for at in order[m[order]][:4]) for m in (own, other))
        return first, second

    def _compared(self) -> Rows:
        """Return (N, K) directions to find neighbours: of many images along principal axes, as a map has them."""
        if not self.is_approximate:
            return self._directions
        return unit_rows(self._directions @ principal_directions(self._directions, _AXES))

    def _row_of(self, names: Sequence[str]) -> np.ndarray:
        row = np.zeros(len(self.class_names), np.uint8)
        row[[self._column[name] for name in names]] = 1
        return row

    def _held_out(self, places: np.ndarray) -> list[np.ndarray]:
        """Return the (B, C) logits of each vote for images (B)."""
        by_neighbours = self._neighbours.held_out(places, self._targets, self._linear.counts)
        return [*self._linear.held_out(places), by_neighbours]

    def _logits_of(self, predictions: Mapping[int, Mapping[str, float]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the (N,) rows of the images among the (R, C) logits of the run, -1 for none, and these logits."""
        found = {
            place: [shares[name] for name in self.class_names]
            for image_id, shares in predictions.items()
            if (place := self._place.get(image_id)) is not None and all(name in shares for name in self.class_names)
        }
        row_of = np.full(len(self._images), -1)
        row_of[list(found)] = np.arange(len(found))
        held = np.clip(list(found.values()), 1e-4, 1 - 1e-4).reshape(-1, len(self.class_names))
        return row_of, np.log(held) - np.log1p(-held) if self._is_multilabel else np.log(held)

    @property
    def _run_places(self) -> np.ndarray:
        """The places of the scored images with a prediction of the run."""
        return np.flatnonzero(self._is_present & (self._run_row >= 0))

    def _fit(self) -> None:
        """Fit the weights of the votes to the current labels, with the run if it has enough predictions."""

        def sampled(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            chosen = places[sample_of(len(places), len(self.class_names))]
            return chosen, self._targets[chosen]

        chosen, targets = sampled(np.flatnonzero(self._is_present))
        votes = self._held_out(chosen)
        self._blends = fit_blends(votes, targets, is_multilabel=self._is_multilabel)
        self._run_blends: tuple[Blend, ...] = ()
        self._changed: set[int] = set()
        places = self._run_places
        if len(places) >= 50:  # fewer predictions of a run are not used
            best = fit_blend(votes, targets, is_multilabel=self._is_multilabel)
            chosen, targets = sampled(places)
            together = [best.logits(self._held_out(chosen)), self._run_logits[self._run_row[chosen]]]
            run_blend = fit_blend(together, targets, is_multilabel=self._is_multilabel)
            self._run_blends = tuple(replace(run_blend, rates=blend.rates) for blend in self._blends)

    def _probabilities(self, places: np.ndarray, chosen: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the (B, C) probabilities of the true classes of images (B) by each of some blends."""
        votes = self._held_out(places)
        has_run = self._run_row[places] >= 0
        of_run = self._run_logits[self._run_row[places[has_run]]]
        for at in chosen:
            shares = self._blends[at].probabilities(votes)
            if self._run_blends and has_run.any():
                logits = self._blends[at].logits([vote[has_run] for vote in votes])
                shares[has_run] = self._run_blends[at].probabilities([logits, of_run])
            yield shares

    def _score(self) -> None:
        """Recompute the probability of a label error for all images."""
        if len(self._changed) > max(_FEW_CHANGES, _CHANGED * len(self)):
            self._fit()
        mixture = estimate_mixture(
            self._blends, self._probabilities, self._targets, is_present=self._is_present, by_image=self._by_image
        )
        self.blend, self.possible_errors = self._blends[mixture.best], mixture.possible_errors
        self._shares, self._wrong = mixture.probabilities, mixture.error_probability
        self._scores = self._order = self._by_image(self._wrong, np.arange(len(self._wrong)))
        if not self._is_multilabel:  # scores that round to 1 are still ordered by the improbability of the label
            own = self._targets.argmax(axis=1)
            given = self._shares[np.arange(len(own)), own]
            self._order = np.where(self._is_known[own], self._wrong - 1e-6 * given, np.nan)

    @property
    def _is_known(self) -> np.ndarray:
        """A (C,) mask of the classes of which labels can be scored."""
        counts = self._linear.counts
        return (counts >= 2) & (len(self) - counts >= 2) if self._is_multilabel else counts >= 2

    def _by_image(self, error_probability: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return (B,) the probability of a label error in images (B); 0 where it cannot be scored."""
        is_known = self._is_known if self._is_multilabel else self._is_known[self._targets[places].argmax(axis=1)]
        known = np.where(is_known, error_probability, 0.0)
        return known.max(axis=1) if self._is_multilabel else known

    def _issue(self, place: int) -> Issue:
        image, shares, target = self._images[place], self._shares[place], self._targets[place]
        score = round(float(self._scores[place]), 6)
        values = {"probability": score}
        chance = chance_text(float(self._scores[place]))
        if self._is_multilabel:
            index = int(np.where(self._is_known, self._wrong[place], 0).argmax())
            name = self.class_names[index]
            if target[index] > 0:
                kind, suggested, doubted = PUT_IN, "", name
                reason = Message("Labelled “{name}”, but does not look like it: wrong with a probability of {chance}.")
            else:
                kind, suggested, doubted = LEFT_OUT, name, ""
                reason = Message(
                    "Predicted “{name}”, but not labelled so: a label error with a probability of {chance}."
                )
            reason = Message(reason, name=name, chance=chance)
        else:
            own = int(target.argmax())
            index = int(np.where(target > 0, -1.0, shares).argmax())
            kind, suggested, doubted = WRONG, self.class_names[index], self.class_names[own]
            reason = Message(
                "Labelled “{label}”, predicted “{suggested}”: a label error with a probability of {chance}.",
                label=doubted,
                suggested=suggested,
                chance=chance,
            )
            values |= {"given": round(float(shares[own]), 6), "suggested": round(float(shares[index]), 6)}
        return Issue(
            image_id=image.image_id,
            sha256=image.sha256,
            score=score,
            kind=kind,
            reason=reason,
            suggested=suggested,
            doubted=doubted,
            values=values,
        )


def chance_text(score: float) -> str:
    """Return a score as text; it never reads as certain."""
    return f"{min(score, 0.99):.0%}"
