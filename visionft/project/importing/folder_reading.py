"""Read a folder, or a label file chosen by the user, as image tables in the order of `ranking.py`."""

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

_MAX_DEPTH = 32  # searched levels of folders; from 15 on no public data set changes
_MAX_TABLES = 5  # offered tables with labels
_MAX_COLUMNS = 3  # offered alternative columns of a table
# Offered levels of folders: 2 would exclude the tumour types of BreakHis, 4 would include its slides.
_MAX_LEVELS = 3


def read_folder(
    source: Path,
    only: str = "auto",
    *,
    options: ReadOptions,
    known_classes: Collection[str] = (),
    job: JobContext = SILENT_JOB,
) -> tuple[ImageTable, ...]:
    """Return the image tables of a folder in the order of their rank; the last table has no labels.

    Args:
        only: The format of the label files, "folders" for class folders without label files, or "auto".
        known_classes: Names that make a lone folder a class.

    Raises:
        ProjectError: No label file can be read, and there are no other labels.
    """
    return _FolderReader(survey_folder(source, job=job), options, only, known_classes).read()


def read_label_file(table: ImageTable, with_label: Callable[[str], ImageTable] | None) -> tuple[ImageTable, ...]:
    """Return the image tables of a label file chosen by the user; the last table has no labels.

    Args:
        with_label: Reads the file with another label column.

    Raises:
        ProjectError: All images are missing.
    """
    without_labels = Proposal(choice=LabelChoice(is_unlabelled=True))
    if not table.interpretations:  # no row was readable
        return (replace(without_labels, is_sure=True).describe(table, len(table.rows)),)
    source = source_of(table)
    if table.rows and not any(row.sha256 or is_file(row.path) for row in table.rows):
        raise _unrelated_error(source, ImageIndex(data_folder(source.file)))
    sources = [source]
    is_unsure = with_label is not None and source.is_unsure_of_column
    if with_label and is_unsure:
        sources += [source_of(with_label(column)) for column in source.alternatives[:_MAX_COLUMNS]]
    tables: list[ImageTable] = []
    for label_source in sources:
        is_sure = label_source is source and not is_unsure
        choice = replace(_choice_of(label_source, source.file.parent), table="")
        proposal = Proposal(source=label_source, is_sure=is_sure, choice=choice)
        tables.append(proposal.describe(label_source.table, len(label_source.table.rows)))
    if not tables[0].classes:
        return (tables[0],) if len(sources) == 1 else (*tables[1:], tables[0])
    rows = tuple(replace(row, labels=()) for row in table.rows)
    unlabelled = replace(table, rows=rows, declared=(), interpretations=())
    return (*tables, without_labels.describe(unlabelled, len(rows)))


