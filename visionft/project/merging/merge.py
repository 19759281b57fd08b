"""Merge another copy of a project into this one: one change, so that one undo takes it back.

Images are matched by content, classes by `match_classes`. Images that only the other project has are added where their
file can be read: in place, or copied where it lies in the other project's own folder. Runs and audits stay where they
were made: they state facts about the labels of that project.
"""

import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from models.messages import Message
from visionft.data.image_reading import ImageReading
from visionft.errors import ImageError, ProjectError
from visionft.events import Progress
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.db.roots import IMAGES_FOLDER, Roots, folder_of
from visionft.project.edits import changes
from visionft.project.edits.image_changes import tag_images
from visionft.project.edits.import_changes import FileFacts, FileLocation, ImportedImage, insert_images
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.formats.listing import Listing, SourceFile
from visionft.project.importing.file_facts import read_facts
from visionft.project.importing.import_filter import READERS
from visionft.project.importing.importer import copy_files, copy_name, remove_copies, window_of_import
from visionft.project.importing.sources import Source, image_reading_of_files
from visionft.project.merging.agreement import Agreement, measure_agreement
from visionft.project.merging.classes import ClassMatch, match_classes
from visionft.project.merging.planning import MergePlan, advance, plan_merge
from visionft.project.merging.sides import Side, SideImage, read_other, read_side
from visionft.project.names import count_of
from visionft.project.store import Project

logger = logging.getLogger(__name__)

_AT_ONCE = 100  # files read between two reports of progress, and two looks whether the job was cancelled
ClassMap = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedProject:
    """The result of merging one project, or its forecast; counts are of images."""

    path: Path
    added: int  # only there until now
    missing: tuple[str, ...]  # only there, and their file cannot be read: not added
    removed_here: int  # removed from this project: not added
    taken: int  # labelled only there (or also here, but in a conflict of imports): that label is taken
    corrected: int  # labelled by a person there and not by a person here: that label is taken
    kept: int  # labelled by a person here and not by a person there: this label stays
    equal: int  # with equal labels
    conflicts: int  # with labels that differ, to be decided by a person
    undecided: int  # in a conflict since an earlier merge
    decided_before: int  # in a conflict after an earlier merge that was decided here
    splits_kept: int  # in another split there: this project's stays
    notes_kept: int  # with another note there: this project's stays
    new_classes: Mapping[str, int]  # only there: name and images with it
    renamed: Mapping[str, str]  # {name there: name here} of the same classes


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """The result of a merge, or its forecast; `step_id` is 0 where nothing changed."""

    projects: tuple[MergedProject, ...]
    agreement: Agreement | None  # of the labels that several sides gave to one image; None where there are none
    step_id: int = 0
    conflicts: int = 0  # images that came into a conflict, each once however many projects differ
    stopped: bool = False  # cancelled; nothing was changed

    @property
    def new_classes(self) -> dict[str, int]:
        return {name: count for each in self.projects for name, count in each.new_classes.items()}


@dataclass(slots=True, kw_only=True)
class _Arrival:
    """Another project with its images to be added: {content: (file, location)}."""

    there: Side
    class_map: ClassMap
    origins: tuple[str, str]
    earlier: Sequence[tuple[str, Side]] = ()  # the projects merged just before, with their names
    new: dict[str, tuple[FileFacts, FileLocation]] = field(default_factory=dict[str, tuple[FileFacts, FileLocation]])
    # {target: file} of the images in the other project's own folder.
    copies: dict[Path, Path] = field(default_factory=dict[Path, Path])
    missing: tuple[str, ...] = ()
    image_reading: ImageReading | None = None  # of its images in this project; None without any to add
    window: ChooseWindow | None = None  # how this project reads the images, where it has none of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeProjects:
    """Add images, labels, tags, notes and verdicts of other projects, one after the other, in one transaction."""

    arrivals: Sequence[_Arrival]
    title: str
    is_bulk: bool = True

    def write(self, connection: sqlite3.Connection) -> None:
        for arrival in self.arrivals:
            self._write_one(connection, arrival)

    def _write_one(self, connection: sqlite3.Connection, arrival: _Arrival) -> None:
        there = arrival.there
        if arrival.window is not None:
            arrival.window.write(connection)
        here = read_side(connection, folder_of(connection))
        new = {sha256: found for sha256, found in arrival.new.items() if sha256 not in here.images}
        images = [
            ImportedImage(
                source=_source_file(there.images[sha256][0]),
                sha256=sha256,
                file=file,
                place=place,
                name=_name_of(there.images[sha256][0], arrival),
            )
            for sha256, (file, place) in new.items()
        ]
        added = insert_images(connection, images)
        for image_id, sha256 in zip(added, new, strict=True):
            here.images[sha256] = [_blank(image_id, there.images[sha256][0])]
        match = match_classes(here, there, arrival.class_map)
        real = {number: changes.ensure_class(connection, name) for number, name in match.new.items()}
        ids = {theirs: real.get(mine, mine) for theirs, mine in match.ids.items()}
        _write_rows(connection, _plan(here, arrival, replace(match, ids=ids)))


