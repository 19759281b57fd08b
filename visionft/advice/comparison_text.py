"""The comparison of models in words: sentences, costs, and the columns of its table. Torch-free.

`visionft recommend`, `visionft run leaderboard` and the pages Train and Results show these texts and no others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.catalog import known_backbone
from models.messages import Message, sentences
from visionft.advice.choice import WORTH, best_free, best_trained, cheapest, is_worth
from visionft.amounts import duration_text, memory_text, rough_duration_text, size_text
from visionft.evaluation.leaderboard import REASONS, ComparedModel, Leaderboard
from visionft.evaluation.run_cost import EarlierHead, RunCost
from visionft.project.names import count_of
from visionft.training.runs.run_titles import method_title

if TYPE_CHECKING:
    from visionft.advice.learning_curve import Gain
    from visionft.advice.recommend import Recommendation

NONE = "–"
_SHORT_REASONS = {
    "other_images": Message("other images"),
    "other_labels": Message("other labels"),
    "other_classes": Message("lacks classes"),
    "unmeasured": Message("not evaluated"),
    "no_weights": Message("no weights"),
    "no_checkpoint": Message("no checkpoint"),
    "trained_on": Message("trained on these"),
    "held_out": Message("not made yet"),
    "forecast": Message("not trained yet"),
}


def ranking(board: Leaderboard) -> Message:
    """Return the best run, the number of others without a significant difference to it, and the cheapest of them."""
    best = board.best
    if best is None or best.top1 is None:
        return Message("None of the runs was evaluated on these images yet.")
    words = Message("{title} has the highest accuracy: {share}.")
    if board.split == "val":
        words = Message("{title} has the highest validation accuracy: {share}.")
    start = Message(words, title=best.title, share=f"{best.top1:.1%}")
    tied = sum(each.is_tied for each in board.ranked)
    others = len(board.ranked) - 1
    words = Message("Its difference to {count} of {others} others is not significant.", count=tied, others=others)
    if not others:
        return start
    if not tied:
        words = Message("Its difference to each of the others is significant.")
    elif tied == others:
        words = Message("Its difference to the others is not significant.")
    cheap = cheapest(board.ranked)
    last = ""
    if cheap is not None and cheap.run != best.run:
        last = Message("Of these, {title} is the cheapest to use.", title=cheap.title)
    return sentences(start, words, last)


def facts(board: Leaderboard) -> Message:
    """Return what the figures are of, and what is missing."""
    counted = Message(
        "{count} labelled image, the same for all", "{count} labelled images, the same for all", count=board.images
    )
    chose = Message("used to choose trained runs: likely too high for them") if board.split == "val" else ""
    unmeasured = len(board.unmeasured)
    missing = Message("{count} run to measure", "{count} runs to measure", count=unmeasured) if unmeasured else ""
    return sentences(counted, chose, missing, joint=" · ")


def advice(found: "Recommendation") -> Message:
    """Return the recommendation in one sentence or two."""
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


def evidence(found: "Recommendation") -> Iterator[str]:
    """Yield the measurements behind a recommendation."""
    if len(found.ranked) > 1:
        yield ranking(found)
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


def conditions(found: "Recommendation") -> Iterator[str]:
    """Yield what would change a recommendation: other limits, more labels, trial runs."""
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
    if (network := known_backbone(found.stronger)) is not None:
        yield Message(
            "A stronger network may do better: {title}, {size} to fetch, licence {licence}. It can be compared on your "
            "images.",
            title=network.title,
            size=size_text(network.hub_bytes),
            licence=network.licence,
        )
    if found.trial_s is not None:
        takes = rough_duration_text(found.trial_s)
        yield Message(
            "Two short trial runs, about {time}, would measure the gain from training on your images.", time=takes
        )


def _more_labels(more: "Gain") -> Message:
    values = {"added": f"{more.added:,}", "name": more.class_name}
    values |= {name: _points(getattr(more, name)) for name in ("gain", "low", "high")}
    if more.class_name:
        return Message("{added} more labels of “{name}” would gain {gain} points ({low} to {high}).", **values)
    return Message("{added} more labels would gain {gain} points ({low} to {high}).", **values)


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # no minus before a zero


def cost_parts(cost: RunCost) -> list[Message]:
    """Return what is known of the cost of a run, a few words each."""
    parts: list[Message] = []
    if cost.trainable_share is not None:
        parts.append(Message("{share} of it trained", share=_small_share(cost.trainable_share)))
    if cost.seconds is not None:
        parts.append(Message("made in {time}", time=duration_text(cost.seconds)))
    if cost.memory_mb is not None:
        parts.append(Message("{size} of memory", size=memory_text(cost.memory_mb)))
    if cost.time is not None:
        parts.append(Message("{ms} ms an image", ms=_number(cost.time.median_ms)))
    if cost.shipped_bytes is not None:
        parts.append(Message("{size} to ship", size=size_text(cost.shipped_bytes)))
    if cost.drift is not None:
        parts.append(Message("feature drift {drift}", drift=f"{cost.drift:.3f}" if cost.drift else "0"))
    if (head := cost.earlier_head) is not None:
        parts.append(
            Message(
                "accuracy of the head of {run}: {now}, before {before}",
                run=head.run,
                now=f"{head.accuracy:.1%}",
                before=f"{head.accuracy_before:.1%}",
            )
        )
    return parts


def cost_tip(cost: RunCost) -> Message:
    """Return the cost of a run, a fact a line, with the device and method of the measurement."""
    lines = cost_parts(cost)
    if cost.trained_bytes is not None:
        lines.append(Message("{size} of trained parameters", size=size_text(cost.trained_bytes)))
    if cost.time is not None:
        words = Message("Timed in PyTorch (fp32) from decoded pixels, one image at a time: {device}")
        lines.append(Message(words, device=cost.time.device))
    return sentences(*lines, joint="\n")


def tip(model: ComparedModel) -> Message:
    """Return all that is known of a model's place, a fact a line."""
    lines = [_name(model), model.run]
    if model.state != "measured":
        lines.append(REASONS[model.state])
    if model.refusal:
        lines.append(model.refusal)
    if (found := model.to_best) is not None:
        low, high = map(_signed, found.interval)
        words = Message("Against the best: {won} images correct that it has wrong, {lost} the other way.")
        lines.append(Message(words, won=f"{found.won:,}", lost=f"{found.lost:,}"))
        words = Message("Difference between {low} and {high} points (95 %), p = {p}, corrected for all comparisons.")
        lines.append(Message(words, low=low, high=high, p=f"{found.p_value:.3f}"))
    return sentences(*lines, joint="\n")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of models.

    Attributes:
        of: Returns the value of a model, by which rows are sorted; None where it is not known.
        words: Formats such a value.
        shown: Returns the text of a model's cell where it says more than the value.
    """

    title: Message
    of: Callable[[ComparedModel], Any]
    words: Callable[[Any], str] = str
    shown: Callable[[ComparedModel], str] | None = None

    def text(self, model: ComparedModel) -> str:
        """Return the text of a model's cell; a `Message` where it has words."""
        if self.shown is not None:
            return self.shown(model)
        value = self.of(model)
        return NONE if value is None else self.words(value)


