"""Scores of labels, brought up to date beside the window while they are reviewed. No Qt here."""

import logging
from dataclasses import dataclass

from visionft.curation.check import Finding
from visionft.curation.label_errors.review import Evidence, LabelReview
from visionft.curation.label_errors.run_answers import run_answers
from visionft.errors import VisionFTError
from visionft.features.feature_store import load_features
from visionft.project.store import Project

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What is wished for: scores after so many changes, and what speaks for and against a picture's label.

    Attributes:
        project: The project.
        times: Changes so far: scores are made anew where it is another number than before.
        image_id: The picture; 0 for none.
        suggested: The class that is suggested for it.
    """

    project: Project
    times: int
    image_id: int
    suggested: str


@dataclass(frozen=True)
class Rescored:
    """The findings as the labels are now, the worst first, and the nearest pictures of the one that was asked about."""

    findings: tuple[Finding, ...]
    evidence: Evidence | None


class Rescorer:
    """Keeps a review in memory; for one thread at a time."""

    def __init__(self) -> None:
        self._review: LabelReview | None = None
        self._times = -1
        self._findings: tuple[Finding, ...] = ()

    def __call__(self, asked: Asked) -> Rescored | None:
        """Answer; None where labels cannot be compared now, or the project was closed meanwhile."""
        try:
            return self._answer(asked)
        except (VisionFTError, OSError) as error:
            logger.info("The labels were not scored anew: %s", error)
            self._review = None
            return None

    def _answer(self, asked: Asked) -> Rescored:
        if self._review is None or asked.times != self._times:
            images = asked.project.snapshot()
            if self._review is None or not self._review.follow(images):
                features = load_features(asked.project.path, images)
                answers = run_answers(asked.project.path, images)[1]
                self._review = LabelReview(features, images, answers=answers)
            self._times, self._findings = asked.times, self._review.findings()
        try:
            evidence = self._review.evidence(asked.image_id, asked.suggested) if asked.image_id else None
        except KeyError:  # the picture or the class is new
            evidence = None
        return Rescored(self._findings, evidence)