@dataclass(frozen=True)
class _FolderReader:
    """Reads one folder as image tables."""

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
        """Return the image tables in the order of their rank; the last table has no labels."""
        choice = self.options.choice
        if choice.class_folder or choice.name_part is not None:
            proposal = replace(self._chosen_proposal(choice), is_sure=True)
            return self._describe(proposal, []), self._without_labels([], [])
        sources, errors = ([], []) if self.only == "folders" else self._labels.read()
        label_sources = merged_sources([source for source in sources if source.labels])
        is_of_files = replace(choice, separator="") != AUTOMATIC_CHOICE or self.only not in ("auto", "folders")
        chosen = [Proposal(source=source, is_sure=True) for source in label_sources[:1]]
        proposals = chosen if is_of_files else self._rank_proposals(label_sources, sources)
        if self.only != "folders" and not proposals and not choice.is_unlabelled:
            _require_related(self.survey, sources, errors, self.only)
        tables = [self._describe(proposal, sources) for proposal in proposals[:_MAX_TABLES]]
        is_open = all(proposal.is_of_other_column(sources) for proposal in proposals)
        return *tables, self._without_labels(sources if is_open else [], sources)

    def _rank_proposals(self, files: Sequence[LabelSource], sources: Sequence[LabelSource]) -> list[Proposal]:
        """Return all proposals, sure ones first."""
        proposals = rank(self.survey, self._class_folders(), files, is_multi_label=self.options.is_multi_label)
        alternatives = [Proposal(source=source) for source in self._other_columns(sources, proposals)]
        usable = [proposal for proposal in [*proposals, *alternatives] if not proposal.is_of_parts_or_forms]
        if not any(proposal.is_sure for proposal in usable):
            name_proposals = [] if usable else [*self._file_name_parts()]
            if name_proposals:  # preferred to the classes of image parts
                proposals = [replace(proposal, is_sure=False) for proposal in proposals]
            proposals = [*proposals, *name_proposals]
        proposals = [*map(self._with_names_from_files, proposals[:1]), *proposals[1:], *alternatives]
        if self._plan.lone_folder and not proposals and not is_container(self._plan.lone_folder.name):
            proposals = [Proposal(plan=TreePlan(labels={self._plan.lone_folder: self._plan.lone_folder.name}))]
        return sorted(proposals, key=lambda proposal: (not proposal.is_sure, proposal.is_form))

    def _class_folders(self) -> list[Proposal]:
        """Return the proposals of class folders: by structure, then of other levels."""
        proposals: list[Proposal] = []
        levels = list(class_levels(self.survey.root))
        if self._plan.labels:
            level = next((level for level, plan in levels if plan.labels == self._plan.labels), 0)
            choice = LabelChoice(class_folder=level) if level else AUTOMATIC_CHOICE
            plan = self._with_names(self._plan)
            proposals.append(Proposal(plan=plan, has_folders_first=True, is_sure=plan.is_sure, choice=choice))
        for level, plan in levels if len(levels) <= _MAX_LEVELS else [*levels[: _MAX_LEVELS - 1], levels[-1]]:
            if not proposals or plan.labels != self._plan.labels:  # with their own names
                proposals.append(Proposal(plan=plan, has_folders_first=True, choice=LabelChoice(class_folder=level)))
        return proposals

    def _with_names(self, plan: TreePlan) -> TreePlan:
        """Return the plan with class names in place of ids, if a file beside the folders has the names."""
        names = species_of(plan.classes)
        if not names and are_ids(plan.classes) and not plan.looks:
            folders = {self.survey.source, *(self.survey.source / folder.path for folder in plan.labels)}
            parents = {
                parent for folder in folders for parent in folder.parents if parent.is_relative_to(self.survey.source)
            }
            searched = sorted(parents | {self.survey.source})
            if names_and_file := find_class_names(plan.classes, searched, excluded_files=set()):
                names = {name: name_of(name, names_and_file[0]) for name in plan.classes}
                plan = replace(plan, names_file=names_and_file[1])
        return replace(plan, labels={folder: names.get(name, name) for folder, name in plan.labels.items()})

    def _file_name_parts(self) -> Iterator[Proposal]:
        """Yield proposals for the parts of file names that may be classes."""
        rows = [row for row in tree_table(self.survey, self._plan).rows if is_image(row)]
        # The names of test images may lack the class.
        training_paths = [row.path for row in rows if row.split != "test"]
        numbers = [*parts_with_classes([row.path for row in rows])] or [*parts_with_classes(training_paths)]
        return (self._chosen_proposal(LabelChoice(name_part=number)) for number in numbers)

    def _with_names_from_files(self, proposal: Proposal) -> Proposal:
        """Return the proposal with words of the file names in place of class ids, if there is one word per id."""
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
        """Yield the best table, or all tables without labels, with each alternative label column.

        Tables with the same columns are joined.
        """
        best = next((proposal.source for proposal in proposals if proposal.source), None)
        tables: list[LabelSource] = []
        if best is not None:
            tables = [best]
        elif not any(proposal.is_sure for proposal in proposals):
            tables = [source for source in sources if not source.labels]
        for group in _by_columns(tables):
            for column in group[0].alternatives[:_MAX_COLUMNS]:
                reread = (self._labels.with_label(table, column) for table in group)
                if labelled := [source for source in reread if source and source.labels]:
                    yield reduce(LabelSource.joined, labelled)

    def _chosen_proposal(self, choice: LabelChoice) -> Proposal:
        """Return the proposal for the chosen folder level or name part; a `ProjectError` if it gives no label."""
        if choice.class_folder:
            plan = level_plan(self.survey.root, choice.class_folder)
            if not plan.labels:
                message = Message("No image lies in a folder of level {level}.", level=choice.class_folder)
                raise ProjectError(message, "Level 1 lies in the source; -1 holds the images.")
            return Proposal(plan=plan, has_folders_first=True, is_sure=True, choice=choice)
        number = choice.name_part or 0
        tree = tree_table(self.survey, replace(self._plan, labels={}, looks=()))
        parts = [(row, name_part(row.path.stem, number)) for row in tree.rows if is_image(row)]
        rows = tuple(replace(row, labels=(part,)) for row, part in parts if part)
        if not rows:
            message = Message("No file name has a part {number}.", number=number)
            raise ProjectError(message, "Parts are counted from 1 on, between blanks, points, hyphens and underscores.")
        title = Message("the names of the files: part {place}", place=number)
        if number == 0:
            title = Message("the names of the files: the words beside the number")
        table = ImageTable(rows, interpretations=(Interpretation(file=self.survey.source),))
        labels = {str(row.path): row.labels for row in rows}
        source = LabelSource(table=table, of_names=title, labels=labels, name_count=len(rows), found_count=len(rows))
        return Proposal(source=source, choice=choice)

    # ------------------------------------------------------------------------------------------------------------------
    # Image tables of proposals.

    def _describe(self, proposal: Proposal, sources: Sequence[LabelSource]) -> ImageTable:
        """Return the image table of a proposal, with its title and evidence."""
        table = _with_splits(self._joined_rows(proposal), _splits_of_lists(sources))
        if proposal.source and not proposal.plan and proposal.choice == AUTOMATIC_CHOICE:
            choice = _choice_of(proposal.source, self.survey.source)
            choice = replace(choice, table="") if len(sources) == 1 else choice
            proposal = replace(proposal, choice=choice)
        separator = self.options.choice.separator
        if separator and (proposal.source is None or proposal.source.of_names):
            table = _with_split_labels(table, separator)
        return proposal.describe(table, self.survey.root.count)

    def _without_labels(self, open_sources: Sequence[LabelSource], sources: Sequence[LabelSource]) -> ImageTable:
        """Return the table of all images without labels, with the interpretations that the user has to decide about."""
        table = tree_table(self.survey, replace(self._plan, labels={}, looks=()))
        table = _with_splits(table, _splits_of_lists(sources))
        read_files = {file for source in open_sources for file in source.read_files}
        rows = tuple(row for row in table.rows if row.path not in read_files) if read_files else table.rows
        tree_interpretation = replace(table.interpretations[0], unread=self._unread(()))
        table = replace(table, rows=rows, interpretations=(*_open_interpretations(open_sources), tree_interpretation))
        return Proposal(choice=LabelChoice(is_unlabelled=True)).describe(table, self.survey.root.count)

    def _unread(self, read: Sequence[LabelSource]) -> tuple[str, ...]:
        files = unread_files(self.survey, read)
        return tuple(printable(file.relative_to(self.survey.source).as_posix()) for file in files)

    def _joined_rows(self, proposal: Proposal) -> ImageTable:
        """Return the rows of the label file, followed by all other files of the folder."""
        tree = tree_table(self.survey, proposal.plan or replace(self._plan, labels={}))
        *first, tree_interpretation = tree.interpretations
        source = proposal.source
        if source is None:
            return replace(tree, interpretations=(*first, replace(tree_interpretation, unread=self._unread(()))))
        rows_by_path = {str(row.path): row for row in tree.rows}
        splits = _splits_in(source, rows_by_path)
        entries: list[ImportRow] = []
        for entry in source.table.rows:
            tree_row = rows_by_path.get(path := str(entry.path))
            labels = entry.labels
            tree_labels = tree_row.labels if tree_row else ()
            labels = (tree_labels or labels) if proposal.has_folders_first else (labels or tree_labels)
            entries.append(replace(entry, labels=_renamed(labels, proposal.names), split=splits.get(path)))
        done_paths = {*map(str, source.read_files), *(str(row.path) for row in entries)}
        remaining = (row for path, row in rows_by_path.items() if path not in done_paths)
        names: Mapping[str, str] = proposal.names if proposal.plan else {}
        other_rows = (replace(row, labels=_renamed(row.labels, names)) for row in remaining)
        return ImageTable(
            rows=(*entries, *other_rows),
            skipped=tree.skipped,
            unreadable=(*source.table.unreadable, *tree.unreadable),
            declared=source.table.declared or tree.declared,
            interpretations=(
                *source.table.interpretations,
                replace(tree_interpretation, unread=self._unread((source,))),
            ),
        )


