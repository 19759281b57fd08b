"""Train, val and test: stratified, seeded, grouped and sticky (new images never reshuffle old ones).

Only images without a split are placed; the others count towards the shares. Images with the same content, or in the
same group of a pattern (one part photographed twice, frames of one film), stay in one split: otherwise the test would
measure memorised images. So do near-duplicates, as long as every class keeps images in every split: the program finds
them, and a split must neither fail nor lose its test because of them. In a data set with only train and test, val is
taken out of train; the original test set stays unchanged.

Images are placed by iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label
Data, ECML 2011): the rarest class first, each group of images to the split with the highest remaining demand for this
class. With one label per image this is plain stratified sampling. A split with more images of a class than its share
keeps them, and the others share the rest. The order is drawn from the seed and the contents: the same images are
always placed in the same way.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from visionft.core.errors import NextStep, ProjectError
from visionft.core.messages import Message, listed
from visionft.data.types import SPLITS, Snapshot, SnapshotImage, Split
from visionft.project.edits.changes import AssignSplits
from visionft.project.store import ProjectStore


@dataclass(slots=True)
class ImageGroup:
    """Images to keep in one split."""

    images: list[SnapshotImage] = field(default_factory=list[SnapshotImage])

    @property
    def labels(self) -> Counter[int]:
        return Counter(label for image in self.images for label in image.labels)

    @property
    def names(self) -> list[tuple[SnapshotImage, str]]:
        """The images with the name of the group, its lowest image id; an image on its own has no name."""
        name = str(min(image.image_id for image in self.images)) if len(self.images) > 1 else ""
        return [(image, name) for image in self.images]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """The result of a split."""

    assigned: int  # number of images placed
    splits: dict[Split, int]  # the labelled images per split afterwards
    from_train: int = 0  # number of them taken from the training images, because there was no validation image
    kept_together: int = 0  # number of groups of near-duplicates that are in one split, with images placed now
    released: int = 0  # number of groups that are divided, because a class would be short of images in a split
    # Per split, the classes without an image in it because their images were placed before.
    missing: dict[Split, tuple[str, ...]] = field(default_factory=dict[Split, tuple[str, ...]])


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRequest:
    """The user's split settings, as for `assign_splits`; `group` is empty for none."""

    val: float = 0.15
    test: float = 0.15
    seed: int = 0
    group: str = ""
    again: bool = False

    @classmethod
    def from_current_split(cls, images: Snapshot) -> "SplitRequest":
        """Return the shares of the current split; the default shares before the first split."""
        counts = Counter(image.split for image in images.images if image.labels)
        total = counts.total() - counts[None]
        usual = cls()
        if not total or (counts[None] and counts["train"] == total):
            return usual
        val = round(counts["val"] / total, 2)
        return replace(usual, val=val or usual.val, test=round(counts["test"] / total, 2))


def near_duplicate_texts(report: SplitReport) -> list[str]:
    """Return what was done with groups of near-duplicates, in sentences; empty where there were none."""
    kept = Message(
        "{count} group of near-duplicates was kept together.",
        "{count} groups of near-duplicates were kept together.",
        count=report.kept_together,
    )
    released = Message(
        "{count} group of near-duplicates is not kept together: a class would lack images in a split.",
        "{count} groups of near-duplicates are not kept together: a class would lack images in a split.",
        count=report.released,
    )
    return [text for text, count in ((kept, report.kept_together), (released, report.released)) if count]


def missing_texts(report: SplitReport) -> list[str]:
    keeps = Message("Images that have a split keep it.")
    texts: list[str] = []
    for split, names in report.missing.items():
        quoted = listed([f"“{name}”" for name in names], 5)
        text = Message("No image is in {split}. {keeps}", split=split, keeps=keeps)
        if report.splits[split]:
            text = Message("No image of {names} is in {split}. {keeps}", names=quoted, split=split, keeps=keeps)
        texts.append(text)
    return texts


def is_fully_split(images: Snapshot) -> bool:
    """Return whether every labelled image has its split, and validation has some."""
    labelled = [image.split for image in images.images if image.labels]
    return None not in labelled and "val" in labelled


