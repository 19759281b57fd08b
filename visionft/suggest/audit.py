"""Audits: a random sample of suggestions is checked by a person, and bounds the wrong ones among all of them exactly.

The number of wrong labels in a sample of N images, drawn without replacement, follows the hypergeometric distribution,
so that small sets need fewer checks. Of a large set, 100 checks without an error prove that 97 % are correct, 299 that
99 % are, at 95 % confidence.

The sample is drawn and stored before anybody sees it, and never extended: checking on until the result fits would prove
nothing. Each audit is valid by itself; all of them are listed, so that nobody takes the best of many for the only one.
"""

import csv
import io
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, lgamma
from pathlib import Path

import numpy as np

from models.messages import Message
from visionft.errors import ProjectError
from visionft.files import write_text
from visionft.project.edits.audits import AcceptAudited, Audit, AuditSample, FinishAudit, audits_of, store_drawn
from visionft.project.formats.delimited import csv_rows
from visionft.project.formats.whole_files import MemoryLimit, check_size
from visionft.project.names import count_of
from visionft.project.store import Project
from visionft.suggest.suggestions import Suggestion

SAMPLE = 100  # images to check unless another number is chosen
CONFIDENCE = 0.95  # of the bound

_ROUNDING = 1e-12  # of a sum of probabilities


def chance_of_at_most(wrong_seen: int, *, suggestions: int, wrong: int, sample: int) -> float:
    """Return P(X <= wrong_seen) for the wrong ones X in a sample drawn without replacement (hypergeometric)."""
    first = max(0, sample - (suggestions - wrong))
    last = min(wrong, sample)
    if wrong_seen >= last:
        return 1.0

    def log_comb(total: int, chosen: int) -> float:
        return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)

    chances = (
        exp(log_comb(wrong, seen) + log_comb(suggestions - wrong, sample - seen) - log_comb(suggestions, sample))
        for seen in range(first, wrong_seen + 1)
    )
    return min(1.0, sum(chances))


def most_wrong_proven(wrong_seen: int, *, suggestions: int, sample: int, confidence: float) -> int:
    """Return the bound of an audit: with this confidence, no more suggestions are wrong (Clopper and Pearson 1934).

    Those seen in the sample are among them.
    """

    def is_refuted(wrong: int) -> bool:
        chance = chance_of_at_most(wrong_seen, suggestions=suggestions, wrong=wrong, sample=sample)
        return chance <= 1 - confidence + _ROUNDING

    return wrong_seen + bisect_left(range(wrong_seen + 1, suggestions - sample + wrong_seen + 1), True, key=is_refuted)


def least_right(wrong_seen: int, *, suggestions: int, sample: int, confidence: float = CONFIDENCE) -> float:
    """Return the share of suggestions that such a sample proves correct, after its correction, 0 to 1."""
    most = most_wrong_proven(wrong_seen, suggestions=suggestions, sample=sample, confidence=confidence)
    return 1 - (most - wrong_seen) / suggestions


def draw_audit(
    project: Project,
    suggestions: Mapping[int, Suggestion],
    *,
    source: str,
    threshold: float = 0.0,
    size: int = SAMPLE,
    confidence: float = CONFIDENCE,
    seed: int | None = None,
) -> AuditSample:
    """Draw and store a sample to check before suggestions are accepted. No label changes yet.

    Args:
        project: Open for writing.
        suggestions: Current suggestions (`current_suggestions`).
        source: Source of the suggestions.
        threshold: Confidence from which suggestions are to be accepted.
        size: Number of images to check; all suggestions where there are no more.
        confidence: Confidence of the bound, below 1.
        seed: Seed of the sample; None takes a random one.

    Raises:
        ProjectError: No suggestion reaches the threshold, the size is below 1, or the confidence no share below 1.
    """
    if not 0 < confidence < 1:
        raise ProjectError(Message("{share} is not a share below 1.", share=confidence), "Give a number such as 0.95.")
    if size < 1:
        raise ProjectError("A sample has at least one image.", "Give a number such as 100.")
    chosen = {key: each for key, each in suggestions.items() if each.classes and each.confidence >= threshold}
    if not chosen:
        raise ProjectError("No suggestion is confident enough to be accepted.", "Label some more images.")
    seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
    images = np.random.default_rng(seed).choice(np.array(sorted(chosen)), min(size, len(chosen)), replace=False)
    return store_drawn(
        project,
        {key: each.classes for key, each in chosen.items()},
        images.tolist(),
        source=source,
        threshold=threshold,
        confidence=confidence,
        seed=seed,
    )


def finish_audit(project: Project, sample: AuditSample, answers: Mapping[int, tuple[str, ...]]) -> Audit:
    """Store the checked labels of a sample with its result; return the result. One step in the history.

    `answers` are {image id: class names} for every image of the sample; they become its labels. Images labelled or
    removed since the sample was drawn keep their state. The other suggestions stay suggestions: `accept_audited`
    accepts them.

    Raises:
        ProjectError: An image of the sample has no answer, or the audit is already finished.
    """
    if unanswered := [key for key in sample.images if not answers.get(key)]:
        message = Message("{counted} of the sample have no label.", counted=count_of(len(unanswered), "image"))
        raise ProjectError(message, "Give the label of every image; a sample that is checked in part proves nothing.")
    checked = {key: tuple(answers[key]) for key in sample.images}
    wrong = sum(set(names) != set(sample.suggested[key]) for key, names in checked.items())
    drawn = sample.audit
    most = most_wrong_proven(wrong, suggestions=drawn.suggestions, sample=drawn.sample, confidence=drawn.confidence)
    audit = replace(drawn, wrong=wrong, most_wrong=most, is_finished=True)
    unlabelled = _unlabelled(project)
    change = FinishAudit(audit, {key: names for key, names in checked.items() if key in unlabelled})
    if not project.apply(change):  # no label changed, so that there is no step; the audit is finished all the same
        with project.repairing() as connection:
            change.write(connection)
    return next(each for each in audits_of(project) if each.audit_id == audit.audit_id)


def accept_audited(project: Project, sample: AuditSample) -> AcceptAudited:
    """Return the change that accepts the suggestions of an audit beside its sample.

    Images labelled or removed since the sample was drawn keep their state.
    """
    unlabelled = _unlabelled(project)
    rest = {key: names for key, names in sample.suggested.items() if key in unlabelled and key not in sample.images}
    return AcceptAudited(rest, sample.audit.audit_id)


def _unlabelled(project: Project) -> set[int]:
    with project.reading() as connection:
        query = "SELECT id FROM image WHERE removed_at IS NULL AND label_count = 0"
        return {row[0] for row in connection.execute(query)}


def write_sample(file: Path, sample: AuditSample, paths: Mapping[int, Path]) -> None:
    """Write an audit sample as a table: one image per row, with an empty column for the label."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("image_id", "path", "suggested", "answer"))
    for image_id in sample.images:
        writer.writerow([image_id, paths.get(image_id, ""), "|".join(sample.suggested[image_id]), ""])
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
    answers = dict[int, tuple[str, ...]]()
    faults = list[str]()
    memory = MemoryLimit(file)
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
