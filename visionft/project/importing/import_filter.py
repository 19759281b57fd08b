"""Classify every file of a source, for the import and its preview. Reads only.

A file is new, known by its content, edited since its import, unreadable or skipped, with the reason.
"""

import hashlib
import json
import os
import stat
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from visionft.core.errors import ImageError, ProjectError
from visionft.core.foreign_text import is_unicode, printable
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.core.names import clean_name
from visionft.data.decode import IMAGE_SUFFIXES, in_memory, open_image, read_header_open
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.plane_files import why_no_image
from visionft.data.types import Task
from visionft.project.edits.conflicts import origin_of
from visionft.project.edits.image_changes import clean_note
from visionft.project.edits.import_changes import FileFacts, ImportedImage
from visionft.project.formats.image_table import ImageWarning, ImportRow, RejectedFile
from visionft.project.formats.labels_file import ClassLook
from visionft.project.importing.sources import Source
from visionft.project.store import ProjectStore

_MAX_WHOLE_BYTES = 8 * 2**20  # larger files are read in chunks


def read_facts(path: Path, image_reading: ImageReading = AS_STORED) -> FileFacts:
    """Return a file's header and content hash; an `ImageError` unless it is a usable image."""
    with open_image(path) as handle:
        status = os.fstat(handle.fileno())
        if status.st_size > _MAX_WHOLE_BYTES:
            header = read_header_open(handle, image_reading)
            handle.seek(0)
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        else:  # one system call, because each takes milliseconds in a network folder
            content = handle.read()
            header = read_header_open(in_memory(content, path), image_reading)
            sha256 = hashlib.sha256(content).hexdigest()
        return FileFacts(
            sha256=sha256,
            bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            width=header.width,
            height=header.height,
            format=header.format,
            losses=header.losses,
        )


def status_of(path: Path) -> os.stat_result | None:
    """Return the status of a regular file, otherwise None."""
    try:
        status = os.stat(path)  # noqa: PTH116  (quicker)
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


ClassMap = Mapping[str, str | None]
BATCH_FILES = 500  # files per transaction
READERS = min(4, os.cpu_count() or 1)  # threads that read files
_FILES_PER_THREAD_TASK = 20
_MAX_CACHED_NAMES = 4096  # cleaned combinations of labels, tags and note; most images of a class have the same


class ImportBatch(NamedTuple):
    """Accepted images of a source."""

    new: list[ImportedImage]
    known: list[ImportedImage]  # with the content of a project image, or of an earlier file
    edited: dict[int, FileFacts]  # {image id: facts of a file that changed since its import}
    done: int  # number of files up to the end of this batch


_Recorded = tuple[int, str, tuple[int, int]]  # image id, hash, (size, time) of the image recorded at a path
# An accepted image, or (list for a rejected file, reason).
_Outcome = ImportedImage | tuple[list[RejectedFile], str]