def _rank(model: ComparedModel) -> str:
    """Return the rank; runs without a significant difference to the best are marked."""
    if model.rank is None:
        return NONE
    return f"{model.rank} ≈" if model.is_tied else str(model.rank)


def _name(model: ComparedModel) -> Message:
    """Return the title with the method, and where the predictions or the accuracy come from."""
    method = method_title(model.method)
    live = Message("current labels") if model.is_live else ""
    forecast = Message("forecast") if model.kind == "trained" else ""
    return sentences(model.title, "" if method in model.title else method, live, forecast, joint=" · ")


def _accuracy(model: ComparedModel) -> str:
    if model.top1 is None:
        return NONE
    return f"{model.top1:.0%}" if model.kind == "trained" else f"{model.top1:.1%}"  # a forecast is not as sure


def _difference(model: ComparedModel) -> str:
    """Return the difference to the best run in points, or the reason for a missing rank."""
    if model.to_best is None:
        return Message("the best run") if model.rank == 1 else _SHORT_REASONS.get(model.state, NONE)
    points = _signed(model.to_best.difference)
    return Message("{points}, not significant", points=points) if model.is_tied else points


def _made_in(model: ComparedModel) -> str:
    seconds = model.cost.seconds
    if seconds is None:
        return NONE
    if model.kind != "run":
        return Message("about {time}", time=rough_duration_text(seconds))
    reached = model.cost.reached_s
    if reached is None or reached > 0.9 * seconds:
        return duration_text(seconds)
    return Message("{time}, reached after {reached}", time=duration_text(seconds), reached=duration_text(reached))


