"""The images of a source as plain data: `ImageTable`, one row an image, with its labels and where they come from."""

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

_EXAMPLES = 4  # images shown for each class and split
_UNLABELLED_EXAMPLES = 24  # images shown where no image has a class
_MAX_EXAMPLE_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class ImageWarning:
    """A warning about an imported image with partial loss. `path` is printable."""

    path: str
    reason: str


class GivenLabels(NamedTuple):
    """Who gave the labels of an image in another project, and when, in milliseconds since the epoch."""

    source: str  # "person", "import" or "suggestion"
    at: int


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
    sha256: str | None = None  # claimed by the source, to find the image in the project when the file is missing
    given: GivenLabels | None = None  # of labels in another project

    @property
    def suffix(self) -> str:
        """The suffix of the path in small letters, empty for none; a quicker `Path.suffix`."""
        text = str(self.path)
        dot = text.rfind(".")
        return text[dot:].casefold() if dot > text.rfind(os.sep) + 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """The interpretation of a source, to explain missing labels; empty fields where it has none."""

    file: Path  # the label file, or the folder with the class folders
    columns: tuple[str, ...] = ()  # its columns (or keys), as written
    file_column: str = ""
    label_columns: tuple[str, ...] = ()  # one, or one per class (one-hot)
    split_column: str = ""
    class_folders: tuple[str, ...] = ()
    unlabelled_folders: tuple[str, ...] = ()  # of images without a class, such as `no_label`
    split_folders: tuple[str, ...] = ()
    ignored_folders: tuple[str, ...] = ()  # other folders beside splits
    format: str = ""  # of the file, such as COCO; empty for tables and folders
    marked: int = 0  # images with boxes or shapes not used as labels
    is_from_marks: bool = False  # the classes of boxes or shapes were used as labels of their images
    has_only_marks: bool = False  # only boxes or shapes, and the user has not decided about their classes
    found_elsewhere: int = 0  # images found by name in other folders than those in the file
    found_by_number: int = 0  # images found by the number in their name alone (`0007` for `7.jpg`)
    ambiguous: int = 0  # names of several images, without a sign which is meant
    joined: tuple[Path, ...] = ()  # further files, of names of classes or with columns for the same images
    alternatives: tuple[str, ...] = ()  # further columns that may give the label, best first
    other_images: tuple[str, ...] = ()  # further columns of images, which get no class
    is_submission: bool = False  # it looks like a form for predictions: by its name, or one label for all test images
    separator: str = ""  # of several classes in one cell, where cells of this table were divided
    unread: tuple[str, ...] = ()  # unread files with possible labels
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
    """The user's choice of what gives the labels; empty for automatic detection."""

    table: str = ""  # path of a table within the source, with `/`; needed where several tables lie there
    file: str = ""  # its column (or field) that names the images
    label: str = ""  # its column (or field) with the class
    class_folder: int = 0  # level of the folders that are classes: 1 lies in the source, -1 holds the images; 0: none
    name_part: int | None = None  # part of the file names: from 1 on, -1 is the last; 0 is the words beside the numbers
    separator: str = ""  # between several classes in a cell, or in the name of a folder
    is_unlabelled: bool = False  # the images are imported without labels
    takes_marks: bool = False  # the class of every box or shape is a label of the image

    @property
    def is_of_table(self) -> bool:
        """Whether the columns of a table were chosen."""
        return bool(self.table or self.file or self.label)


AUTOMATIC_CHOICE = LabelChoice()


@dataclass(frozen=True)
class ImageTable:
    """The images of a source with their labels: one way to understand it, which an import commits as it is."""

    HIDDEN: ClassVar = ("rows", "skipped", "unreadable", "declared", "interpretations", "label_files")
    COMPUTED_FIELDS: ClassVar = ("classes", "unlabelled", "class_splits")

    rows: tuple[ImportRow, ...]
    skipped: tuple[RejectedFile, ...] = ()
    unreadable: tuple[RejectedFile, ...] = ()
    declared: tuple[ClassLook, ...] = ()  # classes that the source lists, also without images
    interpretations: tuple[Interpretation, ...] = ()
    label_files: tuple[Path, ...] = ()  # further label files
    title: Message = Message("")
    evidence: Message = Message("")  # counts for and against it, as sentences
    is_sure: bool = False  # imported without the user's choice if it is the first
    choice: LabelChoice = AUTOMATIC_CHOICE  # the choice that gives the same labels, else automatic

    @cached_property
    def _paths(self) -> dict[str, dict[str, list[Path]]]:
        """The possible images by class and split; both are empty for none."""
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
        """{class: its images}, before any file is opened."""
        return {name: count for name, count in self._counts.items() if name}

    @property
    def unlabelled(self) -> int:
        """The number of images without a class."""
        return self._counts.get("", 0)

    @property
    def class_splits(self) -> dict[str, dict[str, int]]:
        """{class, empty for none: {split: its images}}, without images that have no split."""
        return {
            name: {split: len(paths) for split, paths in splits.items() if split}
            for name, splits in self._paths.items()
        }

    def examples(self) -> dict[str, dict[str, tuple[Path, ...]]]:
        """Return {class: {split: a few images}} of the first 1,000 classes; both are empty for none."""
        count = _EXAMPLES if self.classes else _UNLABELLED_EXAMPLES
        shown = islice(self._paths.items(), _MAX_EXAMPLE_CLASSES)
        return {name: {split: _spread(splits[split], count) for split in sorted(splits)} for name, splits in shown}


