"""Find class folders and split folders in a tree, by its structure and by the similarity of images of equal names.

A lone folder is a wrapper, never a class: a class needs a sibling. For each folder, the first rule of `RULES` that
applies determines the meaning of its subfolders. Image folders are classes, unless they contain versions of the same
images, or their names mean something else (`NOT_CLASSES`): then the user decides.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.core.names import name_key
from visionft.data.types import Split
from visionft.project.formats.image_table import ImageTable, ImportRow, Interpretation, RejectedFile
from visionft.project.formats.labels_file import CLASSES_FILE, ClassLook, read_classes_file
from visionft.project.formats.split_names import is_split_name, name_words, split_in, split_of
from visionft.project.importing.folder_names import (
    are_albums,
    are_items,
    are_numbers,
    are_parts,
    are_verdicts,
    common_share,
    differ_only_in_digits,
    differ_only_in_number,
    is_container,
    is_documentation,
    is_unlabelled,
    names_without_part_numbers,
    original_of,
)
from visionft.project.importing.survey import Folder, Survey, are_versions

_MIN_COMMON_SHARE = 0.6  # mean share of subfolder names in all parts of a set; `test` may lack classes of `train`
_MAX_COMPARED_IMAGES = 2000  # images of a folder whose names are compared with another folder's
# Container names that are classes beside other folders: `raw/`, `cooked/`; `all/`, `hem/` of C-NMC.
_POSSIBLE_CLASS_CONTAINERS = ("all", "default", "raw")
_HASH = re.compile(r"[0-9a-fA-F.-]{8,}")
_MIN_RANGE_DIGITS = 4  # of folders of number ranges, `0000/`; classes of digits have fewer
_MAX_VERSIONS = 6  # folders: `color`, `grayscale`, `segmented`


@dataclass(frozen=True, kw_only=True)
class TreePlan:
    """The meaning of folders; files have the class and split of the nearest folder above with a class or split."""

    labels: Mapping[Folder, str] = field(default_factory=dict[Folder, str])
    splits: Mapping[Folder, Split | None] = field(default_factory=dict[Folder, Split | None])
    ignored: tuple[Folder, ...] = ()  # other folders beside the classes or splits
    looks: tuple[ClassLook, ...] = ()  # from this program's list of classes
    lone_folder: Folder | None = None  # a class if it had a sibling
    names_file: Path | None = None  # file with class names for folders named by ids
    is_sure: bool = True  # otherwise the user decides about the classes

    @property
    def classes(self) -> set[str]:
        """The names of the classes."""
        return set(self.labels.values())


def plan_of(survey: Survey, known_classes: Collection[str] = ()) -> TreePlan:
    """Return the plan of a source; folders named in `known_classes` are classes, even a lone folder."""
    plan = _Planner(survey.source).plan(survey.root)
    keys = set(map(name_key, known_classes))
    if plan.labels and keys.issuperset(map(name_key, plan.classes)):
        return replace(plan, is_sure=True)
    if not plan.labels and plan.lone_folder and name_key(plan.lone_folder.name) in keys:
        return replace(plan, labels={plan.lone_folder: plan.lone_folder.name})
    return plan


def tree_table(survey: Survey, plan: TreePlan) -> ImageTable:
    """Return the files of a source with the classes and splits of a plan."""
    rows: list[ImportRow] = []
    inherited: dict[Folder | None, tuple[tuple[str, ...], Split | None]] = {None: ((), None)}
    folders = list(survey.root.walk(without=plan.ignored))
    for folder in folders:
        labels, split = inherited[folder.parent]
        if folder in plan.labels:
            labels = (plan.labels[folder],)
        labels = () if is_unlabelled(folder.name) else labels
        split = plan.splits.get(folder, split)
        inherited[folder] = labels, split
        for file in _without_class_list(folder) if plan.looks else folder.files:
            rows.append(ImportRow(file.path, file.name, labels, split) if labels or split else file)
    unlabelled = dict.fromkeys(folder.name for folder in folders if is_unlabelled(folder.name))
    reason = Message("is neither a class nor a split folder")
    ignored = (RejectedFile(printable(survey.source / folder.path), reason) for folder in plan.ignored)
    interpretation = replace(_interpretation_of(plan, survey.source), unlabelled_folders=tuple(unlabelled))
    return ImageTable(
        rows=tuple(rows),
        skipped=(*survey.skipped, *ignored),
        unreadable=tuple(survey.unreadable),
        declared=plan.looks,
        interpretations=(interpretation,),
    )


def _interpretation_of(plan: TreePlan, source: Path) -> Interpretation:
    return Interpretation(
        file=source,
        class_folders=tuple(dict.fromkeys(plan.labels.values())),
        split_folders=tuple(dict.fromkeys(subfolder.name for subfolder in plan.splits)),
        ignored_folders=tuple(subfolder.name for subfolder in plan.ignored),
        joined=(plan.names_file,) if plan.names_file else (),
    )


def _without_class_list(folder: Folder) -> list[ImportRow]:
    """Return the files of a folder except this program's list of classes."""
    return [file for file in folder.files if file.path.name != CLASSES_FILE]