def merge_projects(
    project: Project,
    others: Sequence[Path],
    *,
    class_map: ClassMap | None = None,
    is_preview: bool = False,
    job: JobContext = SILENT,
) -> MergeReport:
    """Merge other copies of a project into it, as one step of the history; or return the forecast.

    Args:
        others: Folders of the other projects; they are only read.
        class_map: {class name there: its name here, or None to leave its labels out}.
        is_preview: Change nothing. Of several projects each is counted beside this one as it is now.

    Raises:
        ProjectError: A project cannot be read or does not fit, or this one cannot be written. Nothing was changed.
    """
    if project.is_read_only and not is_preview:
        message = Message("The project cannot be changed: {reason}.", reason=project.read_only_reason)
        raise ProjectError(message, "Close it there first.")
    with project.reading() as connection, _transaction(connection):
        here = read_side(connection, project.path)
    arrivals: list[_Arrival] = []
    for path in others:
        there = read_other(path, project, job=job)
        if any(there.path == each.there.path for each in arrivals):
            continue
        arrival = _Arrival(
            there=there,
            class_map=class_map or {},
            origins=_origins(project.path, there.path),
            earlier=tuple((each.origins[1], each.there) for each in arrivals),
        )
        # As one merge after the other: the first images that come in decide how those of an empty project are read.
        decided = next((each.image_reading for each in arrivals if each.new), None)
        arrivals.append(arrival)
        _find_files(project, here, arrival, decided, is_preview=is_preview, job=job)
        if job.is_cancelled:
            return MergeReport(projects=(), agreement=None, stopped=True)
    matches = [match_classes(here, each.there, each.class_map) for each in arrivals]
    agreement = measure_agreement(here, [(each.there, match) for each, match in zip(arrivals, matches, strict=True)])
    before = _in_conflict(here)
    forecasts = tuple(_forecast(here, each) for each in arrivals)
    conflicts = len(_in_conflict(here) - before)
    step_id = 0 if is_preview else _apply(project, arrivals, forecasts, conflicts)
    return MergeReport(projects=forecasts, agreement=agreement, step_id=step_id, conflicts=conflicts)


def _in_conflict(side: Side) -> set[int]:
    """Return the ids of the images in a conflict."""
    everything = (each for images in side.images.values() for each in images)
    return {each.image_id for each in everything if each.candidates and not each.is_removed}


def _apply(project: Project, arrivals: Sequence[_Arrival], forecasts: Sequence[MergedProject], conflicts: int) -> int:
    """Write the merges as one step of the history, all or none; return its id.

    Raises:
        ProjectError, VisionFTError: The disk is full, or the project cannot be written. Nothing was changed.
    """
    title = Message(
        "Merge {names}: {images}, {labels}, {conflicts}",
        names=printable(", ".join(each.there.path.name for each in arrivals)),
        images=count_of(sum(each.added for each in forecasts), "image"),
        labels=Message("{count} label", "{count} labels", count=sum(each.taken + each.corrected for each in forecasts)),
        conflicts=Message("{count} conflict", "{count} conflicts", count=conflicts),
    )
    wanted = {target: file for arrival in arrivals for target, file in arrival.copies.items()}
    copies = copy_files(project.path / IMAGES_FOLDER, wanted)
    try:
        step_id = project.apply(MergeProjects(arrivals=arrivals, title=title)).step_id
    except BaseException:
        remove_copies(copies)
        raise
    for found in forecasts:
        logger.info("merge: %d images added, %d conflicts", found.added, found.conflicts)
    return step_id


def _forecast(here: Side, arrival: _Arrival) -> MergedProject:
    """Return the counts of a merge into a state of this project, and bring `here` to the state after it."""
    there = arrival.there
    before = len(here.images)
    for number, sha256 in enumerate(arrival.new, before):
        here.images.setdefault(sha256, [_blank(-1 - number, there.images[sha256][0])])
    match = match_classes(here, there, arrival.class_map)
    plan = _plan(here, arrival, match)
    advance(here, plan, match.new)
    with_class = Counter(match.ids.get(key) for each in there.images.values() for key in each[0].labels)
    outcomes = plan.outcomes
    return MergedProject(
        path=there.path,
        added=len(here.images) - before,
        missing=arrival.missing,
        removed_here=plan.removed_here,
        taken=outcomes["taken"],
        corrected=outcomes["corrected"],
        kept=outcomes["kept"],
        equal=outcomes["equal"],
        conflicts=outcomes["conflicts"],
        undecided=outcomes["undecided"],
        decided_before=outcomes["decided_before"],
        splits_kept=plan.splits_kept,
        notes_kept=plan.notes_kept,
        new_classes={name: with_class[number] for number, name in match.new.items()},
        renamed=_renamed(here, there, match),
    )


