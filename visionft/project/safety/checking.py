"""Checking a project and repairing what can be repaired; a second check finds nothing.

What is repaired enters the history as one step. Missing parents are made up rather than their children dropped ("lost
class 12"), as Anki's database check does. What lies outside the database (pictures that are gone or were edited) is
listed, with the way to put it right.
"""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import sha256_file
from visionft.project.db import schema
from visionft.project.db.roots import IMAGES_FOLDER, folder_of
from visionft.project.db.sqlite_errors import damage_error
from visionft.project.edits.changes import now_ms, settle_conflicts, task_of
from visionft.project.importing.relinking import find_missing
from visionft.project.importing.sources import UNPACKED_PREFIX
from visionft.project.names import count_of, name_key
from visionft.project.safety.backups import BACKUPS_FOLDER, PARTIAL_PREFIX
from visionft.project.safety.comparing import unexplained_changes
from visionft.project.safety.sealing import Seal
from visionft.project.store import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check found.

    Attributes:
        repaired: What was wrong and has been put right, one sentence each. Empty when the project was sound.
        missing: Pictures whose files are gone; `visionft relink` finds them.
        closed: Folders of pictures that this user may not enter; whether the pictures are there is not known.
        edited: Pictures whose files have other content than when they were imported (only when contents were checked).
        seal: Whether the database is byte for byte as the last session left it: "whole", "broken" when it is not, or
            "none" when that session was killed, and a single changed value may go unseen.
        unexplained: What differs from the newest backup though no change did it, one sentence each. It is told and not
            repaired: nobody knows which of the two is right.
    """

    repaired: tuple[str, ...]
    missing: tuple[Path, ...]
    edited: tuple[Path, ...] = ()
    seal: Seal = "none"
    unexplained: tuple[str, ...] = ()
    closed: tuple[Path, ...] = ()


def check_project(
    project: Project,
    *,
    check_contents: bool = False,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> CheckReport:
    """Check the database, repair it, and look whether the pictures are there.

    Args:
        project: Open for writing.
        check_contents: Also read every picture and compare its hash.
        on_event: Receives `Progress`.
        should_stop: Asked between pictures.

    Raises:
        ProjectError: The database file itself is damaged; a backup has to be restored.
    """
    with project.reading() as connection:
        fault = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if fault != "ok":
            raise damage_error(fault)
        schema.check_layout(connection)
        schema.check_kinds(connection)
        schema.read_everything(connection)
    seal, unexplained = project.seal, unexplained_changes(project.read_file, project.path)
    project.accept_outside_changes()
    repair = Repair()
    project.apply(repair)
    project.wait_for_backups()  # their unfinished folders are no leftovers
    repaired = [*repair.done, *_repair_derived(project), *_clear_leftovers(project.path)]
    unseen = [image.path for image in find_missing(project, on_event=on_event, should_stop=should_stop)]
    edited = _find_edited(project, set(unseen), on_event, should_stop) if check_contents else ()
    hidden = {path for path in unseen if _is_hidden(path)}
    return CheckReport(
        repaired=tuple(repaired),
        missing=tuple(path for path in unseen if path not in hidden),
        edited=edited,
        seal=seal,
        unexplained=unexplained,
        closed=tuple(sorted({path.parent for path in hidden})),
    )


def _is_hidden(path: Path) -> bool:
    """Tell whether this user may not know if there is such a file."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


@dataclass(frozen=True, slots=True)
class Repair:
    """Put right what contradicts itself in the database; `done` tells what."""

    done: list[str] = field(default_factory=list[str])
    title = "Repair the project"
    is_bulk = True

    def write(self, connection: sqlite3.Connection) -> None:
        """Run every repair; each one counts what it put right."""
        for repair, sentence in _REPAIRS:
            number = repair(connection)
            if number:
                self.done.append(f"{count_of(number, 'row')}: {sentence}")


def _recreate_roots(connection: sqlite3.Connection) -> int:
    lost = _lost_parents(connection, "image", "root_id", "root")
    connection.executemany(
        "INSERT INTO root (id, path, relative) VALUES (?, ?, '.')",
        [(root_id, folder_of(connection).as_posix()) for root_id in lost],
    )
    return len(lost)


def _recreate_classes(connection: sqlite3.Connection) -> int:
    return sum(
        _recreate_named(connection, links, "class", ", position) VALUES (?, ?, ?, 1000000 + ?1)")
        for links in ("label", "conflict")
    )


def _recreate_tags(connection: sqlite3.Connection) -> int:
    return _recreate_named(connection, "image_tag", "tag", ") VALUES (?, ?, ?)")


def _recreate_named(connection: sqlite3.Connection, links: str, table: str, rest: str) -> int:
    lost = _lost_parents(connection, links, f"{table}_id", table)
    for lost_id in lost:
        name = f"lost {table} {lost_id}"
        while connection.execute(f"SELECT 1 FROM {table} WHERE name_key = ?", (name,)).fetchone():
            name += "'"
        connection.execute(f"INSERT INTO {table} (id, name, name_key{rest}", (lost_id, name, name))
    return len(lost)


def _lost_parents(connection: sqlite3.Connection, child: str, column: str, parent: str) -> list[int]:
    rows = connection.execute(
        f"SELECT DISTINCT {column} FROM {child} WHERE {column} NOT IN (SELECT id FROM {parent}) ORDER BY 1"
    )
    return [row[0] for row in rows.fetchall()]


