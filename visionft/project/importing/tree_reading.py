"""Class folders and split folders, found by the structure of a tree: which level names the classes.

A lone folder is a wrapper, never a class: a class needs a sibling. Folders whose sub-folders largely have the same
names are parts or versions of a set, unless these names are numbers or splits. What remains open has a low confidence.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Literal

from models.messages import Message
from visionft.data.types import Split
from visionft.foreign_text import printable
from visionft.project.formats.image_index import are_equal_by_origin
from visionft.project.formats.labels_file import CLASSES_FILE, ClassLook, read_classes_file
from visionft.project.formats.listing import Interpretation, Listing, RejectedFile, SourceFile
from visionft.project.formats.split_names import is_split_name, name_words, split_in, split_of
from visionft.project.importing.folder_names import (
    are_albums,
    are_alike,
    are_counted,
    are_items,
    are_numbers,
    are_parts,
    are_verdicts,
    are_versions,
    common_share,
    is_container,
    is_documentation,
    is_unlabelled,
    names_of_parts,
    original_of,
)
from visionft.project.importing.survey import Folder, Survey
from visionft.project.names import name_key

# By structure, or the outermost or innermost level that can name classes.
Level = Literal["best", "outer", "inner"]
SURE, PLAUSIBLE, OPEN, UNLIKELY = 0.95, 0.7, 0.5, 0.3  # confidence
_COMMON = 0.6  # mean share of all names of sub-folders that parts or versions have


@dataclass(frozen=True, kw_only=True)
class TreePlan:
    """The meaning of folders; what lies in one has the class and split of the nearest folder with any."""

    labels: Mapping[Folder, str] = field(default_factory=dict[Folder, str])
    splits: Mapping[Folder, Split | None] = field(default_factory=dict[Folder, Split | None])
    ignored: tuple[Folder, ...] = ()  # beside the classes or splits
    looks: tuple[ClassLook, ...] = ()  # of this program's list of classes
    alone: Folder | None = None  # would be a class if it had a sibling
    confidence: float = SURE

    @property
    def classes(self) -> set[str]:
        """The names of the classes."""
        return set(self.labels.values())


def plan_of(survey: Survey, level: Level, known_classes: Collection[str] = ()) -> TreePlan:
    """Return the plan of a source for a level; folders named in `known_classes` are classes, also a lone one."""
    plan = _Planner(level, survey.source).plan(survey.root)
    keys = set(map(name_key, known_classes))
    if plan.labels and level == "best" and keys.issuperset(map(name_key, plan.classes)):
        return replace(plan, confidence=SURE)
    if not plan.labels and plan.alone and (level != "best" or name_key(plan.alone.name) in keys):
        plan = replace(plan, labels={plan.alone: plan.alone.name}, confidence=SURE if level == "best" else UNLIKELY)
    return plan


def listing_of(survey: Survey, plan: TreePlan, *, foreign: str = "") -> Listing:
    """Return the files of a source with the classes and splits of a plan; `foreign` is an unsupported tool."""
    files: list[SourceFile] = []
    unlabelled: dict[str, None] = {}
    inherited: dict[Folder | None, tuple[tuple[str, ...], Split | None]] = {None: ((), None)}
    for folder in survey.root.within(without=plan.ignored):
        labels, split = inherited[folder.parent]
        labels = (plan.labels[folder],) if folder in plan.labels else labels
        split = plan.splits.get(folder, split)
        if is_unlabelled(folder.name):
            unlabelled[folder.name] = None
            labels = ()
        inherited[folder] = labels, split
        has_own = bool(plan.looks) and any(file.path.name == CLASSES_FILE for file in folder.files)
        for file in folder.files:
            if not (has_own and file.path.name == CLASSES_FILE):
                files.append(SourceFile(file.path, file.name, labels, split) if labels or split else file)
    reason = Message("lies beside the classes or splits and is none")
    places = (Path(survey.source, each.path) for each in plan.ignored)
    interpretation = Interpretation(
        file=survey.source, class_folders=tuple(dict.fromkeys(plan.labels.values())),
        unlabelled_folders=tuple(unlabelled), split_folders=tuple(dict.fromkeys(each.name for each in plan.splits)),
        ignored_folders=tuple(each.name for each in plan.ignored), foreign="" if plan.labels else foreign,
    )  # fmt: skip
    return Listing(
        files=tuple(files), skipped=(*survey.skipped, *(RejectedFile(printable(place), reason) for place in places)),
        unreadable=tuple(survey.unreadable), classes=plan.looks, interpretations=(interpretation,),
    )  # fmt: skip


@dataclass
class _Planner:
    """Reads a tree from the top down for one level."""

    level: Level
    source: Path
    looks: tuple[ClassLook, ...] = ()
    names: dict[str, str] = field(default_factory=dict[str, str])  # {folder: class} of this program's list

    def plan(self, folder: Folder) -> TreePlan:
        """Return the plan of all below a folder."""
        if not self.looks and any(file.path.name == CLASSES_FILE for file in folder.files):
            self.looks = read_classes_file(self.source / folder.path / CLASSES_FILE)
            self.names = {look.folder: look.name for look in self.looks if look.folder}
        kids = [each for each in folder.holding if not is_unlabelled(each.name)]
        if declared := {each: self.names[each.name] for each in kids if each.name in self.names}:
            return TreePlan(labels=declared, looks=self.looks)
        kids, documentation = _without_documentation(kids)
        plan = self._plan_of(folder, kids)
        return replace(plan, ignored=(*plan.ignored, *documentation)) if plan.labels or plan.splits else plan

    def _plan_of(self, folder: Folder, kids: list[Folder]) -> TreePlan:
        splits, others = _splits_among(kids)
        if splits:
            return self._plan_of_splits(splits, others)
        if len(kids) == 1 and len(folder.holding) > 1 and any(is_unlabelled(each.name) for each in folder.holding):
            return TreePlan(labels={kids[0]: kids[0].name}, looks=self.looks)
        if len(kids) < 2:
            return self._plan_of_wrapper(kids[0]) if kids else TreePlan(looks=self.looks)
        if (copies := _copies_among(kids)) and self.level != "outer":
            rest = TreePlan(labels={kid: kid.name for kid in kids if kid not in copies})
            return self._merged([rest, *map(self.plan, copies)])
        containers = [each for each in kids if is_container(each.name)]
        if containers and self.level != "outer":
            merged = self._merged([self.plan(each) for each in containers])
            others = [each for each in kids if each not in containers]
            if merged.labels:
                return self._merged([merged, *self._alike(others, merged).values()])
            if len(others) < 2:
                return merged
            return replace(self._plan_of_classes(others), confidence=OPEN)
        plan = self._plan_of_classes(kids)
        return replace(plan, confidence=min(plan.confidence, OPEN)) if folder.own > _count(kids) else plan

    def _plan_of_wrapper(self, kid: Folder) -> TreePlan:
        plan = self.plan(kid)
        if is_split_name(kid.name):
            return replace(plan, splits={kid: split_of(kid.name), **plan.splits})
        is_nameless = bool(plan.labels or plan.splits or plan.alone) or is_container(kid.name) or bool(kid.holding)
        return plan if is_nameless else replace(plan, alone=kid)

    def _plan_of_splits(self, splits: Mapping[Folder, Split | None], others: Sequence[Folder]) -> TreePlan:
        plans = {kid: self.plan(kid) for kid in splits}
        known = {name for plan in plans.values() for name in plan.classes}
        lone = {plan.alone.name for plan in plans.values() if plan.alone is not None}
        lone = {name for name in lone if not any(set(name_words(name)) & set(name_words(kid.name)) for kid in splits)}
        are_classes = lone <= known if known else len(lone) > 1
        for kid, plan in plans.items():
            if plan.alone and not plan.labels and are_classes and plan.alone.name in lone:
                plans[kid] = replace(plan, labels={plan.alone: plan.alone.name})
        merged = self._merged([*plans.values()])
        further = self._alike(others, merged)
        splits = {**splits, **{other: split_in(other.name) for other in further}}
        merged = self._merged([merged, *further.values()])
        others = [other for other in others if other not in further]
        return replace(merged, splits={**splits, **merged.splits}, ignored=(*merged.ignored, *others))

    def _alike(self, folders: Sequence[Folder], plan: TreePlan) -> dict[Folder, TreePlan]:
        """Return the plans of folders that have largely the classes of another plan."""
        plans = {folder: self.plan(folder) for folder in folders}
        for folder, each in plans.items():
            if each.alone is not None and each.alone is not folder and each.alone.name in plan.classes:
                plans[folder] = replace(each, labels={each.alone: each.alone.name})
        return {
            folder: each
            for folder, each in plans.items()
            if each.labels and (len(each.classes) == 1 or common_share([each.classes, plan.classes]) >= _COMMON)
        }

    def _merged(self, plans: Sequence[TreePlan]) -> TreePlan:
        """Return one plan of several folders; a single class becomes a lone folder."""
        labels = {folder: name for plan in plans for folder, name in plan.labels.items()}
        is_lone = len(set(labels.values())) == 1 and not self.names
        alone = next((plan.alone for plan in plans if plan.alone), None)
        return TreePlan(
            labels={} if is_lone else labels,
            splits={folder: split for plan in plans for folder, split in plan.splits.items()},
            ignored=tuple(folder for plan in plans for folder in plan.ignored), looks=self.looks,
            alone=next(iter(labels)) if is_lone else None if labels else alone,
            confidence=min((plan.confidence for plan in plans if plan.labels), default=SURE),
        )  # fmt: skip

    def _plan_of_classes(self, kids: Sequence[Folder]) -> TreePlan:
        """Return the plan of several folders that are no splits: classes, parts, versions or a taxonomy."""
        inner = {kid: [each.name for each in _settled(kid).holding] for kid in kids}
        nested = [kid for kid in kids if inner[kid]]
        own = [kid.name for kid in kids]
        outer = self._merged([TreePlan(labels={kid: original_of(kid.name, own) for kid in kids})])
        if _are_letters(kids):
            joined = _joined([each for kid in kids for each in kid.holding], by_path=True)
            return self._chosen(joined, lambda: outer, SURE, is_outer=False)
        if not nested:
            if parts := names_of_parts(own):
                joined = self._merged([TreePlan(labels={kid: parts[kid.name] for kid in kids})])
                return self._chosen(joined, lambda: outer, OPEN, is_outer=False)
            return replace(outer, confidence=_confidence_of_leaves(kids))
        if are_verdicts(own):
            return self._chosen(outer, lambda: _joined(kids), SURE)
        names = [[name.casefold() for name in inner[kid]] for kid in nested]
        every = {name for each in names for name in each}
        if all(map(is_split_name, every)) and len(nested) == len(kids):
            return self._with_inner_splits(outer, nested)
        if all(map(is_split_name, every)) and self.level != "outer":  # a data set beside other images
            merged = self._merged([self.plan(kid) for kid in nested])
            classes = [kid for kid in kids if kid not in nested]
            if merged.labels or len(classes) < 2:
                return merged
            return replace(self._plan_of_classes(classes), splits=merged.splits)
        if all(is_container(name) or is_unlabelled(name) for name in every):
            return outer
        are_crossed = len(nested) == len(kids) and common_share(names) >= _COMMON
        are_also_counted = are_numbers(own) or are_versions(own) or (are_crossed and are_counted(own))
        are_items_of_class = are_numbers(every) or (not are_crossed and _are_numbered_after(kids, inner))
        if are_items_of_class and not are_also_counted:
            return self._chosen(outer, lambda: _joined(kids), SURE)
        if are_crossed:
            is_inner, confidence = _parts_or_classes(kids, every)
            merged = self._merged([self.plan(kid) for kid in kids])
            if self.level == "best":
                return replace(merged if is_inner else outer, confidence=min(confidence, merged.confidence))
            return merged if self.level == "inner" else outer
        if are_parts(own):
            return self._chosen(self._merged([self.plan(kid) for kid in kids]), lambda: outer, SURE, is_outer=False)
        if self.level != "outer" and len(nested) <= 2:  # a data set beside other images, or in two forms
            plans = [plan for plan in map(self.plan, nested) if plan.labels]
            is_one_set = common_share([plan.classes for plan in plans]) >= _COMMON
            if is_one_set and any(plan.splits for plan in plans):
                return replace(self._merged(plans), confidence=PLAUSIBLE)
            others = [kid for kid in kids if kid not in nested and split_in(kid.name) != "test"]
            tests = {kid: split_in(kid.name) for kid in kids if kid not in nested and kid not in others}
            if is_one_set and tests and not others:
                return replace(self._merged(plans), splits=tests, confidence=PLAUSIBLE)
            if is_one_set and len(nested) + len(others) == 2 and self.level != "inner":
                return replace(self._merged(plans), confidence=OPEN)
        is_taxonomy = len(nested) > len(kids) / 2 or len(kids) < 3
        return self._chosen(outer, lambda: _joined(kids), OPEN if is_taxonomy else PLAUSIBLE)

    def _chosen(
        self, best: TreePlan, other: Callable[[], TreePlan], confidence: float, *, is_outer: bool = True
    ) -> TreePlan:
        """Return the plan for the level: `best` with its confidence, or `other` if that is the level's."""
        takes_best = self.level == "best" or (self.level == "outer") == is_outer
        return replace(best, confidence=confidence) if takes_best else replace(other(), looks=self.looks)

    def _with_inner_splits(self, outer: TreePlan, nested: Sequence[Folder]) -> TreePlan:
        """Return the plan of folders that each hold splits: their names are classes, or those within the splits."""
        splits = {each: split_of(each.name) for kid in nested for each in _settled(kid).holding}
        plans = [plan for plan in map(self.plan, nested) if plan.labels]
        within = self._merged(plans)
        if not within.labels:
            return replace(outer, splits=splits)
        if len(plans) > 1 and common_share([plan.classes for plan in plans]) >= _COMMON:  # parts or copies of one set
            tests = {kid: split_of(kid.name) for kid in nested if is_split_name(kid.name)}
            within = replace(within, splits={**within.splits, **tests})
            return self._chosen(within, lambda: outer, PLAUSIBLE, is_outer=False)
        outer = replace(outer, splits=splits, confidence=OPEN)
        return self._chosen(outer, lambda: within, OPEN)


