"""The leaderboard and the cost of a run in words. No widgets, no state."""

from typing import Any

from gui.kit.translation import tr
from models.messages import Message
from visionft.amounts import duration_text, memory_text, size_text
from visionft.evaluation.leaderboard import REASONS, ComparedModel, Leaderboard
from visionft.evaluation.run_cost import RunCost
from visionft.training.runs.run_titles import method_title

NONE = "–"
_LAST = float("inf")  # unknown values sort last
_SHORT_REASONS = {
    "other_images": Message("other images"),
    "other_labels": Message("other labels"),
    "other_classes": Message("lacks classes"),
    "unmeasured": Message("not evaluated"),
    "no_weights": Message("no weights"),
    "no_checkpoint": Message("no checkpoint"),
    "trained_on": Message("trained on these"),
}


def sentence(board: Leaderboard) -> str:
    """Return the best run, and the number of others without a significant difference to it."""
    best = board.best
    if best is None or best.top1 is None:
        return tr("None of the runs was evaluated on these images yet.")
    words = Message("{title} has the highest accuracy: {share}.")
    if board.split == "val":
        words = Message("{title} has the highest validation accuracy: {share}.")
    start = tr(words, title=best.title, share=f"{best.top1:.1%}")
    tied = sum(each.is_tied for each in board.ranked)
    others = len(board.ranked) - 1
    words = tr("Its difference to {count} of {others} others is not significant.", count=tied, others=others)
    if not others:
        return start
    if not tied:
        words = tr("Its difference to each of the others is significant.")
    elif tied == others:
        words = tr("Its difference to the others is not significant.")
    return f"{start} {words}"


def facts(board: Leaderboard) -> str:
    parts = [
        tr("{count} labelled image, the same for all", "{count} labelled images, the same for all", count=board.images)
    ]
    if board.split == "val":
        parts.append(tr("used to choose trained runs: likely too high for them"))
    if unmeasured := len(board.unmeasured):
        parts.append(tr("{count} run to measure", "{count} runs to measure", count=unmeasured))
    return " · ".join(parts)


def cost_parts(cost: RunCost) -> list[str]:
    parts: list[str] = []
    if (share := cost.trainable_share) is not None:  # small ones keep their first digit
        words = f"{share:.0%}" if share >= 0.1 else f"{share:.1%}" if share >= 0.001 else f"{share:.2%}"
        parts.append(tr("{share} of it trained", share=words))
    if cost.seconds is not None:
        parts.append(tr("made in {time}", time=duration_text(cost.seconds)))
    if cost.memory_mb is not None:
        parts.append(tr("{size} of memory", size=memory_text(cost.memory_mb)))
    if cost.time is not None:
        parts.append(tr("{ms} ms an image", ms=number(cost.time.median_ms)))
    if cost.shipped_bytes is not None:
        parts.append(tr("{size} to ship", size=size_text(cost.shipped_bytes)))
    if cost.drift is not None:
        parts.append(tr("feature drift {drift}", drift=f"{cost.drift:.3f}" if cost.drift else "0"))
    if (head := cost.earlier_head) is not None:
        parts.append(
            tr(
                "accuracy of the head of {run}: {now}, before {before}",
                run=head.run,
                now=f"{head.accuracy:.1%}",
                before=f"{head.accuracy_before:.1%}",
            )
        )
    return parts


def cost_tip(cost: RunCost) -> str:
    """Return the cost of a run, a fact a line, with the device and method of the measurement."""
    lines = cost_parts(cost)
    if cost.trained_bytes is not None:
        lines.append(tr("{size} of trained parameters", size=size_text(cost.trained_bytes)))
    if cost.time is not None:
        words = Message("Timed in PyTorch (fp32) from decoded pixels, one image at a time: {device}")
        lines.append(tr(words, device=cost.time.device))
    return "\n".join(lines)


def number(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 20 else f"{milliseconds:.1f}".removesuffix(".0")


def rank(row: ComparedModel) -> str:
    """Return the rank; runs without a significant difference to the best are marked."""
    if row.rank is None:
        return NONE
    return f"{row.rank} ≈" if row.is_tied else str(row.rank)


def difference(row: ComparedModel) -> str:
    """Return the difference to the best in points, or the reason for a missing rank."""
    if row.to_best is None:
        return tr("the best") if row.rank == 1 else tr(_SHORT_REASONS.get(row.state, ""))
    points = f"{100 * row.to_best.difference:+.1f}".replace("-", "−")
    return tr("{points}, not significant", points=points) if row.is_tied else points


def name(row: ComparedModel) -> str:
    """Return the title with the method, and whether the model predicts from the current labels."""
    title = method_title(row.method)
    method = "" if title in row.title else tr(title)
    return " · ".join(filter(None, (tr(row.title), method, tr("current labels") if row.is_live else "")))


def tip(row: ComparedModel) -> str:
    lines = [name(row), row.run]
    if row.state != "measured":
        lines.append(tr(REASONS[row.state]))
    if (found := row.to_best) is not None:
        low, high = (f"{100 * each:+.1f}".replace("-", "−") for each in found.interval)
        words = Message("Against the best: {won} images correct that it has wrong, {lost} the other way.")
        lines.append(tr(words, won=f"{found.won:,}", lost=f"{found.lost:,}"))
        words = Message("Difference between {low} and {high} points (95 %), p = {p}, corrected for all comparisons.")
        lines.append(tr(words, low=low, high=high, p=f"{found.p_value:.3f}"))
    return "\n".join(lines)


def cells(row: ComparedModel, order: int) -> list[tuple[str, Any]]:
    """Return a row of the table, the one at place `order`: the text and the sort key of each cell."""
    cost, ms = row.cost, row.milliseconds
    time = f"{number(ms)} ms" if ms is not None else tr("elsewhere") if cost.time is not None else NONE
    return [
        (rank(row), order),
        (name(row), row.title.casefold()),
        ("" if row.top1 is None else f"{row.top1:.1%}", -1.0 if row.top1 is None else row.top1),
        (difference(row), order),
        (NONE if row.balanced_accuracy is None else f"{row.balanced_accuracy:.1%}", row.balanced_accuracy or -1.0),
        (NONE if row.ece is None else f"{row.ece:.3f}", _known(row.ece)),
        (NONE if cost.seconds is None else duration_text(cost.seconds), _known(cost.seconds)),
        (time, _known(ms)),
        (NONE if cost.shipped_bytes is None else size_text(cost.shipped_bytes), _known(cost.shipped_bytes)),
        (NONE if cost.trained_bytes is None else size_text(cost.trained_bytes), _known(cost.trained_bytes)),
    ]


def _known(value: float | None) -> float:
    return _LAST if value is None else value
