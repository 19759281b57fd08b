"""The images in the rows of a table, with their labels, splits and notes, or the reason why a row gives none."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.messages import Message
from visionft.data.types import Split
from visionft.files import is_file
from visionft.foreign_text import printable
from visionft.project.formats.cells import names_in, says_yes
from visionft.project.formats.columns import Columns
from visionft.project.formats.image_columns import name_in
from visionft.project.formats.listing import RejectedFile, SourceFile
from visionft.project.formats.locating import AmbiguousNameError, ImageFinder
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.tables import Row, Table
from visionft.project.formats.whole_files import MemoryLimit

_OF_AMBIGUOUS = 2000  # bytes of memory of a row that is kept
_FEW = 3  # clear names that may not tell the folder of the others
_ABSENT = ("0", "0.0", "reject", "ignore")  # verdicts about a class: `Confidence` of Open Images, answers of Prodigy
_SHA256 = re.compile("[0-9a-f]{64}")

_AmbiguousRow = tuple[int, dict[str, Any], AmbiguousNameError]


@dataclass(slots=True)
class ImageRows:
    """The images of a table's rows, and the rows without one."""

    files: list[SourceFile] = field(default_factory=list[SourceFile])
    rejected: list[RejectedFile] = field(default_factory=list[RejectedFile])
    marked: int = 0  # rows with the class of a part of an image


def read_rows(table: Table, columns: Columns, finder: ImageFinder, part: str) -> ImageRows:
    """Return the images of all rows; `part` is the title with the class of a part of an image, empty for none."""
    found = ImageRows()
    memory = MemoryLimit(table.file)
    ambiguous: list[_AmbiguousRow] = []
    for line, row in table.rows:
        try:
            for file in _files_of(row, columns, finder):
                found.files.append(file)
                memory.add_entry(file)
            found.marked += bool(part and isinstance(row, dict) and row.get(part))
        except AmbiguousNameError as error:
            assert isinstance(row, dict)
            ambiguous.append((line, row, error))
            memory.add(_OF_AMBIGUOUS)
        except ValueError as error:
            found.rejected.append(_rejected(table.file, line, error))
            memory.add_entry(found.rejected[-1])
    _settle(ambiguous, found, columns, finder, table.file)
    if columns.verdict:
        found.files = _of_present_classes(found.files)
    return found


def _files_of(row: Row, columns: Columns, finder: ImageFinder) -> Iterator[SourceFile]:
    """Yield the image of a row, and its further views."""
    if isinstance(row, str):
        raise ValueError(row)
    yield _source_file(row, columns, finder)
    for title in columns.views:
        if row.get(title):
            yield _source_file(row, replace(columns, file=title), finder)


def _rejected(file: Path, line: int, error: ValueError) -> RejectedFile:
    return RejectedFile(f"{printable(file)}:{line}", str(error))


def _settle(
    ambiguous: list[_AmbiguousRow], found: ImageRows, columns: Columns, finder: ImageFinder, table: Path
) -> None:
    """Add the images of ambiguous names that lie in the folder of all clear ones, or are versions of one image."""
    folders = {str(each.path.parent) for each in found.files if is_file(each.path)} if ambiguous else set[str]()
    for line, row, error in ambiguous:
        name = name_in(row, columns.file, columns.folder)
        path = finder.settle_ambiguous(name, error, folders) if len(found.files) >= _FEW else None
        meant = finder.versions(error) if path is None else [path]
        found.files += [_source_file(row, columns, finder, each) for each in meant]
        if not meant:
            found.rejected.append(_rejected(table, line, error))


def _of_present_classes(files: list[SourceFile]) -> list[SourceFile]:
    """Return the entries without those of absent classes; an image of absent classes alone has no label."""
    labelled = {each.path for each in files if each.labels}
    return [each for each in files if each.labels or each.path not in labelled]


def _source_file(row: dict[str, Any], columns: Columns, finder: ImageFinder, path: Path | None = None) -> SourceFile:
    """Return the source file of a row, of an image at `path` or where its name leads."""
    own = {key: row.get(title) for key, title in columns.own.items()}
    name = _name_of(row, columns)
    split = _split_of(row, columns)
    review = _review_of(own)
    labels = _labels_of(row, columns)
    sha256 = _sha256_of(own)
    try:
        path = path or finder.find(name)
    except AmbiguousNameError as error:
        if not sha256:
            raise
        path = error.meant
    return SourceFile(
        path=path,
        name=name,
        labels=labels,
        split=split,
        tags=names_in(own.get("tags")),
        review=review,
        note=_note_of(own),
        sha256=sha256,
    )


def _name_of(row: Mapping[str, Any], columns: Columns) -> str:
    """Return the name of the image of a row; a number is one, `7` for `7.jpg`."""
    name = row.get(columns.file)
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(Message("no file name"))
    return name_in(row, columns.file, columns.folder) if columns.folder else name


def _split_of(row: Mapping[str, Any], columns: Columns) -> Split | None:
    """Return the split of a row; None where its cell is empty, or an unknown code."""
    split = row.get(columns.split) if columns.split else None
    if columns.split_codes:
        return columns.split_codes.get(str(split).strip())
    if not split:
        return None
    if not isinstance(split, str) or not is_split_name(split):
        raise ValueError(Message("“{split}” is not a split", split=split))
    return split_of(split)


def _labels_of(row: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    """Return the labels of a row: none where its verdict is that the class is absent."""
    if columns.verdict and str(row.get(columns.verdict)).strip() in _ABSENT:
        return ()
    if not columns.labels:
        return tuple(title for title in columns.classes if says_yes(row.get(title, "")))
    cells = [row.get(title) for title in columns.labels]
    if None in cells and any(key.startswith(f"{columns.labels[0]}.") for key in row):
        raise ValueError(Message("{value} is not a name", value=columns.labels[0]))
    if columns.is_boxed:  # `cat 1 2 3 4 dog 5 6 7 8`
        cells = list(dict.fromkeys(str(cells[0] or "").split()[::5]))
    return tuple(name for cell in cells for name in names_in(cell, signs=columns.signs))


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
