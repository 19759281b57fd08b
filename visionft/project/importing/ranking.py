"""The rank of the ways to label the images of a folder.

1. What the user chose.
2. A label file of a labelling tool whose names lead to the images.
3. Class folders.
4. A table whose names lead to the images.
5. Words in the file names, only where there are neither class folders nor such tables.
6. No labels.

The first that is sure is taken; without one, the images come in without labels until the user decides. A later one
confirms an earlier one, labels further images, or names its ids. It replaces it where the earlier one labels the
smaller part of the images, and by a row of `DEVIATIONS`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from visionft.core.foreign_text import printable
from visionft.core.messages import Message, listed, sentences
from visionft.core.names import count_of
from visionft.project.formats.image_table import AUTOMATIC_CHOICE, ImageTable, LabelChoice
from visionft.project.formats.split_names import is_train_and_val
from visionft.project.importing.label_sources import Labels, LabelSource
from visionft.project.importing.survey import Survey, is_image
from visionft.project.importing.tree_reading import TreePlan, tree_table

AGREEING_SHARE = 0.98  # share of equal labels of sources that confirm each other
_SIGNS = re.compile(r"[\W_\d]+")


@dataclass(frozen=True, slots=True)
class Relation:
    """Two sources of labels, compared on the images that both label."""

    common: int  # images
    equal: float  # share of them with equal labels, but for case, signs and numbers
    shared: float  # share of the classes of the smaller vocabulary in both
    names: Mapping[str, str]  # {class of the first: class of the second}, one to one, if any
    confirmed: float  # share of the common images whose classes correspond by `names`
    divides: bool  # each class of the second lies in one class of the first
    unites: bool  # each class of the first lies in one class of the second

    @classmethod
    def of(cls, first: Labels, second: Labels) -> "Relation":
        """Compare two sources."""
        both = first.keys() & second.keys() if len(first) > len(second) else second.keys() & first.keys()
        pairs = Counter((first[path], second[path]) for path in both)
        common = sum(pairs.values())
        equal = sum(count for (one, other), count in pairs.items() if _keys(one) == _keys(other))
        shared = _shared_vocabulary(first, second)
        to = _main_partners(pairs, common)
        back = _main_partners({(b, a): n for (a, b), n in pairs.items()}, common)
        names = _names_of(to) if back and common >= 2 * len(to) and not shared else {}
        fitting = sum(count for (one, other), count in pairs.items() if to.get(one) == other) if names else 0
        return cls(common, equal / max(1, common), shared, names, fitting / max(1, common), bool(back), bool(to))


def _names_of(partners: Mapping[tuple[str, ...], tuple[str, ...]]) -> dict[str, str]:
    """Return {class: its partner} where these are one to one, and at least two."""
    if len(set(partners.values())) < max(2, len(partners)):
        return {}
    return {one[0]: other[0] for one, other in partners.items() if len(one) == len(other) == 1}


def _shared_vocabulary(first: Labels, second: Labels) -> float:
    """Return the share of the classes of the smaller vocabulary that are in both."""
    ones, others = ({key for each in set(side.values()) for key in _keys(each)} for side in (first, second))
    return len(ones & others) / max(1, min(len(ones), len(others)))


def _keys(names: Iterable[str]) -> set[str]:
    return set(map(name_key_of, names))


def is_id(name: str) -> bool:
    """Return whether the name of a class is a number, or a letter with a number such as `n02085620`."""
    return bool(re.fullmatch(r"[a-zA-Z]?\d+", name))


def name_key_of(name: str) -> str:
    """Return a name without case, signs and numbers; a number without leading zeros."""
    return _SIGNS.sub("", name.casefold()) or (str(int(name)) if name.isdecimal() else name.casefold())


def _main_partners(
    pairs: Mapping[tuple[tuple[str, ...], tuple[str, ...]], int], common: int
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the one partner of each label where nearly all images agree with it; empty where they do not."""
    partners: defaultdict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for (one, other), count in pairs.items():
        partners[one][other] += count
    main = {one: counts.most_common(1)[0] for one, counts in partners.items()}
    agreeing = sum(count for _, count in main.values())
    return {one: other for one, (other, _) in main.items()} if common and agreeing >= AGREEING_SHARE * common else {}


