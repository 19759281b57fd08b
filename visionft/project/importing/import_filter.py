"""The filter for every file of a source, shared by the import and its preview. Reads only.

A file is new, known by its content, edited since its import, unreadable or skipped; each with its reason.
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
from visionft.project.store import Project

_READ_WHOLE = 8 * 2**20  # bytes of the largest files read in one piece


def read_facts(path: Path, image_reading: ImageReading = AS_STORED) -> FileFacts:
    """Return a file's header and content hash; an `ImageError` unless it is a usable image."""
    with open_image(path) as handle:
        status = os.fstat(handle.fileno())
        if status.st_size > _READ_WHOLE:
            header = read_header_open(handle, image_reading)
            handle.seek(0)
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        else:  # one call to the system instead of many: a network folder answers each after milliseconds
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
    """Return the status of a regular file; None for anything else."""
    try:
        status = os.stat(path)  # noqa: PTH116  (quicker)
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


ClassMap = Mapping[str, str | None]
BATCH = 500  # images of one transaction, and between two looks whether the import was cancelled
READERS = min(4, os.cpu_count() or 1)  # threads that read files
_AT_ONCE = 20  # files that a thread takes at a time
_MOST_NAMES = 4096  # sets of labels, tags and note kept at a time: most images of a class share theirs


class ImportBatch(NamedTuple):
    """Accepted images of a source; `done` counts its files up to the end of this batch."""

    new: list[ImportedImage]
    known: list[ImportedImage]  # with the content of an image of the project, or of an earlier file
    edited: dict[int, FileFacts]  # {image id: the facts of its file, which changed since its import}
    done: int


_Recorded = tuple[int, str, tuple[int, int]]  # image id, content, (size, time) of the image recorded at a path
# An accepted image, or the list of a rejected file and the reason.
_Outcome = ImportedImage | tuple[list[RejectedFile], str]


