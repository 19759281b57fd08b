"""Taking pictures into a project: every file of the source is accounted for, and importing twice adds nothing.

Pictures are referred to where they lie, or copied into the project. Work goes on in batches, each one durable
transaction: a stopped or killed import is continued by importing again. Originals are only read.
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft.errors import ProjectError, VisionFTError, as_expected
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import atomic_path
from visionft.foreign_text import printable
from visionft.project.db.roots import IMAGES_FOLDER
from visionft.project.edits.import_changes import AddImages, EditedImage, FileFacts, FileLocation, KnownImage, NewImage
from visionft.project.formats.listing import (
    AUTOMATIC,
    ColumnChoice,
    Interpretation,
    Rejected,
    SourceFile,
)
from visionft.project.formats.registry import SourceFormat
from visionft.project.importing.import_filter import ClassMap, Examined, ImportFilter
from visionft.project.importing.sources import Source, opened_source, require_understood
from visionft.project.names import count_of
from visionft.project.queries import Conflict, count_classes_after, find_conflicts, newest_image
from visionft.project.store import Project

logger = logging.getLogger(__name__)

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of every file of the source.

    Attributes:
        added: How many pictures are new in the project.
        duplicates: Files whose content the project (or an earlier file of this source) has already. Labels that the
            source has for them fill in where the project has none.
        conflicts: Pictures of this source that came in several classes, now or before, and nobody has decided yet;
            they have no label. Their second files are among the duplicates.
        unreadable: Files that look like pictures but cannot be used, lines of a label file that cannot, and folders
            that cannot be listed.
        skipped: What was passed over: other files, links to folders, pictures that were removed from the project.
        classes: Added pictures by class; those in conflict have none.
        interpretations: How the source was read: which columns and folders were taken as what.
        stopped: Whether the import was stopped before its end; importing again continues it.
    """

    added: int
    duplicates: tuple[str, ...]
    unreadable: tuple[Rejected, ...]
    skipped: tuple[Rejected, ...]
    classes: dict[str, int]
    conflicts: tuple[Conflict, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()
    stopped: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the source is in the project: every file or line was refused."""
        return not (self.added or self.duplicates or self.stopped) and bool(self.unreadable)


def import_source(
    project: Project,
    source: Path,
    *,
    copy: bool = False,
    source_format: SourceFormat = "auto",
    class_map: ClassMap | None = None,
    known_facts: Mapping[Path, FileFacts] | None = None,
    choice: ColumnChoice = AUTOMATIC,
    accepts_unlabelled: bool = False,
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
        class_map: {class name in the source: its name in the project, or None to leave its pictures out}.
        known_facts: What a preview of this source read, so that unchanged files are not read again.
        choice: What the user says of a label file's columns.
        accepts_unlabelled: Take the pictures also where labels lie beside them that are not understood.
        on_event: Receives `Progress` and `Notice`.
        should_stop: Asked between files; what was committed so far stays.

    Raises:
        ProjectError: The source is missing or holds no picture, its labels are not understood, or the project cannot be
            written.
    """
    if project.is_read_only:
        raise ProjectError(f"The project cannot be changed: {project.read_only_reason}.", "Close it there first.")
    path = Path(os.path.abspath(source))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    with opened_source(
        path, source_format, project.path, choice=choice, on_event=on_event, should_stop=should_stop
    ) as opened:
        if not (accepts_unlabelled or source_format == "folders"):
            for interpretation in opened.listing.interpretations:
                require_understood(interpretation, path)
        copies = copy or opened.is_unpacked
        examiner = ImportFilter(
            project,
            opened,
            task=project.task,
            looks_at_places=not copies,
            class_map=class_map or {},
            known_facts=known_facts or {},
        )
        return _Import(project, examiner, copy=copies).run(on_event=on_event, should_stop=should_stop)


@dataclass
class _Import:
    """One import under way: its totals, and where its files belong."""

    project: Project
    examiner: ImportFilter
    copy: bool = field(kw_only=True)
    step_id: int = 0
    added: int = 0
    relinked: int = 0
    overruled: int = 0
    conflicts: dict[int, Conflict] = field(default_factory=dict[int, Conflict])
    root_folders: set[Path] = field(default_factory=set[Path])
    newest: int = 0  # the last picture there was before

    @property
    def source(self) -> Source:
        """What is imported."""
        return self.examiner.source

    def run(self, *, on_event: OnEvent, should_stop: ShouldStop) -> ImportReport:
        """Examine and commit batch by batch."""
        files = self.source.listing.files
        stopped = not files and should_stop()  # before anything was found
        self.newest = newest_image(self.project)
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            try:
                examined, edited, stopped = self.examiner.examine(batch, should_stop)
                self._commit(examined, edited)
            except (VisionFTError, OSError) as error:
                self._say_what_is_in(error)
                raise
            if stopped:
                break
            on_event(Progress(stage="Import", done=start + len(batch), total=len(files)))
        self._tell(stopped, on_event)
        report = ImportReport(
            added=self.added,
            duplicates=tuple(self.examiner.duplicates),
            unreadable=tuple(self.examiner.unreadable),
            skipped=tuple(self.examiner.skipped),
            classes=count_classes_after(self.project, self.newest),
            conflicts=tuple(self.conflicts.values()),
            interpretations=self.source.listing.interpretations,
            stopped=stopped,
        )
        self._log(report)
        return report

    def _log(self, report: ImportReport) -> None:
        logger.info(
            "import%s: %d files: %d added in %d classes, %d known already, %d unreadable, %d skipped%s",
            " with copies" if self.copy else "",
            len(self.source.listing.files),
            *(report.added, len(report.classes), len(report.duplicates), len(report.unreadable), len(report.skipped)),
            "; stopped" if report.stopped else "",
        )

    def _say_what_is_in(self, error: VisionFTError | OSError) -> None:
        """Raise an expected failure anew with the pictures of earlier batches, which are in the project and stay."""
        expected = as_expected(error)
        if expected is not None and self.added:
            hint = f"{count_of(self.added, 'picture')} came in before and stay; importing again continues there."
            raise ProjectError(expected.message, f"{expected.hint} {hint}", expected.next_step) from error

    def _tell(self, stopped: bool, on_event: OnEvent) -> None:
        if stopped:
            on_event(Notice(message="Import stopped. Import the same source again to continue."))
        if self.relinked:
            on_event(Notice(message=f"{count_of(self.relinked, 'missing picture')} found again."))
        if self.overruled:
            what = count_of(self.overruled, "picture")
            words = f"{what} already had another class that a person gave, which was kept."
            on_event(Notice(message=words, level="warning"))

    def _commit(self, examined: Sequence[Examined], edited: Sequence[EditedImage]) -> None:
        """Write a batch as part of this import's one step in the history."""
        self.root_folders = set(self.project.roots().ids())
        new, met_again = self.examiner.sort_out(examined)
        known = [self._known_image(picture, place) for picture, place in met_again]
        if not (new or known or edited):
            return
        images = tuple(self._new_image(picture) for picture in new)
        change = AddImages(
            images=images,
            known=known,
            edited=edited,
            classes=self.examiner.classes(),
            aliases={name: meant for name, meant in self.examiner.class_map.items() if meant is not None},
            title=f"Import {count_of(self.added + len(new), 'picture')} from {printable(self.source.path)}",
        )
        effects = self.project.apply(change, continues=self.step_id)
        self.step_id = effects.step_id or self.step_id
        self.added += len(new)
        self.relinked += sum(image.moved_to is not None for image in known)
        if self.project.task == "single":
            self.overruled += self._count_overruled(known)
            met = find_conflicts(self.project, [image.sha256 for image in known])
            self.conflicts |= {conflict.image_id: conflict for conflict in met}

    def _known_image(self, picture: Examined, recorded: Path) -> KnownImage:
        """Return a picture met again; when it is no longer where it was, it is from now on where it was met."""
        if picture.file is None or recorded == picture.source.path or recorded.exists():
            return KnownImage(sha256=picture.sha256, facts=picture.facts, origin=self._origin(picture, recorded))
        place = self._copied(picture.source, picture.sha256) if self.copy else self._place(picture.source.path)
        mtime_ns = picture.file.mtime_ns
        origin = self._origin(picture, recorded)
        return KnownImage(sha256=picture.sha256, facts=picture.facts, origin=origin, moved_to=place, mtime_ns=mtime_ns)

    def _origin(self, picture: Examined, recorded: Path) -> str:
        """Return which file says what it is: itself, or the source where the project knows that very file."""
        is_same = picture.source.path == recorded
        return printable(self.source.path) if is_same else self.source.shown(picture.source.path)

    def _new_image(self, picture: Examined) -> NewImage:
        assert picture.file is not None
        place = self._copied(picture.source, picture.sha256) if self.copy else self._place(picture.source.path)
        name = picture.source.name if self.copy else None
        return NewImage(place=place, name=name, file=picture.file, facts=picture.facts)

    def _place(self, path: Path) -> FileLocation:
        """Return the root folder a picture belongs to: a known one, the source, or the folder it lies in."""
        known = next((parent for parent in path.parents if parent in self.root_folders), None)
        base = self.source.base if path.is_relative_to(self.source.base) else path.parent
        folder = known or base
        return FileLocation(folder, path.relative_to(folder).as_posix())

    def _copied(self, source: SourceFile, sha256: str) -> FileLocation:
        """Copy a picture into the project under its content's name, durably, before the database refers to it."""
        place = FileLocation(self.project.path / IMAGES_FOLDER, f"{sha256[:2]}/{sha256}{source.path.suffix.lower()}")
        target = place.folder / place.path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as temporary:
                shutil.copyfile(source.path, temporary)
        return place

    def _count_overruled(self, known: Sequence[KnownImage]) -> int:
        """Count the pictures whose class, given by a person, is another than the source's."""
        said = {(image.sha256, name) for image in known for name in image.facts.labels}
        with self.project.reading() as connection:
            rows = connection.execute(
                """SELECT sha256, class.name FROM image JOIN label ON image_id = image.id
                    JOIN class ON class.id = class_id
                    WHERE sha256 IN (SELECT value FROM json_each(?)) AND source != 'import'""",
                (json.dumps([sha256 for sha256, _ in said]),),
            ).fetchall()
        given = dict(rows)
        return len({sha256 for sha256, name in said if given.get(sha256, name) != name})
