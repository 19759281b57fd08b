"""Common form of the label files of other tools: labels of whole images, and classes of boxes and shapes.

The class of a box or a shape is no label of the image unless the user chooses so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from visionft.core.foreign_text import printable
from visionft.data.types import Split
from visionft.project.formats.image_table import (
    ImageTable,
    ImportRow,
    Interpretation,
    LabelChoice,
    ReadOptions,
    RejectedFile,
)
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.locating import ImageFinder
from visionft.project.formats.whole_files import MemoryLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnnotation:
    """The entry of a label file for one image."""

    name: str  # as written in the file
    labels: tuple[str, ...] = ()  # of the whole image
    marked: tuple[str, ...] = ()  # classes of its boxes and shapes
    split: Split | None = None
    tags: tuple[str, ...] = ()
    place: str = ""  # position of the entry in the file, for errors; set by `attempt`


Entry = ImageAnnotation | RejectedFile


def attempt(file: Path, place: str, read: Callable[[], ImageAnnotation]) -> Entry:
    """Return the parsed entry of an image, or a rejection with the reason (`read` raises a ValueError)."""
    try:
        return replace(read(), place=place)
    except ValueError as error:
        return rejected(file, place, str(error))


def parse_entries(
    file: Path, array: str, values: Iterable[Any], parse: Callable[[Any], ImageAnnotation]
) -> list[Entry]:
    """Return the parsed entries, or rejections, of a JSON array called `array`."""
    return [attempt(file, f"{array}[{number}]", partial(parse, value)) for number, value in enumerate(values)]


def rejected(file: Path, place: str, reason: str) -> RejectedFile:
    """Return a rejected entry with its reason."""
    return RejectedFile(f"{printable(file)}: {place}", reason)


def annotated_table(
    file: Path,
    title: str,
    entries: Iterable[Entry],
    options: ReadOptions,
    *,
    finder: ImageFinder | None = None,
    classes: Sequence[ClassLook] = (),
    fields: Interpretation | None = None,
    label_files: Sequence[Path] = (),
) -> ImageTable:
    """Return the image table of the entries of a label file, or of a folder of label files.

    Args:
        title: The title of the format.
        finder: Locates the images; by default in the file's folder and the folders beside it.
        classes: The classes declared in the file, imported even without images.
        fields: The interpretation of a file with several candidates for the label.
    """
    finder = finder or ImageFinder.of(file, options)
    choice = options.choice
    rows: list[ImportRow] = []
    rejected_entries: list[RejectedFile] = []
    marked_count = 0
    memory = MemoryLimit(file)
    for entry in entries:
        marked_count += isinstance(entry, ImageAnnotation) and bool(entry.marked)
        located = _located(file, entry, finder, choice)
        if isinstance(located, ImportRow):
            rows.append(located)
        else:
            rejected_entries.append(located)
        memory.add_entry(located)
    rows, found_elsewhere = finder.correct_guesses(rows)
    fields = fields or Interpretation(file=file)
    is_open = not (choice.is_unlabelled or choice.takes_marks or len(fields.columns) > 1)
    interpretation = replace(
        fields,
        format=title,
        marked=0 if choice.takes_marks else marked_count,
        is_from_marks=choice.takes_marks and marked_count > 0,
        has_only_marks=is_open and marked_count > 0 and not any(row.labels for row in rows),
        found_elsewhere=found_elsewhere,
        found_by_number=finder.by_number,
        ambiguous=finder.ambiguous,
        is_unlabelled_by_choice=choice.is_unlabelled,
    )
    declared = () if choice.is_unlabelled or interpretation.has_only_marks else tuple(classes)
    return ImageTable(
        tuple(rows),
        unreadable=tuple(rejected_entries),
        declared=declared,
        interpretations=(interpretation,),
        label_files=tuple(label_files),
    )


def _located(file: Path, entry: Entry, finder: ImageFinder, choice: LabelChoice) -> ImportRow | RejectedFile:
    """Return the image of an entry with its chosen labels; a rejection for a name without a usable path."""
    if isinstance(entry, RejectedFile):
        return entry
    try:
        path = finder.find(entry.name)
    except ValueError as error:
        return rejected(file, entry.place, str(error))
    labels = entry.labels + (entry.marked if choice.takes_marks else ())
    labels = () if choice.is_unlabelled else tuple(dict.fromkeys(labels))
    return ImportRow(path, entry.name, labels, entry.split, tuple(dict.fromkeys(entry.tags)))
