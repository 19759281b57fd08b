"""Open a source of images: a folder, a label file, an archive of either, or another project."""

import shutil
import tempfile
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from visionft.core.errors import NextStep, ProjectError
from visionft.core.files import write_error
from visionft.core.foreign_text import printable
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.project.formats.image_table import (
    AUTOMATIC_CHOICE,
    DEFAULT_OPTIONS,
    ImageTable,
    Interpretation,
    LabelChoice,
    ReadOptions,
    RejectedFile,
)
from visionft.project.formats.registry import FORMATS, IMPORT_FORMATS, LABEL_FILES, format_of
from visionft.project.formats.whole_files import unread_store
from visionft.project.image_window import WindowChoice, measure_window
from visionft.project.importing.archives import archives_of, is_archive, unpack
from visionft.project.importing.folder_reading import read_folder, read_label_file
from visionft.project.importing.other_project import is_project, read_project
from visionft.project.store import ProjectStore

UNPACKED_PREFIX = ".unpacked-"
_FILES_FOLDER = "files"  # in a folder owned by the caller


@dataclass(frozen=True, slots=True)
class Source:
    """A source after reading: its readings as image tables, most plausible first, and the chosen table."""

    path: Path  # as given by the user
    base: Path  # folder of the files; for archives, of the unpacked files
    tables: tuple[ImageTable, ...]
    table: ImageTable  # the chosen one of `tables`
    is_project: bool = False  # another project: its hashes identify images, and images in its folder are copied
    roots: tuple[Path, ...] = ()  # root folders of another project's images

    @property
    def is_unpacked(self) -> bool:
        """Whether the files were unpacked from an archive."""
        return self.base not in (self.path, self.path.parent)

    @property
    def number(self) -> int:
        """The number of the chosen table, from 1 on."""
        return next(number for number, table in enumerate(self.tables, 1) if table is self.table)

    def with_reading(self, number: int) -> "Source":
        """Return the source with table `number` chosen, from 1 on; a `ProjectError` for other numbers."""
        if not 1 <= number <= len(self.tables):
            message = Message("There is no reading {number}.", number=number)
            raise ProjectError(message, Message("The source has {count} readings.", count=len(self.tables)))
        return replace(self, table=self.tables[number - 1])

    def shown(self, path: Path) -> str:
        """Return the path of a file for reports: within the archive, if any."""
        if self.is_unpacked and path.is_relative_to(self.base):
            return printable(self.path / path.relative_to(self.base))
        return printable(path)


@contextmanager
def opened_source(
    path: Path,
    source_format: str,
    scratch: Path,
    *,
    choice: LabelChoice = AUTOMATIC_CHOICE,
    known_classes: Collection[str] = (),
    unpacked: Path | None = None,
    is_multi_label: bool = False,
    job: JobContext,
) -> Generator[Source]:
    """Yield the source at an absolute `path`; the first table is chosen if it is sure, else the last, without labels.

    Args:
        scratch: The folder for the temporary files of an archive.
        known_classes: Names that make a lone folder a class.
        unpacked: A folder of the caller that keeps the files of an archive, so that it is unpacked only once.

    Raises:
        ProjectError: The source has no images.
    """
    if source_format not in IMPORT_FORMATS:
        message = Message("There is no format “{export_format}”.", export_format=source_format)
        hint = Message("Use {IMPORT_FORMATS}.", IMPORT_FORMATS=", ".join(IMPORT_FORMATS))
        raise ProjectError(message, hint)
    if not path.exists():
        raise ProjectError(Message("{path} does not exist.", path=path), "Check the path.")
    if source_format == "auto" and choice == AUTOMATIC_CHOICE and is_project(path):
        if path.samefile(scratch):
            raise ProjectError("A project cannot be imported into itself.", "Choose another project.")
        table, roots = read_project(path, known_classes, job)
        yield Source(path, path, (table,), table, is_project=True, roots=roots)
        return
    kind = source_format
    if kind == "auto" and not path.is_dir() and (format_ := format_of(path)):
        kind = format_.name
    options = ReadOptions(choice=choice, is_multi_label=is_multi_label)
    is_archived = bool(archives_of(path)) if path.is_dir() else kind == "zip" or is_archive(path)
    if is_archived and kind in ("auto", "zip", "parquet"):
        with _unpacked(path, unpacked or scratch, job, stays=unpacked is not None) as folder:
            options = replace(options, is_confined=True)
            yield _read(path, folder, folder, "auto", options, known_classes, job)
    else:
        yield _read(path, path if path.is_dir() else path.parent, path, kind, options, known_classes, job)


