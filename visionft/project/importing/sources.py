"""Recognising what a source of pictures is: a folder, a label file, a zip of either."""

import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError
from visionft.events import OnEvent, ShouldStop
from visionft.files import is_file, list_folder, write_error
from visionft.foreign_text import printable
from visionft.project.formats.folders import METADATA_FILES, scan_folder, split_folders, unwrap
from visionft.project.formats.labels_file import classes_file
from visionft.project.formats.listing import (
    AUTOMATIC,
    ColumnChoice,
    Interpretation,
    Listing,
    Rejected,
    is_split_name,
    split_of,
)
from visionft.project.formats.readers import lists_pictures
from visionft.project.formats.registry import FORMATS, IMPORT_FORMATS, LABEL_FILES, SourceFormat, format_of
from visionft.project.importing.archives import extract_zip

UNPACKED_PREFIX = ".unpacked-"


@dataclass(frozen=True, slots=True)
class Source:
    """A source that was listed.

    Attributes:
        path: What the user named.
        base: The folder its files lie in; not the user's when `is_unpacked`, and gone after the import.
    """

    path: Path
    base: Path
    listing: Listing
    is_unpacked: bool = False

    def shown(self, path: Path) -> str:
        """Return how reports name a file: within the archive it came from."""
        if self.is_unpacked and path.is_relative_to(self.base):
            return printable(self.path / path.relative_to(self.base))
        return printable(path)


@contextmanager
def opened_source(
    path: Path,
    source_format: SourceFormat,
    scratch: Path,
    *,
    choice: ColumnChoice = AUTOMATIC,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Generator[Source]:
    """Yield what `path` (absolute) offers. A zip is unpacked into a folder in `scratch` for the time being.

    Raises:
        ProjectError: It does not exist, is of another format than said, or holds no pictures.
    """
    if source_format not in IMPORT_FORMATS:
        raise ProjectError(f"There is no format “{source_format}”.", f"Use {', '.join(IMPORT_FORMATS)}.")
    if not path.exists():
        raise ProjectError(f"{path} does not exist.", "Check the path.")
    kind = _kind(path) if source_format == "auto" else source_format
    if kind == "zip":
        with _unpacked(path, scratch, on_event, should_stop) as folder:
            listing = _list_folder(folder, on_event, should_stop, is_confined=True, choice=choice)
            source = Source(path, folder, listing, is_unpacked=True)
            yield _checked(replace(source, listing=_renamed(source)), should_stop)
    elif path.is_dir():
        if kind == "folders":
            listing = scan_folder(path, on_event=on_event, should_stop=should_stop)
        else:
            listing = _list_folder(path, on_event, should_stop, only=kind, choice=choice)
        yield _checked(Source(path, path, listing), should_stop)
    elif (read := FORMATS[kind].read if kind in FORMATS else None) is not None:
        beside = tuple(split_folders(path.parent).values())
        yield _checked(Source(path, path.parent, read(path, beside=beside, choice=choice)), should_stop)
    else:
        raise ProjectError(f"{path} is a file.", "Give a folder, a zip, or a CSV or JSONL file that lists pictures.")


def _kind(path: Path) -> str:
    found = None if path.is_dir() else format_of(path)
    return found.name if found else "auto"


@contextmanager
def _unpacked(archive: Path, scratch: Path, on_event: OnEvent, should_stop: ShouldStop) -> Generator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=UNPACKED_PREFIX, dir=scratch))
    except OSError as error:
        raise write_error(scratch, error) from error
    try:
        extract_zip(archive, folder, on_event=on_event, should_stop=should_stop)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _renamed(source: Source) -> Listing:
    """Name what was passed over by its place in the archive."""

    def name(rejected: Rejected) -> Rejected:
        return Rejected(rejected.path.replace(printable(source.base), printable(source.path)), rejected.reason)

    listing = source.listing
    return replace(
        listing,
        skipped=tuple(name(rejected) for rejected in listing.skipped),
        unreadable=tuple(name(rejected) for rejected in listing.unreadable),
    )


