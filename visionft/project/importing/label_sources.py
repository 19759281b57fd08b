"""Read the label files of a source folder: tables and files of labelling tools, with the images that they name."""

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

_MAX_FOLDERS = 500  # folders whose files are read
_MAX_FILES_PER_FOLDER = 12  # files read in each folder; per-image annotation files have the same format
_MIN_DISTINCT_IMAGES = 3  # images that a table must name
_MIN_IMAGES_WITH_RECURRING_CLASSES = 5  # classes of fewer images may all differ
_MIN_FOUND_SHARE = 0.05  # of the names in a label file that lead to images
_MIN_LISTED_SHARE = 0.5  # of the names in the list of a split that lead to images
_MIN_CAPTION_BLANKS = 5  # in most cells of a caption column: `a picture of a red car`
_MAX_IMAGES_WITH_UNIQUE_CLASSES = 50  # classes of more images must recur
_MAX_CLASSES_PER_IMAGE = 0.5  # more distinct values are captions, names or numbers

# Suffixes of tables, label files and other programs' label stores.
_LABEL_FILE_SUFFIXES = (
    ".arrow", ".cls", ".csv", ".data", ".datum", ".db", ".h5", ".hdf5", ".json", ".jsonl", ".mat", ".names",
    ".ndjson", ".npy", ".npz", ".ods", ".parquet", ".pickle", ".pkl", ".rec", ".sqlite", ".tfrec", ".tfrecord",
    ".tsv", ".txt", ".xls", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar",
)  # fmt: skip
_DESCRIPTION_NAME = re.compile(r"(?i)(readme|licen[cs]e|citation|notice|changelog|requirements)|.*classes\.json$")

Labels = Mapping[str, tuple[str, ...]]  # {path of an image: its classes}


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """One or several joined label files, with the images of the folder that they name; or labels from file names."""

    table: ImageTable
    of_names: Message | None = None  # title for labels from file names
    labels: Labels  # of images in the folder
    name_count: int  # number of rows and ambiguous names
    found_count: int  # number of rows with an image in the folder, or a content hash
    image_count: int = 0  # number of images in the folder

    @property
    def title(self) -> Message:
        """The names of the files, with the label column or the format."""
        if self.of_names:
            return self.of_names
        first = self.table.interpretations[0]
        files = dict.fromkeys(printable(entry.file.name) for entry in self.table.interpretations)
        names = listed(list(files), 2)
        if first.format:
            return Message("{file} ({format})", file=names, format=first.format)
        if len(first.label_columns) == 1:
            return Message("{file}: {column}", file=names, column=printable(first.label_columns[0]))
        return Message("{file}", file=names)

    @property
    def kind(self) -> tuple[str, tuple[str, ...]]:
        """The format and the label columns; equal for files of one data set."""
        first = self.table.interpretations[0]
        return first.format, tuple(title.casefold() for title in first.label_columns)

    def joined(self, other: "LabelSource") -> "LabelSource":
        """Return this source extended by the images that another source labels."""
        labelled_paths = {str(row.path) for row in self.table.rows if row.labels}
        new_rows = [row for row in other.table.rows if str(row.path) not in labelled_paths]
        new_paths = {str(row.path) for row in new_rows}
        kept_rows = [row for row in self.table.rows if str(row.path) not in new_paths]
        table = ImageTable(
            rows=(*kept_rows, *new_rows),
            unreadable=(*self.table.unreadable, *other.table.unreadable),
            declared=tuple(dict.fromkeys((*self.table.declared, *other.table.declared))),
            interpretations=(*self.table.interpretations, *other.table.interpretations),
            label_files=(*self.table.label_files, *other.table.label_files),
        )
        return LabelSource(
            table=table,
            labels={**other.labels, **self.labels},
            name_count=self.name_count + other.name_count,
            found_count=self.found_count + other.found_count,
            image_count=self.image_count,
        )

    @property
    def file(self) -> Path:
        """The label file, or the folder of per-image label files."""
        return self.table.interpretations[0].file

    @property
    def ambiguous(self) -> int:
        """The number of names that match several images."""
        return sum(entry.ambiguous for entry in self.table.interpretations)

    @property
    def is_submission(self) -> bool:
        """Whether it is a form for predictions."""
        return any(entry.is_submission for entry in self.table.interpretations)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Further candidates for the label column, best first."""
        return self.table.interpretations[0].alternatives

    @property
    def splits(self) -> dict[str, Split]:
        """{path: split} of a list without labels; empty for other sources."""
        is_list = not self.labels and self.found_count >= _MIN_LISTED_SHARE * self.name_count
        return {str(row.path): row.split for row in self.table.rows if row.split} if is_list else {}

    @property
    def is_of_tool(self) -> bool:
        """Whether a labelling tool or this program wrote the file."""
        return any(entry.format for entry in self.table.interpretations) or any(row.sha256 for row in self.table.rows)

    @property
    def is_from_marks(self) -> bool:
        """Whether the labels are classes of image parts."""
        return any(entry.is_from_marks for entry in self.table.interpretations)

    @cached_property
    def classes(self) -> Counter[str]:
        """{class: number of images}."""
        return Counter(label for labels in self.labels.values() for label in labels)

    @property
    def is_called_label(self) -> bool:
        """Whether a tool wrote the file, a label column has a title for labels, or the table is one-hot."""
        columns = [entry.label_columns for entry in self.table.interpretations]
        return self.is_of_tool or any(len(titles) > 1 or any(map(is_label_title, titles)) for titles in columns)

    @property
    def is_unsure_of_column(self) -> bool:
        """Whether another column may be the label column."""
        return bool(self.alternatives) and not self.is_called_label

    @property
    def has_several_of_flags(self) -> bool:
        """Whether yes/no columns give an image several classes: `biopsy` and `implant` of RSNA's mammograms."""
        is_one_hot = any(len(entry.label_columns) > 1 for entry in self.table.interpretations)
        return is_one_hot and any(len(labels) > 1 for labels in self.labels.values())

    @property
    def is_sure(self) -> bool:
        """Whether the labels are plausible without comparison to other sources."""
        if self.is_submission or self.is_unsure_of_column or not (self.is_of_tool or self._are_classes):
            return False
        places = {row.path for row in islice(self.table.rows, _MIN_DISTINCT_IMAGES * 10)}
        if len(places) < min(_MIN_DISTINCT_IMAGES, self.found_count):  # the numbers are no image names
            return False
        are_numbers = all(entry.found_by_number for entry in self.table.interpretations)
        if are_numbers and self.found_count < self.image_count / 2:  # the images may be the first and last of series
            return False
        return self.found_count >= _MIN_FOUND_SHARE * self.name_count and self.ambiguous <= self.found_count

    @property
    def _are_classes(self) -> bool:
        """Whether the labels recur, in contrast to captions, names and numbers of images."""
        are_different = all(len(labels) == 1 for labels in self.labels.values()) and len(self.classes) == len(
            self.labels
        )
        if are_different and len(self.labels) >= _MIN_IMAGES_WITH_RECURRING_CLASSES and not self.is_called_label:
            return False
        are_long = sum(name.count(" ") >= _MIN_CAPTION_BLANKS for name in self.classes) > len(self.classes) / 2
        are_many = len(self.labels) > _MAX_IMAGES_WITH_UNIQUE_CLASSES or are_long
        return not are_many or len(self.classes) <= _MAX_CLASSES_PER_IMAGE * len(self.labels)

    @property
    def read_files(self) -> set[Path]:
        """The label files of this source."""
        files = {entry.file for entry in self.table.interpretations} | set(self.table.label_files)
        files |= {file for entry in self.table.interpretations for file in entry.joined}
        return files | set(map(classes_file, files))