@dataclass
class _Planner:
    """Applies `RULES` to a tree from the top down."""

    source: Path
    looks: tuple[ClassLook, ...] = ()
    names: dict[str, str] = field(default_factory=dict[str, str])  # {folder name: class} of this program's list

    def plan(self, folder: Folder) -> TreePlan:
        """Return the plan of everything below a folder."""
        if not self.looks and any(file.path.name == CLASSES_FILE for file in folder.files):
            self.looks = read_classes_file(self.source / folder.path / CLASSES_FILE)
            self.names = {look.folder: look.name for look in self.looks if look.folder}
        children = [subfolder for subfolder in folder.image_subfolders if not is_unlabelled(subfolder.name)]
        if declared := {
            subfolder: self.names[subfolder.name] for subfolder in children if subfolder.name in self.names
        }:
            return TreePlan(labels=declared, looks=self.looks)
        children, documentation = _without_documentation(children)
        plan = self.plan_of_children(folder, children)
        return replace(plan, ignored=(*plan.ignored, *documentation)) if plan.labels or plan.splits else plan

    def plan_of_children(self, folder: Folder, children: Sequence[Folder]) -> TreePlan:
        """Return the plan of subfolders by the first rule that applies.

        It is not sure if more images are beside the subfolders than in them.
        """
        plans = (rule(self, folder, children) for rule in RULES)
        plan = next(plan for plan in plans if plan is not None)
        is_loose = bool(children) and folder.own_count > sum(child.count for child in children)
        return replace(plan, is_sure=plan.is_sure and not is_loose)

    def merge(self, plans: Sequence[TreePlan]) -> TreePlan:
        """Return the union of the plans of several folders; a single class becomes the lone folder."""
        labels = {folder: name for plan in plans for folder, name in plan.labels.items()}
        is_single = len(set(labels.values())) == 1 and not self.names
        lone_folder = next((plan.lone_folder for plan in plans if plan.lone_folder), None)
        if is_single:
            lone_folder = next(iter(labels))
        elif labels:
            lone_folder = None
        return TreePlan(
            labels={} if is_single else labels,
            splits={folder: split for plan in plans for folder, split in plan.splits.items()},
            ignored=tuple(folder for plan in plans for folder in plan.ignored),
            looks=self.looks,
            lone_folder=lone_folder,
            is_sure=all(plan.is_sure for plan in plans if plan.labels),
        )

    def plan_below(self, folders: Sequence[Folder]) -> TreePlan:
        """Return the common plan of everything below several folders."""
        return self.merge([self.plan(subfolder) for subfolder in folders])

    def plan_as_classes(self, folders: Sequence[Folder], *, is_sure: bool) -> TreePlan:
        """Return the plan in which the folders themselves are the classes."""
        names = [subfolder.name for subfolder in folders]
        plan = self.merge([TreePlan(labels={subfolder: original_of(subfolder.name, names) for subfolder in folders})])
        return replace(plan, is_sure=is_sure)

    def plans_with_classes_of(self, folders: Sequence[Folder], plan: TreePlan) -> dict[Folder, TreePlan]:
        """Return {folder: plan} of the folders that contain mostly the classes of another plan."""
        plans = {folder: self.plan(folder) for folder in folders}
        for folder, folder_plan in plans.items():
            if (
                folder_plan.lone_folder is not None
                and folder_plan.lone_folder is not folder
                and folder_plan.lone_folder.name in plan.classes
            ):
                plans[folder] = replace(folder_plan, labels={folder_plan.lone_folder: folder_plan.lone_folder.name})
        return {
            folder: folder_plan
            for folder, folder_plan in plans.items()
            if folder_plan.labels
            and (
                len(folder_plan.classes) == 1 or common_share([folder_plan.classes, plan.classes]) >= _MIN_COMMON_SHARE
            )
        }


