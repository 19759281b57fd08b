"""A duplicate is an independent project: the same labels, images and history; changes to one spare the other."""

import pytest

from visionft.errors import ProjectError
from visionft.jobs import JobContext
from visionft.project.edits.changes import LabelImages
from visionft.project.importing.importer import import_source
from visionft.project.store import Project, duplicate_project


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
