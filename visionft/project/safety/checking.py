"""Check a project and repair it where possible; a second check finds nothing.

The repairs enter the history as one step. Missing parents are created rather than their children dropped ("lost class
12"), as in Anki's database check. Problems outside the database (missing or edited images) are listed, with a
suggested action.
"""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft.core.events import Progress
from visionft.core.files import sha256_file
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of, name_key
from visionft.project.db import schema
from visionft.project.db.database import Seal
from visionft.project.db.roots import IMAGES_FOLDER, folder_of
from visionft.project.db.sqlite_errors import damage_error
from visionft.project.edits.changes import settle_conflicts
from visionft.project.importing.relinking import find_missing
from visionft.project.importing.sources import UNPACKED_PREFIX
from visionft.project.safety.backups import BACKUPS_FOLDER, PARTIAL_PREFIX
from visionft.project.store import ProjectStore

_Repair = str | Callable[[sqlite3.Connection], int]  # a statement, or a function; the number of corrected rows counts


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """The result of a check."""

    repaired: tuple[str, ...]  # repaired problems, one sentence each. Empty for a sound project
    missing: tuple[Path, ...]  # images without a file; `visionft project relink` finds them
    edited: tuple[Path, ...] = ()  # images with other file content than at import (only with a check of contents)
    # Whether the database is byte for byte as the last session left it: "whole", "broken" when it is not, or "none"
    # when that session was killed, and a single changed value may go unseen.
    seal: Seal = "none"
    closed: tuple[Path, ...] = ()  # image folders without access for this user; the state of their images is unknown


def check_project(project: ProjectStore, *, check_contents: bool = False, job: JobContext = SILENT_JOB) -> CheckReport:
    """Check the database (damage is a `ProjectError`), repair it, and look for missing (and edited) images."""
    with project.reading() as connection:
        fault = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if fault != "ok":
            raise damage_error(fault)
        schema.check_layout(connection)
        schema.read_everything(connection)
    database = project.database
    seal = database.seal
    database.accept_outside_changes()
    repair = Repair()
    project.apply(repair)
    project.wait_for_backups()  # their unfinished folders are no leftovers
    with project.repairing() as connection:
        derived = _run(connection, _DERIVED_REPAIRS)
    repaired = [*repair.done, *derived, *_clear_leftovers(project.path)]
    unseen = [image.path for image in find_missing(project, job=job)]
    edited = _find_edited(project, set(unseen), job) if check_contents else ()
    hidden = {path for path in unseen if _is_hidden(path)}
    return CheckReport(
        repaired=tuple(repaired),
        missing=tuple(path for path in unseen if path not in hidden),
        edited=edited,
        seal=seal,
        closed=tuple(sorted({path.parent for path in hidden})),
    )


