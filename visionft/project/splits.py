"""Train, val and test: stratified, seeded, sticky (new pictures never reshuffle old ones), and true to groups.

Pictures are placed by iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label
Data, ECML 2011): the rarest class first, each picture to the split that still wants that class most. With one label per
picture that is plain stratified sampling. Only pictures without a split are placed; those that have one count towards
the shares. Pictures of the same content, and those that a pattern finds to belong together (one part photographed
twice, frames of one film), stay on one side: else the test would ask what was learned by heart. The order is drawn from
the seed and the contents, so that the same pictures fall the same way. Of a data set that came with train and test
only, val is taken out of train; the test stays what its makers made it.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from visionft.data.types import SPLITS, Snapshot, SnapshotImage, Split
from visionft.errors import NextStep, ProjectError
from visionft.project.edits.changes import AssignSplits
from visionft.project.store import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """What a split did.

    Attributes:
        assigned: How many pictures it placed.
        splits: The labelled pictures per split afterwards.
        from_train: How many of them were training pictures, because there was no validation picture.
        torn_groups: Groups that lie in several splits because their pictures were placed before the pattern was given.
    """

    assigned: int
    splits: dict[Split, int]
    from_train: int = 0
    torn_groups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitWish:
    """How a person wants the pictures divided; as `assign_splits` takes it, `group` empty for none."""

    val: float = 0.15
    test: float = 0.15
    seed: int = 0
    group: str = ""
    again: bool = False

    @classmethod
    def like(cls, images: Snapshot) -> "SplitWish":
        """Return the shares that the pictures are divided in already; the usual ones where they are not yet."""
        counts = Counter(image.split for image in images.images if image.labels)
        total, usual = counts.total() - counts[None], cls()
        if not total or (counts[None] and counts["train"] == total):
            return usual
        val = round(counts["val"] / total, 2)
        return replace(usual, val=val or usual.val, test=round(counts["test"] / total, 2))


def is_divided(images: Snapshot) -> bool:
    """Tell whether every labelled picture has its split, and validation has some."""
    labelled = [image.split for image in images.images if image.labels]
    return None not in labelled and "val" in labelled


def as_divided(images: Snapshot, wish: SplitWish) -> Snapshot:
    """Return pictures about as `assign_splits` would leave them, to count and to measure on before it is done."""
    labelled = [image for image in images.images if image.labels]
    if all(image.split for image in labelled):
        return images
    shares = _shares(wish.val, wish.test)
    wanted = _wanted(Counter(label for image in labelled for label in image.labels), shares)
    for image in labelled:
        if image.split:
            wanted[image.split].subtract(image.labels)

    def place(image: SnapshotImage) -> SnapshotImage:
        if image.split or not image.labels:
            return image
        split = max(shares, key=lambda split: wanted[split][image.labels[0]])
        wanted[split].subtract(image.labels)
        return replace(image, split=split)

    return replace(images, images=tuple(map(place, images.images)))


@dataclass(slots=True)
class _Group:
    """Pictures that stay on one side."""

    images: list[SnapshotImage] = field(default_factory=list[SnapshotImage])

    @property
    def labels(self) -> Counter[int]:
        return Counter(label for image in self.images for label in image.labels)

    @property
    def splits(self) -> Counter[Split]:
        return Counter(image.split for image in self.images if image.split is not None)

    @property
    def is_for_training(self) -> bool:
        return all(image.split == "train" for image in self.images)


def assign_splits(
    project: Project,
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    group: str | None = None,
    together: Sequence[Sequence[int]] = (),
    again: bool = False,
) -> SplitReport:
    """Place the labelled pictures that have no split yet, as one step of the history.

    Where no picture is for validation, and those without a split are not enough, training pictures are taken for it.

    Args:
        project: Open for writing.
        val: Share of the labelled pictures for validation, from 0 to below 1.
        test: Share for the final test; `val + test` stays below 1.
        seed: Draws another split of the same pictures.
        group: A regular expression that is searched in each picture's name (its path in its source, with `/`);
            pictures for which its groups (or, without any, the whole match) are equal stay on one side.
        together: Pictures that stay on one side too, by their ids: near-duplicates and what leaks were looked for by
            (`curation.leaks.known_together`).
        again: Place all pictures anew, those that have a split too.

    Raises:
        ProjectError: The shares or the pattern are impossible, there are too few labelled pictures or classes, or a
            class would be missing from a split. Nothing was changed.
    """
    shares = _shares(val, test)
    snapshot = project.snapshot()
    labelled = [image for image in snapshot.images if image.labels]
    _check_enough(snapshot, labelled, len(shares))
    groups = _groups(labelled, _keys(project, group), together)
    splits = _place(groups, shares, seed, again=again)
    if not again and _lacks_validation(labelled, splits, shares):
        splits = _place(groups, shares, seed, val_from_train=True)
    _check_classes(snapshot, labelled, splits, shares)
    placed: dict[int, Split | None] = {
        image.image_id: splits[image.image_id] for image in labelled if image.split != splits[image.image_id]
    }
    if placed:
        project.apply(AssignSplits(placed))
    counts = Counter(splits.values())
    torn = sum(len({splits[image.image_id] for image in members.images}) > 1 for members in groups)
    taken = 0 if again else sum(image.split == "train" for image in labelled if image.image_id in placed)
    splits_now: dict[Split, int] = {split: counts[split] for split in SPLITS}
    return SplitReport(assigned=len(placed), splits=splits_now, from_train=taken, torn_groups=torn)


def _shares(val: float, test: float) -> dict[Split, float]:
    """Return the share of each split that gets pictures."""
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise ProjectError(f"Shares of {val:g} for val and {test:g} for test leave nothing to train on.", "Try 0.15.")
    shares: dict[Split, float] = {"train": 1 - val - test, "val": val, "test": test}
    return {split: share for split, share in shares.items() if share > 0}


def _keys(project: Project, pattern: str | None) -> dict[int, str]:
    """Return what the pattern finds in the names of the pictures in which it finds anything."""
    if pattern is None:
        return {}
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ProjectError(
            f"The group pattern “{pattern}” is not a regular expression: {error}.",
            r"For part7_a.jpg and part7_b.jpg write: (part\d+)_",
        ) from error
    with project.reading() as connection:
        names = connection.execute("SELECT id, coalesce(name, path) FROM image WHERE removed_at IS NULL").fetchall()
    matches = {image_id: match for image_id, name in names if (match := expression.search(name))}
    if not matches:
        raise ProjectError(f"The group pattern “{pattern}” matches no picture.", f"A name is: {names[0][1]}")
    return {image_id: repr(match.groups() or match[0]) for image_id, match in matches.items()}


def _groups(
    images: Sequence[SnapshotImage], keys: Mapping[int, str], together: Sequence[Sequence[int]] = ()
) -> list[_Group]:
    """Gather pictures of the same content, the same key or the same known group, directly or through others."""
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for image in images:
        if image.image_id in keys:
            parent[root(f"content {image.sha256}")] = root(f"key {keys[image.image_id]}")
    contents = {image.image_id: image.sha256 for image in images}
    for number, members in enumerate(together):
        for image_id in members:
            if image_id in contents:
                parent[root(f"content {contents[image_id]}")] = root(f"group {number}")
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    for image in images:
        groups[root(f"content {image.sha256}")].images.append(image)
    return list(groups.values())


def _lacks_validation(
    labelled: Sequence[SnapshotImage], splits: Mapping[int, Split], shares: Mapping[Split, float]
) -> bool:
    """Say whether validation has no picture of its own and would miss a class."""
    if "val" not in shares or any(image.split == "val" for image in labelled):
        return False
    validated = {label for image in labelled if splits[image.image_id] == "val" for label in image.labels}
    return any(label not in validated for image in labelled for label in image.labels)


def _place(
    groups: Sequence[_Group],
    shares: Mapping[Split, float],
    seed: int,
    *,
    again: bool = False,
    val_from_train: bool = False,
) -> dict[int, Split]:
    """Return the split of every picture: the one it has, the one of its group, or the one that wants it most.

    Args:
        again: No picture has a split.
        val_from_train: Training pictures have none either, but may not become test pictures.
    """
    wanted = _wanted(Counter(label for group in groups for label in group.labels.elements()), shares)
    result: dict[int, Split] = {}
    free: list[_Group] = []
    for group in groups:
        settled = None if again or not group.splits else group.splits.most_common(1)[0][0]
        if settled is None or (val_from_train and group.is_for_training):
            free.append(group)
            continue
        for image in group.images:
            result[image.image_id] = image.split or settled
            wanted[result[image.image_id]].subtract(image.labels)
    free.sort(key=lambda group: (-len(group.images), _draw(group, seed)))
    waiting: defaultdict[int, list[_Group]] = defaultdict(list)
    for group in free:
        for label in group.labels:
            waiting[label].append(group)
    left = Counter({label: len(members) for label, members in waiting.items()})
    while left:
        label = min(left, key=lambda label: (left[label], label))
        for group in waiting[label]:
            if group.images[0].image_id not in result:
                is_kept_from_test = val_from_train and group.is_for_training
                allowed: list[Split] = [split for split in shares if split != "test" or not is_kept_from_test]
                split = max(allowed, key=lambda split: (wanted[split][label], wanted[split].total()))
                wanted[split].subtract(group.labels)
                left.subtract(group.labels.keys())
                result.update({image.image_id: split for image in group.images})
        del left[label]
    return result


def _wanted(totals: Mapping[int, int], shares: Mapping[Split, float]) -> dict[Split, Counter[int]]:
    """Return how many of the pictures of each class each split should hold: at least one where there are enough."""
    wanted: dict[Split, Counter[int]] = {split: Counter() for split in SPLITS}
    for label, total in totals.items():
        for split, share in shares.items():
            if split != "train":
                wanted[split][label] = max(1, round(total * share))
        held_out = sum(counts[label] for counts in wanted.values())
        wanted["train"][label] = max(1, total - held_out)
    return wanted


def _draw(group: _Group, seed: int) -> str:
    contents = min(image.sha256 for image in group.images)
    return hashlib.sha256(f"{seed}:{contents}".encode()).hexdigest()


def _check_enough(snapshot: Snapshot, labelled: Sequence[SnapshotImage], parts: int) -> None:
    counts = {name: count for name, count in snapshot.class_counts(labelled).items() if count}
    if not labelled:
        hint = "Label some, or import folders named after their class."
        raise ProjectError("No picture has a label yet.", hint, NextStep("label"))
    if len(counts) < 2 and snapshot.task == "single":
        raise ProjectError(
            f"All {len(labelled)} labelled pictures are “{next(iter(counts))}”.",
            "Label at least two classes.",
            NextStep("label"),
        )
    if len(labelled) < 2 * parts:
        message = f"{len(labelled)} labelled pictures are too few to split."
        raise ProjectError(message, f"Label at least {2 * parts}.", NextStep("label"))
    few = [f"“{name}” has {count}" for name, count in counts.items() if count < parts]
    if few:
        raise ProjectError(
            f"Each class needs {parts} pictures to be in every split: {', '.join(few[:5])}.",
            "Label more of them, delete the class, or do without a test set.",
            NextStep("split_without_test" if parts == len(SPLITS) else "label"),
        )


def _check_classes(
    snapshot: Snapshot, labelled: Sequence[SnapshotImage], splits: Mapping[int, Split], shares: Mapping[Split, float]
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
            NextStep("split_without_test" if split == "test" else "label"),
        )
