"""The scoreboard and the price of a run in words. No widgets, no state."""

from collections.abc import Sequence
from typing import Any

from gui.kit.i18n import tr
from visionft.amounts import duration_text, memory_text, size_text
from visionft.evaluation.price import OldHead, Price
from visionft.evaluation.scoreboard import WHY, Scoreboard, Standing

NONE = "–"
_LAST = float("inf")  # what is not known sorts behind what is


def sentence(board: Scoreboard) -> str:
    """Return who is right most often, and how many others may be as good."""
    best = board.best
    if best is None or best.top1 is None:
        return tr("None of the runs was measured on these pictures yet.")
    start = tr("{title} is right most often: {share}.", title=best.title, share=f"{best.top1:.1%}")
    tied = sum(each.is_tied for each in board.placed)
    others = len(board.placed) - 1
    if not others:
        return start
    if not tied:
        return f"{start} {tr('Its lead over each of the others is more than luck.')}"
    if tied == others:
        return f"{start} {tr('Whether any of the others is worse cannot be told from so few pictures.')}"
    words = tr("{count} of {others} others may be as good: the difference can be luck.", count=tied, others=others)
    return f"{start} {words}"


def facts(board: Scoreboard) -> str:
    """Return what the figures stand on."""
    parts = [tr("{count} labelled pictures, the same for all", count=f"{board.pictures:,}")]
    if left := len(board.to_measure):
        parts.append(tr("{count} runs to measure", count=left))
    return " · ".join(parts)


def short_price(price: Price) -> str:
    """Return the price of a run in a line; empty where nothing of it is known."""
    return " · ".join(_parts(price))


def _parts(price: Price) -> list[str]:
    parts: list[str] = []
    if price.trainable_share is not None:
        parts.append(tr("{share} of it learnt", share=share_text(price.trainable_share)))
    if price.seconds is not None:
        parts.append(tr("made in {time}", time=duration_text(price.seconds)))
    if price.memory_mb is not None:
        parts.append(tr("{size} of memory", size=memory_text(price.memory_mb)))
    if price.time is not None:
        parts.append(tr("{ms} ms a picture", ms=number(price.time.median_ms)))
    if price.shipped_bytes is not None:
        parts.append(tr("{size} to ship", size=size_text(price.shipped_bytes)))
    if price.drift is not None:
        parts.append(tr("feature drift {drift}", drift=f"{price.drift:.3f}" if price.drift else "0"))
    return [*parts, *map(old_head, price.old_heads)]


def old_head(head: OldHead) -> str:
    """Return what is left of a head that there was before the run."""
    if head.accuracy is not None and head.accuracy_before is not None:
        values = {"run": head.source, "now": f"{head.accuracy:.1%}", "before": f"{head.accuracy_before:.1%}"}
        return tr("the head of {run} is right for {now}, before for {before}", **values)
    values = {"count": f"{head.classes:,}", "share": f"{head.agreement:.1%}"}
    return tr("the head of {count} pretrained classes says the same for {share}", **values)


def price_tip(price: Price) -> str:
    """Return the price of a run, a fact a line, and where and how it was measured."""
    lines = _parts(price)
    if price.learnt_bytes is not None:
        lines.append(tr("{size} of it were learnt", size=size_text(price.learnt_bytes)))
    if price.time is not None:
        words = "Timed in PyTorch (fp32) from decoded pixels, one picture at a time: {device}"
        lines.append(tr(words, device=price.time.device))
    if price.drift == 0:
        lines.append(tr("Its features came out as those of the untouched network: nothing was forgotten."))
    return "\n".join(lines)


def share_text(share: float) -> str:
    """Return a share of parameters: small ones keep their first digit."""
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}" if share >= 0.001 else f"{share:.2%}"


def number(milliseconds: float) -> str:
    """Return a time with as many digits as mean something."""
    return f"{milliseconds:.0f}" if milliseconds >= 20 else f"{milliseconds:.1f}".removesuffix(".0")


def place(standing: Standing) -> str:
    """Return the place; what may be as good as the best is marked."""
    if standing.place is None:
        return NONE
    return f"{standing.place} ≈" if standing.is_tied else str(standing.place)


def beside(standing: Standing) -> str:
    """Return how far an answerer is from the best, or why it has no place."""
    if standing.beside is None:
        return tr("the best") if standing.place == 1 else tr(_SHORT[standing.state])
    points = f"{100 * standing.beside.difference:+.1f}".replace("-", "−")
    return tr("{points}, perhaps luck", points=points) if standing.is_tied else points


_SHORT = {
    "measured": "",
    "other_pictures": "other pictures",
    "other_knowledge": "other labels",
    "other_classes": "lacks classes",
    "unmeasured": "not measured",
    "no_weights": "no weights",
    "not_made": "not ready",
}


def chips(standing: Standing) -> list[str]:
    """Return what sets an answerer apart from those that were trained and stay as they are."""
    found = [tr("no training")] if standing.is_training_free else []
    return [*found, tr("fresh knowledge")] if standing.is_live else found


def tip(standing: Standing) -> str:
    """Return what a row says when the mouse rests on it."""
    lines = [standing.title, standing.run, *chips(standing)]
    if standing.state != "measured":
        lines.append(tr(WHY[standing.state]))
    if (found := standing.beside) is not None:
        low, high = (f"{100 * each:+.1f}".replace("-", "−") for each in found.interval)
        words = "Beside the best: right where it is wrong {won} times, wrong where it is right {lost} times."
        lines.append(tr(words, won=f"{found.won:,}", lost=f"{found.lost:,}"))
        words = "The difference is between {low} and {high} points (95 %); chance alone: {p} (all comparisons counted)."
        lines.append(tr(words, low=low, high=high, p=f"{found.p_value:.1%}"))
    return "\n".join(lines)


def cells(standings: Sequence[Standing]) -> list[list[tuple[str, Any]]]:
    """Return the rows of the table: what each cell says, and what it sorts by."""
    return [_cells(each, order) for order, each in enumerate(standings)]


def _cells(standing: Standing, order: int) -> list[tuple[str, Any]]:
    price, ms = standing.price, standing.milliseconds
    return [
        (place(standing), order),
        (standing.title, standing.title.casefold()),
        ("" if standing.top1 is None else f"{standing.top1:.1%}", -1.0 if standing.top1 is None else standing.top1),
        (beside(standing), order),
        (_share(standing.balanced_accuracy), standing.balanced_accuracy or -1.0),
        (NONE if standing.ece is None else f"{standing.ece:.3f}", _LAST if standing.ece is None else standing.ece),
        (NONE if price.seconds is None else duration_text(price.seconds), _known(price.seconds)),
        (_time(standing), _known(ms)),
        (NONE if price.shipped_bytes is None else size_text(price.shipped_bytes), _known(price.shipped_bytes)),
        (NONE if price.learnt_bytes is None else size_text(price.learnt_bytes), _known(price.learnt_bytes)),
    ]


def _time(standing: Standing) -> str:
    if standing.milliseconds is not None:
        return f"{number(standing.milliseconds)} ms"
    return tr("elsewhere") if standing.price.time is not None else NONE


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1%}"


def _known(value: float | None) -> float:
    return _LAST if value is None else value