@dataclass(kw_only=True)
class ImportFilter:
    """Classifies files batch by batch, and records rejected files."""

    project: ProjectStore | None  # None: compare only within the source
    source: Source
    task: Task
    checks_recorded_paths: bool  # images are referenced in place, so the project may know their paths
    # {class in the source: class in the project, or None to leave its images out}
    class_map: ClassMap = field(default_factory=dict[str, str | None])
    # Results of a preview, reused while size and time are unchanged.
    known_facts: Mapping[Path, FileFacts] = field(default_factory=dict[Path, FileFacts])
    image_reading: ImageReading = AS_STORED  # how the project reads images
    # {content hash: path} of earlier batches that are not in a database; filled by a preview.
    seen: dict[str, Path] = field(default_factory=dict[str, Path])
    duplicates: list[str] = field(default_factory=list[str])
    unreadable: list[RejectedFile] = field(default_factory=list[RejectedFile])
    skipped: list[RejectedFile] = field(default_factory=list[RejectedFile])
    warnings: list[ImageWarning] = field(default_factory=list[ImageWarning])
    is_stopped: bool = False  # cancelled

    def __post_init__(self) -> None:
        self.skipped.extend(self.source.table.skipped)
        self.unreadable.extend(self.source.table.unreadable)
        self._project_hashes = frozenset[str]()  # content hashes; known images of another project need no file
        if self.source.is_project and self.project is not None:
            self._project_hashes = frozenset(row[0] for row in self.project.fetch("SELECT sha256 FROM image"))
        self._cleaned = lru_cache(_MAX_CACHED_NAMES)(self._clean)

    def classes(self) -> tuple[ClassLook, ...]:
        """Return the source's classes with their project names, without excluded and unnamed classes."""
        classes: list[ClassLook] = []
        for look in self.source.table.declared:
            name = self.class_map.get(look.name, look.name)
            with suppress(ProjectError):
                if name is not None and clean_name(name, "class"):
                    classes.append(replace(look, name=name))
        return tuple(classes)

    def batches(self, job: JobContext) -> Generator[ImportBatch]:
        """Yield the images of the source in batches; the last batch is incomplete when cancelled.

        The caller must record a batch before it takes the next one: in the project, or in `seen` for a preview.
        """
        files = self.source.table.rows
        for start in range(0, len(files), BATCH_FILES):
            batch = files[start : start + BATCH_FILES]
            accepted = list(self._accepted(batch, job))
            new, known = self._sort_out([image for image in accepted if not image.image_id])
            edited = {image.image_id: image.file for image in accepted if image.image_id and image.file}
            yield ImportBatch(new, known, edited, start + len(batch))
            if self.is_stopped:
                return

    def _accepted(self, batch: Sequence[ImportRow], job: JobContext) -> Iterator[ImportedImage]:
        """Yield the accepted and edited images of a batch, and record rejected files."""
        with closing(self._outcomes(batch, self._recorded_by_path(batch))) as outcomes:
            for file in batch:
                if job.is_cancelled:
                    self.is_stopped = True
                    return
                outcome = next(outcomes)
                if isinstance(outcome, ImportedImage):
                    yield outcome
                    if not outcome.image_id:
                        continue
                    outcome = self.skipped, "in the project, but edited since; its record was renewed"
                rejected, reason = outcome
                rejected.append(RejectedFile(self.source.shown(file.path), reason))

    def _outcomes(self, batch: Sequence[ImportRow], recorded: Mapping[Path, _Recorded]) -> Generator[_Outcome]:
        """Yield the outcome of each file in order; several threads read the files."""

        def examine_files(files: Sequence[ImportRow]) -> list[_Outcome]:
            return [self._examine(file, recorded.get(file.path)) for file in files]

        groups = [
            batch[start : start + _FILES_PER_THREAD_TASK] for start in range(0, len(batch), _FILES_PER_THREAD_TASK)
        ]
        if len(groups) == 1:
            yield from examine_files(batch)
            return
        pool = ThreadPoolExecutor(READERS)
        try:
            for outcomes in pool.map(examine_files, groups):
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)

    def _recorded_by_path(self, batch: Sequence[ImportRow]) -> dict[Path, _Recorded]:
        if self.project is None or not self.checks_recorded_paths:
            return {}
        roots = self.project.roots()
        places = {place: file.path for file in batch if (place := roots.locate(file.path))}
        paths: dict[int, list[str]] = {}
        for root_id, path in places:
            if is_unicode(path):
                paths.setdefault(root_id, []).append(path)
        result: dict[Path, _Recorded] = {}
        query = """SELECT path, id, sha256, bytes, mtime_ns FROM image
            WHERE root_id = ? AND path IN (SELECT value FROM json_each(?))"""
        for root_id, wanted in paths.items():
            for path, image_id, sha256, size, time in self.project.fetch(query, root_id, json.dumps(wanted)):
                result[places[root_id, path]] = image_id, sha256, (size, time)
        return result

    def _examine(self, file: ImportRow, recorded: _Recorded | None) -> _Outcome:
        """Return an accepted image, or the reason for its rejection. Called in several threads."""
        try:
            source = self._with_project_names(file)
            if file.labels and not source.labels:
                return self.skipped, Message("its class “{name}” is left out", name=file.labels[0].strip())
            if not is_unicode(file.path):
                raise ImageError("its name is not valid Unicode; rename the file")
            return self._read(source, recorded)
        except ImageError as error:
            if file.path.suffix.lower() in IMAGE_SUFFIXES:
                return self.unreadable, error.message
            return self.skipped, why_no_image(file.path)
        except ProjectError as error:
            return self.unreadable, error.message
        except OSError as error:
            return self.unreadable, Message("cannot be read: {reason}", reason=error.strerror or error)

    def _read(self, source: ImportRow, recorded: _Recorded | None) -> ImportedImage:
        """Return an image with its content hash; unchanged files known to the project or a preview are not read."""
        status = status_of(source.path)
        if source.sha256 is not None and (status is None or source.sha256 in self._project_hashes):
            return ImportedImage(source=source, sha256=source.sha256)
        current = (status.st_size, status.st_mtime_ns) if status else None
        image_id, recorded_hash, recorded_status = recorded or (0, "", None)
        if recorded and current == recorded_status:
            return ImportedImage(source=source, sha256=recorded_hash)
        file = self.known_facts.get(source.path)
        if not (file and current == (file.bytes, file.mtime_ns)):
            file = read_facts(source.path, self.image_reading)
        if self.source.is_project and source.sha256 not in (None, file.sha256):
            raise ImageError("its file has changed since the other project recorded it")
        edited_id = image_id if recorded_hash != file.sha256 else 0
        return ImportedImage(source=source, sha256=file.sha256, file=file, image_id=edited_id)

    def _with_project_names(self, file: ImportRow) -> ImportRow:
        """Return the row with validated names as used in the project."""
        labels, tags, note = self._cleaned(file.labels, file.tags, file.note)
        if (labels, tags, note) == (file.labels, file.tags, file.note):
            return file
        return replace(file, labels=labels, tags=tags, note=note)

    def _clean(
        self, labels: tuple[str, ...], tags: tuple[str, ...], note: str | None
    ) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
        """Return labels, tags and note with project names; a `ProjectError` if invalid or unfit for the task."""
        cleaned = dict.fromkeys(clean_name(label, "class") for label in labels)
        mapped = dict.fromkeys(self.class_map.get(label, label) for label in cleaned)
        project_labels = tuple(clean_name(label, "class") for label in mapped if label is not None)
        if len(project_labels) > 1 and self.task == "single":
            raise ProjectError(
                Message("it has {kept} classes, and this project takes one per image", kept=len(project_labels))
            )
        return project_labels, tuple(dict.fromkeys(clean_name(tag, "tag") for tag in tags)), clean_note(note or "")

    def _sort_out(self, images: Sequence[ImportedImage]) -> tuple[list[ImportedImage], list[ImportedImage]]:
        """Return the new images of a batch, and the known images with their recorded paths, which become duplicates."""
        places = self._recorded_by_hash(images)
        new: list[ImportedImage] = []
        known: list[ImportedImage] = []
        for image in images:
            path = image.source.path
            shown = self.source.shown(path)
            place, removed_at = places.get(image.sha256, (self.seen.get(image.sha256), None))
            if removed_at is not None:
                self.skipped.append(RejectedFile(shown, "was removed from the project; restore it to use it again"))
            elif place is not None:
                self.duplicates.append(shown)
                # The image file, or the source if the project records this file.
                origin = printable(self.source.path) if path == place else shown
                if self.source.is_project:
                    origin = origin_of(self.source.path)
                known.append(image._replace(recorded=place, origin=origin))
            elif image.file is None:
                self.unreadable.append(RejectedFile(shown, Message("the file is missing")))
            else:
                places[image.sha256] = (path, None)
                new.append(image)
                self.warnings.extend(ImageWarning(shown, loss) for loss in image.file.losses)
        return new, known

    def _recorded_by_hash(self, images: Sequence[ImportedImage]) -> dict[str, tuple[Path | None, int | None]]:
        """Return {content hash: (recorded path, time of removal)} of the images in the project."""
        if self.project is None:
            return {}
        roots = self.project.roots()
        given_paths = {image.sha256: image.source.path for image in images}
        rows = self.project.fetch(
            """SELECT sha256, root_id, path, removed_at FROM image
                WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL""",
            json.dumps([image.sha256 for image in images]),
        )

        def recorded(sha256: str, root_id: int, path: str) -> Path:  # usually the given path, which is quicker
            is_given = roots.locate(given_paths[sha256]) == (root_id, path)
            return given_paths[sha256] if is_given else roots.path_of(root_id, path)

        return {sha256: (recorded(sha256, root_id, path), time) for sha256, root_id, path, time in rows}
