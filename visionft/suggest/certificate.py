"""Accepting suggestions in bulk with a proof: a random sample is checked first, and the result is kept with the labels.

The sample is drawn and written down before anybody looks, and never extended: who checks on until it fits proves
nothing. An audit that failed, or was begun anew, costs confidence (`audit.confidence_of`).
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from visionft.errors import ProjectError
from visionft.files import read_json, write_json
from visionft.project.edits.certificates import Audit, KeepAudit, audits_of
from visionft.project.names import count_of
from visionft.project.store import Project
from visionft.suggest.audit import AuditPlan, confidence_of, most_wrong_proven, plan_audit, suggest_plan
from visionft.suggest.suggestions import Suggestion

logger = logging.getLogger(__name__)

FOLDER: Final = "curation"
FILE: Final = "audit.json"
_FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class PendingAudit:
    """An audit whose sample is drawn and not checked yet.

    Attributes:
        source: Whose suggestions they are: "features", or the name of a run.
        threshold: Confidence from which they are to be accepted.
        plan: How many to check, and how many may be wrong.
        claimed: Confidence that it may claim when it is passed; less than the plan's after failed ones.
        number: Which audit in a row it is.
        seed: What the sample was drawn by.
        accepted: {image id: class names} that are about to be accepted.
        sample: Pictures to check, in the order to check them.
        expected_wrong: Share of them that their probabilities say is wrong.
    """

    source: str
    threshold: float
    plan: AuditPlan
    claimed: float
    number: int
    seed: int
    accepted: Mapping[int, tuple[str, ...]]
    sample: tuple[int, ...]
    expected_wrong: float


def draw_audit(
    project: Project,
    suggestions: Mapping[int, Suggestion],
    *,
    source: str,
    threshold: float = 0.0,
    rightness: float = 0.97,
    confidence: float = 0.95,
    allowed: int | None = None,
    seed: int | None = None,
) -> PendingAudit:
    """Draw the sample to check before suggestions are accepted, and write it down. Nothing is labelled yet.

    An audit that was drawn before and not finished counts as failed, for somebody may have looked at it.

    Args:
        project: Open for writing.
        suggestions: That still hold (`current_suggestions`).
        source: Whose they are.
        threshold: Confidence from which they are to be accepted.
        rightness: Share of the accepted to be proven right, below 1.
        confidence: How sure the proof is to be, below 1.
        allowed: Wrong ones in the sample with which it is passed; None plans for what is expected.
        seed: Draws the sample; None takes one that nobody chose.

    Raises:
        ProjectError: Nothing is that sure, or a share is none.
    """
    for share in (rightness, confidence):
        if not 0 < share < 1:
            raise ProjectError(f"{share} is not a share below 1.", "Give a number such as 0.97.")
    chosen = {key: each for key, each in suggestions.items() if each.classes and each.confidence >= threshold}
    if not chosen:
        raise ProjectError("No suggestion is sure enough to be accepted.", "Label some more pictures.")
    expected = 1 - float(np.mean([each.confidence for each in chosen.values()]))
    number = next_number(project)
    planned, claimed = confidence_of(number, confidence)
    if allowed is None:
        plan = suggest_plan(len(chosen), rightness=rightness, expected_wrong=expected, confidence=planned)
    else:
        plan = plan_audit(len(chosen), rightness=rightness, confidence=planned, allowed=allowed)
    seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
    ids = np.array(sorted(chosen))
    sample = np.random.default_rng(seed).choice(ids, plan.sample, replace=False)
    pending = PendingAudit(
        source=source,
        threshold=threshold,
        plan=plan,
        claimed=claimed,
        number=number,
        seed=seed,
        accepted={key: each.classes for key, each in chosen.items()},
        sample=tuple(int(each) for each in sample),
        expected_wrong=expected,
    )
    _write(project.path, pending)
    return pending


def next_number(project: Project) -> int:
    """Return which audit in a row the next one is: those since the last that was passed, an unfinished one included."""
    number = 1
    for audit in audits_of(project):
        if audit.is_passed:
            break
        number += 1
    pending = pending_audit(project.path)
    return number if pending is None else max(number, pending.number + 1)


def _write(project_dir: Path, pending: PendingAudit) -> None:
    folder = project_dir / FOLDER
    folder.mkdir(exist_ok=True)
    write_json(folder / FILE, {"format": _FORMAT, **asdict(pending)})


def pending_audit(project_dir: Path) -> PendingAudit | None:
    """Return the audit that was drawn and not finished; None when there is none."""
    try:
        values = dict(read_json(project_dir / FOLDER / FILE))
        if values.pop("format") != _FORMAT:
            return None
        accepted = {int(key): tuple(names) for key, names in values.pop("accepted").items()}
        plan, sample = AuditPlan(**values.pop("plan")), tuple(values.pop("sample"))
        return PendingAudit(plan=plan, accepted=accepted, sample=sample, **values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("The audit of %s cannot be read: %s", project_dir, error)
        return None


def finish_audit(project: Project, pending: PendingAudit, answers: Mapping[int, tuple[str, ...]]) -> Audit:
    """Keep what a person says of the sample; accept all when the audit is passed. One step in the history.

    What the person says becomes the labels of the sample, passed or not. Pictures that were labelled or removed since
    the sample was drawn keep what they have.

    Args:
        project: Open for writing.
        pending: The audit.
        answers: {image id: class names} for every picture of the sample.

    Raises:
        ProjectError: A picture of the sample has no answer.
    """
    unanswered = [key for key in pending.sample if not answers.get(key)]
    if unanswered:
        raise ProjectError(
            f"{count_of(len(unanswered), 'picture')} of the sample have no answer.",
            "Say of each what it is; a sample that is checked in part proves nothing.",
        )
    checked = {key: tuple(answers[key]) for key in pending.sample}
    wrong = sum(set(names) != set(pending.accepted[key]) for key, names in checked.items())
    plan = pending.plan
    audit = Audit(
        source=pending.source,
        threshold=pending.threshold,
        accepted=plan.accepted,
        sample=plan.sample,
        wrong=wrong,
        allowed=plan.allowed,
        rightness=plan.rightness,
        confidence=pending.claimed,
        most_wrong=most_wrong_proven(wrong, accepted=plan.accepted, sample=plan.sample, confidence=plan.confidence),
        number=pending.number,
        seed=pending.seed,
        is_passed=wrong <= plan.allowed,
    )
    with project.reading() as connection:
        rows = connection.execute("SELECT id FROM image WHERE label_count = 0 AND removed_at IS NULL").fetchall()
        present = {row[0] for row in connection.execute("SELECT id FROM image WHERE removed_at IS NULL")}
    is_open = {row[0] for row in rows}
    accepted = {key: names for key, names in pending.accepted.items() if key in is_open}
    project.apply(KeepAudit(audit, accepted, {key: names for key, names in checked.items() if key in present}))
    (project.path / FOLDER / FILE).unlink(missing_ok=True)
    return audit
