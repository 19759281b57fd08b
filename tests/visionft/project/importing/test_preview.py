"""A preview equals the later import, and writes nothing."""

import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from visionft.data.depth import FIRST_PLANE
from visionft.data.types import Task
from visionft.jobs import JobContext
from visionft.project.edits.changes import LabelImages, RemoveImages
from visionft.project.edits.class_changes import RenameClass
from visionft.project.formats.listing import LabelChoice
from visionft.project.importing import import_filter
from visionft.project.importing.importer import import_source
from visionft.project.importing.preview import preview_source
from visionft.project.queries import Conflict, find_images, image_rows
from visionft.project.store import Project


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` with its bytes, the database's own log left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm", ".lock")))
    return {str(path): path.read_bytes() for path in files}


def test_a_preview_counts_what_the_import_then_adds(empty: Project, images: Path, draw):
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
    monkeypatch.setattr(import_filter, "BATCH", 3)
    (images / "dog" / "zz.png").write_bytes((images / "cat" / "0.png").read_bytes())
    before = tree(tmp_path)
    preview = preview_source(images)
    assert (preview.new, len(preview.duplicates)) == (12, 1)
    assert tree(tmp_path) == before


def test_a_zip_leaves_nothing_behind(empty: Project, images: Path, tmp_path: Path):
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(images.rglob("*.png")):
            opened.write(path, path.relative_to(images))
    before = tree(empty.path)
    preview = preview_source(archive, empty)
    assert (preview.new, preview.classes, dict(preview.known_facts)) == (12, {"cat": 6, "dog": 6}, {})
    assert tree(empty.path) == before


def test_a_zip_unpacked_into_the_callers_folder_is_unpacked_once(empty: Project, images: Path, tmp_path: Path):
    archive, unpacked = Path(shutil.make_archive(str(tmp_path / "images"), "zip", images)), tmp_path / "unpacked"
    unpacked.mkdir()
    first = preview_source(archive, empty, unpacked=unpacked)
    shown = [path for splits in first.readings[0].examples.values() for paths in splits.values() for path in paths]
    assert len(shown) == 8 and all(path.is_file() for path in shown)
    files = {path: path.stat().st_ino for path in unpacked.rglob("*")}
    again = preview_source(archive, empty, unpacked=unpacked, known_facts=first.known_facts, reading=2)
    assert (again.new, again.classes) == (12, {})
    assert import_source(empty, archive, unpacked=unpacked, known_facts=first.known_facts).added == 12
    assert {path: path.stat().st_ino for path in unpacked.rglob("*")} == files


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


def test_classes_are_merged_renamed_and_left_out(empty: Project, images: Path, draw):
    for name, number in (("Cat", 40), ("cats", 41), ("junk", 42)):
        draw(images / name / "one.png", number)
    names = {"Cat": "cat", "cats": "cat", "junk": None, "dog": "hound"}
    report = import_source(empty, images, class_map=names)
    assert report.classes == {"cat": 8, "hound": 6}
    assert [each.reason.values for each in report.skipped] == [{"name": "junk"}]
    assert empty.summary().classes == {"cat": 8, "hound": 6}


def test_a_image_keeps_its_other_classes_when_one_is_left_out(multi: Project, images: Path, draw, tmp_path: Path):
    draw(tmp_path / "more" / "x.png", 60)
    (tmp_path / "more" / "list.csv").write_text("file_name,labels\nx.png,sun|noise\n")
    report = import_source(multi, tmp_path / "more" / "list.csv", class_map={"noise": None})
    assert report.classes == {"sun": 1}


def test_merging_classes_can_make_a_source_of_several_classes_fit(empty: Project, images: Path):
    (images / "list.csv").write_text("file_name,labels\ncat/0.png,kitten|cat\n")
    assert import_source(empty, images / "list.csv").unreadable
    report = import_source(empty, images / "list.csv", class_map={"kitten": "cat"})
    assert report.classes == {"cat": 1} and not report.unreadable


def test_an_import_reads_no_file_again_that_its_preview_read(empty: Project, images: Path, draw, monkeypatch):
    preview = preview_source(images, empty)
    draw(images / "cat" / "0.png", 250)  # changed since
    read: list[str] = []
    real = import_filter.read_facts
    monkeypatch.setattr(
        import_filter, "read_facts", lambda path, reading: (read.append(path.name), real(path, reading))[1]
    )
    report = import_source(empty, images, known_facts=preview.known_facts)
    assert (report.added, read) == (12, ["0.png"])


def test_what_is_lost_of_an_image_is_told_by_preview_and_import(empty: Project, tmp_path: Path):
    folder = tmp_path / "microscope"
    folder.mkdir()
    values = np.linspace(400, 1300, 64 * 64).reshape(64, 64).astype(np.uint16)
    for number in range(2):
        Image.fromarray(values + np.uint16(number)).save(folder / f"{number}.tif")
    planes = [Image.fromarray(np.full((8, 8), 100 * place, np.uint8)) for place in range(3)]
    planes[0].save(folder / "planes.tif", save_all=True, append_images=planes[1:])
    planes[1].save(folder / "plain.tif")
    preview = preview_source(folder, empty)
    report = import_source(empty, folder, known_facts=preview.known_facts)
    assert preview.warnings == report.warnings and report.added == 4
    assert Counter(each.reason for each in report.warnings) == {FIRST_PLANE: 1}  # the window keeps all grey levels
    assert {Path(each.path).name for each in report.warnings} == {"planes.tif"}
    assert not import_source(empty, folder).warnings


ROWS = st.lists(  # content, copy, class and split of each file
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 1),
        st.sampled_from(["", "ant", "bee", "cow"]),
        st.sampled_from(["", "train", "val"]),
    ),
    min_size=1,
    max_size=14,
)
COLUMNS = LabelChoice(table="list.csv", file="file_name", label="label")


def written_source(folder: Path, rows: Sequence[tuple[int, int, str, str]], draw) -> Path:
    """Return a folder with a table of images; the copies of one content may have different classes."""
    for content, copy, _, _ in rows:
        draw(folder / f"{content}-{copy}.png", content)
    lines = [f"{content}-{copy}.png,{label},{split}" for content, copy, label, split in rows]
    (folder / "list.csv").write_text("\n".join(["file_name,label,split", *lines]))
    return folder


def stated(conflicts: Sequence[Conflict]) -> list[object]:
    """Return conflicts without ids, which a preview does not have."""
    return [(conflict.path, conflict.candidates) for conflict in conflicts]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    first=ROWS,
    later=ROWS,
    task=st.sampled_from(["single", "multi"]),
    batch=st.sampled_from([2, 5, 500]),
    decided=st.sampled_from(["", "label", "rename", "remove"]),
)
def test_a_preview_agrees_with_the_import_on_contradicting_copies(
    first, later, task: Task, batch: int, decided: str, tmp_path_factory: pytest.TempPathFactory, draw
):
    folder = tmp_path_factory.mktemp("drawn")
    sources = [written_source(folder / name, rows, draw) for name, rows in (("first", first), ("later", later))]
    with (
        Project.create(folder / "project", task=task) as project,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(import_filter, "BATCH", batch)
        alone = preview_source(sources[0], choice=COLUMNS)
        report = import_source(project, sources[0], choice=COLUMNS)
        if task == "single" and not alone.multi_label_images:
            assert stated(alone.conflicts) == stated(report.conflicts)
        if decided == "label":
            project.apply(LabelImages((1,), "dog"))
        elif decided == "remove":
            project.apply(RemoveImages((1,)))
        elif decided == "rename" and project.summary().classes:
            project.apply(RenameClass(min(project.summary().classes), "wasp"))
        before = find_images(project)
        preview = preview_source(sources[1], project, choice=COLUMNS)
        report = import_source(project, sources[1], choice=COLUMNS)
        new = [row for row in image_rows(project, find_images(project)) if row.image_id not in before]
        assert stated(preview.conflicts) == stated(report.conflicts)
        assert (preview.new, preview.duplicates) == (report.added, report.duplicates) and report.added == len(new)
        assert (preview.unreadable, preview.skipped) == (report.unreadable, report.skipped)
        assert preview.splits == Counter(row.split for row in new if row.split)
        torn = [candidate.class_name for row in new for candidate in row.candidates]
        more = Counter(preview.classes) - Counter(report.classes)  # a preview counts the first class of a conflict
        assert not Counter(report.classes) - Counter(preview.classes) and not more - Counter(torn)
        assert more.total() == sum(bool(row.candidates) for row in new)
        assert preview.unlabelled == sum(not (row.labels or row.candidates) for row in new)
        assert preview.multi_label_images == sum(len(row.labels) > 1 for row in new)