def _spread(paths: Sequence[Path], count: int) -> tuple[Path, ...]:
    """Return at most `count` paths at equal distances: neighbors in a folder are often of one series."""
    count = min(len(paths), count)
    return tuple(paths[place * len(paths) // count] for place in range(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options of reading a label file."""

    is_multi_label: bool = False  # an image may have several classes
    is_confined: bool = False  # file names must not lead out of its folder: it came from an archive
    image_folders: Sequence[Path] = ()  # further folders for file names, also outside of the file's own
    index: ImageIndex | None = None  # of the whole source, shared by its readers
    choice: LabelChoice = AUTOMATIC_CHOICE


DEFAULT_OPTIONS = ReadOptions()


_MAX_NAMED_FILES = 6  # names in a note


def notes_on(interpretations: Iterable[Interpretation]) -> list[Message]:
    """Return the notes on the interpretations of a source, each once."""
    return list(dict.fromkeys(note for each in interpretations for note in (*_label_notes(each), *_file_notes(each))))


def _label_notes(each: Interpretation) -> Iterator[Message]:
    """Yield the notes on what gives labels and splits."""
    count = each.marked
    if each.format:
        yield Message("{file} is read as {format}.", file=each.file.name, format=each.format)
    if each.is_from_marks:
        yield Message("Every class that is marked in an image is a label of it.")
    elif each.has_only_marks:
        yield Message("Images with boxes or shapes, and no class as a whole: {count}.", count=count)
    elif each.marked:
        yield Message("Images with boxes or shapes, whose classes are not taken: {count}.", count=count)
    elif each.columns and not each.label_columns:
        yield Message("No column gives the class.")
    if each.split_column:
        yield Message("“{name}” gives the splits.", name=each.split_column)
    if each.unlabelled_folders:
        names = listed(each.unlabelled_folders, _MAX_NAMED_FILES)
        yield Message("Images in the folders {names} have no class.", names=names)


def _file_notes(each: Interpretation) -> Iterator[Message]:
    """Yield the notes on joined files and columns, on images found by their names, and on what is not used."""
    if each.joined:
        names = listed([path.name for path in each.joined], _MAX_NAMED_FILES)
        yield Message("{file} is joined with {names}.", file=each.file.name, names=names)
    if each.other_images:
        yield Message("Images in the columns {names} get no class.", names=listed(each.other_images, _MAX_NAMED_FILES))
    if each.separator:
        yield Message("In a cell, “{sign}” separates several classes.", sign=each.separator)
    if each.found_elsewhere:
        yield Message("Images found by name in another folder: {count}.", count=each.found_elsewhere)
    if each.found_by_number:
        yield Message("Images found by the number that their name contains: {count}.", count=each.found_by_number)
    if each.ambiguous:
        yield Message("Names of several images, which get no class: {count}.", count=each.ambiguous)
    if each.unread:
        yield Message("Not used, though they may hold labels: {names}.", names=listed(each.unread, _MAX_NAMED_FILES))


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
    """Return the choice that options give; as `LabelChoice`, with None or an empty text for an option not given.

    Args:
        spelled: Returns the name of an option as the user writes it, for errors.

    Raises:
        VisionFTError: Options contradict each other.
    """
    if class_folder == 0:
        raise VisionFTError("There is no folder level 0.", "Level 1 lies in the source; -1 holds the images.")
    ways = {
        "class_folder": class_folder is not None,
        "name_part": name_part is not None,
        "label_column": bool(label_column),
        "from_boxes": from_boxes,
        "without_labels": without_labels,
    }
    given = [option for option, is_given in ways.items() if is_given]
    of_table = [option for option, value in (("table", table), ("file_column", file_column)) if value]
    *others, last = map(spelled, ways)
    hint = Message("Give one of {options} and {last}.", options=", ".join(others), last=last)
    if len(given) > 1:
        raise _contradiction(given[0], given[1], spelled, hint)
    if of_table and given and given[0] in ("class_folder", "name_part"):
        raise _contradiction(given[0], of_table[0], spelled, hint)
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
