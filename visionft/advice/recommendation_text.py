"""The text of a recommendation: one sentence, its evidence, and the conditions for another one."""

from collections.abc import Iterator

import numpy as np

from models.catalog import known_backbone
from models.messages import Message
from visionft.advice.recommend import WORTH, Recommendation, best_free, best_trained, is_worth
from visionft.amounts import rough_duration_text
from visionft.project.names import count_of


def sentence(found: Recommendation) -> str:
    best, more = found.best, found.curve.best_gain
    free, trained = best_free(found.candidates), best_trained(found.candidates)
    shares = {"share": f"{best.accuracy:.0%}", "low": f"{best.low:.0%}", "high": f"{best.high:.0%}"}
    values = {"what": best.title, **shares}
    if best.is_trained:
        if free is None:
            return Message("Train with “{what}”: an accuracy of about {share} is expected ({low} to {high}).", **values)
        values["gain"] = _points(best.expected - free.expected)
        if free.kind == "run":
            return Message(
                "Train with “{what}”: an accuracy of about {share} is expected ({low} to "
                "{high}), {gain} points more than that of “{other}”.",
                **values,
                other=free.title,
            )
        return Message(
            "Train with “{what}”: an accuracy of about {share} is expected ({low} to "
            "{high}), {gain} points more than without training.",
            **values,
        )
    if best.kind == "run":
        return Message(
            "Use “{what}”, accuracy {share} ({low} to {high}): nothing is expected to be clearly better.", **values
        )
    if trained is None:
        return Message("Do not train: use “{what}”, accuracy {share} ({low} to {high}).", **values)
    gain = trained.expected - best.expected
    if more.gain < WORTH or gain >= WORTH:
        return Message(
            "Do not train: “{what}” has an accuracy of {share} ({low} to {high}); training would gain {gain} points.",
            **values,
            gain=_points(gain),
        )
    values = {"added": f"{more.added:,}", "gain": _points(more.gain), "other": _points(gain)}
    if not more.class_name:
        return Message("Do not train, label: {added} more labels would gain {gain} points, training {other}.", **values)
    return Message(
        "Do not train, label: {added} more labels of “{name}” would gain {gain} points, training {other}.",
        **values,
        name=more.class_name,
    )


def evidence(found: Recommendation) -> Iterator[str]:
    known = known_backbone(found.backbone)
    yield Message(
        "Without training: {counted}, each held out in turn, with the features of {network}.",
        counted=count_of(found.curve.labels, "labelled image"),
        network=known.title if known is not None else found.backbone,
    )
    if found.problem:
        yield found.problem
    elif not any(each.is_trained or each.kind == "run" for each in found.candidates):
        yield Message("Training is left out: with so few images it varies more than it gains.")
    for run in found.candidates:
        if abs(run.expected - run.accuracy) >= WORTH / 2:
            yield Message(
                "“{what}” has an accuracy of {share} on {counted}; together with the "
                "measurement of its method, {more} is expected.",
                what=run.title,
                share=f"{run.accuracy:.1%}",
                counted=count_of(run.images, "validation image"),
                more=f"{run.expected:.1%}",
            )
    if (trial := found.trial) is not None:
        yield Message(
            "Two short trial runs, each on half of the images: {right} of {images} "
            "held-out images are right after training, {probe} without.",
            right=f"{trial.both_right + trial.only_run:,}",
            images=f"{trial.images:,}",
            probe=f"{trial.both_right + trial.only_probe:,}",
        )
    elif best_trained(found.candidates) is not None:
        yield Message(
            "With training: a forecast from other data sets with about {images} images a class; yours may differ.",
            images=f"{found.train_images / max(1, found.curve.classes):,.0f}",
        )


def conditions(found: Recommendation) -> Iterator[str]:
    best = found.best
    refused = [each for each in found.candidates if each.refusal]
    beyond = max(refused, key=lambda each: each.expected, default=None)
    if beyond is not None and is_worth(best.expected, beyond.expected):
        yield Message(
            "“{what}” is expected to gain {gain} points. {refusal}",
            what=beyond.title,
            gain=_points(beyond.expected - best.expected),
            refusal=beyond.refusal,
        )
    more, twice = found.curve.best_gain, found.curve.ahead[0]
    values = {name: _points(getattr(more, name)) for name in ("gain", "low", "high")} | {"added": f"{more.added:,}"}
    if more.class_name:
        yield Message(
            "{added} more labels of “{name}” would gain {gain} points ({low} to {high}).",
            **values,
            name=more.class_name,
        )
    else:
        yield Message("{added} more labels would gain {gain} points ({low} to {high}).", **values)
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


def _points(share: float) -> str:
    return f"{np.round(100 * share, 1) + 0.0:.1f}"  # no minus before a zero
