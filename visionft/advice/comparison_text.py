"""The comparison of models in words: sentences, costs, and the columns of its table. Torch-free.

`visionft run leaderboard` and the page Results show these texts and no others.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.messages import Message, sentences
from visionft.amounts import duration_text, memory_text, size_text
from visionft.evaluation.leaderboard import REASONS, ComparedModel, Leaderboard
from visionft.evaluation.run_cost import EarlierHead, RunCost
from visionft.training.runs.run_titles import method_title

NONE = "–"
_LARGEST_LOSS = 0.01  # of accuracy, for a cheaper run
_SHORT_REASONS = {
    "other_images": Message("other images"),
    "other_labels": Message("other labels"),
    "other_classes": Message("lacks classes"),
    "unmeasured": Message("not evaluated"),
    "no_weights": Message("no weights"),
    "no_checkpoint": Message("no checkpoint"),
    "trained_on": Message("trained on these"),
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
    cheap = _cheapest(board.ranked)
    last = ""
    if cheap is not None and cheap.run != best.run:
        last = Message("Of these, {title} is the cheapest to use.", title=cheap.title)
    return sentences(start, words, last)


def _cheapest(models: Sequence[ComparedModel]) -> ComparedModel | None:
    """Return the run to use of those that share the first rank: the cheapest. None without a ranked run.

    The cheapest has the lowest time per image, then the smallest size; an unknown cost counts as the highest. One that
    is a point or more below the best is left out: 6 of 10 images are not significantly less than 9 of 10 (p = .25).
    """
    first = [each for each in models if each.rank == 1]
    best = max((each.top1 or 0.0 for each in first), default=0.0)
    near = [each for each in first if round(best - (each.top1 or 0.0), 6) < _LARGEST_LOSS]
    return min(near, key=_cost, default=None)


def _cost(run: ComparedModel) -> tuple[float, float, float]:
    time, size = run.milliseconds, run.cost.shipped_bytes
    return math.inf if time is None else time, math.inf if size is None else size, -(run.top1 or 0.0)


def facts(board: Leaderboard) -> Message:
    """Return what the figures are of, and what is missing."""
    counted = Message(
        "{count} labelled image, the same for all", "{count} labelled images, the same for all", count=board.images
    )
    chose = Message("used to choose trained runs: likely too high for them") if board.split == "val" else ""
    unmeasured = len(board.unmeasured)
    missing = Message("{count} run to measure", "{count} runs to measure", count=unmeasured) if unmeasured else ""
    return sentences(counted, chose, missing, joint=" · ")


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
    """Return the title with the method, and where the predictions come from."""
    method = method_title(model.method)
    live = Message("current labels") if model.is_live else ""
    return sentences(model.title, "" if method in model.title else method, live, joint=" · ")


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
ACCURACY = Column(Message("Accuracy"), lambda each: each.top1, _share)
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