def _renamed(here: Side, there: Side, match: ClassMatch) -> dict[str, str]:
    """Return {name there: name here} of the matched classes whose names differ."""
    names = {**here.classes, **match.new}
    matched = {name: names[match.ids[class_id]] for class_id, name in there.classes.items() if class_id in match.ids}
    return {name: own for name, own in matched.items() if name != own}


def _find_files(
    project: Project, here: Side, arrival: _Arrival, decided: ImageReading | None, *, is_preview: bool, job: JobContext
) -> None:
    """Read the files of the images that only the other project has; those that are not as recorded are missing.

    Args:
        decided: How to read them, if an earlier project of this merge decided it.
    """
    wanted = [images[0] for sha256, images in arrival.there.images.items() if sha256 not in here.images]
    if not wanted:
        return
    folder = arrival.there.path
    source = Source(folder, folder, Listing(tuple(map(_source_file, wanted))))
    if decided is not None:
        image_reading = decided
    elif is_preview:
        image_reading = image_reading_of_files(project, source, job)
    else:
        image_reading, arrival.window = window_of_import(project, source, job)
    arrival.image_reading = image_reading
    roots = project.roots()
    taken = set(project.fetch("SELECT root_id, path FROM image"))
    missing: list[str] = []
    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(wanted), _AT_ONCE):
            job.report(Progress(stage="Reading the other project", done=start, total=len(wanted)))
            if job.is_cancelled:
                return
            some = wanted[start : start + _AT_ONCE]
            for image, facts in zip(some, pool.map(partial(_facts_of, image_reading=image_reading), some), strict=True):
                place = roots.containing(image.path)
                if facts is None or place in taken:
                    missing.append(printable(image.path))
                else:
                    arrival.new[image.sha256] = (facts, _location(project, roots, arrival, image, place))
    arrival.missing = tuple(missing)


def _facts_of(image: SideImage, *, image_reading: ImageReading) -> FileFacts | None:
    """Return the facts of an image's file; None where it cannot be read, or holds another image by now."""
    try:
        facts = read_facts(image.path, image_reading)
    except (ImageError, OSError, ValueError):
        return None
    return facts if facts.sha256 == image.sha256 else None


def _location(
    project: Project, roots: Roots, arrival: _Arrival, image: SideImage, place: tuple[int, str] | None
) -> FileLocation:
    """Return where the file of an added image will be: a copy if the other project owns it, else where it is.

    Args:
        roots: Of this project.
        place: The id of the root of this project that holds the file, and its path there.
    """
    if arrival.there.owns(image.path):
        folder = project.path / IMAGES_FOLDER
        name = copy_name(image.sha256, image.path)
        arrival.copies[folder / name] = image.path
        return FileLocation(folder, name)
    base = roots.path_of(place[0], "") if place is not None else image.base
    return FileLocation(base, image.path.relative_to(base).as_posix())


def _plan(here: Side, arrival: _Arrival, match: ClassMatch) -> MergePlan:
    return plan_merge(here, arrival.there, match, arrival.origins, earlier=arrival.earlier)


def _blank(image_id: int, there: SideImage) -> SideImage:
    """Return an image as it is just after it was added: without labels, and in no split."""
    return SideImage(image_id, there.sha256, there.path, there.base, None, None, None, None)


def _source_file(image: SideImage) -> SourceFile:
    """Return an image's file without its labels, which are merged afterwards."""
    return SourceFile(image.path, image.path.name)


def _name_of(image: SideImage, arrival: _Arrival) -> str | None:
    """Return the name of an added image; a copy's own path says nothing."""
    return image.name or (image.path.name if arrival.there.owns(image.path) else None)


def _origins(here: Path, there: Path) -> tuple[str, str]:
    """Return how the two sides are named in a conflict: by their folders, in full where these have one name."""
    names = (here.name, there.name) if here.name != there.name else (str(here), str(there))
    return printable(names[0]), printable(names[1])


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _write_rows(connection: sqlite3.Connection, plan: MergePlan) -> None:
    """Write the rows of a plan. The labels come last: by a trigger, each ends the conflict of its image."""
    connection.execute(
        "DELETE FROM label WHERE image_id IN (SELECT value FROM json_each(?))", (json.dumps(plan.cleared),)
    )
    connection.executemany(
        """INSERT INTO conflict (image_id, class_id, origin) VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET origin = excluded.origin""",
        plan.candidates,
    )
    connection.executemany(
        """INSERT INTO label (image_id, class_id, source, labelled_at) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET source = excluded.source, labelled_at = excluded.labelled_at""",
        plan.labels,
    )
    now = changes.now_ms()
    connection.executemany(
        "INSERT INTO verdict (image_id, finding, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(image_id, finding, now) for image_id, finding in plan.findings],
    )
    for tag, image_ids in sorted(plan.tags.items()):
        tag_images(connection, tag, json.dumps(image_ids))
    connection.executemany("UPDATE image SET note = ? WHERE id = ?", [(note, key) for key, note in plan.notes])
    connection.executemany("UPDATE image SET review = ? WHERE id = ?", [(review, key) for key, review in plan.reviews])
