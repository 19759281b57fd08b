"""A preview equals the later import, and writes nothing."""

import json
import zipfile
from pathlib import Path

from visionft.core.jobs import JobContext
from visionft.project.importing import import_filter
from visionft.project.importing.importer import import_source
from visionft.project.importing.preview import preview_source
from visionft.project.store import ProjectStore


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` with its bytes, the database's own log left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock")))
    return {str(path): path.read_bytes() for path in files}


def test_a_preview_counts_what_the_import_then_adds(empty: ProjectStore, images: Path, draw):
    (images / "cat" / "broken.png").write_bytes(b"no image")
    (images / "dog" / "again.png").write_bytes((images / "cat" / "0.png").read_bytes())
    draw(images / "loose.png", 77)
    (images / "dog" / "loose again.png").write_bytes((images / "loose.png").read_bytes())
    (images / "notes.txt").write_text("hello")
    before = tree(empty.path)
    preview = preview_source(images, empty)
    assert tree(empty.path) == before
    assert (preview.new, preview.classes, preview.unlabelled) == (13, {"cat": 6, "dog": 7}, 0)
    assert (preview.smallest, preview.largest) == ((8, 8), (8, 8))
    assert preview.bytes == sum(facts.bytes for facts in preview.known_facts.values()) > 0
    report = import_source(empty, images)
    assert (report.added, report.duplicates) == (preview.new, preview.duplicates)
    assert report.classes["dog"] == preview.classes["dog"]
    assert (report.unreadable, report.skipped) == (preview.unreadable, preview.skipped)
    assert {Path(each.path).name for each in preview.unreadable} == {"broken.png"}
    draw(images / "cat" / "new.png", 99)
    again = preview_source(images, empty)
    assert (again.new, again.classes, len(again.duplicates)) == (1, {"cat": 1}, 15)


def test_without_a_project_a_source_is_compared_with_itself_across_batches(images: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(import_filter, "BATCH_FILES", 3)
    (images / "dog" / "zz.png").write_bytes((images / "cat" / "0.png").read_bytes())
    before = tree(tmp_path)
    preview = preview_source(images)
    assert (preview.new, len(preview.duplicates)) == (12, 1)
    assert tree(tmp_path) == before


def test_a_zip_leaves_nothing_behind(empty: ProjectStore, images: Path, tmp_path: Path):
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(images.rglob("*.png")):
            opened.write(path, path.relative_to(images))
    before = tree(empty.path)
    preview = preview_source(archive, empty)
    assert (preview.new, preview.classes, dict(preview.known_facts)) == (12, {"cat": 6, "dog": 6}, {})
    assert tree(empty.path) == before


def test_a_file_of_labels_tells_of_splits_and_of_several_classes(images: Path, tmp_path: Path):
    rows = [
        {"file_name": f"{'cat' if number < 6 else 'dog'}/{number}.png", "labels": labels, "split": split}
        for number, (labels, split) in enumerate([(["a", "b"], "train"), (["a"], "val"), ([], "train")])
    ]
    (images / "list.jsonl").write_text("\n".join(map(json.dumps, rows)))
    preview = preview_source(images / "list.jsonl")
    assert (preview.classes, preview.multi_label_images, preview.unlabelled) == ({"a": 2, "b": 1}, 1, 1)
    assert preview.splits == {"train": 2, "val": 1}


def test_stopping_returns_what_was_found_until_then(images: Path):
    asked = iter(range(1000))
    preview = preview_source(images, job=JobContext(cancelled=lambda: next(asked) >= 4))
    assert preview.stopped and preview.new == 4


def test_classes_are_merged_renamed_and_left_out(empty: ProjectStore, images: Path, draw):
    for name, number in (("Cat", 40), ("cats", 41), ("junk", 42)):
        draw(images / name / "one.png", number)
    names = {"Cat": "cat", "cats": "cat", "junk": None, "dog": "hound"}
    report = import_source(empty, images, class_map=names)
    assert report.classes == {"cat": 8, "hound": 6}
    assert [each.reason.values for each in report.skipped] == [{"name": "junk"}]
    assert empty.summary().classes == {"cat": 8, "hound": 6}