def is_prepared(images: Snapshot) -> bool:
    """Return whether every labelled image has its split and its group, so that a run can start."""
    return is_fully_split(images) and all(image.group is not None for image in images.images if image.labels)


def with_planned_splits(images: Snapshot, wish: SplitRequest) -> Snapshot:
    """Return images as after `assign_splits` without known groups, for counts and measurements before the split."""
    if is_fully_split(images):
        return images
    labelled = [image for image in images.images if image.labels]
    keys = {image.image_id: image.group for image in labelled if image.group}
    splits = _placed(group_images(labelled, keys), _shares(wish.val, wish.test), wish.seed)
    placed = (replace(image, split=splits.get(image.image_id, image.split)) for image in images.images)
    return replace(images, images=tuple(placed))


def assign_splits(
    project: ProjectStore,
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    group: str | None = None,
    together: Sequence[Sequence[int]] = (),
    again: bool = False,
) -> SplitReport:
    """Place the labelled images without a split and store the groups, as one step of the history.

    If there is no validation image, and the images without a split are not enough, training images are moved to it.

    Args:
        group: A regular expression, searched in each image's name (its path in its source, with `/`); images with
            equal groups of the match (or, without groups, an equal match) stay in one split.
        together: Further ids of images to keep in one split, where no class is then short of images: near-duplicates
            and the groups of the check for leaks (`visionft.analysis.leaks.related_groups`).
        again: Whether to place and group all images anew. Otherwise images with a split or a group keep it.

    Raises:
        ProjectError: The shares or the pattern are impossible, there are too few images or classes, or a class would be
            missing from a split. Nothing was changed.
    """
    shares = _shares(val, test)
    snapshot = project.snapshot()
    labelled = [image for image in snapshot.images if image.labels]
    if again or not is_fully_split(snapshot):
        _check_enough(snapshot, labelled, len(shares), again=again)
    keys = {image.image_id: image.group for image in labelled if image.group and not again} | _keys(project, group)

    def place(together: Sequence[Sequence[int]]) -> tuple[list[ImageGroup], dict[int, Split]]:
        groups = group_images(labelled, keys, together)
        return groups, _placed(groups, shares, seed, again=again)

    together = _of_several(together, labelled)
    kept = _placeable(together, labelled, place)
    groups, splits = place(kept)
    missing = _missing_classes(labelled, splits, shares)
    _check_classes(groups, missing, snapshot, again=again)
    moved = [image for image in labelled if image.split != splits[image.image_id]]
    regrouped = {
        image.image_id: name
        for group in groups
        if again or any(image.group is None for image in group.images)  # else the user may have taken it apart
        for image, name in group.names
        if image.group != name
    }
    if moved or regrouped:
        project.apply(AssignSplits({image.image_id: splits[image.image_id] for image in moved}, regrouped))
    counts = Counter(splits.values())
    new = {image.image_id for image in labelled if again or image.split is None}
    return SplitReport(
        assigned=len(moved),
        splits={split: counts[split] for split in SPLITS},
        from_train=0 if again else sum(image.split == "train" for image in moved),
        kept_together=sum(not new.isdisjoint(ids) and len({splits[each] for each in ids}) == 1 for ids in kept),
        released=len(together) - len(kept),
        missing={split: tuple(snapshot.class_names[label] for label in labels) for split, labels in missing.items()},
    )


def _of_several(together: Sequence[Sequence[int]], labelled: Sequence[SnapshotImage]) -> list[tuple[int, ...]]:
    """Return the groups of two or more labelled images of different content: equal ones stay together anyhow."""
    contents = {image.image_id: image.sha256 for image in labelled}
    groups = (tuple(image_id for image_id in ids if image_id in contents) for ids in together)
    return [ids for ids in groups if len({contents[image_id] for image_id in ids}) > 1]


