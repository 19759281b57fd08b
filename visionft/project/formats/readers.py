"""Read tables of images: which rows name images, with the labels, splits and notes of each.

An unusable row is listed with its line and reason; the others are imported. The meaning of columns is decided in
`columns.py`, and recorded in the listing's `Interpretation`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.messages import Message
from visionft.errors import NextStep, ProjectError
from visionft.files import is_file
from visionft.foreign_text import printable
from visionft.project.formats.cells import is_number, names_in, says_yes, separator_in
from visionft.project.formats.class_names import are_ids, class_names_for, name_of
from visionft.project.formats.columns import Columns, recognise, shown_titles
from visionft.project.formats.image_columns import name_in
from visionft.project.formats.label_columns import label_of_parts
from visionft.project.formats.labels_file import classes_file, read_classes_file
from visionft.project.formats.listing import (
    AUTOMATIC,
    DEFAULTS,
    Interpretation,
    LabelChoice,
    Listing,
    ReadOptions,
    RejectedFile,
    SourceFile,
)
from visionft.project.formats.locating import AmbiguousNameError, ImageFinder, data_folder
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.tables import Row, Table, open_table, table_of
from visionft.project.formats.whole_files import MemoryLimit

_MAX_COLUMNS = 50_000
_LEAST_PIXELS = 64  # columns of numbers that are rather pixels of images
_OF_AMBIGUOUS = 2000  # bytes of memory of a row that is kept
_FEW = 3  # clear names that may not tell the folder of the others
_ABSENT = ("0", "0.0", "reject", "ignore")  # verdicts about a class
_SUBMISSION = re.compile(r"(?i)submi(ssion|t)")
_SHA256 = re.compile("[0-9a-f]{64}")


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
    """Return the listing of a table's images; a `ProjectError` where no column names images."""
    file, titles, good = table.file, table.titles, table.good
    if len(titles) > _MAX_COLUMNS:
        values = {"file": file, "columns": f"{len(titles):,}", "limit": f"{_MAX_COLUMNS:,}"}
        raise ProjectError(Message("{file} has {columns} columns (at most {limit} are read).", **values), "Divide it.")
    columns = recognise(titles, good, choice, images=finder)
    if columns is None and good:
        raise _no_names(table, finder)
    part = label_of_parts(table.parts, good)
    if columns is not None and columns.is_of_parts and not part:
        part = next(iter(columns.labels), "")
        columns = replace(columns, labels=(), classes=())
    if columns is not None and choice.takes_marks and part:
        columns = replace(columns, labels=(part,), classes=(), signs=())
    files: list[SourceFile] = []
    rejected: list[RejectedFile] = []
    ambiguous: list[tuple[int, dict[str, Any], AmbiguousNameError]] = []
    marked, memory = 0, MemoryLimit(file)
    for line, row in table.rows:
        try:
            if isinstance(row, str):
                raise ValueError(row)
            assert columns is not None
            files.append(_source_file(row, columns, finder))
            views = [replace(columns, file=title) for title in columns.views if row.get(title)]
            files += [_source_file(row, view, finder) for view in views]
            marked += bool(part and row.get(part))
            memory.add_entry(files[-1])
        except AmbiguousNameError as error:
            assert isinstance(row, dict)
            ambiguous.append((line, row, error))
            memory.add(_OF_AMBIGUOUS)
        except ValueError as error:
            rejected.append(RejectedFile(f"{printable(file)}:{line}", str(error)))
            memory.add_entry(rejected[-1])
    # The folder of all images of clear names is that of the others too.
    folders = {str(each.path.parent) for each in files if is_file(each.path)} if ambiguous else set[str]()
    for line, row, error in ambiguous:
        assert columns is not None
        name = name_in(row, columns.file, columns.folder)
        path = finder.settle_ambiguous(name, error, folders) if len(files) >= _FEW else None
        if meant := [path] if path is not None else finder.versions(error):
            files += [_source_file(row, columns, finder, each) for each in meant]
        else:
            rejected.append(RejectedFile(f"{printable(file)}:{line}", str(error)))
    if columns is not None and columns.verdict:  # only of images without a class that is present
        labelled = {each.path for each in files if each.labels}
        files = [each for each in files if each.labels or each.path not in labelled]
    files, found_elsewhere = finder.settled(files)
    classes = read_classes_file(classes_file(file))
    if columns is None:
        return Listing(tuple(files), unreadable=tuple(rejected), classes=classes)
    around = [file.parent, finder.root, file.parent.parent, file.parent.parent / "metadata"]
    folders = [folder for folder in around if folder.is_relative_to(finder.root) or folder == data_folder(file)]
    files, names_file = _with_class_names(files, columns, folders, file)
    is_from_marks = choice.takes_marks and bool(part)
    has_labels = bool(columns.labels or columns.classes)
    cells = [str(row.get(columns.labels[0]) or "") for row in good] if columns.signs and columns.labels else []
    interpretation = Interpretation(
        file=file, columns=tuple(title for title in columns.titles if title not in columns.own.values()),
        file_column=columns.file, label_columns=columns.labels or columns.classes, split_column=columns.split,
        separator=next((sign for cell in cells if (sign := separator_in(cell, columns.signs))), ""),
        marked=0 if is_from_marks else marked, is_from_marks=is_from_marks,
        has_only_marks=bool(marked) and not (has_labels or choice.is_unlabelled),
        found_elsewhere=found_elsewhere, found_by_number=finder.by_number, ambiguous=finder.ambiguous,
        joined=(*joined, *([names_file] if names_file else [])), alternatives=columns.alternatives,
        other_images=columns.other_images,
        is_submission=_is_submission(file, files), is_unlabelled_by_choice=choice.is_unlabelled,
    )  # fmt: skip
    return Listing(tuple(files), unreadable=tuple(rejected), classes=classes, interpretations=(interpretation,))