@dataclass(frozen=True)
class LabelReader:
    """Reads the label files of a folder; `only` is the format, or "auto"."""

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
        """Return the sources of labels, and the errors of unreadable files."""
        options = replace(self.options, index=self._index)
        if self.options.choice.table:
            return [source_of(self._chosen_table(options), self._known)], []
        tool_files = [(name, file) for name, file in _label_files(self.survey, self.only) if name not in TABLES]
        tables, errors = _read_files(tool_files, options)
        known_files = {file for table in tables for file in table.label_files}
        known_files |= {entry.file for table in tables for entry in table.interpretations}
        further_tables, more_errors = self._read_tables(known_files, options)
        tables = [table for table in [*tables, *further_tables] if table.interpretations]
        return [source_of(table, self._known) for table in tables], [*errors, *more_errors]

    def _read_tables(self, known: Set[Path], options: ReadOptions) -> tuple[list[ImageTable], list[ProjectError]]:
        """Return the image tables of all but known files, and the errors of metadata files or the chosen format."""
        files = [file for file in self.survey.others if self._may_read(file) and file not in known]
        found = label_tables(files, options)
        read = {entry.file for table in found for entry in table.interpretations}
        named = [file for file in files if file.name in METADATA_FILES or self.only != "auto"]
        further, errors = _read_files(((_format_name(file), file) for file in named if file not in read), options)
        return [*found, *further], errors

    def _may_read(self, file: Path) -> bool:
        return self.only in ("auto", _format_name(file))

    def _chosen_table(self, options: ReadOptions) -> ImageTable:
        file = self.survey.source / options.choice.table
        if file not in self.survey.others:
            tables = listed([printable(other.relative_to(self.survey.source)) for other in self.survey.others], 6)
            message = Message("{folder} holds no table {table}.", folder=self.survey.source, table=options.choice.table)
            raise ProjectError(message, Message("Files there: {tables}.", tables=tables))
        return read_table(file, options)

    def with_label(self, source: LabelSource, column: str) -> LabelSource | None:
        """Return a table with another label column; None without a readable table."""
        choice = replace(self.options.choice, label=column)
        options = replace(self.options, index=self._index, choice=choice)
        tables = label_tables(sorted(source.read_files), options)
        sources = [source_of(table, self._known) for table in tables]
        return max(sources, key=lambda source: len(source.labels), default=None)