def _placeable(
    together: Sequence[tuple[int, ...]],
    labelled: Sequence[SnapshotImage],
    place: Callable[[Sequence[Sequence[int]]], tuple[list[ImageGroup], dict[int, Split]]],
) -> list[tuple[int, ...]]:
    """Return the groups to keep together: without those for which a class would be short of images in a split.

    A class is short where it has less than half the images in a split that it has there without any of the groups.
    Then its largest group is released, and all images are placed again. So 30 images of one fixed camera, all alike,
    are divided as if they were not, and a class of five copies each of two photographs loses the least that gives each
    split an image; but six copies among twenty images stay together in training, where six of a class belong anyhow.
    """
    left = list(together)
    if not left:
        return left
    by_id = {image.image_id: image for image in labelled}

    def counts(splits: Mapping[int, Split]) -> Counter[tuple[Split, int]]:
        return Counter((splits[image.image_id], label) for image in labelled for label in image.labels)

    def size(ids: tuple[int, ...]) -> tuple[int, str]:
        return len(ids), min(by_id[image_id].sha256 for image_id in ids)

    usual = counts(place(())[1])
    while left:
        found = counts(place(left)[1])
        short = {label for (split, label), count in usual.items() if 2 * found[split, label] < count}
        released = {
            max(members, key=size)
            for label in short
            if (members := [ids for ids in left if any(label in by_id[image_id].labels for image_id in ids)])
        }
        if not released:
            break
        left = [ids for ids in left if ids not in released]
    return left


def _placed(
    groups: Sequence[ImageGroup], shares: Mapping[Split, float], seed: int, *, again: bool = False
) -> dict[int, Split]:
    """Return the split of every image; where validation is short, it gets its share of the training images."""
    splits = place_groups(groups, shares, seed, again=again)
    if again or not _lacks_validation([image for each in groups for image in each.images], splits, shares):
        return splits
    placed = [ImageGroup([replace(image, split=splits[image.image_id]) for image in each.images]) for each in groups]
    without_test: dict[Split, float] = {split: share for split, share in shares.items() if split != "test"}
    return place_groups(placed, without_test, seed, val_from_train=True)


def _missing_classes(
    labelled: Sequence[SnapshotImage], splits: Mapping[int, Split], shares: Mapping[Split, float]
) -> dict[Split, list[int]]:
    """Return the classes that have no image in a split, by split."""
    present = _labels(labelled)
    missing: dict[Split, list[int]] = {}
    for split in shares:
        absent = present - _labels(image for image in labelled if splits[image.image_id] == split)
        if absent:
            missing[split] = sorted(absent)
    return missing


def _shares(val: float, test: float) -> dict[Split, float]:
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        message = Message(
            "Shares of {val} for val and {test} for test leave nothing to train on.", val=f"{val:g}", test=f"{test:g}"
        )
        raise ProjectError(message, "For example 0.15.")
    shares: dict[Split, float] = {"train": 1 - val - test, "val": val, "test": test}
    return {split: share for split, share in shares.items() if share > 0}


def _keys(project: ProjectStore, pattern: str | None) -> dict[int, str]:
    """Return the pattern's match in the name of each matching image."""
    if pattern is None:
        return {}
    try:
        expression = re.compile(pattern)
    except re.error as error:
        message = Message(
            "The group pattern “{pattern}” is not a regular expression: {reason}.", pattern=pattern, reason=error
        )
        raise ProjectError(message, r"For part7_a.jpg and part7_b.jpg write: (part\d+)_") from error
    names = project.fetch("SELECT id, coalesce(name, path) FROM image WHERE removed_at IS NULL")
    matches = {image_id: match for image_id, name in names if (match := expression.search(name))}
    if not matches:
        message = Message("The group pattern “{pattern}” matches no image.", pattern=pattern)
        raise ProjectError(message, Message("Example of a name: {names}", names=names[0][1]))
    return {image_id: repr(match.groups() or match[0]) for image_id, match in matches.items()}


def _lacks_validation(
    labelled: Sequence[SnapshotImage], splits: Mapping[int, Split], shares: Mapping[Split, float]
) -> bool:
    """Return whether validation, all of it new, misses a class or half its share of the images outside the test."""
    if "val" not in shares or any(image.split == "val" for image in labelled):
        return False
    validated = [image for image in labelled if splits[image.image_id] == "val"]
    rest = sum(splits[image.image_id] != "test" for image in labelled)
    is_short = len(validated) < rest * shares["val"] / (shares["train"] + shares["val"]) / 2
    return is_short or bool(_labels(labelled) - _labels(validated))


