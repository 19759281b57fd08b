"""The project on disk: opening, the lock, durable changes, undo and redo across sessions."""

from pathlib import Path

import pytest

from visionft.errors import NextStep, ProjectError
from visionft.project.edits.changes import AddClass, LabelImages, RemoveImages, UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.labelling import label_files
from visionft.project.store import Project


def test_a_change_is_there_after_reopening(tmp_path: Path, pictures: Path) -> None:
    with Project.create(tmp_path / "project") as project:
        import_source(project, pictures)
        label_files(project, "horse", [pictures / "cat" / "0.png"])
        before = project.snapshot()
    with Project.open(tmp_path / "project") as project:
        assert project.snapshot() == before
        assert project.summary().classes == {"cat": 5, "dog": 6, "horse": 1}


def test_undo_and_redo_survive_a_restart(tmp_path: Path, pictures: Path) -> None:
    with Project.create(tmp_path / "project") as project:
        import_source(project, pictures)
        imported = project.snapshot()
        effects = project.apply(LabelImages((1, 2), "dog"))
        assert effects.image_ids == {1, 2}
        assert effects.has_new_labels and not effects.has_new_splits
        labelled = project.snapshot()
    with Project.open(tmp_path / "project") as project:
        assert project.undo_title == "Label 2 pictures “dog”"
        project.undo()
        assert project.snapshot() == imported
        project.undo()
        assert project.summary().images == 0
    with Project.open(tmp_path / "project") as project:
        project.redo()
        project.redo()
        assert project.snapshot() == labelled
        with pytest.raises(ProjectError, match="nothing to redo"):
            project.redo()


def test_a_change_that_alters_nothing_leaves_no_step(tmp_path: Path, pictures: Path) -> None:
    with Project.create(tmp_path / "project") as project:
        import_source(project, pictures)
        project.apply(RemoveImages((1,)))
        project.undo()
        assert not project.apply(LabelImages((1,), "cat", source="import"))
        assert project.redo_title == "Remove 1 picture from the project"


def test_a_failed_change_writes_nothing(tmp_path: Path, pictures: Path) -> None:
    with Project.create(tmp_path / "project") as project:
        import_source(project, pictures)
        before = project.snapshot(), project.history()
        for change in (LabelImages((1, 999), "new"), UnlabelImages((1,), "none"), AddClass("cat"), AddClass("a\nb")):
            with pytest.raises(ProjectError) as caught:
                project.apply(change)
            assert caught.value.hint
        assert (project.snapshot(), project.history()) == before


def test_a_second_opener_reads_only_and_says_why(tmp_path: Path) -> None:
    with Project.create(tmp_path / "project") as first, Project.open(tmp_path / "project") as second:
        assert second.is_read_only and "another window" in second.read_only_reason
        first.apply(AddClass("cat"))
        assert second.snapshot().class_names == ("cat",)
        with pytest.raises(ProjectError, match="another window"):
            second.apply(AddClass("dog"))


def test_the_lock_is_freed_on_close(tmp_path: Path) -> None:
    Project.create(tmp_path / "project").close()
    with Project.open(tmp_path / "project") as project:
        assert not project.is_read_only


@pytest.mark.parametrize("make", [Project.open, Project.create])
def test_a_project_path_that_is_a_file_is_refused(tmp_path: Path, make) -> None:
    target = tmp_path / "file"
    target.write_text("mine")
    with pytest.raises(ProjectError, match="is a file"):
        make(target)
    assert target.read_text() == "mine"


def test_opening_what_is_no_project_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ProjectError) as caught:
            Project.open(path)
        assert caught.value.next_step == NextStep("create_project", project=path)


def test_creating_in_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ProjectError, match="not empty"):
        Project.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
