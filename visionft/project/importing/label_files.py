"""Which label files of a folder say what its pictures show: tables by name and rows, other tools' by their text."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError, VisionFTError
from visionft.files import is_file, list_folder
from visionft.foreign_text import printable
from visionft.project.formats.folders import CONTAINERS, METADATA_FILES, scan_folder, split_folders, unwrap
from visionft.project.formats.labels_file import CLASSES_FILE
from visionft.project.formats.listing import ColumnChoice, Listing, SourceFile, is_split_name, split_of
from visionft.project.formats.readers import lists_pictures
from visionft.project.formats.registry import FORMATS, LABEL_FILES, Format, format_of

_MOST_LOOKS = 12  # at files of a folder: where each picture has a file, one is like the other
_MOST_FOLDERS = 500
_MOST_FILES = 5000  # of a folder: enough to say that there are some
# Of tables, label files and what other programs keep labels in.
_MAY_HOLD_LABELS = (
    ".arrow", ".csv", ".data", ".datum", ".db", ".json", ".jsonl", ".mat", ".names", ".ndjson", ".npy", ".npz", ".ods",
    ".parquet", ".pickle", ".pkl", ".sqlite", ".tfrecord", ".tsv", ".txt", ".xls", ".xlsx", ".xml", ".yaml", ".yml",
)  # fmt: skip
_TELLS_OF_THE_SET = re.compile(r"(?i)(readme|licen[cs]e|citation|notice|changelog|requirements)|.*classes\.json$")
_PLAIN_TEXT = ".txt"  # beside class folders mostly a list of names for a split: a table only when it is asked for


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A label file, or the folder of those with one for each picture, and the split that its name says."""

    format: Format
    path: Path
    split: Split | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of a folder: its label files of one format (or "auto"), and what the user says of them."""

    only: str
    choice: ColumnChoice
    is_confined: bool

    def allows(self, format_: Format) -> bool:
        """Say whether files of a format are to be read."""
        return self.only in ("auto", format_.name)


def read_label_files(folder: Path, base: Path, wanted: Wanted) -> list[tuple[LabelFile, Listing]]:
    """Read what lists the pictures of a folder (`base`: the one within that others only wrap); nothing where none does.

    Raises:
        ProjectError: There are several, and nothing says which is meant; or one cannot be read.
    """
    splits = split_folders(base)
    tables = [(table, _read(table, splits, wanted)) for table in _tables(base, splits, wanted)]
    if any(_may_be_had(file) for _, listing in tables for file in listing.files):
        return tables
    if any(listing.files for _, listing in tables) and not wanted.choice.is_unlabelled:
        _refuse(tables[0][0], folder)
    others = _annotations(folder, base, wanted)
    if not others or (wanted.only == "auto" and wanted.choice.is_unlabelled):
        return []
    is_sorted = any(each.class_folders for each in scan_folder(folder).interpretations)
    is_needed = wanted.only != "auto" or not is_sorted
    found = [(each, _read_of_others(each, splits, wanted, is_needed=is_needed)) for each in others]
    usable = [(each, listing) for each, listing in found if listing is not None]
    if is_sorted:  # outlines beside pictures whose folders are their classes
        usable = [pair for pair in usable if not (pair[0].format.is_per_picture and _has_only_marks(pair[1]))]
    fitting = [(each, listing) for each, listing in usable if any(is_file(file.path) for file in listing.files)]
    strangers = [each for each, _ in usable if each.format.name != "json"]
    if is_needed and strangers and not fitting:
        _refuse(strangers[0], folder)
    return _of_one_tool(folder, fitting)


def _may_be_had(file: SourceFile) -> bool:
    """Say whether a picture is there, or may be found in the project by its content."""
    return file.sha256 is not None or is_file(file.path)


def _has_only_marks(listing: Listing) -> bool:
    return any(each.has_only_marks for each in listing.interpretations)


def _refuse(file: LabelFile, folder: Path) -> None:
    """Raise that a label file has nothing to do with the pictures beside it."""
    raise ProjectError(
        f"None of the pictures that {file.path.name} ({file.format.title}) names is in {folder}.",
        "Put them there, or import what is there without labels.",
        NextStep("import_unlabelled", path=folder),
    )


def _read(file: LabelFile, splits: Mapping[Path, Path], wanted: Wanted) -> Listing:
    assert file.format.read is not None
    beside = [inner for outer, inner in splits.items() if file.split is None or split_of(outer.name) == file.split]
    return file.format.read(file.path, is_confined=wanted.is_confined, beside=beside, choice=wanted.choice)


def _read_of_others(file: LabelFile, splits: Mapping[Path, Path], wanted: Wanted, *, is_needed: bool) -> Listing | None:
    """Return what a label file lists; None for one that cannot be read where its labels are not needed.

    An array of anything may turn out to list no pictures; where class folders say what pictures show, other files need
    not.
    """
    try:
        return _read(file, splits, wanted)
    except ProjectError:
        if is_needed and (file.format.name != "json" or wanted.only != "auto"):
            raise
        return None


def _of_one_tool(folder: Path, found: list[tuple[LabelFile, Listing]]) -> list[tuple[LabelFile, Listing]]:
    """Return the files of the one format that there is; an array of anything counts only where there is no other.

    Raises:
        ProjectError: There are several formats, or several files of one that are not of different splits.
    """
    chosen = [pair for pair in found if pair[0].format.name != "json"] or found
    formats = list(dict.fromkeys(each.format.title for each, _ in chosen))
    if len(formats) > 1:
        names = ", ".join(formats)
        raise ProjectError(f"{folder} holds labels of several tools: {names}.", "Import one of the files.")
    of_splits = [pair for pair in chosen if _says_split(pair[0].path)]
    labelled = [pair for pair in chosen if not of_splits and _has_labels(pair[1])]
    if len(labelled) == 1:  # beside COCO's `image_info.json`, which says nothing of what pictures show
        return labelled
    if not of_splits and len(chosen) > 1:
        names = ", ".join(each.path.name for each, _ in chosen)
        raise ProjectError(f"{folder} holds several files that list its pictures: {names}.", "Import one of them.")
    return of_splits or chosen


def _has_labels(listing: Listing) -> bool:
    is_marked = any(each.marked or each.is_from_marks for each in listing.interpretations)
    return is_marked or any(file.labels for file in listing.files)


# -- tables --------------------------------------------------------------------------------------------------------


def _tables(base: Path, splits: Mapping[Path, Path], wanted: Wanted) -> Iterator[LabelFile]:
    """Yield the tables with the split that they are of, if their folder or name says one."""
    formats = [each for each in LABEL_FILES if not each.signs and wanted.allows(each)]
    suffixes = {suffix for each in formats for suffix in each.suffixes}
    if wanted.only == "auto":
        suffixes -= {_PLAIN_TEXT}
    found = False
    for folder in (base, *splits):
        split = split_of(folder.name) if folder != base else None
        named = [folder / name for name in METADATA_FILES if (folder / name).suffix in suffixes]
        files = [file for file in named if is_file(file)]
        if not files and wanted.only != "auto":
            files = [file for file in list_folder(folder) if file.suffix.casefold() in suffixes]
        if files:
            found = True
            yield _table(files[0], split)
    if not found:
        beside = tuple(splits.values())
        tables = list(_tables_beside_pictures(base, beside, suffixes))
        inner = (table for outer, own in splits.items() for table in _tables_beside_pictures(outer, (own,), suffixes))
        yield from tables or inner


def _tables_beside_pictures(folder: Path, beside: Sequence[Path], suffixes: Set[str]) -> Iterator[LabelFile]:
    """Yield tables of any name that list the pictures of a folder: `train.csv` beside `train/`, or a lone one.

    Raises:
        ProjectError: There are several, and nothing says which is meant.
    """
    files = [file for file in list_folder(folder) if file.suffix.casefold() in suffixes and is_file(file)]
    tables = [file for file in files if _lists_pictures(file, beside)]
    of_splits = [file for file in tables if is_split_name(file.stem)]
    others = [file for file in tables if file not in of_splits]
    if not of_splits and len(others) > 1:
        names = ", ".join(file.name for file in others)
        raise ProjectError(f"{folder} holds several files that list its pictures: {names}.", "Import one of them.")
    for file in of_splits or others:
        yield _table(file, split_of(file.stem if file in of_splits else folder.name))


def _lists_pictures(file: Path, beside: Sequence[Path]) -> bool:
    """Say whether the rows of a table name pictures that are there."""
    format_ = format_of(file)
    if format_ is None or format_.read is None or format_.is_text:
        return lists_pictures(file, beside)
    try:
        return any(is_file(entry.path) for entry in format_.read(file, beside=beside).files)
    except ProjectError:
        return False


def _table(file: Path, split: Split | None) -> LabelFile:
    format_ = format_of(file)
    assert format_ is not None
    return LabelFile(format_, file, split)


# -- other tools ---------------------------------------------------------------------------------------------------


def _annotations(folder: Path, base: Path, wanted: Wanted) -> list[LabelFile]:
    """Return the label files of other tools in a folder, in those below it, and in those of splits and pictures there.

    Deeper ones are of another set of pictures, of which `folder` holds several.
    """
    formats = [each for each in LABEL_FILES if each.signs and wanted.allows(each)]
    suffixes = {suffix for each in formats for suffix in each.suffixes}
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for place in _places(folder, base):
        files = [file for file in _listed(place) if file.suffix.casefold() in suffixes and is_file(file)]
        files = [file for file in files if not file.name.endswith(CLASSES_FILE)]
        for file in files[:_MOST_LOOKS]:
            format_ = format_of(file)
            if format_ is not None and wanted.allows(format_):
                found[format_.name].append(file)
    for format_ in formats:
        if format_.folder and any(list_folder(top / format_.folder) for top in _tops(folder, base)):
            found[format_.name].append(base / format_.folder)
    return [label_file for name, files in found.items() for label_file in _of_format(FORMATS[name], files, base)]


def _places(folder: Path, base: Path) -> Iterator[Path]:
    """Yield the folders in which label files are looked for, each once."""
    tops = _tops(folder, base)
    inner = [entry for top in tops for entry in _folders_in(top)]
    deeper = [entry for each in inner if _is_of_pictures(each) for entry in _folders_in(each) if _is_of_pictures(entry)]
    yield from islice(dict.fromkeys((*tops, *inner, *deeper)), _MOST_FOLDERS)


def _tops(folder: Path, base: Path) -> list[Path]:
    """Return the folders from the innermost that only others wrap outwards."""
    return [base, *(above for above in base.parents if above.is_relative_to(folder))]


def _is_of_pictures(folder: Path) -> bool:
    return is_split_name(folder.name) or folder.name.casefold() in CONTAINERS


def _folders_in(folder: Path) -> list[Path]:
    return [
        entry
        for entry in _listed(folder)
        if not entry.name.startswith(".") and entry.is_dir() and not entry.is_symlink()
    ]


def _listed(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing where it may not be listed: the scan for pictures names it."""
    try:
        return list_folder(folder)
    except VisionFTError:
        return []


def _of_format(format_: Format, files: Sequence[Path], base: Path) -> list[LabelFile]:
    if format_.is_per_picture:
        return [LabelFile(format_, base)]
    return [LabelFile(format_, file, _split_said(file)) for file in files]


def _says_split(file: Path) -> bool:
    return is_split_name(file.stem) or is_split_name(file.parent.name)


def _split_said(file: Path) -> Split | None:
    return split_of(file.stem) if is_split_name(file.stem) else split_of(file.parent.name)


# -- what was not read ----------------------------------------------------------------------------------------------


def unread_files(folder: Path, read: Set[Path]) -> tuple[str, ...]:
    """Return the names of files in a folder and near its pictures that may hold labels and are not among those read."""
    base = unwrap(folder)
    files = (file for place in _places(folder, base) for file in _listed(place)[:_MOST_FILES])
    fitting = [file for file in files if file.suffix.casefold() in _MAY_HOLD_LABELS and is_file(file)]
    others = [file for file in fitting if file not in read and not _TELLS_OF_THE_SET.match(file.name)]
    return tuple(printable(file.relative_to(folder).as_posix()) for file in others)
