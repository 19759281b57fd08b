"""Import images into a project. The report lists every file of the source; importing it again adds nothing.

Images are referenced in place, or copied into the project. Each batch is a durable transaction: after a cancelled or
killed import, importing again continues. Originals are only read.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from visionft.core.errors import ProjectError, VisionFTError, as_visionft_error
from visionft.core.events import Notice, Progress
from visionft.core.files import atomic_path, converting_write_errors, fsync_folder, link_or_copy
from visionft.core.foreign_text import printable
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.core.records import Record
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.project.db.roots import IMAGES_FOLDER
from visionft.project.edits.changes import BULK_IMAGES
from visionft.project.edits.import_changes import AddImages, FileFacts, FileLocation, ImportedImage
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.formats import image_table
from visionft.project.image_window import choice_text
from visionft.project.importing.import_filter import ClassMap, ImportBatch, ImportFilter
from visionft.project.importing.other_project import Agreement, measure_agreement
from visionft.project.importing.sources import Source, opened_source, require_understood, window_of_files
from visionft.project.label_files import record_label_files
from visionft.project.queries import Conflict, class_names, count_classes_after, find_conflicts
from visionft.project.store import ProjectStore

logger = logging.getLogger(__name__)

_COPY_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport(Record):
    """The result for every file of the source."""

    added: int
    # Files with the content of a project image, or of an earlier file; their labels are used for unlabelled images.
    duplicates: tuple[str, ...]
    unreadable: tuple[image_table.RejectedFile, ...]  # image files, lines of label files, folders
    skipped: tuple[image_table.RejectedFile, ...]  # other files, links to folders, images removed from the project
    classes: dict[str, int]  # added images by class, without images in conflict
    # Images with several classes from this or earlier imports, without a decision; they have no label.
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[image_table.ImageWarning, ...] = ()
    interpretations: tuple[image_table.Interpretation, ...] = ()
    readings: tuple[image_table.ImageTable, ...] = ()  # readings of the source, most plausible first
    reading: int = 0  # number of the imported reading, from 1 on
    agreement: Agreement | None = None  # with another project's labels of the same images
    stopped: bool = False  # cancelled; importing again continues
    step_id: int = 0  # in the history; 0 without a change

    @property
    def is_empty(self) -> bool:
        """Whether every file or line was rejected."""
        return not (self.added or self.duplicates or self.stopped) and bool(self.unreadable)

    def refuse_empty(self) -> None:
        """Raise a `NothingImportedError` if every file or line was rejected."""
        if self.is_empty:
            raise NothingImportedError(self)


class NothingImportedError(VisionFTError):
    """No file of a source was usable; `report` has the reasons."""

    def __init__(self, report: ImportReport) -> None:
        first = report.unreadable[0]
        files = count_of(len(report.unreadable), "file")
        super().__init__(
            Message("Nothing was imported: none of {files} could be used.", files=files),
            Message("The first one: {path}: {reason}", path=first.path, reason=first.reason),
        )
        self.report = report


def import_source(
    project: ProjectStore,
    source: Path,
    *,
    copy: bool = False,
    source_format: str = "auto",
    class_map: ClassMap | None = None,
    choice: image_table.LabelChoice = image_table.AUTOMATIC_CHOICE,
    reading: int = 0,
    accepts_unlabelled: bool = False,
    replaces_labels: bool = False,
    job: JobContext = SILENT_JOB,
) -> ImportReport:
    """Import images and their labels from a source, as one step of the history; on cancel, committed images stay.

    Args:
        source: A folder with class folders, with train/val/test folders of class folders, with a label file or with
            loose images; a CSV or JSONL file that lists images; a zip of any of these; or another project.
        copy: Copy the images into the project instead of referencing them in place; always true for a zip.
        class_map: {class name in the source: its name in the project, or None to leave its images out}.
        reading: The number of the previewed reading to import, from 1 on. 0: the most plausible reading, or no labels
            if it is not sure.
        accepts_unlabelled: Import images without labels even if their label files give none.
        replaces_labels: Replace imported labels by the source's labels; otherwise different labels are a conflict.

    Raises:
        ProjectError: The source has no images, its labels are not understood, or the project is not writable.
    """
    _require_writable(project)
    path = Path(os.path.abspath(source))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    with opened_source(
        path,
        source_format,
        project.path,
        choice=choice,
        known_classes=class_names(project),
        is_multi_label=project.task == "multi",
        job=job,
    ) as opened:
        if reading:
            opened = opened.with_reading(reading)
        else:
            if not (accepts_unlabelled or source_format == "folders"):
                for interpretation in opened.table.interpretations:
                    require_understood(interpretation, path)
            _report_left_out_labels(opened, job)
        return import_table(project, opened, copy=copy, class_map=class_map, replaces_labels=replaces_labels, job=job)


def import_table(
    project: ProjectStore,
    source: Source,
    *,
    copy: bool = False,
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    replaces_labels: bool = False,
    job: JobContext = SILENT_JOB,
) -> ImportReport:
    """Import the chosen table of a source like `import_source`, without reading its label files again.

    Args:
        known_facts: File facts from a preview of this source, to skip unchanged files.
    """
    _require_writable(project)
    copies = copy or source.is_unpacked
    image_reading, window = _window_of_import(project, source, job)
    examiner = ImportFilter(
        project=project,
        source=source,
        task=project.task,
        checks_recorded_paths=not copies,
        class_map=class_map or {},
        known_facts=known_facts or {},
        image_reading=image_reading,
    )
    report = _Import(project, examiner, copy=copies, window=window, replaces_labels=replaces_labels).run(job=job)
    if not (report.stopped or source.is_unpacked):
        _record_label_files(project, source.path, report)
    return report


def _require_writable(project: ProjectStore) -> None:
    if project.is_read_only:
        message = Message("The project cannot be changed: {reason}.", reason=project.read_only_reason)
        raise ProjectError(message, "Close it there first.")


def _report_left_out_labels(opened: Source, job: JobContext) -> None:
    """Report that labels were left out because no reading is sure."""
    first = opened.tables[0]
    if opened.table is not first:
        text = Message(
            "The labels were left out, because they are not sure. {title}: {evidence}",
            title=first.title,
            evidence=first.evidence,
        )
        job.report(Notice(message=text, level="warning"))


def _record_label_files(project: ProjectStore, path: Path, report: ImportReport) -> None:
    """Keep the state of the label files, to offer their changes later; a failure is only logged."""
    files = [file for entry in report.interpretations for file in (entry.file, *entry.joined)]
    try:
        record_label_files(project.path, path, files)
    except VisionFTError as error:
        logger.warning("Changes of the label files will not be offered: %s", error)


def import_files(
    project: ProjectStore, paths: Sequence[Path], *, copy: bool = False, job: JobContext = SILENT_JOB
) -> ImportReport:
    """Import single image files from any folder, without labels; known images stay unchanged."""
    base = paths[0].parent
    table = image_table.ImageTable(tuple(image_table.ImportRow(path, path.name) for path in paths))
    source = Source(base, base, (table,), table)
    reading, window = _window_of_import(project, source, job)
    examiner = ImportFilter(
        project=project, source=source, task=project.task, checks_recorded_paths=not copy, image_reading=reading
    )
    return _Import(project, examiner, copy=copy, window=window, is_bulk=len(paths) >= BULK_IMAGES).run(job=job)


def _window_of_import(
    project: ProjectStore, source: Source, job: JobContext
) -> tuple[ImageReading, ChooseWindow | None]:
    """Return how to read the images of an import, and the change of the project's intensity window in its step.

    The window is measured on the first images of the source if the project has no images.
    """
    window = window_of_files(project, source, job)
    reading = window.reading if window is not None else AS_STORED
    if window == project.window:
        return reading, None
    if window is not None:
        job.report(Notice(message=choice_text(window)))
    return reading, ChooseWindow(window)


@dataclass
class _Import:
    """A running import with its totals and root folders."""

    project: ProjectStore
    examiner: ImportFilter
    copy: bool = field(kw_only=True)
    window: ChooseWindow | None = field(kw_only=True)  # part of the first batch
    is_bulk: bool = field(kw_only=True, default=True)
    replaces_labels: bool = field(kw_only=True, default=False)
    seen_hashes: set[str] = field(default_factory=set[str])  # of earlier rows: two rows may be in conflict
    step_id: int = 0
    added: int = 0
    relinked: int = 0
    labelled: int = 0  # known images with a label from another project
    replaced: int = 0  # images with another imported class before
    overruled: int = 0  # images with another class by a person, which was kept
    conflicts: dict[int, Conflict] = field(default_factory=dict[int, Conflict])
    root_folders: set[Path] = field(default_factory=set[Path])
    folders: dict[Path, FileLocation] = field(default_factory=dict[Path, FileLocation])  # of the referenced images

    def __post_init__(self) -> None:
        self.source = self.examiner.source

    def run(self, *, job: JobContext) -> ImportReport:
        """Examine and commit batch by batch."""
        files = self.source.table.rows
        self.examiner.is_stopped = not files and job.is_cancelled  # cancelled before the table was read
        agreement = None
        if self.source.is_project:
            agreement = measure_agreement(self.project, files, self.examiner.class_map)
        last_before = self.project.fetch("SELECT coalesce(max(id), 0) FROM image")[0][0]
        for done in self._committed(job):
            if not self.examiner.is_stopped:
                job.report(Progress(stage="Import", done=done, total=len(files)))
        stopped = self.examiner.is_stopped
        if agreement is not None:
            job.report(Notice(message=agreement.text))
        self._report_results(job)
        report = ImportReport(
            added=self.added,
            duplicates=tuple(self.examiner.duplicates),
            unreadable=tuple(self.examiner.unreadable),
            skipped=tuple(self.examiner.skipped),
            warnings=tuple(self.examiner.warnings),
            classes=count_classes_after(self.project, last_before),
            conflicts=tuple(self.conflicts.values()),
            interpretations=self.source.table.interpretations,
            readings=self.source.tables,
            reading=self.source.number,
            agreement=agreement,
            stopped=stopped,
            step_id=self.step_id,
        )
        logger.info(
            "import%s: %d files: %d added in %d classes, %d known already, %d unreadable, %d skipped%s",
            " with copies" if self.copy else "",
            len(files),
            *(report.added, len(report.classes), len(report.duplicates), len(report.unreadable), len(report.skipped)),
            "; stopped" if stopped else "",
        )
        return report

    def _committed(self, job: JobContext) -> Iterator[int]:
        """Commit batch by batch, and yield the number of files so far; an error mentions the imported images."""
        try:
            for batch in self.examiner.batches(job):
                self._commit(batch)
                yield batch.done
        except (VisionFTError, OSError) as error:
            known_error = as_visionft_error(error)
            if known_error is None or not self.added:
                raise
            counted = count_of(self.added, "image")
            hint = Message(
                "{counted} were imported before and stay; importing again continues from there.", counted=counted
            )
            hints = Message("{hint} {hint2}", hint=known_error.hint, hint2=hint)
            raise ProjectError(known_error.message, hints, known_error.next_step) from error

    def _report_results(self, job: JobContext) -> None:
        if self.examiner.is_stopped:
            job.report(Notice(message="Import stopped. Import the same source again to continue."))
        if self.relinked:
            message = Message("{counted} found again.", counted=count_of(self.relinked, "missing image"))
            job.report(Notice(message=message))
        if self.labelled:
            counted = count_of(self.labelled, "image")
            message = Message("Labels taken from the other project: {counted}.", counted=counted)
            job.report(Notice(message=message))
        if self.replaced:
            message = Message("Imported labels replaced: {counted}.", counted=count_of(self.replaced, "image"))
            job.report(Notice(message=message))
        if self.overruled:
            counted = count_of(self.overruled, "image")
            text = Message("{counted} already had another class given by a person, which was kept.", counted=counted)
            job.report(Notice(message=text, level="warning"))

    def _commit(self, batch: ImportBatch) -> None:
        """Write a batch as part of the import's step in the history."""
        if not (batch.new or batch.known or batch.edited):
            return
        new, known = self._placed(batch)
        self.replaced += self._count_differing([image for image in known if image.replaces_labels], is_imported=True)
        change = AddImages(
            images=new,
            known=known,
            edited=batch.edited,
            classes=self.examiner.classes(),
            aliases={name: target for name, target in self.examiner.class_map.items() if target is not None},
            title=self._title(self.added + len(new)),
            is_bulk=self.is_bulk,
            window=self.window,
        )
        before = self._labels_of(known)
        effects = self.project.apply(change, continues=self.step_id)
        self.labelled += len({image_id for image_id, _ in self._labels_of(known) - before})
        self.step_id = effects.step_id or self.step_id
        self.window = None
        self._count(new, known)

    def _placed(self, batch: ImportBatch) -> tuple[list[ImportedImage], list[ImportedImage]]:
        """Return the new and known images with the locations to record; make copies."""
        if self.root_folders != (roots := {*self.project.roots().ids(), *self.source.roots}):
            self.root_folders, self.folders = roots, {}
        known = [self._with_place(self._with_replacing(image)) for image in batch.known]
        new = [self._with_place(image) for image in batch.new]
        self.seen_hashes.update(image.sha256 for image in new)
        self._make_copies([image for image in (*new, *known) if image.place and self._is_copied(image.source.path)])
        return new, known

    def _count(self, new: Sequence[ImportedImage], known: Sequence[ImportedImage]) -> None:
        """Add a written batch to the totals."""
        self.added += len(new)
        self.relinked += sum(image.place is not None for image in known)
        if self.project.task == "single":
            self.overruled += self._count_differing(known, is_imported=False)
        if self.project.task == "single" or self.source.is_project:
            conflicts = find_conflicts(self.project, [image.sha256 for image in known])
            self.conflicts |= {conflict.image_id: conflict for conflict in conflicts}

    def _title(self, added: int) -> Message:
        source = printable(self.source.path)
        if self.replaced and not added:
            words = Message("Replace the labels of {counted} by those of {source}", source=source)
            return Message(words, counted=count_of(self.replaced, "image"))
        if self.source.is_project and not added:
            return Message("Import labels from {source}", source=source)
        return Message("Import {counted} from {source}", counted=count_of(added, "image"), source=source)

    def _labels_of(self, known: Sequence[ImportedImage]) -> set[tuple[int, int]]:
        """Return {(image id, class id)} of known images if the source is another project; otherwise empty."""
        if not self.source.is_project:
            return set()
        query = """SELECT image_id, class_id FROM label JOIN image ON image.id = image_id
            WHERE sha256 IN (SELECT value FROM json_each(?))"""
        return set(self.project.fetch(query, json.dumps([image.sha256 for image in known])))

    def _with_replacing(self, image: ImportedImage) -> ImportedImage:
        """Return a known image; with `replaces_labels`, labels of its first row replace imported labels."""
        is_first = image.sha256 not in self.seen_hashes
        self.seen_hashes.add(image.sha256)
        return image._replace(replaces_labels=True) if self.replaces_labels and is_first else image

    def _with_place(self, image: ImportedImage) -> ImportedImage:
        """Return the image with its location if it is new or its recorded file is gone; else return it unchanged."""
        if image.recorded is None:
            name = image.source.name if self._is_copied(image.source.path) else None
            return image._replace(place=self._place(image), name=name)
        if image.file is None or image.source.path == image.recorded or image.recorded.exists():
            return image
        return image._replace(place=self._place(image))

    def _place(self, image: ImportedImage) -> FileLocation:
        """Return the location of an image: below a known root, the source or its folder; for a copy, in the project."""
        path = image.source.path
        if not self._is_copied(path):
            parent = path.parent
            if parent not in self.folders:
                known_root = next((folder for folder in path.parents if folder in self.root_folders), None)
                folder = known_root or (self.source.base if path.is_relative_to(self.source.base) else parent)
                subfolder = "".join(f"{part}/" for part in parent.relative_to(folder).parts)
                self.folders[parent] = FileLocation(folder, subfolder)
            place = self.folders[parent]
            return FileLocation(place.folder, f"{place.path}{path.name}")
        return FileLocation(self.project.path / IMAGES_FOLDER, _copy_name(image.sha256, path))

    def _is_copied(self, path: Path) -> bool:
        """Return whether an image is copied into the project: always if it is in another project's folder."""
        return self.copy or (self.source.is_project and path.is_relative_to(self.source.path / IMAGES_FOLDER))

    def _make_copies(self, images: Sequence[ImportedImage]) -> None:
        """Copy images into the project."""
        folder = self.project.path / IMAGES_FOLDER
        sources = {folder / _copy_name(image.sha256, image.source.path): image.source.path for image in images}
        _copy_files(folder, sources, links=self.source.is_unpacked)

    def _count_differing(self, known: Sequence[ImportedImage], *, is_imported: bool) -> int:
        """Count the images whose class, imported or by a person, differs from the source's class."""
        source_labels = {(image.sha256, name) for image in known for name in image.source.labels}
        query = """SELECT sha256, class.name FROM image JOIN label ON image_id = image.id
            JOIN class ON class.id = class_id
            WHERE sha256 IN (SELECT value FROM json_each(?)) AND (source = 'import') = ?"""
        hashes = json.dumps([sha256 for sha256, _ in source_labels])
        project_labels = dict(self.project.fetch(query, hashes, is_imported))
        return len({sha256 for sha256, name in source_labels if project_labels.get(sha256, name) != name})


