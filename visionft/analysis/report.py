"""The dataset report: counts, issues, the newest run's accuracy, and recommended actions.

It reads stored results, which `visionft.analysis.scan` updates, and computes nothing slow.
"""

import contextlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import ClassVar, Final, Literal

from visionft.analysis.check import CheckResult, Issue, open_issues, read_result
from visionft.analysis.duplicate_groups import current_groups
from visionft.analysis.duplicates import Duplicates
from visionft.analysis.leaks import (
    NO_SPLITS,
    LeakFreeAccuracy,
    Leaks,
    accuracies_of_run,
    can_leak,
    leaks_of,
    related_images,
)
from visionft.analysis.scan import CHECKS
from visionft.core.amounts import MIN_IMAGES_FOR_PERCENT
from visionft.core.errors import VisionFTError
from visionft.core.files import list_folder
from visionft.core.messages import Message, sentences
from visionft.core.names import count_of
from visionft.data.types import Snapshot, Split, Task
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.store import ProjectStore
from visionft.training.evaluation.stored import StoredEvaluation, evaluation_file, read_evaluation
from visionft.training.evaluation.unseen import is_unseen
from visionft.training.runs.run_folder import RUNS_FOLDER, read_run

State = Literal["never", "stale", "current"]  # of a check; stale if the project has changed since it ran


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary:
    """A class: its number of images, also by split ("unassigned" for none), and {check: number of flagged images}."""

    name: str
    images: int
    splits: Mapping[str, int]
    flagged: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBalance:
    """Class balance of the labels, with name and size of the largest and the smallest class."""

    largest: tuple[str, int]
    smallest: tuple[str, int]
    ratio: float | None  # size of the largest class divided by the smallest; None if a class is empty
    effective: float  # effective number of classes (exponential of the entropy; Hill 1973)

    @property
    def is_even(self) -> bool:
        return self.largest[1] == self.smallest[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSummary:
    """The open issues of a check."""

    name: str  # also the name of the view with details
    title: str
    summary: str
    state: State
    checked: int = 0
    flagged: int = 0
    groups: int | None = None  # number of groups in its view; None for a check of single images
    kinds: Mapping[str, int]  # number of issues by kind, most frequent first
    unreadable: int = 0
    is_approximate: bool = False  # whether there were too many images for an exact search
    worst: tuple[Issue, ...] = ()  # the worst issues, some dozens
    skipped: str = ""  # why it could not run or why its issues are not meaningful; otherwise empty


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakClass:
    """A class with a low recall in a run."""

    name: str
    recall: float
    interval: tuple[float, float]  # the 95 % interval of the recall
    images: int
    mistaken_for: str  # the class most often predicted instead; empty for none
    mistaken: int  # number of these predictions
    image_ids: tuple[int, ...]  # ids of misclassified images, most confident predictions first

    @property
    def share(self) -> str:
        """The recall as text: a number of images such as `2` if there are few, otherwise `40%`."""
        return f"{round(self.recall * self.images)}" if self.images < MIN_IMAGES_FOR_PERCENT else f"{self.recall:.0%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedRun:
    """The most recently evaluated run: its accuracy with a 95 % interval, and its classes, weakest first.

    `leak_free` is its accuracy without leaked images, or None if all images leaked. `is_unseen` is whether no image of
    the split was used to train or select the run.
    """

    run: str
    title: str
    split: Split
    images: int
    top1: float
    interval: tuple[float, float]
    classes: tuple[WeakClass, ...]
    leak_free: LeakFreeAccuracy | None = None
    is_unseen: bool = True

    @property
    def images_of(self) -> str:
        """The split, with a warning if the run has seen it."""
        return (
            self.split if self.is_unseen else Message("{split} (used to choose it: likely too high)", split=self.split)
        )


@dataclass(frozen=True, slots=True)
class RecommendedAction:
    """A recommended action and its evidence, a sentence each, with example images.

    `view` is the view in which to do it; empty for actions outside the program, such as taking photographs.
    """

    action: str
    evidence: str
    view: str = ""
    image_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """A dataset report."""

    HIDDEN: ClassVar = ("paths",)

    project: Path
    task: Task
    images: int
    labelled: int
    conflicts: int  # number of images with an unresolved label conflict between sources
    classes: tuple[ClassSummary, ...]  # in the order of the class list
    balance: ClassBalance | None  # None if fewer than two classes have images
    splits: Mapping[str, int]  # number of images by split, or "unassigned"
    checks: tuple[CheckSummary, ...]  # all checks in `CHECKS`
    run: EvaluatedRun | None  # None if no run was evaluated
    recommendations: tuple[RecommendedAction, ...] = ()  # most urgent first
    paths: Mapping[int, Path]  # {image id: path} of all images in the report

    def check(self, name: str) -> CheckSummary | None:
        """Return the summary of a check, or None if there is no such check."""
        return next((check for check in self.checks if check.name == name), None)


_MIN_CLASS_IMAGES: Final = 30  # with fewer, a tenth of them is too little for a test
_MIN_RECALL_DEFICIT: Final = 0.05  # of a weak class, relative to the run's accuracy; it must also be significant
_MAX_NAMED_CLASSES: Final = 3  # classes named per kind of recommendation


def recommend_actions(report: DatasetReport) -> tuple[RecommendedAction, ...]:
    if not report.images:
        return (RecommendedAction(Message("Import images."), Message("There are none yet."), view="home"),)
    return (
        *_label_actions(report),
        *_issue_actions(report),
        *_image_actions(report),
        *_confusion_actions(report),
        *_missing_result_actions(report),
    )


def _label_actions(report: DatasetReport) -> Iterator[RecommendedAction]:
    if report.conflicts:
        counted = count_of(report.conflicts, "image")
        yield RecommendedAction(
            Message("Resolve the label conflicts."),
            Message("{counted} are in several classes and count as unlabelled.", counted=counted),
            view="conflicts",
        )
    if missing := report.images - report.labelled - report.conflicts:
        counted = count_of(report.images, "image")
        yield RecommendedAction(
            Message("Label the images without a label."),
            Message("{missing} of {counted} have none.", missing=f"{missing:,}", counted=counted),
            view="label",
        )


def _issue_actions(report: DatasetReport) -> Iterator[RecommendedAction]:
    """Recommend to remove leaks if they inflate the newest accuracy, and a review for each check with flagged issues.

    Leaks come first, because they invalidate the test results.
    """
    leaked = report.run.leak_free if report.run is not None else None
    if leaked is not None and leaked.is_inflated and leaked.without is not None and leaked.without_interval:
        low, high = leaked.without_interval
        yield RecommendedAction(
            Message("Remove the leaks, then train again: the accuracy of the newest run is inflated."),
            Message(
                "“{title}” has an accuracy of {all} on {split}, but {without} ({low} to {high}) "
                "without the {counted} that leaked into training.",
                title=leaked.title,
                all=f"{leaked.accuracy:.0%}",
                split=leaked.split,
                without=f"{leaked.without:.0%}",
                low=f"{low:.0%}",
                high=f"{high:.0%}",
                counted=count_of(leaked.leaked, "image"),
            ),
            view="leaks",
        )
    order = {"leaks": 0, "duplicates": 1, "label-errors": 2}
    for check in sorted(report.checks, key=lambda check: order.get(check.name, len(order))):
        if check.flagged:
            flagged = f"{check.flagged:,}"
            counted = count_of(check.checked, "image")
            share = Message("{flagged} of {counted} are flagged.", flagged=flagged, counted=counted)
            yield RecommendedAction(
                Message("Review the issues of “{what}”.", what=check.title),
                sentences(share, check.summary),
                view=check.name,
                image_ids=tuple(dict.fromkeys(issue.image_id for issue in check.worst)),
            )


def _image_actions(report: DatasetReport) -> Iterator[RecommendedAction]:
    """Recommend collecting images of small classes, and of classes with a low recall in the newest run."""
    classes = sorted(report.classes, key=lambda summary: summary.images)
    if len(classes) < 2:
        return
    middle = median(summary.images for summary in classes)
    small = [summary for summary in classes if summary.images * 3.0 <= middle]
    small = small or [summary for summary in classes if summary.images < _MIN_CLASS_IMAGES]
    for summary in small[:_MAX_NAMED_CLASSES]:
        usual = f"{middle:,.0f}"
        yield RecommendedAction(
            Message("Collect more images of “{name}”.", name=summary.name),
            Message("It has {few}, the median class has {usual}.", few=f"{summary.images:,}", usual=usual),
        )
    run = report.run
    if run is None:
        return
    max_recall = run.top1 - _MIN_RECALL_DEFICIT
    weak = [class_ for class_ in run.classes if class_.recall <= max_recall and class_.interval[1] < run.top1]
    for class_ in weak[:_MAX_NAMED_CLASSES]:
        low, high = class_.interval
        evidence = Message(
            "{share} of its {counted} are classified correctly ({low} to {high}).",
            share=class_.share,
            counted=count_of(class_.images, "image"),
            low=f"{low:.0%}",
            high=f"{high:.0%}",
        )
        mistaken = Message(
            "Most are predicted as “{name}” ({times}).", name=class_.mistaken_for, times=f"{class_.mistaken:,}"
        )
        yield RecommendedAction(
            Message("Collect images of “{name}” similar to the misclassified ones.", name=class_.name),
            sentences(evidence, mistaken) if class_.mistaken_for else evidence,
            view="results",
            image_ids=class_.image_ids,
        )


def _confusion_actions(report: DatasetReport) -> Iterator[RecommendedAction]:
    """Recommend clearer definitions of classes that are confused with each other, most confused pairs first."""
    by_name = {class_.name: class_ for class_ in (report.run.classes if report.run else ())}
    pairs: list[tuple[int, WeakClass, WeakClass]] = []
    for first in by_name.values():
        second = by_name.get(first.mistaken_for)
        if second is not None and second.mistaken_for == first.name and first.name < second.name:
            both = first.mistaken + second.mistaken
            if both >= 0.05 * (first.images + second.images) and both > 2:
                pairs.append((both, first, second))
    for both, first, second in sorted(pairs, key=lambda pair: -pair[0])[:_MAX_NAMED_CLASSES]:
        images = f"{first.images + second.images:,}"
        yield RecommendedAction(
            Message(
                "Define “{first}” and “{second}” more clearly, or merge them.", first=first.name, second=second.name
            ),
            Message("{both} of their {all} images are predicted as the other class.", both=f"{both:,}", all=images),
            view="results",
            image_ids=(*first.image_ids[:4], *second.image_ids[:4]),
        )


def _missing_result_actions(report: DatasetReport) -> Iterator[RecommendedAction]:
    if titles := [check.title for check in report.checks if check.state == "never"]:
        yield RecommendedAction(
            Message("Find issues in the images."),
            Message("Checks that have not run yet: {titles}.", titles=sentences(*titles, joint=", ")),
            view="curate",
        )
    if report.run is None and report.labelled:
        yield RecommendedAction(
            Message("Train a run and evaluate it: it shows which classes are weak."),
            Message("No run was evaluated yet."),
            view="train",
        )


_MAX_LISTED_ISSUES = 24  # per check
_MAX_WEAK_CLASSES, _MAX_MISTAKES = 12, 8  # weakest classes with listed mistakes, and mistakes of each


def read_report(project: ProjectStore, skipped: Mapping[str, str] | None = None) -> DatasetReport:
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
    ids = {image_id for check in checks for issue in check.worst for image_id in (issue.image_id, *issue.related)}
    ids.update(image_id for weak in (report.run.classes if report.run else ()) for image_id in weak.image_ids)
    ids.update(image_id for recommendation in report.recommendations for image_id in recommendation.image_ids)
    return replace(report, paths={image.image_id: image.path for image in images.images if image.image_id in ids})


def stale_checks(project: ProjectStore) -> list[str]:
    """Return the checks that never ran, or not since images, labels or splits changed."""
    digest = project.snapshot().digest
    results = ((name, read_result(project.path, name)) for name in CHECKS)
    return [name for name, result in results if result is None or result.data != digest]


def _check(
    project: ProjectStore,
    images: Snapshot,
    name: str,
    result: CheckResult | None,
    flagged: tuple[Issue, ...],
    skipped: str,
) -> CheckSummary:
    check = CHECKS[name]
    state: State = "never" if result is None else "current" if result.data == images.digest else "stale"
    groups = None
    if result is not None and name == Duplicates.name:
        groups = len(current_groups(project, result))
    elif result is not None and name == Leaks.name:
        groups = len(leaks_of(related_images(project, result), images))
    worst: dict[object, Issue] = {}  # a pair with an issue for either image is listed once
    for issue in flagged:
        worst.setdefault((issue.kind, frozenset((issue.image_id, *issue.related[:1]))), issue)
        if len(worst) == _MAX_LISTED_ISSUES:
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
    flagged_ids = {check: {issue.image_id for issue in of_check} for check, of_check in flagged.items()}
    for image in images.images:
        for index in image.labels:
            splits[index][image.split or "unassigned"] += 1
            issues[index].update(check for check, ids in flagged_ids.items() if image.image_id in ids)
    return tuple(
        ClassSummary(name=name, images=counts.total(), splits=dict(counts), flagged=dict(of_class))
        for name, counts, of_class in zip(names, splits, issues, strict=True)
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


def _newest_run(project: ProjectStore, images: Snapshot, leaks: CheckResult | None) -> EvaluatedRun | None:
    """Return the most recently evaluated run, on the test split if available, otherwise on validation."""
    evaluated: list[tuple[int, Path, Split]] = []
    for folder in list_folder(project.path / RUNS_FOLDER):
        for split in ("test", "val"):
            file = folder / evaluation_file(split)
            if file.is_file():
                evaluated.append((file.stat().st_mtime_ns, folder, split))
                break
    for _, folder, split in sorted(evaluated, reverse=True):
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
            leak_free=next((of_split for of_split in accuracies if of_split.split == split and of_split.leaked), None),
        )
    return None


def _weak_classes(evaluation: StoredEvaluation) -> tuple[WeakClass, ...]:
    measured = [(score.recall, name) for name, score in evaluation.per_class.items() if score.recall is not None]
    measured.sort(key=lambda pair: (pair[0], -evaluation.per_class[pair[1]].support))
    mistakes = evaluation.mistakes()
    classes: list[WeakClass] = []
    for rank, (recall, class_name) in enumerate(measured):
        score = evaluation.per_class[class_name]
        missed = [image for image in mistakes if class_name in image.true_classes and class_name not in image.predicted]
        predicted = Counter(name for image in missed for name in image.predicted if name not in image.true_classes)
        name, count = predicted.most_common(1)[0] if predicted else ("", 0)
        classes.append(
            WeakClass(
                name=class_name,
                recall=recall,
                interval=score.recall_interval or (0.0, 1.0),
                images=score.support,
                mistaken_for=name,
                mistaken=count,
                image_ids=tuple(image.image_id for image in missed[:_MAX_MISTAKES]) if rank < _MAX_WEAK_CLASSES else (),
            )
        )
    return tuple(classes)
