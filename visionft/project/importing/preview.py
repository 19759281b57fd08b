"""Preview of an import: images, classes and label conflicts as `import_source` would produce them. Reads only."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from visionft.core.events import Notice, Progress
from visionft.core.foreign_text import printable
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.names import name_key, natural_key
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.types import Task
from visionft.project.edits import conflicts
from visionft.project.edits.import_changes import FileFacts
from visionft.project.formats.image_table import (
    AUTOMATIC_CHOICE,
    ImageTable,
    ImageWarning,
    ImportRow,
    Interpretation,
    LabelChoice,
    RejectedFile,
)
from visionft.project.importing.import_filter import ClassMap, ImportBatch, ImportFilter
from visionft.project.importing.other_project import measure_agreement
from visionft.project.importing.sources import Source, image_reading_of_files, opened_source
from visionft.project.queries import Conflict, class_names
from visionft.project.store import ProjectStore

_FIRST_NEW_ID = 2**62  # assumed id of the first new image, above all ids in the project


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """The preview of a source; its classes have the names of the source, without a class map."""

    HIDDEN: ClassVar = ("source", "known_facts")
    COMPUTED_FIELDS: ClassVar = ("path", "interpretations", "readings", "reading")

    source: Source
    new: int  # images to add
    duplicates: tuple[str, ...]  # files with the same content as a project image or an earlier file
    unreadable: tuple[RejectedFile, ...]
    skipped: tuple[RejectedFile, ...]
    classes: dict[str, int]  # new images by class
    unlabelled: int  # new images without a class
    multi_label_images: int  # new images with more than one class
    splits: dict[str, int]  # new images by the source's split
    class_splits: dict[str, dict[str, int]]  # {class or "": {split: number of new images}}
    bytes: int  # total size of the new images
    smallest: tuple[int, int] | None  # (width, height) in pixels of the new image with the fewest pixels
    largest: tuple[int, int] | None
    # Images with several classes, in a single-label project or, without a project, within the source.
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[ImageWarning, ...] = ()
    stopped: bool = False
    image_reading: ImageReading = AS_STORED  # planes, channels and intensity window: the project's, or measured
    known_facts: Mapping[Path, FileFacts] = field(default_factory=dict[Path, FileFacts], repr=False)

    @property
    def path(self) -> Path:
        """The source path as given by the user."""
        return self.source.path

    @property
    def interpretations(self) -> tuple[Interpretation, ...]:
        """The interpretations of the label files or folders."""
        return self.source.table.interpretations

    @property
    def readings(self) -> tuple[ImageTable, ...]:
        """The possible interpretations of the source as a table, most plausible first."""
        return self.source.tables

    @property
    def reading(self) -> int:
        """The number of the previewed reading, counted from 1."""
        return self.source.number


def preview_source(
    source: Path,
    project: ProjectStore | None = None,
    *,
    source_format: str = "auto",
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    choice: LabelChoice = AUTOMATIC_CHOICE,
    reading: int = 0,
    unpacked: Path | None = None,
    job: JobContext = SILENT_JOB,
) -> ImportPreview:
    """Preview the result of `import_source`, without writing anything except temporary files of an archive.

    A cancelled preview returns its results so far.

    Args:
        project: None previews the source alone; its images may have several classes.
        known_facts: File facts from an earlier preview, to skip unchanged files.
        unpacked: A folder of the caller that keeps the files of an archive, so that it is unpacked only once.

    Raises:
        ProjectError: The source is missing, or has no images.
    """
    path = Path(os.path.abspath(source))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    scratch = project.path if project is not None and not project.is_read_only else Path(tempfile.gettempdir())
    with opened_source(
        path,
        source_format,
        scratch,
        choice=choice,
        unpacked=unpacked,
        known_classes=class_names(project) if project is not None else (),
        is_multi_label=project is None or project.task == "multi",
        job=job,
    ) as opened:
        chosen = opened.with_reading(reading) if reading else opened
        preview = preview_table(chosen, project, class_map=class_map, known_facts=known_facts, job=job)
        return preview if unpacked is not None or not opened.is_unpacked else replace(preview, known_facts={})


def preview_table(
    source: Source,
    project: ProjectStore | None = None,
    *,
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    job: JobContext = SILENT_JOB,
) -> ImportPreview:
    """Preview the chosen table of a source like `preview_source`, without reading its label files again."""
    task: Task = project.task if project is not None else "multi"
    examiner = ImportFilter(
        project=project,
        source=source,
        task=task,
        checks_recorded_paths=not source.is_unpacked,
        class_map=class_map or {},
        known_facts=known_facts or {},
        image_reading=image_reading_of_files(project, source, job),
    )
    images = _NewImages(project)
    search = _ConflictSearch(project, examiner)
    for batch in examiner.batches(job):
        examiner.seen.update({image.sha256: image.source.path for image in batch.new})
        images.add(batch)
        if not source.is_project and (project is None or task == "single"):  # persons' labels may differ, too
            search.add(batch)
        if not examiner.is_stopped:
            job.report(Progress(stage="Look at the images", done=batch.done, total=len(source.table.rows)))
    if source.is_project and project is not None:
        agreement = measure_agreement(project, source.table.rows, class_map or {})
        if agreement is not None:
            job.report(Notice(message=agreement.text))
    return _preview_of(examiner, images, search)


class _NewImages:
    """The new images of a source, including labels and splits from further rows and copies, as in an import."""

    def __init__(self, project: ProjectStore | None) -> None:
        self._task = project.task if project is not None else None
        self.sources: dict[Path, ImportRow] = {}
        self.files: dict[Path, FileFacts] = {}

    def add(self, batch: ImportBatch) -> None:
        self.sources.update((image.source.path, image.source) for image in batch.new)
        self.files.update((image.source.path, image.file) for image in batch.new if image.file)
        for image in batch.known:
            path = image.recorded
            if path is not None and (first := self.sources.get(path)):
                self.sources[path] = self._completed(first, image.source)

    def _completed(self, first: ImportRow, other: ImportRow) -> ImportRow:
        """Fill in an image's missing values from another row; without a project, rows of the same file add labels."""
        joins = self._task == "multi" or (self._task is None and other.path == first.path)
        labels = tuple(dict.fromkeys((*first.labels, *other.labels))) if joins else first.labels or other.labels
        return replace(first, labels=labels, split=first.split or other.split)


