"""Leaks: groups of related images in several splits, so that a test contains memorized images.

A group is a connected component of near-duplicates. The fix moves each group into the split with most of its images.

A run's accuracy is measured with and without its leaked images (images with a partner in its training data). The
splits are taken from the run's training: a later fix of the project does not change the result of earlier runs.

750 images of waste with 90 planted duplicates: a linear probe had 81.7 % accuracy on test, 77.8 % (70.6 to 83.6)
without the 33 leaked ones (100 % correct, LoRA 91 %); fixed and trained again, 77.1 %. Bursts of hands: 96.8 and
96.7 %, not significant.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Final

from visionft.analysis.check import APPROXIMATE, Check, CheckResult, Inputs, Issue, read_result
from visionft.analysis.duplicate_groups import LOOK_ALIKES, are_look_alikes, duplicate_pairs, refuse_look_alikes
from visionft.analysis.duplicates import Duplicates
from visionft.core.errors import NextStep, ProjectError, RunError
from visionft.core.events import Notice, Progress
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.types import SPLITS, Snapshot, Split
from visionft.features.connected import components
from visionft.project.edits.changes import AssignSplits
from visionft.project.edits.verdicts import FineFindings, verdicts_of
from visionft.project.splits import (
    SplitReport,
    SplitRequest,
    assign_splits,
    is_prepared,
    missing_texts,
    near_duplicate_texts,
)
from visionft.project.store import ProjectStore
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.training.evaluation.unseen import learned_splits
from visionft.training.retrieval import training_snapshot
from visionft.training.runs.run_folder import StoredRun, list_runs

DUPLICATE: Final = "duplicate"  # the kind of its issues
SPLITTING: Final = Message("Splitting")
_NO_TEST: Final = Message(
    "There are too few images for a test set: they are divided into training and validation only."
)
NO_SPLITS: Final = Message("The images are not split yet: there are no leaks to find.")


class Leaks(Check):
    """Find groups of related images in several splits."""

    name = "leaks"
    title = Message("Leaks")
    summary = Message(
        "Related images in several splits: the test contains training images. Move each group into one split."
    )

    kinds = (DUPLICATE,)

    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Check all images, for duplicates first. `facts` hold their pairs."""
        duplicates = Duplicates().run(inputs)
        pairs = [pair for pair in duplicate_pairs(duplicates) if pair.score >= duplicates.threshold]
        result = CheckResult(
            check=self.name,
            issues=(),
            threshold=0.5,
            checked=duplicates.checked,
            unreadable=duplicates.unreadable,
            facts={
                "pairs": [[pair.first, pair.second, round(pair.score, 4)] for pair in pairs],
                LOOK_ALIKES: are_look_alikes(duplicates),
                **({APPROXIMATE: True} if duplicates.is_approximate else {}),
            },
        )
        return replace(result, issues=_issues(RelatedImages.of(result, frozenset()), inputs))


@dataclass(frozen=True)
class RelatedImages:
    """Pairs of near-duplicates."""

    pairs: Sequence[tuple[int, int]]
    newest: int = 0  # highest image id at the time of the check: it has not seen those behind

    @classmethod
    def of(cls, result: CheckResult, fine: FineFindings) -> "RelatedImages":
        """Return the related images of a result of `Leaks`, without pairs judged `fine` by the user."""
        return cls([pair.ids for pair in duplicate_pairs(result) if pair.ids not in fine], result.newest)

    @cached_property
    def groups(self) -> list[tuple[int, ...]]:
        """The connected components of the pairs."""
        return components(self.pairs)


@dataclass(frozen=True, slots=True)
class Leak:
    """A group in several splits: its images by split."""

    images: Mapping[Split, tuple[int, ...]]

    @property
    def image_ids(self) -> tuple[int, ...]:
        """Its images, training first."""
        return tuple(image_id for ids in self.images.values() for image_id in ids)

    @property
    def pairs(self) -> int:
        """Number of pairs of its images in different splits."""
        return sum(len(first) * len(second) for first, second in combinations(self.images.values(), 2))


def related_images(project: ProjectStore, result: CheckResult) -> RelatedImages:
    """Return the related images of a result of `Leaks`, without pairs that the user judged fine."""
    return RelatedImages.of(result, verdicts_of(project, Duplicates.name))


def related_groups(
    project: ProjectStore, images: Snapshot | None = None, *, job: JobContext = SILENT_JOB
) -> list[tuple[int, ...]]:
    """Return the groups of related images that a split keeps together.

    These are the groups of the last check for leaks. Images that it has not seen, or all where it never ran, are
    grouped by `near_duplicates`.

    Args:
        project: Its verdicts count: pairs that are no duplicates.
        images: The images to look for near-duplicates among; None for no search.
        job: Receives the progress.

    Raises:
        JobCancelled, VisionFTError: As `near_duplicates`.
    """
    result = read_result(project.path, Leaks.name)
    groups = [] if result is None else related_images(project, result).groups
    newest = 0 if result is None else result.newest
    if images is None or all(image.image_id <= newest for image in images.images):
        return groups
    from visionft.features.near_duplicates import near_duplicates  # loads OpenCV

    apart = verdicts_of(project, Duplicates.name)
    near = near_duplicates(project.path, images, apart=apart, newer_than=newest, job=job)
    return components([*near, *((ids[0], other) for ids in groups for other in ids[1:])])


