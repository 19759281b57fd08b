"""Which label files of a folder say what its pictures show: tables by name and rows, other tools' by their text."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError, VisionFTError
from visionft.files import is_file, list_folder
from visionft.project.formats.folders import CONTAINERS, METADATA_FILES, scan_folder, split_folders
from visionft.project.formats.labels_file import CLASSES_FILE
from visionft.project.formats.listing import ColumnChoice, Listing, is_split_name, split_of
from visionft.project.formats.readers import lists_pictures
from visionft.project.formats.registry import FORMATS, LABEL_FILES, Format, format_of

_MOST_LOOKS = 12  # at files of a folder: where each picture has a file, one is like the other
_MOST_FOLDERS = 500
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
    tables = list(_tables(base, splits, wanted))
    if tables:
        return [(table, _read(table, splits, wanted)) for table in tables]
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
    if not of_splits and len(chosen) > 1:
        names = ", ".join(each.path.name for each, _ in chosen)
        raise ProjectError(f"{folder} holds several files that list its pictures: {names}.", "Import one of them.")
    return of_splits or chosen


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
        yield from _tables_beside_pictures(base, splits, suffixes)


def _tables_beside_pictures(base: Path, splits: Mapping[Path, Path], suffixes: Set[str]) -> Iterator[LabelFile]:
    """Yield tables of any name that list the pictures of this folder: `train.csv` beside `train/`, or a lone one.

    Raises:
        ProjectError: There are several, and nothing says which is meant.
    """
    files = [file for file in list_folder(base) if file.suffix.casefold() in suffixes and is_file(file)]
    tables = [file for file in files if lists_pictures(file, tuple(splits.values()))]
    of_splits = [file for file in tables if is_split_name(file.stem)]
    others = [file for file in tables if file not in of_splits]
    if not of_splits and len(others) > 1:
        names = ", ".join(file.name for file in others)
        raise ProjectError(f"{base} holds several files that list its pictures: {names}.", "Import one of them.")
    for file in of_splits or others:
        yield _table(file, split_of(file.stem))


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
    return [label_file for name, files in found.items() for label_file in _of_format(FORMATS[name], files, base)]


def _places(folder: Path, base: Path) -> Iterator[Path]:
    """Yield the folders in which label files are looked for, each once."""
    tops = [base, *(above for above in base.parents if above.is_relative_to(folder))]
    inner = [entry for top in tops for entry in _folders_in(top)]
    deeper = [entry for each in inner if _is_of_pictures(each) for entry in _folders_in(each) if _is_of_pictures(entry)]
    yield from islice(dict.fromkeys((*tops, *inner, *deeper)), _MOST_FOLDERS)


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