def _copy_name(sha256: str, path: Path) -> str:
    """Return the path of an image's copy, relative to the project's image folder."""
    return f"{sha256[:2]}/{sha256}{path.suffix.lower()}"


def _copy_files(folder: Path, sources: Mapping[Path, Path], *, links: bool) -> None:
    """Copy files durably, all or none, in several threads.

    Args:
        folder: The folder above all targets.
        sources: {target: file}; existing targets stay.
        links: Use hard links if the file system supports them.
    """
    missing = {target: path for target, path in sources.items() if not target.exists()}
    folders = {target.parent for target in missing}

    def copy(target: Path) -> None:
        with atomic_path(target, flushes_folder=False) as temporary:
            (link_or_copy if links else shutil.copyfile)(missing[target], temporary)

    pool = ThreadPoolExecutor(_COPY_THREADS)
    try:
        with converting_write_errors(folder):
            for parent in folders:
                parent.mkdir(parents=True, exist_ok=True)
            for _ in pool.map(copy, missing):
                pass
            for _ in pool.map(fsync_folder, [*folders, *([folder] if folders else [])]):
                pass
    except BaseException:
        pool.shutdown(cancel_futures=True)
        for path in missing:
            with suppress(OSError):
                path.unlink(missing_ok=True)
                path.parent.rmdir()
        raise
    finally:
        pool.shutdown()
