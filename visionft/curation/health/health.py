"""Gathering a project's health: counts, what the checks found, how the newest run does, what to do next.

Reads what is stored and computes nothing that takes long; `visionft.curation.look_through` brings it up to date.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from visionft.curation.check import CheckResult, Finding, read_result, still_holding
from visionft.curation.health.advice import advice_for
from visionft.curation.health.facts import Balance, CheckHealth, ClassHealth, Health, RunHealth, State, WeakClass
from visionft.curation.leaks.check import Leaks, together_now
from visionft.curation.leaks.honest_accuracy import HonestAccuracy, accuracies_of_run
from visionft.curation.table import CHECKS
from visionft.data.types import Snapshot, Split
from visionft.errors import VisionFTError
from visionft.evaluation.stored import StoredEvaluation, evaluation_file, read_evaluation
from visionft.files import list_folder
from visionft.project.edits.certificates import certificates_of
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.inventory import inventory_of
from visionft.project.store import Project
from visionft.training.runs.run_folder import RUNS_FOLDER, read_run

WORST: Final = 24  # findings of a check that are named
_WEAKEST, _MISSED = 12, 8  # classes of a run whose mistakes are named, and how many of each


def health_of(project: Project, refusals: Mapping[str, str] | None = None) -> Health:
    """Return a project's health from what is stored.

    Args:
        project: It is only read.
        refusals: {check: why it could not look just now}.
    """
    images, summary = project.snapshot(), project.summary()
    held = {name: _holding(project, name, images) for name in CHECKS}
    checks = tuple(_check(name, images, *found, (refusals or {}).get(name, "")) for name, found in held.items())
    run = _newest_run(project)
    health = Health(
        project=project.path,
        task=images.task,
        pictures=len(images.images),
        labelled=summary.labelled,
        conflicts=summary.conflicts,
        classes=_classes(images, {name: flagged for name, (_, flagged) in held.items()}),
        balance=_balance(summary.classes),
        splits=summary.splits,
        inventory=inventory_of(project),
        checks=checks,
        run=run,
        certificates=tuple(each.sentence for each in certificates_of(project)),
        paths={},
        labels={},
    )
    return _with_pictures(replace(health, advice=advice_for(health)), images)


def stale_checks(project: Project) -> list[str]:
    """Return the checks that never looked, or not since pictures, labels or splits changed."""
    digest = project.snapshot().digest
    results = ((name, read_result(project.path, name)) for name in CHECKS)
    return [name for name, result in results if result is None or result.data != digest]


def _holding(project: Project, name: str, images: Snapshot) -> tuple[CheckResult | None, tuple[Finding, ...]]:
    """Return what a check found last, and those of its findings that are flagged and hold now, the worst first."""
    result = read_result(project.path, name)
    if result is None:
        return None, ()
    holding = still_holding(result, images, verdicts_of(project, name))
    return result, tuple(finding for finding in holding if finding.score >= result.threshold)


def _check(
    name: str, images: Snapshot, result: CheckResult | None, flagged: tuple[Finding, ...], refusal: str
) -> CheckHealth:
    check = CHECKS[name]
    state: State = "never" if result is None else "current" if result.data == images.digest else "stale"
    kinds = Counter(finding.kind for finding in flagged)
    return CheckHealth(
        name=name,
        title=check.title,
        summary=check.summary,
        state=state,
        looked_at=result.looked_at if result is not None else 0,
        flagged=len({finding.image_id for finding in flagged}),
        kinds=dict(kinds.most_common()),
        unreadable=len(result.unreadable) if result is not None else 0,
        worst=_worst(flagged),
        refusal=refusal,
    )


def _worst(flagged: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the first findings; of a pair that stands there from both sides, one side."""
    chosen: dict[object, Finding] = {}
    for finding in flagged:
        pair = frozenset((finding.image_id, *finding.related[:1]))
        chosen.setdefault((finding.kind, pair), finding)
        if len(chosen) == WORST:
            break
    return tuple(chosen.values())