def _is_hidden(path: Path) -> bool:
    """Return whether the existence of a file is hidden from this user."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


@dataclass(frozen=True, slots=True)
class Repair:
    """Repair inconsistencies of the database; `done` lists the repairs."""

    done: list[str] = field(default_factory=list[str])
    title = Message("Repair the project")
    is_bulk = True

    def write(self, connection: sqlite3.Connection) -> None:
        self.done.extend(_run(connection, _REPAIRS))


def _run(connection: sqlite3.Connection, repairs: Sequence[tuple[_Repair, str]]) -> list[str]:
    """Run repairs, and return a sentence for each with corrections."""
    done: list[str] = []
    for repair, sentence in repairs:
        number = _changed(connection, repair) if isinstance(repair, str) else repair(connection)
        if number:
            done.append(f"{count_of(number, 'row')}: {sentence}")
    return done


def _recreate_roots(connection: sqlite3.Connection) -> int:
    lost = connection.execute("SELECT DISTINCT root_id FROM image WHERE root_id NOT IN (SELECT id FROM root)")
    rows = [(root_id, folder_of(connection).as_posix()) for (root_id,) in lost.fetchall()]
    connection.executemany("INSERT INTO root (id, path, relative) VALUES (?, ?, '.')", rows)
    return len(rows)


def _recreate_named(connection: sqlite3.Connection, table: str, *links: str) -> int:
    """Create the lost classes or tags that rows of `links` refer to."""
    column, value = (", position", ", 1000000 + ?1") if table == "class" else ("", "")
    parents = " UNION ".join(f"SELECT {table}_id AS parent FROM {link}" for link in links)
    lost = connection.execute(
        f"SELECT DISTINCT parent FROM ({parents}) WHERE parent NOT IN (SELECT id FROM {table}) ORDER BY parent"
    ).fetchall()
    for (lost_id,) in lost:
        name = f"lost {table} {lost_id}"
        while connection.execute(f"SELECT 1 FROM {table} WHERE name_key = ?", (name,)).fetchone():
            name += "'"
        statement = f"INSERT INTO {table} (id, name, name_key{column}) VALUES (?1, ?2, ?2{value})"
        connection.execute(statement, (lost_id, name))
    return len(lost)


def _drop_orphans(connection: sqlite3.Connection) -> int:
    return sum(
        _changed(connection, f"DELETE FROM {table} WHERE image_id NOT IN (SELECT id FROM image)")
        for table in ("label", "image_tag", "conflict", "verdict", "certified")
    )


def _end_conflicts(connection: sqlite3.Connection) -> int:
    """End the conflicts of labelled images, and label an image with its single remaining candidate."""
    ended = _changed(connection, "DELETE FROM conflict WHERE image_id IN (SELECT image_id FROM label)")
    single = "SELECT count(*) FROM (SELECT image_id FROM conflict GROUP BY image_id HAVING count(*) = 1)"
    ended += int(connection.execute(single).fetchone()[0])
    settle_conflicts(connection)
    return ended


def _renew_name_keys(connection: sqlite3.Connection) -> int:
    """Derive the key of every class and tag from its name again; a name already in use gets a mark."""
    number = 0
    for table in ("class", "tag"):
        for row_id, name, key in connection.execute(f"SELECT id, name, name_key FROM {table} ORDER BY id").fetchall():
            text = str(name).strip() or f"lost {table} {row_id}"
            query = f"SELECT 1 FROM {table} WHERE name_key = ? AND id != ?"
            while name_key(text) != key and connection.execute(query, (name_key(text), row_id)).fetchone():
                text += "'"
            if (text, name_key(text)) != (name, key):
                statement = f"UPDATE {table} SET name = ?, name_key = ? WHERE id = ?"
                connection.execute(statement, (text, name_key(text), row_id))
                number += 1
    return number


def _renumber_classes(connection: sqlite3.Connection) -> int:
    rows = connection.execute("SELECT id, position FROM class ORDER BY position, id").fetchall()
    has_ties = len({position for _, position in rows}) < len(rows)
    if not has_ties and all(position < 1_000_000 for _, position in rows):
        return 0
    wrong = [(place, class_id) for place, (class_id, position) in enumerate(rows) if place != position]
    connection.executemany("UPDATE class SET position = ? WHERE id = ?", wrong)
    return len(wrong)


def _changed(connection: sqlite3.Connection, statement: str) -> int:
    connection.execute(statement)
    return int(connection.execute("SELECT changes()").fetchone()[0])


_KEEP_ONE_LABEL = """DELETE FROM label WHERE 'single' = (SELECT value FROM meta WHERE key = 'task')
    AND (image_id, class_id) IN (SELECT image_id, class_id FROM (
        SELECT image_id, class_id, row_number() OVER (
            PARTITION BY image_id ORDER BY source = 'person' DESC, labelled_at DESC, class_id) AS place
        FROM label) WHERE place > 1)"""
# Times in the future would win every comparison.
_RESTAMP = """UPDATE label SET labelled_at = strftime('%s', 'now') * 1000
    WHERE labelled_at > (strftime('%s', 'now') + 86400) * 1000"""
_REPAIRS: tuple[tuple[_Repair, str], ...] = (
    (_recreate_roots, "an image's folder was lost; it is looked for beside the project, relink if it is not there."),
    (
        lambda connection: _recreate_named(connection, "class", "label", "conflict"),
        "labels named a class that was lost; it is back under a made-up name.",
    ),
    (
        lambda connection: _recreate_named(connection, "tag", "image_tag"),
        "images named a tag that was lost; it is back under a made-up name.",
    ),
    (_drop_orphans, "labels or tags belonged to no image; they were dropped."),
    (
        "DELETE FROM alias WHERE class_id NOT IN (SELECT id FROM class)",
        "former class names belonged to no class; they were dropped.",
    ),
    (
        "DELETE FROM prompt WHERE class_id NOT IN (SELECT id FROM class)",
        "prompts belonged to no class; they were dropped.",
    ),
    (_KEEP_ONE_LABEL, "images had several classes in a single-label project; a person's latest was kept."),
    (_end_conflicts, "images in conflict had a label, or one candidate only; the conflict was ended."),
    (_renew_name_keys, "class or tag names did not agree with their keys; the keys were renewed."),
    (_renumber_classes, "classes had no clear order; they were numbered anew."),
    (_RESTAMP, "labels were dated in the future; they were set to now."),
)
# Derived rows, and history without an owner; none of it is the user's data.
_DERIVED_REPAIRS: tuple[tuple[_Repair, str], ...] = (
    (
        """UPDATE image SET label_count = (SELECT count(*) FROM label WHERE image_id = image.id)
            WHERE label_count != (SELECT count(*) FROM label WHERE image_id = image.id)""",
        "the number of labels was wrong.",
    ),
    ("DELETE FROM journal WHERE step_id NOT IN (SELECT id FROM step)", "history without a step was dropped."),
    (
        "DELETE FROM step WHERE id NOT IN (SELECT step_id FROM journal)",
        "steps that held nothing were dropped from the history.",
    ),
)


def _clear_leftovers(project_folder: Path) -> list[str]:
    """Delete the leftovers of an interrupted copy, unpacking or backup: this program's temporary files, by name."""
    leftovers = [
        *(project_folder / IMAGES_FOLDER).glob("*/.*.tmp"),
        *(project_folder / BACKUPS_FOLDER).glob(f"{PARTIAL_PREFIX}*"),
        *project_folder.glob(f"{UNPACKED_PREFIX}*"),
        *project_folder.glob(".project.db.*.tmp"),
    ]
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    counted = count_of(len(leftovers), "unfinished file")
    return [Message("{counted} of an interrupted job deleted.", counted=counted)] if leftovers else []


def _find_edited(project: ProjectStore, missing: set[Path], job: JobContext) -> tuple[Path, ...]:
    images = [image for image in project.snapshot().images if image.path not in missing]
    edited: list[Path] = []
    for done, image in enumerate(images, 1):
        if job.is_cancelled:
            break
        try:
            is_same = sha256_file(image.path) == image.sha256
        except OSError:
            is_same = False
        if not is_same:
            edited.append(image.path)
        if done % 100 == 0 or done == len(images):
            job.report(Progress(stage="Compare contents", done=done, total=len(images)))
    return tuple(edited)
