"""The check of labels: which are probably wrong, what they should be, and which classes are mistaken for each other."""

from dataclasses import asdict
from typing import Final

from visionft.curation.check import Check, CheckResult, Inputs
from visionft.curation.label_errors.class_overlap import class_overlaps
from visionft.curation.label_errors.comparable import check_labels
from visionft.curation.label_errors.review import LabelReview
from visionft.curation.label_errors.run_answers import run_answers
from visionft.data.types import Snapshot

THRESHOLD: Final = 0.5  # more probably wrong than right
NAME: Final = "label-errors"


class LabelErrors(Check):
    """Labels that votes of several classifiers, each held out of the picture, speak against.

    Facts of its results: `overlap` (rows of `Overlap`), `votes` (how much each counts), `expected_errors`, `rates` (of
    wrong labels by kind), `run` (whose answers took part) and `single` (classes with a single picture).
    """

    name = NAME
    title = "Label errors"
    summary = "Labels that are probably wrong: look at the most suspicious ones and keep or change them."

    def look(self, inputs: Inputs) -> CheckResult:
        """Compare all labels.

        Raises:
            ProjectError: There are no labels, or too few to compare.
            StoppedError: The user stopped.
        """
        check_labels(inputs.images)
        run, answers = run_answers(inputs.project_dir, inputs.images)
        review = LabelReview(
            inputs.features,
            inputs.images,
            answers=answers,
            on_event=inputs.on_event,
            should_stop=inputs.should_stop,
        )
        missing = {image.image_id for image in (*inputs.features.missing, *inputs.features.unusable) if image.labels}
        unreadable = tuple((image_id, "a network makes nothing of it") for image_id in sorted(missing))
        return result_of(review, inputs.images, run=run, unreadable=unreadable)


def result_of(
    review: LabelReview, images: Snapshot, *, run: str = "", unreadable: tuple[tuple[int, str], ...] = ()
) -> CheckResult:
    """Return what a review says now as a result of the check."""
    is_single = images.task == "single"
    overlaps = class_overlaps(review.targets, review.probabilities, review.class_names) if is_single else ()
    shares = review.shares
    return CheckResult(
        check=NAME,
        findings=review.findings(),
        threshold=THRESHOLD,
        looked_at=len(review),
        unreadable=unreadable,
        data=images.digest,
        facts={
            "overlap": [asdict(each) for each in overlaps],
            "votes": {name: asdict(share) for name, share in shares.items()},
            "expected_errors": round(review.expected_errors, 1),
            "rates": list(review.blend.rates),
            "run": run if "run" in shares else "",
            "single": list(review.too_small),
        },
    )