def _classes(images: Snapshot, flagged: Mapping[str, tuple[Finding, ...]]) -> tuple[ClassHealth, ...]:
    names = images.class_names
    splits = [Counter[str]() for _ in names]
    for image in images.images:
        for index in image.labels:
            splits[index][image.split or "unassigned"] += 1
    labels = {image.image_id: image.labels for image in images.images}
    found = [Counter[str]() for _ in names]
    for check, findings in flagged.items():
        for image_id in {finding.image_id for finding in findings}:
            for index in labels.get(image_id, ()):
                found[index][check] += 1
    return tuple(
        ClassHealth(name=name, pictures=counts.total(), splits=dict(counts), flagged=dict(bad))
        for name, counts, bad in zip(names, splits, found, strict=True)
    )


def _balance(classes: Mapping[str, int]) -> Balance | None:
    """Return how even the classes are; None with fewer than two that have pictures."""
    total = sum(classes.values())
    if sum(count > 0 for count in classes.values()) < 2:
        return None
    shares = [count / total for count in classes.values() if count]
    largest = max(classes.items(), key=lambda item: item[1])
    smallest = min(classes.items(), key=lambda item: item[1])
    return Balance(
        largest=largest,
        smallest=smallest,
        ratio=largest[1] / smallest[1] if smallest[1] else None,
        effective=math.exp(-sum(share * math.log(share) for share in shares)),
    )


def _newest_run(project: Project) -> RunHealth | None:
    """Return the run that was evaluated last, on test where it was, else on validation."""
    found: list[tuple[int, Path, Split]] = []
    for folder in list_folder(project.path / RUNS_FOLDER):
        for split in ("test", "val"):
            file = folder / evaluation_file(split)
            if file.is_file():
                found.append((file.stat().st_mtime_ns, folder, split))
                break
    for _, folder, split in sorted(found, reverse=True):
        evaluation = read_evaluation(folder, split)
        if evaluation is not None:
            return replace(_run(folder, split, evaluation), honest=_honest(project, folder, split))
    return None


def _honest(project: Project, folder: Path, split: Split) -> HonestAccuracy | None:
    leaks = read_result(project.path, Leaks.name)
    if leaks is None:
        return None
    found = accuracies_of_run(folder, _title(folder), together_now(project, leaks))
    return next((each for each in found if each.split == split and each.leaked), None)


def _run(folder: Path, split: Split, evaluation: StoredEvaluation) -> RunHealth:
    scores = [score for score in evaluation.scores if score.support]
    scores.sort(key=lambda score: (score.recall, -score.support))
    mistakes = evaluation.mistakes()
    classes: list[WeakClass] = []
    for place, score in enumerate(scores):
        own = [each for each in mistakes if score.name in each.true_classes and score.name not in each.predicted]
        taken_for = Counter(name for each in own for name in each.predicted if name not in each.true_classes)
        name, count = taken_for.most_common(1)[0] if taken_for else ("", 0)
        classes.append(
            WeakClass(
                name=score.name,
                recall=score.recall,
                interval=score.recall_interval,
                pictures=score.support,
                mistaken_for=name,
                mistaken=count,
                examples=tuple(each.image_id for each in own[:_MISSED]) if place < _WEAKEST else (),
            )
        )
    return RunHealth(
        run=evaluation.run,
        title=_title(folder),
        split=split,
        pictures=evaluation.images,
        top1=evaluation.top1,
        interval=evaluation.top1_interval,
        classes=tuple(classes),
    )


def _title(folder: Path) -> str:
    try:
        return read_run(folder).title
    except VisionFTError:  # its evaluation can be read all the same
        return folder.name


def _with_pictures(health: Health, images: Snapshot) -> Health:
    """Return the health with paths and labels of the pictures that it names, of those that are still there."""
    named = {
        each for finding in (f for c in health.checks for f in c.worst) for each in (finding.image_id, *finding.related)
    }
    named.update(each for weak in (health.run.classes if health.run else ()) for each in weak.examples)
    named.update(each for advice in health.advice for each in advice.image_ids)
    chosen = [image for image in images.images if image.image_id in named]
    names = images.class_names
    return replace(
        health,
        paths={image.image_id: image.path for image in chosen},
        labels={image.image_id: tuple(names[index] for index in image.labels) for image in chosen},
    )