def _preview_of(examiner: ImportFilter, images: _NewImages, search: "_ConflictSearch") -> ImportPreview:
    """Return the preview, without conflicts if images have several classes."""
    sources = images.sources.values()
    files = images.files.values()
    multi_label_images = sum(len(row.labels) > 1 for row in sources)
    by_area = sorted(((file.width, file.height) for file in files), key=lambda size: size[0] * size[1])
    return ImportPreview(
        source=examiner.source,
        new=len(files),
        duplicates=tuple(examiner.duplicates),
        unreadable=tuple(examiner.unreadable),
        skipped=tuple(examiner.skipped),
        warnings=tuple(examiner.warnings),
        classes=dict(Counter(label for row in sources for label in row.labels)),
        unlabelled=sum(not row.labels for row in sources),
        multi_label_images=multi_label_images,
        conflicts=() if multi_label_images else tuple(search.conflicts.values()),
        splits=dict(Counter(row.split for row in sources if row.split)),
        class_splits=_class_splits([*sources]),
        bytes=sum(file.bytes for file in files),
        image_reading=examiner.image_reading,
        smallest=by_area[0] if by_area else None,
        largest=by_area[-1] if by_area else None,
        stopped=examiner.is_stopped,
        known_facts=images.files,
    )


def _class_splits(sources: Sequence[ImportRow]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    pairs = ((label, row.split) for row in sources if row.split for label in row.labels or ("",))
    for (label, split), count in Counter(pairs).items():
        counts.setdefault(label, {})[split] = count
    return counts


class _ConflictSearch:
    """Finds the label conflicts of an import into a single-label project; `conflicts` is {content hash: conflict}."""

    def __init__(self, project: ProjectStore | None, examiner: ImportFilter) -> None:
        self._project, self._is_copied = project, examiner.source.is_unpacked
        self._images: dict[str, conflicts.ImportedClasses] = {}  # by content hash, without images labelled by a person
        self._classes: dict[str, tuple[int, str]] = {}  # {name key: (position, name)}
        self._aliases: dict[str, str] = {}
        self.conflicts: dict[str, Conflict] = {}
        if project is not None:
            with project.reading() as connection:
                self._aliases = conflicts.read_aliases(connection)
            self._add_classes(class_names(project))
        self._add_classes(look.name for look in examiner.classes())

    def add(self, batch: ImportBatch) -> None:
        """Record the new images of a batch, and label conflicts of images that are known already."""
        self._add_images(batch)
        paths = {image.sha256: image.recorded for image in batch.known}
        source_labels = conflicts.group_candidates(
            (image.sha256, conflicts.CandidateLabel(label, image.origin))
            for image in batch.known
            for label in image.source.labels[:1]
        )
        known = [self._images[sha256] for sha256 in paths if sha256 in self._images]
        for image in sorted(known):
            sha256 = image.sha256
            classes = conflicts.merge_candidates(image.classes, source_labels.get(sha256, ()), self._aliases)
            if len(classes) == 1:  # labels are stored without an origin, so the image's path takes its place
                classes = {
                    key: conflicts.CandidateLabel(candidate.class_name, image.path)
                    for key, candidate in classes.items()
                }
            self._images[sha256] = image._replace(classes=classes)
            self._add_classes(candidate.class_name for key, candidate in classes.items() if key not in self._classes)
            if len(classes) > 1 and (path := paths[sha256]) is not None:
                ordered = sorted(classes, key=lambda key: self._classes[key])
                candidates = tuple(
                    conflicts.CandidateLabel(self._classes[key][1], classes[key].origin) for key in ordered
                )
                self.conflicts[sha256] = Conflict(path=printable(path), candidates=candidates)

    def _add_images(self, batch: ImportBatch) -> None:
        """Add the images of a batch with their classes so far, in the order of image ids."""
        hashes = [image.sha256 for image in batch.known if image.sha256 not in self._images]
        if self._project is not None and hashes:
            with self._project.reading() as connection:
                for image in conflicts.imported_classes(connection, hashes, {}):
                    self._images.setdefault(image.sha256, image).classes.update(image.classes)
        self._add_classes(sorted({label for image in batch.new for label in image.source.labels}, key=natural_key))
        for image in batch.new:
            shown = printable(image.source.name if self._is_copied else image.source.path)
            classes = {name_key(name): conflicts.CandidateLabel(name, shown) for name in image.source.labels[:1]}
            image_id = _FIRST_NEW_ID + len(self._images)
            self._images[image.sha256] = conflicts.ImportedClasses(image_id, image.sha256, shown, classes)

    def _add_classes(self, names: Iterable[str]) -> None:
        for name in names:
            self._classes.setdefault(name_key(name), (len(self._classes), name))
