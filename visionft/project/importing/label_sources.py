"""The label files of a source folder: each table and other tool's file, read once, with the images that it names."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import get_args

from visionft.core.errors import ProjectError
from visionft.core.foreign_text import printable
from visionft.core.messages import Message, listed
from visionft.data.types import Split
from visionft.project.formats.folders import METADATA_FILES, ImageIndex
from visionft.project.formats.image_table import ImageTable, ReadOptions
from visionft.project.formats.label_columns import is_label_title
from visionft.project.formats.label_tables import TABLES, label_tables
from visionft.project.formats.labels_file import CLASSES_FILE, classes_file
from visionft.project.formats.readers import read_table
from visionft.project.formats.registry import FORMATS, LABEL_FILES, Format, format_of
from visionft.project.formats.split_names import is_split_name, split_in, split_of
from visionft.project.importing.survey import Survey, is_image

_MOST_PLACES = 500  # folders whose files are read
_MOST_IN_PLACE = 12  # files read in each folder: annotation files of single images are alike
_FEW_IMAGES = 3  # different images that a table has to name
_SOME_IMAGES = 5  # images from which a different class for each is suspicious
_MIN_FOUND_SHARE = 0.05  # of the names in a label file that lead to images
_MIN_LISTED_SHARE = 0.5  # of the names in the list of a split that lead to images
_WORDS = 5  # blanks in most texts of a column of captions, `a picture of a red car`, and of few names of classes
_MANY_IMAGES = 50  # images from which classes have to recur
_MANY_CLASSES = 0.5  # classes per image; more are captions, names or numbers

# Suffixes of tables, label files and other programs' label stores.
_MAY_HOLD_LABELS = (
    ".arrow", ".cls", ".csv", ".data", ".datum", ".db", ".h5", ".hdf5", ".json", ".jsonl", ".mat", ".names",
    ".ndjson", ".npy", ".npz", ".ods", ".parquet", ".pickle", ".pkl", ".rec", ".sqlite", ".tfrec", ".tfrecord",
    ".tsv", ".txt", ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar",
)  # fmt: skip
_TELLS_OF_THE_SET = re.compile(r"(?i)(readme|licen[cs]e|citation|notice|changelog|requirements)|.*classes\.json$")

Labels = Mapping[str, tuple[str, ...]]  # {path of an image: its classes}


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """One label file, or several joined ones, and the images of the folder that it names; or the names themselves."""

    table: ImageTable
    of_names: Message | None = None  # the part of the file names that gives the class
    labels: Labels  # of images in the folder
    named: int  # entries, and names of several images
    found: int  # entries of an image in the folder, or known by content
    images: int = 0  # in the folder

    @property
    def title(self) -> Message:
        """The files, with the column or format."""
        if self.of_names:
            return self.of_names
        first = self.table.interpretations[0]
        files = dict.fromkeys(printable(each.file.name) for each in self.table.interpretations)
        names = listed(list(files), 2)
        if first.format:
            return Message("{file} ({format})", file=names, format=first.format)
        if len(first.label_columns) == 1:
            return Message("{file}: {column}", file=names, column=printable(first.label_columns[0]))
        return Message("{file}", file=names)

    @property
    def kind(self) -> tuple[str, tuple[str, ...]]:
        """The format, and the columns of the labels: equal for files of one data set."""
        first = self.table.interpretations[0]
        return first.format, tuple(title.casefold() for title in first.label_columns)

    def joined(self, other: "LabelSource") -> "LabelSource":
        """Return this source with the images that another one labels."""
        own = {str(each.path) for each in self.table.rows if each.labels}
        new = [each for each in other.table.rows if str(each.path) not in own]
        given = {str(each.path) for each in new}
        kept = [each for each in self.table.rows if str(each.path) not in given]
        table = ImageTable(
            rows=(*kept, *new),
            unreadable=(*self.table.unreadable, *other.table.unreadable),
            declared=tuple(dict.fromkeys((*self.table.declared, *other.table.declared))),
            interpretations=(*self.table.interpretations, *other.table.interpretations),
            label_files=(*self.table.label_files, *other.table.label_files),
        )
        return LabelSource(
            table=table,
            labels={**other.labels, **self.labels},
            named=self.named + other.named,
            found=self.found + other.found,
            images=self.images,
        )

    @property
    def file(self) -> Path:
        """The label file, or the folder of those with one per image."""
        return self.table.interpretations[0].file

    @property
    def ambiguous(self) -> int:
        """The names of several images."""
        return sum(each.ambiguous for each in self.table.interpretations)

    @property
    def is_submission(self) -> bool:
        """Whether it is a form for predictions."""
        return any(each.is_submission for each in self.table.interpretations)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Further columns of a table that may give the labels, best first."""
        return self.table.interpretations[0].alternatives

    @property
    def splits(self) -> dict[str, Split]:
        """The split of each image, for a list without labels; empty for any other."""
        is_list = not self.labels and self.found >= _MIN_LISTED_SHARE * self.named
        return {str(each.path): each.split for each in self.table.rows if each.split} if is_list else {}

    @property
    def is_of_tool(self) -> bool:
        """Whether a labelling tool wrote it, or this program."""
        return any(each.format for each in self.table.interpretations) or any(each.sha256 for each in self.table.rows)

    @property
    def is_from_marks(self) -> bool:
        """Whether its labels are the classes of parts of the images."""
        return any(each.is_from_marks for each in self.table.interpretations)

    @cached_property
    def classes(self) -> Counter[str]:
        """The images of each class."""
        return Counter(label for labels in self.labels.values() for label in labels)

    @property
    def is_called_label(self) -> bool:
        """Whether a tool wrote it, or the columns of labels are called so, or are one for each class."""
        columns = [each.label_columns for each in self.table.interpretations]
        return self.is_of_tool or any(len(each) > 1 or any(map(is_label_title, each)) for each in columns)

    @property
    def is_unsure_of_column(self) -> bool:
        """Whether another column of a table may give the labels as well."""
        return bool(self.alternatives) and not self.is_called_label

    @property
    def has_several_of_flags(self) -> bool:
        """Whether columns of yes and no give an image several classes: `biopsy` and `implant` of RSNA's mammograms."""
        is_one_hot = any(len(each.label_columns) > 1 for each in self.table.interpretations)
        return is_one_hot and any(len(labels) > 1 for labels in self.labels.values())

    @property
    def is_sure(self) -> bool:
        """Whether its labels are plausible by themselves."""
        if self.is_submission or self.is_unsure_of_column or not (self.is_of_tool or self._are_classes):
            return False
        places = {each.path for each in islice(self.table.rows, _FEW_IMAGES * 10)}
        if len(places) < min(_FEW_IMAGES, self.found):  # rows of the same few images: numbers of something else
            return False
        are_numbers = all(each.found_by_number for each in self.table.interpretations)
        if are_numbers and self.found < self.images / 2:  # perhaps the first and last ones of series
            return False
        return self.found >= _MIN_FOUND_SHARE * self.named and self.ambiguous <= self.found

    @property
    def _are_classes(self) -> bool:
        """Whether the labels of a table recur, as captions, names and numbers of images do not."""
        are_different = all(len(labels) == 1 for labels in self.labels.values()) and len(self.classes) == len(
            self.labels
        )
        if are_different and len(self.labels) >= _SOME_IMAGES and not self.is_called_label:
            return False
        are_long = sum(name.count(" ") >= _WORDS for name in self.classes) > len(self.classes) / 2
        are_many = len(self.labels) > _MANY_IMAGES or are_long
        return not are_many or len(self.classes) <= _MANY_CLASSES * len(self.labels)

    @property
    def read_files(self) -> set[Path]:
        """The label files that were read for it."""
        files = {each.file for each in self.table.interpretations} | set(self.table.label_files)
        files |= {file for each in self.table.interpretations for file in each.joined}
        return files | set(map(classes_file, files))


