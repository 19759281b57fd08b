"""Class folders and split folders of a tree, by its structure, and by the look of images of equal names.

A lone folder is a wrapper, never a class: a class needs a sibling. `RULES` are tried in their order for each folder,
and the first that applies tells the meaning of the folders in it. Folders of images are classes, unless they are
versions of the same images or their names tell of something else (`NOT_CLASSES`): then the user decides.
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
    are_alike,
    are_counted,
    are_items,
    are_numbers,
    are_parts,
    are_verdicts,
    common_share,
    is_container,
    is_documentation,
    is_unlabelled,
    names_of_parts,
    original_of,
)
from visionft.project.importing.survey import Folder, Survey, are_versions

_COMMON = 0.6  # mean share of all names of sub-folders that parts of a set have: `train`, and `test` without one class
_MOST_COMPARED = 2000  # images of a folder whose names are compared with another folder's
# Containers that are classes beside others: `raw/`, `cooked/`; `all/`, `hem/` of C-NMC.
_ALSO_CLASSES = ("all", "default", "raw")
_HASH = re.compile(r"[0-9a-fA-F.-]{8,}")
_LEAST_DIGITS = 4  # of folders of ranges, `0000/`; digits that are classes have fewer
_MOST_VERSIONS = 6  # folders of versions: `color`, `grayscale`, `segmented`


@dataclass(frozen=True, kw_only=True)
class TreePlan:
    """The meaning of folders; what lies in one has the class and split of the nearest folder with any."""

    labels: Mapping[Folder, str] = field(default_factory=dict[Folder, str])
    splits: Mapping[Folder, Split | None] = field(default_factory=dict[Folder, Split | None])
    ignored: tuple[Folder, ...] = ()  # beside the classes or splits
    looks: tuple[ClassLook, ...] = ()  # of this program's list of classes
    alone: Folder | None = None  # would be a class if it had a sibling
    names_file: Path | None = None  # file with the names of folders that are called by ids
    is_sure: bool = True  # else the user decides whether these are the classes

    @property
    def classes(self) -> set[str]:
        """The names of the classes."""
        return set(self.labels.values())


def plan_of(survey: Survey, known_classes: Collection[str] = ()) -> TreePlan:
    """Return the plan of a source; folders named in `known_classes` are classes, also a lone one."""
    plan = _Planner(survey.source).plan(survey.root)
    keys = set(map(name_key, known_classes))
    if plan.labels and keys.issuperset(map(name_key, plan.classes)):
        return replace(plan, is_sure=True)
    if not plan.labels and plan.alone and name_key(plan.alone.name) in keys:
        return replace(plan, labels={plan.alone: plan.alone.name})
    return plan


def tree_table(survey: Survey, plan: TreePlan) -> ImageTable:
    """Return the files of a source with the classes and splits of a plan."""
    files: list[ImportRow] = []
    inherited: dict[Folder | None, tuple[tuple[str, ...], Split | None]] = {None: ((), None)}
    folders = list(survey.root.within(without=plan.ignored))
    for folder in folders:
        labels, split = inherited[folder.parent]
        if folder in plan.labels:
            labels = (plan.labels[folder],)
        labels = () if is_unlabelled(folder.name) else labels
        split = plan.splits.get(folder, split)
        inherited[folder] = labels, split
        for file in _without_class_list(folder) if plan.looks else folder.files:
            files.append(ImportRow(file.path, file.name, labels, split) if labels or split else file)
    unlabelled = dict.fromkeys(each.name for each in folders if is_unlabelled(each.name))
    reason = Message("lies beside the classes or splits and is none")
    beside = (RejectedFile(printable(survey.source / each.path), reason) for each in plan.ignored)
    interpretation = replace(_interpretation_of(plan, survey.source), unlabelled_folders=tuple(unlabelled))
    return ImageTable(
        rows=tuple(files),
        skipped=(*survey.skipped, *beside),
        unreadable=tuple(survey.unreadable),
        declared=plan.looks,
        interpretations=(interpretation,),
    )


def _interpretation_of(plan: TreePlan, source: Path) -> Interpretation:
    return Interpretation(
        file=source,
        class_folders=tuple(dict.fromkeys(plan.labels.values())),
        split_folders=tuple(dict.fromkeys(each.name for each in plan.splits)),
        ignored_folders=tuple(each.name for each in plan.ignored),
        joined=(plan.names_file,) if plan.names_file else (),
    )


def _without_class_list(folder: Folder) -> list[ImportRow]:
    """Return the files of a folder but this program's list of classes."""
    return [file for file in folder.files if file.path.name != CLASSES_FILE]