def _labels(images: Iterable[SnapshotImage]) -> set[int]:
    return {label for image in images for label in image.labels}


def _check_enough(snapshot: Snapshot, labelled: Sequence[SnapshotImage], parts: int, *, again: bool) -> None:
    """Raise a `ProjectError` if there are too few images for so many parts."""
    label = NextStep("label")
    if not labelled:
        hint = "Label some, or import folders named after their class."
        raise ProjectError("No image has a label yet.", hint, label)
    counts = {name: count for name, count in snapshot.class_counts(labelled).items() if count}
    if len(counts) < 2 and snapshot.task == "single":
        name = next(iter(counts))
        message = Message("All {labelled} labelled images are “{counts}”.", labelled=len(labelled), counts=name)
        raise ProjectError(message, "Label at least two classes.", label)
    if len(labelled) < 2 * parts:
        message = Message("{labelled} labelled images are too few to split.", labelled=len(labelled))
        raise ProjectError(message, Message("Label at least {parts}.", parts=2 * parts), label)
    placed_before = set[int]() if again else _labels(image for image in labelled if image.split)
    _check_enough_of_each(counts, parts, placed_before={snapshot.class_names[each] for each in placed_before})


def _check_enough_of_each(counts: Mapping[str, int], parts: int, *, placed_before: Collection[str]) -> None:
    """Raise a `ProjectError` for a class without an image for each part; a class with placed images may have fewer."""
    few = [f"“{name}” has {count}" for name, count in counts.items() if count < parts and name not in placed_before]
    if few:
        message = Message(
            "Each class needs {parts} images to be in every split: {few}.", parts=parts, few=listed(few, 5)
        )
        hint = Message("Label more of them, delete the class, or do without a test set.")
        step = NextStep("split_without_test") if parts == len(SPLITS) else NextStep("label")
        raise ProjectError(message, hint, step)


def _check_classes(
    groups: Sequence[ImageGroup], missing: Mapping[Split, Sequence[int]], snapshot: Snapshot, *, again: bool
) -> None:
    """Raise a `ProjectError` for a class without placed images that is missing from a split."""
    settled = _labels(image for group in groups for image in group.images if image.split and not again)
    faults = [(split, label) for split, labels in missing.items() for label in labels if label not in settled]
    if not faults:
        return
    split, label = faults[0]
    name = snapshot.class_names[label]
    parts = [group for group in groups if label in group.labels]
    images = sum(group.labels[label] for group in parts)
    reason = Message("its {images} images go with other classes or groups", images=images)
    if len(parts) < min(images, len(SPLITS)):
        reason = Message(
            "its {images} images form {groups} groups, and each group stays in one split",
            images=images,
            groups=len(parts),
        )
    message = Message("Class “{name}” would be missing from {split}: {reason}.", name=name, split=split, reason=reason)
    hint = Message("Label more images of it that belong to no such group, or choose a share of 0 for {split}.")
    step = NextStep("split_without_test" if split == "test" else "label")
    raise ProjectError(message, Message(hint, split=split), step)


def group_images(
    images: Sequence[SnapshotImage], keys: Mapping[int, str], together: Sequence[Sequence[int]] = ()
) -> list[ImageGroup]:
    """Group images with the same content, key or known group, directly or transitively."""
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
    groups: defaultdict[str, ImageGroup] = defaultdict(ImageGroup)
    for image in images:
        groups[root(f"content {image.sha256}")].images.append(image)
    return list(groups.values())


