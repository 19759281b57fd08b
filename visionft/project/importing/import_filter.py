"""The gate that every file of a source passes, for an import and for its preview alike. Reads only.

A file is new, known by its content, edited since it was imported, unreadable or passed over; each with its reason.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from visionft.data.decode import IMAGE_SUFFIXES, read_header
from visionft.data.types import Task
from visionft.errors import ImageError, ProjectError
from visionft.files import sha256_file
from visionft.foreign_text import is_unicode
from visionft.project.edits.image_changes import clean_note
from visionft.project.edits.import_changes import EditedImage, FileFacts, SourceFacts
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import Rejected, SourceFile
from visionft.project.importing.sources import Source
from visionft.project.names import clean_name
from visionft.project.store import Project

ClassMap = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that passed the gate. `file` is None for a picture that only its label file knows by content."""

    source: SourceFile
    sha256: str
    facts: SourceFacts
    file: FileFacts | None


@dataclass
class ImportFilter:
    """Examines files batch by batch and keeps account of those that do not come in.

    Attributes:
        project: What pictures are compared with; None compares them with each other only.
        task: Whether a picture may have several classes.
        looks_at_places: Whether pictures are referred to where they lie, so that the project may know the place.
        class_map: {class name in the source: its name in the project, or None to leave its pictures out}; classes that
            are not named keep their name.
        known_facts: What an earlier look found at these places; used again while size and time are unchanged.
        seen: Contents met in earlier batches that no database knows yet; a preview fills it.
    """

    project: Project | None
    source: Source
    task: Task = field(kw_only=True)
    looks_at_places: bool = field(kw_only=True)
    class_map: ClassMap = field(kw_only=True, default_factory=dict[str, str | None])
    known_facts: Mapping[Path, FileFacts] = field(kw_only=True, default_factory=dict[Path, FileFacts])
    seen: dict[str, Path] = field(default_factory=dict[str, Path])
    duplicates: list[str] = field(default_factory=list[str])
    unreadable: list[Rejected] = field(default_factory=list[Rejected])
    skipped: list[Rejected] = field(default_factory=list[Rejected])

    def __post_init__(self) -> None:
        """Take over what listing the source passed over."""
        self.skipped.extend(self.source.listing.skipped)
        self.unreadable.extend(self.source.listing.unreadable)

    def classes(self) -> tuple[ClassLook, ...]:
        """Return the classes that the source lists, under the names they get; those left out or without one miss."""
        looks = ((look, self.class_map.get(look.name, look.name)) for look in self.source.listing.classes)
        return tuple(replace(look, name=name) for look, name in looks if name is not None and _is_name(name))

    def examine(
        self, batch: Sequence[SourceFile], should_stop: Callable[[], bool]
    ) -> tuple[list[Examined], list[EditedImage], bool]:
        """Return the files of a batch that passed, those edited since, and whether to stop (what was done counts)."""
        recorded = self._recorded_places(batch)
        examined: list[Examined] = []
        edited: list[EditedImage] = []
        for file in batch:
            if should_stop():
                return examined, edited, True
            examined.extend(self._examine(file, recorded.get(file.path), edited))
        return examined, edited, False

    def _recorded_places(self, batch: Sequence[SourceFile]) -> dict[Path, dict[str, Any]]:
        """Return what the project has recorded at the places of these files."""
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
        with self.project.reading() as connection:
            for root_id, wanted in paths.items():
                rows = connection.execute(
                    f"""SELECT {", ".join(columns)} FROM image
                        WHERE root_id = ? AND path IN (SELECT value FROM json_each(?))""",
                    (root_id, json.dumps(wanted)),
                )
                for row in rows.fetchall():
                    result[places[row[0], row[1]]] = dict(zip(columns, row, strict=True))
        return result

    def _examine(
        self, source: SourceFile, recorded: dict[str, Any] | None, edited: list[EditedImage]
    ) -> Iterator[Examined]:
        """Yield a file that passed the gate, or note why it did not."""
        shown = self.source.shown(source.path)
        try:
            facts = self._facts(source)
            if source.labels and not facts.labels:
                self.skipped.append(Rejected(shown, f"its class “{source.labels[0].strip()}” is left out"))
                return
            if not is_unicode(source.path):
                raise ImageError("its name is not valid Unicode; rename the file")
            stat = source.path.stat() if source.path.is_file() else None
            if stat is None and source.sha256 is not None:
                yield Examined(source, source.sha256, facts, None)
                return
            if stat and recorded and (stat.st_size, stat.st_mtime_ns) == (recorded["bytes"], recorded["mtime_ns"]):
                yield Examined(source, recorded["sha256"], facts, None)
                return
            file = self._read_facts(source.path)
        except ImageError as error:
            if source.path.suffix.lower() in IMAGE_SUFFIXES:
                self.unreadable.append(Rejected(shown, error.message))
            else:
                self.skipped.append(Rejected(shown, "not a picture"))
        except ProjectError as error:
            self.unreadable.append(Rejected(shown, error.message))
        except OSError as error:
            self.unreadable.append(Rejected(shown, f"cannot be read: {error.strerror or error}"))
        else:
            if recorded and recorded["sha256"] != file.sha256:
                edited.append(EditedImage(image_id=recorded["id"], file=file))
                self.skipped.append(Rejected(shown, "in the project, but edited since; its record was renewed"))
            else:
                yield Examined(source, file.sha256, facts, file)

    def _facts(self, source: SourceFile) -> SourceFacts:
        """Return what the source says of a picture, once the names are valid and fit the task."""
        labels = dict.fromkeys(clean_name(label, "class") for label in source.labels)
        named = dict.fromkeys(self.class_map.get(label, label) for label in labels)
        kept = tuple(clean_name(label, "class") for label in named if label is not None)
        if len(kept) > 1 and self.task == "single":
            raise ProjectError(f"it has {len(kept)} classes, and this project takes one per picture")
        return SourceFacts(
            labels=kept,
            split=source.split,
            tags=tuple(dict.fromkeys(clean_name(tag, "tag") for tag in source.tags)),
            review=source.review,
            note=clean_note(source.note or ""),
        )

    def _read_facts(self, path: Path) -> FileFacts:
        known = self.known_facts.get(path)
        if known is not None:
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (known.bytes, known.mtime_ns):
                return known
        return read_facts(path)

    def sort_out(self, examined: Sequence[Examined]) -> tuple[list[Examined], list[tuple[Examined, Path]]]:
        """Split a batch into new pictures and known ones with the place they have; note the known ones as such."""
        places = self._known_contents(examined)
        new: list[Examined] = []
        known: list[tuple[Examined, Path]] = []
        for picture in examined:
            shown = self.source.shown(picture.source.path)
            place, removed_at = places.get(picture.sha256, (self.seen.get(picture.sha256), None))
            if removed_at is not None:
                self.skipped.append(Rejected(shown, "was removed from the project; restore it to use it again"))
            elif place is not None:
                self.duplicates.append(shown)
                known.append((picture, place))
            elif picture.file is None:
                self.unreadable.append(Rejected(shown, "the file is missing"))
            else:
                places[picture.sha256] = (picture.source.path, None)
                new.append(picture)
        return new, known

    def _known_contents(self, examined: Sequence[Examined]) -> dict[str, tuple[Path | None, int | None]]:
        """Return where the project has these contents, and since when they are removed."""
        if self.project is None:
            return {}
        roots = self.project.roots()
        with self.project.reading() as connection:
            rows = connection.execute(
                """SELECT sha256, root_id, path, removed_at FROM image
                    WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL""",
                (json.dumps([picture.sha256 for picture in examined]),),
            ).fetchall()
        return {sha256: (roots.path_of(root_id, path), removed_at) for sha256, root_id, path, removed_at in rows}


def _is_name(name: str) -> bool:
    try:
        clean_name(name, "class")
    except ProjectError:
        return False
    return True


def read_facts(path: Path) -> FileFacts:
    """Read a file's header and content hash.

    Raises:
        ImageError: It is not a picture that can be used.
    """
    header = read_header(path)
    stat = path.stat()
    return FileFacts(
        sha256=sha256_file(path),
        bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        width=header.width,
        height=header.height,
        format=header.format,
    )