@dataclass
class _Planner:
    """Reads a tree from the top down by `RULES`."""

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
        plan = self.plan_of_kids(folder, kids)
        return replace(plan, ignored=(*plan.ignored, *documentation)) if plan.labels or plan.splits else plan

    def plan_of_kids(self, folder: Folder, kids: Sequence[Folder]) -> TreePlan:
        """Return the plan of some folders in a folder: of the first rule that applies to them.

        It is not sure where more images lie beside the folders than in them.
        """
        found = (rule(self, folder, kids) for rule in RULES)
        plan = next(plan for plan in found if plan is not None)
        is_loose = bool(kids) and folder.own > sum(kid.count for kid in kids)
        return replace(plan, is_sure=plan.is_sure and not is_loose)

    def merged(self, plans: Sequence[TreePlan]) -> TreePlan:
        """Return one plan of several folders; a single class becomes a lone folder."""
        labels = {folder: name for plan in plans for folder, name in plan.labels.items()}
        is_lone = len(set(labels.values())) == 1 and not self.names
        alone = next((plan.alone for plan in plans if plan.alone), None)
        if is_lone:
            alone = next(iter(labels))
        elif labels:
            alone = None
        return TreePlan(
            labels={} if is_lone else labels,
            splits={folder: split for plan in plans for folder, split in plan.splits.items()},
            ignored=tuple(folder for plan in plans for folder in plan.ignored),
            looks=self.looks,
            alone=alone,
            is_sure=all(plan.is_sure for plan in plans if plan.labels),
        )

    def below(self, folders: Sequence[Folder]) -> TreePlan:
        """Return one plan of what lies in several folders."""
        return self.merged([self.plan(each) for each in folders])

    def classes(self, folders: Sequence[Folder], *, is_sure: bool) -> TreePlan:
        """Return the plan in which the folders themselves are the classes."""
        names = [each.name for each in folders]
        plan = self.merged([TreePlan(labels={each: original_of(each.name, names) for each in folders})])
        return replace(plan, is_sure=is_sure)

    def alike(self, folders: Sequence[Folder], plan: TreePlan) -> dict[Folder, TreePlan]:
        """Return the plans of those folders that hold largely the classes of another plan."""
        plans = {folder: self.plan(folder) for folder in folders}
        for folder, each in plans.items():
            if each.alone is not None and each.alone is not folder and each.alone.name in plan.classes:
                plans[folder] = replace(each, labels={each.alone: each.alone.name})
        return {
            folder: each
            for folder, each in plans.items()
            if each.labels and (len(each.classes) == 1 or common_share([each.classes, plan.classes]) >= _COMMON)
        }


# ----------------------------------------------------------------------------------------------------------------------
# Rules, in their order: each returns the plan of the folders `kids` in a folder, or None where it does not apply.


