"""Train, val and test: stratified, seeded, and sticky, so that new pictures never reshuffle old ones.

Pictures are placed by iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label
Data, ECML 2011): the rarest class first, each picture to the split that still wants that class most. With one label per
picture that is plain stratified sampling. Only pictures without a split are placed; those that have one count towards
the shares. The order is drawn from the seed and the picture's content, so that the same pictures fall the same way.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from visionft.errors import ProjectError
from visionft.project.changes import AssignSplits
from visionft.project.snapshot import SPLITS, Snapshot, SnapshotImage, Split
from visionft.project.store import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """What a split did: how many pictures it placed, and the labelled pictures per split afterwards."""

    assigned: int
    splits: dict[Split, int]


def assign_splits(project: Project, *, val: float = 0.15, test: float = 0.15, seed: int = 0) -> SplitReport:
    """Place the labelled pictures that have no split yet, as one step of the history.

    Args:
        project: Open for writing.
        val: Share of the labelled pictures for validation, from 0 to below 1.
        test: Share for the final test; `val + test` stays below 1.
        seed: Draws another split of the same pictures.

    Raises:
        ProjectError: The shares are impossible, there are too few labelled pictures or classes, or a class would be
            missing from a split. Nothing was changed.
    """
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise ProjectError(f"Shares of {val:g} for val and {test:g} for test leave nothing to train on.", "Try 0.15.")
    shares: dict[Split, float] = {"train": 1 - val - test, "val": val, "test": test}
    shares = {split: share for split, share in shares.items() if share > 0}
    snapshot = project.snapshot()
    labelled = [image for image in snapshot.images if image.labels]
    _check_enough(snapshot, labelled, len(shares))
    splits = _place(labelled, shares, seed)
    placed: dict[int, Split | None] = {
        image.image_id: splits[image.image_id] for image in labelled if image.split is None
    }
    _check_classes(snapshot, labelled, splits, shares)
    if placed:
        project.apply(AssignSplits(placed))
    counts = Counter(splits.values())
    return SplitReport(assigned=len(placed), splits={split: counts[split] for split in SPLITS})


def _place(images: Sequence[SnapshotImage], shares: dict[Split, float], seed: int) -> dict[int, Split]:
    """Return the split of every picture: the one it has, or the one it gets."""
    result: dict[int, Split] = {image.image_id: image.split for image in images if image.split is not None}
    wanted = _wanted(images, shares)
    for image in images:
        if image.split is not None:
            _take(wanted, image, image.split)
    free = sorted((image for image in images if image.split is None), key=lambda image: _draw(image, seed))
    by_class: defaultdict[int, list[SnapshotImage]] = defaultdict(list)
    for image in free:
        for label in image.labels:
            by_class[label].append(image)
    for label in sorted(by_class, key=lambda label: (len(by_class[label]), label)):
        for image in by_class[label]:
            if image.image_id not in result:
                split = max(shares, key=lambda split: (wanted[split][label], wanted[split].total()))
                result[image.image_id] = split
                _take(wanted, image, split)
    return result


def _wanted(images: Iterable[SnapshotImage], shares: dict[Split, float]) -> dict[Split, Counter[int]]:
    """Return how many pictures of each class each split should hold: at least one where there are enough."""
    totals = Counter(label for image in images for label in image.labels)
    wanted: dict[Split, Counter[int]] = {split: Counter() for split in SPLITS}
    for label, total in totals.items():
        for split, share in shares.items():
            if split != "train":
                wanted[split][label] = max(1, round(total * share))
        held_out = sum(counts[label] for counts in wanted.values())
        wanted["train"][label] = max(1, total - held_out)
    return wanted


def _take(wanted: dict[Split, Counter[int]], image: SnapshotImage, split: Split) -> None:
    for label in image.labels:
        wanted[split][label] -= 1


def _draw(image: SnapshotImage, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{image.sha256}".encode()).hexdigest()


def _check_enough(snapshot: Snapshot, labelled: Sequence[SnapshotImage], parts: int) -> None:
    counts = {name: count for name, count in snapshot.class_counts(labelled).items() if count}
    if not labelled:
        raise ProjectError("No picture has a label yet.", "Label some, or import folders named after their class.")
    if len(counts) < 2 and snapshot.task == "single":
        raise ProjectError(
            f"All {len(labelled)} labelled pictures are “{next(iter(counts))}”.", "Label at least two classes."
        )
    if len(labelled) < 2 * parts:
        raise ProjectError(f"{len(labelled)} labelled pictures are too few to split.", f"Label at least {2 * parts}.")
    few = [f"“{name}” has {count}" for name, count in counts.items() if count < parts]
    if few:
        raise ProjectError(
            f"Each class needs {parts} pictures to be in every split: {', '.join(few[:5])}.",
            "Label more of them, delete the class, or do without a test set (--test 0).",
        )


def _check_classes(
    snapshot: Snapshot, labelled: Sequence[SnapshotImage], splits: dict[int, Split], shares: dict[Split, float]
) -> None:
    counts = {split: Counter[int]() for split in SPLITS}
    for image in labelled:
        counts[splits[image.image_id]].update(image.labels)
    present = {label for image in labelled for label in image.labels}
    missing = [
        (snapshot.class_names[label], split)
        for label in sorted(present)
        for split in shares
        if not counts[split][label]
    ]
    if missing:
        name, split = missing[0]
        raise ProjectError(
            f"Class “{name}” would be missing from {split}"
            + (f", and {len(missing) - 1} more like it." if len(missing) > 1 else "."),
            f"Label more pictures of it, or choose a share of 0 for {split}.",
        )
