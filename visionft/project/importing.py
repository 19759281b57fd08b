"""Taking pictures into a project: every file of the source is accounted for, and importing twice adds nothing.

Pictures are referred to where they lie, or copied into the project. Work goes on in batches, each one durable
transaction: a stopped or killed import is continued by importing again. Originals are only read.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visionft.errors import ImageError, ProjectError
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import atomic_path, sha256_file
from visionft.images.decode import IMAGE_SUFFIXES, read_header
from visionft.project.import_changes import (
    AddImages,
    EditedImage,
    FileFacts,
    KnownImage,
    NewImage,
    Place,
    SourceFacts,
)
from visionft.project.names import clean_name, count_of
from visionft.project.picture_changes import clean_note
from visionft.project.roots import IMAGES_FOLDER
from visionft.project.scanning import Rejected, SourceFile, printable
from visionft.project.sources import Source, SourceFormat, opened_source
from visionft.project.store import Project

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of every file of the source.

    Attributes:
        added: How many pictures are new in the project.
        duplicates: Files whose content the project (or an earlier file of this source) has already. Labels that the
            source has for them fill in where the project has none.
        unreadable: Files that look like pictures but cannot be used, lines of a label file that cannot, and folders
            that cannot be listed.
        skipped: What was passed over: other files, links to folders, pictures that were removed from the project.
        classes: Added pictures by class name.
        stopped: Whether the import was stopped before its end; importing again continues it.
    """

    added: int
    duplicates: tuple[str, ...]
    unreadable: tuple[Rejected, ...]
    skipped: tuple[Rejected, ...]
    classes: dict[str, int]
    stopped: bool = False


