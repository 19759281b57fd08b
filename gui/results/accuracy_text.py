"""The accuracy of a run in words, its uncertainty, or the reason for a missing evaluation. No widgets, no state."""

from gui.kit.translation import tr
from gui.kit.workers import Failure
from models.messages import Message
from visionft.curation.leaks.leak_free_accuracy import LeakFreeAccuracy
from visionft.evaluation.stored import StoredEvaluation
from visionft.evaluation.unseen import seen_words
from visionft.training.runs.run_folder import RunSummary

LONGEST_NAME = 40
UNCERTAIN = 0.12  # from this width of the 95 % interval on


def sentence(found: StoredEvaluation, *, is_unseen: bool) -> str:
    """Return the accuracy of a run with its interval, and its most frequent confusion."""
    low, high = found.top1_interval
    words = Message("Accuracy {share} ({low} to {high}) on {count} images")
    if found.is_multilabel:
        words = Message("All labels correct for {share} ({low} to {high}) of {count} images")
    start = tr(words, share=f"{found.top1:.1%}", low=f"{low:.0%}", high=f"{high:.0%}", count=f"{found.images:,}")
    start = start if is_unseen else tr(seen_words(found))
    confusion = _missed_words(found) if found.is_multilabel else _confusion_words(found)
    return f"{start}; {confusion}" if confusion else start


def _confusion_words(found: StoredEvaluation) -> str:
    pair = found.worst_pair()
    if pair is None:
        return ""
    counts = [each for row, line in enumerate(found.confusion) for place, each in enumerate(line) if row != place]
    if counts.count(max(counts)) > 1:
        return tr("no confusion is more frequent than the others")
    words = Message("{name} is most often confused with {other}")
    return tr(words, name=quoted(found.class_names[pair[0]]), other=quoted(found.class_names[pair[1]]))


def _missed_words(found: StoredEvaluation) -> str:
    """Return the class most often missed or wrongly assigned, for several labels per image."""
    errors: list[tuple[int, int, str]] = []
    for place, (_, false, missed, _) in enumerate(found.confusion):
        errors.append((missed, place, Message("{name} is missed most often")))
        errors.append((false, place, Message("{name} is wrongly assigned most often")))
    count, place, words = max(errors, default=(0, 0, ""), key=lambda error: error[0])
    return tr(words, name=quoted(found.class_names[place])) if count else ""


def changed_words(relabelled: int, *, is_old: bool) -> str:
    """Return the changes since an evaluation: relabelled images, or (`is_old`) the labels of a run that uses them."""
    if is_old:
        return tr("evaluated before labels changed")
    words = tr("{count} image has another label now", "{count} images have other labels now", count=relabelled)
    return words if relabelled else ""


def missing_words(
    run: RunSummary, failure: Failure | None, *, is_begun: bool, is_training: bool
) -> tuple[str, str, str]:
    """Return title, text and button of the placeholder for a missing evaluation.

    Args:
        run: The run.
        failure: The reason why its evaluation ended without a result, if it did.
        is_begun: Whether it is being evaluated.
        is_training: Whether some run trains.
    """
    if is_begun:
        return tr("Evaluating"), tr("Its confusions and its worst mistakes will be shown here."), ""
    if not run.has_weights:
        words = Message(
            "The weights of this run were deleted, so it cannot be evaluated. Its curves and settings remain."
        )
        return tr("Not evaluated, and no weights"), tr(words), ""
    if failure is not None:
        return tr("Not evaluated"), f"{tr(failure.message)} {tr(failure.hint)}".strip(), tr("Evaluate again")
    if run.is_going:
        return tr("Still training"), tr("Its mistakes are listed when the training has ended."), ""
    if is_training:
        words = Message("A run is training; this one is evaluated when that has ended.")
        return tr("Not evaluated yet"), tr(words), tr("Evaluate now")
    return tr("Not evaluated yet"), tr("Evaluation begins in a moment."), ""


def meaning(found: StoredEvaluation, leak_free: LeakFreeAccuracy | None = None) -> str:
    """Return the reliability of the accuracy: low for few evaluated images, or for leaked ones (`leak_free`)."""
    low, high = found.top1_interval
    reliability = ""
    if leak_free is not None:
        reliability = _leak_words(leak_free)
    elif high - low >= UNCERTAIN:
        reliability = tr("With so few images the accuracy is uncertain.")
    return " ".join(filter(None, (reliability, _class_words(found))))


def _leak_words(leak_free: LeakFreeAccuracy) -> str:
    """Return the expected accuracy on new images, without partners among the training images."""
    count = f"{leak_free.leaked:,}"
    if leak_free.without is None or leak_free.without_interval is None:
        return tr("All {count} leak from the training images: the accuracy on new images is unknown.", count=count)
    low, high = (f"{each:.0%}" for each in leak_free.without_interval)
    words = Message("{count} leak from the training images; without them the accuracy is {share} ({low} to {high}).")
    return tr(words, count=count, share=f"{leak_free.without:.0%}", low=low, high=high)


def _class_words(found: StoredEvaluation) -> str:
    """Return a further caveat of the accuracy: classes missing from the images, or one dominant class."""
    support = {name: score.support for name, score in found.per_class.items() if score.support}
    if len(support) == 1 and len(found.per_class) > 1:
        return tr("All images are of {name}, so no confusion was possible.", name=quoted(next(iter(support))))
    if missing := len(found.per_class) - len(support):
        return tr(
            "{count} of its classes has no image here.", "{count} of its classes have no image here.", count=missing
        )
    largest = max(support, key=lambda name: support[name], default="")
    if largest and not found.is_multilabel and found.top1 <= support[largest] / max(1, found.images):
        return tr("Predicting {name} for every image would be as accurate.", name=quoted(largest))
    return ""


def quoted(name: str) -> str:
    """Return a class name for a sentence: quoted, shortened, and isolated from text of the other direction."""
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return tr("“{name}”", name=f"\u2068{shown}\u2069")