def split_without_leaks(
    project: ProjectStore, wish: SplitRequest, *, or_without_test: bool = False, job: JobContext = SILENT_JOB
) -> SplitReport:
    """Do `assign_splits`, and keep near-duplicates and the groups of the last check for leaks together.

    Near-duplicates are searched only if an image has no split or group yet. A notice says how many groups were kept
    together, how many could not be, and which classes have no image in a split.

    Args:
        project: Open for writing.
        wish: The shares, and the images to keep together.
        or_without_test: With too few images for a test set, divide them into training and validation, and say so.
        job: Receives progress and notices.

    Raises:
        ProjectError: As `assign_splits`.
        JobCancelled, VisionFTError: As `near_duplicates`. Nothing was changed.
    """
    snapshot = project.snapshot()
    labelled = replace(snapshot, images=tuple(image for image in snapshot.images if image.labels))
    groups = related_groups(project, None if is_prepared(snapshot) and not wish.again else labelled, job=job)
    job.report(Progress(stage=SPLITTING, done=0, total=0))

    def assigned(test: float) -> SplitReport:
        return assign_splits(
            project,
            val=wish.val,
            test=test,
            seed=wish.seed,
            group=wish.group or None,
            together=groups,
            again=wish.again,
        )

    texts: list[Message | str] = []
    try:
        report = assigned(wish.test)
    except ProjectError as error:
        step = error.next_step
        if not or_without_test or step is None or step.action != "split_without_test":
            raise
        report = assigned(0.0)
        texts.append(_NO_TEST)
    for text in near_duplicate_texts(report):
        job.report(Notice(message=text, level="warning" if report.released else "info"))
    for text in (*texts, *missing_texts(report)):
        job.report(Notice(message=text, level="warning"))
    return report


def leaks_of(related: RelatedImages, images: Snapshot) -> tuple[Leak, ...]:
    """Return the groups in several splits, the largest first."""
    return leaks_among(related, {image.image_id: image.split for image in images.images})


def leaks_among(related: RelatedImages, split_of: Mapping[int, str | None]) -> tuple[Leak, ...]:
    """Return the leaks for {image: split}; other images are left out."""
    leaks: list[Leak] = []
    for members in related.groups:
        images: dict[Split, tuple[int, ...]] = {}
        for split in SPLITS:
            if ids := tuple(image_id for image_id in members if split_of.get(image_id) == split):
                images[split] = ids
        if len(images) > 1:
            leaks.append(Leak(images))
    return tuple(sorted(leaks, key=lambda leak: -leak.pairs))


def can_leak(splits: Mapping[str, int]) -> bool:
    """Return whether several splits have images, given their counts: otherwise an absence of leaks has no meaning."""
    return sum(splits.get(split, 0) > 0 for split in SPLITS) > 1


def mend(leaks: Iterable[Leak], images: Snapshot) -> AssignSplits | None:
    """Return the change that moves each group into one split; None where there is nothing to move.

    The target is the split with most of its images. On ties it is the split with the largest deficit of its class,
    measured against the counts before the move.
    """
    wanted = Counter[tuple[Split, int]]()
    labels_of = {image.image_id: image.labels for image in images.images}
    for image in images.images:
        if image.split is not None:
            wanted.update((image.split, label) for label in image.labels)
    have = Counter(wanted)
    moved = dict[int, Split | None]()
    for leak in leaks:
        labels = Counter(label for ids in leak.images.values() for each in ids for label in labels_of[each])

        def worth(split: Split, leak: Leak = leak, labels: Counter[int] = labels) -> tuple[int, float, int]:
            lack = sum(count * (wanted[split, label] - have[split, label]) for label, count in labels.items())
            return (len(leak.images[split]), lack, SPLITS.index(split))

        target = max(leak.images, key=worth)
        for split, ids in leak.images.items():
            for image_id in ids if split != target else ():
                moved[image_id] = target
                have.update((target, label) for label in labels_of[image_id])
                have.subtract((split, label) for label in labels_of[image_id])
    return AssignSplits(moved) if moved else None


def move_leaks(
    project: ProjectStore, result: CheckResult, leaks: Sequence[Leak], images: Snapshot, *, is_sure: bool
) -> int:
    """Move each group of related images into one split, as one step; return how many images were moved.

    Args:
        result: The result of the check for leaks that the groups are of.
        is_sure: Also where different images of the project are as similar as copies.

    Raises:
        VisionFTError: They are, and the user has not looked at the groups.
    """
    if not is_sure and leaks:
        refuse_look_alikes(result, NextStep("mend", project=project.path))
    change = mend(leaks, images)
    if change is None:
        return 0
    project.apply(change)
    return len(change.splits)


