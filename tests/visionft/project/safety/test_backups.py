"""Backups: made in time whatever a clock says, verified before they count, thinned as in Anki, restored whole."""

import json
import os
import random
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from visionft.errors import NextStep, ProjectError
from visionft.project.edits.changes import AddClass, LabelImages
from visionft.project.edits.class_changes import DeleteClass, MergeClasses
from visionft.project.importing import import_filter
from visionft.project.importing.importer import import_source
from visionft.project.safety import backups
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import fit, folder_bytes, keep, list_backups, thin
from visionft.project.safety.checking import check_project
from visionft.project.store import Project

DAY = 86_400.0
IN_2036 = 2_092_000_000.0


def names(project: Project) -> list[str]:
    """Return the backups' names, made of their time and reason."""
    project.wait_for_backups()
    return [backup.name for backup in list_backups(project.path)]


def test_a_bulk_change_is_preceded_by_a_backup_of_the_state_before(project: Project) -> None:
    before = project.snapshot()
    project.apply(DeleteClass("cat"))
    assert len(names(project)) == 1 and "cat" in names(project)[0]
    project.close()
    restore_backup(project.path)
    with Project.open(project.path) as again:
        assert again.snapshot() == before


def test_small_changes_make_no_backup_and_a_session_ends_with_one(project: Project) -> None:
    project.apply(LabelImages((1,), "dog"))
    assert names(project) == []
    project.close()
    assert len(list_backups(project.path)) == 1
    with Project.open(project.path) as again:
        again.apply(LabelImages((2,), "dog"))
    assert len(list_backups(project.path)) == 1


def test_work_is_backed_up_every_half_hour(project: Project, monkeypatch) -> None:
    project.apply(LabelImages((1,), "dog"))
    monkeypatch.setattr("visionft.project.safety.backup_schedule.INTERVAL_S", -1)
    project.apply(LabelImages((2,), "dog"))
    assert len(names(project)) == 1


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
    with pytest.raises(ProjectError):
        project.back_up()
    project.apply(DeleteClass("cat"))
    assert names(project) == [] and len(project.notices) == 1
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
        assert again.undo().has_new_images and again.redo()
    kept = list_backups(project.path)[0]
    restore_backup(project.path, kept.name)
    with Project.open(project.path) as again:
        assert again.snapshot() == present


def test_a_lost_database_is_restored_without_its_stale_log(project: Project) -> None:
    project.back_up()
    before = project.snapshot()
    project.apply(AddClass("later"))
    log = (project.path / "project.db-wal").read_bytes()
    project.close()
    (project.path / "project.db").unlink()
    (project.path / "project.db-wal").write_bytes(log)
    with pytest.raises(ProjectError) as caught:
        Project.open(project.path)
    assert caught.value.next_step == NextStep("restore", project=project.path)
    restore_backup(project.path)
    with Project.open(project.path) as again:
        assert again.snapshot() == before


def test_what_cannot_be_restored_is_said(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=str(os.getpid())):
        restore_backup(project.path)
    project.close()
    shutil.rmtree(project.path / "backups")
    for folder, name in ((tmp_path / "none", None), (project.path, None)):
        with pytest.raises(ProjectError) as caught:
            restore_backup(folder, name)
        assert caught.value.hint
    with Project.open(project.path) as again:
        again.back_up()
    with pytest.raises(ProjectError, match="“x”"):
        restore_backup(project.path, "x")


def test_bulk_changes_do_not_wait_for_their_backup(project: Project, monkeypatch) -> None:
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
    generator, now = random.Random(0), 2e9
    for _ in range(200):
        times = {now - generator.expovariate(1 / (generator.choice([1, 30, 300]) * DAY)) for _ in range(80)}
        kept = keep(times, now=now)
        assert max(times) in kept and kept <= times
        assert keep(kept, now=now) == kept
    assert len(keep([now - number for number in range(1000)], now=now)) <= 55  # bulk changes of one day


def edit(project: Project, name: str, **values: object) -> None:
    """Change a backup's metadata; None removes the entry, as in older programs."""
    file = project.path / "backups" / name / "backup.json"
    noted = json.loads(file.read_text(encoding="utf-8")) | values
    file.write_text(json.dumps({key: value for key, value in noted.items() if value is not None}), encoding="utf-8")


def test_an_import_in_many_batches_makes_one_backup(project: Project, tmp_path: Path, draw, monkeypatch) -> None:
    monkeypatch.setattr(import_filter, "BATCH", 2)
    for number in range(9):  # four of them known
        folder, color = ("cat", number) if number < 4 else ("new", 50 + number)
        draw(tmp_path / "more" / folder / f"{number}.png", color)
    assert import_source(project, tmp_path / "more").added == 5
    assert len(names(project)) == 1 and list_backups(project.path)[0].rows["image"] == 12


def test_what_fails_or_alters_nothing_makes_no_backup(project: Project, images: Path, monkeypatch) -> None:
    monkeypatch.setattr(import_filter, "BATCH", 2)
    with pytest.raises(ProjectError):
        project.apply(DeleteClass("horse"))
    project.apply(LabelImages(tuple(range(1, 7)), "cat", source="import"))
    check_project(project)
    assert import_source(project, images).added == 0
    assert names(project) == [] and project.notices == []


