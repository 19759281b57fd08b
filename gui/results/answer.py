"""What a run is worth, in a sentence, how far to believe it, and why it is not known. No widgets, no state."""

from typing import TYPE_CHECKING

from gui.kit.i18n import tr
from visionft.curation.leaks.honest_accuracy import HonestAccuracy
from visionft.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from gui.kit.workers import Failure

FEW = 20  # up to so many pictures are counted; more are told as a share in small numbers
LONGEST_NAME = 40
_USUAL = {(2 * tenths, 20): (tenths, 10) for tenths in range(1, 10)} | {(5, 20): (1, 4), (15, 20): (3, 4)}
SAYS_NOTHING, IS_UNCERTAIN = 0.4, 0.12  # from these widths of the 95 % interval on


def sentence(found: StoredEvaluation) -> str:
    """Return how often a run is right, and what it mixes up most: `Right for 9 of 10 pictures; ...`."""
    start = _right_words(found.top1, found.images, of_labels=found.is_multilabel)
    mistake = _mistake_words(found)
    return f"{start}; {mistake}" if mistake else start


def sentence_of_run(run: RunSummary) -> str:
    """Return how often a run was right when it was validated: what is known before it is measured."""
    if run.best is None:
        return ""
    if run.best.val_accuracy is None:
        return tr("Not validated: no labelled picture is for validation")
    return tr("Right for {share} of the validation pictures", share=f"{run.best.val_accuracy:.0%}")


def _right_words(share: float, count: int, *, of_labels: bool) -> str:
    right, of = _fraction(share, count)
    if not right:
        return tr("Right for none of {of} pictures", of=f"{of:,}")
    if right == of:
        return tr("Right for all {of} pictures", of=f"{of:,}") if of > 1 else tr("Right for the only picture")
    words = "Every label right for {right} of {of} pictures" if of_labels else "Right for {right} of {of} pictures"
    return tr(words, right=f"{right:,}", of=f"{of:,}")


def _fraction(share: float, count: int) -> tuple[int, int]:
    """Return a share in the smallest usual numbers that are not off by more than 2.5 points, nor all, nor none."""
    right = round(share * count)
    if count > FEW and 0 < right < count:
        for whole in (20, 100, 1000):
            part = round(share * whole)
            if 0 < part < whole:
                return _USUAL.get((part, whole), (part, whole))
    return right, count


def _mistake_words(found: StoredEvaluation) -> str:
    if found.is_multilabel:
        return _missed_words(found)
    pair, wrong = found.worst_pair(), sum(not each.is_right for each in found.predictions)
    if pair is None:
        return ""
    times = found.confusion[pair[0]][pair[1]]
    if times == 1 and wrong > 1:
        return tr("no two classes are mixed up more than once")
    if sum(line.count(times) for line in _mistakes(found.confusion)) > 1:
        return tr("no mistake stands out")
    words = "{name} is taken for {said} most often" if times > 1 else "the one mistake: {name} taken for {said}"
    return tr(words, name=named(found.class_names[pair[0]]), said=named(found.class_names[pair[1]]))


