"""The images of a source as plain data: an `ImageTable` has a row per image, with its labels and their origin."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import ClassVar, NamedTuple

from visionft.core.errors import VisionFTError
from visionft.core.messages import Message, Text, listed
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Split
from visionft.project.formats.folders import ImageIndex, RejectedFile
from visionft.project.formats.labels_file import ClassLook

_MAX_EXAMPLES = 4  # example images of each class and split
_MAX_UNLABELLED_EXAMPLES = 24  # example images if no image has a class
_MAX_EXAMPLE_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class ImageWarning:
    """A warning about an image that was imported with losses. `path` is printable."""

    path: str
    reason: str


class GivenLabels(NamedTuple):
    """The source and time of the labels of an image in another project."""

    source: str  # "person", "import" or "suggestion"
    at: int  # milliseconds since the epoch


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A possible image file, with its labels from the source."""

    path: Path
    name: str  # POSIX path within the source
    labels: tuple[str, ...] = ()
    split: Split | None = None
    tags: tuple[str, ...] = ()
    review: str | None = None
    note: str | None = None
    sha256: str | None = None  # as stated by the source, to find an image of the project whose file is missing
    given: GivenLabels | None = None  # for labels from another project

    @property
    def suffix(self) -> str:
        """The suffix of the path in lower case, or an empty text; quicker than `Path.suffix`."""
        text = str(self.path)
        dot = text.rfind(".")
        return text[dot:].casefold() if dot > text.rfind(os.sep) + 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """How a source was read, to explain missing labels; unused fields are empty."""

    file: Path  # the label file, or the parent of the class folders
    columns: tuple[str, ...] = ()  # columns or keys of the file, as written
    file_column: str = ""
    label_columns: tuple[str, ...] = ()  # one column, or one per class (one-hot)
    split_column: str = ""
    class_folders: tuple[str, ...] = ()
    unlabelled_folders: tuple[str, ...] = ()  # of images without a class, such as `no_label`
    split_folders: tuple[str, ...] = ()
    ignored_folders: tuple[str, ...] = ()  # other folders beside splits or classes
    format: str = ""  # title of the file's format, such as COCO; empty for tables and folders
    marked: int = 0  # images with boxes or shapes not used as labels
    is_from_marks: bool = False  # the classes of boxes or shapes were used as labels of their images
    has_only_marks: bool = False  # only boxes or shapes, and the user has not decided about their classes
    found_elsewhere: int = 0  # images found by name in another folder than the file states
    found_by_number: int = 0  # images found only by the number in their name (`0007` for `7.jpg`)
    ambiguous: int = 0  # names that match several images equally well
    joined: tuple[Path, ...] = ()  # further files: class names, or columns for the same images
    alternatives: tuple[str, ...] = ()  # further candidates for the label column, best first
    other_images: tuple[str, ...] = ()  # further image columns; their images get no class
    is_submission: bool = False  # a form for predictions: by its name, or because all test images have one label
    separator: str = ""  # between several classes in a cell, if cells were split
    unread: tuple[str, ...] = ()  # unread files that may contain labels
    is_unlabelled_by_choice: bool = False

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """The columns not used as file name, label or split."""
        used = {self.file_column, self.split_column, *self.label_columns}
        return tuple(column for column in self.columns if column not in used)

    @property
    def lacks_labels(self) -> bool:
        """Whether a table has candidate label columns, but none was used."""
        return bool(self.unused_columns) and not (self.label_columns or self.is_unlabelled_by_choice)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChoice:
    """The user's choice of the label source; empty fields mean automatic detection."""

    table: str = ""  # path of a table within the source, with `/`; needed if the source has several tables
    file: str = ""  # column or field of the table with the image names
    label: str = ""  # column or field of the table with the class
    class_folder: int = (
        0  # level of the class folders: 1 is directly in the source, -1 directly above the images; 0: unset
    )
    name_part: int | None = None  # part of the file names: 1 is the first, -1 the last; 0 is the text without numbers
    separator: str = ""  # between several classes in a cell, or in the name of a folder
    is_unlabelled: bool = False  # import the images without labels
    takes_marks: bool = False  # the classes of boxes and shapes become labels of the image

    @property
    def is_of_table(self) -> bool:
        """Whether the choice names a table or its columns."""
        return bool(self.table or self.file or self.label)


