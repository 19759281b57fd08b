"""Find missing image files, and relink moved ones by content."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.core.errors import ProjectError
from visionft.core.events import Progress
from visionft.core.files import is_file, sha256_file
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.project.db.roots import ensure_roots
from visionft.project.edits.import_changes import FileLocation
from visionft.project.formats.folders import walk
from visionft.project.store import ProjectStore


@dataclass(frozen=True, slots=True)
class MissingImage:
    """A project image whose file is missing. `path` is the recorded path."""

    image_id: int
    path: Path
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelinkReport:
    """The number of relinked images, and the images still missing."""

    relinked: int
    missing: tuple[MissingImage, ...]
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class RelinkImages:
    """Record new image paths; `places` is {image id: (location, modification time in ns)}."""

    places: dict[int, tuple[FileLocation, int]]
    is_bulk = False

    @property
    def title(self) -> str:
        return Message("Relink {counted}", counted=count_of(len(self.places), "image"))

    def write(self, connection: sqlite3.Connection) -> None:
        roots = ensure_roots(connection, {place.folder for place, _ in self.places.values()})
        connection.executemany(
            "UPDATE image SET root_id = ?, path = ?, mtime_ns = ? WHERE id = ?",
            [(roots[place.folder], place.path, time, image_id) for image_id, (place, time) in self.places.items()],
        )


def find_missing(project: ProjectStore, *, job: JobContext = SILENT_JOB) -> tuple[MissingImage, ...]:
    """Return the images without a file at the recorded path, in id order."""
    roots = project.roots()
    rows = project.fetch("SELECT id, root_id, path, sha256, bytes FROM image WHERE removed_at IS NULL ORDER BY id")
    missing: list[MissingImage] = []
    for done, (image_id, root_id, path, sha256, size) in enumerate(rows, 1):
        place = roots.path_of(root_id, path)
        if not is_file(place):
            missing.append(MissingImage(image_id, place, sha256, size))
        if done % 1000 == 0:
            job.report(Progress(stage="Look for images", done=done, total=len(rows)))
            if job.is_cancelled:
                break
    return tuple(missing)


def relink_images(project: ProjectStore, folder: Path, *, job: JobContext = SILENT_JOB) -> RelinkReport:
    """Search `folder` for missing images by size and content, and record their paths as one step of the history."""
    folder = folder.absolute()
    if not folder.is_dir():
        raise ProjectError(Message("{folder} is not a folder.", folder=folder), "Give the folder to search.")
    missing = find_missing(project, job=job)
    found = _search(folder, missing, job)
    roots = project.roots()
    used_paths: set[Path] = set()  # already recorded for another image, which may be removed
    for image_id, path in found.items():
        place = roots.locate(path)
        query = "SELECT id FROM image WHERE root_id = ? AND path = ? AND id != ?"
        if place and project.fetch(query, *place, image_id):
            used_paths.add(path)
    places = {
        image_id: (FileLocation(folder, path.relative_to(folder).as_posix()), path.stat().st_mtime_ns)
        for image_id, path in found.items()
        if path not in used_paths
    }
    if places:
        project.apply(RelinkImages(places))
    still_missing = tuple(image for image in missing if image.image_id not in places)
    return RelinkReport(relinked=len(places), missing=still_missing, stopped=bool(missing) and job.is_cancelled)


def _search(folder: Path, missing: Sequence[MissingImage], job: JobContext) -> dict[int, Path]:
    """Return {image id: path} of missing images; a file with the old name is preferred to other copies."""
    by_size: defaultdict[int, list[MissingImage]] = defaultdict(list)
    for image in missing:
        by_size[image.bytes].append(image)
    found: dict[int, Path] = {}
    for path in walk(folder, [], []) if missing else ():
        if job.is_cancelled:
            break
        try:
            candidates = by_size.get(path.stat().st_size, [])
            path.as_posix().encode()
            digest = sha256_file(path) if candidates else ""
        except (OSError, UnicodeEncodeError):
            continue
        for image in candidates:
            is_better = image.image_id not in found or path.name == image.path.name
            if image.sha256 == digest and path not in found.values() and is_better:
                found[image.image_id] = path
                job.report(Progress(stage="Relink", done=len(found), total=len(missing)))
                break
    return found
