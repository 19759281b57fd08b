"""A label file that changed since its import is known, by its content; a damaged record is none."""

import os

import pytest
from PIL import Image

from visionft.project.importing.importer import import_source
from visionft.project.label_files import FILE, changed_label_files
from visionft.project.store import Project


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_label_file_is_offered_again_once_its_content_has_changed(tmp_path, is_folder):
    labels = tmp_path / "data" / "labels.csv"
    labels.parent.mkdir()
    for number in range(4):
        Image.new("RGB", (8, 8), (number * 50, 0, 0)).save(labels.parent / f"{number}.png")
    labels.write_text("file,label\n0.png,cat\n1.png,cat\n2.png,dog\n3.png,dog\n")
    source = labels.parent if is_folder else labels
    with Project.create(tmp_path / "p") as project:
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
        (project.path / FILE).write_text("[{")
        assert not changed_label_files(project.path)
