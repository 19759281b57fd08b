"""Exports, and the same project after importing them again."""

import csv
import errno
import os
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionft.core.errors import ProjectError, VisionFTError
from visionft.core.jobs import JobContext
from visionft.project.edits.changes import AddClass, AssignSplits, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.class_changes import ColorClass, OrderClasses, RenameClass, SetShortcut
from visionft.project.edits.image_changes import ReviewImages, TagImages, WriteNote
from visionft.project.formats.exporting import export_labels
from visionft.project.formats.handing_out import folder_names
from visionft.project.importing.importer import import_source
from visionft.project.queries import class_rows, find_images, image_rows
from visionft.project.store import ProjectStore


def content(project: ProjectStore, *, only_labels: bool = False):
    """Return the content to be preserved by a round trip, by image content."""
    shas = {image.image_id: image.sha256 for image in project.snapshot().images}
    images = {}
    for row in image_rows(project, find_images(project)):
        extra = () if only_labels else (row.tags, row.review, row.note)
        images[shas[row.image_id]] = (row.labels, row.split, *extra)
    return images, [(row.name, row.color, row.shortcut) for row in class_rows(project)]


def decorate(project: ProjectStore) -> None:
    """Use every feature of a project, with difficult names."""
    project.apply(RenameClass("cat", 'a/b\\c:"*?<>| %2F'))
    project.apply(LabelImages((2,), "CON"))
    project.apply(LabelImages((3,), "con"))
    project.apply(LabelImages((4,), '=HYPERLINK("x")'))
    project.apply(LabelImages((5,), "'quoted; with|signs, [1]"))
    project.apply(LabelImages((6,), "🦊" * 100))
    project.apply(AddClass("empty."))
    project.apply(OrderClasses(("empty.", "dog")))
    project.apply(ColorClass("dog", "#112233"))
    project.apply(SetShortcut("dog", "d"))
    project.apply(UnlabelImages((12,)))
    project.apply(RemoveImages((11,)))
    project.apply(AssignSplits({1: "train", 2: "val", 3: "test", 12: "train"}))
    project.apply(TagImages((1, 7), "tag | one; [x]"))
    project.apply(TagImages((1,), "@two"))
    project.apply(ReviewImages((1, 12), "later"))
    project.apply(WriteNote(7, '+1, "quoted"\n\'second line'))


@pytest.mark.parametrize(
    ("task", "name"),
    [(task, name) for task in ("project", "multi") for name in ("out.jsonl", "out.csv", "safe.csv")]
    + [("project", "folders")],
)
def test_exports_round_trip(task: str, name: str, tmp_path: Path, request) -> None:
    project: ProjectStore = request.getfixturevalue(task)
    decorate(project)
    if task == "multi":
        project.apply(LabelImages((1, 4), "dog"))
    exported = export_labels(project, tmp_path / name, for_spreadsheets=name == "safe.csv")
    assert exported.images == 11
    is_folder = name == "folders"
    with ProjectStore.create(tmp_path / "again", task=project.task) as again:
        report = import_source(again, tmp_path / name)
        assert (report.added, report.unreadable, report.skipped) == (11, (), ())
        assert content(again, only_labels=is_folder) == content(project, only_labels=is_folder)
        assert not import_source(again, tmp_path / name).added


def test_class_folders_are_flushed_before_they_appear(
    project: ProjectStore, tmp_path: Path, disk_calls: list[str]
) -> None:
    export_labels(project, tmp_path / "folders")
    renamed = disk_calls.index("rename folders")
    copies = {f"fsync {path.name}" for path in (tmp_path / "folders").rglob("*")}
    assert len(copies) > 10 and copies <= set(disk_calls[:renamed])
    assert disk_calls[renamed + 1 :] == [f"fsync {tmp_path.name}"]


def test_a_spreadsheet_csv_holds_no_formula(project: ProjectStore, tmp_path: Path) -> None:
    decorate(project)
    export_labels(project, tmp_path / "safe.csv", for_spreadsheets=True)
    with (tmp_path / "safe.csv").open(encoding="utf-8", newline="") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert '\'=HYPERLINK("x")' in cells


@pytest.mark.skipif(os.name == "nt", reason="there are no such files there")
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_pipe_gets_the_labels_and_nothing_lies_beside_it(kind, project, tmp_path, images, monkeypatch) -> None:
    monkeypatch.chdir(images)
    pipe, got = tmp_path / "pipes" / "pipe", []
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    export_labels(project, pipe, export_format=kind)
    reader.join(30)
    assert "cat/0.png" in got[0] and "../" not in got[0]
    assert pipe.is_fifo() and list(pipe.parent.iterdir()) == [pipe]


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    multi: ProjectStore, tmp_path: Path, images: Path
) -> None:
    multi.apply(LabelImages((1,), "dog"))
    for target, kind in (("folders", "folders"), ("no/where.csv", "auto"), ("images", "folders"), ("x.csv", "xlsx")):
        with pytest.raises(ProjectError) as caught:
            export_labels(multi, tmp_path / target, export_format=kind)
        assert caught.value.hint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "multi"]


def test_a_stopped_or_failed_export_leaves_nothing(project: ProjectStore, tmp_path: Path, monkeypatch) -> None:
    assert export_labels(project, tmp_path / "folders", job=JobContext(cancelled=lambda: True)).stopped
    assert not (tmp_path / "folders").exists()

    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with pytest.raises(VisionFTError, match="full"):
        export_labels(project, tmp_path / "folders")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "project"]


def test_missing_images_are_named(project: ProjectStore, tmp_path: Path, images: Path) -> None:
    (images / "cat" / "0.png").unlink()
    exported = export_labels(project, tmp_path / "folders")
    assert (exported.images, exported.missing) == (11, (str(images / "cat" / "0.png"),))
    assert sorted(path.name for path in (tmp_path / "folders").iterdir()) == ["cat", "classes.json", "dog"]


@given(st.lists(st.text(min_size=1, max_size=300), unique=True, max_size=8))
@settings(deadline=None)
def test_folder_names_suit_every_system(names: list[str]) -> None:
    names = [name for name in names if name.encode("utf-8", "ignore").decode() == name]
    folders = folder_names(names)
    assert len({folder.casefold() for folder in folders.values()}) == len(names)
    for folder in folders.values():
        assert folder and folder not in (".", "..") and len(folder.encode()) < 200
        assert not set('<>:"/\\|?*') & set(folder) and folder[-1] not in ". "
        assert folder.split(".")[0].strip().casefold() not in ("con", "prn", "aux", "nul", "com1", "lpt9")
