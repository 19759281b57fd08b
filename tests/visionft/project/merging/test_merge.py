"""Merging copies of a project: labels, conflicts, classes and images, in one step; foreign and unfit ones."""

import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from visionft.errors import ProjectError, VisionFTError
from visionft.project.db import schema
from visionft.project.db.database import DATABASE, seal_of, write_seal
from visionft.project.edits.changes import (
    AcceptSuggestions,
    AddClass,
    AssignSplits,
    LabelImages,
    RemoveImages,
    UnlabelImages,
)
from visionft.project.edits.class_changes import RenameClass
from visionft.project.edits.image_changes import TagImages, WriteNote
from visionft.project.edits.verdicts import JudgeFine, verdicts_of
from visionft.project.importing.importer import copy_name, import_source
from visionft.project.merging.merge import merge_projects
from visionft.project.queries import class_names, find_conflicts, image_rows
from visionft.project.store import Project, duplicate_project

ALL = tuple(range(1, 13))  # six cats, six dogs, imported


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Path:
    return duplicate_project(project, tmp_path / "copy").path


def change(path: Path, *changes) -> None:
    with Project.open(path) as opened:
        for each in changes:
            opened.apply(each)


def labels(project: Project) -> dict[int, tuple[str, ...]]:
    return {row.image_id: row.labels for row in image_rows(project, ALL)}


def candidates(project: Project) -> dict[int, dict[str, str]]:
    return {each.image_id: {c.class_name: c.origin for c in each.candidates} for each in find_conflicts(project)}


def state(project: Project):
    return image_rows(project, tuple(range(1, 40))), class_names(project), project.snapshot()


def test_a_merge_takes_what_one_side_knows_and_asks_where_both_differ(project: Project, copy: Path) -> None:
    project.apply(LabelImages((1, 2, 3), "dog"))
    project.apply(AssignSplits({1: "test"}))
    change(
        copy,
        LabelImages((1, 2), "bird"),
        LabelImages((4, 7), "cat"),
        LabelImages((3,), "dog"),
        RemoveImages((12,)),
        TagImages((5,), "blurred"),
        WriteNote(6, "a note"),
        JudgeFine("quality", ((5, 0),)),
        JudgeFine("duplicates", ((5, 6),)),
        AssignSplits({1: "train"}),
    )
    project.apply(RemoveImages((11,)))
    before, content = state(project), (copy / DATABASE).read_bytes()
    forecast = merge_projects(project, [copy], is_preview=True)
    assert state(project) == before
    report = merge_projects(project, [copy])
    assert report.projects == forecast.projects
    found = report.projects[0]
    assert (found.taken, found.corrected, found.conflicts, found.removed_here, found.splits_kept) == (0, 1, 2, 1, 1)
    assert dict(found.new_classes) == {"bird": 2} and found.equal == 7
    assert candidates(project) == {each: {"dog": "project", "bird": "copy"} for each in (1, 2)}
    after = labels(project)
    assert (after[1], after[3], after[4], after[7]) == ((), ("dog",), ("cat",), ("cat",))
    rows = {row.image_id: row for row in image_rows(project, ALL)}
    assert (rows[5].tags, rows[6].note, rows[1].split) == (("blurred",), "a note", "test")
    assert verdicts_of(project, "quality") == {(5, 0)} and verdicts_of(project, "duplicates") == {(5, 6)}
    assert (copy / DATABASE).read_bytes() == content and len(project.history()) == 5
    project.undo()
    assert state(project) == before


def test_merging_again_asks_nothing_twice(project: Project, copy: Path) -> None:
    project.apply(LabelImages((1, 2), "dog"))
    change(copy, LabelImages((1, 2), "bird"))
    merge_projects(project, [copy])
    project.apply(LabelImages((1,), "cat"))
    again = merge_projects(project, [copy])
    assert (again.projects[0].undecided, again.projects[0].decided_before, again.conflicts) == (1, 1, 0)
    assert not again.step_id and labels(project)[1] == ("cat",) and set(candidates(project)) == {2}
    change(copy, LabelImages((1,), "dog"))  # another opinion is asked about
    assert merge_projects(project, [copy]).conflicts == 1


