"""Acceptance tests: a random sample is checked before suggestions are accepted, and bounds the wrong ones exactly.

The number of wrong labels in a sample of N images, drawn without replacement, follows the hypergeometric distribution,
so that small sets need fewer checks. 299 checks without an error prove an accuracy of 99 % for a large set, at 95 %
confidence.

The sample is drawn and stored before anybody sees it, and never extended: checking on until the result fits would prove
nothing. Failed and unfinished audits count: each costs confidence (`confidence_of`).
"""

import csv
import io
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, lgamma
from pathlib import Path

import numpy as np

from models.messages import Message
from visionft.errors import ProjectError
from visionft.files import write_text
from visionft.project.edits.certificates import Audit, KeepAudit, PendingAudit, keep_drawn, next_number
from visionft.project.formats.delimited import csv_rows
from visionft.project.formats.whole_files import MemoryLimit, check_size
from visionft.project.names import count_of
from visionft.project.store import Project
from visionft.suggest.suggestions import Suggestion

_ROUNDING = 1e-12
_LIKELY = 0.7  # probability to pass: a failed audit costs little more than its corrected labels
_MOST_CHECKS = 300


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """Plan of an audit sample."""

    accepted: int  # number of images to be accepted, N
    sample: int  # number of images to check, drawn at random
    allowed: int  # largest number of wrong labels in the sample at which the accuracy is still proven
    rightness: float  # accuracy to prove, 0 to 1
    confidence: float  # least probability that the claim is true when the audit is passed


def most_wrong(accepted: int, rightness: float) -> int:
    """Return the largest number of wrong labels among the accepted at the wanted accuracy."""
    return int((1 - rightness) * accepted + 1e-9)


def chance_of_at_most(wrong_seen: int, *, accepted: int, wrong: int, sample: int) -> float:
    """Return P(X <= wrong_seen) for the wrong ones X in a sample drawn without replacement (hypergeometric)."""
    first, last = max(0, sample - (accepted - wrong)), min(wrong, sample)
    if wrong_seen >= last:
        return 1.0

    def log_comb(total: int, chosen: int) -> float:
        return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)

    chances = (
        exp(log_comb(wrong, seen) + log_comb(accepted - wrong, sample - seen) - log_comb(accepted, sample))
        for seen in range(first, wrong_seen + 1)
    )
    return min(1.0, sum(chances))


def most_wrong_proven(wrong_seen: int, *, accepted: int, sample: int, confidence: float) -> int:
    """Return the bound of an audit: with this confidence, no more of the accepted are wrong (Clopper and Pearson 1934).

    Those seen in the sample are among them.
    """

    def is_refuted(wrong: int) -> bool:
        chance = chance_of_at_most(wrong_seen, accepted=accepted, wrong=wrong, sample=sample)
        return chance <= 1 - confidence + _ROUNDING

    return wrong_seen + bisect_left(range(wrong_seen + 1, accepted - sample + wrong_seen + 1), True, key=is_refuted)


def plan_audit(accepted: int, *, rightness: float, confidence: float = 0.95, allowed: int = 0) -> AuditPlan:
    """Return the smallest sample that proves the accuracy with at most this number of wrong labels in it.

    If every image would have to be checked, the sample is the whole set.
    """
    wrong = most_wrong(accepted, rightness) + 1  # the claim is false from here on

    def is_enough(sample: int) -> bool:
        return chance_of_at_most(allowed, accepted=accepted, wrong=wrong, sample=sample) <= 1 - confidence + _ROUNDING

    least = min(accepted, allowed + 1)
    sample = least + bisect_left(range(least, accepted), True, key=is_enough)
    return AuditPlan(accepted, sample, allowed, rightness, confidence)


def chance_to_pass(plan: AuditPlan | Audit, expected_wrong: float) -> float:
    """Return the probability to pass an audit, given the share of wrong labels among the accepted images."""
    wrong = round(expected_wrong * plan.accepted)
    return chance_of_at_most(plan.allowed, accepted=plan.accepted, wrong=wrong, sample=plan.sample)


def is_worth_trying(plan: AuditPlan | Audit, expected_wrong: float) -> bool:
    """Return whether passing is more likely than failing; an audit of every image proves its result in any case."""
    return plan.sample >= plan.accepted or chance_to_pass(plan, expected_wrong) >= 0.5


def suggest_plan(accepted: int, *, rightness: float, expected_wrong: float, confidence: float = 0.95) -> AuditPlan:
    """Return the smallest plan likely to be passed with this share of wrong labels, else the likeliest feasible one."""
    plans = [plan_audit(accepted, rightness=rightness, confidence=confidence)]
    while (plan := plans[-1]).sample < accepted and chance_to_pass(plan, expected_wrong) < _LIKELY:
        plan = plan_audit(accepted, rightness=rightness, confidence=confidence, allowed=plan.allowed + 1)
        if plan.sample > _MOST_CHECKS:
            break
        plans.append(plan)
    return max(plans, key=lambda each: chance_to_pass(each, expected_wrong))


