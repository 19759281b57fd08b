"""Another project as a source of labels: matched by content, one step; labels of two people that differ are asked."""

from pathlib import Path

import pytest

from visionft.core.errors import ProjectError
from visionft.project.edits.changes import LabelImages, RemoveImages
from visionft.project.edits.image_changes import TagImages, WriteNote
from visionft.project.importing.importer import import_source
from visionft.project.importing.preview import preview_source
from visionft.project.queries import class_names, find_conflicts, image_rows
from visionft.project.store import ProjectStore, duplicate_project

ALL = tuple(range(1, 13))  # six cats, six dogs, imported


@pytest.fixture
def copy(project: ProjectStore, tmp_path: Path) -> Path:
    return duplicate_project(project, tmp_path / "copy").path


def change(path: Path, *changes) -> None:
    with ProjectStore.open(path) as opened:
        for each in changes:
            opened.apply(each)


def labels(project: ProjectStore) -> dict[int, tuple[str, ...]]:
    return {row.image_id: row.labels for row in image_rows(project, ALL)}


def state(project: ProjectStore):
    return image_rows(project, tuple(range(1, 40))), class_names(project), project.snapshot()


def candidates(project: ProjectStore) -> dict[int, dict[str, str]]:
    return {each.image_id: {c.class_name: c.origin for c in each.candidates} for each in find_conflicts(project)}


def test_another_project_gives_its_labels_in_one_step(project: ProjectStore, copy: Path, draw, tmp_path: Path) -> None:
    project.apply(LabelImages((1, 2, 3), "dog"))
    draw(tmp_path / "more" / "cat" / "99.png", 99)
    with ProjectStore.open(copy) as other:
        import_source(other, tmp_path / "more", copy=True)
    change(
        copy,
        LabelImages((1,), "bird"),
        LabelImages((4, 7), "cat"),
        LabelImages((3,), "dog"),
        TagImages((5,), "blurred"),
        WriteNote(6, "a note"),
    )
    project.apply(RemoveImages((11,)))
    before, content = state(project), (copy / "project.db").read_bytes()
    preview = preview_source(copy, project)
    assert preview.new == 1 and state(project) == before
    report = import_source(project, copy)
    assert (report.added, [each.image_id for each in report.conflicts]) == (1, [1])
    assert candidates(project)[1].keys() == {"bird", "dog"} and labels(project)[1] == ()
    assert labels(project)[2] == ("dog",)  # imported there, given by a person here
    assert labels(project)[7] == ("cat",)  # imported here, given by a person there
    assert report.agreement is not None and (report.agreement.images, report.agreement.equal) == (2, 1)
    rows = {row.image_id: row for row in image_rows(project, (*ALL, 13))}
    assert rows[5].tags == ("blurred",) and rows[6].note == "a note" and project.summary().images == 12
    assert rows[13].path.is_relative_to(project.path) and (copy / "project.db").read_bytes() == content
    project.undo()
    assert state(project) == before


def test_sets_of_labels_that_differ_are_a_conflict(tmp_path: Path, draw) -> None:
    draw(tmp_path / "images" / "cat" / "1.png", 1)
    with ProjectStore.create(tmp_path / "p", task="multi") as project:
        import_source(project, tmp_path / "images")
        copy = duplicate_project(project, tmp_path / "copy").path
        project.apply(LabelImages((1,), "dog"))
        change(copy, LabelImages((1,), "bird"))
        before = state(project)
        assert len(import_source(project, copy).conflicts) == len(find_conflicts(project)) == 1
        project.undo()
        assert state(project) == before


def test_images_whose_files_are_gone_or_changed_are_told(
    project: ProjectStore, copy: Path, draw, tmp_path: Path
) -> None:
    places = [draw(tmp_path / "more" / "cat" / f"{seed}.png", seed) for seed in (98, 99)]
    with ProjectStore.open(copy) as other:
        import_source(other, tmp_path / "more")
    paths = sorted((tmp_path / "more" / "cat").iterdir())
    paths[0].unlink()
    draw(paths[1], 50)
    report = import_source(project, copy)
    assert report.added == 0 and len(report.unreadable) == len(places)


def test_a_damaged_project_and_the_project_itself_are_refused(project: ProjectStore, tmp_path: Path) -> None:
    with pytest.raises(ProjectError):
        import_source(project, project.path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "project.db").write_bytes(b"SQLite format 3\0" + b"x" * 4096)
    with pytest.raises(ProjectError):
        import_source(project, tmp_path / "other")
