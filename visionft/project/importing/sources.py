"""Recognising what a source of pictures is: a folder, a label file, a zip of either."""

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError
from visionft.events import OnEvent, ShouldStop
from visionft.files import is_file, list_folder, write_error
from visionft.foreign_text import printable
from visionft.project.formats.labels_file import classes_file
from visionft.project.formats.readers import read_csv, read_jsonl
from visionft.project.importing.archives import extract_zip
from visionft.project.importing.scanning import METADATA_FILES, SPLIT_FOLDERS, Listing, Rejected, scan_folder, unwrap

SourceFormat = Literal["auto", "folders", "csv", "jsonl", "zip"]
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
    path: Path, source_format: SourceFormat, scratch: Path, *, on_event: OnEvent, should_stop: ShouldStop
) -> Generator[Source]:
    """Yield what `path` (absolute) offers. A zip is unpacked into a folder in `scratch` for the time being.

    Raises:
        ProjectError: It does not exist, is of another format than said, or holds no pictures.
    """
    if source_format not in get_args(SourceFormat):
        raise ProjectError(f"There is no format “{source_format}”.", f"Use {', '.join(get_args(SourceFormat))}.")
    if not path.exists():
        raise ProjectError(f"{path} does not exist.", "Check the path.")
    kind = _kind(path) if source_format == "auto" else source_format
    if kind == "zip":
        with _unpacked(path, scratch, on_event, should_stop) as folder:
            listing = _list_folder(folder, on_event, should_stop, is_confined=True)
            source = Source(path, folder, listing, is_unpacked=True)
            yield _checked(replace(source, listing=_renamed(source)))
    elif path.is_dir():
        if kind == "folders":
            listing = scan_folder(path, on_event=on_event, should_stop=should_stop)
        else:
            listing = _list_folder(path, on_event, should_stop, only=kind)
        yield _checked(Source(path, path, listing))
    elif kind in ("csv", "jsonl"):
        yield _checked(Source(path, path.parent, read_csv(path) if kind == "csv" else read_jsonl(path)))
    else:
        raise ProjectError(f"{path} is a file.", "Give a folder, a zip, or a CSV or JSONL file that lists pictures.")


def _kind(path: Path) -> str:
    if path.is_dir():
        return "auto"
    suffix = path.suffix.casefold()
    return {".zip": "zip", ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(suffix, "folders")


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
    folder: Path, on_event: OnEvent, should_stop: ShouldStop, *, only: str = "auto", is_confined: bool = False
) -> Listing:
    """List a folder: by the label files in it (or in its split folders), else by its class folders."""
    found = list(_label_files(unwrap(folder), only))
    if not found:
        if only != "auto":
            raise ProjectError(f"{folder} holds no {only.upper()} file.", f"Name one of them {METADATA_FILES[0]}.")
        return scan_folder(folder, on_event=on_event, should_stop=should_stop)
    listings: list[Listing] = []
    for file, default in found:
        read = read_csv if file.suffix.casefold() != ".jsonl" else read_jsonl
        listing = read(file, is_confined=is_confined)
        files = tuple(replace(entry, split=entry.split or SPLIT_FOLDERS.get(default)) for entry in listing.files)
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
    )


def _label_files(base: Path, only: str) -> Iterator[tuple[Path, str]]:
    """Yield the label files with the name of the split folder they lie in ("" for none)."""
    suffixes = {"csv": (".csv", ".tsv"), "jsonl": (".jsonl",)}.get(only, (".csv", ".tsv", ".jsonl"))
    for folder, split in [(base, "")] + [(base / name, name) for name in SPLIT_FOLDERS if (base / name).is_dir()]:
        named = [folder / name for name in METADATA_FILES if (folder / name).suffix in suffixes]
        files = [file for file in named if is_file(file)]
        if not files and only != "auto":
            files = [file for file in list_folder(folder) if file.suffix.casefold() in suffixes]
        if files:
            yield files[0], split


def _checked(source: Source) -> Source:
    """Return the source when it may hold a picture."""
    listing = source.listing
    has_pictures = any(file.path.suffix.casefold() in IMAGE_SUFFIXES or file.sha256 for file in listing.files)
    if not has_pictures and not listing.unreadable:
        raise ProjectError(
            f"{source.path} holds no pictures.", "Choose a folder with pictures, or with one folder per class."
        )
    return source