def import_source(
    project: Project,
    source: Path,
    *,
    copy: bool = False,
    source_format: SourceFormat = "auto",
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> ImportReport:
    """Import pictures and what their source says of them, as one step of the history.

    Args:
        project: Where to; open for writing.
        source: A folder with class folders, with train/val/test folders of class folders, with a label file or with
            loose pictures; a CSV or JSONL file that lists pictures; or a zip of any of these.
        copy: Copy the pictures into the project instead of referring to them where they lie. Always so for a zip.
        source_format: What the source is, where it should not be recognised by itself.
        on_event: Receives `Progress` and `Notice`.
        should_stop: Asked between files; what was committed so far stays.

    Raises:
        ProjectError: The source is missing or holds no picture, or the project cannot be written.
    """
    if project.is_read_only:
        raise ProjectError(f"The project cannot be changed: {project.read_only_reason}.", "Close it there first.")
    path = Path(os.path.abspath(source))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    with opened_source(path, source_format, project.path, on_event=on_event, should_stop=should_stop) as opened:
        task = _Import(project, opened, copy=copy or opened.is_unpacked)
        return task.run(on_event=on_event, should_stop=should_stop)


@dataclass(frozen=True, slots=True)
class _Examined:
    """A file that passed the gate. `file` is None for a picture that only its label file knows by content."""

    source: SourceFile
    sha256: str
    facts: SourceFacts
    file: FileFacts | None


@dataclass
class _Import:
    """One import under way: its totals, and where its files belong."""

    project: Project
    source: Source
    copy: bool = field(kw_only=True)
    step_id: int = 0
    added: int = 0
    relinked: int = 0
    conflicts: int = 0
    root_folders: set[Path] = field(default_factory=set[Path])
    duplicates: list[str] = field(default_factory=list[str])
    unreadable: list[Rejected] = field(default_factory=list[Rejected])
    skipped: list[Rejected] = field(default_factory=list[Rejected])
    classes: Counter[str] = field(default_factory=Counter[str])

    def run(self, *, on_event: OnEvent, should_stop: ShouldStop) -> ImportReport:
        """Examine and commit batch by batch."""
        listing = self.source.listing
        self.skipped.extend(listing.skipped)
        self.unreadable.extend(listing.unreadable)
        total, stopped = len(listing.files), False
        for start in range(0, total, BATCH):
            batch = listing.files[start : start + BATCH]
            recorded = self._recorded_places(batch)
            examined: list[_Examined] = []
            edited: list[EditedImage] = []
            for file in batch:
                stopped = stopped or should_stop()
                if not stopped:
                    row = recorded.get(file.path)
                    examined.extend(self._examine(file, row, edited))
            self._commit(examined, edited)
            if stopped:
                break
            on_event(Progress(stage="Import", done=start + len(batch), total=total))
        self._tell(stopped, on_event)
        return ImportReport(
            added=self.added,
            duplicates=tuple(self.duplicates),
            unreadable=tuple(self.unreadable),
            skipped=tuple(self.skipped),
            classes=dict(self.classes),
            stopped=stopped,
        )

    def _tell(self, stopped: bool, on_event: OnEvent) -> None:
        if stopped:
            on_event(Notice(message="Import stopped. Import the same source again to continue."))
        if self.relinked:
            on_event(Notice(message=f"{count_of(self.relinked, 'missing picture')} found again."))
        if self.conflicts:
            what = count_of(self.conflicts, "picture")
            on_event(Notice(message=f"{what} already had another class, which was kept.", level="warning"))

    def _recorded_places(self, batch: Sequence[SourceFile]) -> dict[Path, dict[str, Any]]:
        """Return what the project has recorded at the places of these files."""
        if self.copy:
            return {}
        roots = self.project.roots()
        places = {place: file.path for file in batch if (place := roots.containing(file.path))}
        paths: dict[int, list[str]] = {}
        for root_id, path in places:
            if _is_text(path):
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
    ) -> Iterator[_Examined]:
        """Yield a file that passed the gate, or note why it did not."""
        shown = self.source.shown(source.path)
        try:
            facts = self._facts(source)
            if not _is_text(source.path.as_posix()):
                raise ImageError("its name is not valid Unicode; rename the file")
            stat = source.path.stat() if source.path.is_file() else None
            if stat is None and source.sha256 is not None:
                yield _Examined(source, source.sha256, facts, None)
                return
            if stat and recorded and (stat.st_size, stat.st_mtime_ns) == (recorded["bytes"], recorded["mtime_ns"]):
                yield _Examined(source, recorded["sha256"], facts, None)
                return
            file = _read_facts(source.path)
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
                yield _Examined(source, file.sha256, facts, file)

    def _facts(self, source: SourceFile) -> SourceFacts:
        """Return what the source says of a picture, once the names are valid and fit the task."""
        labels = tuple(dict.fromkeys(clean_name(label, "class") for label in source.labels))
        if len(labels) > 1 and self.project.task == "single":
            raise ProjectError(f"it has {len(labels)} classes, and this project takes one per picture")
        return SourceFacts(
            labels=labels,
            split=source.split,
            tags=tuple(dict.fromkeys(clean_name(tag, "tag") for tag in source.tags)),
            review=source.review,
            note=clean_note(source.note or ""),
        )

    def _commit(self, examined: Sequence[_Examined], edited: Sequence[EditedImage]) -> None:
        """Write a batch as part of this import's one step in the history."""
        new, known = self._sorted_out(examined)
        if not (new or known or edited):
            return
        images = tuple(self._new_image(picture) for picture in new)
        change = AddImages(
            images=images,
            known=known,
            edited=edited,
            classes=self.source.listing.classes,
            title=f"Import {count_of(self.added + len(new), 'picture')} from {printable(self.source.path)}",
        )
        effects = self.project.apply(change, continues=self.step_id)
        self.step_id = effects.step_id or self.step_id
        self.added += len(new)
        self.relinked += sum(image.moved_to is not None for image in known)
        self.classes.update(label for picture in new for label in picture.facts.labels)
        if self.project.task == "single":
            self.conflicts += self._count_conflicts(known)

    def _sorted_out(self, examined: Sequence[_Examined]) -> tuple[list[_Examined], list[KnownImage]]:
        """Split a batch into new pictures and known ones; note the known ones in the report."""
        roots = self.project.roots()
        self.root_folders = set(roots.ids())
        with self.project.reading() as connection:
            rows = connection.execute(
                """SELECT sha256, root_id, path, removed_at FROM image
                    WHERE sha256 IN (SELECT value FROM json_each(?)) ORDER BY removed_at IS NULL""",
                (json.dumps([picture.sha256 for picture in examined]),),
            ).fetchall()
        places = {sha256: (roots.path_of(root_id, path), removed_at) for sha256, root_id, path, removed_at in rows}
        new: list[_Examined] = []
        known: list[KnownImage] = []
        for picture in examined:
            shown = self.source.shown(picture.source.path)
            place, removed_at = places.get(picture.sha256, (None, None))
            if removed_at is not None:
                self.skipped.append(Rejected(shown, "was removed from the project; restore it to use it again"))
            elif place is not None:
                self.duplicates.append(shown)
                known.append(self._known_image(picture, place))
            elif picture.file is None:
                self.unreadable.append(Rejected(shown, "the file is missing"))
            else:
                places[picture.sha256] = (picture.source.path, None)
                new.append(picture)
        return new, known

    def _known_image(self, picture: _Examined, recorded: Path) -> KnownImage:
        """Return a picture met again; when it is no longer where it was, it is from now on where it was met."""
        if picture.file is None or recorded == picture.source.path or recorded.exists():
            return KnownImage(sha256=picture.sha256, facts=picture.facts)
        place = self._copied(picture.source, picture.sha256) if self.copy else self._place(picture.source.path)
        mtime_ns = picture.file.mtime_ns
        return KnownImage(sha256=picture.sha256, facts=picture.facts, moved_to=place, mtime_ns=mtime_ns)

    def _new_image(self, picture: _Examined) -> NewImage:
        assert picture.file is not None
        place = self._copied(picture.source, picture.sha256) if self.copy else self._place(picture.source.path)
        name = picture.source.name if self.copy else None
        return NewImage(place=place, name=name, file=picture.file, facts=picture.facts)

    def _place(self, path: Path) -> Place:
        """Return the root folder a picture belongs to: a known one, the source, or the folder it lies in."""
        known = next((parent for parent in path.parents if parent in self.root_folders), None)
        base = self.source.base if path.is_relative_to(self.source.base) else path.parent
        folder = known or base
        return Place(folder, path.relative_to(folder).as_posix())

    def _copied(self, source: SourceFile, sha256: str) -> Place:
        """Copy a picture into the project under its content's name, durably, before the database refers to it."""
        place = Place(self.project.path / IMAGES_FOLDER, f"{sha256[:2]}/{sha256}{source.path.suffix.lower()}")
        target = place.folder / place.path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as temporary:
                shutil.copyfile(source.path, temporary)
        return place

    def _count_conflicts(self, known: Sequence[KnownImage]) -> int:
        """Count the pictures whose class in the project is another than the source's."""
        wanted = {image.sha256: image.facts.labels[0] for image in known if image.facts.labels}
        with self.project.reading() as connection:
            rows = connection.execute(
                """SELECT sha256, class.name FROM image JOIN label ON image_id = image.id
                    JOIN class ON class.id = class_id WHERE sha256 IN (SELECT value FROM json_each(?))""",
                (json.dumps(list(wanted)),),
            ).fetchall()
        return sum(wanted[sha256] != name for sha256, name in rows)


def _read_facts(path: Path) -> FileFacts:
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


def _is_text(name: str) -> bool:
    """Say whether a file name is valid Unicode, which the database and every label file need."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
