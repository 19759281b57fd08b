"""The advice in words: a sentence, what it rests on, and what would change it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.catalog import known_backbone
from visionft.advice.answerers import Answerer, Drawn
from visionft.advice.choosing import WORTH, Limits, gain_over, is_worth
from visionft.advice.learning_curve import Gain, LearningCurve
from visionft.advice.trials import Trial
from visionft.amounts import rough_duration_text
from visionft.project.names import count_of

LEAST = 0.002  # a gain from labels below this is not held up against training


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What there is to tell.

    Attributes:
        found: All answerers.
        chosen: The one that is advised.
        curve: Accuracy over labels.
        trial: The short runs, where there were any.
        trial_s: Seconds that they would take.
        limits: What making may take.
        labels: Pictures that training learns from.
        backbone: Whose features were looked at.
        problem: Why nothing can be trained; empty where something can.
    """

    found: Sequence[Drawn]
    chosen: Drawn
    curve: LearningCurve
    trial: Trial | None
    trial_s: float | None
    limits: Limits
    labels: int
    backbone: str
    problem: str

    @property
    def untrained(self) -> Drawn | None:
        """Return the best of what needs no training."""
        return _best(each for each in self.found if each.answerer.kind == "free" and not each.answerer.refusal)

    @property
    def trained(self) -> Drawn | None:
        """Return the best of what training would give under the limits."""
        return _best(each for each in self.found if each.answerer.is_trained and not each.answerer.refusal)

    @property
    def out_of_reach(self) -> Drawn | None:
        """Return the best of what would be worth more than the advised, were it not for the limits."""
        found = _best(each for each in self.found if each.answerer.refusal)
        is_better = found is not None and is_worth(self.chosen.expected, found.expected)
        return found if is_better else None

    @property
    def labelling(self) -> Gain:
        """Return what gains most from a round number of labels: one class, or all of them."""
        return max((*self.curve.gains, self.curve.spread), key=lambda each: each.gain)


def _best(drawn: Iterator[Drawn]) -> Drawn | None:
    return max(drawn, key=lambda each: each.expected, default=None)


def advice(facts: Facts) -> str:
    """Return what to do, in a sentence."""
    chosen = facts.chosen.answerer
    if chosen.is_trained:
        return _train(facts, chosen)
    title, share, low, high = chosen.title, *_shares(chosen)
    if facts.out_of_reach is not None:
        return f"Use “{title}”, right for {share} ({low} to {high}): what would be better is beyond the limits."
    if chosen.kind == "run":
        return f"Use “{title}”, right for {share} ({low} to {high}): nothing else is expected to be much better."
    if facts.problem:
        return f"Use “{title}”, right for {share} ({low} to {high}): with these labels nothing can be trained yet."
    if facts.trained is None:
        return f"Do not train: use “{title}”, right for {share} ({low} to {high})."
    gain, more = gain_over(facts.trained, facts.chosen)[0], facts.labelling
    if more.gain < WORTH or gain >= WORTH:
        return (
            f"Do not train: “{title}” needs none and is right for {share} ({low} to {high}); training would add "
            f"{_points(gain)} points."
        )
    if not more.class_name:
        return (
            f"Do not train, label: {more.added:,} more labels are worth {_points(more.gain)} points, training "
            f"{_points(gain)}."
        )
    return (
        f"Do not train, label: {more.added:,} more of “{more.class_name}” are worth {_points(more.gain)} points, "
        f"training {_points(gain)}."
    )


def _train(facts: Facts, chosen: Answerer) -> str:
    title, share, low, high = chosen.title, *_shares(chosen)
    before = _best(each for each in facts.found if not each.answerer.is_trained and not each.answerer.refusal)
    if before is None:
        return f"Train, with “{title}”: about {share} right is expected ({low} to {high})."
    gain = _points(gain_over(facts.chosen, before)[0])
    if before.answerer.kind == "run":
        return (
            f"Train, with “{title}”: about {share} right is expected ({low} to {high}), {gain} points more than "
            f"“{before.answerer.title}” has."
        )
    return (
        f"Train, with “{title}”: about {share} right is expected ({low} to {high}), {gain} points more than without "
        "training."
    )


def evidence(facts: Facts) -> tuple[str, ...]:
    """Return what the advice rests on."""
    return tuple(_evidence(facts))


def _evidence(facts: Facts) -> Iterator[str]:
    known = known_backbone(facts.backbone)
    network = known.title if known is not None else facts.backbone
    labelled = count_of(facts.curve.labels, "labelled picture")
    yield f"Without training: {labelled}, each held out in turn, as {network} sees them."
    if facts.problem:
        yield facts.problem
    elif not any(each.answerer.is_trained or each.answerer.kind == "run" for each in facts.found):
        yield "Training is left out: with so few pictures it varies more than it gains."
    if facts.trial is not None:
        trial = facts.trial
        run, probe = trial.both_right + trial.only_run, trial.both_right + trial.only_probe
        yield (
            f"Two short trials, each on half of the pictures: {run:,} of {trial.pictures:,} others are right after "
            f"training, {probe:,} without."
        )
    elif facts.trained is not None:
        a_class = facts.labels / max(1, facts.curve.classes)
        yield (
            f"With training: a forecast from what it gives on other sets with about {a_class:,.0f} pictures a class; "
            "on yours it may be another."
        )


def change(facts: Facts) -> tuple[str, ...]:
    """Return what would change the advice."""
    return tuple(_change(facts))


def _change(facts: Facts) -> Iterator[str]:
    if (beyond := facts.out_of_reach) is not None:
        gain = _points(gain_over(beyond, facts.chosen)[0])
        yield f"“{beyond.answerer.title}” is expected to add {gain} points. {beyond.answerer.refusal}"
    yield _labelling(facts)
    twice = facts.curve.ahead[0]
    yield (
        f"With {twice.labels:,} labels about {twice.accuracy:.0%} right is expected without training "
        f"({twice.low:.0%} to {twice.high:.0%})."
    )
    if facts.trial_s is not None and facts.trial is None:
        takes = rough_duration_text(facts.trial_s)
        yield f"Two short trials, about {takes}, would tell what training adds on your pictures."


def _labelling(facts: Facts) -> str:
    """Return what more labels would add, beside what training would."""
    more, free = facts.labelling, facts.untrained
    best = _best(each for each in facts.found if each.answerer.is_trained)
    training = gain_over(best, free)[0] if best is not None and free is not None else 0.0
    added, name, gain, low, high = f"{more.added:,}", more.class_name, *map(_points, (more.gain, more.low, more.high))
    if more.gain <= max(training, LEAST):
        if not name:
            return f"{added} more labels would add {gain} points ({low} to {high})."
        return f"{added} more of “{name}” would add {gain} points ({low} to {high})."
    if not name:
        return f"{added} more labels would add {gain} points ({low} to {high}), more than a larger network or training."
    return (
        f"{added} more of “{name}” would add {gain} points ({low} to {high}), more than a larger network or training."
    )


def _shares(answerer: Answerer) -> tuple[str, str, str]:
    return f"{answerer.accuracy:.0%}", f"{answerer.low:.0%}", f"{answerer.high:.0%}"


def _points(share: float) -> str:
    value = np.round(100 * share, 1) + 0.0  # no minus before a zero
    return f"{value:.1f}"
