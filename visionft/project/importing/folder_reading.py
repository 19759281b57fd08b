"""The image tables of a folder, ranked (`ranking.py`), and of a label file chosen by the user."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from pathlib import Path

from visionft.core.errors import NextStep, ProjectError
from visionft.core.files import is_file
from visionft.core.foreign_text import printable
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message, sentences
from visionft.data.types import Split
from visionft.project.formats.class_names import are_ids, find_class_names, name_of
from visionft.project.formats.folders import ImageIndex
from visionft.project.formats.image_table import (
    AUTOMATIC_CHOICE,
    ImageTable,
    ImportRow,
    Interpretation,
    LabelChoice,
    ReadOptions,
)
from visionft.project.formats.label_columns import describes_photographs
from visionft.project.formats.locating import data_folder
from visionft.project.formats.registry import FORMATS, format_of
from visionft.project.formats.split_names import is_split_name, is_train_and_val, split_in, split_of
from visionft.project.importing.folder_names import (
    is_container,
    is_unlabelled,
    name_part,
    parts_with_classes,
    species_of,
)
from visionft.project.importing.label_sources import LabelReader, LabelSource, source_of, unread_files
from visionft.project.importing.ranking import Proposal, Relation, is_id, merged_sources, rank
from visionft.project.importing.survey import Folder, Survey, is_image, survey_folder
from visionft.project.importing.tree_reading import TreePlan, plan_of, tree_table

_MOST_LEVELS_DEEP = 33  # levels of folders that are looked at; no public data set depends on it from 16 on
_MOST_TABLES = 5  # offered, besides that without labels
_MOST_COLUMNS = 3  # further columns of a table that are offered
# Levels of folders that are offered: with 2, BreakHis loses the kinds of tumours; with 4, each slide is one more class.
_MOST_LEVELS = 3


def read_folder(
    source: Path,
    only: str = "auto",
    *,
    options: ReadOptions,
    known_classes: Collection[str] = (),
    job: JobContext = SILENT_JOB,
) -> tuple[ImageTable, ...]:
    """Return the image tables of a folder, by their rank; the last one is of images without labels.

    `only` is the format of the label files, "folders" for class folders alone, or "auto". A lone folder is a class
    where `known_classes` has its name. A `ProjectError` where label files cannot be read and there are no others.
    """
    return _FolderReader(survey_folder(source, job=job), options, only, known_classes).read()


def read_label_file(table: ImageTable, with_label: Callable[[str], ImageTable] | None) -> tuple[ImageTable, ...]:
    """Return the tables of a label file that was named; `with_label` reads it with another column of labels.

    A `ProjectError` if all of its images are missing.
    """
    without_labels = Proposal(choice=LabelChoice(is_unlabelled=True))
    if not table.interpretations:  # no row of it could be read
        return (replace(without_labels, is_sure=True).describe(table, len(table.rows)),)
    source = source_of(table)
    if table.rows and not any(each.sha256 or is_file(each.path) for each in table.rows):
        raise _unrelated(source, ImageIndex(data_folder(source.file)))
    found = [source]
    is_unsure = with_label is not None and source.is_unsure_of_column
    if with_label and is_unsure:
        found += [source_of(with_label(column)) for column in source.alternatives[:_MOST_COLUMNS]]
    tables: list[ImageTable] = []
    for each in found:
        is_sure = each is source and not is_unsure
        choice = replace(_choice_of(each, source.file.parent), table="")
        proposal = Proposal(source=each, is_sure=is_sure, choice=choice)
        tables.append(proposal.describe(each.table, len(each.table.rows)))
    if not tables[0].classes:
        return (tables[0],) if len(found) == 1 else (*tables[1:], tables[0])
    rows = tuple(replace(each, labels=()) for each in table.rows)
    without = replace(table, rows=rows, declared=(), interpretations=())
    return (*tables, without_labels.describe(without, len(rows)))


@dataclass(frozen=True)
class _FolderReader:
    """Reads one folder."""

    survey: Survey
    options: ReadOptions
    only: str
    known_classes: Collection[str]

    @cached_property
    def _plan(self) -> TreePlan:
        return plan_of(self.survey, self.known_classes)

    @cached_property
    def _labels(self) -> LabelReader:
        return LabelReader(self.survey, self.options, self.only)

    def read(self) -> tuple[ImageTable, ...]:
        """Return the image tables by their rank, that without labels last."""
        choice = self.options.choice
        if choice.class_folder or choice.name_part is not None:
            return self._described(replace(self._chosen(choice), is_sure=True), []), self._without_labels([], [])
        sources, errors = ([], []) if self.only == "folders" else self._labels.read()
        files = merged_sources([each for each in sources if each.labels])
        is_of_files = replace(choice, separator="") != AUTOMATIC_CHOICE or self.only not in ("auto", "folders")
        chosen = [Proposal(source=each, is_sure=True) for each in files[:1]]
        proposals = chosen if is_of_files else self._ranked(files, sources)
        if self.only != "folders" and not proposals and not choice.is_unlabelled:
            _require_related(self.survey, sources, errors, self.only)
        tables = [self._described(each, sources) for each in proposals[:_MOST_TABLES]]
        is_open = all(each.is_of_other_column(sources) for each in proposals)
        return *tables, self._without_labels(sources if is_open else [], sources)

    def _ranked(self, files: Sequence[LabelSource], sources: Sequence[LabelSource]) -> list[Proposal]:
        """Return all proposals, sure ones first."""
        proposals = rank(self.survey, self._trees(), files, is_multi_label=self.options.is_multi_label)
        others = [Proposal(source=each) for each in self._other_columns(sources, proposals)]
        known = [each for each in [*proposals, *others] if not each.is_of_parts_or_forms]
        if not any(each.is_sure for each in known):
            names = [] if known else [*self._words_in_names()]
            if names:  # rather than the classes of parts of the images
                proposals = [replace(each, is_sure=False) for each in proposals]
            proposals = [*proposals, *names]
        proposals = [*map(self._named, proposals[:1]), *proposals[1:], *others]
        if self._plan.lone_folder and not proposals and not is_container(self._plan.lone_folder.name):
            proposals = [Proposal(plan=TreePlan(labels={self._plan.lone_folder: self._plan.lone_folder.name}))]
        return sorted(proposals, key=lambda each: (not each.is_sure, each.is_form))

    def _trees(self) -> list[Proposal]:
        """Return the class folders by structure, then of other levels."""
        found: list[Proposal] = []
        levels = list(class_levels(self.survey.root))
        if self._plan.labels:
            level = next((level for level, plan in levels if plan.labels == self._plan.labels), 0)
            choice = LabelChoice(class_folder=level) if level else AUTOMATIC_CHOICE
            plan = self._with_names(self._plan)
            found.append(Proposal(plan=plan, has_folders_first=True, is_sure=plan.is_sure, choice=choice))
        for level, plan in levels if len(levels) <= _MOST_LEVELS else [*levels[: _MOST_LEVELS - 1], levels[-1]]:
            if not found or plan.labels != self._plan.labels:  # those under their own names
                found.append(Proposal(plan=plan, has_folders_first=True, choice=LabelChoice(class_folder=level)))
        return found

    def _with_names(self, plan: TreePlan) -> TreePlan:
        """Return class folders called by ids under the names of their classes, which a file beside them gives."""
        names = species_of(plan.classes)
        if not names and are_ids(plan.classes) and not plan.looks:
            places = {self.survey.source, *(self.survey.source / each.path for each in plan.labels)}
            above = {
                parent for place in places for parent in place.parents if parent.is_relative_to(self.survey.source)
            }
            if found := find_class_names(plan.classes, sorted(above | {self.survey.source}), excluded_files=set()):
                names = {name: name_of(name, found[0]) for name in plan.classes}
                plan = replace(plan, names_file=found[1])
        return replace(plan, labels={folder: names.get(name, name) for folder, name in plan.labels.items()})

    def _words_in_names(self) -> Iterator[Proposal]:
        """Yield the parts of the file names that may be classes."""
        files = [each for each in tree_table(self.survey, self._plan).rows if is_image(each)]
        known = [each.path for each in files if each.split != "test"]  # test images may lack the class in their names
        numbers = [*parts_with_classes([each.path for each in files])] or [*parts_with_classes(known)]
        return (self._chosen(LabelChoice(name_part=number)) for number in numbers)

    def _named(self, proposal: Proposal) -> Proposal:
        """Return a proposal of a label file, its ids of classes called by words in the file names, one for each id."""
        source = proposal.source
        if source is None or proposal.plan or proposal.names or not all(map(is_id, source.classes)):
            return proposal
        paths = [Path(path) for path in source.labels]
        for number in parts_with_classes(paths):
            words = {str(path): (name_part(path.stem, number),) for path in paths}
            relation = Relation.of(source.labels, words)
            is_whole = relation.common == len(source.labels) and relation.names.keys() == source.classes.keys()
            if number == 0 and is_whole and relation.confirmed == 1:
                return replace(proposal, names=relation.names)
        return proposal

    def _other_columns(self, sources: Sequence[LabelSource], proposals: Sequence[Proposal]) -> Iterator[LabelSource]:
        """Yield the first table, or those without labels, with further columns that may give the class.

        Tables of the same columns are read as one.
        """
        best = next((each.source for each in proposals if each.source), None)
        tables: list[LabelSource] = []
        if best is not None:
            tables = [best]
        elif not any(each.is_sure for each in proposals):
            tables = [each for each in sources if not each.labels]
        for group in _by_columns(tables):
            for column in group[0].alternatives[:_MOST_COLUMNS]:
                read = (self._labels.with_label(table, column) for table in group)
                if found := [each for each in read if each and each.labels]:
                    yield reduce(LabelSource.joined, found)

    def _chosen(self, choice: LabelChoice) -> Proposal:
        """Return the folders or the part of the names that the user chose; a `ProjectError` where no image has one."""
        if choice.class_folder:
            plan = level_plan(self.survey.root, choice.class_folder)
            if not plan.labels:
                message = Message("No image lies in a folder of level {level}.", level=choice.class_folder)
                raise ProjectError(message, "Level 1 lies in the source; -1 holds the images.")
            return Proposal(plan=plan, has_folders_first=True, is_sure=True, choice=choice)
        number = choice.name_part or 0
        around = tree_table(self.survey, replace(self._plan, labels={}, looks=()))
        named = [(each, name_part(each.path.stem, number)) for each in around.rows if is_image(each)]
        files = tuple(replace(each, labels=(name,)) for each, name in named if name)
        if not files:
            message = Message("No file name has a part {number}.", number=number)
            raise ProjectError(message, "Parts are counted from 1 on, between blanks, points, hyphens and underscores.")
        title = Message("the names of the files: part {place}", place=number)
        if number == 0:
            title = Message("the names of the files: the words beside the number")
        table = ImageTable(files, interpretations=(Interpretation(file=self.survey.source),))
        labels = {str(each.path): each.labels for each in files}
        source = LabelSource(table=table, of_names=title, labels=labels, named=len(files), found=len(files))
        return Proposal(source=source, choice=choice)

    # ------------------------------------------------------------------------------------------------------------------
    # From a proposal to its table.

    def _described(self, proposal: Proposal, sources: Sequence[LabelSource]) -> ImageTable:
        """Return the image table of a proposal, with its title and evidence."""
        table = _with_splits(self._listing(proposal), _splits_of_lists(sources))
        if proposal.source and not proposal.plan and proposal.choice == AUTOMATIC_CHOICE:
            choice = _choice_of(proposal.source, self.survey.source)
            choice = replace(choice, table="") if len(sources) == 1 else choice
            proposal = replace(proposal, choice=choice)
        separator = self.options.choice.separator
        if separator and (proposal.source is None or proposal.source.of_names):
            table = _divided(table, separator)
        return proposal.describe(table, self.survey.root.count)

    def _without_labels(self, open_sources: Sequence[LabelSource], sources: Sequence[LabelSource]) -> ImageTable:
        """Return all images without labels; the user has to decide about what is open there."""
        table = tree_table(self.survey, replace(self._plan, labels={}, looks=()))
        table = _with_splits(table, _splits_of_lists(sources))
        read = {file for source in open_sources for file in source.read_files}
        rows = tuple(each for each in table.rows if each.path not in read) if read else table.rows
        around = replace(table.interpretations[0], unread=self._unread(()))
        table = replace(table, rows=rows, interpretations=(*_open_entries(open_sources), around))
        return Proposal(choice=LabelChoice(is_unlabelled=True)).describe(table, self.survey.root.count)

    def _unread(self, read: Sequence[LabelSource]) -> tuple[str, ...]:
        files = unread_files(self.survey, read)
        return tuple(printable(file.relative_to(self.survey.source).as_posix()) for file in files)

    def _listing(self, proposal: Proposal) -> ImageTable:
        """Return the entries of the label file first, then all other files of the folder."""
        tree = tree_table(self.survey, proposal.plan or replace(self._plan, labels={}))
        *first, around = tree.interpretations
        source = proposal.source
        if source is None:
            return replace(tree, interpretations=(*first, replace(around, unread=self._unread(()))))
        placed = {str(each.path): each for each in tree.rows}
        splits = _splits_in(source, placed)
        entries: list[ImportRow] = []
        for entry in source.table.rows:
            place = placed.get(path := str(entry.path))
            labels = entry.labels
            others = place.labels if place else ()
            labels = (others or labels) if proposal.has_folders_first else (labels or others)
            entries.append(replace(entry, labels=_named(labels, proposal.names), split=splits.get(path)))
        done = {*map(str, source.read_files), *(str(each.path) for each in entries)}
        rest = (each for path, each in placed.items() if path not in done)
        names: Mapping[str, str] = proposal.names if proposal.plan else {}
        others = (replace(each, labels=_named(each.labels, names)) for each in rest)
        return ImageTable(
            rows=(*entries, *others),
            skipped=tree.skipped,
            unreadable=(*source.table.unreadable, *tree.unreadable),
            declared=source.table.declared or tree.declared,
            interpretations=(*source.table.interpretations, replace(around, unread=self._unread((source,)))),
        )


def _named(labels: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(label, label) for label in labels)


def _open_entries(sources: Sequence[LabelSource]) -> list[Interpretation]:
    """Return what the user has to decide about label files: boxes alone, or columns of which none is taken."""
    entries = [each for source in sources for each in source.table.interpretations]
    entries = [each for each in entries if not (each.is_submission or describes_photographs(each.columns))]
    return [each for each in entries if each.has_only_marks or each.lacks_labels or each.is_unlabelled_by_choice]


def _by_columns(tables: Sequence[LabelSource]) -> list[list[LabelSource]]:
    """Return tables of the same columns together, without tables of one column per class."""
    alike: defaultdict[tuple[str, ...], list[LabelSource]] = defaultdict(list)
    for table in tables:
        first = table.table.interpretations[0]
        if first.columns and len(first.label_columns) < 2:
            alike[first.columns].append(table)
    return [*alike.values()]


def class_levels(root: Folder) -> Iterator[tuple[int, TreePlan]]:
    """Yield the levels of folders that may name classes, with two names that are not of splits: from 1 on.

    Where images lie in folders of several depths, -1 comes first.
    """
    known: list[set[str]] = []
    for level in (-1, *range(1, _MOST_LEVELS_DEEP)) if _have_several_depths(root) else range(1, _MOST_LEVELS_DEEP):
        plan = level_plan(root, level)
        names = {name for name in plan.classes if not split_in(name)}
        if len(names) > 1 and plan.classes not in known:
            known.append(plan.classes)
            yield level, plan


def _have_several_depths(root: Folder) -> bool:
    """Return whether images lie in folders of several depths, as in `set 1/cat/1.jpg`, `set 2/patient 1/cat/2.jpg`."""
    return len({each.path.count("/") for each in root.walk() if each.own_count and each.parent}) > 1


def level_plan(root: Folder, level: int) -> TreePlan:
    """Return the plan by which the folders of a level are classes: 1 lies in `root`, -1 holds the images, -2 those.

    Folders of other levels that are called like splits are splits.
    """
    labels: dict[Folder, str] = {}
    depths: dict[Folder | None, int] = {None: -1}
    for folder in root.walk():
        depths[folder] = depth = depths[folder.parent] + 1
        if level > 0 and depth == level and folder.count and not is_unlabelled(folder.name):
            labels[folder] = folder.name
        if level < 0 and folder.own_count and depth >= -level:
            above = folder
            for _ in range(-level - 1):
                above = above.parent or above
            labels[folder] = above.name
    others = [each for each in root.walk() if each not in labels and is_split_name(each.name)]
    return TreePlan(labels=labels, splits={each: split_of(each.name) for each in others})


def _choice_of(source: LabelSource, folder: Path) -> LabelChoice:
    """Return the columns of a single table as a choice; automatic for anything else."""
    first = source.table.interpretations[0]
    is_table = len(source.table.interpretations) == 1 and len(first.label_columns) == 1 and not first.joined
    if not is_table or first.format or not first.file.is_relative_to(folder) or not first.file_column:
        return AUTOMATIC_CHOICE
    return LabelChoice(
        table=first.file.relative_to(folder).as_posix(), file=first.file_column, label=first.label_columns[0]
    )


def _with_splits(table: ImageTable, splits: Mapping[str, Split]) -> ImageTable:
    """Return a table with the splits of lists: they name the image, a folder does not."""
    if not splits:
        return table
    rows = (replace(each, split=splits.get(str(each.path), each.split)) for each in table.rows)
    return replace(table, rows=tuple(rows))


def _splits_of_lists(sources: Sequence[LabelSource]) -> dict[str, Split]:
    """Return the split of each image in lists without labels, such as `train.txt`; none for images in two of them.

    One of images to train and to validate with, such as `trainval.txt`, counts where no other list has the image.
    """
    found: dict[str, Split] = {}
    several: set[str] = set()
    for source in sorted(sources, key=lambda each: is_train_and_val(each.file.stem)):
        for path, split in source.splits.items():
            is_other = found.setdefault(path, split) != split and not is_train_and_val(source.file.stem)
            several |= {path} if is_other else set()
    return {path: split for path, split in found.items() if path not in several}


def _splits_in(source: LabelSource, placed: Mapping[str, ImportRow]) -> dict[str, Split]:
    """Return the splits: of the label file, of its name, or of the folder where the file tells none."""
    found: dict[str, Split] = {}
    has_splits = any(each.split_column for each in source.table.interpretations)
    has_splits = has_splits or any(each.split for each in source.table.rows)
    for entry in source.table.rows:
        place = placed.get(path := str(entry.path))
        if split := entry.split or (place.split if place and not has_splits else None):
            found[path] = split
    return found


def _divided(table: ImageTable, separator: str) -> ImageTable:
    """Return a table with several classes for each name that holds the separator."""

    def names(label: str) -> list[str]:
        return [part.strip() for part in label.split(separator) if part.strip()]

    rows = (replace(each, labels=tuple(name for label in each.labels for name in names(label))) for each in table.rows)
    return replace(table, rows=tuple(rows))


def _require_related(survey: Survey, sources: Sequence[LabelSource], errors: Sequence[ProjectError], only: str) -> None:
    """Raise the `ProjectError` of label files that cannot be read, or name no image of the folder."""
    if errors:
        raise errors[0]
    if only != "auto" and not sources:
        message = Message("{folder} holds no labels as {format}.", folder=survey.source, format=FORMATS[only].title)
        raise ProjectError(message, "Name the file itself.")
    unrelated = [each for each in sources if not each.found]
    if unrelated and len(unrelated) == len(sources) and survey.root.count:
        images = (each.path for each in survey.files() if is_image(each))
        raise _unrelated(unrelated[0], ImageIndex(survey.source, images))


def _unrelated(source: LabelSource, index: ImageIndex) -> ProjectError:
    """Return the error for a label file that names images outside of the folder of an index."""
    file = source.file
    found = format_of(source.file) if source.file.is_file() else None
    if source.ambiguous:
        message = Message(
            "Each name in {file} matches several images of {folder}.",
            file=printable(file.name),
            folder=index.root,
        )
        first = source.table.unreadable[0]
        hint = Message(
            "{path}: {reason}. Name their folders there, or import one folder.", path=first.path, reason=first.reason
        )
        return ProjectError(message, hint, NextStep("import_unlabelled", path=index.root))
    message = Message(
        "None of the images that {file} ({format}) names is in {folder}.",
        file=printable(file.name),
        format=found.title if found else source.table.interpretations[0].format,
        folder=index.root,
    )
    hint = Message("")
    for entry in source.table.rows[:1]:
        nearest = index.nearest(entry.name)
        values = {"name": printable(entry.name), "nearest": printable(nearest)}
        hint = Message("The first is called {name}.", **values)
        if nearest:
            hint = Message("The first is called {name}; the nearest image there is {nearest}.", **values)
    step = NextStep("import_unlabelled", path=index.root)
    return ProjectError(
        message, sentences(hint, Message("Put them there, or import what is there without labels.")), step
    )