@dataclass(kw_only=True)
class ImportFilter:
    """Examines files batch by batch and records the rejected ones."""

    project: Project | None  # None compares the source's images with each other only
    source: Source
    task: Task
    looks_at_places: bool  # images are referenced in place, so that the project may know the path
    # {class in the source: class in the project, or None to leave its images out}
    class_map: ClassMap = field(default_factory=dict[str, str | None])
    # Results of a preview, reused while size and time are unchanged.
    known_facts: Mapping[Path, FileFacts] = field(default_factory=dict[Path, FileFacts])
    image_reading: ImageReading = AS_STORED  # of the images in the project
    # Content hashes of earlier batches not yet in a database; filled by a preview.
    seen: dict[str, Path] = field(default_factory=dict[str, Path])
    duplicates: list[str] = field(default_factory=list[str])
    unreadable: list[RejectedFile] = field(default_factory=list[RejectedFile])
    skipped: list[RejectedFile] = field(default_factory=list[RejectedFile])
    warnings: list[ImageWarning] = field(default_factory=list[ImageWarning])
    is_stopped: bool = False  # cancelled

    def __post_init__(self) -> None:
        self.skipped.extend(self.source.table.skipped)
        self.unreadable.extend(self.source.table.unreadable)
        self._own_contents = frozenset[str]()  # contents to compare with another project's, in place of its files
        if self.source.is_project and self.project is not None:
            self._own_contents = frozenset(row[0] for row in self.project.fetch("SELECT sha256 FROM image"))
        self._cleaned = lru_cache(_MOST_NAMES)(self._clean)

    def classes(self) -> tuple[ClassLook, ...]:
        """Return the source's classes under their project names, without excluded and unnamed ones."""
        classes: list[ClassLook] = []
        for look in self.source.table.declared:
            name = self.class_map.get(look.name, look.name)
            with suppress(ProjectError):
                if name is not None and clean_name(name, "class"):
                    classes.append(replace(look, name=name))
        return tuple(classes)

    def batches(self, job: JobContext) -> Generator[ImportBatch]:
        """Yield the images of the source, batch by batch; ends early when cancelled, with the images until then.

        A batch must be recorded before the next one is taken: in the project, or for a preview in `seen`.
        """
        files = self.source.table.rows
        for start in range(0, len(files), BATCH):
            some = files[start : start + BATCH]
            accepted = list(self._accepted(some, job))
            new, known = self._sort_out([image for image in accepted if not image.image_id])
            edited = {image.image_id: image.file for image in accepted if image.image_id and image.file}
            yield ImportBatch(new, known, edited, start + len(some))
            if self.is_stopped:
                return

    def _accepted(self, batch: Sequence[ImportRow], job: JobContext) -> Iterator[ImportedImage]:
        """Yield the accepted images of a batch and its edited ones, and record the rejected files."""
        with closing(self._outcomes(batch, self._recorded_places(batch))) as outcomes:
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
        """Yield the outcome for each file, in order, read by several threads."""

        def of_some(files: Sequence[ImportRow]) -> list[_Outcome]:
            return [self._examine(file, recorded.get(file.path)) for file in files]

        parts = [batch[start : start + _AT_ONCE] for start in range(0, len(batch), _AT_ONCE)]
        if len(parts) == 1:
            yield from of_some(batch)
            return
        pool = ThreadPoolExecutor(READERS)
        try:
            for outcomes in pool.map(of_some, parts):
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)

    def _recorded_places(self, batch: Sequence[ImportRow]) -> dict[Path, _Recorded]:
        if self.project is None or not self.looks_at_places:
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
        """Return an accepted image, or the reason for its rejection; runs in any thread."""
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
        """Return an image with its content; its file is read unless the project or a preview knows it unchanged."""
        status = status_of(source.path)
        if source.sha256 is not None and (status is None or source.sha256 in self._own_contents):
            return ImportedImage(source=source, sha256=source.sha256)
        now = (status.st_size, status.st_mtime_ns) if status else None
        image_id, before, recorded_then = recorded or (0, "", None)
        if recorded and now == recorded_then:
            return ImportedImage(source=source, sha256=before)
        file = self.known_facts.get(source.path)
        if not (file and now == (file.bytes, file.mtime_ns)):
            file = read_facts(source.path, self.image_reading)
        if self.source.is_project and source.sha256 not in (None, file.sha256):
            raise ImageError("its file has changed since the other project recorded it")
        edited = image_id if before != file.sha256 else 0
        return ImportedImage(source=source, sha256=file.sha256, file=file, image_id=edited)

    def _with_project_names(self, file: ImportRow) -> ImportRow:
        """Return a file's record with the names that the project uses, after a check of these."""
        labels, tags, note = self._cleaned(file.labels, file.tags, file.note)
        if (labels, tags, note) == (file.labels, file.tags, file.note):
            return file
        return replace(file, labels=labels, tags=tags, note=note)

    def _clean(
        self, labels: tuple[str, ...], tags: tuple[str, ...], note: str | None
    ) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
        """Return labels, tags and note as the project takes them, checked for validity and task."""
        cleaned = dict.fromkeys(clean_name(label, "class") for label in labels)
        named = dict.fromkeys(self.class_map.get(label, label) for label in cleaned)
        kept = tuple(clean_name(label, "class") for label in named if label is not None)
        if len(kept) > 1 and self.task == "single":
            raise ProjectError(Message("it has {kept} classes, and this project takes one per image", kept=len(kept)))
        return kept, tuple(dict.fromkeys(clean_name(tag, "tag") for tag in tags)), clean_note(note or "")

    def _sort_out(self, images: Sequence[ImportedImage]) -> tuple[list[ImportedImage], list[ImportedImage]]:
        """Split a batch into new images and known ones, with their recorded path; the known ones become duplicates."""
        places = self._recorded_contents(images)
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
                # The image file, or the source where the project records this file.
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

    def _recorded_contents(self, images: Sequence[ImportedImage]) -> dict[str, tuple[Path | None, int | None]]:
        """Return {content: its recorded path, time of its removal} of the images in the project."""
        if self.project is None:
            return {}
        roots = self.project.roots()
        given = {image.sha256: image.source.path for image in images}
        rows = self.project.fetch(
            """SELECT sha256, root_id, path, removed_at FROM image
                WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL""",
            json.dumps([image.sha256 for image in images]),
        )

        def recorded(sha256: str, root_id: int, path: str) -> Path:  # mostly the given one, which need not be made
            is_given = roots.locate(given[sha256]) == (root_id, path)
            return given[sha256] if is_given else roots.path_of(root_id, path)

        return {sha256: (recorded(sha256, root_id, path), time) for sha256, root_id, path, time in rows}