def _drop_orphans(connection: sqlite3.Connection) -> int:
    return sum(
        _changed(connection, f"DELETE FROM {table} WHERE image_id NOT IN (SELECT id FROM image)")
        for table in ("label", "image_tag", "conflict", "verdict", "certified")
    )


def _drop_aliases(connection: sqlite3.Connection) -> int:
    return _changed(connection, "DELETE FROM alias WHERE class_id NOT IN (SELECT id FROM class)")


def _drop_prompts(connection: sqlite3.Connection) -> int:
    return _changed(connection, "DELETE FROM prompt WHERE class_id NOT IN (SELECT id FROM class)")


def _end_conflicts(connection: sqlite3.Connection) -> int:
    """A picture with a label has no conflict, and one with a single candidate is labelled with it."""
    ended = _changed(connection, "DELETE FROM conflict WHERE image_id IN (SELECT image_id FROM label)")
    lone = "SELECT image_id FROM conflict GROUP BY image_id HAVING count(*) = 1"
    ended += int(connection.execute(f"SELECT count(*) FROM ({lone})").fetchone()[0])
    settle_conflicts(connection)
    return ended


def _keep_one_label(connection: sqlite3.Connection) -> int:
    """Keep the label a person gave last, in a single-label project."""
    if task_of(connection) != "single":
        return 0
    return _changed(
        connection,
        """DELETE FROM label WHERE (image_id, class_id) IN (
            SELECT image_id, class_id FROM (
                SELECT image_id, class_id, row_number() OVER (
                    PARTITION BY image_id ORDER BY source = 'person' DESC, labelled_at DESC, class_id) AS place
                FROM label) WHERE place > 1)""",
    )


def _renew_name_keys(connection: sqlite3.Connection) -> int:
    """Derive the key of every class and tag from its name again; a name that is taken by then gets a mark."""
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
    wrong = [(place, class_id) for place, (class_id, position) in enumerate(rows) if place != position]
    has_ties = len({position for _, position in rows}) < len(rows)
    if has_ties or any(position >= 1_000_000 for _, position in rows):
        connection.executemany("UPDATE class SET position = ? WHERE id = ?", wrong)
        return len(wrong)
    return 0


def _restamp(connection: sqlite3.Connection) -> int:
    """Set times in the future back to now: they would win every comparison."""
    limit = now_ms() + 86_400_000
    return _changed(connection, "UPDATE label SET labelled_at = ? WHERE labelled_at > ?", (now_ms(), limit))


def _changed(connection: sqlite3.Connection, statement: str, values: tuple[object, ...] = ()) -> int:
    connection.execute(statement, values)
    return int(connection.execute("SELECT changes()").fetchone()[0])


_REPAIRS: tuple[tuple[Callable[[sqlite3.Connection], int], str], ...] = (
    (_recreate_roots, "a picture's folder was lost; it is looked for beside the project, relink if it is not there."),
    (_recreate_classes, "labels named a class that was lost; it is back under a made-up name."),
    (_recreate_tags, "pictures named a tag that was lost; it is back under a made-up name."),
    (_drop_orphans, "labels or tags belonged to no picture; they were dropped."),
    (_drop_aliases, "former class names belonged to no class; they were dropped."),
    (_drop_prompts, "prompts belonged to no class; they were dropped."),
    (_keep_one_label, "pictures had several classes in a single-label project; a person's latest was kept."),
    (_end_conflicts, "pictures in conflict had a label, or one candidate only; the conflict was ended."),
    (_renew_name_keys, "class or tag names did not agree with their keys; the keys were renewed."),
    (_renumber_classes, "classes had no clear order; they were numbered anew."),
    (_restamp, "labels were dated in the future; they were set to now."),
)


def _repair_derived(project: Project) -> list[str]:
    """Put right what follows from other rows, and history that belongs to nothing; none of it is the user's."""
    done: list[str] = []
    with project.repairing() as connection:
        for statement, sentence in (
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
        ):
            number = _changed(connection, statement)
            if number:
                done.append(f"{count_of(number, 'row')}: {sentence}")
    return done


def _clear_leftovers(project_folder: Path) -> list[str]:
    """Delete what an interrupted copy, unpacking or backup left: temporary files of ours, by their names."""
    images, kept = project_folder / IMAGES_FOLDER, project_folder / BACKUPS_FOLDER
    leftovers = [
        *images.glob("*/.*.tmp"),
        *kept.glob(f"{PARTIAL_PREFIX}*"),
        *project_folder.glob(f"{UNPACKED_PREFIX}*"),
    ]
    leftovers += project_folder.glob(".project.db.*.tmp")
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [f"{count_of(len(leftovers), 'unfinished file')} of an interrupted job deleted."] if leftovers else []


def _find_edited(project: Project, missing: set[Path], on_event: OnEvent, should_stop: ShouldStop) -> tuple[Path, ...]:
    """Return the pictures whose files no longer have the content that was imported."""
    images = [image for image in project.snapshot().images if image.path not in missing]
    edited: list[Path] = []
    for done, image in enumerate(images, 1):
        if should_stop():
            break
        try:
            is_same = sha256_file(image.path) == image.sha256
        except OSError:
            is_same = False
        if not is_same:
            edited.append(image.path)
        if done % 100 == 0 or done == len(images):
            on_event(Progress(stage="Compare contents", done=done, total=len(images)))
    return tuple(edited)
