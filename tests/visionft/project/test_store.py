"""The project on disk: opening, the lock, changes, undo and redo across sessions, duplicates, labels for any file."""

import re
from pathlib import Path

import pytest

from visionft.core.errors import ProjectError
from visionft.core.jobs import JobContext
from visionft.project.edits.changes import AddClass, LabelImages, RemoveImages
from visionft.project.importing.importer import import_source
from visionft.project.labelling import find_image, import_and_label, label_images
from visionft.project.queries import find_images, image_rows
from visionft.project.safety.backups import list_backups
from visionft.project.store import ProjectStore, duplicate_project


def test_changes_undo_and_redo_survive_a_restart(project: ProjectStore, images: Path) -> None:
    imported = project.snapshot()
    effects = project.apply(LabelImages((1, 2), "dog"))
    assert effects.image_ids == {1, 2}
    assert "label" in effects.targets and "image.split" not in effects.targets
    label_images(project, "horse", [images / "cat" / "5.png"])
    labelled = project.snapshot()
    project.close()
    with ProjectStore.open(project.path) as again:
        assert again.snapshot() == labelled and again.summary().classes == {"cat": 3, "dog": 8, "horse": 1}
        again.undo()
        assert again.undo_title.values["class_name"] == "dog"
        again.undo()
        assert again.snapshot() == imported
        again.undo()
        assert again.summary().images == 0
    with ProjectStore.open(project.path) as again:
        for _ in range(3):
            again.redo()
        assert again.snapshot() == labelled
        with pytest.raises(ProjectError):
            again.redo()


def test_a_change_that_alters_nothing_leaves_no_step(project: ProjectStore) -> None:
    project.apply(RemoveImages((1,)))
    project.undo()
    assert not project.apply(LabelImages((1,), "cat", source="import"))
    assert project.redo_title == RemoveImages((1,)).title


def test_a_second_opener_reads_only_and_says_why(tmp_path: Path) -> None:
    with ProjectStore.create(tmp_path / "project") as first, ProjectStore.open(tmp_path / "project") as second:
        assert second.is_read_only and second.read_only_reason
        first.apply(AddClass("cat"))
        assert second.snapshot().class_names == ("cat",)
        with pytest.raises(ProjectError, match=re.escape(second.read_only_reason)):
            second.apply(AddClass("dog"))


def test_a_duplicate_holds_the_same_and_goes_its_own_way(project, empty, images, tmp_path):
    import_source(empty, images, copy=True)
    duplicate_project(empty, tmp_path / "with images")
    with ProjectStore.open(tmp_path / "with images") as copy:
        assert all(image.path.is_relative_to(copy.path) and image.path.is_file() for image in copy.snapshot().images)
    (project.path / "runs" / "001").mkdir()
    (project.path / "runs" / "001" / "config.json").write_text("{}")
    project.back_up()
    made = duplicate_project(project, tmp_path / "copy")
    assert (tmp_path / "copy" / "runs" / "001" / "config.json").is_file() and made.path == tmp_path / "copy"
    with ProjectStore.open(tmp_path / "copy") as copy:
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


def only(project: ProjectStore, path: Path):
    (row,) = image_rows(project, (find_image(project, path),))
    return row


def test_a_image_from_anywhere_comes_in_with_its_label_and_one_undo_takes_it_back(
    project: ProjectStore, tmp_path, draw
):
    new = draw(tmp_path / "elsewhere" / "new.png", 77)
    project.wait_for_backups()
    before = len(list_backups(project.path))
    taken = import_and_label(project, "dog", [new])
    assert taken.added == 1 and taken.split is None and len(find_images(project)) == 13
    assert only(project, new).labels == ("dog",) and only(project, new).path == new
    assert project.undo_title == LabelImages((1,), "dog").title
    project.wait_for_backups()
    assert len(list_backups(project.path)) == before  # an image is no bulk import
    project.undo()
    assert len(find_images(project)) == 12


def test_a_image_of_the_project_changes_its_class_and_a_removed_one_comes_back(project: ProjectStore, multi, images):
    import_and_label(multi, "dog", [images / "cat" / "0.png"])  # several labels add up
    assert only(multi, images / "cat" / "0.png").labels == ("cat", "dog")
    known, gone = images / "cat" / "0.png", images / "cat" / "1.png"
    project.apply(RemoveImages((find_image(project, gone),)))
    taken = import_and_label(project, "dog", [known, gone])
    assert taken.added == 0 and len(find_images(project)) == 12
    assert only(project, known).labels == only(project, gone).labels == ("dog",)
    project.undo()
    assert len(find_images(project)) == 11 and only(project, known).labels == ("cat",)


def test_what_is_no_image_changes_nothing_and_says_why(project: ProjectStore, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    for class_name, name in (("dog", "broken.png"), ("dog", "nowhere.png"), ("  ", "broken.png")):
        with pytest.raises(ProjectError):
            import_and_label(project, class_name, [tmp_path / name])
    assert len(find_images(project)) == 12