def _renamed(labels: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(label, label) for label in labels)


def _open_interpretations(sources: Sequence[LabelSource]) -> list[Interpretation]:
    """Return the interpretations to be decided by the user: only boxes and shapes, or no label column."""
    entries = [entry for source in sources for entry in source.table.interpretations]
    entries = [entry for entry in entries if not (entry.is_submission or describes_photographs(entry.columns))]
    return [entry for entry in entries if entry.has_only_marks or entry.lacks_labels or entry.is_unlabelled_by_choice]


def _by_columns(tables: Sequence[LabelSource]) -> list[list[LabelSource]]:
    """Return groups of tables with the same columns, without one-hot tables."""
    groups: defaultdict[tuple[str, ...], list[LabelSource]] = defaultdict(list)
    for table in tables:
        interpretation = table.table.interpretations[0]
        if interpretation.columns and len(interpretation.label_columns) < 2:
            groups[interpretation.columns].append(table)
    return [*groups.values()]


def class_levels(root: Folder) -> Iterator[tuple[int, TreePlan]]:
    """Yield (level, plan) for the folder levels with at least two names other than splits, from 1 on.

    If image folders have several depths, level -1 comes first.
    """
    class_sets: list[set[str]] = []
    for level in (-1, *range(1, _MAX_DEPTH + 1)) if _have_several_depths(root) else range(1, _MAX_DEPTH + 1):
        plan = level_plan(root, level)
        names = {name for name in plan.classes if not split_in(name)}
        if len(names) > 1 and plan.classes not in class_sets:
            class_sets.append(plan.classes)
            yield level, plan


