"""The text of a recommendation: one sentence, its evidence, and the conditions for another one."""

from collections.abc import Iterator

import numpy as np

from models.catalog import known_backbone
from models.messages import Message, sentences
from visionft.advice.choice import WORTH, best_free, best_trained, is_worth
from visionft.advice.learning_curve import Gain
from visionft.advice.recommend import Recommendation
from visionft.amounts import rough_duration_text
from visionft.project.names import count_of


def sentence(found: Recommendation) -> str:
    best, more = found.recommended, found.curve.best_gain
    free, trained = best_free(found.rows), best_trained(found.rows)
    low, high = best.top1_interval or (0.0, 1.0)
    values = {"what": best.title, "share": f"{best.top1 or 0.0:.0%}", "low": f"{low:.0%}", "high": f"{high:.0%}"}
    if not best.is_unseen:
        return Message("Use “{what}”: nothing is expected to be clearly better.", **values)
    if best.kind == "run":
        return Message(
            "Use “{what}”, accuracy {share} ({low} to {high}): nothing is expected to be clearly better.", **values
        )
    if best.kind == "trained":
        words = Message("Train with “{what}”: an accuracy of about {share} is expected ({low} to {high}).", **values)
        if free is None:
            return words
        gain = _points(best.expected - free.expected)
        return sentences(words, Message("That is {gain} points more than “{other}”.", gain=gain, other=free.title))
    words = Message("Do not train: use “{what}”, accuracy {share} ({low} to {high}).", **values)
    if trained is None:
        return words
    gain = trained.expected - best.expected
    label = _more_labels(more) if more.gain >= WORTH > gain else ""
    return sentences(words, Message("Training would gain {gain} points.", gain=_points(gain)), label)


def evidence(found: Recommendation) -> Iterator[str]:
    known = known_backbone(found.backbone)
    yield Message(
        "Without training: {counted}, each held out in turn, with the features of {network}.",
        counted=count_of(found.curve.labels, "labelled image"),
        network=known.title if known is not None else found.backbone,
    )
    if found.problem:
        yield found.problem
    elif not any(each.kind != "free" for each in found.rows):
        yield Message("Training is left out: with so few images it varies more than it gains.")
    for each in found.rows:
        if not each.is_unseen:
            yield Message(
                "The accuracy of “{what}” is that of the {counted} that chose it: likely too high.",
                what=each.title,
                counted=count_of(each.images, "validation image"),
            )
        if abs(each.expected - (each.top1 or 0.0)) >= WORTH / 2:
            yield Message(
                "“{what}” has an accuracy of {share} on {counted}; so few prove little, {more} is expected.",
                what=each.title,
                share=f"{each.top1 or 0.0:.1%}",
                counted=count_of(each.images, "image"),
                more=f"{each.expected:.1%}",
            )
    if (trial := found.trial) is not None:
        yield Message(
            "Two short trial runs, each on half of the images: {right} of {images} "
            "held-out images are right after training, {probe} without.",
            right=f"{trial.both_right + trial.only_run:,}",
            images=f"{trial.images:,}",
            probe=f"{trial.both_right + trial.only_probe:,}",
        )
    elif best_trained(found.rows) is not None:
        yield Message(
            "With training: a forecast from other data sets with about {images} images a class; yours may differ.",
            images=f"{found.train_images / max(1, found.curve.classes):,.0f}",
        )


def conditions(found: Recommendation) -> Iterator[str]:
    best, twice = found.recommended, found.curve.ahead[0]
    refused = [each for each in found.rows if each.refusal]
    beyond = max(refused, key=lambda each: each.expected, default=None)
    if beyond is not None and is_worth(best.expected, beyond.expected):
        yield Message(
            "“{what}” is expected to gain {gain} points. {refusal}",
            what=beyond.title,
            gain=_points(beyond.expected - best.expected),
            refusal=beyond.refusal,
        )
    yield _more_labels(found.curve.best_gain)
    yield Message(
        "With {labels} labels an accuracy of about {share} is expected without training ({low} to {high}).",
        labels=f"{twice.labels:,}",
        share=f"{twice.accuracy:.0%}",
        low=f"{twice.low:.0%}",
        high=f"{twice.high:.0%}",
    )
    if found.trial_s is not None:
        takes = rough_duration_text(found.trial_s)
        yield Message(
            "Two short trial runs, about {time}, would measure the gain from training on your images.", time=takes
        )


def _more_labels(more: Gain) -> Message:
    values = {"added": f"{more.added:,}", "name": more.class_name}
    values |= {name: _points(getattr(more, name)) for name in ("gain", "low", "high")}
    if more.class_name:
        return Message("{added} more labels of “{name}” would gain {gain} points ({low} to {high}).", **values)
    return Message("{added} more labels would gain {gain} points ({low} to {high}).", **values)


def _points(share: float) -> str:
    return f"{np.round(100 * share, 1) + 0.0:.1f}"  # no minus before a zero
