"""Rank the proposals to label the images of a folder.

1. The user's choice.
2. A label file of a labelling tool whose names match images.
3. Class folders.
4. A table whose names match images.
5. Words in file names, if there are neither class folders nor such tables.
6. No labels.

The first sure proposal is imported; without one, images have no labels until the user decides. A later proposal can
confirm an earlier one, label further images, or name its ids. It replaces an earlier one that labels less than half of
the images, and in the cases of `DEVIATIONS`.
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

MIN_AGREEING_SHARE = 0.98  # of equal labels of sources that confirm each other
_PUNCTUATION_AND_DIGITS = re.compile(r"[\W_\d]+")


@dataclass(frozen=True, slots=True)
class Relation:
    """Comparison of two label sources on the images that both label."""

    common: int  # number of images that both label
    equal: float  # share of common images with equal labels, ignoring case, punctuation and numbers
    shared: float  # share of the smaller vocabulary that is in both
    names: Mapping[str, str]  # {class of the first: class of the second}; empty unless one to one
    confirmed: float  # share of the common images whose classes correspond by `names`
    divides: bool  # each class of the second is within one class of the first
    unites: bool  # each class of the first is within one class of the second

    @classmethod
    def of(cls, first: Labels, second: Labels) -> "Relation":
        """Compare two label sources."""
        paths = first.keys() & second.keys() if len(first) > len(second) else second.keys() & first.keys()
        pairs = Counter((first[path], second[path]) for path in paths)
        common = sum(pairs.values())
        equal = sum(count for (one, other), count in pairs.items() if _keys(one) == _keys(other))
        shared = _shared_vocabulary(first, second)
        partners = _main_partners(pairs, common)
        reverse_partners = _main_partners({(b, a): n for (a, b), n in pairs.items()}, common)
        names = _one_to_one(partners) if reverse_partners and common >= 2 * len(partners) and not shared else {}
        confirmed = sum(count for (one, other), count in pairs.items() if partners.get(one) == other) if names else 0
        return cls(
            common,
            equal / max(1, common),
            shared,
            names,
            confirmed / max(1, common),
            bool(reverse_partners),
            bool(partners),
        )


def _one_to_one(partners: Mapping[tuple[str, ...], tuple[str, ...]]) -> dict[str, str]:
    """Return {class: partner} if the mapping is one to one with at least two classes, otherwise empty."""
    if len(set(partners.values())) < max(2, len(partners)):
        return {}
    return {one[0]: other[0] for one, other in partners.items() if len(one) == len(other) == 1}


def _shared_vocabulary(first: Labels, second: Labels) -> float:
    """Return the share of the smaller vocabulary that is in both."""
    first_keys, second_keys = (
        {key for names in set(side.values()) for key in _keys(names)} for side in (first, second)
    )
    return len(first_keys & second_keys) / max(1, min(len(first_keys), len(second_keys)))


def _keys(names: Iterable[str]) -> set[str]:
    return set(map(name_key_of, names))


def is_id(name: str) -> bool:
    """Return whether a class name is a number, or a letter and a number such as `n02085620`."""
    return bool(re.fullmatch(r"[a-zA-Z]?\d+", name))


def name_key_of(name: str) -> str:
    """Return a name without case, punctuation and digits; a number without leading zeros."""
    return _PUNCTUATION_AND_DIGITS.sub("", name.casefold()) or (str(int(name)) if name.isdecimal() else name.casefold())


def _main_partners(
    pairs: Mapping[tuple[tuple[str, ...], tuple[str, ...]], int], common: int
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return {labels: most frequent partner}; empty unless nearly all images agree."""
    partners: defaultdict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
    for (one, other), count in pairs.items():
        partners[one][other] += count
    main = {one: counts.most_common(1)[0] for one, counts in partners.items()}
    agreeing = sum(count for _, count in main.values())
    if not common or agreeing < MIN_AGREEING_SHARE * common:
        return {}
    return {one: other for one, (other, _) in main.items()}


