"""What an import would do, found by the import's own gate, before anything is written."""

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft.data.types import Task
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.foreign_text import printable
from visionft.project.edits.import_changes import FileFacts
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Interpretation, Rejected
from visionft.project.formats.registry import SourceFormat
from visionft.project.importing.import_filter import ClassMap, Examined, ImportFilter
from visionft.project.importing.sources import opened_source
from visionft.project.names import name_key
from visionft.project.queries import Candidate, Conflict, class_aliases, imported_classes
from visionft.project.store import Project

BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """What a source offers.

    Attributes:
        new: Pictures that would be added.
        duplicates: Files whose content the project, or an earlier file of the source, has already.
        unreadable: Files that look like pictures but cannot be used, with the reason.
        skipped: Other files that would be passed over, with the reason.
        classes: New pictures by class, as the source names them; before any class map.
        unlabelled: New pictures without a class.
        multi_label_images: New pictures with more than one class.
        conflicts: Pictures that would come in several classes where one is allowed, under the names that the source
            uses; without a project, those that the source itself gives several.
        splits: New pictures by the split that the source gives them.
        bytes: Size of the new pictures together.
        smallest: (width, height) in pixels of the new picture with the fewest pixels; None without pictures.
        largest: The same for the most pixels.
        interpretations: How the source was read: which columns and folders were taken as what.
        stopped: Whether the look was stopped before its end.
        known_facts: What was read of each file, for `import_source`.
    """

    path: Path
    new: int
    duplicates: tuple[str, ...]
    unreadable: tuple[Rejected, ...]
    skipped: tuple[Rejected, ...]
    classes: dict[str, int]
    unlabelled: int
    multi_label_images: int
    splits: dict[str, int]
    bytes: int
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    conflicts: tuple[Conflict, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()
    stopped: bool = False
    known_facts: Mapping[Path, FileFacts] = field(default_factory=dict[Path, FileFacts], repr=False)


def preview_source(
    source: Path,
    project: Project | None = None,
    *,
    source_format: SourceFormat = "auto",
    class_map: ClassMap | None = None,
    choice: ColumnChoice = AUTOMATIC,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> ImportPreview:
    """Look at everything that `import_source` would take, and write nothing but a zip's passing unpacked copy.

    Args:
        source: What `import_source` takes.
        project: The project it would go into; None looks at the source alone, with several classes allowed.
        source_format: As for the import.
        class_map: As for the import; the screens leave it out and let the user map what was found.
        choice: As for the import.
        on_event: Receives `Progress`.
        should_stop: Asked between files; what was found until then is returned.

    Raises:
        ProjectError: The source is missing or holds no picture.
    """
    path = Path(os.path.abspath(source))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    scratch = project.path if project is not None and not project.is_read_only else Path(tempfile.gettempdir())
    with opened_source(
        path, source_format, scratch, choice=choice, on_event=on_event, should_stop=should_stop
    ) as opened:
        task: Task = project.task if project is not None else "multi"
        examiner = ImportFilter(
            project, opened, task=task, looks_at_places=not opened.is_unpacked, class_map=class_map or {}
        )
        look = _Look(examiner)
        stopped = look.run(on_event=on_event, should_stop=should_stop)
        return look.preview(path, stopped=stopped)


class _Look:
    """One look under way: its totals."""

    def __init__(self, examiner: ImportFilter) -> None:
        self._examiner = examiner
        self._classes: Counter[str] = Counter()
        self._splits: Counter[str] = Counter()
        self._files: dict[Path, FileFacts] = {}
        self._unlabelled = self._several = 0
        project = examiner.project
        self._is_single = project is None or project.task == "single"
        self._aliases = class_aliases(project) if project is not None else {}
        self._said: dict[str, dict[str, Candidate]] = {}  # {content: {key of the class's name: what is said}}
        self._conflicts: dict[str, Conflict] = {}

    def run(self, *, on_event: OnEvent, should_stop: ShouldStop) -> bool:
        """Examine batch by batch; return whether it was stopped."""
        files = self._examiner.source.listing.files
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            examined, _, stopped = self._examiner.examine(batch, should_stop)
            new, known = self._examiner.sort_out(examined)
            for picture in new:
                self._count(picture)
            if self._is_single:
                self._compare(new, known)
            if stopped:
                return True
            on_event(Progress(stage="Look at the pictures", done=start + len(batch), total=len(files)))
        return False

    def _count(self, picture: Examined) -> None:
        assert picture.file is not None
        self._examiner.seen[picture.sha256] = picture.source.path
        self._files[picture.source.path] = picture.file
        labels = picture.facts.labels
        self._classes.update(labels)
        self._unlabelled += not labels
        self._several += len(labels) > 1
        if picture.facts.split:
            self._splits[picture.facts.split] += 1

    def _compare(self, new: Sequence[Examined], known: Sequence[tuple[Examined, Path]]) -> None:
        """Note the pictures that are given another class than before."""
        project = self._examiner.project
        if project is not None:
            given = imported_classes(project, [picture.sha256 for picture, _ in known])
            for sha256, candidates in given.items():
                self._said.setdefault(sha256, {name_key(each.class_name): each for each in candidates})
        for picture in new:
            self._said[picture.sha256] = {}
        places = [(picture, picture.source.path) for picture in new] + list(known)
        for picture, place in places:
            said = self._said.get(picture.sha256)
            if said is None:  # a person labelled it
                continue
            for label in picture.facts.labels[:1]:
                key = name_key(label)
                if not {key, name_key(self._aliases.get(key, label))} & said.keys():
                    said[key] = Candidate(label, self._examiner.source.shown(picture.source.path))
            if len(said) > 1:
                candidates = tuple(said.values())
                self._conflicts[picture.sha256] = Conflict(path=printable(place), candidates=candidates)

    def preview(self, path: Path, *, stopped: bool) -> ImportPreview:
        """Sum up."""
        examiner = self._examiner
        by_area = sorted(
            ((each.width, each.height) for each in self._files.values()), key=lambda size: size[0] * size[1]
        )
        return ImportPreview(
            path=path,
            new=len(self._files),
            duplicates=tuple(examiner.duplicates),
            unreadable=tuple(examiner.unreadable),
            skipped=tuple(examiner.skipped),
            classes=dict(self._classes),
            unlabelled=self._unlabelled,
            multi_label_images=self._several,
            splits=dict(self._splits),
            conflicts=() if examiner.project is None and self._several else tuple(self._conflicts.values()),
            bytes=sum(file.bytes for file in self._files.values()),
            smallest=by_area[0] if by_area else None,
            largest=by_area[-1] if by_area else None,
            interpretations=examiner.source.listing.interpretations,
            stopped=stopped,
            known_facts={} if examiner.source.is_unpacked else self._files,
        )