def _count(folders: Sequence[Folder]) -> int:
    """Return the number of images in some folders."""
    return sum(folder.count for folder in folders)


def _without_documentation(kids: list[Folder]) -> tuple[list[Folder], list[Folder]]:
    """Return the folders but those of a documentation, unless all are, and these."""
    rest = kids
    for surely in (True, False):
        others = [kid for kid in rest if not is_documentation(kid.name, surely=surely)]
        if others and (surely or len(others) == 1):
            rest = others
    return rest, [kid for kid in kids if kid not in rest]


def _splits_among(kids: Sequence[Folder]) -> tuple[dict[Folder, Split | None], list[Folder]]:
    """Return the folders of splits, and the others; `cars_train` is one beside `cars_test`."""
    groups: dict[tuple[str, ...], dict[Folder, Split | None]] = {(): {}}
    for kid in kids:
        if is_split_name(kid.name):
            groups[()][kid] = split_of(kid.name)
            continue
        if split_in(kid.name):
            rest = tuple(word for word in name_words(kid.name) if not is_split_name(word) and len(word) > 1)
            groups.setdefault(rest, {})[kid] = split_in(kid.name)
    exact = groups.pop(())
    if exact:  # `evaluation` beside `training`
        spare: Split = "val" if "test" in exact.values() else "test"
        exact |= {kid: spare for kid in kids if name_words(kid.name) in (["eval"], ["evaluation"])}
    others = [kid for kid in kids if kid not in exact]
    if exact and (not others or ("train" in exact.values() and len(set(exact.values()) - {None}) > 1)):
        return (exact, others) if len(kids) > 1 else ({}, [])
    for rest, group in groups.items():
        others = [kid for kid in kids if rest and tuple(name_words(kid.name)) == rest]
        if others and "train" not in group.values():  # `birds` beside `birds_test`
            group |= dict.fromkeys(others, None)
            return group, [kid for kid in kids if kid not in group]
        if "train" in group.values() and len(set(group.values())) > 1:
            return group, [kid for kid in kids if kid not in group]
    return {}, []


