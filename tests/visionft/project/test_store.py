"""The project on disk: opening, the lock, durable changes, undo and redo across sessions, duplicates."""

import re
from pathlib import Path

import pytest

from visionft.errors import NextStep, ProjectError
from visionft.jobs import JobContext
from visionft.project.edits.changes import AddClass, LabelImages, RemoveImages
from visionft.project.importing.importer import import_source
from visionft.project.labelling import label_files
from visionft.project.store import Project, duplicate_project


def test_changes_undo_and_redo_survive_a_restart(project: Project, images: Path) -> None:
    imported = project.snapshot()
    effects = project.apply(LabelImages((1, 2), "dog"))
    assert effects.image_ids == {1, 2}
    assert "label" in effects.targets and "image.split" not in effects.targets
    label_files(project, "horse", [images / "cat" / "5.png"])
    labelled = project.snapshot()
    project.close()
    with Project.open(project.path) as again:
        assert again.snapshot() == labelled and again.summary().classes == {"cat": 3, "dog": 8, "horse": 1}
        again.undo()
        assert again.undo_title.values["class_name"] == "dog"
        again.undo()
        assert again.snapshot() == imported
        again.undo()
        assert again.summary().images == 0
    with Project.open(project.path) as again:
        for _ in range(3):
            again.redo()
        assert again.snapshot() == labelled
        with pytest.raises(ProjectError):
            again.redo()


def test_a_change_that_alters_nothing_leaves_no_step(project: Project) -> None:
    project.apply(RemoveImages((1,)))
    project.undo()
    assert not project.apply(LabelImages((1,), "cat", source="import"))
    assert project.redo_title == RemoveImages((1,)).title


def test_a_second_opener_reads_only_and_says_why(tmp_path: Path) -> None:
    with Project.create(tmp_path / "project") as first, Project.open(tmp_path / "project") as second:
        assert second.is_read_only and second.read_only_reason
        first.apply(AddClass("cat"))
        assert second.snapshot().class_names == ("cat",)
        with pytest.raises(ProjectError, match=re.escape(second.read_only_reason)):
            second.apply(AddClass("dog"))


def test_a_path_that_does_not_fit_is_refused_and_untouched(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("mine")
    for make, path in ((Project.open, target), (Project.create, target), (Project.create, tmp_path)):
        with pytest.raises(ProjectError, match=str(path)):
            make(path)
    assert target.read_text() == "mine" and list(tmp_path.iterdir()) == [target]


def test_opening_what_is_no_project_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ProjectError) as caught:
            Project.open(path)
        assert caught.value.next_step == NextStep("create_project", project=path)


def test_a_duplicate_holds_the_same_and_goes_its_own_way(project, empty, images, tmp_path):
    import_source(empty, images, copy=True)
    duplicate_project(empty, tmp_path / "with images")
    with Project.open(tmp_path / "with images") as copy:
        assert all(image.path.is_relative_to(copy.path) and image.path.is_file() for image in copy.snapshot().images)
    (project.path / "runs" / "001").mkdir()
    (project.path / "runs" / "001" / "config.json").write_text("{}")
    project.back_up()
    made = duplicate_project(project, tmp_path / "copy")
    assert (tmp_path / "copy" / "runs" / "001" / "config.json").is_file() and made.path == tmp_path / "copy"
    with Project.open(tmp_path / "copy") as copy:
        assert not copy.is_read_only and not copy.notices and not list((copy.path / "backups").iterdir())
        assert copy.snapshot() == project.snapshot() and copy.history() == project.history()
        copy.apply(LabelImages((1,), "dog"))
        assert copy.snapshot() != project.snapshot()
        copy.undo()
        assert copy.snapshot() == project.snapshot()


def test_a_stopped_or_refused_duplicate_leaves_nothing(project, tmp_path):
    (project.path / "runs" / "note.txt").write_text("x")
    assert duplicate_project(project, tmp_path / "copy", job=JobContext(cancelled=lambda: True)).stopped
    assert not (tmp_path / "copy").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for target in (tmp_path / "full", project.path, project.path / "inside"):
        with pytest.raises(ProjectError):
            duplicate_project(project, target)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".copy")] == []
