"""The headline card: the result of a run in words, its uncertainty, what to do next, or why it was not evaluated."""

from PySide6.QtCore import Qt

from gui.jobs import Failure
from gui.kit import theme
from gui.kit.parts import Card, ElidedLabel, row, text
from gui.kit.progress import ProgressBar
from gui.kit.translation import tr
from visionft.analysis.leaks import LeakFreeAccuracy
from visionft.core.events import Progress
from visionft.core.messages import Message, shortened
from visionft.training.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import StoredRun


class AccuracyCard(Card):
    """Of constant height, so that progress or a new label moves nothing below it."""

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.TIGHT)
        self._sentence = text("", "title", wrap=True)
        self._meaning = text("", wrap=True)
        self._figures = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._progress = ProgressBar("Progress of the evaluation", width=120)
        self.add(self._sentence, self._meaning, None)
        self.body.addLayout(row(self._figures, self._progress, spacing=theme.MEDIUM, grows=0))

    def show_accuracy(self, sentence: str, meaning: str, figures: str = "") -> None:
        self._sentence.setText(sentence)
        self._meaning.setText(meaning)
        self._figures.setText(figures)
        self.setAccessibleName(f"{sentence}. {meaning}")

    def show_progress(self, progress: Progress | None) -> None:
        self._progress.setVisible(progress is not None)
        if progress is not None:
            self._progress.show_progress(progress.done, progress.total)

    def words(self) -> tuple[str, str, str]:
        return self._sentence.text(), self._meaning.text(), self._figures.text()


CONFIDENT_MISTAKE = 0.9  # from this probability on a mistake may be a wrong label
WIDE_INTERVAL = 0.12  # from this width of the 95 % interval on


def sentence(found: StoredEvaluation, *, is_unseen: bool) -> str:
    """Return the number of correct images; where they trained or chose the run, that they are no test."""
    values = {"right": f"{right_images(found):,}", "count": f"{found.images:,}"}
    if is_unseen:
        words = Message("Right for {right} of {count} images it had not seen")
        several = Message("All labels right for {right} of {count} images it had not seen")
    elif found.seen:
        values["seen"] = f"{found.seen:,}"
        words = Message("Right for {right} of {count} images, {seen} of them used in its training")
        several = Message("All labels right for {right} of {count} images, {seen} of them used in its training")
    else:
        words = Message("Right for {right} of {count} validation images")
        several = Message("All labels right for {right} of {count} validation images")
    return tr(several if found.is_multilabel else words, **values)


def right_images(found: StoredEvaluation) -> int:
    return round(found.top1 * found.images)


def next_words(found: StoredEvaluation) -> str:
    """Return what to do next, in a sentence."""
    mistakes = found.mistakes()
    if not mistakes:
        return tr("Next: export it, and try it on new images.")
    if sure := sum(each.probability >= CONFIDENT_MISTAKE for each in mistakes):
        return tr(
            "Next: look at the most confident mistake; its label may be wrong.",
            "Next: look at the {count} mistakes of which it is sure; their labels may be wrong.",
            count=sure,
        )
    if found.is_multilabel:
        name = _missed_class(found)
        return tr("Next: label more images of {name}, where most errors are.", name=quoted(name))
    pair = _confused_pair(found)
    if pair is None:
        return tr("Next: label more images; no confusion is more frequent than the others.")
    words = Message("Next: label more images of {name} and {other}, which it confuses most often.")
    return tr(words, name=quoted(found.class_names[pair[0]]), other=quoted(found.class_names[pair[1]]))


def _confused_pair(found: StoredEvaluation) -> tuple[int, int] | None:
    """Return the most frequent confusion; None where another one is as frequent."""
    counts = [each for row, line in enumerate(found.confusion) for place, each in enumerate(line) if row != place]
    return found.worst_pair() if counts.count(max(counts, default=0)) == 1 else None


def _missed_class(found: StoredEvaluation) -> str:
    """Return the class most often missed or wrongly assigned, for several labels per image."""
    errors = [max(false, missed) for _, false, missed, _ in found.confusion]
    return found.class_names[errors.index(max(errors))]


def changed_words(relabelled: int, *, is_old: bool) -> str:
    """Return the changes since an evaluation: relabelled images, or (`is_old`) the labels of a run that uses them."""
    if is_old:
        return tr("evaluated before labels changed")
    words = tr("{count} image has another label now", "{count} images have other labels now", count=relabelled)
    return words if relabelled else ""


def missing_words(
    run: StoredRun, failure: Failure | None, *, is_begun: bool, is_training: bool
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
        words = Message("Another run is training; this run is evaluated afterwards.")
        return tr("Not evaluated yet"), tr(words), tr("Evaluate now")
    return tr("Not evaluated yet"), tr("Evaluation begins in a moment."), ""


def meaning(found: StoredEvaluation, leak_free: LeakFreeAccuracy | None = None) -> str:
    """Return the reliability of the accuracy: low for few evaluated images, or for leaked ones (`leak_free`)."""
    low, high = found.top1_interval
    reliability = ""
    if leak_free is not None:
        reliability = _leak_words(leak_free)
    elif high - low >= WIDE_INTERVAL:
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
    return tr("“{name}”", name=f"\u2068{shortened(name)}\u2069")