def test_on_a_network_drive_a_bulk_change_does_not_wait_for_its_backup(project: Project, monkeypatch) -> None:
    project.close()
    monkeypatch.setattr("visionft.project.db.database.network_file_system", lambda _: "nfs4")
    with Project.open(project.path) as again:
        start = time.monotonic()
        again.apply(DeleteClass("cat"))
        assert time.monotonic() - start < 5  # a reader would hold the commit up for ten seconds
        again.wait_for_backups()
        assert list_backups(again.path)[0].rows["class"] == 2
        assert not list((again.path / "backups").glob(".*"))


def test_the_users_own_backups_are_never_thinned(project: Project, monkeypatch) -> None:
    own, older = project.back_up(), project.back_up()
    edit(project, own.name, created=1e9)
    edit(project, older.name, created=1e9 + 5, is_own=None)  # of a program with backups known by their reason only
    monkeypatch.setattr(backups, "KEEP_BYTES", 1)
    monkeypatch.setattr(backups, "KEEP_ALL_AT_MOST", 3)
    for number in range(6):
        project.apply(AddClass(f"class {number}"))
        project.apply(DeleteClass(f"class {number}"))
    assert {own.name, older.name} <= set(names(project))
    (automatic,) = (backup.reason for backup in list_backups(project.path) if not backup.is_own)
    assert "class 5" in automatic


def test_automatic_backups_stay_within_the_limit(project: Project, monkeypatch) -> None:
    for number in range(5):
        project.apply(AddClass(f"class {number}"))
        project.apply(DeleteClass(f"class {number}"))
        project.wait_for_backups()
    made = names(project)
    assert len(made) == 5
    limit = 3 * max(folder_bytes(project.path, backup) for backup in list_backups(project.path))
    monkeypatch.setattr(backups, "KEEP_BYTES", limit)
    thin(project.path, now=time.time())
    left = list_backups(project.path)
    assert left[0].name == made[0] and len(left) == 3
    assert not list((project.path / "backups").glob(".*"))


def test_what_does_not_fit_is_dropped_where_backups_lie_closest() -> None:
    now = 2e9
    ages = [0.01, 0.02, 0.03, 1.0, 7.0, 30.0, 31.0, 200.0]
    times = [now - age * DAY for age in ages]
    assert fit(times, [1] * 8, limit=8, now=now) == list(range(8))
    left = [ages[place] for place in fit(times, [1] * 8, limit=5, now=now)]
    assert left[0] == 0.01 and left[-1] == 200.0 and len({30.0, 31.0} & set(left)) == 1
    assert fit(times, [10] * 8, limit=5, now=now) == [0]
    assert fit([], [], limit=5, now=now) == []


def test_a_backup_of_the_future_stops_no_automatic_backup(project: Project) -> None:
    project.apply(DeleteClass("cat"))
    edit(project, names(project)[0], created=IN_2036)
    project.close()
    with Project.open(project.path) as again:
        again.apply(AddClass("work"))
    newest = list_backups(project.path)[0]
    assert newest.number == 2 and newest.created < IN_2036
    assert restore_backup(project.path).name == newest.name


@pytest.mark.parametrize("created", [IN_2036, 1000.0])
def test_the_newest_is_the_one_made_last_whatever_the_clock_said(project: Project, created: float) -> None:
    first, second = project.back_up("first"), project.back_up("second")
    edit(project, first.name if created == IN_2036 else second.name, created=created)
    project.close()
    assert restore_backup(project.path).name == second.name


def test_of_old_backups_without_numbers_those_of_the_future_come_last(project: Project) -> None:
    first, second = project.back_up("first"), project.back_up("second")
    for backup in (first, second):
        edit(project, backup.name, number=None, created=IN_2036 if backup == first else backup.created)
    assert names(project) == [second.name, first.name]


def test_backups_of_the_future_push_out_no_others() -> None:
    now = 2e9
    past = {now - day * DAY for day in range(300)}
    future = {now + day * DAY for day in range(100, 400)}
    assert keep(past | future, now=now) >= keep(past, now=now)
    assert max(future) in keep(past | future, now=now)
    assert len(keep(past | future, now=now)) < 80


@pytest.mark.parametrize(
    "noted", ["[]", "{}", '{"name": 1}', "[" * 100_000, '{"created": NaN, "reason": "x"}', '{"created": "x"}', "\udcff"]
)
def test_folders_that_are_no_backups_are_left_out(project: Project, noted: str) -> None:
    good, other = project.back_up(), project.back_up()
    file = project.path / "backups" / other.name / "backup.json"
    file.write_bytes(noted.encode("utf-8", "surrogateescape"))
    edit(project, good.name, mood="good")  # by a newer program
    assert names(project) == [good.name]
    for created in (1e300, -1.0, "today", None):
        edit(project, good.name, created=created)
        assert names(project) == []