_MAX_COMMON_SHARE = 0.02  # sources with at most this share of common images label different images
_MIN_LABEL_SHARE = 0.2  # of the largest source's labels; a smaller source cannot be the best
_MIN_RIVAL_SHARE = 0.2  # of the best source's labels; a smaller source of other images is no rival
_MIN_SHARED_VOCABULARY = 0.5  # share of common classes of sources with one vocabulary
_MIN_PRIORITY_SHARE = 0.5  # of the images; class folders, or a table, with fewer labels come second
_MIN_COMPLETE_SHARE = 0.9  # of the images in class folders; fewer are not the labels of a data set


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A proposal to label images: by class folders, label files, words in file names, or two of these."""

    plan: TreePlan | None = None  # the class folders
    source: LabelSource | None = None  # the label files, or the file names
    has_folders_first: bool = False  # class folders have priority if both label an image
    is_sure: bool = False
    names: Mapping[str, str] = field(default_factory=dict[str, str])  # {class: name from the other source}
    agreement: float | None = None  # share of equal labels of images that a second source labels, too
    compared_file: str = ""  # name of the second source; empty if it is `source`
    choice: LabelChoice = AUTOMATIC_CHOICE  # the choice that gives the same labels

    def is_of_other_column(self, sources: Sequence[LabelSource]) -> bool:
        """Whether the label column differs from the columns of `sources`, as read at first."""
        return self.source is not None and not self.source.of_names and self.source not in sources

    @property
    def is_form(self) -> bool:
        """Whether the source is a form for predictions."""
        return self.source is not None and self.source.is_submission

    @property
    def is_of_parts_or_forms(self) -> bool:
        """Whether the labels are classes of boxes and shapes, or the source is a form for predictions."""
        return self.plan is None and self.source is not None and (self.source.is_from_marks or self.is_form)

    @property
    def title(self) -> Message:
        """The names of the sources, with the first class folders."""
        if self.plan is None and self.source is None:
            return Message("Images without labels")
        folders = list(dict.fromkeys(self.plan.labels.values())) if self.plan else []
        if self.plan and self.source:
            return Message("Class folders and {files}", files=self.source.title)
        if self.source:
            return Message("Labels of {file}", file=self.source.title)
        return Message("Class folders: {names}", names=listed(list(map(printable, folders)), 3))

    def describe(self, table: ImageTable, images: int) -> ImageTable:
        """Return the table with the title, evidence and choice of this proposal; `images` is the total number."""
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
            parts += _name_evidence(self.source)
        if self.agreement is not None:
            share = f"{self.agreement:.0%}"
            both_agree = Message("Both agree on {share} of the images.", share=share)
            file_agrees = Message("{file} agrees on {share} of the images.", file=self.compared_file, share=share)
            parts.append(file_agrees if self.compared_file else both_agree)
        return replace(table, title=self.title, evidence=sentences(*parts), is_sure=self.is_sure, choice=self.choice)


def _name_evidence(source: LabelSource) -> list[Message]:
    """Return sentences on unmatched and ambiguous names, and on a form for predictions."""
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
    """Return the proposals of kinds 2 to 4 in the order of their rank.

    Args:
        survey: The folder.
        trees: Class folders by structure, then of other levels.
        files: Label files, best first.
        is_multi_label: An image may have several classes; if not, one-hot columns with several classes are not sure.
    """
    file_proposals = [_proposal_of_files(files), *(Proposal(source=file) for file in files[1:])] if files else []
    if file_proposals and not is_multi_label and files[0].has_several_of_flags:
        file_proposals[0] = replace(file_proposals[0], is_sure=False)
    if not (trees and file_proposals):
        return [*trees, *file_proposals]
    pair = _Pair.of(survey, trees[0], file_proposals[0])
    return [*(pair.joined() or pair.ranked()), *trees[1:], *file_proposals[1:]]


@dataclass(frozen=True)
class _Pair:
    """The class folders and the best label file."""

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
        labels = {str(row.path): row.labels for row in rows if row.labels and is_image(row)}
        return cls(survey, tree, tree.plan, file, file.source, labels, Relation.of(labels, file.source.labels))

    def joined(self) -> list[Proposal]:
        """Return a joint proposal if the file confirms the folders, names their ids, or labels similar other images."""
        relation = self.relation
        joint = replace(self.tree, source=self.source, choice=AUTOMATIC_CHOICE)
        are_equal = relation.equal >= MIN_AGREEING_SHARE
        if relation.common > _MAX_COMMON_SHARE * max(len(self.labels), len(self.source.labels)) and (
            are_equal or relation.names
        ):
            takes_names = all(map(is_id, self.plan.classes)) and not all(map(is_id, self.source.classes))
            names = relation.names if takes_names else {other: one for one, other in relation.names.items()}
            agreement = relation.equal if are_equal else None
            joint = replace(joint, is_sure=True, names=names, agreement=agreement)
            return [replace(joint, has_folders_first=not takes_names)]
        label_other_images = relation.common <= _MAX_COMMON_SHARE * max(len(self.labels), len(self.source.labels))
        if not (label_other_images and self.source.is_sure and self.tree.is_sure):
            return []
        return [joint] if relation.shared >= _MIN_SHARED_VOCABULARY else []

    def ranked(self) -> list[Proposal]:
        """Return both proposals in the order of their rank."""
        relation, source = self.relation, self.source
        if source.is_of_tool and not source.is_from_marks:
            return [self.file, self.tree]
        tree = replace(self.tree, agreement=relation.equal, compared_file=printable(source.file.name))
        tree = tree if relation.shared else self.tree
        if not tree.is_sure:  # a table of few images is no evidence for the others
            is_sure = self.file.is_sure and len(source.labels) >= _MIN_PRIORITY_SHARE * len(self.labels)
            return [replace(self.file, is_sure=is_sure), tree]
        min_labels = min(_MIN_PRIORITY_SHARE * self.survey.root.count, len(source.labels))
        if self.file.is_sure and len(self.labels) < min_labels:
            return [self.file, tree]
        is_rival = self.file.is_sure and relation.shared < _MIN_SHARED_VOCABULARY
        return [self.file, tree] if is_rival and any(rule(self) for rule, _ in DEVIATIONS) else [tree, self.file]


def _are_named_after_classes(pair: _Pair) -> bool:
    """Return whether folder names contain the table's classes: `train_val_call`, `call` of HaGRID."""
    common = pair.labels.keys() & pair.source.labels.keys()
    named = sum(
        any(name_key_of(name) in name_key_of(pair.labels[path][0]) for name in pair.source.labels[path])
        for path in common
    )
    return named >= _MIN_COMPLETE_SHARE * len(common)