def test_renamed_classes_are_the_same_ones(project: Project, copy: Path) -> None:
    project.apply(RenameClass("dog", "hound"))
    change(copy, RenameClass("cat", "Katze"), AddClass("bird"), LabelImages((7,), "Katze"))
    report = merge_projects(project, [copy], class_map={"bird": None})
    assert report.projects[0].renamed == {"Katze": "cat", "dog": "hound"} and not report.new_classes
    assert labels(project)[7] == ("cat",) and class_names(project) == ("cat", "hound")
    swapped = [("Katze", "x"), ("dog", "Katze"), ("x", "dog")]  # names that stand for the other class now
    change(copy, *(RenameClass(old, new) for old, new in swapped), LabelImages((8,), "dog"))
    merge_projects(project, [copy], class_map={"bird": None})
    assert labels(project)[8] == ("cat",)


def test_images_of_the_other_project_are_added(project: Project, copy: Path, tmp_path: Path, draw) -> None:
    for number in range(20, 24):
        draw(tmp_path / "more" / "bird" / f"{number}.png", number)
    draw(tmp_path / "own" / "bird" / "own.png", 30)
    with Project.open(copy) as opened:
        import_source(opened, tmp_path / "more")
        import_source(opened, tmp_path / "own", copy=True)
        opened.apply(LabelImages(tuple(range(13, 18)), "bird"))
    (tmp_path / "more" / "bird" / "20.png").unlink()
    draw(tmp_path / "more" / "bird" / "21.png", 99)  # edited since
    report = merge_projects(project, [copy])
    assert report.projects[0].added == 3 and len(report.projects[0].missing) == 2
    shutil.rmtree(copy)
    added = [image for image in project.snapshot().images if image.image_id > 12]
    assert [project.snapshot().labels_of(each) for each in added] == [("bird",)] * 3
    assert all(hashlib.sha256(each.path.read_bytes()).hexdigest() == each.sha256 for each in added)
    assert sum(each.path.is_relative_to(project.path) for each in added) == 1


def test_several_copies_are_one_step_with_their_agreement(project: Project, copy: Path, tmp_path: Path) -> None:
    other = duplicate_project(project, tmp_path / "other").path
    change(copy, LabelImages(ALL[:8], "dog"))
    change(other, LabelImages(ALL[:6], "dog"), LabelImages(ALL[6:8], "bird"))
    report = merge_projects(project, [copy, other])
    assert [(each.corrected, each.conflicts) for each in report.projects] == [(8 - 2, 0), (0, 2)]
    assert candidates(project) == {each: {"dog": "copy", "bird": "other"} for each in (7, 8)}
    assert report.agreement is not None and report.agreement.sides == ("copy", "other")
    assert report.agreement.overall.observed == 0.75 and report.agreement.confused[0].images == 2
    assert len(project.history()) == 2


def test_sets_of_labels_that_differ_are_a_conflict(multi: Project, tmp_path: Path) -> None:
    copy = duplicate_project(multi, tmp_path / "copy").path
    multi.apply(LabelImages((1,), "bird"))
    change(copy, LabelImages((1, 2), "dog"))
    assert merge_projects(multi, [copy]).conflicts == 1
    assert candidates(multi) == {1: {"cat": "multi | copy", "dog": "copy", "bird": "multi"}}
    assert labels(multi)[2] == ("cat", "dog")


def test_a_person_outranks_an_accepted_suggestion(project: Project, copy: Path) -> None:
    project.apply(LabelImages((1,), "dog"))
    project.apply(AcceptSuggestions({2: ("dog",)}))
    change(copy, AcceptSuggestions({1: ("bird",)}), LabelImages((2,), "bird"))
    found = merge_projects(project, [copy]).projects[0]
    assert (found.kept, found.corrected, found.conflicts) == (1, 1, 0)
    assert labels(project)[1] == ("dog",) and labels(project)[2] == ("bird",)


