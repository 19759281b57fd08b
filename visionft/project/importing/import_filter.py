"""The filter for every file of a source, shared by the import and its preview, and the preview itself. Reads only.

A file is new, known by its content, edited since its import, unreadable or skipped; each with its reason.
"""

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES, read_header
from visionft.data.types import Task
from visionft.errors import ImageError, ProjectError
from visionft.events import Progress
from visionft.files import sha256_file
from visionft.foreign_text import is_unicode, printable
from visionft.jobs import SILENT, JobContext
from visionft.project.edits.image_changes import clean_note
from visionft.project.edits.import_changes import EditedImage, FileFacts, SourceFacts
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import (
    AUTOMATIC,
    ColumnChoice,
    ImageWarning,
    Interpretation,
    RejectedFile,
    SourceFile,
)
from visionft.project.importing.readings import ReadingSummary
from visionft.project.importing.sources import Source, opened_source
from visionft.project.names import clean_name, name_key
from visionft.project.queries import Candidate, Conflict, imported_classes
from visionft.project.store import Project

ClassMap = Mapping[str, str | None]
BATCH = 200


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """A file accepted by the filter. `file` is None for an image known by content only, from its label file."""

    source: SourceFile
    sha256: str
    facts: SourceFacts
    file: FileFacts | None


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
    # Content hashes of earlier batches not yet in a database; filled by a preview.
    seen: dict[str, Path] = field(default_factory=dict[str, Path])
    duplicates: list[str] = field(default_factory=list[str])
    unreadable: list[RejectedFile] = field(default_factory=list[RejectedFile])
    skipped: list[RejectedFile] = field(default_factory=list[RejectedFile])
    warnings: list[ImageWarning] = field(default_factory=list[ImageWarning])

    def __post_init__(self) -> None:
        self.skipped.extend(self.source.listing.skipped)
        self.unreadable.extend(self.source.listing.unreadable)

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
        for file in batch:
            if job.is_cancelled:
                return examined, edited, True
            examined.extend(self._examine(file, recorded.get(file.path), edited))
        return examined, edited, False

    def _recorded_places(self, batch: Sequence[SourceFile]) -> dict[Path, dict[str, Any]]:
        if self.project is None or not self.looks_at_places:
            return {}
        roots = self.project.roots()
        places = {place: file.path for file in batch if (place := roots.containing(file.path))}
        paths: dict[int, list[str]] = {}
        for root_id, path in places:
            if is_unicode(path):
                paths.setdefault(root_id, []).append(path)
        result: dict[Path, dict[str, Any]] = {}
        columns = ("root_id", "path", "id", "sha256", "bytes", "mtime_ns", "removed_at")
        query = f"""SELECT {", ".join(columns)} FROM image
            WHERE root_id = ? AND path IN (SELECT value FROM json_each(?))"""
        for root_id, wanted in paths.items():
            for row in self.project.fetch(query, root_id, json.dumps(wanted)):
                result[places[row[0], row[1]]] = dict(zip(columns, row, strict=True))
        return result

    def _examine(
        self, source: SourceFile, recorded: dict[str, Any] | None, edited: list[EditedImage]
    ) -> Iterator[ExaminedFile]:
        """Yield an accepted file, or record the reason for its rejection."""
        shown = self.source.shown(source.path)
        try:
            facts = self._facts(source)
            if source.labels and not facts.labels:
                reason = Message("its class “{name}” is left out", name=source.labels[0].strip())
                self.skipped.append(RejectedFile(shown, reason))
                return
            if not is_unicode(source.path):
                raise ImageError("its name is not valid Unicode; rename the file")
            stat = source.path.stat() if source.path.is_file() else None
            if stat is None and source.sha256 is not None:
                yield ExaminedFile(source, source.sha256, facts, None)
                return
            if stat and recorded and (stat.st_size, stat.st_mtime_ns) == (recorded["bytes"], recorded["mtime_ns"]):
                yield ExaminedFile(source, recorded["sha256"], facts, None)
                return
            file = self.known_facts.get(source.path)
            if not (file and stat and (stat.st_size, stat.st_mtime_ns) == (file.bytes, file.mtime_ns)):
                file = read_facts(source.path)
        except ImageError as error:
            if source.path.suffix.lower() in IMAGE_SUFFIXES:
                self.unreadable.append(RejectedFile(shown, error.message))
            else:
                self.skipped.append(RejectedFile(shown, "not an image"))
        except ProjectError as error:
            self.unreadable.append(RejectedFile(shown, error.message))
        except OSError as error:
            reason = Message("cannot be read: {reason}", reason=error.strerror or error)
            self.unreadable.append(RejectedFile(shown, reason))
        else:
            if recorded and recorded["sha256"] != file.sha256:
                edited.append(EditedImage(image_id=recorded["id"], file=file))
                self.skipped.append(RejectedFile(shown, "in the project, but edited since; its record was renewed"))
            else:
                yield ExaminedFile(source, file.sha256, facts, file)

    def _facts(self, source: SourceFile) -> SourceFacts:
        """Return the source's facts about an image, with names checked for validity and task."""
        labels = dict.fromkeys(clean_name(label, "class") for label in source.labels)
        named = dict.fromkeys(self.class_map.get(label, label) for label in labels)
        kept = tuple(clean_name(label, "class") for label in named if label is not None)
        if len(kept) > 1 and self.task == "single":
            raise ProjectError(Message("it has {kept} classes, and this project takes one per image", kept=len(kept)))
        return SourceFacts(
            labels=kept, split=source.split, tags=tuple(dict.fromkeys(clean_name(tag, "tag") for tag in source.tags)),
            review=source.review, note=clean_note(source.note or ""),
        )  # fmt: skip

    def sort_out(self, examined: Sequence[ExaminedFile]) -> tuple[list[ExaminedFile], list[tuple[ExaminedFile, Path]]]:
        """Split a batch into new images and known ones with their recorded path; the known ones become duplicates."""
        places: dict[str, tuple[Path | None, int | None]] = {}  # {content: its recorded path, time of its removal}
        if self.project is not None:
            roots = self.project.roots()
            rows = self.project.fetch(
                """SELECT sha256, root_id, path, removed_at FROM image
                    WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL""",
                json.dumps([image.sha256 for image in examined]),
            )
            places = {sha256: (roots.path_of(root_id, path), time) for sha256, root_id, path, time in rows}
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


def read_facts(path: Path) -> FileFacts:
    """Return a file's header and content hash; an `ImageError` unless it is a usable image."""
    header = read_header(path)
    stat = path.stat()
    return FileFacts(
        sha256=sha256_file(path), bytes=stat.st_size, mtime_ns=stat.st_mtime_ns,
        width=header.width, height=header.height, format=header.format, losses=header.losses,
    )  # fmt: skip


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
    known_facts: Mapping[Path, FileFacts] = field(default_factory=dict[Path, FileFacts], repr=False)


def preview_source(
    source: Path,
    project: Project | None = None,
    *,
    source_format: str = "auto",
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    choice: ColumnChoice = AUTOMATIC,
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
        path, source_format, scratch, choice=choice, reading=reading, unpacked=unpacked, job=job
    ) as opened:
        task: Task = project.task if project is not None else "multi"
        examiner = ImportFilter(
            project=project, source=opened, task=task, looks_at_places=not opened.is_unpacked,
            class_map=class_map or {}, known_facts=known_facts or {},
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
            bytes=sum(file.bytes for file in read.values()),
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