def _no_names(table: Table, finder: ImageFinder) -> ProjectError:
    """Return the error for a table without names of images."""
    file, first = table.file, table.good[0]
    numbers = sum(is_number(str(cell)) for cell in first.values())
    if len(table.titles) >= _LEAST_PIXELS and numbers > 0.9 * len(first):
        values = {"file": file, "count": f"{numbers:,}"}
        message = Message(
            "{file} holds {count} numbers in a row, perhaps the pixels of an image, and no names.", **values
        )
        return ProjectError(message, "Save the images as files, such as PNG, in a folder for each class.")
    values = {"file": file, "titles": shown_titles(table.titles), "folder": finder.root}
    message = Message("{file} names no image that is in {folder}. Its columns are: {titles}.", **values)
    step = NextStep("import_unlabelled", path=finder.root)
    hint = "Put it beside the images, with a column “file_name” of their names; or import the images without labels."
    return ProjectError(message, hint, step)


def _with_class_names(
    files: list[SourceFile], columns: Columns, folders: Sequence[Path], own: Path
) -> tuple[list[SourceFile], Path | None]:
    """Return the entries with the names of their class ids, and the file that gives these, if any."""
    ids = {label for file in files for label in file.labels}
    found = class_names_for(ids, folders, without={own}) if not columns.own and are_ids(ids) else None
    if found is None:
        return files, None
    names, place = found
    return [replace(file, labels=tuple(name_of(each, names) for each in file.labels)) for file in files], place


def _is_submission(file: Path, files: Sequence[SourceFile]) -> bool:
    """Return whether a table is a form for predictions: by its name, or with one label for all of a test folder."""
    labels = Counter(each.labels for each in files)
    if _SUBMISSION.search(file.stem):
        return True
    there = [each.path.parent.name for each in files[:200] if is_file(each.path) and each.path.parent != file.parent]
    is_of_test = bool(there) and all(is_split_name(name) and split_of(name) == "test" for name in there)
    return len(files) > 1 and is_of_test and len(labels) == 1 and next(iter(labels)) != ()


def _source_file(row: dict[str, Any], columns: Columns, finder: ImageFinder, path: Path | None = None) -> SourceFile:
    """Return the source file of a row, of an image at `path` or where its name leads."""
    name = row.get(columns.file)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(Message("no file name"))
    if columns.folder:
        name = name_in(row, columns.file, columns.folder)
    own = {key: row.get(title) for key, title in columns.own.items()}
    split = row.get(columns.split) if columns.split else None
    if columns.split_codes:
        split = columns.split_codes.get(str(split).strip())
    if split and (not isinstance(split, str) or not is_split_name(split)):
        raise ValueError(Message("“{split}” is not a split", split=split))
    review = own.get("review") or None
    if review not in (None, "done", "later"):
        raise ValueError(Message("“{review}” is not a review state", review=review))
    note, sha256 = own.get("note"), own.get("sha256")
    if columns.verdict and str(row.get(columns.verdict)).strip() in _ABSENT:
        labels = ()
    elif columns.labels:
        cells = [row.get(title) for title in columns.labels]
        if None in cells and any(key.startswith(f"{columns.labels[0]}.") for key in row):
            raise ValueError(Message("{value} is not a name", value=columns.labels[0]))
        if columns.is_boxed:
            cells = list(dict.fromkeys(str(cells[0] or "").split()[::5]))
        labels = tuple(name for cell in cells for name in names_in(cell, signs=columns.signs))
    else:
        labels = tuple(title for title in columns.classes if says_yes(row.get(title, "")))
    has_sha256 = isinstance(sha256, str) and bool(_SHA256.fullmatch(sha256))
    try:
        path = path or finder.find(name)
    except AmbiguousNameError as error:
        if not has_sha256:
            raise
        path = error.meant
    return SourceFile(
        path=path, name=name, labels=labels, split=split_of(split) if split else None,
        tags=names_in(own.get("tags")), review=review, note=note if isinstance(note, str) and note.strip() else None,
        sha256=sha256 if has_sha256 else None,
    )  # fmt: skip
