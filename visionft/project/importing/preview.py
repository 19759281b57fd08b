"""Preview of an import: its images, classes and label conflicts, as `import_source` would leave them. Reads only."""

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
from visionft.project.store import Project

_FIRST_NEW = 2**62  # stands for the id of the first new image, above all in the project


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """The preview of a source; its classes have the source's names, before any class map."""

    HIDDEN: ClassVar = ("source", "known_facts")
    COMPUTED_FIELDS: ClassVar = ("path", "interpretations", "readings", "reading")

    source: Source
    new: int  # images to add
    duplicates: tuple[str, ...]  # content is already in the project, or in an earlier file of the source
    unreadable: tuple[RejectedFile, ...]
    skipped: tuple[RejectedFile, ...]
    classes: dict[str, int]  # new images by class
    unlabelled: int  # new images without a class
    multi_label_images: int  # new images with more than one class
    splits: dict[str, int]  # new images by the source's split
    class_splits: dict[str, dict[str, int]]  # new images of each class (empty: no class) by split
    bytes: int  # total size of the new images
    smallest: tuple[int, int] | None  # (width, height) in pixels of the new image with the fewest; None without images
    largest: tuple[int, int] | None
    # Images with several classes in a single-label project; without a project, in the source itself.
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[ImageWarning, ...] = ()
    stopped: bool = False
    image_reading: ImageReading = AS_STORED  # how the images are read: as the project does, or as measured
    known_facts: Mapping[Path, FileFacts] = field(default_factory=dict[Path, FileFacts], repr=False)

    @property
    def path(self) -> Path:
        """The source, as the user named it."""
        return self.source.path

    @property
    def interpretations(self) -> tuple[Interpretation, ...]:
        """How the label files, or the folders, were understood."""
        return self.source.table.interpretations

    @property
    def readings(self) -> tuple[ImageTable, ...]:
        """Every way to understand the source, most plausible first."""
        return self.source.tables

    @property
    def reading(self) -> int:
        """The number of the previewed one, from 1 on."""
        return self.source.number