# ----------------------------------------------------------------------------------------------------------------------
# Rules in order of priority. Each returns the plan of the subfolders `children` of a folder, or None if it does not
# apply. The docstrings state the condition, with an example.


def _splits(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Some folders are named like splits, and contain the classes: `train/cat/1.jpg`, `test/cat/2.jpg`."""
    splits, others = _splits_among(children)
    if not splits:
        return None
    plans = _with_lone_classes({child: planner.plan(child) for child in splits})
    merged = planner.merge([*plans.values()])
    further = planner.plans_with_classes_of(others, merged)  # `more_cat/cat` beside `train` and `test`
    largest = max(plans.values(), key=lambda plan: len(plan.classes))  # `val` may have only two of `737`, `747`, `A320`
    merged = planner.merge([merged, *further.values()])
    return replace(
        merged,
        is_sure=largest.is_sure,
        splits={**splits, **{other: split_in(other.name) for other in further}, **merged.splits},
        ignored=(*merged.ignored, *(other for other in others if other not in further)),
    )


def _beside_unlabelled(planner: _Planner, folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """A single class beside unlabelled images, as Datumaro and CVAT export it: `cat/1.jpg`, `no_label/2.jpg`."""
    if len(children) == 1 and any(is_unlabelled(subfolder.name) for subfolder in folder.image_subfolders):
        return TreePlan(labels={children[0]: children[0].name}, looks=planner.looks)
    return None


def _wrapper(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """At most one folder, which is not a class: `archive/flowers/daisy/1.jpg`."""
    if len(children) > 1:
        return None
    if not children:
        return TreePlan(looks=planner.looks)
    child = children[0]
    plan = planner.plan(children[0])
    if is_split_name(child.name):
        return replace(plan, splits={child: split_of(child.name), **plan.splits})
    is_nameless = bool(plan.labels or plan.splits or plan.lone_folder or child.image_subfolders)
    return plan if is_nameless else replace(plan, lone_folder=child)


def _copy_of_siblings(planner: _Planner, folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """A folder contains a copy of itself: `cells/sick/1.png`, `cells/cells/sick/1.png`."""
    copies: list[Folder] = []
    for child in children:
        sibling_names = {folder.name for folder in children if folder is not child}
        subfolder_names = [folder.name for folder in _unwrapped(child).image_subfolders]
        common_names = sibling_names.intersection(subfolder_names)
        if len(subfolder_names) > 1 and len(common_names) >= _MIN_COMMON_SHARE * len(sibling_names):
            copies.append(child)
    if not copies:
        return None
    rest = planner.plan_of_children(folder, [child for child in children if child not in copies])
    return planner.merge([rest, *map(planner.plan, copies)])


def _containers(planner: _Planner, folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Folders with names such as `images` or `data` are not classes: `images/cat/1.jpg`, `annotations/1.png`."""
    containers = [folder for folder in children if is_container(folder.name)]
    if len(containers) < len(children):
        containers = [folder for folder in containers if folder.name.casefold() not in _POSSIBLE_CLASS_CONTAINERS]
    if not containers:
        return None
    merged = planner.plan_below(containers)
    others = [folder for folder in children if folder not in containers]
    if merged.labels:
        return planner.merge([merged, *planner.plans_with_classes_of(others, merged).values()])
    if len(others) > 1:
        return replace(planner.plan_of_children(folder, others), is_sure=False)
    return merged


def _initials(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Folders are named by the first letter of the classes in them: `a/abbey/1.jpg`, `z/zoo/1.jpg`."""
    are_initials = all(
        len(child.name) == 1
        and child.name.isalpha()
        and child.image_subfolders
        and not child.own_count
        and all(folder.name.casefold().startswith(child.name.casefold()) for folder in child.image_subfolders)
        for child in children
    )
    if not are_initials:
        return None
    labels = {
        folder: folder.path[len(child.path) + 1 :] for child in children for folder in child.walk() if folder.own_count
    }
    return planner.merge([TreePlan(labels=labels)])


def _class_folders(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """A folder for each class, the most common layout: `cat/IMG_1.jpg`, `dog/IMG_1.jpg`."""
    if any(_inner_names(children).values()):
        return None
    names = [child.name for child in children]
    if parts := names_without_part_numbers(names):
        return replace(
            planner.merge([TreePlan(labels={child: parts[child.name] for child in children})]), is_sure=False
        )
    return planner.plan_as_classes(children, is_sure=not any(rule(children) for rule in NOT_CLASSES))


def _verdicts(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Results of an inspection, which are always classes: `OK/camera 1/1.png`, `NOK/camera 1/2.png`."""
    return planner.plan_as_classes(children, is_sure=True) if are_verdicts([child.name for child in children]) else None


def _splits_within(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Splits within classes, `cat/train/1.jpg`, `dog/train/2.jpg`, or within parts of a set, `set1/train/cat`."""
    inner_splits = {
        folder: split_of(folder.name) for child in children for folder in _unwrapped(child).image_subfolders
    }
    if not all(is_split_name(folder.name) for folder in inner_splits) or not all(_inner_names(children).values()):
        return None
    plans = [plan for plan in map(planner.plan, children) if plan.labels]
    inner_plan = planner.merge(plans)
    outer_plan = planner.plan_as_classes(children, is_sure=True)
    if not inner_plan.labels:  # each class of ZooLake contains only `training_data`
        return replace(outer_plan, splits=inner_splits if len(set(inner_splits.values())) > 1 else {})
    if len(plans) > 1 and common_share([plan.classes for plan in plans]) >= _MIN_COMMON_SHARE:
        outer_splits = {child: split_of(child.name) for child in children if is_split_name(child.name)}
        return replace(inner_plan, splits={**inner_plan.splits, **outer_splits}, is_sure=True)
    return replace(outer_plan, splits=inner_splits, is_sure=False)


def _splits_beside(planner: _Planner, folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Classes beside a data set with splits: `cat/1.jpg`, `dog/1.jpg`, `boxes/train/2.jpg`."""
    nested = _nested_folders(children)
    if not all(is_split_name(subfolder.name) for child in nested for subfolder in _unwrapped(child).image_subfolders):
        return None
    merged = planner.plan_below(nested)
    classes = [child for child in children if child not in nested]
    if merged.labels or len(classes) < 2:
        return merged
    return replace(planner.plan_of_children(folder, classes), splits=merged.splits)


def _versions(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Classes within versions of the same images: `color/cat/1.jpg`, `gray/cat/1.jpg`; or versions within classes."""
    if _are_versions(children):
        return planner.plan_below(children)
    subfolders = [child.image_subfolders for child in children]
    if all(len(group) > 1 and _are_versions(group) for group in subfolders):  # `cat/color/1.jpg`
        return planner.plan_as_classes(children, is_sure=True)
    return None


def _items_within(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Numbered items within the classes: `cat/patient 1/1.jpg`, `dog/patient 7/1.jpg`."""
    names = [child.name for child in children]
    inner_names = _inner_names(children)
    all_inner_names = {name for folder_names in inner_names.values() for name in folder_names}
    are_also_counted = are_numbers(names) or (_are_crossed(inner_names) and differ_only_in_number(names))
    if are_also_counted or not are_numbers(all_inner_names):
        return None
    return planner.plan_as_classes(children, is_sure=True)


def _crossed(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """The folders have mostly the same subfolder names.

    These are the classes if the folders are parts, as in `fold1/cat/1.jpg`, `fold2/cat/2.jpg`. Otherwise either level
    may be the class, as in `apple/fresh/1.jpg`, `pear/fresh/2.jpg`, and the user decides.
    """
    inner_names = _inner_names(children)
    names = [child.name for child in children]
    if not _are_crossed(inner_names):
        return None
    all_inner_names = {name.casefold() for folder_names in inner_names.values() for name in folder_names}
    merged = planner.plan_below(children)
    if (
        are_verdicts(all_inner_names)
        or are_verdicts(_leaf_names(children))
        or len(all_inner_names) >= 2 * len(children)
    ):
        return merged
    if are_numbers(names):
        return replace(merged, is_sure=merged.is_sure and (are_parts(names) or not are_numbers(all_inner_names)))
    if len(all_inner_names) > len(children):
        return replace(merged, is_sure=False)
    return planner.plan_as_classes(children, is_sure=False)


def _set_beside_images(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """One or two data sets beside other images: `lungs/cat/1.png`, `lungs/dog/1.png`, `test cases/1.png`."""
    nested = _nested_folders(children)
    plans = [plan for plan in map(planner.plan, nested) if plan.labels]
    if len(nested) > 2 or common_share([plan.classes for plan in plans]) < _MIN_COMMON_SHARE:
        return None
    merged = planner.merge(plans)
    beside = [child for child in children if child not in nested]
    if any(plan.splits for plan in plans):
        return replace(merged, is_sure=True)
    tests: dict[Folder, Split | None] = {child: "test" for child in beside if split_in(child.name) == "test"}
    if tests and len(tests) == len(beside):
        return replace(merged, splits=tests, is_sure=True)
    return replace(merged, is_sure=False) if len(children) - len(tests) == 2 else None


def _taxonomy(planner: _Planner, _folder: Folder, children: Sequence[Folder]) -> TreePlan | None:
    """Any other nested folders: the upper level is the classes, as in `Canidae/fox/1.jpg`, `Felidae/lynx/1.jpg`.

    The plan is sure if at most half of the folders are nested.
    """
    nested = _nested_folders(children)
    return planner.plan_as_classes(children, is_sure=len(nested) <= len(children) / 2 and len(children) > 2)


Rule = Callable[[_Planner, Folder, Sequence[Folder]], TreePlan | None]
RULES: tuple[Rule, ...] = (
    _splits,
    _beside_unlabelled,
    _wrapper,
    _copy_of_siblings,
    _containers,
    _initials,
    _class_folders,
    _verdicts,
    _splits_within,
    _splits_beside,
    _versions,
    _items_within,
    _crossed,
    _set_beside_images,
    _taxonomy,
)


# ----------------------------------------------------------------------------------------------------------------------
# Other meanings of image folders. Their names are offered as classes, and the user decides.


def _are_items(children: Sequence[Folder]) -> bool:
    """Return whether the names are numbered items or dates: `patient 1/1.jpg`; `2024-05-01/1.jpg`."""
    return are_items([child.name for child in children])


def _are_parts(children: Sequence[Folder]) -> bool:
    """Return whether the folders are parts of a data set: `images_001/1.jpg`; `00012/000120007.jpg` of img2dataset."""
    return _are_ranges(children) or are_parts([child.name for child in children])


def _are_ranges(children: Sequence[Folder]) -> bool:
    """Return whether folders contain ranges of one counter: `00012/000120007.jpg`; `01000/01999.png` of FFHQ."""
    stems = {child.name: [file.path.stem for file in islice(child.images, _MAX_COMPARED_IMAGES)] for child in children}
    all_numbers = [*stems, *(stem for folder_stems in stems.values() for stem in folder_stems)]
    if not all(map(str.isdecimal, all_numbers)) or min(map(len, stems)) < _MIN_RANGE_DIGITS:
        return False
    are_prefixed = all(stem.startswith(name) for name in stems for stem in stems[name])
    ordered = sorted(stems, key=int)
    ends = [*map(int, ordered[1:]), max(map(int, all_numbers)) + 1]
    are_between = all(
        int(name) <= int(stem) < end for name, end in zip(ordered, ends, strict=True) for stem in stems[name]
    )
    return are_prefixed or are_between


def _are_albums(children: Sequence[Folder]) -> bool:
    """Return whether the folders are photo albums: `Camera/1.jpg`, `WhatsApp Images/2.jpg`."""
    return are_albums([child.name for child in children])


def _are_numbered(children: Sequence[Folder]) -> bool:
    """Return whether the names differ only in digits, `kos01`, `kos02`, unlike the classes `class 1`, `type 2`, `7`."""
    return differ_only_in_digits([child.name for child in children])


def _are_single_images(children: Sequence[Folder]) -> bool:
    """Return whether each image has its own folder, named by a hash: `00001f52-1a2b-4c3d/1.jpg` of KoboToolbox."""
    return all(child.count == 1 and _HASH.fullmatch(child.name) for child in children)


def _are_versions(children: Sequence[Folder]) -> bool:
    """Return whether the folders contain versions of the same images: `full/1.jpg`, `small/1.jpg`."""
    if not 1 < len(children) <= _MAX_VERSIONS:
        return False
    first, *others = map(_named_images, children)
    return all(are_versions(first, other) for other in others)


NOT_CLASSES: tuple[Callable[[Sequence[Folder]], bool], ...] = (
    _are_items,
    _are_parts,
    _are_albums,
    _are_numbered,
    _are_single_images,
    _are_versions,
)


def _named_images(folder: Folder) -> dict[str, Path]:
    """Return {stem: image} of the first images of a folder, or {relative path: image} if stems recur."""
    files = [*islice((file for subfolder in folder.walk() for file in subfolder.images), _MAX_COMPARED_IMAGES)]
    stems = {file.path.stem: file.path for file in files}
    if len(stems) == len(files):
        return stems
    return {file.name[len(folder.path) + 1 :].rpartition(".")[0]: file.path for file in files}


def _inner_names(children: Sequence[Folder]) -> dict[Folder, list[str]]:
    """Return {folder: names of its subfolders}; lone folders are skipped."""
    return {child: [subfolder.name for subfolder in _unwrapped(child).image_subfolders] for child in children}


def _nested_folders(children: Sequence[Folder]) -> list[Folder]:
    """Return the folders with several subfolders, directly or within lone folders."""
    return [child for child, names in _inner_names(children).items() if names]


def _leaf_names(children: Sequence[Folder]) -> set[str]:
    """Return the names of the innermost folders of images."""
    return {
        subfolder.name
        for child in children
        for subfolder in child.walk()
        if subfolder.own_count and not subfolder.image_subfolders
    }


def _are_crossed(inner: Mapping[Folder, Sequence[str]]) -> bool:
    """Return whether all folders have mostly the same subfolder names."""
    names = [[name.casefold() for name in subfolder] for subfolder in inner.values()]
    return all(names) and common_share(names) >= _MIN_COMMON_SHARE


def _unwrapped(folder: Folder) -> Folder:
    """Return the innermost folder of a chain of lone folders; folders of splits end the chain."""
    while len(inner := folder.image_subfolders) == 1 and not folder.own_count and not is_split_name(inner[0].name):
        folder = inner[0]
    return folder


def _without_documentation(children: list[Folder]) -> tuple[list[Folder], list[Folder]]:
    """Return the folders without documentation (unless all are documentation), and the documentation folders."""
    rest = children
    for surely in (True, False):
        candidates = [child for child in rest if not is_documentation(child.name, surely=surely)]
        if candidates and (surely or len(candidates) == 1):
            rest = candidates
    return rest, [child for child in children if child not in rest]


def _splits_among(children: Sequence[Folder]) -> tuple[dict[Folder, Split | None], list[Folder]]:
    """Return {folder: split} of the split folders, and the other folders; both empty without splits.

    Split folders are named like splits, `train`, or have a common name, `cars_train` beside `cars_test`.
    """
    groups = _splits_by_common_words(children)
    exact = _with_evaluation(groups.pop((), {}), children)
    if exact and (len(exact) == len(children) or _has_train_and_other(exact)):
        return (exact, _others(children, exact)) if len(children) > 1 else ({}, [])
    for words, splits in groups.items():
        unsplit = [child for child in children if tuple(name_words(child.name)) == words]
        if unsplit and "train" not in splits.values():  # `birds` beside `birds_test`
            splits |= dict.fromkeys(unsplit, None)
        if unsplit or _has_train_and_other(splits):
            return splits, _others(children, splits)
    return {}, []


def _others(children: Sequence[Folder], excluded: Collection[Folder]) -> list[Folder]:
    return [child for child in children if child not in excluded]


def _splits_by_common_words(children: Sequence[Folder]) -> dict[tuple[str, ...], dict[Folder, Split | None]]:
    """Return {other words of the name: {folder: split}}: `()` for `train`, `("cars",)` for `cars_train`."""
    groups: dict[tuple[str, ...], dict[Folder, Split | None]] = {}
    for child in children:
        if is_split_name(child.name):
            groups.setdefault((), {})[child] = split_of(child.name)
        elif split := split_in(child.name):
            words = tuple(word for word in name_words(child.name) if not is_split_name(word) and len(word) > 1)
            groups.setdefault(words, {})[child] = split
    return groups


def _has_train_and_other(splits: Mapping[Folder, Split | None]) -> bool:
    return "train" in splits.values() and len(set(splits.values()) - {None}) > 1


def _with_evaluation(splits: dict[Folder, Split | None], children: Sequence[Folder]) -> dict[Folder, Split | None]:
    """Return the splits and a folder `evaluation` beside them: as test, or as validation if there is a test."""
    split: Split = "val" if "test" in splits.values() else "test"
    evaluation_folders = [
        child for child in children if splits and name_words(child.name) in (["eval"], ["evaluation"])
    ]
    return {**splits, **dict[Folder, Split | None].fromkeys(evaluation_folders, split)}


def _with_lone_classes(plans: dict[Folder, TreePlan]) -> dict[Folder, TreePlan]:
    """Return the plans of splits; lone folders in them are classes, if their names differ: `train/cat`, `test/dog`.

    Words of splits, `test/test_images`, and generic names of image folders are no classes.
    """
    class_names = {name for plan in plans.values() for name in plan.classes}
    lone_folders = {child: plan.lone_folder for child, plan in plans.items() if plan.lone_folder and not plan.labels}
    lone_folders = {
        child: folder
        for child, folder in lone_folders.items()
        if folder.name in class_names or not is_container(folder.name)
    }
    lone_names = _without_words_of(plans, {folder.name for folder in lone_folders.values()})
    if not (lone_names <= class_names if class_names else len(lone_names) > 1):
        return plans
    completed = {
        child: replace(plans[child], labels={folder: folder.name})
        for child, folder in lone_folders.items()
        if folder.name in lone_names
    }
    return plans | completed


def _without_words_of(splits: Collection[Folder], names: set[str]) -> set[str]:
    """Return the names without a word from the names of splits."""
    words = {word for child in splits for word in name_words(child.name)}
    return {name for name in names if words.isdisjoint(name_words(name))}