@dataclass(frozen=True)
class LabelReader:
    """Reads the label files of a folder; `only` is their format, or "auto"."""

    survey: Survey
    options: ReadOptions
    only: str = "auto"

    @cached_property
    def _images(self) -> list[Path]:
        return [file.path for file in self.survey.files() if is_image(file)]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(map(str, self._images))

    @cached_property
    def _index(self) -> ImageIndex:
        return ImageIndex(self.survey.source, self._images)

    def read(self) -> tuple[list[LabelSource], list[ProjectError]]:
        """Return the label files that name images, and the errors of unreadable files."""
        options = replace(self.options, index=self._index)
        if self.options.choice.table:
            return [source_of(self._chosen_table(options), self._known)], []
        of_tools = [(name, file) for name, file in _label_files(self.survey, self.only) if name not in TABLES]
        found, errors = _read_each(of_tools, options)
        known = {file for each in found for file in each.label_files}
        known |= {entry.file for each in found for entry in each.interpretations}
        tables, more_errors = self._read_tables(known, options)
        found = [each for each in [*found, *tables] if each.interpretations]
        return [source_of(each, self._known) for each in found], [*errors, *more_errors]

    def _read_tables(self, known: Set[Path], options: ReadOptions) -> tuple[list[ImageTable], list[ProjectError]]:
        """Return the image tables of all but known files, and the errors of required files."""
        files = [file for file in self.survey.others if self._may_read(file) and file not in known]
        found = label_tables(files, options)
        read = {each.file for table in found for each in table.interpretations}
        named = [file for file in files if file.name in METADATA_FILES or self.only != "auto"]
        further, errors = _read_each(((_name_of(file), file) for file in named if file not in read), options)
        return [*found, *further], errors

    def _may_read(self, file: Path) -> bool:
        return self.only in ("auto", _name_of(file))

    def _chosen_table(self, options: ReadOptions) -> ImageTable:
        file = self.survey.source / options.choice.table
        if file not in self.survey.others:
            tables = listed([printable(each.relative_to(self.survey.source)) for each in self.survey.others], 6)
            message = Message("{folder} holds no table {table}.", folder=self.survey.source, table=options.choice.table)
            raise ProjectError(message, Message("Files there: {tables}.", tables=tables))
        return read_table(file, options)

    def with_label(self, source: LabelSource, column: str) -> LabelSource | None:
        """Return a table as it is with another column of labels; None where that gives none."""
        choice = replace(self.options.choice, label=column)
        options = replace(self.options, index=self._index, choice=choice)
        tables = label_tables(sorted(source.read_files), options)
        sources = [source_of(table, self._known) for table in tables]
        return max(sources, key=lambda each: len(each.labels), default=None)


