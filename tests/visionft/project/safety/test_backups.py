"""Backups: made in time whatever a clock says, verified before they count, thinned as in Anki, restored whole."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from visionft.core.errors import NextStep, ProjectError
from visionft.project.edits.changes import AddClass, LabelImages
from visionft.project.edits.class_changes import DeleteClass
from visionft.project.importing.importer import import_source
from visionft.project.safety import backups
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import keep, list_backups
from visionft.project.store import ProjectStore

DAY = 86_400.0
IN_2036 = 2_092_000_000.0


def names(project: ProjectStore) -> list[str]:
    """Return the backups' names, made of their time and reason."""
    project.wait_for_backups()
    return [backup.name for backup in list_backups(project.path)]


def test_a_bulk_change_is_preceded_by_a_backup_of_the_state_before(project: ProjectStore) -> None:
    before = project.snapshot()
    project.apply(DeleteClass("cat"))
    assert len(names(project)) == 1 and "cat" in names(project)[0]
    project.close()
    restore_backup(project.path)
    with ProjectStore.open(project.path) as again:
        assert again.snapshot() == before


def test_small_changes_make_no_backup_and_a_session_ends_with_one(project: ProjectStore) -> None:
    project.apply(LabelImages((1,), "dog"))
    assert names(project) == []
    project.close()
    assert len(list_backups(project.path)) == 1
    with ProjectStore.open(project.path) as again:
        again.apply(LabelImages((2,), "dog"))
    assert len(list_backups(project.path)) == 1


def test_a_backup_is_readable_without_this_program(project: ProjectStore, tmp_path: Path) -> None:
    backup = project.back_up()
    folder = project.path / "backups" / backup.name
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["label"] for line in lines] == ["cat"] * 6 + ["dog"] * 6
    assert all((folder / line["file_name"]).is_file() for line in lines)
    with ProjectStore.create(tmp_path / "again") as again:
        import_source(again, folder / "labels.jsonl")
        assert again.summary().classes == project.summary().classes


def test_only_a_copy_that_equals_the_project_counts(project: ProjectStore, monkeypatch) -> None:
    def copy_less(source: sqlite3.Connection, target: Path) -> None:
        copy = sqlite3.connect(target)
        source.backup(copy)
        copy.execute("DELETE FROM label WHERE image_id = 1")
        copy.commit()
        copy.close()

    monkeypatch.setattr("visionft.project.db.schema.copy_into", copy_less)
    with pytest.raises(ProjectError):
        project.back_up()
    project.apply(DeleteClass("cat"))
    assert names(project) == [] and len(project.notices) == 1
    assert not list((project.path / "backups").iterdir())


def test_a_damaged_backup_is_passed_over(project: ProjectStore) -> None:
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


def test_restoring_keeps_the_present_state_as_a_backup(project: ProjectStore) -> None:
    old = project.back_up()
    project.apply(LabelImages((1,), "horse"))
    present = project.snapshot()
    project.close()
    restore_backup(project.path, old.name)
    with ProjectStore.open(project.path) as again:
        assert again.summary().classes == {"cat": 6, "dog": 6}
        assert again.undo().has_new_images and again.redo()
    kept = list_backups(project.path)[0]
    restore_backup(project.path, kept.name)
    with ProjectStore.open(project.path) as again:
        assert again.snapshot() == present


def test_a_lost_database_is_restored_without_its_stale_log(project: ProjectStore) -> None:
    project.back_up()
    before = project.snapshot()
    project.apply(AddClass("later"))
    log = (project.path / "project.db-wal").read_bytes()
    project.close()
    (project.path / "project.db").unlink()
    (project.path / "project.db-wal").write_bytes(log)
    with pytest.raises(ProjectError) as caught:
        ProjectStore.open(project.path)
    assert caught.value.next_step == NextStep("restore", project=project.path)
    restore_backup(project.path)
    with ProjectStore.open(project.path) as again:
        assert again.snapshot() == before


def test_what_cannot_be_restored_is_said(project: ProjectStore, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=str(os.getpid())):
        restore_backup(project.path)
    project.close()
    shutil.rmtree(project.path / "backups")
    for folder, name in ((tmp_path / "none", None), (project.path, None)):
        with pytest.raises(ProjectError) as caught:
            restore_backup(folder, name)
        assert caught.value.hint
    with ProjectStore.open(project.path) as again:
        again.back_up()
    with pytest.raises(ProjectError, match="“x”"):
        restore_backup(project.path, "x")


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


def edit(project: ProjectStore, name: str, **values: object) -> None:
    """Change a backup's metadata; None removes the entry, as in older programs."""
    file = project.path / "backups" / name / "backup.json"
    noted = json.loads(file.read_text(encoding="utf-8")) | values
    file.write_text(json.dumps({key: value for key, value in noted.items() if value is not None}), encoding="utf-8")


def test_the_users_own_backups_are_never_thinned(project: ProjectStore, monkeypatch) -> None:
    own, older = project.back_up(), project.back_up()
    edit(project, own.name, created=1e9)
    edit(project, older.name, created=1e9 + 5, is_own=None)  # of a program with backups known by their reason only
    monkeypatch.setattr(backups, "KEEP_BYTES", 1)
    monkeypatch.setattr(backups, "MAX_RECENT_BACKUPS", 3)
    for number in range(6):
        project.apply(AddClass(f"class {number}"))
        project.apply(DeleteClass(f"class {number}"))
    assert {own.name, older.name} <= set(names(project))
    (automatic,) = (backup.reason for backup in list_backups(project.path) if not backup.is_own)
    assert "class 5" in automatic


def test_a_backup_of_the_future_stops_no_automatic_backup(project: ProjectStore) -> None:
    project.apply(DeleteClass("cat"))
    edit(project, names(project)[0], created=IN_2036)
    project.close()
    with ProjectStore.open(project.path) as again:
        again.apply(AddClass("work"))
    newest = list_backups(project.path)[0]
    assert newest.number == 2 and newest.created < IN_2036
    assert restore_backup(project.path).name == newest.name


@pytest.mark.parametrize(
    "noted", ["[]", "{}", '{"name": 1}', "[" * 100_000, '{"created": NaN, "reason": "x"}', '{"created": "x"}', "\udcff"]
)
def test_folders_that_are_no_backups_are_left_out(project: ProjectStore, noted: str) -> None:
    good, other = project.back_up(), project.back_up()
    file = project.path / "backups" / other.name / "backup.json"
    file.write_bytes(noted.encode("utf-8", "surrogateescape"))
    edit(project, good.name, mood="good")  # by a newer program
    assert names(project) == [good.name]
    for created in (1e300, -1.0, "today", None):
        edit(project, good.name, created=created)
        assert names(project) == []