def _settled(folder: Folder) -> Folder:
    """Return the innermost of lone folders within one another, but for folders of splits."""
    while len(inner := folder.holding) == 1 and not folder.own and not is_split_name(inner[0].name):
        folder = inner[0]
    return folder


def _parts_or_classes(kids: Sequence[Folder], inner: Collection[str]) -> tuple[bool, float]:
    """Return whether the inner of two crossed levels names the classes, and the confidence."""
    names = [kid.name for kid in kids]
    leaves = {each.name for kid in kids for each in kid.within() if each.own and not each.holding}
    if are_verdicts(inner) or are_verdicts(leaves):
        return True, SURE
    if are_versions(inner) and not are_versions(names):
        return False, SURE
    if are_numbers(names) or are_versions(names) or _have_equal_stems(kids):
        return True, OPEN if are_numbers(inner) and not (are_versions(names) or are_parts(names)) else SURE
    if len(inner) >= 2 * len(kids):
        return True, PLAUSIBLE
    return len(inner) > len(kids), OPEN


def _confidence_of_leaves(kids: Sequence[Folder]) -> float:
    """Return the confidence that folders of images are classes."""
    names = [kid.name for kid in kids]
    if are_versions(names) or are_items(names) or are_parts(names) or _have_equal_stems(kids):
        return UNLIKELY
    if are_albums(names) or are_alike(names):
        return OPEN
    is_image_each = len(kids) > 4 and _count(kids) <= len(kids) and all(any(map(str.isdigit, each)) for each in names)
    return UNLIKELY if is_image_each or _hold_the_same(kids) else SURE