def _name_of(file: Path) -> str:
    found = format_of(file)
    return found.name if found else ""


def source_of(table: ImageTable, known: frozenset[str] | None = None) -> LabelSource:
    """Return the source of a table; `known` are the images of the folder, by default all of the table."""
    known = frozenset(str(each.path) for each in table.rows) if known is None else known
    labels: dict[str, tuple[str, ...]] = {}
    for each in table.rows:
        if each.labels and (path := str(each.path)) in known:
            given = labels.get(path)
            labels[path] = each.labels if given is None else tuple(dict.fromkeys((*given, *each.labels)))
    found = sum(str(each.path) in known or each.sha256 is not None for each in table.rows)
    ambiguous = sum(each.ambiguous for each in table.interpretations)
    file = table.interpretations[0].file
    if split := _split_of_file(file) or (None if labels else split_in(file.stem)):  # `test_ApKoW4T.csv` lists images
        table = replace(table, rows=tuple(replace(each, split=each.split or split) for each in table.rows))
    return LabelSource(table=table, labels=labels, named=len(table.rows) + ambiguous, found=found, images=len(known))


def _split_of_file(file: Path) -> Split | None:
    """Return the split in the name of a label file, or of its folder."""
    if is_split_name(file.stem):
        return split_of(file.stem)
    split = split_in(file.stem)
    others = (file.with_name(file.name.replace(split, other)) for other in get_args(Split) if split and other != split)
    return split if any(each.is_file() for each in others) else split_of(file.parent.name)


def _read_each(files: Iterable[tuple[str, Path]], options: ReadOptions) -> tuple[list[ImageTable], list[ProjectError]]:
    """Return the tables of files, each with the name of its format, and the errors of unreadable files."""
    tables: list[ImageTable] = []
    errors: list[ProjectError] = []
    for name, file in files:
        if name and (read := FORMATS[name].read):
            try:
                tables.append(read(file, options))
            except ProjectError as error:
                errors.append(error)
    return tables, errors


def _label_files(survey: Survey, only: str) -> Iterator[tuple[str, Path]]:
    """Yield (format, file), or the folder of files with one per image."""
    formats = [each for each in LABEL_FILES if only in ("auto", each.name)]
    per_image: defaultdict[str, list[Path]] = defaultdict(list)
    for file in _candidates(survey, formats, with_lists=only != "auto"):
        found = format_of(file)
        if found is None or found not in formats:
            continue
        if found.is_per_image:
            per_image[found.name].append(file.parent)
        else:
            yield found.name, file
    for each in formats:
        if each.folder:
            per_image[each.name] += _marked_folders(survey, each.folder)
    for name, folders in per_image.items():
        if folders:
            base = Path(os.path.commonpath(folders))
            yield name, base.parent if base.name.casefold() in ("annotations", "annotation") else base


def _candidates(survey: Survey, formats: Sequence[Format], *, with_lists: bool) -> Iterator[Path]:
    """Yield the first files of each folder with the suffixes of formats; `with_lists`, also plain texts."""
    suffixes = {suffix for each in formats for suffix in each.suffixes} - (set() if with_lists else {".txt", ".lst"})
    places: defaultdict[Path, list[Path]] = defaultdict(list)
    for file in survey.others:
        if file.suffix.casefold() in suffixes and not file.name.endswith(CLASSES_FILE):
            places[file.parent].append(file)
    for files in islice(places.values(), _MOST_PLACES):
        yield from files[:_MOST_IN_PLACE]


def _marked_folders(survey: Survey, mark: str) -> list[Path]:
    """Return the folders above a folder that marks a format, such as `ImageSets/Main` of VOC."""
    folders = (survey.source / folder.path for folder in survey.root.walk() if folder.files)
    return [each.parents[mark.count("/")] for each in folders if each.as_posix().endswith(f"/{mark}")]


def unread_files(survey: Survey, read: Sequence[LabelSource]) -> tuple[Path, ...]:
    """Return the files that may hold labels and were not read."""
    used = {file for each in read for file in each.read_files}
    fitting = (file for file in survey.others if file.suffix.casefold() in _MAY_HOLD_LABELS and file not in used)
    return tuple(file for file in fitting if not _TELLS_OF_THE_SET.match(file.name))
