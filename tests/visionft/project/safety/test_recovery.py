"""SQLite rolls back a killed transaction; restoring reads nothing of the replaced database."""

import sys
from pathlib import Path

import pytest
from altered_database import alter
from killed_writer import leave_journal

from visionft.core.errors import ProjectError
from visionft.project.edits.changes import AddClass
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import list_backups
from visionft.project.safety.checking import check_project
from visionft.project.store import ProjectStore

needs_sigkill = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


def leave_a_journal(project: ProjectStore) -> Path:
    """Close the project, kill a writer in the middle of its transaction, and return the journal it leaves."""
    project.close()
    database = project.path / "project.db"
    before = database.read_bytes()
    journal = leave_journal(project.path)
    assert database.read_bytes()[: len(before)] != before
    return journal


def logs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("project.db-*"))


@needs_sigkill
def test_a_journal_that_was_left_behind_is_rolled_back(project: ProjectStore) -> None:
    before = project.snapshot(), project.history()
    journal = leave_a_journal(project)
    with ProjectStore.open(project.path) as again:
        assert not again.is_read_only and not journal.exists()
        assert (again.snapshot(), again.history()) == before
        assert check_project(again).repaired == ()
        again.apply(AddClass("later"))


@needs_sigkill
def test_one_who_may_not_write_reads_the_state_before_it_and_leaves_it(project: ProjectStore) -> None:
    before = project.snapshot()
    journal = leave_a_journal(project)
    content = journal.read_bytes()
    with ProjectStore.open(project.path, read_only=True) as again:
        assert again.snapshot() == before
    assert journal.read_bytes() == content


@needs_sigkill
def test_a_restore_keeps_the_state_before_it_and_leaves_no_journal(project: ProjectStore) -> None:
    old = project.back_up()
    project.apply(AddClass("later"))
    before = project.snapshot()
    leave_a_journal(project)
    restore_backup(project.path, old.name)
    assert not logs(project.path)
    restore_backup(project.path, list_backups(project.path)[0].name)
    with ProjectStore.open(project.path) as again:
        assert again.snapshot() == before


@needs_sigkill
def test_a_restore_over_a_damaged_file_takes_its_journal_away(project: ProjectStore) -> None:
    project.back_up()
    before = project.snapshot()
    journal = leave_a_journal(project)
    content = journal.read_bytes()
    (project.path / "project.db").write_bytes(b"not a database" * 1000)
    journal.write_bytes(b"not a journal" + content)
    restore_backup(project.path)
    assert not logs(project.path)
    with ProjectStore.open(project.path) as again:
        assert again.snapshot() == before


def overwrite(database: Path, place: int, data: bytes) -> None:
    with database.open("rb+") as handle:
        handle.seek(place)
        handle.write(data)


DAMAGE = {
    "an unknown format of its schema": lambda database: overwrite(database, 47, b"\x09"),
    "a lost table": lambda database: alter(database.parent, "DROP TABLE tag"),
    "a lost index": lambda database: alter(database.parent, "DROP INDEX label_by_class"),
    "no task": lambda database: alter(database.parent, "DELETE FROM meta"),
    "another task": lambda database: alter(database.parent, "UPDATE meta SET value = 'mulTi' WHERE key = 'task'"),
    "another program's file": lambda database: alter(database.parent, "PRAGMA application_id = 1"),
    "a folder": lambda database: (database.unlink(), database.mkdir()),
    "nothing": lambda database: database.write_bytes(b""),
    "no header": lambda database: overwrite(database, 0, bytes(4096)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_every_damage_is_refused_and_restored(project: ProjectStore, kind: str) -> None:
    project.back_up()
    before = project.snapshot()
    project.close()
    DAMAGE[kind](project.path / "project.db")
    with pytest.raises(ProjectError) as caught:
        ProjectStore.open(project.path)
    assert caught.value.next_step and caught.value.next_step.action == "restore"
    content = (project.path / "project.db").is_file() and (project.path / "project.db").read_bytes()
    (project.path / "project.db-wal").write_bytes(b"a log that must not be replayed")
    restore_backup(project.path)
    (kept,) = (project.path / "backups").glob("damaged *")
    log = kept / "project.db-wal"  # SQLite drops that of an empty file
    assert not logs(project.path) and (kind == "nothing" or log.read_bytes() == b"a log that must not be replayed")
    assert content is False or (kept / "project.db").read_bytes() == content
    with ProjectStore.open(project.path) as again:
        assert again.snapshot() == before
