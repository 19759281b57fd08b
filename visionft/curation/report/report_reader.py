"""Assembly of the dataset report: counts, issues, the newest run's accuracy, and recommendations.

Reads stored results and computes nothing slow; `visionft.curation.scan` updates them.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from visionft.curation.check import CheckResult, Issue, open_issues, read_result
from visionft.curation.duplicates.duplicate_check import Duplicates
from visionft.curation.duplicates.duplicate_groups import current_groups
from visionft.curation.leaks.leak_check import NO_SPLITS, Leaks, can_leak, leaks_of, related_images
from visionft.curation.leaks.leak_free_accuracy import accuracies_of_run
from visionft.curation.report.dataset_report import (
    CheckSummary,
    ClassBalance,
    ClassSummary,
    DatasetReport,
    EvaluatedRun,
    State,
    WeakClass,
)
from visionft.curation.report.recommendations import recommend_actions
from visionft.curation.table import CHECKS
from visionft.data.types import Snapshot, Split
from visionft.errors import VisionFTError
from visionft.evaluation.stored import StoredEvaluation, evaluation_file, read_evaluation
from visionft.evaluation.unseen import is_unseen
from visionft.files import list_folder
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.store import Project
from visionft.training.runs.run_folder import RUNS_FOLDER, read_run

_WEAKEST, _MISTAKES = 12, 8  # classes with listed mistakes, and mistakes of each


def read_report(project: Project, skipped: Mapping[str, str] | None = None) -> DatasetReport:
    """Return the dataset report of a project from stored results; `skipped` is {check: why it could not run}."""
    images, summary = project.snapshot(), project.summary()
    reasons = {**({} if can_leak(summary.splits) else {Leaks.name: NO_SPLITS}), **(skipped or {})}
    results = {name: read_result(project.path, name) for name in CHECKS}
    flagged: dict[str, tuple[Issue, ...]] = dict.fromkeys(CHECKS, ())
    for name, result in results.items():
        if result is not None:
            issues = open_issues(result, images, verdicts_of(project, name))
            flagged[name] = tuple(issue for issue in issues if issue.score >= result.threshold)
    checks = tuple(
        _check(project, images, name, results[name], flagged[name], reasons.get(name, "")) for name in CHECKS
    )
    report = DatasetReport(
        project=project.path,
        task=images.task,
        images=len(images.images),
        labelled=summary.labelled,
        conflicts=summary.conflicts,
        classes=_classes(images, flagged),
        balance=_balance(summary.classes),
        splits=summary.splits,
        checks=checks,
        run=_newest_run(project, images, results.get(Leaks.name)),
        paths={},
    )
    report = replace(report, recommendations=recommend_actions(report))
    ids = {each for check in checks for issue in check.worst for each in (issue.image_id, *issue.related)}
    ids.update(each for weak in (report.run.classes if report.run else ()) for each in weak.image_ids)
    ids.update(each for recommendation in report.recommendations for each in recommendation.image_ids)
    return replace(report, paths={image.image_id: image.path for image in images.images if image.image_id in ids})


def stale_checks(project: Project) -> list[str]:
    """Return the checks never run, or not since images, labels or splits changed."""
    digest = project.snapshot().digest
    results = ((name, read_result(project.path, name)) for name in CHECKS)
    return [name for name, result in results if result is None or result.data != digest]


def _check(
    project: Project, images: Snapshot, name: str, result: CheckResult | None, flagged: tuple[Issue, ...], skipped: str
) -> CheckSummary:
    check = CHECKS[name]
    state: State = "never" if result is None else "current" if result.data == images.digest else "stale"
    groups = None
    if result is not None and name == Duplicates.name:
        groups = len(current_groups(project, result))
    elif result is not None and name == Leaks.name:
        groups = len(leaks_of(related_images(project, result), images))
    worst: dict[object, Issue] = {}  # a pair listed from both sides appears once
    for issue in flagged:
        worst.setdefault((issue.kind, frozenset((issue.image_id, *issue.related[:1]))), issue)
        if len(worst) == 24:  # listed issues per check
            break
    return CheckSummary(
        name=name,
        title=check.title,
        summary=check.summary,
        state=state,
        checked=result.checked if result is not None else 0,
        flagged=len({issue.image_id for issue in flagged}),
        groups=groups,
        kinds=dict(Counter(issue.kind for issue in flagged).most_common()),
        unreadable=len(result.unreadable) if result is not None else 0,
        is_approximate=result is not None and result.is_approximate,
        worst=tuple(worst.values()),
        skipped=skipped,
    )


def _classes(images: Snapshot, flagged: Mapping[str, tuple[Issue, ...]]) -> tuple[ClassSummary, ...]:
    names = images.class_names
    splits, issues = [Counter[str]() for _ in names], [Counter[str]() for _ in names]
    flagged_ids = {check: {issue.image_id for issue in found} for check, found in flagged.items()}
    for image in images.images:
        for index in image.labels:
            splits[index][image.split or "unassigned"] += 1
            issues[index].update(check for check, ids in flagged_ids.items() if image.image_id in ids)
    return tuple(
        ClassSummary(name=name, images=counts.total(), splits=dict(counts), flagged=dict(found))
        for name, counts, found in zip(names, splits, issues, strict=True)
    )


def _balance(classes: Mapping[str, int]) -> ClassBalance | None:
    total = sum(classes.values())
    shares = [count / total for count in classes.values() if count]
    if len(shares) < 2:
        return None
    largest = max(classes.items(), key=lambda item: item[1])
    smallest = min(classes.items(), key=lambda item: item[1])
    return ClassBalance(
        largest=largest,
        smallest=smallest,
        ratio=largest[1] / smallest[1] if smallest[1] else None,
        effective=math.exp(-sum(share * math.log(share) for share in shares)),
    )


def _newest_run(project: Project, images: Snapshot, leaks: CheckResult | None) -> EvaluatedRun | None:
    """Return the most recently evaluated run, on test if available, else on validation."""
    found: list[tuple[int, Path, Split]] = []
    for folder in list_folder(project.path / RUNS_FOLDER):
        for split in ("test", "val"):
            file = folder / evaluation_file(split)
            if file.is_file():
                found.append((file.stat().st_mtime_ns, folder, split))
                break
    for _, folder, split in sorted(found, reverse=True):
        evaluation = read_evaluation(folder, split)
        if evaluation is None:
            continue
        title, accuracies, unseen = folder.name, (), split == "test"
        with contextlib.suppress(VisionFTError):  # without the run its evaluation is still readable
            run = read_run(folder)
            title = run.title
            unseen = is_unseen(run, evaluation)
            related = None if leaks is None else related_images(project, leaks)
            accuracies = tuple(accuracies_of_run(run, images, related))
        return EvaluatedRun(
            run=evaluation.run,
            title=title,
            split=split,
            images=evaluation.images,
            top1=evaluation.top1,
            interval=evaluation.top1_interval,
            classes=_weak_classes(evaluation),
            is_unseen=unseen,
            leak_free=next((each for each in accuracies if each.split == split and each.leaked), None),
        )
    return None


def _weak_classes(evaluation: StoredEvaluation) -> tuple[WeakClass, ...]:
    measured = [(score.recall, name) for name, score in evaluation.per_class.items() if score.recall is not None]
    measured.sort(key=lambda pair: (pair[0], -evaluation.per_class[pair[1]].support))
    mistakes = evaluation.mistakes()
    classes: list[WeakClass] = []
    for place, (recall, class_name) in enumerate(measured):
        score = evaluation.per_class[class_name]
        own = [each for each in mistakes if class_name in each.true_classes and class_name not in each.predicted]
        predicted = Counter(name for each in own for name in each.predicted if name not in each.true_classes)
        name, count = predicted.most_common(1)[0] if predicted else ("", 0)
        classes.append(
            WeakClass(
                name=class_name,
                recall=recall,
                interval=score.recall_interval or (0.0, 1.0),
                images=score.support,
                mistaken_for=name,
                mistaken=count,
                image_ids=tuple(each.image_id for each in own[:_MISTAKES]) if place < _WEAKEST else (),
            )
        )
    return tuple(classes)
