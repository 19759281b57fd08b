"""Whether each label is right, kept in memory and brought up to date with every change of a label.

Three closed-form votes, each held out of the picture it speaks of (`votes`), and a finished run's answers for pictures
that it was not trained on (`run_answers`), are blended by how well they predict the given labels (`label_noise`). A
changed label costs a few products of the features with one vector; weights stay as they were fitted, so that the order
does not jump, and the rates of wrong labels follow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from visionft.curation.check import Finding
from visionft.curation.label_errors.comparable import comparable
from visionft.curation.label_errors.noise import Blend, fit_blend, sample_of
from visionft.curation.label_errors.votes import (
    NEIGHBOURS,
    SPARE,
    Maker,
    NeighbourVote,
    Vote,
    discriminant_votes,
    ridge_votes,
)
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import StoppedError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.feature_store import Features
from visionft.features.neighbours import nearest
from visionft.heads.strengths import RIDGES, SHRINKAGES

STAGE: Final = "Comparing the labels"
_KEPT_SHARE, _KEPT_SCORE = 0.2, 0.02  # findings that are kept: so many of all, and all above that score
_FEWEST_ANSWERS: Final = 50  # of a run, from which it is listened to
_EVIDENCE: Final = 4
WRONG, LEFT_OUT, PUT_IN = "wrong", "left_out", "put_in"  # kinds of findings; the last two of several labels


@dataclass(frozen=True, slots=True)
class Evidence:
    """The nearest labelled pictures, nearest first: ids of those with the label itself, and with the suggested one."""

    own: tuple[int, ...]
    suggested: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class VoteShare:
    """How much a vote counts: its weight, and the share of given labels that it predicts by itself."""

    weight: float
    agreement: float


class LabelReview:
    """The labelled pictures of a project with how probable it is that their labels are wrong.

    `relabel`, `drop` and `restore` follow the changes of a review; they change nothing but what is said here.
    """

    def __init__(
        self,
        features: Features,
        images: Snapshot,
        *,
        answers: Mapping[int, Mapping[str, float]] | None = None,
        on_event: OnEvent = ignore_event,
        should_stop: ShouldStop = never_stop,
    ) -> None:
        """Look at all labels.

        Args:
            features: Of the project's pictures.
            images: Pictures and labels.
            answers: Probabilities by class name that a run gave pictures it was not trained on, by image id.
            on_event: Receives how far it is.
            should_stop: Asked between the votes.

        Raises:
            ProjectError: There are no labels, or too few to compare.
            StoppedError: The user stopped.
        """
        self._features, self._is_multilabel = features, images.task == "multi"
        self._images = comparable(features, images)
        self._place = {image.image_id: place for place, image in enumerate(self._images)}
        chosen = np.array([features.place_of[image.image_id] for image in self._images])
        self._inputs = features.inputs if len(chosen) == len(features) else features.inputs[chosen]
        used = sorted({index for image in self._images for index in image.labels})
        self.class_names = tuple(images.class_names[index] for index in used)
        self._column = {name: place for place, name in enumerate(self.class_names)}
        self._targets = np.stack([self._row_of(_names(image, images)) for image in self._images])
        self._is_there = np.ones(len(self._images), bool)
        self._progress = (on_event, should_stop)
        self.votes = self._fitted()
        self._answers = self._answers_of(answers or {})
        self._said = [vote.held_out(self._targets) for vote in self.votes]
        self.blend = fit_blend(self._said, self._targets, is_multilabel=self._is_multilabel)
        self._run_blend = self._fit_run()
        self._score()

    def __len__(self) -> int:
        """Return how many labelled pictures are looked at now."""
        return int(self._is_there.sum())

    # -- what changes -------------------------------------------------------------------------------------------

    def relabel(self, image_id: int, class_names: str | Sequence[str]) -> None:
        """Follow a picture that has another class now, or other classes.

        Raises:
            KeyError: The picture was not looked at, or no picture had that class; then all is to be looked at anew.
        """
        place = self._place[image_id]
        target = self._row_of((class_names,) if isinstance(class_names, str) else class_names)
        if self._is_there[place] and not np.array_equal(target, self._targets[place]):
            self._change(place, self._targets[place].copy(), target)
            self._score()

    def drop(self, image_id: int) -> None:
        """Follow a picture that was taken out of the project, or lost its label.

        Raises:
            KeyError: The picture was not looked at.
        """
        place = self._place[image_id]
        if self._is_there[place]:
            self._change(place, self._targets[place].copy(), None)
            self._score()

    def restore(self, image_id: int) -> None:
        """Follow a picture that was dropped and is back, with the label that it had.

        Raises:
            KeyError: The picture was not looked at.
        """
        place = self._place[image_id]
        if not self._is_there[place]:
            self._change(place, None, self._targets[place].copy())
            self._score()

    def follow(self, images: Snapshot) -> bool:
        """Follow whatever changed in the project; tell whether that could be done, else look at all anew."""
        now = {image.image_id: image for image in images.images if image.labels}
        if not all(self._knows(image, images) for image in now.values()):
            return False
        has_changed = False
        for place, image in enumerate(self._images):
            names = _names(now[image.image_id], images) if image.image_id in now else ()
            target = self._row_of(names) if names else None
            before = self._targets[place].copy() if self._is_there[place] else None
            if not _is_same(before, target):
                self._change(place, before, target)
                has_changed = True
        if has_changed:
            self._score()
        return True

    def _knows(self, image: SnapshotImage, images: Snapshot) -> bool:
        place = self._place.get(image.image_id)
        if place is None:  # without a usable feature it is not looked at anyway
            return image.image_id not in self._features.place_of
        is_known = all(name in self._column for name in _names(image, images))
        return is_known and image.sha256 == self._images[place].sha256

    def _change(self, place: int, before: np.ndarray | None, after: np.ndarray | None) -> None:
        self._is_there[place] = after is not None
        if after is not None:
            self._targets[place] = after
        for vote in self.votes:
            vote.change(place, before, after)

    # -- what is found ------------------------------------------------------------------------------------------

    @property
    def probabilities(self) -> np.ndarray:
        """The (M, C) probabilities of the true classes of the pictures that are looked at now."""
        return self._shares[self._is_there]

    @property
    def targets(self) -> np.ndarray:
        """The (M, C) labels of these pictures, zeros and ones; columns as `class_names`."""
        return self._targets[self._is_there]

    @property
    def image_ids(self) -> tuple[int, ...]:
        """The ids of these pictures."""
        return tuple(self._images[place].image_id for place in np.flatnonzero(self._is_there))

    def score(self, image_id: int) -> float:
        """Return the probability that a picture's label is wrong, or any of its labels.

        Raises:
            KeyError: The picture was not looked at.
        """
        return float(self._suspicion[self._place[image_id]])

    @property
    def expected_errors(self) -> float:
        """How many pictures with a wrong label there are, as far as the scores can tell."""
        return float(self._suspicion[self._is_there].sum())

    @property
    def shares(self) -> dict[str, VoteShare]:
        """How much each vote counts."""
        own = self._targets[self._is_there]
        found: dict[str, VoteShare] = {}
        for vote, said, weight in zip(self.votes, self._said, self.blend.weights, strict=True):
            answer = said[self._is_there] + (self.blend.levels if self._is_multilabel else 0)
            found[vote.name] = VoteShare(weight=float(weight), agreement=_agreement(answer, own, self._is_multilabel))
        if self._run_blend is not None:
            asked = self._is_there & ~np.isnan(self._answers[:, 0])
            agreement = _agreement(self._answers[asked], self._targets[asked], self._is_multilabel)
            found["run"] = VoteShare(weight=float(self._run_blend.weights[1]), agreement=agreement)
        return found

    @cached_property
    def too_small(self) -> tuple[str, ...]:
        """Classes with a single picture: nothing tells what else belongs to them, so that one is not judged."""
        return tuple(np.array(self.class_names)[self._targets.sum(axis=0) < 2].tolist())

    def findings(self) -> tuple[Finding, ...]:
        """Return the pictures, the most suspicious first, down to those that are hardly worth a look."""
        is_judged = self._is_there & ~np.isnan(self._order)
        order = np.argsort(np.where(is_judged, -self._order, np.inf), kind="stable")[: is_judged.sum()]
        most = max(int(np.ceil(_KEPT_SHARE * len(order))), int((self._suspicion[order] >= _KEPT_SCORE).sum()))
        return tuple(self._finding(place) for place in order[:most])

    def evidence(self, image_id: int, suggested: str, *, count: int = _EVIDENCE) -> Evidence:
        """Return the nearest pictures that share the label, and those that have the suggested class.

        Raises:
            KeyError: The picture or the class was not looked at.
        """
        place = self._place[image_id]
        lengths = np.maximum(np.linalg.norm(self._inputs, axis=1), 1e-12)
        near = self._inputs @ (self._inputs[place] / lengths[place]) / lengths
        near[place] = -np.inf
        near[~self._is_there] = -np.inf
        order = np.argsort(-near, kind="stable")
        order = order[np.isfinite(near[order])]
        other = self._targets[:, self._column[suggested]] > 0 if suggested else np.zeros(len(near), bool)
        own = (self._targets[:, self._targets[place] > 0] > 0).any(axis=1) & ~other
        ids = [tuple(self._images[at].image_id for at in order[is_it[order]][:count]) for is_it in (own, other)]
        return Evidence(own=ids[0], suggested=ids[1])

    # -- inside -------------------------------------------------------------------------------------------------

    def _row_of(self, names: Sequence[str]) -> np.ndarray:
        row = np.zeros(len(self.class_names))
        row[[self._column[name] for name in names]] = 1.0
        return row

    def _fitted(self) -> list[Vote]:
        """Return the votes, each kind with the strength under which the given labels are most probable."""
        on_event, should_stop = self._progress
        kinds = [(ridge_votes, RIDGES), (discriminant_votes, SHRINKAGES)][: 1 if self._is_multilabel else 2]
        votes: list[Vote] = []
        for number, (fit, strengths) in enumerate(kinds):
            on_event(Progress(stage=STAGE, done=number, total=len(kinds) + 1))
            if should_stop():
                raise _stopped()
            make = fit(self._inputs, self._targets)
            votes += make(self._inputs, [self._best(make, strengths)])
        on_event(Progress(stage=STAGE, done=len(kinds), total=len(kinds) + 1))
        lengths = np.maximum(np.linalg.norm(self._inputs, axis=1), 1e-12)
        directions = self._inputs / lengths[:, None]
        try:
            near = nearest(directions, k=NEIGHBOURS + SPARE, should_stop=should_stop)
        except InterruptedError as error:
            raise _stopped() from error
        on_event(Progress(stage=STAGE, done=len(kinds) + 1, total=len(kinds) + 1))
        return [*votes, NeighbourVote(near, self._is_there, is_multilabel=self._is_multilabel)]

    def _best(self, make: Maker, strengths: Sequence[float]) -> float:
        """Return the strength under which the given labels of a sample are most probable."""
        sample = sample_of(len(self._targets), self._targets.shape[1])
        targets = self._targets[sample]
        said = [vote.held_out(targets) for vote in make(self._inputs[sample], strengths)]
        losses = [fit_blend([each], targets, is_multilabel=self._is_multilabel).loss for each in said]
        return strengths[int(np.argmin(losses))]

    def _answers_of(self, answers: Mapping[int, Mapping[str, float]]) -> np.ndarray:
        """Return (N, C) logits of the run; not a number for pictures it says nothing of."""
        found = np.full(self._targets.shape, np.nan)
        for image_id, shares in answers.items():
            place = self._place.get(image_id)
            if place is not None and all(name in shares for name in self.class_names):
                found[place] = [shares[name] for name in self.class_names]
        held = np.clip(found, 1e-4, 1 - 1e-4)
        return np.log(held) - np.log1p(-held) if self._is_multilabel else np.log(held)

    def _fit_run(self) -> Blend | None:
        """Return the blend of the votes together with the run; None where it says too little."""
        asked = ~np.isnan(self._answers[:, 0])
        if asked.sum() < _FEWEST_ANSWERS:
            return None
        together = [self.blend.logits(self._said)[asked], self._answers[asked]]
        return fit_blend(together, self._targets[asked], is_multilabel=self._is_multilabel)

    def _score(self) -> None:
        """Say anew of all pictures how probable it is that their labels are wrong."""
        self._said = [vote.held_out(self._targets) for vote in self.votes]
        logits = self.blend.logits(self._said)
        shares = self.blend.probabilities(self._said)
        if self._run_blend is not None:
            asked = ~np.isnan(self._answers[:, 0])
            shares[asked] = self._run_blend.probabilities([logits[asked], self._answers[asked]])
        there = self._is_there
        self._shares = shares
        self.blend = self.blend.refitted(shares[there], self._targets[there])
        wrong = self.blend.suspicion(shares, self._targets)
        counts = self._targets[there].sum(axis=0)
        if self._is_multilabel:
            is_known = (counts >= 2) & (len(self) - counts >= 2)
            self._by_class = np.where(is_known, wrong, 0.0)
            self._suspicion = self._by_class.max(axis=1)
            self._order = self._suspicion
        else:
            own = self._targets.argmax(axis=1)
            is_known = counts[own] >= 2
            given = shares[np.arange(len(own)), own]
            self._suspicion = np.where(is_known, wrong, 0.0)
            # Scores that round to 1 are still told apart by how improbable the label is.
            self._order = np.where(is_known, wrong - 1e-6 * given, np.nan)
            self._by_class = shares

    def _finding(self, place: int) -> Finding:
        image, shares, target = self._images[place], self._shares[place], self._targets[place]
        values = {"probability": round(float(self._suspicion[place]), 6)}
        chance = chance_text(float(self._suspicion[place]))
        if self._is_multilabel:
            index = int(self._by_class[place].argmax())
            name, is_there = self.class_names[index], bool(target[index] > 0)
            kind = PUT_IN if is_there else LEFT_OUT
            if is_there:
                reason = f"Labelled “{name}”, but does not look like it: wrong with a probability of {chance}."
            else:
                reason = f"Looks like “{name}”, but is not labelled so: wrong with a probability of {chance}."
            suggested, doubted = ("", name) if is_there else (name, "")
        else:
            own = int(target.argmax())
            index = int(np.where(target > 0, -1.0, shares).argmax())
            kind, suggested = WRONG, self.class_names[index]
            label = doubted = self.class_names[own]
            reason = f"Labelled “{label}”, but looks more like “{suggested}”: wrong with a probability of {chance}."
            values |= {"given": round(float(shares[own]), 6), "suggested": round(float(shares[index]), 6)}
        return Finding(
            image_id=image.image_id,
            sha256=image.sha256,
            score=round(float(self._suspicion[place]), 6),
            kind=kind,
            reason=reason,
            suggested=suggested,
            doubted=doubted,
            values=values,
        )


def chance_text(score: float) -> str:
    """Return a score as people read it; nothing is said to be wrong for certain."""
    return f"{min(score, 0.99):.0%}"


def _names(image: SnapshotImage, images: Snapshot) -> tuple[str, ...]:
    return tuple(images.class_names[index] for index in image.labels)


def _is_same(before: np.ndarray | None, after: np.ndarray | None) -> bool:
    return before is after if before is None or after is None else np.array_equal(before, after)


def _agreement(logits: np.ndarray, targets: np.ndarray, is_multilabel: bool) -> float:
    if not len(targets):
        return 0.0
    if is_multilabel:
        return float(((logits > 0) == (targets > 0)).mean())
    return float((logits.argmax(axis=1) == targets.argmax(axis=1)).mean())


def _stopped() -> StoppedError:
    return StoppedError("The labels were not compared.", "Start again when you like.")