def _mistakes(confusion: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    """Return the counts without those on the diagonal."""
    return [line[:place] + line[place + 1 :] for place, line in enumerate(confusion)]


def _missed_words(found: StoredEvaluation) -> str:
    """Return which class of several a picture is missed, or wrongly found, most often."""
    faults = [
        (count, place, words)
        for place, (_, false, missed, _) in enumerate(found.confusion)
        for count, words in ((missed, "{name} is missed most often"), (false, "{name} is wrongly found most often"))
    ]
    count, place, words = max(faults, default=(0, 0, ""), key=lambda fault: fault[0])
    return tr(words, name=named(found.class_names[place])) if count else ""


def changed_words(relabelled: int, *, is_old: bool) -> str:
    """Return what changed since a run was measured; empty for nothing.

    Args:
        relabelled: Pictures that have another label than when they were asked.
        is_old: Whether the run answers by the labels of now, and those it remembers are others than it was measured by.
    """
    if is_old:
        return tr("measured before labels changed")
    return tr("{count} pictures have other labels now", count=f"{relabelled:,}") if relabelled else ""


def missing_words(
    run: RunSummary, failure: "Failure | None", *, is_begun: bool, is_training: bool
) -> tuple[str, str, str]:
    """Return title, words and button of what stands in for a run that is not measured.

    Args:
        run: The run.
        failure: Why its measurement ended without a result, if it did.
        is_begun: Whether it is being measured.
        is_training: Whether some run trains.
    """
    if is_begun:
        words = "Which classes it takes for which, and its worst mistakes, will show here."
        return tr("Being measured"), tr(words), ""
    if not run.has_weights:
        words = "The weights of this run were deleted, so it cannot be evaluated. Its curves and settings remain."
        return tr("Not evaluated, and no weights"), tr(words), ""
    if failure is not None:
        return tr("Not measured"), f"{tr(failure.message)} {tr(failure.hint)}".strip(), tr("Try again")
    if run.is_going:
        return tr("Still training"), tr("It is measured when the training has ended."), ""
    if is_training:
        words = "A run is training; this one is measured when that has ended."
        return tr("Not measured yet"), tr(words), tr("Measure now")
    return tr("Not measured yet"), tr("Measuring begins in a moment."), ""


def meaning(found: StoredEvaluation, honest: HonestAccuracy | None = None) -> str:
    """Return how far the sentence can be believed: little, where few pictures were measured, or where they were known.

    Args:
        found: What was measured.
        honest: The same without the pictures whose partners were trained on; None where there are none.
    """
    certainty = _certainty(found) if honest is None else _certainty_with_leaks(honest)
    return " ".join(filter(None, (certainty, _one_sided(found))))


def _certainty_with_leaks(honest: HonestAccuracy) -> str:
    """Return what to expect on new pictures, of which no partner is among those of training."""
    if honest.without is None or honest.without_interval is None:
        words = "All of them leak: what belongs together with them was trained on. What it is worth is not known."
        return tr(words)
    low, high = honest.without_interval
    words = (
        "{count} of them leak: what belongs together with them was trained on. Without them {share} are right; "
        "on new ones expect {low} to {high}."
    )
    return tr(words, count=f"{honest.leaked:,}", share=f"{honest.without:.0%}", low=f"{low:.0%}", high=f"{high:.0%}")


def _certainty(found: StoredEvaluation) -> str:
    low, high = found.top1_interval
    values = {"count": f"{found.images:,}", "low": f"{low:.0%}", "high": f"{high:.0%}"}
    if high - low >= SAYS_NOTHING:
        words = "Too few pictures to tell: with {count}, anything from {low} to {high} right is possible on new ones."
    elif high - low >= IS_UNCERTAIN:
        words = "Uncertain: only {count} pictures were measured. On new ones expect {low} to {high} right."
    else:
        words = "Measured on {count} pictures. On new ones like these expect {low} to {high} right."
    return tr(words, **values)


def _one_sided(found: StoredEvaluation) -> str:
    """Return what else speaks against the figure: classes that are not among the pictures, or one that rules them."""
    present = [score for score in found.scores if score.support]
    if len(present) == 1 and len(found.scores) > 1:
        words = "All of them are {name}, so whether it tells classes apart is not known."
        return tr(words, name=named(present[0].name))
    missing = len(found.scores) - len(present)
    if missing:
        return tr("{count} of its classes have no picture here.", count=f"{missing:,}")
    largest = max(present, key=lambda score: score.support, default=None)
    if largest is not None and not found.is_multilabel and found.top1 <= largest.support / max(1, found.images):
        return tr("Always saying {name} would be right as often.", name=named(largest.name))
    return ""


def named(name: str) -> str:
    """Return a class's name for a sentence: in quotes, shortened, and kept apart from words of the other direction."""
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return tr("“{name}”", name=f"\u2068{shown}\u2069")
