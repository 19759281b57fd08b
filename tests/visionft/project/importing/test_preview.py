"""A preview tells what the import then does, and writes nothing."""

import json
import zipfile
from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.importing import import_filter
from visionft.project.importing.importer import import_source
from visionft.project.importing.preview import preview_source
from visionft.project.store import Project


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` with its bytes, the database's own log left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock")))
    return {str(path): path.read_bytes() for path in files}


def test_a_preview_counts_what_the_import_then_adds(empty: Project, pictures: Path, draw):
    (pictures / "cat" / "broken.png").write_bytes(b"no picture")
    (pictures / "dog" / "again.png").write_bytes((pictures / "cat" / "0.png").read_bytes())
    draw(pictures / "loose.png", 77)
    (pictures / "notes.txt").write_text("hello")
    before = tree(empty.path)
    preview = preview_source(pictures, empty)
    assert tree(empty.path) == before
    assert (preview.new, preview.classes, preview.unlabelled) == (13, {"cat": 6, "dog": 6}, 1)
    assert (preview.smallest, preview.largest) == ((8, 8), (8, 8))
    assert preview.bytes == sum(facts.bytes for facts in preview.known_facts.values()) > 0
    report = import_source(empty, pictures)
    assert (report.added, report.duplicates) == (preview.new, preview.duplicates)
    assert (report.unreadable, report.skipped) == (preview.unreadable, preview.skipped)
    assert {Path(each.path).name for each in preview.unreadable} == {"broken.png"}


def test_without_a_project_a_source_is_compared_with_itself(pictures: Path, tmp_path: Path):
    (pictures / "dog" / "zz.png").write_bytes((pictures / "cat" / "0.png").read_bytes())
    before = tree(tmp_path)
    preview = preview_source(pictures)
    assert (preview.new, len(preview.duplicates)) == (12, 1)
    assert tree(tmp_path) == before


def test_what_the_project_has_is_a_duplicate(project: Project, pictures: Path, draw):
    draw(pictures / "cat" / "new.png", 99)
    preview = preview_source(pictures, project)
    assert (preview.new, preview.classes, len(preview.duplicates)) == (1, {"cat": 1}, 12)


def test_a_duplicate_is_found_across_batches(pictures: Path, draw, monkeypatch):
    monkeypatch.setattr("visionft.project.importing.preview.BATCH", 3)
    draw(pictures / "dog" / "zz.png", 0)  # the same pixels as cat/0.png
    assert len(preview_source(pictures).duplicates) == 1


def test_a_zip_leaves_nothing_behind(empty: Project, pictures: Path, tmp_path: Path):
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(pictures.rglob("*.png")):
            opened.write(path, path.relative_to(pictures))
    before = tree(empty.path)
    preview = preview_source(archive, empty)
    assert (preview.new, preview.classes, dict(preview.known_facts)) == (12, {"cat": 6, "dog": 6}, {})
    assert tree(empty.path) == before


def test_a_file_of_labels_tells_of_splits_and_of_several_classes(pictures: Path, tmp_path: Path):
    rows = [
        {"file_name": f"{'cat' if number < 6 else 'dog'}/{number}.png", "labels": labels, "split": split}
        for number, (labels, split) in enumerate([(["a", "b"], "train"), (["a"], "val"), ([], "train")])
    ]
    (pictures / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    preview = preview_source(pictures / "list.jsonl")
    assert (preview.classes, preview.multi_label_images, preview.unlabelled) == ({"a": 2, "b": 1}, 1, 1)
    assert preview.splits == {"train": 2, "val": 1}


def test_stopping_returns_what_was_found_until_then(pictures: Path):
    asked = iter(range(1000))
    preview = preview_source(pictures, should_stop=lambda: next(asked) >= 4)
    assert preview.stopped and preview.new == 4


def test_a_source_without_pictures_is_refused(tmp_path: Path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ProjectError, match="holds no pictures"):
        preview_source(tmp_path / "nothing")


def test_classes_are_merged_renamed_and_left_out(empty: Project, pictures: Path, draw):
    for name, number in (("Cat", 40), ("cats", 41), ("junk", 42)):
        draw(pictures / name / "one.png", number)
    names = {"Cat": "cat", "cats": "cat", "junk": None, "dog": "hound"}
    report = import_source(empty, pictures, class_map=names)
    assert report.classes == {"cat": 8, "hound": 6}
    assert [each.reason for each in report.skipped] == ["its class “junk” is left out"]
    assert empty.summary().classes == {"cat": 8, "hound": 6}


def test_a_picture_keeps_its_other_classes_when_one_is_left_out(multi: Project, pictures: Path, draw, tmp_path: Path):
    draw(tmp_path / "more" / "x.png", 60)
    (tmp_path / "more" / "list.csv").write_text("file_name,labels\nx.png,sun|noise\n")
    report = import_source(multi, tmp_path / "more" / "list.csv", class_map={"noise": None})
    assert report.classes == {"sun": 1}


def test_merging_classes_can_make_a_source_of_several_classes_fit(empty: Project, pictures: Path):
    (pictures / "list.csv").write_text("file_name,labels\ncat/0.png,kitten|cat\n")
    assert import_source(empty, pictures / "list.csv").unreadable
    report = import_source(empty, pictures / "list.csv", class_map={"kitten": "cat"})
    assert report.classes == {"cat": 1} and not report.unreadable


def test_an_import_reads_no_file_again_that_its_preview_read(empty: Project, pictures: Path, draw, monkeypatch):
    preview = preview_source(pictures, empty)
    draw(pictures / "cat" / "0.png", 250)  # changed since
    read: list[str] = []
    real = import_filter.read_facts
    monkeypatch.setattr(import_filter, "read_facts", lambda path: (read.append(path.name), real(path))[1])
    report = import_source(empty, pictures, known_facts=preview.known_facts)
    assert (report.added, read) == (12, ["0.png"])
