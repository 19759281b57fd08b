"""Read tables of images: which rows name images, with the labels, splits and notes of each.

An unusable row is listed with its line and reason; the others are imported. The meaning of columns is decided in
`columns.py`, and recorded in the listing's `Interpretation`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from models.messages import Message
from visionft.errors import NextStep, ProjectError
from visionft.files import is_file
from visionft.project.formats.cells import is_number, separator_in
from visionft.project.formats.class_names import are_ids, class_names_for, name_of
from visionft.project.formats.columns import Columns, recognise, shown_titles
from visionft.project.formats.image_rows import read_rows
from visionft.project.formats.label_columns import label_of_parts
from visionft.project.formats.labels_file import classes_file, read_classes_file
from visionft.project.formats.listing import (
    AUTOMATIC,
    DEFAULTS,
    Interpretation,
    LabelChoice,
    Listing,
    ReadOptions,
    SourceFile,
)
from visionft.project.formats.locating import ImageFinder, data_folder
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.tables import Row, Table, open_table, table_of

_MAX_COLUMNS = 50_000  # one-hot columns of the 21,841 classes of ImageNet-21k fit
_LEAST_PIXELS = 64  # numbers in a row that are rather pixels: 784 of the Digit Recognizer, 64 of 8 x 8 digits
_OF_FOLDERS = 200  # rows whose folders tell whether a table is of test images
_SUBMISSION = re.compile(r"(?i)submi(ssion|t)")  # `sample_submission.csv` of Kaggle


def read_table(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    """List the images of a table, in a file of any kind that `tables.py` opens.

    A table has a column of names of images with one of labels, or with one yes/no column per class. Several labels in
    one cell are an array, or stand between signs. Raises a `ProjectError`: it is no table, or no column names images.
    """
    finder = ImageFinder.of(file, options)
    with closing(open_table(file, finder)) as table:
        return listing_of_table(table, finder, options.choice)


def listing_of_rows(
    file: Path, titles: Sequence[str], rows: Iterator[tuple[int, Row]], finder: ImageFinder, choice: LabelChoice
) -> Listing:
    """Return the listing of rows by title, as `listing_of_table`."""
    return listing_of_table(table_of(file, titles, rows), finder, choice)


def listing_of_table(
    table: Table, finder: ImageFinder, choice: LabelChoice = AUTOMATIC, *, joined: Sequence[Path] = ()
) -> Listing:
    """Return the listing of a table's images; a `ProjectError` where no column names images.

    It has no interpretation where all rows of the sample are malformed.
    """
    file = table.file
    columns, part = _columns_of(table, finder, choice)
    rows = read_rows(table, columns, finder, part)
    files, found_elsewhere = finder.settled(rows.files)
    files, names_file = _with_class_names(files, columns, file, finder.root)
    listing = Listing(tuple(files), unreadable=tuple(rows.rejected), classes=read_classes_file(classes_file(file)))
    if not columns.file:
        return listing
    interpretation = replace(
        _interpretation(table, columns, choice),
        found_elsewhere=found_elsewhere,
        found_by_number=finder.by_number,
        ambiguous=finder.ambiguous,
        joined=(*joined, *([names_file] if names_file else [])),
        is_submission=_is_submission(file, files),
    )
    interpretation = _with_marks(interpretation, rows.marked, is_used=choice.takes_marks and bool(part))
    return replace(listing, interpretations=(interpretation,))


def _columns_of(table: Table, finder: ImageFinder, choice: LabelChoice) -> tuple[Columns, str]:
    """Return the meaning of the columns, and the title with the class of a part of an image; empty for none."""
    if len(table.titles) > _MAX_COLUMNS:
        raise ProjectError(
            Message(
                "{file} has {columns} columns (at most {limit} are read).",
                file=table.file,
                columns=f"{len(table.titles):,}",
                limit=f"{_MAX_COLUMNS:,}",
            ),
            "Divide it.",
        )
    columns = recognise(table.titles, table.good, choice, images=finder)
    if columns is None and table.good:
        raise _no_names(table, finder)
    if columns is None:
        return Columns(titles=table.titles, file="", own={}), ""
    part = label_of_parts(table.parts, table.good)
    if columns.is_of_parts and not part:
        part = next(iter(columns.labels), "")
        columns = replace(columns, labels=(), classes=())
    if choice.takes_marks and part:
        columns = replace(columns, labels=(part,), classes=(), signs=())
    return columns, part


def _interpretation(table: Table, columns: Columns, choice: LabelChoice) -> Interpretation:
    """Return the interpretation of the columns for a person."""
    cells = [str(row.get(columns.labels[0]) or "") for row in table.good] if columns.signs and columns.labels else []
    return Interpretation(
        file=table.file,
        columns=tuple(title for title in columns.titles if title not in columns.own.values()),
        file_column=columns.file,
        label_columns=columns.labels or columns.classes,
        split_column=columns.split,
        separator=next((sign for cell in cells if (sign := separator_in(cell, columns.signs))), ""),
        alternatives=columns.alternatives,
        other_images=columns.other_images,
        is_unlabelled_by_choice=choice.is_unlabelled,
    )


def _with_marks(found: Interpretation, marked: int, *, is_used: bool) -> Interpretation:
    """Return an interpretation with the number of rows that give the class of a part of an image."""
    if is_used:
        return replace(found, is_from_marks=True)
    is_all = bool(marked) and not (found.label_columns or found.is_unlabelled_by_choice)
    return replace(found, marked=marked, has_only_marks=is_all)


def _no_names(table: Table, finder: ImageFinder) -> ProjectError:
    """Return the error for a table without names of images."""
    file, first = table.file, table.good[0]
    numbers = sum(is_number(str(cell)) for cell in first.values())
    if len(table.titles) >= _LEAST_PIXELS and numbers > 0.9 * len(first):
        message = Message(
            "{file} holds {count} numbers in a row, perhaps the pixels of an image, and no names.",
            file=file,
            count=f"{numbers:,}",
        )
        return ProjectError(message, "Save the images as files, such as PNG, in a folder for each class.")
    message = Message(
        "{file} names no image that is in {folder}. Its columns are: {titles}.",
        file=file,
        titles=shown_titles(table.titles),
        folder=finder.root,
    )
    step = NextStep("import_unlabelled", path=finder.root)
    hint = "Put it beside the images, with a column “file_name” of their names; or import the images without labels."
    return ProjectError(message, hint, step)


def _with_class_names(
    files: list[SourceFile], columns: Columns, table: Path, root: Path
) -> tuple[list[SourceFile], Path | None]:
    """Return the entries with the names of their class ids, and the file beside the table that gives these, if any."""
    around = [table.parent, root, table.parent.parent, table.parent.parent / "metadata"]
    folders = [folder for folder in around if folder.is_relative_to(root) or folder == data_folder(table)]
    ids = {label for file in files for label in file.labels}
    found = class_names_for(ids, folders, without={table}) if not columns.own and are_ids(ids) else None
    if found is None:
        return files, None
    names, place = found
    return [replace(file, labels=tuple(name_of(each, names) for each in file.labels)) for file in files], place


def _is_submission(file: Path, files: Sequence[SourceFile]) -> bool:
    """Return whether a table is a form for predictions: by its name, or with one label for all of a test folder."""
    if _SUBMISSION.search(file.stem):
        return True
    labels = {each.labels for each in files}
    if len(files) < 2 or len(labels) > 1 or labels == {()}:
        return False
    there = [
        each.path.parent.name for each in files[:_OF_FOLDERS] if is_file(each.path) and each.path.parent != file.parent
    ]
    return bool(there) and all(is_split_name(name) and split_of(name) == "test" for name in there)