def _format_name(file: Path) -> str:
    format_ = format_of(file)
    return format_.name if format_ else ""


def source_of(table: ImageTable, known_paths: frozenset[str] | None = None) -> LabelSource:
    """Return the source of a table; `known` are the image paths of the folder, by default all paths of the table."""
    known_paths = frozenset(str(row.path) for row in table.rows) if known_paths is None else known_paths
    labels: dict[str, tuple[str, ...]] = {}
    for row in table.rows:
        if row.labels and (path := str(row.path)) in known_paths:
            earlier = labels.get(path)
            labels[path] = row.labels if earlier is None else tuple(dict.fromkeys((*earlier, *row.labels)))
    found = sum(str(row.path) in known_paths or row.sha256 is not None for row in table.rows)
    ambiguous = sum(entry.ambiguous for entry in table.interpretations)
    file = table.interpretations[0].file
    # A list without labels may have a split among other words: `test_ApKoW4T.csv`.
    if split := _split_of_file(file) or (None if labels else split_in(file.stem)):
        table = replace(table, rows=tuple(replace(row, split=row.split or split) for row in table.rows))
    return LabelSource(
        table=table,
        labels=labels,
        name_count=len(table.rows) + ambiguous,
        found_count=found,
        image_count=len(known_paths),
    )


def _split_of_file(file: Path) -> Split | None:
    """Return the split in the name of a label file or its folder."""
    if is_split_name(file.stem):
        return split_of(file.stem)
    split = split_in(file.stem)
    others = (file.with_name(file.name.replace(split, other)) for other in get_args(Split) if split and other != split)
    return split if any(other.is_file() for other in others) else split_of(file.parent.name)


def _read_files(files: Iterable[tuple[str, Path]], options: ReadOptions) -> tuple[list[ImageTable], list[ProjectError]]:
    """Return the image tables of files (format name, path), and the errors of unreadable files."""
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
    """Yield (format name, file) for each label file; the folder for per-image label files."""
    formats = [format_ for format_ in LABEL_FILES if only in ("auto", format_.name)]
    per_image: defaultdict[str, list[Path]] = defaultdict(list)
    for file in _candidates(survey, formats, with_lists=only != "auto"):
        file_format = format_of(file)
        if file_format is None or file_format not in formats:
            continue
        if file_format.is_per_image:
            per_image[file_format.name].append(file.parent)
        else:
            yield file_format.name, file
    for format_ in formats:
        if format_.folder:
            per_image[format_.name] += _marked_folders(survey, format_.folder)
    for name, folders in per_image.items():
        if folders:
            base = Path(os.path.commonpath(folders))
            yield name, base.parent if base.name.casefold() in ("annotations", "annotation") else base


def _candidates(survey: Survey, formats: Sequence[Format], *, with_lists: bool) -> Iterator[Path]:
    """Yield the first files of each folder with a suffix of the formats; plain text only if `with_lists`."""
    suffixes = {suffix for format_ in formats for suffix in format_.suffixes} - (
        set() if with_lists else {".txt", ".lst"}
    )
    files_by_folder: defaultdict[Path, list[Path]] = defaultdict(list)
    for file in survey.others:
        if file.suffix.casefold() in suffixes and not file.name.endswith(CLASSES_FILE):
            files_by_folder[file.parent].append(file)
    for files in islice(files_by_folder.values(), _MAX_FOLDERS):
        yield from files[:_MAX_FILES_PER_FOLDER]


def _marked_folders(survey: Survey, mark: str) -> list[Path]:
    """Return the folders with a subfolder that identifies a format, such as `ImageSets/Main` of VOC."""
    folders = (survey.source / folder.path for folder in survey.root.walk() if folder.files)
    return [folder.parents[mark.count("/")] for folder in folders if folder.as_posix().endswith(f"/{mark}")]


def unread_files(survey: Survey, read: Sequence[LabelSource]) -> tuple[Path, ...]:
    """Return the unread files that may contain labels."""
    used = {file for source in read for file in source.read_files}
    unread = (file for file in survey.others if file.suffix.casefold() in _LABEL_FILE_SUFFIXES and file not in used)
    return tuple(file for file in unread if not _DESCRIPTION_NAME.match(file.name))