def _are_numbered_after(kids: Sequence[Folder], inner: Mapping[Folder, Sequence[str]]) -> bool:
    """Return whether the folders within each folder differ in digits alone: `airport/airport_0`, `sound/2306-210u`."""
    nested = [kid for kid in kids if inner[kid]]
    are_named_after = all(name.startswith(kid.name) for kid in nested for name in inner[kid])
    return (len(nested) < len(kids) or are_named_after) and all(are_alike(inner[kid]) for kid in nested)


def _hold_the_same(kids: Sequence[Folder]) -> bool:
    """Return whether folders whose names differ in digits alone hold images of the same names: items, no classes."""
    if not are_alike([kid.name for kid in kids]):
        return False
    stems = [{file.path.stem.removeprefix(kid.name) for file in islice(kid.images, 500)} for kid in kids]
    return all(each == stems[0] for each in stems)


def _have_equal_stems(kids: Sequence[Folder]) -> bool:
    """Return whether some folders hold images of the same names, and those no mere numbers: versions of the images."""
    if len(kids) > 6:
        return False
    stems = [{file.path.stem for each in kid.within() for file in islice(each.images, 2000)} for kid in kids]
    rests = [{stem.removeprefix(kid.name) for stem in each} for kid, each in zip(kids, stems, strict=True)]
    if len(rests[0]) > 2 and all(each == rests[0] for each in rests) and all(map(str.isalpha, rests[0])):
        return True  # views of each item, called after it
    return are_equal_by_origin(stems)