def test_a_project_open_elsewhere_is_read_as_saved(project: Project, copy: Path) -> None:
    with Project.open(copy) as opened:
        opened.apply(LabelImages((1,), "dog"))
        assert merge_projects(project, [copy]).projects[0].corrected == 1
        opened.apply(LabelImages((2,), "dog"))


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path / DATABASE)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")


def damaged(path: Path) -> None:
    """Damage it as an attacker would: under a seal that fits."""
    content = bytearray((path / DATABASE).read_bytes())
    content[4096 * 3 : 4096 * 6] = bytes(4096 * 3)
    (path / DATABASE).write_bytes(content)
    write_seal(path / DATABASE, hashlib.sha256(content).hexdigest())


def steering(path: Path) -> None:
    change(path, AddClass("plain"))
    with closing(sqlite3.connect(path / DATABASE)) as connection, connection:
        connection.execute("UPDATE class SET name = 'a' || char(27) || '[2J' WHERE name = 'plain'")
    seal_of(path / DATABASE).unlink()


@pytest.mark.parametrize("spoil", [newer, damaged, steering, shutil.rmtree], ids=lambda each: each.__name__)
def test_an_unfit_project_is_refused_unchanged(project: Project, copy: Path, spoil) -> None:
    spoil(copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    with pytest.raises(ProjectError) as refused:
        merge_projects(project, [copy])
    assert refused.value.hint and "\x1b" not in str(refused.value)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert refused.value.next_step is None
    assert len(project.history()) == 1


def test_itself_and_another_task_are_refused(project: Project, multi: Project, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project.path)
    for other in (project.path, tmp_path / "link", multi.path):
        with pytest.raises(ProjectError):
            merge_projects(project, [other])


@pytest.mark.parametrize("version", range(1, 7))
def test_a_project_of_an_earlier_schema_is_read_without_migrating_it(project: Project, tmp_path: Path, version) -> None:
    other = tmp_path / f"v{version}"
    other.mkdir()
    shutil.copyfile(Path(__file__).parents[3] / "fixtures" / f"project_v{version}.db", other / DATABASE)
    content = (other / DATABASE).read_bytes()
    assert merge_projects(project, [other], is_preview=True).projects[0].missing
    assert (other / DATABASE).read_bytes() == content


# Dies in the transaction of the merge, when the labels of the first of three projects are written.
KILLED = """
import os, signal, sys
from pathlib import Path
from visionft.project.merging import merge
from visionft.project.store import Project
read_side, calls = merge.read_side, []

def read(*arguments):
    calls.append(0)
    if len(calls) == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return read_side(*arguments)

merge.read_side = read
here, *others = map(Path, sys.argv[2:])
with Project.open(here) as project:
    merge.merge_projects(project, others)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("call", [2, 3, 4])
def test_a_killed_merge_of_several_projects_leaves_none_of_them(project: Project, tmp_path: Path, call: int) -> None:
    copies = [duplicate_project(project, tmp_path / name).path for name in ("a", "b", "c")]
    for number, path in enumerate(copies, 1):
        change(path, LabelImages((number,), "bird"), LabelImages((10, 11), ("dog", "cat", "bird")[number - 1]))
    before, folder = state(project), project.path
    project.close()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(call), folder, *copies], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    with Project.open(folder) as opened:
        assert state(opened) == before and len(opened.history()) == 1
        report = merge_projects(opened, copies)
        assert len(opened.history()) == 2 and opened.summary().conflicts == report.conflicts > 0
        assert f"{report.conflicts} conflict" in (opened.undo_title or "")
        opened.undo()
        assert state(opened) == before


@pytest.fixture
def owners(tmp_path: Path, draw) -> list[Path]:
    """Return two projects with 40 images each in their own folders."""
    for number in range(80):
        draw(tmp_path / "ab"[number % 2] / "cat" / f"{number}.png", 100 + number)
    for name in "ab":
        with Project.create(tmp_path / f"of {name}") as other:
            import_source(other, tmp_path / name, copy=True)
    return [tmp_path / "of a", tmp_path / "of b"]


def files(project: Project) -> list[Path]:
    return sorted((project.path / "images").rglob("*"))


def test_a_merge_for_which_the_disk_is_full_leaves_nothing(project: Project, owners: list[Path]) -> None:
    before, there = state(project), files(project)
    with project.database.transaction() as writer:
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    with pytest.raises(ProjectError):
        merge_projects(project, owners)
    assert state(project) == before and files(project) == there and len(project.history()) == 1
    with project.database.transaction() as writer:
        writer.execute("PRAGMA max_page_count = 1000000").fetchone()
    assert [each.added for each in merge_projects(project, owners).projects] == [40, 40]
    assert len([path for path in files(project) if path.is_file()]) == 80 + len(
        [each for each in there if each.is_file()]
    )
    assert all(image.path.is_file() for image in project.snapshot().images)


def test_a_merge_with_one_image_that_cannot_be_copied_copies_none(project: Project, owners: list[Path]) -> None:
    with Project.open(owners[1], read_only=True) as other:
        last = other.snapshot().images[-1]
    target = project.path / "images" / copy_name(last.sha256, last.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to("/nowhere/else.png")
    before = state(project)
    with pytest.raises(VisionFTError):
        merge_projects(project, owners)
    assert state(project) == before and not [each for each in files(project) if each.is_file() or each.is_symlink()]


def two_labels(path: Path, *image_ids: int, source: str = "person") -> None:
    with closing(sqlite3.connect(path / DATABASE, isolation_level=None)) as connection:
        statement = "INSERT OR REPLACE INTO label SELECT ?, id, ?, 7 FROM class"
        connection.executemany(statement, [(image_id, source) for image_id in image_ids])


@pytest.mark.parametrize("source", ["person", "import"])
def test_several_labels_of_an_image_never_enter_a_project_of_one_label(
    project: Project, copy: Path, source: str
) -> None:
    two_labels(copy, 1, 2, 3, source=source)
    project.apply(UnlabelImages((1,)))
    project.apply(LabelImages((3,), "cat"))
    forecast = merge_projects(project, [copy], is_preview=True)
    report = merge_projects(project, [copy])
    assert report.projects == forecast.projects
    found = report.projects[0]
    assert (found.conflicts, found.kept, found.taken, found.corrected) == (2, 1, 0, 0)
    assert [labels(project)[each] for each in (1, 2, 3)] == [(), (), ("cat",)]
    assert all(candidates(project)[each].keys() == {"cat", "dog"} for each in (1, 2))
    assert all(len(each) <= 1 for each in labels(project).values())
    again = merge_projects(project, [copy]).projects[0]
    assert (again.undecided, again.conflicts) == (2, 0)
    project.apply(LabelImages((1, 2), "dog"))
    assert merge_projects(project, [copy]).projects[0].decided_before == 2
    assert labels(project)[1] == ("dog",)


def test_several_labels_of_a_class_that_is_left_out_are_one(project: Project, copy: Path) -> None:
    two_labels(copy, 1)
    project.apply(UnlabelImages((1,)))
    merge_projects(project, [copy], class_map={"dog": None})
    assert labels(project)[1] == ("cat",)


@pytest.mark.parametrize("damage", ["a trigger", "damage", "another way"])
def test_a_refused_merge_leaves_no_file_beside_the_other_project(project: Project, copy: Path, damage: str) -> None:
    with closing(sqlite3.connect(copy / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if damage == "a trigger":
            connection.execute("CREATE TRIGGER odd AFTER INSERT ON label BEGIN SELECT 1; END")
        elif damage == "damage":
            connection.execute("DROP INDEX image_by_content")
        else:
            connection.execute("UPDATE meta SET value = 'multi' WHERE key = 'task'")
    before = {path: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    with pytest.raises(ProjectError):
        merge_projects(project, [copy])
    assert {path: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before
