"""Which backups are made and which stay: none where nothing changed, whatever a clock says, the user's own for ever."""

import json
import time
from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.changes import AddClass, LabelImages
from visionft.project.edits.class_changes import DeleteClass
from visionft.project.importing import importer
from visionft.project.importing.importer import import_source
from visionft.project.safety import backups
from visionft.project.safety.backups import fit, folder_bytes, keep, list_backups, thin
from visionft.project.safety.checking import check_project
from visionft.project.safety.restoring import restore_backup
from visionft.project.store import Project

DAY = 86_400.0
IN_2036 = 2_092_000_000.0


def names(project: Project) -> list[str]:
    project.wait_for_backups()
    return [backup.name for backup in list_backups(project.path)]


def edit(project: Project, name: str, **values: object) -> None:
    """Change what is noted of a backup; None takes the entry away, as older programs did not have it."""
    file = project.path / "backups" / name / "backup.json"
    noted = json.loads(file.read_text(encoding="utf-8")) | values
    file.write_text(json.dumps({key: value for key, value in noted.items() if value is not None}), encoding="utf-8")


def test_importing_known_pictures_makes_no_backup(project: Project, pictures: Path, monkeypatch) -> None:
    monkeypatch.setattr(importer, "BATCH", 2)
    project.back_up()
    before = names(project)
    for _ in range(2):
        assert import_source(project, pictures).added == 0
    assert names(project) == before and project.notices == []


def test_an_import_in_many_batches_makes_one_backup(project: Project, tmp_path: Path, draw, monkeypatch) -> None:
    monkeypatch.setattr(importer, "BATCH", 2)
    for number in range(9):
        draw(
            tmp_path / "more" / ("cat" if number < 4 else "new") / f"{number}.png",
            number if number < 4 else 50 + number,
        )
    assert import_source(project, tmp_path / "more").added == 5
    assert len(names(project)) == 1
    assert list_backups(project.path)[0].rows["image"] == 12


def test_a_check_of_a_sound_project_makes_no_backup(project: Project) -> None:
    check_project(project)
    assert names(project) == []


def test_a_change_that_fails_or_alters_nothing_makes_no_backup(project: Project) -> None:
    with pytest.raises(ProjectError):
        project.apply(DeleteClass("horse"))
    project.apply(LabelImages(tuple(range(1, 7)), "cat", source="import"))
    assert names(project) == []


def test_on_a_network_drive_a_bulk_change_does_not_wait_for_its_backup(project: Project, monkeypatch) -> None:
    project.close()
    monkeypatch.setattr("visionft.project.db.database.network_file_system", lambda _: "nfs4")
    with Project.open(project.path) as again:
        start = time.monotonic()
        again.apply(DeleteClass("cat"))
        assert time.monotonic() - start < 5  # a reader would hold the commit up for ten seconds
        again.wait_for_backups()
        newest = list_backups(again.path)[0]
        assert (newest.reason, newest.rows["class"]) == ("before Delete class “cat”", 2)
        assert not list((again.path / "backups").glob(".*"))


def test_the_users_own_backups_are_never_thinned(project: Project, monkeypatch) -> None:
    own, older = project.back_up(), project.back_up()
    edit(project, own.name, created=1e9)
    edit(project, older.name, created=1e9 + 5, is_own=None)  # of a program that knew them by their reason only
    monkeypatch.setattr(backups, "KEEP_BYTES", 1)
    monkeypatch.setattr(backups, "KEEP_ALL_AT_MOST", 3)
    for number in range(6):
        project.apply(AddClass(f"class {number}"))
        project.apply(DeleteClass(f"class {number}"))
    assert {own.name, older.name} <= set(names(project))
    assert [backup.reason for backup in list_backups(project.path) if not backup.is_own] == [
        "before Delete class “class 5”"
    ]


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
    assert newest.reason == "at the end of a session" and newest.created < IN_2036
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
    good = project.back_up()
    other = project.back_up()
    file = project.path / "backups" / other.name / "backup.json"
    file.write_bytes(noted.encode("utf-8", "surrogateescape"))
    assert names(project) == [good.name]
    for created in (1e300, -1.0, "today", None):
        edit(project, good.name, created=created)
        assert names(project) == []


def test_what_a_newer_program_notes_of_a_backup_is_passed_over(project: Project) -> None:
    backup = project.back_up()
    edit(project, backup.name, mood="good")
    assert names(project) == [backup.name]