def preview_source(
    source: Path,
    project: Project | None = None,
    *,
    source_format: str = "auto",
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    choice: LabelChoice = AUTOMATIC_CHOICE,
    reading: int = 0,
    unpacked: Path | None = None,
    job: JobContext = SILENT_JOB,
) -> ImportPreview:
    """Preview the result of `import_source`, without writing anything except a zip's temporary unpacked copy.

    The arguments are the import's; `known_facts` are of an earlier preview, and `unpacked` is a folder, made
    and deleted by the caller, that keeps the files of an archive. Without a project, the source is previewed alone,
    with several classes allowed. A cancelled preview returns its results so far. Raises `ProjectError`: the source is
    missing or holds no image.
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
        taken = opened.with_reading(reading) if reading else opened
        found = preview_table(taken, project, class_map=class_map, known_facts=known_facts, job=job)
        return found if unpacked is not None or not opened.is_unpacked else replace(found, known_facts={})


def preview_table(
    source: Source,
    project: Project | None = None,
    *,
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    job: JobContext = SILENT_JOB,
) -> ImportPreview:
    """Preview the import of the table that is taken of a source, as `preview_source`; its label files are not read."""
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
        if not source.is_project and (project is None or task == "single"):  # persons may differ, too
            search.add(batch)
        if not examiner.is_stopped:
            job.report(Progress(stage="Look at the images", done=batch.done, total=len(source.table.rows)))
    if source.is_project and project is not None:
        agreement = measure_agreement(project, source.table.rows, class_map or {})
        if agreement is not None:
            job.report(Notice(message=agreement.text))
    return _preview_of(examiner, images, search)


class _NewImages:
    """The new images of a source, each completed by further rows and copies of it as the import does."""

    def __init__(self, project: Project | None) -> None:
        self._task = project.task if project is not None else None
        self.sources: dict[Path, ImportRow] = {}
        self.files: dict[Path, FileFacts] = {}

    def add(self, batch: ImportBatch) -> None:
        self.sources.update((image.source.path, image.source) for image in batch.new)
        self.files.update((image.source.path, image.file) for image in batch.new if image.file)
        for image in batch.known:
            place = image.recorded
            if place is not None and (first := self.sources.get(place)):
                self.sources[place] = self._completed(first, image.source)

    def _completed(self, first: ImportRow, other: ImportRow) -> ImportRow:
        """Return an image with what another file says of it; without a project, rows of one file add their labels."""
        joins = self._task == "multi" or (self._task is None and other.path == first.path)
        labels = tuple(dict.fromkeys((*first.labels, *other.labels))) if joins else first.labels or other.labels
        return replace(first, labels=labels, split=first.split or other.split)


def _preview_of(examiner: ImportFilter, images: _NewImages, search: "_ConflictSearch") -> ImportPreview:
    """Return the preview of examined images; those with several classes are no conflict without a project."""
    sources = images.sources.values()
    files = images.files.values()
    several = sum(len(each.labels) > 1 for each in sources)
    by_area = sorted(((file.width, file.height) for file in files), key=lambda size: size[0] * size[1])
    return ImportPreview(
        source=examiner.source,
        new=len(files),
        duplicates=tuple(examiner.duplicates),
        unreadable=tuple(examiner.unreadable),
        skipped=tuple(examiner.skipped),
        warnings=tuple(examiner.warnings),
        classes=dict(Counter(label for each in sources for label in each.labels)),
        unlabelled=sum(not each.labels for each in sources),
        multi_label_images=several,
        conflicts=() if several else tuple(search.conflicts.values()),
        splits=dict(Counter(each.split for each in sources if each.split)),
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
    placed = ((label, each.split) for each in sources if each.split for label in each.labels or ("",))
    for (label, split), count in Counter(placed).items():
        counts.setdefault(label, {})[split] = count
    return counts


class _ConflictSearch:
    """The conflicts that an import into a single-label project would leave; `conflicts` is {content: conflict}."""

    def __init__(self, project: Project | None, examiner: ImportFilter) -> None:
        self._project, self._is_copied = project, examiner.source.is_unpacked
        self._images: dict[str, conflicts.ImportedClasses] = {}  # by content; without images that a person labelled
        self._classes: dict[str, tuple[int, str]] = {}  # {key of the name: (position, name)}
        self._aliases: dict[str, str] = {}
        self.conflicts: dict[str, Conflict] = {}
        if project is not None:
            with project.reading() as connection:
                self._aliases = conflicts.read_aliases(connection)
            self._add_classes(class_names(project))
        self._add_classes(look.name for look in examiner.classes())

    def add(self, batch: ImportBatch) -> None:
        """Record the new images of a batch, and the conflicts of its known ones."""
        self._add_images(batch)
        recorded = {image.sha256: image.recorded for image in batch.known}
        stated = conflicts.group_statements(
            (image.sha256, conflicts.CandidateLabel(label, image.origin))
            for image in batch.known
            for label in image.source.labels[:1]
        )
        known = [self._images[content] for content in recorded if content in self._images]
        for image in sorted(known):
            content = image.sha256
            classes = conflicts.join_classes(image.classes, stated.get(content, ()), self._aliases)
            if len(classes) == 1:  # a label, which has no origin of its own
                classes = {key: conflicts.CandidateLabel(each.class_name, image.path) for key, each in classes.items()}
            self._images[content] = image._replace(classes=classes)
            self._add_classes(each.class_name for key, each in classes.items() if key not in self._classes)
            if len(classes) > 1 and (place := recorded[content]) is not None:
                ordered = sorted(classes, key=lambda key: self._classes[key])
                candidates = tuple(
                    conflicts.CandidateLabel(self._classes[key][1], classes[key].origin) for key in ordered
                )
                self.conflicts[content] = Conflict(path=printable(place), candidates=candidates)

    def _add_images(self, batch: ImportBatch) -> None:
        """Add the images of a batch with their classes until now, in the order of the import's ids."""
        contents = [image.sha256 for image in batch.known if image.sha256 not in self._images]
        if self._project is not None and contents:
            with self._project.reading() as connection:
                for image in conflicts.imported_classes(connection, contents, {}):
                    self._images.setdefault(image.sha256, image).classes.update(image.classes)
        self._add_classes(sorted({label for image in batch.new for label in image.source.labels}, key=natural_key))
        for image in batch.new:
            shown = printable(image.source.name if self._is_copied else image.source.path)
            classes = {name_key(name): conflicts.CandidateLabel(name, shown) for name in image.source.labels[:1]}
            image_id = _FIRST_NEW + len(self._images)
            self._images[image.sha256] = conflicts.ImportedClasses(image_id, image.sha256, shown, classes)

    def _add_classes(self, names: Iterable[str]) -> None:
        for name in names:
            self._classes.setdefault(name_key(name), (len(self._classes), name))
