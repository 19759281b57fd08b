"""Pictures whose files are no longer where they were: finding out which, and finding them again by content."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.errors import ProjectError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import is_file, sha256_file
from visionft.project.db.roots import ensure_roots
from visionft.project.edits.import_changes import FileLocation
from visionft.project.formats.folders import walk
from visionft.project.names import count_of
from visionft.project.store import Project


@dataclass(frozen=True, slots=True)
class MissingImage:
    """A picture of the project whose file is not there. `path` is where it should be."""

    image_id: int
    path: Path
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelinkReport:
    """How many pictures were found again, and which are still missing."""

    relinked: int
    missing: tuple[MissingImage, ...]
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class RelinkImages:
    """Note where pictures lie now: {picture id: (place, modification time)}."""

    places: dict[int, tuple[FileLocation, int]]
    is_bulk = False

    @property
    def title(self) -> str:
        """Name the step."""
        return f"Relink {count_of(len(self.places), 'picture')}"

    def write(self, connection: sqlite3.Connection) -> None:
        """Update the places."""
        roots = ensure_roots(connection, {place.folder for place, _ in self.places.values()})
        connection.executemany(
            "UPDATE image SET root_id = ?, path = ?, mtime_ns = ? WHERE id = ?",
            [
                (roots[place.folder], place.path, mtime_ns, image_id)
                for image_id, (place, mtime_ns) in self.places.items()
            ],
        )


def find_missing(
    project: Project, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> tuple[MissingImage, ...]:
    """Return the pictures whose files are not where the project knows them, in id order."""
    roots = project.roots()
    with project.reading() as connection:
        rows = connection.execute(
            "SELECT id, root_id, path, sha256, bytes FROM image WHERE removed_at IS NULL ORDER BY id"
        ).fetchall()
    missing: list[MissingImage] = []
    for done, (image_id, root_id, path, sha256, size) in enumerate(rows, 1):
        place = roots.path_of(root_id, path)
        if not is_file(place):
            missing.append(MissingImage(image_id, place, sha256, size))
        if done % 1000 == 0:
            on_event(Progress(stage="Look for pictures", done=done, total=len(rows)))
            if should_stop():
                break
    return tuple(missing)


def relink_images(
    project: Project,
    folder: Path,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> RelinkReport:
    """Look below `folder` for missing pictures, by content, and note where they lie now: one step of the history.

    Only files with the size of a missing picture are read.

    Raises:
        ProjectError: There is no such folder.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        raise ProjectError(f"{folder} is not a folder.", "Give the folder to search.")
    missing = find_missing(project, on_event=on_event, should_stop=should_stop)
    found = _search(folder, missing, on_event, should_stop)
    taken = _taken_places(project, found)
    places = {
        image_id: (FileLocation(folder, path.relative_to(folder).as_posix()), path.stat().st_mtime_ns)
        for image_id, path in found.items()
        if path not in taken
    }
    if places:
        project.apply(RelinkImages(places))
    left = tuple(image for image in missing if image.image_id not in places)
    return RelinkReport(relinked=len(places), missing=left, stopped=bool(missing) and should_stop())


def _search(
    folder: Path, missing: Sequence[MissingImage], on_event: OnEvent, should_stop: ShouldStop
) -> dict[int, Path]:
    """Return where missing pictures were found; one with the old file name wins over other copies."""
    by_size: defaultdict[int, list[MissingImage]] = defaultdict(list)
    for image in missing:
        by_size[image.bytes].append(image)
    found: dict[int, Path] = {}
    for path in walk(folder, [], []) if missing else ():
        if should_stop():
            break
        try:
            wanted = by_size.get(path.stat().st_size, [])
            path.as_posix().encode()
            digest = sha256_file(path) if wanted else ""
        except (OSError, UnicodeEncodeError):
            continue
        for image in wanted:
            is_better = image.image_id not in found or path.name == image.path.name
            if image.sha256 == digest and path not in found.values() and is_better:
                found[image.image_id] = path
                on_event(Progress(stage="Relink", done=len(found), total=len(missing)))
                break
    return found


def _taken_places(project: Project, found: dict[int, Path]) -> set[Path]:
    """Return the found paths that another picture of the project (a removed one too) is already recorded at."""
    roots = project.roots()
    taken: set[Path] = set()
    with project.reading() as connection:
        for image_id, path in found.items():
            place = roots.containing(path)
            query = "SELECT id FROM image WHERE root_id = ? AND path = ? AND id != ?"
            if place and connection.execute(query, (*place, image_id)).fetchone():
                taken.add(path)
    return taken
