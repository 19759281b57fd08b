"""Images imported in two classes: kept as a conflict, reported, decided by a person, and undone whole."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from visionft.core.events import Notice
from visionft.core.jobs import JobContext
from visionft.project.edits.changes import AcceptSuggestions, LabelImages, UnlabelImages
from visionft.project.edits.class_changes import DeleteClass, MergeClasses, RenameClass
from visionft.project.formats.exporting import export_labels
from visionft.project.importing.importer import import_source
from visionft.project.importing.preview import preview_source
from visionft.project.queries import ImageFilter, find_conflicts, find_images, image_rows
from visionft.project.safety.backups import list_backups
from visionft.project.store import ProjectStore


@pytest.fixture
def source(tmp_path: Path, draw) -> Path:
    """Return class folders with image 0 in two of them, as a cat and as a dog."""
    for number, place in enumerate(("cat/a.png", "cat/b.png", "dog/c.png")):
        draw(tmp_path / "source" / place, number)
    shutil.copy(tmp_path / "source" / "cat" / "a.png", tmp_path / "source" / "dog" / "a again.png")
    return tmp_path / "source"


@pytest.fixture
def torn(tmp_path: Path, source: Path) -> Iterator[ProjectStore]:
    """Return an open project with these images; number 1 is in conflict."""
    with ProjectStore.create(tmp_path / "torn") as project:
        import_source(project, source)
        yield project


def state(project: ProjectStore):
    return image_rows(project, find_images(project)), find_conflicts(project), project.summary()


def said(project: ProjectStore) -> dict[int, dict[str, str]]:
    by_image = {conflict.image_id: conflict.candidates for conflict in find_conflicts(project)}
    return {key: {each.class_name: Path(each.origin).name for each in stated} for key, stated in by_image.items()}


def labels(project: ProjectStore) -> list[tuple[str, ...]]:
    return [row.labels for row in image_rows(project, find_images(project))]


def test_two_classes_of_one_image_are_a_conflict_without_a_label(tmp_path: Path, source: Path) -> None:
    with ProjectStore.create(tmp_path / "project") as project:
        report = import_source(project, source)
        assert said(project) == {1: {"cat": "a.png", "dog": "a again.png"}}
        assert report.conflicts == find_conflicts(project)
        assert (report.added, report.classes) == (3, {"cat": 1, "dog": 1})
        assert [Path(path).name for path in report.duplicates] == ["a again.png"]
        assert labels(project) == [(), ("cat",), ("dog",)]
        assert image_rows(project, (1,))[0].candidates == find_conflicts(project)[0].candidates
        assert (project.summary().conflicts, project.summary().labelled) == (1, 2)
        conflicts = ImageFilter(has_conflict=True)
        assert (find_images(project, conflicts), len(find_images(project, conflicts))) == ((1,), 1)


def test_importing_again_changes_nothing_and_undo_takes_all_back(torn: ProjectStore, source: Path) -> None:
    torn.wait_for_backups()
    before, steps, backups = state(torn), torn.history(), list_backups(torn.path)
    report = import_source(torn, source)
    torn.wait_for_backups()
    assert (state(torn), torn.history(), list_backups(torn.path)) == (before, steps, backups)
    assert report.conflicts == find_conflicts(torn)  # still to be decided
    torn.undo()
    assert not find_conflicts(torn) and not torn.snapshot().images
    torn.redo()
    assert state(torn) == before


def test_a_known_image_that_comes_with_another_class_later(
    torn: ProjectStore, source: Path, tmp_path: Path, draw
) -> None:
    draw(tmp_path / "later" / "fox" / "x.png", 1)
    draw(tmp_path / "later" / "fox" / "y.png", 0)
    before, steps = state(torn), len(torn.history())
    report = import_source(torn, tmp_path / "later", reading=1)
    first = {"cat": "a.png", "dog": "a again.png", "fox": "y.png"}
    assert said(torn) == {1: first, 2: {"cat": "b.png", "fox": "x.png"}}
    assert {conflict.image_id for conflict in report.conflicts} == {1, 2} and len(torn.history()) == steps + 1
    torn.undo()
    assert state(torn) == before
    (source / "list.csv").write_text("file_name,label\ncat/b.png,dog\n")
    import_source(torn, source / "list.csv")
    assert said(torn)[2] == {"cat": "b.png", "dog": "list.csv"}


def test_what_a_person_said_is_never_touched(torn: ProjectStore, source: Path) -> None:
    torn.apply(LabelImages((1,), "dog"))
    torn.apply(LabelImages((2,), "dog", source="suggestion"))
    seen = []
    assert import_source(torn, source, job=JobContext(seen.append)).conflicts == ()
    assert labels(torn) == [("dog",), ("dog",), ("dog",)] and not find_conflicts(torn)
    (notice,) = (event for event in seen if isinstance(event, Notice))
    assert notice.message.values["counted"].values == {"count": 2}


@pytest.mark.parametrize(
    ("change", "label"),
    [
        (LabelImages((1,), "cat"), ("cat",)),
        (LabelImages((1,), "new"), ("new",)),
        (AcceptSuggestions({1: ("dog",)}), ("dog",)),
        (UnlabelImages((1,)), ()),
        (UnlabelImages((1,), "cat"), ("dog",)),
        (DeleteClass("cat"), ("dog",)),
        (MergeClasses(("cat", "dog"), "animal"), ("animal",)),
        (MergeClasses(("cat",), "dog"), ("dog",)),
    ],
    ids=lambda value: getattr(value, "title", None),
)
def test_whatever_decides_is_one_step(torn: ProjectStore, change, label: tuple[str, ...]) -> None:
    before = state(torn)
    effects = torn.apply(change)
    after = state(torn)
    assert 1 in effects.image_ids and effects.targets & {"label", "conflict"}
    assert not find_conflicts(torn) and image_rows(torn, (1,))[0].labels == label
    torn.undo()
    assert state(torn) == before
    torn.redo()
    assert state(torn) == after


def test_renamed_and_merged_classes_agree_with_their_source(torn: ProjectStore, source: Path) -> None:
    torn.apply(RenameClass("cat", "feline"))
    torn.apply(RenameClass("feline", "katze"))
    torn.apply(RenameClass("dog", "hund"))
    before = state(torn)
    assert preview_source(source, torn).conflicts[0].classes == ("katze", "hund")
    import_source(torn, source)
    assert state(torn) == before
    torn.apply(MergeClasses(("katze",), "hund"))
    merged = state(torn)
    assert not preview_source(source, torn).conflicts
    import_source(torn, source)
    assert state(torn) == merged and labels(torn) == [("hund",)] * 3


def test_several_labels_are_no_conflict(tmp_path: Path, source: Path) -> None:
    with ProjectStore.create(tmp_path / "multi", task="multi") as multi:
        assert not preview_source(source, multi).conflicts
        assert not import_source(multi, source).conflicts
        assert image_rows(multi, (1,))[0].labels == ("cat", "dog") and not find_conflicts(multi)


def test_exported_labels_leave_them_without(torn: ProjectStore, tmp_path: Path) -> None:
    export_labels(torn, tmp_path / "labels.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == [None, "cat", "dog"]
