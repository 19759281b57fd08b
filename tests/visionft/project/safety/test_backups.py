"""Backups: made in time, verified before they count, thinned as Anki thins, restored whole."""

import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.changes import AddClass, LabelImages, RemoveImages
from visionft.project.edits.class_changes import DeleteClass, MergeClasses
from visionft.project.importing.importer import import_source
from visionft.project.safety import backups
from visionft.project.safety.backups import keep, list_backups
from visionft.project.safety.restoring import restore_backup
from visionft.project.store import Project

DAY = 86_400.0


def reasons(project: Project) -> list[str]:
    project.wait_for_backups()
    return [backup.reason for backup in list_backups(project.path)]


def test_a_bulk_change_is_preceded_by_a_backup_of_the_state_before(project: Project) -> None:
    before = project.snapshot()
    project.apply(DeleteClass("cat"))
    assert reasons(project) == ["before Delete class “cat”"]
    project.close()
    restore_backup(project.path)
    with Project.open(project.path) as again:
        assert again.snapshot() == before


def test_small_changes_make_no_backup_and_a_session_ends_with_one(project: Project) -> None:
    project.apply(LabelImages((1,), "dog"))
    assert reasons(project) == []
    project.close()
    assert [backup.reason for backup in list_backups(project.path)] == ["at the end of a session"]
    with Project.open(project.path) as again:
        again.apply(LabelImages((2,), "dog"))
    assert len(list_backups(project.path)) == 1


def test_work_is_backed_up_every_half_hour(project: Project, monkeypatch) -> None:
    project.apply(LabelImages((1,), "dog"))
    monkeypatch.setattr("visionft.project.safety.backup_schedule.INTERVAL_S", -1)
    project.apply(LabelImages((2,), "dog"))
    assert reasons(project) == ["while working"]


def test_a_backup_is_readable_without_this_program(project: Project, tmp_path: Path) -> None:
    backup = project.back_up()
    folder = project.path / "backups" / backup.name
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["label"] for line in lines] == ["cat"] * 6 + ["dog"] * 6
    assert all((folder / line["file_name"]).is_file() for line in lines)
    with Project.create(tmp_path / "again") as again:
        import_source(again, folder / "labels.jsonl")
        assert again.summary().classes == project.summary().classes


def test_only_a_copy_that_equals_the_project_counts(project: Project, monkeypatch) -> None:
    def copy_less(source: sqlite3.Connection, target: Path) -> None:
        copy = sqlite3.connect(target)
        source.backup(copy)
        copy.execute("DELETE FROM label WHERE image_id = 1")
        copy.commit()
        copy.close()

    monkeypatch.setattr("visionft.project.db.schema.copy_into", copy_less)
    with pytest.raises(ProjectError, match="does not equal"):
        project.back_up()
    project.apply(DeleteClass("cat"))
    assert reasons(project) == [] and "backup failed" in project.notices[0].message
    assert not list((project.path / "backups").iterdir())


def test_a_damaged_backup_is_passed_over(project: Project) -> None:
    good = project.back_up()
    bad = project.back_up("bad")
    project.close()
    file = project.path / "backups" / bad.name / "project.db"
    data = bytearray(file.read_bytes())
    data[5000] ^= 1
    file.write_bytes(data)
    with pytest.raises(ProjectError, match="damaged"):
        restore_backup(project.path, bad.name)
    assert restore_backup(project.path).name == good.name


def test_restoring_keeps_the_present_state_as_a_backup(project: Project) -> None:
    old = project.back_up()
    project.apply(LabelImages((1,), "horse"))
    present = project.snapshot()
    project.close()
    restore_backup(project.path, old.name)
    with Project.open(project.path) as again:
        assert again.summary().classes == {"cat": 6, "dog": 6}
        assert again.undo_title and again.undo_title.startswith("Import 12")
    kept = list_backups(project.path)[0]
    assert kept.reason == "before a restore"
    restore_backup(project.path, kept.name)
    with Project.open(project.path) as again:
        assert again.snapshot() == present