def _splits(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`train/cat/1.jpg`, `test/cat/2.jpg`: folders called like splits are splits, of the classes in them."""
    splits, others = _splits_among(kids)
    if not splits:
        return None
    plans = _with_lone_classes({kid: planner.plan(kid) for kid in splits})
    merged = planner.merged([*plans.values()])
    further = planner.alike(others, merged)  # `more_cat/cat` beside `train` and `test`
    largest = max(plans.values(), key=lambda plan: len(plan.classes))  # `val` may hold two of `737`, `747`, `A320`
    merged = planner.merged([merged, *further.values()])
    return replace(
        merged,
        is_sure=largest.is_sure,
        splits={**splits, **{other: split_in(other.name) for other in further}, **merged.splits},
        ignored=(*merged.ignored, *(other for other in others if other not in further)),
    )


def _beside_unlabelled(planner: _Planner, folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`cat/1.jpg`, `no_label/2.jpg`: a single class, as Datumaro and CVAT export it."""
    if len(kids) == 1 and any(is_unlabelled(each.name) for each in folder.holding):
        return TreePlan(labels={kids[0]: kids[0].name}, looks=planner.looks)
    return None


def _wrapper(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`archive/flowers/daisy/1.jpg`: a lone folder is no class, nor are images without folders."""
    if len(kids) > 1:
        return None
    if not kids:
        return TreePlan(looks=planner.looks)
    kid = kids[0]
    plan = planner.plan(kids[0])
    if is_split_name(kid.name):
        return replace(plan, splits={kid: split_of(kid.name), **plan.splits})
    is_nameless = bool(plan.labels or plan.splits or plan.alone or kid.holding)
    return plan if is_nameless else replace(plan, alone=kid)


def _copy_of_siblings(planner: _Planner, folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`cells/sick/1.png`, `cells/cells/sick/1.png`: an archive that holds itself once more."""
    copies: list[Folder] = []
    for kid in kids:
        others = {each.name for each in kids if each is not kid}
        inner = [each.name for each in _settled(kid).holding]
        if len(inner) > 1 and len(others.intersection(inner)) >= _COMMON * len(others):
            copies.append(kid)
    if not copies:
        return None
    rest = planner.plan_of_kids(folder, [kid for kid in kids if kid not in copies])
    return planner.merged([rest, *map(planner.plan, copies)])


def _containers(planner: _Planner, folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`images/cat/1.jpg`, `annotations/1.png`: folders called `images` or `data` are no classes."""
    containers = [each for each in kids if is_container(each.name)]
    if len(containers) < len(kids):
        containers = [each for each in containers if each.name.casefold() not in _ALSO_CLASSES]
    if not containers:
        return None
    merged = planner.below(containers)
    others = [each for each in kids if each not in containers]
    if merged.labels:
        return planner.merged([merged, *planner.alike(others, merged).values()])
    if len(others) > 1:
        return replace(planner.plan_of_kids(folder, others), is_sure=False)
    return merged


def _initials(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`a/abbey/1.jpg`, `z/zoo/1.jpg`: folders called by the first letters of the classes in them."""
    are_initials = all(
        len(kid.name) == 1
        and kid.name.isalpha()
        and kid.holding
        and not kid.own
        and all(each.name.casefold().startswith(kid.name.casefold()) for each in kid.holding)
        for kid in kids
    )
    if not are_initials:
        return None
    leaves = {each: each.path[len(kid.path) + 1 :] for kid in kids for each in kid.within() if each.own}
    return planner.merged([TreePlan(labels=leaves)])


def _leaves(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`cat/IMG_1.jpg`, `dog/IMG_1.jpg`: a folder for each class, what most people bring."""
    if any(_inner_names(kids).values()):
        return None
    names = [kid.name for kid in kids]
    if parts := names_of_parts(names):
        return replace(planner.merged([TreePlan(labels={kid: parts[kid.name] for kid in kids})]), is_sure=False)
    return planner.classes(kids, is_sure=not any(rule(kids) for rule in NOT_CLASSES))


def _verdicts(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`OK/camera 1/1.png`, `NOK/camera 1/2.png`: verdicts are classes, whatever lies in them."""
    return planner.classes(kids, is_sure=True) if are_verdicts([kid.name for kid in kids]) else None


def _splits_within(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`cat/train/1.jpg`, `dog/train/2.jpg`: splits within the classes; `set1/train/cat`: within parts of a set."""
    inner = {each: split_of(each.name) for kid in kids for each in _settled(kid).holding}
    if not all(is_split_name(each.name) for each in inner) or not all(_inner_names(kids).values()):
        return None
    plans = [plan for plan in map(planner.plan, kids) if plan.labels]
    within = planner.merged(plans)
    outer = planner.classes(kids, is_sure=True)
    if not within.labels:  # `training_data` in each class of ZooLake tells nothing
        return replace(outer, splits=inner if len(set(inner.values())) > 1 else {})
    if len(plans) > 1 and common_share([plan.classes for plan in plans]) >= _COMMON:
        tests = {kid: split_of(kid.name) for kid in kids if is_split_name(kid.name)}
        return replace(within, splits={**within.splits, **tests}, is_sure=True)
    return replace(outer, splits=inner, is_sure=False)


def _splits_beside(planner: _Planner, folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`cat/1.jpg`, `dog/1.jpg`, `boxes/train/2.jpg`: classes beside a data set in splits."""
    nested = _nested(kids)
    if not all(is_split_name(each.name) for kid in nested for each in _settled(kid).holding):
        return None
    merged = planner.below(nested)
    classes = [kid for kid in kids if kid not in nested]
    if merged.labels or len(classes) < 2:
        return merged
    return replace(planner.plan_of_kids(folder, classes), splits=merged.splits)


def _versions(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`color/cat/1.jpg`, `gray/cat/1.jpg`: versions of the same images, by their look, hold the classes."""
    if _are_versions(kids):
        return planner.below(kids)
    if all(len(kid.holding) > 1 and _are_versions(kid.holding) for kid in kids):  # `cat/color/1.jpg`
        return planner.classes(kids, is_sure=True)
    return None


def _items_within(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`cat/patient 1/1.jpg`, `dog/patient 7/1.jpg`: numbered items within the classes."""
    own = [kid.name for kid in kids]
    inner = _inner_names(kids)
    every = {name for names in inner.values() for name in names}
    are_also_counted = are_numbers(own) or (_are_crossed(inner) and are_counted(own))
    return planner.classes(kids, is_sure=True) if are_numbers(every) and not are_also_counted else None


def _crossed(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`fold1/cat/1.jpg`, `fold2/cat/2.jpg`: equal names in each folder are the classes where their folders are parts.

    `apple/fresh/1.jpg`, `pear/fresh/2.jpg`: either may be the class, and the user decides.
    """
    inner = _inner_names(kids)
    own = [kid.name for kid in kids]
    if not _are_crossed(inner):
        return None
    every = {name.casefold() for names in inner.values() for name in names}
    merged = planner.below(kids)
    if are_verdicts(every) or are_verdicts(_leaf_names(kids)) or len(every) >= 2 * len(kids):
        return merged
    if are_numbers(own):
        return replace(merged, is_sure=merged.is_sure and (are_parts(own) or not are_numbers(every)))
    return replace(merged, is_sure=False) if len(every) > len(kids) else planner.classes(kids, is_sure=False)


def _set_beside_images(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`lungs/cat/1.png`, `lungs/dog/1.png`, `test cases/1.png`: one or two data sets beside other images."""
    nested = _nested(kids)
    plans = [plan for plan in map(planner.plan, nested) if plan.labels]
    if len(nested) > 2 or common_share([plan.classes for plan in plans]) < _COMMON:
        return None
    merged = planner.merged(plans)
    beside = [kid for kid in kids if kid not in nested]
    if any(plan.splits for plan in plans):
        return replace(merged, is_sure=True)
    tests: dict[Folder, Split | None] = {kid: "test" for kid in beside if split_in(kid.name) == "test"}
    if tests and len(tests) == len(beside):
        return replace(merged, splits=tests, is_sure=True)
    return replace(merged, is_sure=False) if len(kids) - len(tests) == 2 else None


def _taxonomy(planner: _Planner, _folder: Folder, kids: Sequence[Folder]) -> TreePlan | None:
    """`Canidae/fox/1.jpg`, `Felidae/lynx/1.jpg`: either level may be the class, unless few folders have others."""
    nested = _nested(kids)
    return planner.classes(kids, is_sure=len(nested) <= len(kids) / 2 and len(kids) > 2)


Rule = Callable[[_Planner, Folder, Sequence[Folder]], TreePlan | None]
RULES: tuple[Rule, ...] = (
    _splits,
    _beside_unlabelled,
    _wrapper,
    _copy_of_siblings,
    _containers,
    _initials,
    _leaves,
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
# Other meanings of image folders: their names are offered as classes, and the user decides.


def _are_items(kids: Sequence[Folder]) -> bool:
    """`patient 1/1.jpg`, `patient 2/1.jpg`; `2024-05-01/1.jpg`, `2024-05-02/1.jpg`."""
    return are_items([kid.name for kid in kids])


def _are_parts(kids: Sequence[Folder]) -> bool:
    """`images_001/1.jpg`, `images_002/1.jpg`; `100APPLE/1.jpg`; `00012/000120007.jpg` of img2dataset."""
    return _are_ranges(kids) or are_parts([kid.name for kid in kids])


def _are_ranges(kids: Sequence[Folder]) -> bool:
    """Return whether folders hold ranges of one counter: `00012/000120007.jpg`; `01000/01999.png` of FFHQ."""
    stems = {kid.name: [file.path.stem for file in islice(kid.images, _MOST_COMPARED)] for kid in kids}
    every = [*stems, *(stem for each in stems.values() for stem in each)]
    if not all(map(str.isdecimal, every)) or min(map(len, stems)) < _LEAST_DIGITS:
        return False
    are_prefixed = all(stem.startswith(name) for name in stems for stem in stems[name])
    starts = sorted(stems, key=int)
    ends = [*map(int, starts[1:]), max(map(int, every)) + 1]
    are_between = all(
        int(name) <= int(stem) < end for name, end in zip(starts, ends, strict=True) for stem in stems[name]
    )
    return are_prefixed or are_between


def _are_albums(kids: Sequence[Folder]) -> bool:
    """`Camera/1.jpg`, `WhatsApp Images/2.jpg`."""
    return are_albums([kid.name for kid in kids])


def _are_numbered(kids: Sequence[Folder]) -> bool:
    """`kos01/1.png`, `kos02/1.png`; `S2A_1_45/1.png`, `S2A_1_46/1.png`: but `class 1`, `type 2` and `7` are classes."""
    return are_alike([kid.name for kid in kids])


def _hold_an_image_each(kids: Sequence[Folder]) -> bool:
    """`00001f52-1a2b-4c3d-9e8f-00000001991e/1.jpg` of KoboToolbox: a folder for each image, called by a hash."""
    return all(kid.count == 1 and _HASH.fullmatch(kid.name) for kid in kids)


def _are_versions(kids: Sequence[Folder]) -> bool:
    """`full/1.jpg`, `small/1.jpg`: the same images, by their look, in each folder."""
    if not 1 < len(kids) <= _MOST_VERSIONS:
        return False
    first, *others = map(_named_images, kids)
    return all(are_versions(first, other) for other in others)


NOT_CLASSES: tuple[Callable[[Sequence[Folder]], bool], ...] = (
    _are_items,
    _are_parts,
    _are_albums,
    _are_numbered,
    _hold_an_image_each,
    _are_versions,
)


def _named_images(folder: Folder) -> dict[str, Path]:
    """Return the first images of a folder by their stems, or by their paths in it where several have one stem."""
    files = [*islice((file for each in folder.within() for file in each.images), _MOST_COMPARED)]
    stems = {file.path.stem: file.path for file in files}
    if len(stems) == len(files):
        return stems
    return {file.name[len(folder.path) + 1 :].rpartition(".")[0]: file.path for file in files}


def _inner_names(kids: Sequence[Folder]) -> dict[Folder, list[str]]:
    """Return the names of the folders in each folder, or in the innermost of lone folders in it."""
    return {kid: [each.name for each in _settled(kid).holding] for kid in kids}


def _nested(kids: Sequence[Folder]) -> list[Folder]:
    """Return the folders that hold several folders, or a lone one that does."""
    return [kid for kid, names in _inner_names(kids).items() if names]


def _leaf_names(kids: Sequence[Folder]) -> set[str]:
    """Return the names of the innermost folders of images."""
    return {each.name for kid in kids for each in kid.within() if each.own and not each.holding}


def _are_crossed(inner: Mapping[Folder, Sequence[str]]) -> bool:
    """Return whether all folders hold folders of largely the same names."""
    names = [[name.casefold() for name in each] for each in inner.values()]
    return all(names) and common_share(names) >= _COMMON


def _settled(folder: Folder) -> Folder:
    """Return the innermost of lone folders within one another, but for folders of splits."""
    while len(inner := folder.holding) == 1 and not folder.own and not is_split_name(inner[0].name):
        folder = inner[0]
    return folder


def _without_documentation(kids: list[Folder]) -> tuple[list[Folder], list[Folder]]:
    """Return the folders without documentation folders (unless all are), and the documentation folders."""
    rest = kids
    for surely in (True, False):
        others = [kid for kid in rest if not is_documentation(kid.name, surely=surely)]
        if others and (surely or len(others) == 1):
            rest = others
    return rest, [kid for kid in kids if kid not in rest]


def _splits_among(kids: Sequence[Folder]) -> tuple[dict[Folder, Split | None], list[Folder]]:
    """Return the folders of splits, and the others; empty for none.

    Either folders called like splits, `train`, or folders of one name with splits, `cars_train` beside `cars_test`.
    """
    groups = _splits_by_rest(kids)
    exact = _with_evaluation(groups.pop((), {}), kids)
    if exact and (len(exact) == len(kids) or _has_train_and_other(exact)):
        return (exact, _others(kids, exact)) if len(kids) > 1 else ({}, [])
    for rest, group in groups.items():
        without = [kid for kid in kids if tuple(name_words(kid.name)) == rest]
        if without and "train" not in group.values():  # `birds` beside `birds_test`
            group |= dict.fromkeys(without, None)
        if without or _has_train_and_other(group):
            return group, _others(kids, group)
    return {}, []


def _others(kids: Sequence[Folder], found: Collection[Folder]) -> list[Folder]:
    return [kid for kid in kids if kid not in found]


def _splits_by_rest(kids: Sequence[Folder]) -> dict[tuple[str, ...], dict[Folder, Split | None]]:
    """Return {further words of the names: {folder: split}}: `()` for `train`, `("cars",)` for `cars_train`."""
    groups: dict[tuple[str, ...], dict[Folder, Split | None]] = {}
    for kid in kids:
        if is_split_name(kid.name):
            groups.setdefault((), {})[kid] = split_of(kid.name)
        elif split := split_in(kid.name):
            rest = tuple(word for word in name_words(kid.name) if not is_split_name(word) and len(word) > 1)
            groups.setdefault(rest, {})[kid] = split
    return groups


def _has_train_and_other(splits: Mapping[Folder, Split | None]) -> bool:
    return "train" in splits.values() and len(set(splits.values()) - {None}) > 1


def _with_evaluation(splits: dict[Folder, Split | None], kids: Sequence[Folder]) -> dict[Folder, Split | None]:
    """Return splits with a folder `evaluation` beside them: the test, or the validation where there is a test."""
    spare: Split = "val" if "test" in splits.values() else "test"
    further = [kid for kid in kids if splits and name_words(kid.name) in (["eval"], ["evaluation"])]
    return {**splits, **dict[Folder, Split | None].fromkeys(further, spare)}


def _with_lone_classes(plans: dict[Folder, TreePlan]) -> dict[Folder, TreePlan]:
    """Return the plans of splits; a lone folder in one is a class where others have it: `train/cat`, `test/dog`.

    Names of splits, `test/test_images`, or of general image folders are not classes.
    """
    known = {name for plan in plans.values() for name in plan.classes}
    alone = {kid: plan.alone for kid, plan in plans.items() if plan.alone and not plan.labels}
    alone = {kid: each for kid, each in alone.items() if each.name in known or not is_container(each.name)}
    lone = _without_words_of(plans, {each.name for each in alone.values()})
    if not (lone <= known if known else len(lone) > 1):
        return plans
    further = {kid: replace(plans[kid], labels={each: each.name}) for kid, each in alone.items() if each.name in lone}
    return plans | further


def _without_words_of(splits: Collection[Folder], names: set[str]) -> set[str]:
    """Return the names that have no word of the names of splits."""
    words = {word for kid in splits for word in name_words(kid.name)}
    return {name for name in names if words.isdisjoint(name_words(name))}