def _have_several_depths(root: Folder) -> bool:
    """Return whether image folders have several depths: `set 1/cat/1.jpg`, `set 2/patient 1/cat/2.jpg`."""
    return len({folder.path.count("/") for folder in root.walk() if folder.own_count and folder.parent}) > 1


def level_plan(root: Folder, level: int) -> TreePlan:
    """Return the plan with the folders of a level as classes: 1 is directly in `root`, -1 directly above the images.

    Folders of other levels are splits if they are named like splits.
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
    split_folders = [other for other in root.walk() if other not in labels and is_split_name(other.name)]
    return TreePlan(labels=labels, splits={other: split_of(other.name) for other in split_folders})


def _choice_of(source: LabelSource, folder: Path) -> LabelChoice:
    """Return the choice of the columns of a single table, otherwise the automatic choice."""
    first = source.table.interpretations[0]
    is_table = len(source.table.interpretations) == 1 and len(first.label_columns) == 1 and not first.joined
    if not is_table or first.format or not first.file.is_relative_to(folder) or not first.file_column:
        return AUTOMATIC_CHOICE
    return LabelChoice(
        table=first.file.relative_to(folder).as_posix(), file=first.file_column, label=first.label_columns[0]
    )


def _with_splits(table: ImageTable, splits: Mapping[str, Split]) -> ImageTable:
    """Return the table with the splits of lists, which have priority over folders because they name each image."""
    if not splits:
        return table
    rows = (replace(row, split=splits.get(str(row.path), row.split)) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _splits_of_lists(sources: Sequence[LabelSource]) -> dict[str, Split]:
    """Return {path: split} of lists without labels, such as `train.txt`, without images in lists of several splits.

    A list for training and validation, such as `trainval.txt`, has lower priority than other lists.
    """
    splits: dict[str, Split] = {}
    ambiguous: set[str] = set()
    for source in sorted(sources, key=lambda source: is_train_and_val(source.file.stem)):
        for path, split in source.splits.items():
            is_other = splits.setdefault(path, split) != split and not is_train_and_val(source.file.stem)
            ambiguous |= {path} if is_other else set()
    return {path: split for path, split in splits.items() if path not in ambiguous}


def _splits_in(source: LabelSource, rows_by_path: Mapping[str, ImportRow]) -> dict[str, Split]:
    """Return {path: split} from the label file or its name, or from folders if the file has no splits."""
    splits: dict[str, Split] = {}
    has_splits = any(interpretation.split_column for interpretation in source.table.interpretations)
    has_splits = has_splits or any(row.split for row in source.table.rows)
    for row in source.table.rows:
        tree_row = rows_by_path.get(path := str(row.path))
        if split := row.split or (tree_row.split if tree_row and not has_splits else None):
            splits[path] = split
    return splits


def _with_split_labels(table: ImageTable, separator: str) -> ImageTable:
    """Return the table with labels split at the separator."""

    def names(label: str) -> list[str]:
        return [part.strip() for part in label.split(separator) if part.strip()]

    rows = (replace(row, labels=tuple(name for label in row.labels for name in names(label))) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _require_related(survey: Survey, sources: Sequence[LabelSource], errors: Sequence[ProjectError], only: str) -> None:
    """Raise a `ProjectError` if label files are unreadable, or name no image of the folder."""
    if errors:
        raise errors[0]
    if only != "auto" and not sources:
        message = Message("{folder} holds no labels as {format}.", folder=survey.source, format=FORMATS[only].title)
        raise ProjectError(message, "Name the file itself.")
    unrelated = [source for source in sources if not source.found_count]
    if unrelated and len(unrelated) == len(sources) and survey.root.count:
        images = (file.path for file in survey.files() if is_image(file))
        raise _unrelated_error(unrelated[0], ImageIndex(survey.source, images))


def _unrelated_error(source: LabelSource, index: ImageIndex) -> ProjectError:
    """Return the error for a label file without existing images; `index` is of the image folder."""
    file = source.file
    format_ = format_of(source.file) if source.file.is_file() else None
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
        format=format_.title if format_ else source.table.interpretations[0].format,
        folder=index.root,
    )
    hint = Message("")
    for row in source.table.rows[:1]:
        nearest = index.nearest(row.name)
        values = {"name": printable(row.name), "nearest": printable(nearest)}
        hint = Message("The first is called {name}.", **values)
        if nearest:
            hint = Message("The first is called {name}; the nearest image there is {nearest}.", **values)
    step = NextStep("import_unlabelled", path=index.root)
    return ProjectError(
        message, sentences(hint, Message("Put them there, or import what is there without labels.")), step
    )