def _copies_among(kids: Sequence[Folder]) -> list[Folder]:
    """Return the folders that hold their siblings once more, as some archives do: `cells/sick`, `cells/cells/sick`."""
    copies: list[Folder] = []
    for kid in kids:
        others = {each.name for each in kids if each is not kid}
        inner = [each.name for each in _settled(kid).holding]
        if len(inner) > 1 and len(others.intersection(inner)) >= _COMMON * len(others):
            copies.append(kid)
    return copies


def _are_letters(kids: Sequence[Folder]) -> bool:
    """Return whether folders are named after the first letter of their sub-folders: `a/abbey`."""
    return all(
        len(kid.name) == 1 and kid.name.isalpha() and kid.holding and not kid.own
        and all(each.name.casefold().startswith(kid.name.casefold()) for each in kid.holding)
        for kid in kids
    )  # fmt: skip


def _joined(kids: Sequence[Folder], *, by_path: bool = False) -> TreePlan:
    """Return the plan of the innermost folders as classes, by their names, or their paths where names recur."""
    leaves = [(folder, kid) for kid in kids for folder in kid.within() if folder.own and not is_container(folder.name)]
    names = [folder.name for folder, _ in leaves]
    is_unique = not by_path and len(set(names)) == len(names) and not are_numbers(names)
    start = len(kids[0].parent.path) if kids[0].parent and kids[0].parent.path else -1
    labels = {folder: folder.name if is_unique or folder is kid else folder.path[start + 1 :] for folder, kid in leaves}
    return TreePlan(labels=labels, confidence=UNLIKELY)
