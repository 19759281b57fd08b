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
from visionft.files import write_error
from visionft.foreign_text import printable
from visionft.project.formats.folders import scan_folder, split_folders, unwrap
from visionft.project.formats.labels_file import classes_file
from visionft.project.formats.listing import (
    AUTOMATIC,
    ColumnChoice,
    Interpretation,
    Listing,
    Rejected,
    SourceFile,
)
from visionft.project.formats.registry import FORMATS, IMPORT_FORMATS, LABEL_FILES, SourceFormat, format_of
from visionft.project.importing.archives import extract_zip
from visionft.project.importing.label_files import Wanted, read_label_files, unread_files

UNPACKED_PREFIX = ".unpacked-"
_MOST_NAMES = 3


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
            only = kind if kind in FORMATS and FORMATS[kind].read else "auto"
            listing = _list_folder(path, on_event, should_stop, only=only, choice=choice)
        yield _checked(Source(path, path, listing), should_stop)
    elif (read := FORMATS[kind].read if kind in FORMATS else None) is not None:
        beside = tuple(split_folders(path.parent).values())
        yield _checked(Source(path, path.parent, read(path, beside=beside, choice=choice)), should_stop)
    else:
        known = ", ".join(each.title for each in LABEL_FILES)
        raise ProjectError(f"{path} is no file that lists pictures.", f"Give a folder, a zip, or one of: {known}.")


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
    wanted = Wanted(only=only, choice=choice, is_confined=is_confined)
    read = read_label_files(folder, unwrap(folder), wanted)
    if not read:
        if only != "auto":
            raise ProjectError(f"{folder} holds no labels as {FORMATS[only].title}.", "Name the file itself.")
        return _with_unread(scan_folder(folder, on_event=on_event, should_stop=should_stop), folder, frozenset())
    rest = scan_folder(folder, on_event=on_event, should_stop=should_stop)
    placed: dict[Path, Split] = {entry.path: entry.split for entry in rest.files if entry.split}
    files = [entry for label_file, listing in read for entry in _with_splits(listing, label_file.split, placed)]
    listings = [listing for _, listing in read]
    named = {entry.path for entry in files} | {file for each in listings for file in each.label_files}
    named |= {path for label_file, _ in read for path in (label_file.path, classes_file(label_file.path))}
    others = [replace(entry, labels=()) for entry in rest.files if entry.path not in named]
    interpretations = tuple(each for listing in listings for each in listing.interpretations)
    by_folder = any(entry.split and entry.split == placed.get(entry.path) for entry in files)
    split_names = next((each.split_folders for each in rest.interpretations), ()) if by_folder else ()
    around = Interpretation(file=folder, split_folders=split_names)
    listing = Listing(
        files=(*files, *others),
        skipped=rest.skipped,
        unreadable=tuple(rejected for listing in listings for rejected in listing.unreadable) + rest.unreadable,
        classes=tuple(look for listing in listings for look in listing.classes),
        interpretations=(*interpretations, around),
    )
    return _with_unread(listing, folder, named)


def _with_splits(listing: Listing, split: Split | None, placed: Mapping[Path, Split]) -> Iterator[SourceFile]:
    """Yield the entries of a label file with their splits: those it says, else its name, else their folders."""
    says_splits = any(each.split_column for each in listing.interpretations) or any(
        each.split for each in listing.files
    )
    for entry in listing.files:
        yield replace(entry, split=entry.split or split or (None if says_splits else placed.get(entry.path)))


def _with_unread(listing: Listing, folder: Path, read: Set[Path]) -> Listing:
    """Note in the last interpretation which files of the folder may hold labels, and were not read."""
    *first, last = listing.interpretations
    return replace(listing, interpretations=(*first, replace(last, unread=unread_files(folder, read))))


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
    if interpretation.has_only_marks:
        raise ProjectError(
            f"{where} marks parts of pictures with boxes or shapes, and gives no picture as a whole a class.",
            "Take every class that is marked in a picture as its label, or import the pictures without labels.",
            NextStep("take_marks", path=source),
        )
    if interpretation.lacks_labels:
        columns = ", ".join(interpretation.columns)
        raise ProjectError(
            f"No column of {where} was taken as the label. Its columns are: {columns}.",
            "Say which one gives the class, or import the pictures without labels.",
            NextStep("choose_columns", path=source, columns=interpretation.unused_columns),
        )


def _checked(source: Source, should_stop: ShouldStop) -> Source:
    """Return the source when it may hold a picture, or was not looked through because the user stopped."""
    listing = source.listing
    has_pictures = any(file.path.suffix.casefold() in IMAGE_SUFFIXES or file.sha256 for file in listing.files)
    if not has_pictures and not listing.unreadable and not should_stop():
        unread = [name for each in listing.interpretations for name in each.unread]
        shown = ", ".join(unread[:_MOST_NAMES])
        hint = f"It holds {shown}: if that lists pictures that lie elsewhere, import the file itself." if unread else ""
        raise ProjectError(
            f"{source.path} holds no pictures.", hint or "Choose a folder with pictures, or with one folder per class."
        )
    return source