def _read(
    path: Path,
    base: Path,
    file: Path,
    kind: str,
    options: ReadOptions,
    known_classes: Collection[str],
    job: JobContext,
) -> Source:
    """Return the source at `path`, read from `file` (a label file or a folder); `base` is the folder of its files."""
    tables = read_source(file, kind, options=options, known_classes=known_classes, job=job)
    source = Source(path, base, tables, tables[0])
    if source.is_unpacked:

        def renamed(entries: Iterable[RejectedFile]) -> tuple[RejectedFile, ...]:
            """Rename rejected entries to their paths in the archive."""
            inside, outside = printable(base), printable(path)
            return tuple(RejectedFile(each.path.replace(inside, outside), each.reason) for each in entries)

        tables = tuple(
            replace(each, skipped=renamed(each.skipped), unreadable=renamed(each.unreadable)) for each in tables
        )
        source = replace(source, tables=tables)
    source = source.with_reading(1 if tables[0].is_sure else len(tables))
    _require_images(source, job)
    return source


def read_source(
    path: Path,
    kind: str = "auto",
    *,
    options: ReadOptions = DEFAULT_OPTIONS,
    known_classes: Collection[str] = (),
    job: JobContext = SILENT_JOB,
) -> tuple[ImageTable, ...]:
    """Return the image tables of a folder or a label file, most plausible first; the last table has no labels.

    Args:
        kind: The name of a format, or "auto".
        known_classes: Names that make a lone folder a class.

    Raises:
        ProjectError: The file lists no images.
    """
    if path.is_dir():
        only = kind if kind == "folders" or (kind in FORMATS and FORMATS[kind].read) else "auto"
        return read_folder(path, only, options=options, known_classes=known_classes, job=job)
    read = FORMATS[kind].read if kind in FORMATS else None
    if read is None:
        if error := unread_store([path]):
            raise error
        known = ", ".join(each.title for each in LABEL_FILES)
        message = Message("{path} is not a file that lists images.", path=path)
        hint = Message("Give a folder, a zip, or one of: {known}.", known=known)
        raise ProjectError(message, hint)

    def with_label(column: str) -> ImageTable:
        return read(path, replace(options, choice=LabelChoice(label=column)))

    return read_label_file(read(path, options), with_label if options.choice == AUTOMATIC_CHOICE else None)


@contextmanager
def _unpacked(archive: Path, scratch: Path, job: JobContext, *, stays: bool) -> Generator[Path]:
    files_folder = scratch / _FILES_FOLDER
    if stays and files_folder.is_dir():
        yield files_folder
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix=UNPACKED_PREFIX, dir=scratch))
    except OSError as error:
        raise write_error(scratch, error) from error
    try:
        is_whole = unpack(archive, folder, job=job)
        if stays and is_whole:
            folder = folder.rename(files_folder)
        yield folder
    finally:
        if folder != files_folder:
            shutil.rmtree(folder, ignore_errors=True)


def require_understood(interpretation: Interpretation, source: Path) -> None:
    """Raise a `ProjectError` if labels would be ignored silently: only boxes or shapes, or no label column."""
    where = printable(interpretation.file)
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
        raise ProjectError(message, "Choose the one with the class, or import the images without labels.", step)


def _require_images(source: Source, job: JobContext) -> None:
    """Raise a `ProjectError` for a source without possible images, unless reading was cancelled."""
    table = source.table
    has_images = any(row.suffix in IMAGE_SUFFIXES or row.sha256 for row in table.rows)
    if has_images or table.unreadable or job.is_cancelled:
        return
    unread = [name for entry in table.interpretations for name in entry.unread]
    if error := unread_store(source.path / name for name in unread):
        raise error
    unread = [name for name in unread if _names_images(source.base / name)]
    hint = Message("Choose a folder with images, or with one folder per class.")
    if unread:
        names = ", ".join(unread[:3])
        hint = Message(
            "It contains {names}: if this file lists images of another folder, import the file itself.", names=names
        )
    raise ProjectError(Message("{path} holds no images.", path=source.path), hint)


def _names_images(file: Path) -> bool:
    """Return whether a file may list images in other folders; a `ProjectError` for a table without images."""
    format_ = format_of(file)
    if format_ is None or format_.read is None:
        return False
    if format_.name == "csv" and file.suffix != ".txt":
        format_.read(file, DEFAULT_OPTIONS)
    return True


def window_of_files(project: ProjectStore | None, opened: Source, job: JobContext) -> WindowChoice | None:
    """Return the intensity window for the images of an import: the project's, or measured on the first images."""
    has_images = project is not None and bool(project.fetch("SELECT 1 FROM image LIMIT 1"))
    stored = project.window if project is not None else None
    if has_images or (stored is not None and stored.is_own):
        return stored
    with suppress(JobCancelled):  # the next step of the import ends it
        return measure_window([file.path for file in opened.table.rows], job=job)
    return None


def image_reading_of_files(project: ProjectStore | None, opened: Source, job: JobContext) -> ImageReading:
    window = window_of_files(project, opened, job)
    return window.reading if window is not None else AS_STORED