def _issues(related: RelatedImages, inputs: Inputs) -> tuple[Issue, ...]:
    """Return an issue for each image of a leak, with the images in other splits as related ones."""
    issues: list[Issue] = []
    for number, leak in enumerate(leaks_of(related, inputs.images), 1):
        for ids in leak.images.values():
            own = frozenset(ids)
            others = tuple(each for each in leak.image_ids if each not in own)
            other = inputs.images.by_id[others[0]]
            name, split = other.path.name, other.split or ""
            reason = Message("Near-duplicate of {name}, which is in {split}.", name=name, split=split)
            issues += [
                Issue(
                    image_id=image_id,
                    sha256=inputs.images.by_id[image_id].sha256,
                    score=1.0,
                    kind=DUPLICATE,
                    reason=reason,
                    related=others[:20],
                    group=number,
                )
                for image_id in ids
            ]
    return tuple(sorted(issues, key=lambda each: (-each.score, each.group, each.image_id)))


Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakFreeAccuracy:
    """Accuracy of a run on a split, with and without leaked images; intervals of 95 %."""

    run: str
    title: str
    split: str
    images: int
    leaked: int  # number of the images with a partner among the training images
    accuracy: float
    accuracy_interval: Interval
    without: float | None = None  # accuracy of the other images, if any
    without_interval: Interval | None = None

    @property
    def is_inflated(self) -> bool:
        """Whether leaks make the run look better by more than chance."""
        return self.leaked > 0 and self.without_interval is not None and self.accuracy > self.without_interval[1]


def leak_free_accuracy(
    evaluation: StoredEvaluation,
    leaks: Iterable[Leak],
    *,
    title: str = "",
    learnt: Collection[str] = ("train",),
    newest: int = 0,
) -> LeakFreeAccuracy:
    """Return the accuracy of an evaluation with and without images leaked across the splits of the run's training.

    Args:
        evaluation: Of the run.
        leaks: Found by a check for leaks, by the splits of the run's training.
        title: The run's display name.
        learnt: Splits in which a partner counts: training, and validation where the head was fitted to it.
        newest: Highest image id that the check has seen. Later images leak where the evaluation found it.
    """
    leaked = {each.image_id for each in evaluation.predictions if each.is_leaked and each.image_id > newest}
    leaked |= _leaked(leaks, learnt)
    known = [each.is_right for each in evaluation.predictions if each.image_id in leaked]
    clean = [each.is_right for each in evaluation.predictions if each.image_id not in leaked]
    count, right = len(known) + len(clean), sum(known) + sum(clean)
    return LeakFreeAccuracy(
        run=evaluation.run,
        title=title or evaluation.run,
        split=evaluation.split,
        images=count,
        leaked=len(known),
        accuracy=right / max(1, count),
        accuracy_interval=wilson_interval(right, count),
        without=sum(clean) / len(clean) if clean else None,
        without_interval=wilson_interval(sum(clean), len(clean)) if clean else None,
    )


def _leaked(leaks: Iterable[Leak], learnt: Collection[str]) -> set[int]:
    splits = [(split, ids, {*learnt} & leak.images.keys()) for leak in leaks for split, ids in leak.images.items()]
    return {each for split, ids, sources in splits if split != "train" and sources - {split} for each in ids}


def current_leak_free_accuracies(project: ProjectStore) -> tuple[LeakFreeAccuracy, ...]:
    """Return the accuracies of all evaluated runs, the newest run first, test before validation.

    They follow the current groups and the user's choices.
    """
    result = read_result(project.path, Leaks.name)
    related = None if result is None else related_images(project, result)
    images = project.snapshot()
    runs = sorted(list_runs(project.path), key=lambda run: run.name, reverse=True)
    return tuple(each for run in runs for each in accuracies_of_run(run, images, related))


def accuracies_of_run(run: StoredRun, images: Snapshot, related: RelatedImages | None) -> Iterator[LeakFreeAccuracy]:
    """Yield the accuracies of a run, on test before validation; none where its training images are no longer known.

    Args:
        run: The run.
        images: Of the project.
        related: Of the last check for leaks. None where it never ran: then the near-duplicates count that each
            evaluation found, and an evaluation that did not look for any is left out.
    """
    evaluations = _evaluations(run)
    if related is None:
        for each in evaluations:
            if each.leaked is not None:
                yield leak_free_accuracy(each, (), title=run.title)
        return
    try:
        seen = training_snapshot(run, images)
        leaks = leaks_of(related, seen) if evaluations else ()
    except RunError:
        return
    learnt = learned_splits(run, seen) if evaluations else ()
    for each in evaluations:
        yield leak_free_accuracy(each, leaks, title=run.title, learnt=learnt, newest=related.newest)


def _evaluations(run: StoredRun) -> list[StoredEvaluation]:
    return [each for split in ("test", "val") if (each := read_evaluation(run.path, split)) is not None]