def _list_folder(
    folder: Path,
    on_event: OnEvent,
    should_stop: ShouldStop,
    *,
    only: str = "auto",
    is_confined: bool = False,
    choice: ColumnChoice = AUTOMATIC,
) -> Listing:
    """List a folder: by the label files in it (or in its split folders), else by its class folders."""
    base = unwrap(folder)
    splits = split_folders(base)
    found = list(_label_files(base, splits, only))
    if not found:
        if only != "auto":
            raise ProjectError(f"{folder} holds no {only.upper()} file.", f"Name one of them {METADATA_FILES[0]}.")
        return scan_folder(folder, on_event=on_event, should_stop=should_stop)
    listings: list[Listing] = []
    for file, split in found:
        format_ = format_of(file)
        assert format_ is not None and format_.read is not None
        beside = [inner for outer, inner in splits.items() if split is None or split_of(outer.name) == split]
        listing = format_.read(file, is_confined=is_confined, beside=beside, choice=choice)
        files = tuple(replace(entry, split=entry.split or split) for entry in listing.files)
        listings.append(replace(listing, files=files))
    named = {entry.path for listing in listings for entry in listing.files} | {file for file, _ in found}
    named |= {classes_file(file) for file, _ in found}
    rest = scan_folder(folder, on_event=on_event, should_stop=should_stop)
    others = tuple(replace(entry, labels=()) for entry in rest.files if entry.path not in named)
    return Listing(
        files=tuple(entry for listing in listings for entry in listing.files) + others,
        skipped=rest.skipped,
        unreadable=tuple(rejected for listing in listings for rejected in listing.unreadable) + rest.unreadable,
        classes=tuple(look for listing in listings for look in listing.classes),
        interpretations=tuple(each for listing in listings for each in listing.interpretations),
    )


def _label_files(base: Path, splits: Mapping[Path, Path], only: str) -> Iterator[tuple[Path, Split | None]]:
    """Yield the label files with the split that they are of, if their folder or name says one."""
    formats = [each for each in LABEL_FILES if only in ("auto", each.name)]
    suffixes = {suffix for each in formats for suffix in each.suffixes}
    found = False
    for folder in (base, *splits):
        split = split_of(folder.name) if folder != base else None
        named = [folder / name for name in METADATA_FILES if (folder / name).suffix in suffixes]
        files = [file for file in named if is_file(file)]
        if not files and only != "auto":
            files = [file for file in list_folder(folder) if file.suffix.casefold() in suffixes]
        if files:
            found = True
            yield files[0], split
    if not found:
        yield from _tables_beside_pictures(base, splits, suffixes)


def _tables_beside_pictures(
    base: Path, splits: Mapping[Path, Path], suffixes: Set[str]
) -> Iterator[tuple[Path, Split | None]]:
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
        yield file, split_of(file.stem)


def require_understood(interpretation: Interpretation, source: Path) -> None:
    """Return when no labels lie there that would be passed over without a word; `source` is what is imported.

    Raises:
        ProjectError: Another tool's label files lie there, or a table has columns of which none is taken as the label.
    """
    where = printable(interpretation.file)
    if interpretation.foreign:
        raise ProjectError(
            f"{where} holds labels in {interpretation.foreign}'s format, which cannot be read yet.",
            "Export them as CSV or JSONL there, or import the pictures alone, without labels.",
            NextStep("import_unlabelled", path=source),
        )
    if interpretation.lacks_labels:
        columns = ", ".join(interpretation.columns)
        raise ProjectError(
            f"No column of {where} was taken as the label. Its columns are: {columns}.",
            "Say which one gives the class, or import the pictures without labels.",
            NextStep("choose_columns", path=source, columns=interpretation.columns),
        )


def _checked(source: Source, should_stop: ShouldStop) -> Source:
    """Return the source when it may hold a picture, or was not looked through because the user stopped."""
    listing = source.listing
    has_pictures = any(file.path.suffix.casefold() in IMAGE_SUFFIXES or file.sha256 for file in listing.files)
    if not has_pictures and not listing.unreadable and not should_stop():
        raise ProjectError(
            f"{source.path} holds no pictures.", "Choose a folder with pictures, or with one folder per class."
        )
    return source