_MAX_COMMON_SHARE = 0.02  # sources with at most this share of common images label different images
_MIN_LABEL_SHARE = 0.2  # of the largest source's labels, for a source to be the best
_RIVAL_LABEL_SHARE = 0.2  # of the best source's labels, for a source of other images to be a rival
_MIN_SHARED_CLASSES = 0.5  # share of common classes from which two sources have one vocabulary
_PRIORITY_SHARE = 0.5  # of the other source's labels, for a table or the class folders to go first
_COMPLETE_SHARE = 0.9  # of the images in class folders, for the labels of a whole data set


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A way to label the images: class folders, label files, words in the file names, or two of them."""

    plan: TreePlan | None = None  # of class folders
    source: LabelSource | None = None  # of label files, or of the file names
    has_folders_first: bool = False  # where both label an image, the class folders count
    is_sure: bool = False
    names: Mapping[str, str] = field(default_factory=dict[str, str])  # {class: its name by the other source}
    agreement: float | None = None  # share of equal labels where a second source labels the same images
    second: str = ""  # name of the agreeing file, unless it is the source
    choice: LabelChoice = AUTOMATIC_CHOICE  # the choice that gives the same labels

    def is_of_other_column(self, sources: Sequence[LabelSource]) -> bool:
        """Whether it takes another column of a label file than was taken when all were read."""
        return self.source is not None and not self.source.of_names and self.source not in sources

    @property
    def is_form(self) -> bool:
        """Whether it is a form for predictions."""
        return self.source is not None and self.source.is_submission

    @property
    def is_of_parts_or_forms(self) -> bool:
        """Whether it gives the classes of boxes and shapes, or is a form for predictions."""
        return self.plan is None and self.source is not None and (self.source.is_from_marks or self.is_form)

    @property
    def title(self) -> Message:
        """The sources, with the first classes of folders."""
        if self.plan is None and self.source is None:
            return Message("Images without labels")
        folders = list(dict.fromkeys(self.plan.labels.values())) if self.plan else []
        if self.plan and self.source:
            return Message("Class folders and {files}", files=self.source.title)
        if self.source:
            return Message("Labels of {file}", file=self.source.title)
        return Message("Class folders: {names}", names=listed(list(map(printable, folders)), 3))

    def describe(self, table: ImageTable, images: int) -> ImageTable:
        """Return the table of this proposal with its title and the counts for and against it; of `images` in all."""
        labelled = sum(bool(row.labels) and (is_image(row) or not row.path.suffix) for row in table.rows)
        classes = count_of(len(table.classes), "class")
        parts = [Message("{classes}, {images}.", classes=classes, images=count_of(images, "image"))]
        if labelled < images:
            parts = [
                Message(
                    "{classes}; {labelled} of {images} images have one.",
                    classes=classes,
                    labelled=f"{labelled:,}",
                    images=f"{images:,}",
                )
            ]
        if self.source is not None:
            parts += _words_about_names(self.source)
        if self.agreement is not None:
            share = f"{self.agreement:.0%}"
            both = Message("Both agree on {share} of the images.", share=share)
            one = Message("{file} agrees on {share} of the images.", file=self.second, share=share)
            parts.append(one if self.second else both)
        return replace(table, title=self.title, evidence=sentences(*parts), is_sure=self.is_sure, choice=self.choice)


def _words_about_names(source: LabelSource) -> list[Message]:
    """Return what the names in label files lead to, and whether these look like a form for predictions."""
    parts: list[Message] = []
    if source.found_count < source.name_count:
        parts.append(
            Message(
                "{found} of {names} names match one image.",
                found=f"{source.found_count:,}",
                names=f"{source.name_count:,}",
            )
        )
    if source.ambiguous:
        parts.append(
            Message(
                "{count} name matches several images.", "{count} names match several images.", count=source.ambiguous
            )
        )
    if source.is_submission:
        parts.append(Message("It looks like a form for predictions."))
    return parts


def rank(
    survey: Survey, trees: Sequence[Proposal], files: Sequence[LabelSource], *, is_multi_label: bool = True
) -> list[Proposal]:
    """Return the ways 2 to 4 to label the images, in the order of their rank; what is taken first.

    Args:
        survey: The folder.
        trees: Class folders by structure first, then of other levels.
        files: Label files, best first.
        is_multi_label: An image may have several classes; else columns of yes and no that give several are not sure.
    """
    of_files = [_of_file(files), *(Proposal(source=each) for each in files[1:])] if files else []
    if of_files and not is_multi_label and files[0].has_several_of_flags:
        of_files[0] = replace(of_files[0], is_sure=False)
    if not (trees and of_files):
        return [*trees, *of_files]
    pair = _Pair.of(survey, trees[0], of_files[0])
    return [*(pair.joined() or pair.ranked()), *trees[1:], *of_files[1:]]


@dataclass(frozen=True)
class _Pair:
    """Class folders and the best label file."""

    survey: Survey
    tree: Proposal
    plan: TreePlan
    file: Proposal
    source: LabelSource
    labels: Labels  # of the class folders
    relation: Relation  # of class folders and label file

    @classmethod
    def of(cls, survey: Survey, tree: Proposal, file: Proposal) -> "_Pair":
        """Compare class folders and a label file."""
        assert tree.plan is not None and file.source is not None
        rows = tree_table(survey, tree.plan).rows
        labels = {str(each.path): each.labels for each in rows if each.labels and is_image(each)}
        return cls(survey, tree, tree.plan, file, file.source, labels, Relation.of(labels, file.source.labels))

    def joined(self) -> list[Proposal]:
        """Return both as one where the file confirms the folders, names their ids, or labels other images alike."""
        relation = self.relation
        both = replace(self.tree, source=self.source, choice=AUTOMATIC_CHOICE)
        are_equal = relation.equal >= AGREEING_SHARE
        if relation.common > _MAX_COMMON_SHARE * max(len(self.labels), len(self.source.labels)) and (
            are_equal or relation.names
        ):
            takes_names = all(map(is_id, self.plan.classes)) and not all(map(is_id, self.source.classes))
            names = relation.names if takes_names else {other: one for one, other in relation.names.items()}
            agreement = relation.equal if are_equal else None
            return [replace(both, is_sure=True, names=names, agreement=agreement, has_folders_first=not takes_names)]
        label_others = relation.common <= _MAX_COMMON_SHARE * max(len(self.labels), len(self.source.labels))
        if not (label_others and self.source.is_sure and self.tree.is_sure):
            return []
        return [both] if relation.shared >= _MIN_SHARED_CLASSES else []

    def ranked(self) -> list[Proposal]:
        """Return both in the order of their rank."""
        relation, source = self.relation, self.source
        if source.is_of_tool and not source.is_from_marks:
            return [self.file, self.tree]
        tree = replace(self.tree, agreement=relation.equal, second=printable(source.file.name))
        tree = tree if relation.shared else self.tree
        if not tree.is_sure:  # a table of few images says little about the others
            is_sure = self.file.is_sure and len(source.labels) >= _PRIORITY_SHARE * len(self.labels)
            return [replace(self.file, is_sure=is_sure), tree]
        if self.file.is_sure and len(self.labels) < min(_PRIORITY_SHARE * self.survey.root.count, len(source.labels)):
            return [self.file, tree]
        is_rival = self.file.is_sure and relation.shared < _MIN_SHARED_CLASSES
        return [self.file, tree] if is_rival and any(rule(self) for rule, _ in DEVIATIONS) else [tree, self.file]


def _are_called_after(pair: _Pair) -> bool:
    """Return whether class folders have a class of the table in their names: `train_val_call`, `call` of HaGRID."""
    common = pair.labels.keys() & pair.source.labels.keys()
    named = sum(
        any(name_key_of(each) in name_key_of(pair.labels[path][0]) for each in pair.source.labels[path])
        for path in common
    )
    return named >= _COMPLETE_SHARE * len(common)


def _crosses(pair: _Pair) -> bool:
    """The folders are places, shifts or items: a column called so has other classes, across the folders."""
    relation = pair.relation
    is_complete = relation.common >= _COMPLETE_SHARE * len(pair.labels)
    is_finer = relation.unites and relation.common >= 2 * len(pair.plan.classes)  # with an image each, by chance
    return (
        is_complete and (pair.source.is_called_label or relation.divides) and not (is_finer or _are_called_after(pair))
    )


# Where a table that contradicts class folders replaces them, with the public data set that demands it.
DEVIATIONS: tuple[tuple[Callable[[_Pair], bool], str], ...] = (
    (_crosses, "Timelapse: `Station1/`, with `Species` in a table"),
)


def merged_sources(sources: Sequence[LabelSource]) -> list[LabelSource]:
    """Return the label files, best first, those joined that agree, or label different images in the same way."""
    merged: list[LabelSource] = []
    most = max((len(each.labels) for each in sources), default=0)
    for source in sorted(
        sources, key=lambda each: (len(each.labels) >= _MIN_LABEL_SHARE * most, *_order(each)), reverse=True
    ):
        for place, other in enumerate(merged):
            relation = Relation.of(other.labels, source.labels)
            is_alike = source.kind == other.kind or relation.shared >= _MIN_SHARED_CLASSES
            fits = relation.equal >= AGREEING_SHARE if relation.common else is_alike
            if fits and source.is_submission == other.is_submission:
                merged[place] = other.joined(source)
                break
        else:
            merged.append(source)
    return merged


def _order(source: LabelSource) -> tuple[bool, bool, bool, bool, bool, int]:
    """Return the sort key of label files: sure, of whole images, called labels, words, of one split, many."""
    return (
        source.is_sure,
        not source.is_from_marks,
        source.is_called_label,
        not all(map(is_id, source.classes)),
        not is_train_and_val(source.file.stem),
        len(source.labels),
    )


def _of_file(files: Sequence[LabelSource]) -> Proposal:
    """Return the best label file: open where another one labels the same images as well, and differently."""
    best = files[0]
    is_sure = files[0].is_sure
    names = dict[str, str]()
    for other in (each for each in files[1:] if each.is_sure):
        relation = Relation.of(best.labels, other.labels)
        if relation.names and all(map(is_id, best.classes)) and not all(map(is_id, other.classes)):
            names = dict(relation.names)
        is_rival = relation.common >= len(best.labels) / 2 and _order(best)[:4] == _order(other)[:4]
        is_elsewhere = not relation.common and len(other.labels) >= _RIVAL_LABEL_SHARE * len(best.labels)
        is_sure = is_sure and (bool(relation.names) or not (is_rival or is_elsewhere))
    return Proposal(source=best, is_sure=is_sure, names=names)
