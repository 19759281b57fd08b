"""A label file that changed since its import is known, by its content; a damaged record is none."""

import os

import pytest
from PIL import Image

from visionft.project.edits.changes import LabelImages
from visionft.project.importing.importer import import_source
from visionft.project.label_files import LABEL_FILES_JSON, changed_label_files
from visionft.project.store import ProjectStore


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_label_file_is_offered_again_once_its_content_has_changed(tmp_path, is_folder):
    labels = tmp_path / "data" / "labels.csv"
    labels.parent.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (number * 50, 0, 0)).save(labels.parent / f"{number}.png")
    labels.write_text("file,label\n0.png,cat\n1.png,cat\n2.png,dog\n3.png,dog\n")
    source = labels.parent if is_folder else labels
    with ProjectStore.create(tmp_path / "p") as project:
        import_source(project, source)
        os.utime(labels, (1, 1))
        assert not changed_label_files(project.path)  # another time, the same content
        labels.write_text("file,label\n0.png,cat\n1.png,dog\n2.png,dog\n3.png,dog\n")
        (changed,) = changed_label_files(project.path)
        assert (changed.path, changed.source) == (str(labels), str(source))
        report = import_source(project, source)
        assert [conflict.classes for conflict in report.conflicts] == [("cat", "dog")]
        assert not changed_label_files(project.path)
        labels.unlink()
        assert not changed_label_files(project.path)
        (project.path / LABEL_FILES_JSON).write_text("[{")
        assert not changed_label_files(project.path)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_label_file_replaces_imported_labels_on_request_and_undo_brings_them_back(tmp_path, task):
    labels = tmp_path / "data" / "labels.csv"
    labels.parent.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (number * 50, 0, 0)).save(labels.parent / f"{number}.png")
    labels.write_text("file,label\n0.png,cat\n1.png,cat\n2.png,cat\n3.png,cat\n")
    with ProjectStore.create(tmp_path / "p", task=task) as project:
        import_source(project, labels)
        ids = {each.path.name: each.image_id for each in project.snapshot().images}
        project.apply(LabelImages((ids["0.png"],), "mine"))
        labels.write_text("file,label\n0.png,dog\n1.png,dog\n2.png,cat\n3.png,owl\n3.png,dog\n")

        def classes() -> list[set[str]]:
            snapshot = project.snapshot()
            return [set(snapshot.labels_of(each)) for each in sorted(snapshot.images, key=lambda each: each.path.name)]

        before = classes()
        assert not import_source(project, labels, replaces_labels=True).conflicts or task == "single"
        last = {"owl", "dog"} if task == "multi" else set[str]()  # two rows that disagree remain a conflict
        assert classes() == [before[0], {"dog"}, {"cat"}, last] and "mine" in before[0]
        assert not changed_label_files(project.path)
        project.undo()
        assert classes() == before
