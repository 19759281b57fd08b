"""Recognise the kind of an image source: a folder, a label file, an archive of either."""

import shutil
import tempfile
from collections.abc import Generator, Iterable, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Split
from visionft.errors import NextStep, ProjectError
from visionft.files import write_error
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.formats.folders import scan_folder, split_folders, unwrap
from visionft.project.formats.labels_file import classes_file
from visionft.project.formats.listing import (
    AUTOMATIC,
    DEFAULTS,
    ColumnChoice,
    Interpretation,
    Listing,
    ReadOptions,
    RejectedFile,
    SourceFile,
)
from visionft.project.formats.registry import FORMATS, IMPORT_FORMATS, LABEL_FILES, format_of
from visionft.project.importing.archives import archives_of, unpack
from visionft.project.importing.label_files import read_label_files, unread_files
from visionft.project.importing.readings import Evidence, Reading, ReadingSummary, place_of, summary_of

UNPACKED_PREFIX = ".unpacked-"
_KEPT = "files"  # in a folder owned by the caller


@dataclass(frozen=True, slots=True)
class Source:
    """A listed source."""

    path: Path  # as given by the user
    base: Path  # folder of its files; temporary when `is_unpacked`, and deleted after the import
    listing: Listing
    is_unpacked: bool = False
    readings: tuple[ReadingSummary, ...] = ()  # every way to understand it, most plausible first
    reading: int = 0  # number of the one that gave the listing, from 1 on

    def shown(self, path: Path) -> str:
        """Return a file's name for reports: within the archive, if any."""
        if self.is_unpacked and path.is_relative_to(self.base):
            return printable(self.path / path.relative_to(self.base))
        return printable(path)


@contextmanager
def opened_source(
    path: Path,
    source_format: str,
    scratch: Path,
    *,
    choice: ColumnChoice = AUTOMATIC,
    reading: int = 0,
    unpacked: Path | None = None,
    job: JobContext,
) -> Generator[Source]:
    """Yield the source at `path` (absolute), a zip unpacked into `scratch`, as understood by a reading.

    Where the caller owns a folder `unpacked`, a zip is unpacked there once, and stays.

    `reading` counts from 1; 0 takes the first, or no labels where it is not confident. A `ProjectError` for a source
    without images, or without this reading.
    """
    if source_format not in IMPORT_FORMATS:
        message = Message("There is no format “{export_format}”.", export_format=source_format)
        hint = Message("Use {IMPORT_FORMATS}.", IMPORT_FORMATS=", ".join(IMPORT_FORMATS))
        raise ProjectError(message, hint)
    if not path.exists():
        raise ProjectError(Message("{path} does not exist.", path=path), "Check the path.")
    kind = source_format
    if kind == "auto" and not path.is_dir() and (format_ := format_of(path)):
        kind = format_.name
    if kind in ("zip", "tar") or (kind == "auto" and path.is_dir() and archives_of(path)):
        with _unpacked(path, unpacked or scratch, job, stays=unpacked is not None) as folder:
            readings = read_source(folder, options=ReadOptions(is_confined=True, choice=choice), job=job)
            yield _chosen(path, folder, readings, reading, job, has_examples=unpacked is not None)
    else:
        readings = read_source(path, kind, options=ReadOptions(choice=choice), job=job)
        yield _chosen(path, path if path.is_dir() else path.parent, readings, reading, job)


def read_source(
    path: Path, kind: str = "auto", *, options: ReadOptions = DEFAULTS, job: JobContext = SILENT
) -> tuple[Reading, ...]:
    """Return the readings of a folder or a label file, most plausible first and the images without labels last.

    `kind` is a format's name, or "auto". A `ProjectError` for a file that lists no images.
    """
    if not path.is_dir():
        read = FORMATS[kind].read if kind in FORMATS else None
        if read is None:
            known = ", ".join(each.title for each in LABEL_FILES)
            message = Message("{path} is no file that lists images.", path=path)
            hint = Message("Give a folder, a zip, or one of: {known}.", known=known)
            raise ProjectError(message, hint)
        listing = read(path, replace(options, image_folders=tuple(split_folders(path.parent).values())))
    elif kind == "folders":
        listing = scan_folder(path, job=job)
    else:
        only = kind if kind in FORMATS and FORMATS[kind].read else "auto"
        listing = _list_folder(path, job, only, options)
    labels = {label for file in listing.files for label in file.labels}
    evidence = Evidence(
        images=len(listing.files), labelled=sum(bool(each.labels) for each in listing.files), classes=len(labels)
    )
    without = Reading(
        title=Message("Images without labels"), listing=without_labels(listing), confidence=0,
        evidence=replace(evidence, labelled=0, classes=0),
    )  # fmt: skip
    first = listing.interpretations[0].file if listing.interpretations else path
    title = Message("Class folders") if first.is_dir() else Message("Labels of {file}", file=printable(first.name))
    labelled = Reading(title=title, listing=listing, evidence=evidence, confidence=1)
    return (labelled, without) if labels or not listing.files else (labelled,)


