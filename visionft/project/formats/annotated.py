"""What label files of other tools say, in one form: labels of whole pictures, and classes that are marked inside them.

A box or a shape is no label of the picture: its class becomes one only when the user says so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from visionft.data.types import Split
from visionft.errors import ProjectError
from visionft.foreign_text import printable
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import (
    ColumnChoice,
    Interpretation,
    Listing,
    Rejected,
    SourceFile,
    is_split_name,
    split_of,
)
from visionft.project.formats.locating import PictureFinder


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """What a label file says of one picture.

    Attributes:
        name: As the file writes it.
        place: Where in the file that stands.
        labels: Of the whole picture.
        marked: Classes of boxes and shapes in it.
    """

    name: str
    place: str
    labels: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    split: Split | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Which of a file's fields were taken as what, where it has several; see `Interpretation`."""

    columns: tuple[str, ...] = ()
    file: str = ""
    labels: tuple[str, ...] = ()
    split: str = ""


def attempt(file: Path, place: str, read: Callable[[], Annotated]) -> Annotated | Rejected:
    """Return what an entry says of its picture, or why it says nothing (`read` raises a ValueError)."""
    try:
        return read()
    except ValueError as error:
        return rejected(file, place, str(error))


def rejected(file: Path, place: str, reason: str) -> Rejected:
    """Return an entry that cannot be used."""
    return Rejected(f"{printable(file)}: {place}", reason)


def annotated_listing(
    file: Path,
    title: str,
    entries: Iterable[Annotated | Rejected],
    *,
    finder: PictureFinder,
    choice: ColumnChoice,
    classes: Sequence[ClassLook] = (),
    fields: Fields | None = None,
    label_files: Sequence[Path] = (),
) -> Listing:
    """Find the pictures of a label file's entries.

    Args:
        file: The label file, or the folder of those with one for each picture.
        title: What its format is called.
        entries: What it says, or why an entry of it says nothing.
        finder: Knows where pictures lie.
        choice: What the user says.
        classes: Those that the file declares, in its order; they come in also where no picture has them.
        fields: What was taken as what.
        label_files: See `Listing`.
    """
    files: list[SourceFile] = []
    unusable: list[Rejected] = []
    marked = 0
    for entry in entries:
        if isinstance(entry, Rejected):
            unusable.append(entry)
            continue
        marked += bool(entry.marked)
        labels = entry.labels + (entry.marked if choice.takes_marks else ())
        try:
            path = finder.find(entry.name)
        except ValueError as error:
            unusable.append(rejected(file, entry.place, str(error)))
            continue
        labels = () if choice.is_unlabelled else tuple(dict.fromkeys(labels))
        files.append(SourceFile(path, entry.name, labels, entry.split, tuple(dict.fromkeys(entry.tags))))
    files, found_elsewhere = finder.settled(files)
    taken = fields or Fields()
    is_open = not (choice.is_unlabelled or choice.takes_marks or len(taken.columns) > 1)
    interpretation = Interpretation(
        file=file,
        format=title,
        columns=taken.columns,
        file_column=taken.file,
        label_columns=taken.labels,
        split_column=taken.split,
        marked=0 if choice.takes_marks else marked,
        is_from_marks=choice.takes_marks and marked > 0,
        has_only_marks=is_open and marked > 0 and not any(each.labels for each in files),
        found_elsewhere=found_elsewhere,
        is_unlabelled_by_choice=choice.is_unlabelled,
    )
    declared = () if choice.is_unlabelled or interpretation.has_only_marks else tuple(classes)
    return Listing(
        tuple(files),
        unreadable=tuple(unusable),
        classes=declared,
        interpretations=(interpretation,),
        label_files=tuple(label_files),
    )


def an_object(value: Any) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ValueError: It is something else.
    """
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return cast("dict[str, Any]", value)


def objects(values: Iterable[Any]) -> list[dict[str, Any]]:
    """Return those that are JSON objects."""
    return [cast("dict[str, Any]", value) for value in values if isinstance(value, dict)]


def a_list(value: Any) -> list[Any]:
    """Return a JSON array; an empty one for null.

    Raises:
        ValueError: It is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("not a JSON array")
    return cast("list[Any]", value)


def a_name(value: Any) -> str:
    """Return the name of a class or a file; a number may be one.

    Raises:
        ValueError: It is none.
    """
    if value is None:
        raise ValueError("a name is missing")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise ValueError(f"{value!r} is not a name")
    return str(value).strip()


def a_split(value: Any) -> Split | None:
    """Return the split that a value names; None where it names none."""
    return split_of(value) if isinstance(value, str) and is_split_name(value) else None


def entries_of(file: Path, title: str, value: Any) -> list[Any]:
    """Return the entries of a file that is one array.

    Raises:
        ProjectError: It is none.
    """
    try:
        return a_list(value)
    except ValueError as error:
        raise no_such_file(file, title) from error


def no_such_file(file: Path, title: str) -> ProjectError:
    """Return the error for a file that has not the shape of its format."""
    return ProjectError(f"{file} is no {title} file.", "Export it again, or choose another format.")