def place_groups(
    groups: Sequence[ImageGroup],
    shares: Mapping[Split, float],
    seed: int,
    *,
    again: bool = False,
    val_from_train: bool = False,
) -> dict[int, Split]:
    """Return the split of every image; `again` ignores present splits, `val_from_train` training groups' only."""
    free: list[ImageGroup] = []
    settled: list[tuple[SnapshotImage, Split]] = []
    for group in groups:
        splits = Counter[Split](image.split for image in group.images if image.split is not None)
        is_for_training = all(image.split == "train" for image in group.images)
        if again or not splits or (val_from_train and is_for_training):
            free.append(group)
        else:
            usual = splits.most_common(1)[0][0]
            settled.extend((image, image.split or usual) for image in group.images)
    wanted = missing_counts([image for group in groups for image in group.images], shares, settled)
    result: dict[int, Split] = {image.image_id: split for image, split in settled}
    return result | _stratified(_in_drawn_order(free, seed), shares, wanted)


def _in_drawn_order(groups: Sequence[ImageGroup], seed: int) -> list[ImageGroup]:
    """Return the largest groups first, and equally large ones in an order drawn from the seed and their contents."""

    def order(group: ImageGroup) -> tuple[int, str]:
        contents = min(image.sha256 for image in group.images)
        return -len(group.images), hashlib.sha256(f"{seed}:{contents}".encode()).hexdigest()

    return sorted(groups, key=order)


def _stratified(
    groups: Sequence[ImageGroup], shares: Mapping[Split, float], wanted: Mapping[Split, Counter[int]]
) -> dict[int, Split]:
    """Return the split of each image by iterative stratification; `wanted` is counted down.

    The rarest class among the waiting groups first, each of its groups to the split that misses most of this class, and
    of equal ones most of all.
    """
    result: dict[int, Split] = {}
    waiting: defaultdict[int, list[ImageGroup]] = defaultdict(list)
    for group in groups:
        for label in group.labels:
            waiting[label].append(group)
    left = Counter({label: len(members) for label, members in waiting.items()})
    while left:
        label = min(left, key=lambda label: (left[label], label))
        for group in waiting[label]:
            if group.images[0].image_id not in result:
                split = max(shares, key=lambda split: (wanted[split][label], wanted[split].total()))
                wanted[split].subtract(group.labels)
                left.subtract(group.labels.keys())
                result.update({image.image_id: split for image in group.images})
        del left[label]
    return result


def missing_counts(
    images: Sequence[SnapshotImage], shares: Mapping[Split, float], settled: Sequence[tuple[SnapshotImage, Split]]
) -> dict[Split, Counter[int]]:
    """Return the number of missing images of each class in each split; `settled` images stay in place."""
    held: dict[Split, Counter[int]] = {split: Counter() for split in SPLITS}
    for image, split in settled:
        held[split].update(image.labels)
    wanted: dict[Split, Counter[int]] = {split: Counter() for split in SPLITS}
    for label, total in Counter(label for image in images for label in image.labels).items():
        held_of_class: dict[Split, int] = {split: held[split][label] for split in SPLITS}
        for split, target in _targets(total, held_of_class, shares).items():
            wanted[split][label] = target - held_of_class[split]
    return wanted


def _targets(total: int, held: Mapping[Split, int], shares: Mapping[Split, float]) -> dict[Split, int]:
    """Return how many images of a class each split should have; without the splits that are full.

    A split that holds more than its share is full, and the others divide the rest in proportion to their shares: of 10
    images and shares of .7, .15 and .15 with 4 in the test, training gets 5 and validation 1. Each split gets at least
    one, where there are enough; training gets what rounding leaves.

    Args:
        total: Images of the class.
        held: Images of the class that stay in each split.
        shares: The share of each split; a split without a share takes no further image.
    """
    full: set[Split] = {split for split in SPLITS if split not in shares}
    while True:
        rest = total - sum(held[split] for split in full)
        open_shares: dict[Split, float] = {split: share for split, share in shares.items() if split not in full}
        unit = rest / (sum(open_shares.values()) or 1)
        targets: dict[Split, int] = {split: max(1, round(unit * share)) for split, share in open_shares.items()}
        over: set[Split] = {split for split, target in targets.items() if held[split] > target}
        if not over:
            break
        full |= over
    if "train" in targets:
        targets["train"] = max(1, rest - sum(target for split, target in targets.items() if split != "train"))
    return targets
