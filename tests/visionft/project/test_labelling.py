"""Images in any place get a label: in one step, reverted whole by one undo."""

from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.edits.changes import LabelImages, RemoveImages
from visionft.project.labelling import find_image, take_in
from visionft.project.queries import count_images, image_rows
from visionft.project.safety.backups import list_backups
from visionft.project.splits import assign_splits
from visionft.project.store import Project


def only(project: Project, path: Path):
    (row,) = image_rows(project, (find_image(project, path),))
    return row


def test_a_image_from_anywhere_comes_in_with_its_label_and_one_undo_takes_it_back(project: Project, tmp_path, draw):
    new = draw(tmp_path / "elsewhere" / "new.png", 77)
    project.wait_for_backups()
    before = len(list_backups(project.path))
    taken = take_in(project, "dog", [new])
    assert taken.added == 1 and taken.split is None and count_images(project) == 13
    assert only(project, new).labels == ("dog",) and only(project, new).path == new
    assert project.undo_title == LabelImages((1,), "dog").title
    project.wait_for_backups()
    assert len(list_backups(project.path)) == before  # an image is no bulk import
    project.undo()
    assert count_images(project) == 12


def test_what_would_vanish_is_copied_into_the_project(project: Project, tmp_path, draw):
    new = draw(tmp_path / "cache" / "pasted 1.png", 78)
    take_in(project, "cat", [new], copy=True)
    content = new.read_bytes()
    new.unlink()
    kept = image_rows(project, (13,))[0].path
    assert kept.is_relative_to(project.path / "images") and kept.read_bytes() == content


def test_a_image_of_the_project_changes_its_class_and_a_removed_one_comes_back(project: Project, multi, images):
    take_in(multi, "dog", [images / "cat" / "0.png"])  # several labels add up
    assert only(multi, images / "cat" / "0.png").labels == ("cat", "dog")
    known, gone = images / "cat" / "0.png", images / "cat" / "1.png"
    project.apply(RemoveImages((find_image(project, gone),)))
    taken = take_in(project, "dog", [known, gone])
    assert taken.added == 0 and count_images(project) == 12
    assert only(project, known).labels == only(project, gone).labels == ("dog",)
    project.undo()
    assert count_images(project) == 11 and only(project, known).labels == ("cat",)


def test_in_a_project_that_is_split_it_is_for_training(project: Project, tmp_path, draw):
    assign_splits(project)
    new = draw(tmp_path / "new.png", 79)
    assert take_in(project, "dog", [new]).split == "train"
    assert only(project, new).split == "train"
    assert take_in(project, "cat", [new]).split is None and only(project, new).labels == ("cat",)


def test_what_is_no_image_changes_nothing_and_says_why(project: Project, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    for class_name, name in (("dog", "broken.png"), ("dog", "nowhere.png"), ("  ", "broken.png")):
        with pytest.raises(ProjectError):
            take_in(project, class_name, [tmp_path / name])
    assert count_images(project) == 12
