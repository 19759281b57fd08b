"""The quality check: blurred, dark, bright, overexposed, blank, odd and corrupt images."""

from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from models.messages import Message
from visionft.curation.check import FOLDER, Check, CheckResult, Inputs, Issue
from visionft.curation.quality.kinds import KINDS, KindScores, MeasuredImages, Peers
from visionft.curation.quality.measures import MEASURES, ROW, VERSION, measure
from visionft.data.types import SnapshotImage
from visionft.errors import ImageError
from visionft.features.row_store import RowStore
from visionft.features.stored_rows import stored_rows

STAGE: Final = Message("Measuring the images")
THRESHOLD: Final = 0.5


class Quality(Check):
    """Find images with a quality issue."""

    name: ClassVar[str] = "quality"
    weight = 4.0
    title: ClassVar[str] = Message("Quality")
    summary: ClassVar[str] = Message(
        "Blurred, dark, overexposed, blank, odd or corrupt images: remove those that are useless for training."
    )

    kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)

    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Measure new images, and score all."""
        images, rows, reasons = measure_images(inputs)
        scores = score_images(MeasuredImages(rows, Peers(images, inputs.images.class_names)))
        issues = [
            Issue(
                image_id=images[place].image_id,
                sha256=images[place].sha256,
                score=round(float(found.scores[place]), 4),
                kind=kind,
                reason=found.reason(place),
                values={
                    name: round(float(rows[place][name]), 4) for name in MEASURES if np.isfinite(rows[place][name])
                },
            )
            for kind, found in scores.items()
            for place in np.flatnonzero(found.scores >= 0.25).tolist()  # lower scores are not stored
            for row in rows[[place]]
        ]
        return CheckResult(
            check=self.name,
            issues=tuple(sorted(issues, key=lambda each: (-each.score, each.image_id))),
            threshold=THRESHOLD,
            checked=len(images),
            unreadable=tuple(
                (each.image_id, reasons[each.sha256]) for each in inputs.images.images if each.sha256 in reasons
            ),
        )


def row_store(project_dir: Path) -> RowStore:
    return RowStore(project_dir / FOLDER / f"measures-{VERSION}", ROW)


def measure_images(inputs: Inputs) -> tuple[list[SnapshotImage], np.ndarray, dict[str, str]]:
    """Return the measured images, their (N,) rows of `measures.ROW`, and {content: why it is not available now}.

    A corrupt file has a row. New images are measured, and stored as they come.
    """
    images, reading = inputs.images.images, inputs.images.image_reading

    def row_of(place: int) -> np.ndarray | str:
        try:
            return measure(images[place].path, images[place].sha256, reading)
        except ImageError as error:
            return error.message

    keys = [reading.content_key(image.sha256) for image in images]
    rows, exists, reasons = stored_rows(row_store(inputs.project_dir), keys, row_of, stage=STAGE, job=inputs.job)
    reasons = {image.sha256: reasons[key] for image, key in zip(images, keys, strict=True) if key in reasons}
    return [images[place] for place in np.flatnonzero(exists).tolist()], rows[exists], reasons


def score_images(images: MeasuredImages) -> dict[str, KindScores]:
    """Score images for every kind; a kind is suppressed where another one explains the image better."""
    found = {name: kind.score(images) for name, kind in KINDS.items()}
    for name, kind in KINDS.items():
        is_flagged = found[name].scores >= THRESHOLD
        for hidden in kind.hides:
            found[hidden].scores[is_flagged] = 0.0
    return found