def _time(model: ComparedModel) -> str:
    if model.milliseconds is not None:
        return _milliseconds(model.milliseconds)
    found = model.cost.time
    return NONE if found is None else Message("{time} elsewhere", time=_milliseconds(found.median_ms))


def _signed(share: float) -> str:
    """Return a difference in points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def _share(share: float) -> str:
    return f"{share:.1%}"


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.1%} – {ends[1]:.1%}"


def _signed_interval(ends: tuple[float, float]) -> str:
    return f"{_signed(ends[0])} – {_signed(ends[1])}"


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _small_share(share: float) -> str:
    """Return a share; small ones keep their first digit."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}" if share >= 0.001 else f"{share:.2%}"


def _three_digits(value: float) -> str:
    return f"{value:.3f}"


def _number(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 20 else f"{milliseconds:.1f}".removesuffix(".0")


def _milliseconds(milliseconds: float) -> str:
    return f"{_number(milliseconds)} ms"


def _head(head: EarlierHead) -> str:
    now, before = f"{head.accuracy:.1%}", f"{head.accuracy_before:.1%}"
    return Message("{run}: {now}, before {before}", run=head.run, now=now, before=before)


RANK = Column(Message("Rank"), lambda each: each.rank, shown=_rank)
NAME = Column(Message("Model"), lambda each: each.title.casefold(), shown=_name)
RUN = Column(Message("Run"), lambda each: each.run or None)
ACCURACY = Column(Message("Accuracy"), lambda each: each.top1, shown=_accuracy)
INTERVAL = Column(Message("95 % interval"), lambda each: each.top1_interval, _interval)
IMAGES = Column(Message("Images"), lambda each: each.images or None, "{:,}".format)
DIFFERENCE = Column(Message("Difference to the best"), lambda each: each.rank, shown=_difference)
DIFFERENCE_INTERVAL = Column(
    Message("95 % interval"), lambda each: each.to_best.interval if each.to_best else None, _signed_interval
)
P_VALUE = Column(Message("p"), lambda each: each.to_best.p_value if each.to_best else None, _p_value)
BALANCED = Column(Message("Balanced accuracy"), lambda each: each.balanced_accuracy, _share)
ECE = Column(Message("ECE"), lambda each: each.ece, _three_digits)
MADE = Column(Message("Time to make"), lambda each: each.cost.seconds, duration_text, _made_in)
TIME = Column(Message("Time per image"), lambda each: each.milliseconds, _milliseconds, _time)
SIZE = Column(Message("Size"), lambda each: each.cost.shipped_bytes, size_text)
TRAINED = Column(Message("Trained"), lambda each: each.cost.trained_bytes, size_text)
MEMORY = Column(Message("Memory"), lambda each: each.cost.memory_mb, memory_text)
TRAINED_SHARE = Column(Message("Trained share"), lambda each: each.cost.trainable_share, _small_share)
DRIFT = Column(Message("Feature drift"), lambda each: each.cost.drift, _three_digits)
HEAD = Column(Message("Earlier head"), lambda each: each.cost.earlier_head, _head)
