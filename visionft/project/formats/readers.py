"""Read image tables: the images named by the rows, with their labels, splits and notes.

Unusable rows are recorded with line and reason; the others are imported. `columns.py` recognises the columns, and the
`Interpretation` of the image table records them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from visionft.core.errors import NextStep, ProjectError
from visionft.core.files import is_file
from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.project.formats.cells import is_number, is_yes, names_in, separator_in
from visionft.project.formats.class_names import are_ids, find_class_names, name_of
from visionft.project.formats.columns import Columns, name_in, recognise_columns, titles_text
from visionft.project.formats.image_table import (
    AUTOMATIC_CHOICE,
    DEFAULT_OPTIONS,
    ImageTable,
    ImportRow,
    Interpretation,
    LabelChoice,
    ReadOptions,
    RejectedFile,
)
from visionft.project.formats.label_columns import find_part_label_column
from visionft.project.formats.labels_file import classes_file, read_classes_file
from visionft.project.formats.locating import AmbiguousNameError, ImageFinder, data_folder
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.tables import Row, SourceTable, open_table, table_of
from visionft.project.formats.whole_files import MemoryLimit

_MIN_PIXELS = 64  # numeric columns of a table of pixels: 784 of the Digit Recognizer, 64 of 8 x 8 digits
_FOLDER_ROWS = 200  # rows whose folders are checked for test images
_SUBMISSION = re.compile(r"(?i)submi(ssion|t)")  # `sample_submission.csv` of Kaggle
_ABSENT_VERDICTS = ("0", "0.0", "reject", "ignore")  # `Confidence` of Open Images, answers of Prodigy
_SHA256 = re.compile("[0-9a-f]{64}")


def read_table(file: Path, options: ReadOptions = DEFAULT_OPTIONS) -> ImageTable:
    """List the images of a table in any format of `tables.py`.

    A table has a column of image names, and a label column or a yes/no column per class. Several labels in a cell are
    an array, or have separators.

    Raises:
        ProjectError: The file is no table, or no column has image names.
    """
    finder = ImageFinder.of(file, options)
    with closing(open_table(file, finder)) as table:
        return image_table_of(table, finder, options.choice)


def image_table_of_rows(
    file: Path, titles: Sequence[str], rows: Iterator[tuple[int, Row]], finder: ImageFinder, choice: LabelChoice
) -> ImageTable:
    """Return the image table of rows by title, as `image_table_of` does."""
    return image_table_of(table_of(file, titles, rows), finder, choice)


def image_table_of(table: SourceTable, finder: ImageFinder, choice: LabelChoice = AUTOMATIC_CHOICE) -> ImageTable:
    """Return the image table of a source table; a `ProjectError` if no column has image names.

    It has no interpretation if all sample rows are malformed.
    """
    file = table.file
    columns, part = _columns_of(table, finder, choice)
    rows = read_rows(table, columns, finder, part)
    files, found_elsewhere = finder.correct_guesses(rows.files)
    files, names_file = _with_class_names(files, columns, file, finder.root)
    image_table = ImageTable(
        tuple(files), unreadable=tuple(rows.rejected), declared=read_classes_file(classes_file(file))
    )
    if not columns.file:
        return image_table
    interpretation = replace(
        _interpretation(table, columns, choice),
        found_elsewhere=found_elsewhere,
        found_by_number=finder.by_number,
        ambiguous=finder.ambiguous,
        joined=(names_file,) if names_file else (),
        is_submission=_is_submission(file, files),
    )
    interpretation = _with_marks(interpretation, rows.marked, is_used=choice.takes_marks and bool(part))
    return replace(image_table, interpretations=(interpretation,))


def _columns_of(table: SourceTable, finder: ImageFinder, choice: LabelChoice) -> tuple[Columns, str]:
    """Return the recognised columns, and the title with the classes of image parts, if any."""
    columns = recognise_columns(table.titles, table.good, choice, images=finder)
    if columns is None and table.good:
        raise _no_names_error(table, finder)
    if columns is None:
        return Columns(titles=table.titles, file="", exported={}), ""
    part = find_part_label_column(table.parts, table.good)
    if columns.is_of_parts and not part:
        part = next(iter(columns.labels), "")
        columns = replace(columns, labels=(), classes=())
    if choice.takes_marks and part:
        columns = replace(columns, labels=(part,), classes=(), separators=())
    return columns, part


def _interpretation(table: SourceTable, columns: Columns, choice: LabelChoice) -> Interpretation:
    """Return the interpretation of the columns, to show to the user."""
    cells = (
        [str(row.get(columns.labels[0]) or "") for row in table.good] if columns.separators and columns.labels else []
    )
    return Interpretation(
        file=table.file,
        columns=tuple(title for title in columns.titles if title not in columns.exported.values()),
        file_column=columns.file,
        label_columns=columns.labels or columns.classes,
        split_column=columns.split,
        separator=next((separator for cell in cells if (separator := separator_in(cell, columns.separators))), ""),
        alternatives=columns.alternatives,
        other_images=columns.other_images,
        is_unlabelled_by_choice=choice.is_unlabelled,
    )


def _with_marks(interpretation: Interpretation, marked: int, *, is_used: bool) -> Interpretation:
    """Return the interpretation with the number of rows that label image parts."""
    if is_used:
        return replace(interpretation, is_from_marks=True)
    is_all = bool(marked) and not (interpretation.label_columns or interpretation.is_unlabelled_by_choice)
    return replace(interpretation, marked=marked, has_only_marks=is_all)


def _no_names_error(table: SourceTable, finder: ImageFinder) -> ProjectError:
    """Return the error for a table without image names."""
    file, first = table.file, table.good[0]
    numbers = sum(is_number(str(cell)) for cell in first.values())
    if len(table.titles) >= _MIN_PIXELS and numbers > 0.9 * len(first):
        message = Message(
            "{file} holds {count} numbers in a row, perhaps the pixels of an image, and no names.",
            file=file,
            count=f"{numbers:,}",
        )
        return ProjectError(message, "Save the images as files, such as PNG, in a folder for each class.")
    message = Message(
        "{file} names no image that is in {folder}. Its columns are: {titles}.",
        file=file,
        titles=titles_text(table.titles),
        folder=finder.root,
    )
    step = NextStep("import_unlabelled", path=finder.root)
    hint = "Put it beside the images, with a column “file_name” of their names; or import the images without labels."
    return ProjectError(message, hint, step)


def _with_class_names(
    rows: list[ImportRow], columns: Columns, table: Path, root: Path
) -> tuple[list[ImportRow], Path | None]:
    """Return the rows with class names in place of class ids, and the file with the names, if any."""
    nearby = [table.parent, root, table.parent.parent, table.parent.parent / "metadata"]
    folders = [folder for folder in nearby if folder.is_relative_to(root) or folder == data_folder(table)]
    ids = {label for row in rows for label in row.labels}
    names_and_file = (
        find_class_names(ids, folders, excluded_files={table}) if not columns.exported and are_ids(ids) else None
    )
    if names_and_file is None:
        return rows, None
    names, names_file = names_and_file
    return [replace(row, labels=tuple(name_of(label, names) for label in row.labels)) for row in rows], names_file


def _is_submission(file: Path, rows: Sequence[ImportRow]) -> bool:
    """Return whether a table is a form for predictions: by its name, or because all test images have one label."""
    if _SUBMISSION.search(file.stem):
        return True
    labels = {row.labels for row in rows}
    if len(rows) < 2 or len(labels) > 1 or labels == {()}:
        return False
    folder_names = [
        row.path.parent.name for row in rows[:_FOLDER_ROWS] if is_file(row.path) and row.path.parent != file.parent
    ]
    return bool(folder_names) and all(is_split_name(name) and split_of(name) == "test" for name in folder_names)


# ----------------------------------------------------------------------------------------------------------------------
# Rows of the image table, or rejections with the reason.


@dataclass(slots=True)
class ImageRows:
    """The images of a table, and its rejected rows."""

    files: list[ImportRow] = field(default_factory=list[ImportRow])
    rejected: list[RejectedFile] = field(default_factory=list[RejectedFile])
    marked: int = 0  # number of rows with the class of an image part


def read_rows(table: SourceTable, columns: Columns, finder: ImageFinder, part: str) -> ImageRows:
    """Return the images of all rows; `part` is the title with the classes of image parts, or empty."""
    images = ImageRows()
    memory = MemoryLimit(table.file)
    for line, row in table.rows:
        try:
            for file in _files_of(row, columns, finder):
                images.files.append(file)
                memory.add_entry(file)
            images.marked += bool(part and isinstance(row, dict) and row.get(part))
        except ValueError as error:
            images.rejected.append(_rejected(table.file, line, error))
            memory.add_entry(images.rejected[-1])
    if columns.verdict:
        images.files = _of_present_classes(images.files)
    return images


def _files_of(row: Row, columns: Columns, finder: ImageFinder) -> Iterator[ImportRow]:
    """Yield the image of a row, and its further views."""
    if isinstance(row, str):
        raise ValueError(row)
    yield _image_row(row, columns, finder)
    for title in columns.views:
        if row.get(title):
            yield _image_row(row, replace(columns, file=title), finder)


def _rejected(file: Path, line: int, error: ValueError) -> RejectedFile:
    return RejectedFile(f"{printable(file)}:{line}", str(error))


def _of_present_classes(rows: list[ImportRow]) -> list[ImportRow]:
    """Return the rows with a label; an image without any label keeps its rows."""
    labelled_paths = {row.path for row in rows if row.labels}
    return [row for row in rows if row.labels or row.path not in labelled_paths]


def _image_row(row: dict[str, Any], columns: Columns, finder: ImageFinder) -> ImportRow:
    """Return the located image of a row."""
    own_cells = {key: row.get(title) for key, title in columns.exported.items()}
    name = _name_of(row, columns)
    split = _split_of(row, columns)
    review = _review_of(own_cells)
    labels = _labels_of(row, columns)
    sha256 = _sha256_of(own_cells)
    try:
        path = finder.find(name)
    except AmbiguousNameError as error:
        if not sha256:
            raise
        path = error.meant
    return ImportRow(
        path=path,
        name=name,
        labels=labels,
        split=split,
        tags=names_in(own_cells.get("tags")),
        review=review,
        note=_note_of(own_cells),
        sha256=sha256,
    )


def _name_of(row: Mapping[str, Any], columns: Columns) -> str:
    """Return the image name of a row; a number is a name, too: `7` for `7.jpg`."""
    name = row.get(columns.file)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(Message("no file name"))
    return name_in(row, columns.file, columns.folder) if columns.folder else name


def _split_of(row: Mapping[str, Any], columns: Columns) -> Split | None:
    """Return the split of a row; None if its cell is empty or an unknown code."""
    split = row.get(columns.split) if columns.split else None
    if columns.split_codes:
        return columns.split_codes.get(str(split).strip())
    if not split:
        return None
    if not isinstance(split, str) or not is_split_name(split):
        raise ValueError(Message("“{split}” is not a split", split=split))
    return split_of(split)


def _labels_of(row: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    """Return the labels of a row; empty if its verdict says that the class is absent."""
    if columns.verdict and str(row.get(columns.verdict)).strip() in _ABSENT_VERDICTS:
        return ()
    if not columns.labels:
        prefix = _common_prefix(columns.classes)
        present = (title for title in columns.classes if title in row and is_yes(row[title]))
        return tuple(title.removeprefix(prefix) for title in present)
    cells = [row.get(title) for title in columns.labels]
    if None in cells and any(key.startswith(f"{columns.labels[0]}.") for key in row):
        raise ValueError(Message("{value} is not a name", value=columns.labels[0]))
    if columns.is_boxed:  # `cat 1 2 3 4 dog 5 6 7 8`
        cells = list(dict.fromkeys(str(cells[0] or "").split()[::5]))
    return tuple(name for cell in cells for name in names_in(cell, separators=columns.separators))


def _common_prefix(titles: Sequence[str]) -> str:
    """Return the common object of dotted titles, `flags.` of `flags.cat` and `flags.dog`, or an empty text."""
    start = "".join(titles[0].rpartition(".")[:2]) if titles else ""
    return start if all(title.startswith(start) for title in titles) else ""


def _review_of(own: Mapping[str, Any]) -> str | None:
    review = own.get("review") or None
    if review not in (None, "done", "later"):
        raise ValueError(Message("“{review}” is not a review state", review=review))
    return review


def _note_of(own: Mapping[str, Any]) -> str | None:
    note = own.get("note")
    return note if isinstance(note, str) and note.strip() else None


def _sha256_of(own: Mapping[str, Any]) -> str | None:
    sha256 = own.get("sha256")
    return sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None
