"""The check of quality: blurred, dark, bright, flat, blank, grey, oddly shaped and damaged pictures."""

from typing import ClassVar, Final

import numpy as np

from visionft.curation.check import Check, CheckResult, Finding, Inputs
from visionft.curation.quality.kinds import KINDS, Judgement, Pictures
from visionft.curation.quality.measures import MEASURES
from visionft.curation.quality.measuring import Measured, measured
from visionft.curation.quality.oddness import Peers
from visionft.errors import StoppedError

THRESHOLD: Final = 0.5
BINS: Final = 20  # of a kind's scores
_LEAST: Final = 0.25  # scores below are not kept: nobody would look at them


class Quality(Check):
    """Looks for pictures that are bad as pictures."""

    name: ClassVar[str] = "quality"
    title: ClassVar[str] = "Quality"
    summary: ClassVar[str] = "Blurred, dark, bright, empty, odd or damaged pictures; remove those that teach nothing."

    def look(self, inputs: Inputs) -> CheckResult:
        """Measure what was not measured yet, and judge all.

        Raises:
            StoppedError: The user stopped; what was measured is kept.
        """
        found = measured(inputs.project_dir, inputs.images, on_event=inputs.on_event, should_stop=inputs.should_stop)
        if found.is_stopped:
            raise StoppedError("The pictures were not all looked at.", "Start again to go on where it stopped.")
        scores = judge(Pictures(found.rows, Peers(found.images, inputs.images.class_names)))
        findings = sorted(_findings(found, scores), key=lambda each: (-each.score, each.image_id))
        return CheckResult(
            check=self.name,
            findings=tuple(findings),
            threshold=THRESHOLD,
            looked_at=len(found.images),
            unreadable=found.unreadable,
            data=inputs.images.digest,
            facts={"kinds": {kind: _summary(judgement) for kind, judgement in scores.items()}},
        )


def judge(pictures: Pictures) -> dict[str, Judgement]:
    """Judge pictures by every kind; a kind says nothing of what another explains better."""
    judged = {name: kind.judge(pictures) for name, kind in KINDS.items()}
    for name, kind in KINDS.items():
        is_flagged = judged[name].scores >= THRESHOLD
        for hidden in kind.hides:
            judged[hidden].scores[is_flagged] = 0.0
    return judged


def _findings(found: Measured, judged: dict[str, Judgement]) -> list[Finding]:
    """Return what is worth a look, in the order of the kinds."""
    findings: list[Finding] = []
    for kind, judgement in judged.items():
        for place in np.flatnonzero(judgement.scores >= _LEAST).tolist():
            image, row = found.images[place], found.rows[place]
            values = {name: round(float(row[name]), 4) for name in MEASURES if np.isfinite(row[name])}
            score = round(float(judgement.scores[place]), 4)
            reason = judgement.reason(place)
            findings.append(
                Finding(
                    image_id=image.image_id, sha256=image.sha256, score=score, kind=kind, reason=reason, values=values
                )
            )
    return findings


def _summary(judgement: Judgement) -> dict[str, object]:
    """Return how many a kind flags, and how its scores spread: counts of `BINS` equal steps from 0 to 1."""
    counts, _ = np.histogram(judgement.scores, BINS, (0.0, 1.0))
    return {"flagged": int((judgement.scores >= THRESHOLD).sum()), "scores": counts.tolist()}
