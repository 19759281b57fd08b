"""The images, labels and classes of a project as one side of a merge, read in one transaction.

The other side is a stranger's: its database is opened for reading and never changed, its structure is checked whatever
its seal says, and its names are cleaned.
"""

import os
import sqlite3
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from models.messages import Message
from visionft.data.types import SPLITS, Split
from visionft.errors import ProjectError
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.db import schema
from visionft.project.db.database import DATABASE
from visionft.project.db.roots import IMAGES_FOLDER, Roots
from visionft.project.db.sqlite_errors import damage_error
from visionft.project.edits.changes import LabelSource, now_ms
from visionft.project.edits.image_changes import clean_note
from visionft.project.names import clean_name, name_key
from visionft.project.safety.backups import list_backups
from visionft.project.store import Project

_MOST_ORIGIN = 500  # characters of the origin of a candidate, names of files and folders; a stranger's may be longer
_SOURCES: tuple[LabelSource, ...] = ("person", "import", "suggestion")


class GivenLabel(NamedTuple):
    """One label of an image; `at` is the time in milliseconds since the epoch."""

    source: LabelSource
    at: int


@dataclass(slots=True)
class SideImage:
    """An image of one side. `labels` and `candidates` are by class id; `path` is where its file should be."""

    image_id: int
    sha256: str
    path: Path
    base: Path  # its root folder, above `path`
    name: str | None
    split: Split | None
    review: Literal["done", "later"] | None
    note: str | None
    is_removed: bool = False
    labels: dict[int, GivenLabel] = field(default_factory=dict[int, GivenLabel])
    candidates: dict[int, str] = field(default_factory=dict[int, str])  # of a label conflict, with their origins
    tags: set[str] = field(default_factory=set[str])
    findings: set[str] = field(default_factory=set[str])  # judged fine, as in the table `verdict`


@dataclass(slots=True)
class Side:
    """One project of a merge."""

    path: Path
    task: str
    classes: dict[int, str]  # names by class id, in their order
    aliases: dict[str, int]  # class ids by the key of a former name
    images: dict[str, list[SideImage]]  # by content; removed ones included
    colors: Mapping[int, str] = field(default_factory=dict[int, str])

    def owns(self, path: Path) -> bool:
        """Return whether a file is one of the copies in the project's own folder."""
        return path.is_relative_to(self.path / IMAGES_FOLDER)


def read_side(connection: sqlite3.Connection, folder: Path) -> Side:
    """Read a project; its open transaction, if any, sees one state."""
    roots = Roots(connection, folder)
    rows = connection.execute("SELECT id, name, color FROM class ORDER BY position, id").fetchall()
    task = str(connection.execute("SELECT value FROM meta WHERE key = 'task'").fetchone()[0])
    aliases: dict[str, int] = dict(connection.execute("SELECT name_key, class_id FROM alias").fetchall())
    side = Side(folder, task, {row[0]: row[1] for row in rows}, aliases, {}, {row[0]: row[2] for row in rows if row[2]})
    by_id: dict[int, SideImage] = {}
    query = "SELECT id, sha256, root_id, path, name, split, review, note, removed_at FROM image ORDER BY id"
    for image_id, sha256, root_id, path, name, split, review, note, removed_at in connection.execute(query):
        base = roots.path_of(root_id, "")
        image = SideImage(image_id, sha256, base / path, base, name, split, review, note)
        image.is_removed = removed_at is not None
        by_id[image_id] = image
        side.images.setdefault(sha256, []).append(image)
    for image_id, class_id, source, at in connection.execute(
        "SELECT image_id, class_id, source, labelled_at FROM label"
    ):
        if image_id in by_id and class_id in side.classes:
            by_id[image_id].labels[class_id] = GivenLabel(source, at)
    for image_id, class_id, origin in connection.execute("SELECT image_id, class_id, origin FROM conflict"):
        if image_id in by_id and class_id in side.classes:
            by_id[image_id].candidates[class_id] = origin
    for image_id, tag in connection.execute("SELECT image_id, name FROM image_tag JOIN tag ON tag.id = tag_id"):
        if image_id in by_id:
            by_id[image_id].tags.add(tag)
    for image_id, finding in connection.execute("SELECT image_id, finding FROM verdict"):
        if image_id in by_id:
            by_id[image_id].findings.add(finding)
    return side


def read_other(path: Path, project: Project, *, job: JobContext = SILENT) -> Side:
    """Read the other project of a merge, as cleaned text; one that another process writes is read as last saved.

    Raises:
        ProjectError: It is the project itself, none, damaged, of a newer program, or labels in another way.
    """
    folder = Path(os.path.abspath(path))  # noqa: PTH100  (keeps links as the user named them)
    if _is_same(folder, project.path):
        raise ProjectError("A project cannot be merged with itself.", "Choose the copy in which others labelled.")
    with _opened(folder, job) as connection:
        side = read_side(connection, folder)
    if side.task != project.task:
        words = Message("One of the two projects takes one class per image, the other one any number.")
        hint = "Export the labels of the other project to a file, and import that file here."
        raise ProjectError(words, hint)
    _clean(side)
    return side


def _is_same(folder: Path, other: Path) -> bool:
    try:
        return (folder / DATABASE).samefile(other / DATABASE)
    except OSError:
        return False


@contextmanager
def _opened(folder: Path, job: JobContext) -> Generator[sqlite3.Connection]:
    """Yield a checked connection in a transaction; each error names the other project, and its own next step."""
    try:
        with Project.open(folder, read_only=True) as other, other.reading() as connection:
            for notice in other.notices:
                job.report(notice)
            connection.execute("BEGIN")
            fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise damage_error(fault)
            schema.check_layout(connection)
            yield connection
            connection.execute("COMMIT")
    except ProjectError as error:
        message = Message("The other project cannot be merged: {reason}", reason=error.message)
        step, hint = error.next_step, error.hint
        if step is not None and step.action == "create_project":
            step = None
            hint = Message("Give the folder that holds project.db.")
        elif step is not None and step.action == "restore" and not list_backups(folder):
            step = None
            hint = Message("It has no backup: take another copy of it.")
        raise ProjectError(message, hint, step.on(folder) if step is not None else None) from error


def _clean(side: Side) -> None:
    """Replace the text of a stranger's database by text as this program stores it; what is unfit is left out."""
    now = now_ms()
    side.classes = {class_id: clean_name(name, "class") for class_id, name in side.classes.items()}
    side.aliases = {name_key(key): each for key, each in side.aliases.items() if each in side.classes}
    present = ((sha256, [each for each in images if not each.is_removed]) for sha256, images in side.images.items())
    side.images = {sha256: images for sha256, images in present if images}
    for images in side.images.values():
        for image in images:
            _clean_image(image, now)


def _clean_image(image: SideImage, now: int) -> None:
    image.path = Path(os.path.normpath(image.path))
    image.base = image.base if image.path.is_relative_to(image.base) else image.path.parent
    image.split = image.split if image.split in SPLITS else None
    image.review = image.review if image.review in ("done", "later") else None
    note, image.note = image.note, None
    with suppress(ProjectError):
        image.note = clean_note(note or "")
    image.name = printable(image.name) if image.name is not None else None
    image.labels = {
        class_id: GivenLabel(source if source in _SOURCES else "import", max(0, min(at, now)))
        for class_id, (source, at) in image.labels.items()
    }
    image.candidates = {key: printable(origin)[:_MOST_ORIGIN] for key, origin in image.candidates.items()}
    tags = image.tags
    image.tags = set()
    for tag in tags:
        with suppress(ProjectError):
            image.tags.add(clean_name(tag, "tag"))