def test_a_damaged_project_is_kept_byte_by_byte_and_restored(project: Project) -> None:
    project.back_up()
    before = project.snapshot()
    project.close()
    database = project.path / "project.db"
    damaged = b"\0" * 4096 + database.read_bytes()[4096:]
    database.write_bytes(damaged)
    (project.path / "project.db-wal").write_bytes(b"a log that must not be replayed")
    with pytest.raises(ProjectError) as caught:
        Project.open(project.path)
    assert caught.value.next_step and caught.value.next_step.action == "restore" and database.read_bytes() == damaged
    restore_backup(project.path)
    with Project.open(project.path) as again:
        assert again.snapshot() == before
    kept = next((project.path / "backups").glob("damaged *"))
    assert (kept / "project.db").read_bytes() == damaged
    assert (kept / "project.db-wal").read_bytes() == b"a log that must not be replayed"


def test_a_lost_database_is_restored_without_its_stale_log(project: Project) -> None:
    project.back_up()
    before = project.snapshot()
    project.apply(AddClass("later"))
    log = (project.path / "project.db-wal").read_bytes()
    project.close()
    (project.path / "project.db").unlink()
    (project.path / "project.db-wal").write_bytes(log)
    with pytest.raises(ProjectError, match="lost its project.db"):
        Project.open(project.path)
    restore_backup(project.path)
    with Project.open(project.path) as again:
        assert again.snapshot() == before


def test_what_cannot_be_restored_is_said(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="open in another window"):
        restore_backup(project.path)
    project.close()
    shutil.rmtree(project.path / "backups")
    for folder, name in ((tmp_path / "none", None), (project.path, None)):
        with pytest.raises(ProjectError) as caught:
            restore_backup(folder, name)
        assert caught.value.hint
    with Project.open(project.path) as again:
        again.back_up()
    with pytest.raises(ProjectError, match="no backup “x”"):
        restore_backup(project.path, "x")


def test_bulk_changes_do_not_wait_for_their_backup(project: Project, monkeypatch) -> None:
    import threading

    gate = threading.Event()
    write = backups.backup_pinned

    def slow(*arguments, **options):
        assert gate.wait(20)
        return write(*arguments, **options)

    monkeypatch.setattr("visionft.project.safety.backups.backup_pinned", slow)
    project.apply(MergeClasses(("cat", "dog"), "animal"))
    project.apply(AddClass("later"))
    assert project.summary().classes == {"animal": 12, "later": 0}
    gate.set()
    project.wait_for_backups()
    rows = list_backups(project.path)[0].rows
    assert (rows["class"], rows["label"]) == (2, 12)


def test_a_year_of_backups_is_thinned_as_anki_thins() -> None:
    start = 1_700_000_000.0
    kept: set[float] = set()
    for hour in range(0, 366 * 24, 2):
        now = start + hour * 3600
        kept = keep(kept | {now}, now=now)
        assert now in kept
    ages = sorted((start + 365.9 * DAY - moment) / DAY for moment in kept)
    assert sum(age < 2 for age in ages) >= 23
    assert 9 <= sum(2 <= age < 13 for age in ages) <= 11
    assert 6 <= sum(13 <= age < 75 for age in ages) <= 10
    assert 5 <= sum(age >= 75 for age in ages) <= 8
    assert len(ages) < 60


def test_thinning_never_drops_the_newest_and_is_idempotent() -> None:
    generator = random.Random(0)
    for _ in range(200):
        now = 2e9
        times = {now - generator.expovariate(1 / (generator.choice([1, 30, 300]) * DAY)) for _ in range(80)}
        kept = keep(times, now=now)
        assert max(times) in kept and kept <= times
        assert keep(kept, now=now) == kept


def test_many_bulk_changes_in_a_day_are_bounded() -> None:
    now = 2e9
    assert len(keep([now - number for number in range(1000)], now=now)) <= 55


def test_undoing_a_restored_project_works(project: Project) -> None:
    project.apply(RemoveImages((1,)))
    project.back_up()
    project.close()
    restore_backup(project.path)
    with Project.open(project.path) as again:
        assert again.undo().title == "Remove 1 picture from the project"
        assert again.summary().images == 12