def _contradicts_folders(pair: _Pair) -> bool:
    """Return whether a label column contradicts folders, which are then places, shifts or items."""
    relation = pair.relation
    is_complete = relation.common >= _MIN_COMPLETE_SHARE * len(pair.labels)
    # With one image per folder, the folders may be finer by chance.
    is_finer = relation.unites and relation.common >= 2 * len(pair.plan.classes)
    return (
        is_complete
        and (pair.source.is_called_label or relation.divides)
        and not (is_finer or _are_named_after_classes(pair))
    )


# (rule, public data set that needs it): a table that contradicts class folders replaces them.
DEVIATIONS: tuple[tuple[Callable[[_Pair], bool], str], ...] = (
    (_contradicts_folders, "Timelapse: `Station1/`, with `Species` in a table"),
)


def merged_sources(sources: Sequence[LabelSource]) -> list[LabelSource]:
    """Return the label files, best first; files are joined if they agree, or label different images similarly."""
    merged: list[LabelSource] = []
    max_labels = max((len(source.labels) for source in sources), default=0)
    for source in sorted(
        sources, key=lambda source: (len(source.labels) >= _MIN_LABEL_SHARE * max_labels, *_order(source)), reverse=True
    ):
        for index, other in enumerate(merged):
            relation = Relation.of(other.labels, source.labels)
            is_similar = source.kind == other.kind or relation.shared >= _MIN_SHARED_VOCABULARY
            agrees = relation.equal >= MIN_AGREEING_SHARE if relation.common else is_similar
            if agrees and source.is_submission == other.is_submission:
                merged[index] = other.joined(source)
                break
        else:
            merged.append(source)
    return merged


def _order(source: LabelSource) -> tuple[bool, bool, bool, bool, bool, int]:
    """Return the sort key of label files: sure, whole images, label title, words as classes, one split, many labels."""
    return (
        source.is_sure,
        not source.is_from_marks,
        source.is_called_label,
        not all(map(is_id, source.classes)),
        not is_train_and_val(source.file.stem),
        len(source.labels),
    )


def _proposal_of_files(files: Sequence[LabelSource]) -> Proposal:
    """Return the proposal of the best label file; not sure if an equally good file contradicts it."""
    best = files[0]
    is_sure = files[0].is_sure
    names = dict[str, str]()
    for other in (source for source in files[1:] if source.is_sure):
        relation = Relation.of(best.labels, other.labels)
        if relation.names and all(map(is_id, best.classes)) and not all(map(is_id, other.classes)):
            names = dict(relation.names)
        is_rival = relation.common >= len(best.labels) / 2 and _order(best)[:4] == _order(other)[:4]
        is_of_other_images = not relation.common and len(other.labels) >= _MIN_RIVAL_SHARE * len(best.labels)
        is_sure = is_sure and (bool(relation.names) or not (is_rival or is_of_other_images))
    return Proposal(source=best, is_sure=is_sure, names=names)
