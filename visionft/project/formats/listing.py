"""What a source of pictures offers, as plain data: files with their labels, what was passed over, how it was read."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from visionft.data.types import Split
from visionft.project.formats.labels_file import ClassLook

UNASSIGNED_FOLDER = "unassigned"
SPLIT_WORDS: dict[str, Split | None] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    UNASSIGNED_FOLDER: None,
}
# Words beside a split's in the names of folders and files: `training_set`, `seg_train`, `train_labels.csv`.
_BESIDE_A_SPLIT = (
    "annotation", "annotations", "class", "classes", "coco", "data", "dataset", "file", "files", "image", "images",
    "img", "imgs", "info", "instances", "label", "labels", "list", "metadata", "obj", "pics", "pictures", "photos",
    "seg", "set", "split",
)  # fmt: skip
_YEAR = re.compile(r"(?<=[a-z])(19|20)\d\d$")  # `train2017`


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file or folder that was not imported, and why. `path` can be printed as it is."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may be a picture, and what its source says of it.

    Attributes:
        name: Its POSIX path within the source.
        sha256: The content the source claims, which finds the picture in the project when the file is not there.
    """

    path: Path
    name: str
    labels: tuple[str, ...] = ()
    split: Split | None = None
    tags: tuple[str, ...] = ()
    review: str | None = None
    note: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpretation:
    """How a source was read, for the person who wonders where a label is.

    Attributes:
        file: The label file, or the folder whose sub-folders were read.
        columns: The columns (or keys) that it has, as written; empty for folders.
        file_column: The one that names the pictures.
        label_columns: Those that give classes: one, or one per class (one-hot).
        split_column: The one that gives splits.
        class_folders: Folders whose names became classes.
        unlabelled_folders: Folders whose names say that their pictures have no class, such as `no_label`.
        split_folders: Folders whose names became splits.
        ignored_folders: Folders beside splits that are neither.
        format: What the file is, where that is no table, such as COCO; empty for tables and folders.
        marked: Pictures in which boxes or shapes are marked, whose classes were not taken as labels.
        is_from_marks: The classes of boxes or shapes were taken: each that is marked in a picture is a label of it.
        has_only_marks: Boxes or shapes are all that the file has, and nobody said whether their classes are labels.
        found_elsewhere: Pictures that were found by their names, in other folders than the file says.
        separator: What stands between several classes in one cell, where cells of this table were divided.
        unread: Files that lie there, may hold labels, and were not read.
        foreign: The tool whose label files lie there and are not read; empty for none.
        is_unlabelled_by_choice: The user said that there are no labels to be taken.
    """

    file: Path
    columns: tuple[str, ...] = ()
    file_column: str = ""
    label_columns: tuple[str, ...] = ()
    split_column: str = ""
    class_folders: tuple[str, ...] = ()
    unlabelled_folders: tuple[str, ...] = ()
    split_folders: tuple[str, ...] = ()
    ignored_folders: tuple[str, ...] = ()
    format: str = ""
    marked: int = 0
    is_from_marks: bool = False
    has_only_marks: bool = False
    found_elsewhere: int = 0
    separator: str = ""
    unread: tuple[str, ...] = ()
    foreign: str = ""
    is_unlabelled_by_choice: bool = False

    @property
    def unused_columns(self) -> tuple[str, ...]:
        """The columns that were not used as file name, label or split."""
        used = {self.file_column, self.split_column, *self.label_columns}
        return tuple(column for column in self.columns if column not in used)

    @property
    def lacks_labels(self) -> bool:
        """Whether a table has columns that might give labels, and none was taken as such."""
        return bool(self.unused_columns) and not (self.label_columns or self.is_unlabelled_by_choice)


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything found in a source: what may be pictures, what was passed over, what could not be listed.

    Attributes:
        label_files: The files that the labels were read from, besides the one that was asked for.
    """

    files: tuple[SourceFile, ...]
    skipped: tuple[Rejected, ...] = ()
    unreadable: tuple[Rejected, ...] = ()
    classes: tuple[ClassLook, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()
    label_files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnChoice:
    """What the user says of a label file's columns (or fields); empty where the program should find it out.

    Attributes:
        file: The column that names the pictures.
        label: The column that gives the class.
        is_unlabelled: No column gives a class: the pictures come in without labels.
        takes_marks: Every class that is marked with a box or a shape is a label of the picture.
    """

    file: str = ""
    label: str = ""
    is_unlabelled: bool = field(default=False)
    takes_marks: bool = field(default=False)


AUTOMATIC = ColumnChoice()


def is_split_name(name: str) -> bool:
    """Say whether a folder or file is named after a split: `train`, `Validation`, `training_set`, `seg_test`."""
    return _split_word(name) is not None


def split_of(name: str) -> Split | None:
    """Return the split that a name means; None for no split, and for the folder of unassigned pictures."""
    word = _split_word(name)
    return SPLIT_WORDS[word] if word else None


def _split_word(name: str) -> str | None:
    parts = (_YEAR.sub("", part) for part in re.split(r"[\W_]+", name.casefold()))
    words = [word for word in parts if word and word not in _BESIDE_A_SPLIT]
    return words[0] if len(words) == 1 and words[0] in SPLIT_WORDS else None