AUTOMATIC_CHOICE = LabelChoice()


@dataclass(frozen=True)
class ImageTable:
    """The images of a source with their labels, under one reading of the source; an import commits it unchanged."""

    HIDDEN: ClassVar = ("rows", "skipped", "unreadable", "declared", "interpretations", "label_files")
    COMPUTED_FIELDS: ClassVar = ("classes", "unlabelled", "class_splits")

    rows: tuple[ImportRow, ...]
    skipped: tuple[RejectedFile, ...] = ()
    unreadable: tuple[RejectedFile, ...] = ()
    declared: tuple[ClassLook, ...] = ()  # classes listed by the source, even without images
    interpretations: tuple[Interpretation, ...] = ()
    label_files: tuple[Path, ...] = ()  # further label files
    title: Message = Message("")
    evidence: Message = Message("")  # counts for and against it, as sentences
    is_sure: bool = False  # if the first table is sure, it is imported without a question
    choice: LabelChoice = AUTOMATIC_CHOICE  # the choice that gives the same labels, else automatic

    @cached_property
    def _paths(self) -> dict[str, dict[str, list[Path]]]:
        """{class or "": {split or "": possible images}}."""
        paths: defaultdict[str, defaultdict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows:
            if not row.suffix or row.suffix in IMAGE_SUFFIXES:
                for label in row.labels or ("",):
                    paths[label][row.split or ""].append(row.path)
        return {name: dict(splits) for name, splits in paths.items()}

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {name: sum(map(len, splits.values())) for name, splits in self._paths.items()}

    @property
    def classes(self) -> dict[str, int]:
        """{class: number of images}, before any file is opened."""
        return {name: count for name, count in self._counts.items() if name}

    @property
    def unlabelled(self) -> int:
        """The number of images without a class."""
        return self._counts.get("", 0)

    @property
    def class_splits(self) -> dict[str, dict[str, int]]:
        """{class or "": {split: number of images}}, without the images that have no split."""
        return {
            name: {split: len(paths) for split, paths in splits.items() if split}
            for name, splits in self._paths.items()
        }

    def examples(self) -> dict[str, dict[str, tuple[Path, ...]]]:
        """Return {class or "": {split or "": a few images}} of the first 1,000 classes."""
        count = _MAX_EXAMPLES if self.classes else _MAX_UNLABELLED_EXAMPLES
        first_classes = islice(self._paths.items(), _MAX_EXAMPLE_CLASSES)
        return {
            name: {split: _spread(splits[split], count) for split in sorted(splits)} for name, splits in first_classes
        }


def _spread(paths: Sequence[Path], count: int) -> tuple[Path, ...]:
    """Return at most `count` evenly spaced paths: neighbors in a folder often belong to one series."""
    count = min(len(paths), count)
    return tuple(paths[number * len(paths) // count] for number in range(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Options for reading a label file."""

    is_multi_label: bool = False  # an image may have several classes
    is_confined: bool = False  # file names must stay in the folder, because it was unpacked from an archive
    image_folders: Sequence[Path] = ()  # further folders to search for images
    index: ImageIndex | None = None  # index of the whole source, shared by its readers
    choice: LabelChoice = AUTOMATIC_CHOICE


DEFAULT_OPTIONS = ReadOptions()


_MAX_NAMES_IN_NOTE = 6  # names in a note


def notes_on(interpretations: Iterable[Interpretation]) -> list[Message]:
    """Return the distinct notes for the user on the interpretations of a source."""
    return list(
        dict.fromkeys(
            note
            for interpretation in interpretations
            for note in (*_label_notes(interpretation), *_file_notes(interpretation))
        )
    )


def _label_notes(interpretation: Interpretation) -> Iterator[Message]:
    """Yield notes on the origin of labels and splits."""
    count = interpretation.marked
    if interpretation.format:
        yield Message("{file} is read as {format}.", file=interpretation.file.name, format=interpretation.format)
    if interpretation.is_from_marks:
        yield Message("Each class marked in an image becomes one of its labels.")
    elif interpretation.has_only_marks:
        yield Message("Images with boxes or shapes, and no class as a whole: {count}.", count=count)
    elif interpretation.marked:
        yield Message("Images with boxes or shapes, whose classes are not taken: {count}.", count=count)
    elif interpretation.columns and not interpretation.label_columns:
        yield Message("No column gives the class.")
    if interpretation.split_column:
        yield Message("“{name}” gives the splits.", name=interpretation.split_column)
    if interpretation.unlabelled_folders:
        names = listed(interpretation.unlabelled_folders, _MAX_NAMES_IN_NOTE)
        yield Message("Images in the folders {names} have no class.", names=names)


def _file_notes(interpretation: Interpretation) -> Iterator[Message]:
    """Yield notes on joined files and columns, on images found by parts of their names, and on unused files."""
    if interpretation.joined:
        names = listed([path.name for path in interpretation.joined], _MAX_NAMES_IN_NOTE)
        yield Message("{file} is joined with {names}.", file=interpretation.file.name, names=names)
    if interpretation.other_images:
        yield Message(
            "Images in the columns {names} get no class.", names=listed(interpretation.other_images, _MAX_NAMES_IN_NOTE)
        )
    if interpretation.separator:
        yield Message("In a cell, “{sign}” separates several classes.", sign=interpretation.separator)
    if interpretation.found_elsewhere:
        yield Message("Images found by name in another folder: {count}.", count=interpretation.found_elsewhere)
    if interpretation.found_by_number:
        yield Message(
            "Images found by the number that their name contains: {count}.", count=interpretation.found_by_number
        )
    if interpretation.ambiguous:
        yield Message("Ambiguous file names, left without a class: {count}.", count=interpretation.ambiguous)
    if interpretation.unread:
        yield Message(
            "Not used, though they may hold labels: {names}.", names=listed(interpretation.unread, _MAX_NAMES_IN_NOTE)
        )


def label_choice(
    *,
    class_folder: int | None = None,
    name_part: int | None = None,
    table: str = "",
    file_column: str = "",
    label_column: str = "",
    separator: str = "",
    from_boxes: bool = False,
    without_labels: bool = False,
    spelled: Callable[[str], str] = str,
) -> LabelChoice:
    """Return the label choice of command options; None or an empty text stands for an absent option.

    Args:
        spelled: Converts the name of an option to the user's spelling, for errors.

    Raises:
        VisionFTError: Options contradict each other.
    """
    if class_folder == 0:
        raise VisionFTError("There is no folder level 0.", "Level 1 lies in the source; -1 holds the images.")
    is_given_by_option = {
        "class_folder": class_folder is not None,
        "name_part": name_part is not None,
        "label_column": bool(label_column),
        "from_boxes": from_boxes,
        "without_labels": without_labels,
    }
    given = [option for option, is_given in is_given_by_option.items() if is_given]
    table_options = [option for option, value in (("table", table), ("file_column", file_column)) if value]
    *others, last = map(spelled, is_given_by_option)
    hint = Message("Give one of {options} and {last}.", options=", ".join(others), last=last)
    if len(given) > 1:
        raise _contradiction(given[0], given[1], spelled, hint)
    if table_options and given and given[0] in ("class_folder", "name_part"):
        raise _contradiction(given[0], table_options[0], spelled, hint)
    if separator and given and given[0] in ("from_boxes", "without_labels"):
        why = "It separates the classes in a column, a part of the names or the name of a folder."
        raise _contradiction(given[0], "separator", spelled, why)
    return LabelChoice(
        table=table,
        file=file_column,
        label=label_column,
        class_folder=class_folder or 0,
        name_part=name_part,
        separator=separator,
        is_unlabelled=without_labels,
        takes_marks=from_boxes,
    )


def _contradiction(first: str, second: str, spelled: Callable[[str], str], hint: Text) -> VisionFTError:
    return VisionFTError(
        Message("{first} and {second} contradict each other.", first=spelled(first), second=spelled(second)), hint
    )