def without_labels(listing: Listing) -> Listing:
    """Return the images of a listing without labels and splits."""
    files = tuple(SourceFile(each.path, each.name, sha256=each.sha256) for each in listing.files)
    return replace(listing, files=files, classes=(), interpretations=())


def _chosen(
    path: Path, base: Path, readings: Sequence[Reading], number: int, job: JobContext, *, has_examples: bool = True
) -> Source:
    """Return the source as understood by the reading of a number; `base` is the folder of its files."""
    place, is_unpacked = place_of(readings, number), base not in (path, path.parent)
    listing = readings[place].listing
    if is_unpacked:

        def renamed(entries: Iterable[RejectedFile]) -> tuple[RejectedFile, ...]:
            """Rename rejected entries to their paths in the archive."""
            inside, outside = printable(base), printable(path)
            return tuple(RejectedFile(each.path.replace(inside, outside), each.reason) for each in entries)

        listing = replace(listing, skipped=renamed(listing.skipped), unreadable=renamed(listing.unreadable))
    summaries = tuple(summary_of(each, has_examples=has_examples) for each in readings)
    return _checked(Source(path, base, listing, is_unpacked, summaries, place + 1), job)


@contextmanager
def _unpacked(archive: Path, scratch: Path, job: JobContext, *, stays: bool) -> Generator[Path]:
    kept = scratch / _KEPT
    if stays and kept.is_dir():
        yield kept
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix=UNPACKED_PREFIX, dir=scratch))
    except OSError as error:
        raise write_error(scratch, error) from error
    try:
        is_whole = unpack(archive, folder, job=job)
        if stays and is_whole:
            folder = folder.rename(kept)
        yield folder
    finally:
        if folder != kept:
            shutil.rmtree(folder, ignore_errors=True)


def _list_folder(folder: Path, job: JobContext, only: str, options: ReadOptions) -> Listing:
    """List a folder by its label files (also for the splits of images without one there), else by class folders."""
    read = read_label_files(folder, unwrap(folder), only, options)
    if not read and only != "auto":
        message = Message("{folder} holds no labels as {format}.", folder=folder, format=FORMATS[only].title)
        raise ProjectError(message, "Name the file itself.")
    rest = scan_folder(folder, job=job)
    if not read:
        return _with_unread(rest, folder, frozenset())
    placed: dict[Path, Split] = {entry.path: entry.split for entry in rest.files if entry.split}
    files: list[SourceFile] = []
    for label_file, listing in read:
        has_splits = any(each.split_column for each in listing.interpretations)
        has_splits = has_splits or any(each.split for each in listing.files)
        for entry in listing.files:
            split = entry.split or label_file.split or (None if has_splits else placed.get(entry.path))
            files.append(replace(entry, split=split))
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


def _with_unread(listing: Listing, folder: Path, read: Set[Path]) -> Listing:
    """Record the folder's unread candidates for label files in the last interpretation."""
    *first, last = listing.interpretations
    return replace(listing, interpretations=(*first, replace(last, unread=unread_files(folder, read))))


def require_understood(interpretation: Interpretation, source: Path) -> None:
    """Raise a `ProjectError` where labels would be ignored silently: unknown ones, boxes alone, no label column."""
    where = printable(interpretation.file)
    if interpretation.foreign:
        values = {"where": where, "foreign": interpretation.foreign}
        message = Message("{where} holds labels in {foreign}'s format, which cannot be read yet.", **values)
        hint = "Export them as CSV or JSONL there, or import the images alone, without labels."
        raise ProjectError(message, hint, NextStep("import_unlabelled", path=source))
    if interpretation.has_only_marks:
        message = Message(
            "{file} marks parts of images with boxes or shapes, and gives no image as a whole a class.", file=where
        )
        hint = "Take every class that is marked in an image as its label, or import the images without labels."
        raise ProjectError(message, hint, NextStep("take_marks", path=source))
    if interpretation.lacks_labels:
        columns = ", ".join(interpretation.columns)
        message = Message(
            "No column of {where} was taken as the label. Its columns are: {columns}.", where=where, columns=columns
        )
        step = NextStep("choose_columns", path=source, columns=interpretation.unused_columns)
        raise ProjectError(message, "Say which one gives the class, or import the images without labels.", step)


def _checked(source: Source, job: JobContext) -> Source:
    """Return the source if it may hold an image, or if the user cancelled before its end."""
    listing = source.listing
    has_images = any(file.path.suffix.casefold() in IMAGE_SUFFIXES or file.sha256 for file in listing.files)
    if not has_images and not listing.unreadable and not job.is_cancelled:
        unread = [name for each in listing.interpretations for name in each.unread]
        hint = Message("Choose a folder with images, or with one folder per class.")
        if unread:
            names = ", ".join(unread[:3])
            hint = Message(
                "It holds {names}: if that lists images that lie elsewhere, import the file itself.", names=names
            )
        raise ProjectError(Message("{path} holds no images.", path=source.path), hint)
    return source
