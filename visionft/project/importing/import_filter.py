"""The filter for every file of a source, shared by the import and its preview, and the preview itself. Reads only.

A file is new, known by its content, edited since its import, unreadable or skipped; each with its reason.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.plane_files import why_no_image
from visionft.data.types import Split, Task
from visionft.errors import ImageError, ProjectError
from visionft.events import Progress
from visionft.foreign_text import is_unicode, printable
from visionft.jobs import SILENT, JobContext
from visionft.project.edits.image_changes import clean_note
from visionft.project.edits.import_changes import EditedImage, FileFacts, SourceFacts
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import (
    AUTOMATIC,
    ImageWarning,
    Interpretation,
    LabelChoice,
    RejectedFile,
    SourceFile,
)
from visionft.project.importing.file_facts import read_facts, status_of
from visionft.project.importing.readings import ReadingSummary
from visionft.project.importing.sources import Source, opened_source, reading_of_files
from visionft.project.names import clean_name, name_key
from visionft.project.queries import Candidate, Conflict, class_names, imported_classes
from visionft.project.store import Project

ClassMap = Mapping[str, str | None]
BATCH = 500
_READERS, _AT_ONCE = min(4, os.cpu_count() or 1), 20  # threads that read files, and files a thread takes at once
_MOST_FACTS = 4096  # kept at a time: most images of a class share theirs


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """A file accepted by the filter. `file` is None for an image known by content only, from its label file."""

    source: SourceFile
    sha256: str
    facts: SourceFacts
    file: FileFacts | None


class _Recorded(NamedTuple):
    """The record of an image that the project knows at its path."""

    image_id: int
    sha256: str
    bytes: int
    mtime_ns: int


_Places = dict[Path, _Recorded]


@dataclass(frozen=True, slots=True)
class _Rejected:
    """The reason against a file; `is_skipped` unless it is an unusable image."""

    reason: str
    is_skipped: bool = False


_Outcome = ExaminedFile | EditedImage | _Rejected


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
    reading: ImageReading = AS_STORED  # of the images in the project
    # Content hashes of earlier batches not yet in a database; filled by a preview.
    seen: dict[str, Path] = field(default_factory=dict[str, Path])
    duplicates: list[str] = field(default_factory=list[str])
    unreadable: list[RejectedFile] = field(default_factory=list[RejectedFile])
    skipped: list[RejectedFile] = field(default_factory=list[RejectedFile])
    warnings: list[ImageWarning] = field(default_factory=list[ImageWarning])

    def __post_init__(self) -> None:
        self.skipped.extend(self.source.listing.skipped)
        self.unreadable.extend(self.source.listing.unreadable)
        self._facts = lru_cache(_MOST_FACTS)(self._facts_of)

    def classes(self) -> tuple[ClassLook, ...]:
        """Return the source's classes under their project names, without excluded and unnamed ones."""
        classes: list[ClassLook] = []
        for look in self.source.listing.classes:
            name = self.class_map.get(look.name, look.name)
            with suppress(ProjectError):
                if name is not None and clean_name(name, "class"):
                    classes.append(replace(look, name=name))
        return tuple(classes)

    def examine(
        self, batch: Sequence[SourceFile], job: JobContext
    ) -> tuple[list[ExaminedFile], list[EditedImage], bool]:
        """Return a batch's accepted files, its edited files, and whether to stop (the results so far count)."""
        recorded = self._recorded_places(batch)
        examined: list[ExaminedFile] = []
        edited: list[EditedImage] = []
        with closing(self._outcomes(batch, recorded)) as outcomes:
            for file in batch:
                if job.is_cancelled:
                    return examined, edited, True
                outcome = next(outcomes)
                if isinstance(outcome, ExaminedFile):
                    examined.append(outcome)
                    continue
                if isinstance(outcome, EditedImage):
                    edited.append(outcome)
                    outcome = _Rejected("in the project, but edited since; its record was renewed", is_skipped=True)
                rejected = RejectedFile(self.source.shown(file.path), outcome.reason)
                (self.skipped if outcome.is_skipped else self.unreadable).append(rejected)
        return examined, edited, False

    def _outcomes(self, batch: Sequence[SourceFile], recorded: _Places) -> Generator[_Outcome]:
        """Yield the outcome for each file, in order, read by several threads."""

        def of_some(files: Sequence[SourceFile]) -> list[_Outcome]:
            return [self._examine(file, recorded.get(file.path)) for file in files]

        parts = [batch[start : start + _AT_ONCE] for start in range(0, len(batch), _AT_ONCE)]
        if len(parts) == 1:
            yield from of_some(batch)
            return
        pool = ThreadPoolExecutor(_READERS)
        try:
            for outcomes in pool.map(of_some, parts):
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)

    def _recorded_places(self, batch: Sequence[SourceFile]) -> _Places:
        if self.project is None or not self.looks_at_places:
            return {}
        roots = self.project.roots()
        places = {place: file.path for file in batch if (place := roots.containing(file.path))}
        paths: dict[int, list[str]] = {}
        for root_id, path in places:
            if is_unicode(path):
                paths.setdefault(root_id, []).append(path)
        result: _Places = {}
        query = """SELECT path, id, sha256, bytes, mtime_ns FROM image
            WHERE root_id = ? AND path IN (SELECT value FROM json_each(?))"""
        for root_id, wanted in paths.items():
            for path, *values in self.project.fetch(query, root_id, json.dumps(wanted)):
                result[places[root_id, path]] = _Recorded(*values)
        return result

    def _examine(self, source: SourceFile, recorded: _Recorded | None) -> _Outcome:
        """Return an accepted file, or the reason for its rejection; runs in any thread."""
        try:
            facts = self._facts(source.labels, source.split, source.tags, source.review, source.note)
            if source.labels and not facts.labels:
                name = source.labels[0].strip()
                return _Rejected(Message("its class “{name}” is left out", name=name), is_skipped=True)
            if not is_unicode(source.path):
                raise ImageError("its name is not valid Unicode; rename the file")
            status = status_of(source.path)
            if status is None and source.sha256 is not None:
                return ExaminedFile(source, source.sha256, facts, None)
            now = (status.st_size, status.st_mtime_ns) if status else None
            if recorded and now == (recorded.bytes, recorded.mtime_ns):
                return ExaminedFile(source, recorded.sha256, facts, None)
            file = self.known_facts.get(source.path)
            if not (file and now == (file.bytes, file.mtime_ns)):
                file = read_facts(source.path, self.reading)
        except ImageError as error:
            if source.path.suffix.lower() in IMAGE_SUFFIXES:
                return _Rejected(error.message)
            return _Rejected(why_no_image(source.path), is_skipped=True)
        except ProjectError as error:
            return _Rejected(error.message)
        except OSError as error:
            return _Rejected(Message("cannot be read: {reason}", reason=error.strerror or error))
        if recorded and recorded.sha256 != file.sha256:
            return EditedImage(image_id=recorded.image_id, file=file)
        return ExaminedFile(source, file.sha256, facts, file)

    def _facts_of(
        self, labels: tuple[str, ...], split: Split | None, tags: tuple[str, ...], review: str | None, note: str | None
    ) -> SourceFacts:
        """Return the source's facts about an image, with names checked for validity and task."""
        cleaned = dict.fromkeys(clean_name(label, "class") for label in labels)
        named = dict.fromkeys(self.class_map.get(label, label) for label in cleaned)
        kept = tuple(clean_name(label, "class") for label in named if label is not None)
        if len(kept) > 1 and self.task == "single":
            raise ProjectError(Message("it has {kept} classes, and this project takes one per image", kept=len(kept)))
        return SourceFacts(
            labels=kept, split=split, tags=tuple(dict.fromkeys(clean_name(tag, "tag") for tag in tags)),
            review=review, note=clean_note(note or ""),
        )  # fmt: skip

    def sort_out(self, examined: Sequence[ExaminedFile]) -> tuple[list[ExaminedFile], list[tuple[ExaminedFile, Path]]]:
        """Split a batch into new images and known ones with their recorded path; the known ones become duplicates."""
        places: dict[str, tuple[Path | None, int | None]] = {}  # {content: its recorded path, time of its removal}
        given = {image.sha256: image.source.path for image in examined}
        if self.project is not None:
            roots = self.project.roots()
            rows = self.project.fetch(
                """SELECT sha256, root_id, path, removed_at FROM image
                    WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL""",
                json.dumps([image.sha256 for image in examined]),
            )

            def recorded(sha256: str, root_id: int, path: str) -> Path:  # mostly the given one, which need not be made
                is_given = roots.containing(given[sha256]) == (root_id, path)
                return given[sha256] if is_given else roots.path_of(root_id, path)

            places = {sha256: (recorded(sha256, root_id, path), time) for sha256, root_id, path, time in rows}
        new: list[ExaminedFile] = []
        known: list[tuple[ExaminedFile, Path]] = []
        for image in examined:
            shown = self.source.shown(image.source.path)
            place, removed_at = places.get(image.sha256, (self.seen.get(image.sha256), None))
            if removed_at is not None:
                self.skipped.append(RejectedFile(shown, "was removed from the project; restore it to use it again"))
            elif place is not None:
                self.duplicates.append(shown)
                known.append((image, place))
            elif image.file is None:
                self.unreadable.append(RejectedFile(shown, Message("the file is missing")))
            else:
                places[image.sha256] = (image.source.path, None)
                new.append(image)
                self.warnings.extend(ImageWarning(shown, loss) for loss in image.file.losses)
        return new, known


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """The preview of a source; its classes have the source's names, before any class map."""

    path: Path
    new: int  # images to add
    duplicates: tuple[str, ...]  # content is already in the project, or in an earlier file of the source
    unreadable: tuple[RejectedFile, ...]
    skipped: tuple[RejectedFile, ...]
    classes: dict[str, int]  # new images by class
    unlabelled: int  # new images without a class
    multi_label_images: int  # new images with more than one class
    splits: dict[str, int]  # new images by the source's split
    class_splits: dict[str, dict[str, int]]  # those of each class (empty for none) by split
    bytes: int  # total size of the new images
    smallest: tuple[int, int] | None  # (width, height) in pixels of the new image with the fewest; None without images
    largest: tuple[int, int] | None
    # Images with several classes in a single-label project; without a project, in the source itself.
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[ImageWarning, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()
    readings: tuple[ReadingSummary, ...] = ()  # every way to understand the source, most plausible first
    reading: int = 0  # number of the previewed one, from 1 on
    stopped: bool = False
    image_reading: ImageReading = AS_STORED  # how the images are read: as the project does, or as measured
    known_facts: Mapping[Path, FileFacts] = field(default_factory=dict[Path, FileFacts], repr=False)


def preview_source(
    source: Path,
    project: Project | None = None,
    *,
    source_format: str = "auto",
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    choice: LabelChoice = AUTOMATIC,
    reading: int = 0,
    unpacked: Path | None = None,
    job: JobContext = SILENT,
) -> ImportPreview:
    """Preview the result of `import_source`, without writing anything except a zip's temporary unpacked copy.

    The arguments are those of the import; `known_facts` are of an earlier preview. Without a project, the source is
    previewed alone, with several classes allowed. A cancelled preview returns its results so far. Raises
    `ProjectError`: the source is missing or holds no image.
    """
    path = Path(os.path.abspath(source))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    scratch = project.path if project is not None and not project.is_read_only else Path(tempfile.gettempdir())
    with opened_source(
        path,
        source_format,
        scratch,
        choice=choice,
        reading=reading,
        unpacked=unpacked,
        known_classes=class_names(project) if project is not None else (),
        job=job,
    ) as opened:
        task: Task = project.task if project is not None else "multi"
        examiner = ImportFilter(
            project=project, source=opened, task=task, looks_at_places=not opened.is_unpacked,
            class_map=class_map or {}, known_facts=known_facts or {}, reading=reading_of_files(project, opened, job),
        )  # fmt: skip
        conflicts = _ConflictSearch(examiner)
        images: dict[Path, ExaminedFile] = {}
        files, stopped = opened.listing.files, False
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            examined, _, stopped = examiner.examine(batch, job)
            new, known = examiner.sort_out(examined)
            examiner.seen.update({image.sha256: image.source.path for image in new})
            images.update({image.source.path: image for image in new})
            _complete(images, known, None if project is None else task)
            if project is None or project.task == "single":
                conflicts.compare(new, known)
            if stopped:
                break
            job.report(Progress(stage="Look at the images", done=start + len(batch), total=len(files)))
        read = {path: image.file for path, image in images.items() if image.file}
        facts = [image.facts for image in images.values()]
        several = sum(len(each.labels) > 1 for each in facts)
        by_area = sorted(((each.width, each.height) for each in read.values()), key=lambda size: size[0] * size[1])
        return ImportPreview(
            path=path, new=len(read), duplicates=tuple(examiner.duplicates), unreadable=tuple(examiner.unreadable),
            skipped=tuple(examiner.skipped), warnings=tuple(examiner.warnings),
            classes=dict(Counter(label for each in facts for label in each.labels)),
            unlabelled=sum(not each.labels for each in facts), multi_label_images=several,
            splits=dict(Counter(each.split for each in facts if each.split)), class_splits=_class_splits(facts),
            conflicts=() if project is None and several else tuple(conflicts.found.values()),
            bytes=sum(file.bytes for file in read.values()), image_reading=examiner.reading,
            smallest=by_area[0] if by_area else None, largest=by_area[-1] if by_area else None,
            interpretations=opened.listing.interpretations, readings=opened.readings, reading=opened.reading,
            stopped=stopped, known_facts={} if opened.is_unpacked and unpacked is None else read,
        )  # fmt: skip


def _class_splits(facts: Sequence[SourceFacts]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    placed = ((label, each.split) for each in facts if each.split for label in each.labels or ("",))
    for (label, split), count in Counter(placed).items():
        counts.setdefault(label, {})[split] = count
    return counts


def _complete(images: dict[Path, ExaminedFile], known: Sequence[tuple[ExaminedFile, Path]], task: Task | None) -> None:
    """Complete new images by further rows and copies of them, as the import does; without a project, by rows."""
    for image, place in known:
        if first := images.get(place):
            facts, joins = first.facts, task == "multi" or (task is None and image.source.path == place)
            labels = tuple(dict.fromkeys((*facts.labels, *image.facts.labels))) if joins else facts.labels
            facts = replace(facts, labels=labels or image.facts.labels, split=facts.split or image.facts.split)
            images[place] = replace(first, facts=facts)


class _ConflictSearch:
    """The search for images with another class than before; `found` is {content: conflict}."""

    def __init__(self, examiner: ImportFilter) -> None:
        self._examiner = examiner
        query = "SELECT alias.name_key, class.name FROM alias JOIN class ON class.id = class_id"
        self._aliases: dict[str, str] = dict(examiner.project.fetch(query)) if examiner.project is not None else {}
        self._candidates: dict[str, dict[str, Candidate]] = {}  # {content: {key of the class's name: candidate}}
        self.found: dict[str, Conflict] = {}

    def compare(self, new: Sequence[ExaminedFile], known: Sequence[tuple[ExaminedFile, Path]]) -> None:
        """Record the images with another class than before."""
        project = self._examiner.project
        if project is not None:
            for sha256, imported in imported_classes(project, [image.sha256 for image, _ in known]).items():
                self._candidates.setdefault(sha256, {name_key(each.class_name): each for each in imported})
        for image in new:
            self._candidates[image.sha256] = {}
        places = [(image, image.source.path) for image in new] + list(known)
        for image, place in places:
            candidates = self._candidates.get(image.sha256)
            if candidates is None:  # a person labelled it
                continue
            for label in image.facts.labels[:1]:
                key = name_key(label)
                if not {key, name_key(self._aliases.get(key, label))} & candidates.keys():
                    candidates[key] = Candidate(label, self._examiner.source.shown(image.source.path))
            if len(candidates) > 1:
                self.found[image.sha256] = Conflict(path=printable(place), candidates=tuple(candidates.values()))