def confidence_of(number: int, confidence: float, *, spent: float) -> tuple[float, float]:
    """Return the confidence used to plan an audit, and the confidence it may claim when passed; audits count from 1.

    Each audit after a failure is planned with half the error probability of the one before, and claims what all of
    them leave (union bound): a wanted 95 % claims 95 %, then 92.5 %, and never less than 90 %. `spent` is the sum of
    the error probabilities of the previous plans.
    """
    risk = (1 - confidence) * 0.5 ** (number - 1)
    return 1 - risk, max(0.0, 1 - spent - risk)


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
    """Draw and store the audit sample to check before suggestions are accepted. No label changes yet.

    An earlier unfinished audit counts as failed, because its sample may have been seen.

    Args:
        project: Open for writing.
        suggestions: Current suggestions (`current_suggestions`).
        source: Source of the suggestions.
        threshold: Confidence from which suggestions are to be accepted.
        rightness: Accuracy to prove for the accepted labels, below 1.
        confidence: Confidence of the proof, below 1.
        allowed: Largest number of wrong labels in the sample to pass; None plans for the expected number.
        seed: Seed of the sample; None takes a random one.

    Raises:
        ProjectError: No suggestion reaches the threshold, or a share is out of range.
    """
    for share in (rightness, confidence):
        if not 0 < share < 1:
            raise ProjectError(Message("{share} is not a share below 1.", share=share), "Give a number such as 0.97.")
    chosen = {key: each for key, each in suggestions.items() if each.classes and each.confidence >= threshold}
    if not chosen:
        raise ProjectError("No suggestion is confident enough to be accepted.", "Label some more images.")
    expected_wrong = 1 - float(np.mean([each.confidence for each in chosen.values()]))
    number, spent = next_number(project)
    planned, claimed = confidence_of(number, confidence, spent=spent)
    if allowed is None:
        plan = suggest_plan(len(chosen), rightness=rightness, expected_wrong=expected_wrong, confidence=planned)
    else:
        plan = plan_audit(len(chosen), rightness=rightness, confidence=planned, allowed=allowed)
    seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
    sample = np.random.default_rng(seed).choice(np.array(sorted(chosen)), plan.sample, replace=False)
    audit = Audit(
        source=source,
        threshold=threshold,
        accepted=plan.accepted,
        sample=plan.sample,
        wrong=0,
        allowed=plan.allowed,
        rightness=rightness,
        planned=planned,
        confidence=claimed,
        most_wrong=plan.accepted,
        number=number,
        seed=seed,
        is_passed=False,
        is_finished=False,
    )
    return keep_drawn(project, audit, {key: each.classes for key, each in chosen.items()}, sample.tolist())


def finish_audit(project: Project, pending: PendingAudit, answers: Mapping[int, tuple[str, ...]]) -> Audit:
    """Store the checked labels of the sample; accept all when the audit is passed. One step in the history.

    The checked labels become the labels of the sample, passed or not. Images labelled or removed since the sample was
    drawn keep their state. `answers` are {image id: class names} for every image of the sample.

    Raises:
        ProjectError: An image of the sample has no answer, or the audit is already finished.
    """
    if unanswered := [key for key in pending.sample if not answers.get(key)]:
        message = Message("{counted} of the sample have no label.", counted=count_of(len(unanswered), "image"))
        raise ProjectError(message, "Give the label of every image; a sample that is checked in part proves nothing.")
    checked = {key: tuple(answers[key]) for key in pending.sample}
    wrong = sum(set(names) != set(pending.accepted[key]) for key, names in checked.items())
    plan = pending.audit
    most = most_wrong_proven(wrong, accepted=plan.accepted, sample=plan.sample, confidence=plan.planned)
    is_passed = wrong <= plan.allowed or plan.sample == plan.accepted  # all were checked, and are corrected
    audit = replace(plan, wrong=wrong, most_wrong=most, is_passed=is_passed, is_finished=True)
    with project.reading() as connection:
        present = dict(connection.execute("SELECT id, label_count FROM image WHERE removed_at IS NULL"))
    accepted = {key: names for key, names in pending.accepted.items() if present.get(key) == 0}
    change = KeepAudit(pending.audit_id, audit, accepted, {k: names for k, names in checked.items() if k in present})
    if not project.apply(change):  # no label changed, so that there is no step; the audit is finished all the same
        with project.repairing() as connection:
            change.write(connection)
    return audit


def write_sample(file: Path, pending: PendingAudit, paths: Mapping[int, Path]) -> None:
    """Write an audit sample as a table: one image per row, with an empty column for the label."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image_id", "path", "suggested", "answer"))
    for image_id in pending.sample:
        writer.writerow([image_id, paths.get(image_id, ""), "|".join(pending.accepted[image_id]), ""])
    write_text(file, text.getvalue())


def read_answers(file: Path, class_names: Sequence[str]) -> dict[int, tuple[str, ...]]:
    """Return {image id: class names} of a filled-in sample.

    Raises:
        ProjectError: The file is too large or has no such columns, or a row has no image or no known class; all rows
            at once.
    """
    check_size(file)
    rows = csv_rows(file)
    _, header = next(rows, (0, []))
    if isinstance(header, str) or not {"image_id", "answer"} <= set(header):
        raise ProjectError(
            Message("{path} has no columns image_id and answer.", path=file), "Fill in the file that the audit wrote."
        )
    answers, faults, memory = dict[int, tuple[str, ...]](), list[str](), MemoryLimit(file)
    for number, cells in rows:
        memory.add(300)
        row = {} if isinstance(cells, str) else dict(zip(header, cells, strict=False))
        image_id = row.get("image_id", "").strip()
        names = tuple(name.strip() for name in row.get("answer", "").split("|") if name.strip())
        unknown = [name for name in names if name not in class_names]
        if not re.fullmatch(r"\d{1,18}", image_id):  # the digits of SQLite's keys
            faults.append(Message("line {number}: no image_id", number=number))
        elif unknown or not names:
            faults.append(Message("line {number}: no class “{name}”", number=number, name="".join(unknown[:1])))
        else:
            answers[int(image_id)] = names
    if faults:
        message = Message(
            "{path}: {counted} cannot be read: {reasons}.",
            path=file,
            counted=count_of(len(faults), "row"),
            reasons="; ".join(faults[:5]),
        )
        raise ProjectError(message, "Write a class of the project into the column “answer” of every row.")
    return answers
