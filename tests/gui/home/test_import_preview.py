"""Importing by clicks: a preview of the findings, merging and excluding classes, nothing written before."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QLabel, QLineEdit

from gui.home import new_project
from gui.home.class_table import COUNT, EXAMPLES, EXAMPLES_ROLE, NAME, NEW_NAME
from gui.home.found_classes import look_alikes
from gui.home.import_report import LeftOutDialog
from gui.kit import dialogs
from gui.kit.thumbnail_cache import shown_reading
from visionft.data.depth import FIRST_PLANE
from visionft.data.image_reading import AS_STORED
from visionft.project.importing.sources import UNPACKED_PREFIX

LEFT = Qt.MouseButton.LeftButton


def shown_counts(panel) -> dict[str, str]:
    """Return the text of the number of images by class."""
    table = panel.classes.table
    return {table.item(line, NAME).text(): table.item(line, COUNT).text() for line in range(table.rowCount())}


@pytest.fixture
def source(tmp_path) -> Path:
    """Return a folder with similar class names, a broken image and a duplicate."""
    folder = tmp_path / "source"
    for shade, (name, count) in enumerate({"cat": 4, "Cats": 2, "dog": 3, "junk": 1}.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (20, 16), (60 * shade, 20 * number, 90)).save(folder / name / f"{name}_{number:03d}.png")
    (folder / "dog" / "broken.png").write_bytes(b"no image")
    (folder / "dog" / "again.png").write_bytes((folder / "dog" / "dog_000.png").read_bytes())
    return folder


def test_what_was_found_is_shown_before_anything_is_written(qtbot, page, source, look, project):
    look(source)
    panel = page.imports.panel
    assert panel.isVisible() and panel.import_button.isVisible()
    assert shown_counts(panel) == {"Cats": "2", "cat": "4", "dog": "3", "junk": "1"}
    assert "10" in panel.import_button.text()
    table = panel.classes.table
    paths = [path for line in range(4) for path in table.item(line, EXAMPLES).data(EXAMPLES_ROLE)]
    assert {path.parent.name for path in paths} == {"Cats", "cat", "dog", "junk"}
    shown = [path for path in paths if path.name != "broken.png"]
    qtbot.waitUntil(lambda: all(isinstance(table.thumbnails.get(path), QPixmap) for path in shown))
    qtbot.mouseClick(panel.left_out.show_button, LEFT)
    files = panel.left_out.findChild(LeftOutDialog)
    names = {Path(files.table.item(line, 0).text()).name for line in range(files.table.rowCount())}
    assert names == {"broken.png", "dog_000.png"} and files.isVisible()
    files.close()
    assert project.summary().images == 0


def test_look_alikes_are_merged_and_a_class_left_out(qtbot, page, source, look, confirm, project):
    look(source)
    classes, panel = page.imports.panel.classes, page.imports.panel
    qtbot.mouseClick(classes.merge_button, LEFT)
    classes.table.item(3, NAME).setCheckState(Qt.CheckState.Unchecked)  # junk
    assert "9" in panel.import_button.text() and not classes.merge_button.isVisible()
    confirm()
    assert project.summary().classes == {"cat": 6, "dog": 3}
    assert page.overview.report.isVisible() and not panel.isVisible()


def test_a_class_is_renamed_by_typing_a_name_into_its_line(qtbot, page, source, look, project):
    look(source)
    table = page.imports.panel.classes.table
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.visualItemRect(table.item(3, NEW_NAME)).center())
    editor = table.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "rest")
    qtbot.keyClick(editor, Qt.Key.Key_Tab)
    assert page.imports.panel.classes.class_map() == {"junk": "rest"}
    page.imports.panel.classes.set_name("dog", "  ")  # a name cannot be empty
    assert not page.imports.panel.import_button.isEnabled()


def test_cancelling_the_preview_leaves_everything_as_it_was(qtbot, window, page, source, look):
    look(source)
    qtbot.mouseClick(page.imports.panel.cancel_button, LEFT)
    assert page.welcome.isVisible() and window.state.session is None


def test_without_a_project_one_is_named_in_the_preview_and_made_with_the_import(
    qtbot, window, page, source, tmp_path, monkeypatch, look, confirm
):
    monkeypatch.setattr(new_project, "projects_folder", lambda: tmp_path)
    look(source)
    panel = page.imports.panel
    form, button = panel.project_form, panel.import_button
    assert form.name_edit.text() == "source 2" and "10" in button.text()  # the source itself lies there
    form.name_edit.selectAll()
    for typed, is_allowed in (("a/b", False), ("source", False), ("Cats", True)):
        form.name_edit.selectAll()
        qtbot.keyClicks(form.name_edit, typed)
        assert button.isEnabled() is is_allowed and bool(button.toolTip()) is not is_allowed
    confirm()
    assert window.state.path == tmp_path / "Cats" and window.state.session.project.summary().images == 10


def test_a_zip_is_chosen_by_its_button(qtbot, page, source, tmp_path, monkeypatch, finish, project):
    archive = tmp_path / "cats.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(source.rglob("*.png")):
            opened.write(path, path.relative_to(source))
    monkeypatch.setattr(dialogs, "ask_files", lambda *args, **kwargs: [archive])
    qtbot.mouseClick(page.overview.file_button, LEFT)
    finish()
    assert "10" in page.imports.panel.import_button.text() and not page.imports.panel.copy_box.isVisible()


def test_images_are_copied_into_the_project_on_request(window, page, source, tmp_path, look, confirm, project):
    look(source)
    page.imports.panel.copy_box.setChecked(True)
    confirm()
    assert all(image.path.is_relative_to(tmp_path / "p") for image in window.state.session.snapshot().images)


def test_a_look_can_be_cancelled(qtbot, page, draw_folder, tmp_path, finish):
    folder = draw_folder(tmp_path / "many", {"red": 300})
    page.take_source(folder)
    assert page.imports.panel.progress.isVisible()
    qtbot.mouseClick(page.imports.panel.progress.cancel_button, LEFT)
    finish()
    assert not page.imports.is_active and page.welcome.isVisible()


def test_a_source_that_names_several_classes_suggests_a_project_for_them(page, source, look):
    (source / "list.csv").write_text("file_name,labels\ncat/cat_000.png,sun|sea\ncat/cat_001.png,sea\n")
    look(source / "list.csv")
    assert page.imports.panel.project_form.task == "multi"


@pytest.mark.parametrize(
    ("found", "known", "merged"),
    [
        ({"cat": 5, "Cats": 2, "CAT": 1}, [], {"Cats": "cat", "CAT": "cat"}),
        ({"cat": 1, "cats": 9}, ["Cat"], {"cat": "Cat", "cats": "Cat"}),
        ({"missing_hole": 3, "Missing Hole": 1}, [], {"Missing Hole": "missing_hole"}),
        ({"glass": 1, "glas": 1}, [], {}),
        ({"scratches": 2, "scratch": 9}, [], {"scratches": "scratch"}),
        ({"bus": 1, "bu": 1, "gas": 2}, [], {}),
    ],
)
def test_names_that_differ_in_writing_only_are_look_alikes(found, known, merged):
    assert look_alikes(found, known) == merged


def test_boxes_become_labels_when_the_user_says_so(qtbot, page, source, look, confirm, finish, project):
    images = [{"id": number, "file_name": f"cat_{number:03d}.png", "width": 20, "height": 16} for number in range(4)]
    boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 5, 5]} for number in range(3)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "nose"}]}
    (source / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
    look(source / "annotations.json")
    panel = page.imports.panel
    assert "COCO" in panel.notes.text() and not panel.import_button.isEnabled()
    qtbot.mouseClick(panel.choice.others.chips[0], LEFT)
    finish()
    confirm()
    assert project.summary().classes == {"nose": 3}


def test_images_of_16_bits_are_shown_as_they_will_be_read(page, tmp_path, look, confirm, project):
    folder = tmp_path / "microscope"
    folder.mkdir()
    values = np.linspace(400, 1300, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(values).save(folder / "a.tif")
    look(folder)
    reading = page.imports.panel.preview.image_reading
    assert reading.window and shown_reading() == reading
    page.imports.cancel()
    assert shown_reading() == AS_STORED
    look(folder)
    confirm()
    assert shown_reading() == reading == project.image_reading


def test_what_is_lost_of_images_is_said_before_and_after(page, tmp_path, look, confirm, project):
    folder = tmp_path / "microscope"
    folder.mkdir()
    for number in range(2):
        planes = [Image.fromarray(np.full((64, 64), number + place, np.uint8)) for place in range(2)]
        planes[0].save(folder / f"{number}.tif", save_all=True, append_images=planes[1:])
    look(folder)

    def is_said() -> bool:
        return any(FIRST_PLANE in label.text() and label.isVisible() for label in page.findChildren(QLabel))

    assert is_said()
    confirm()
    assert page.overview.report.isVisible() and is_said()


@pytest.fixture
def split_source(tmp_path) -> Path:
    """Return a folder of three splits of two classes, each image different."""
    for place, (split, name) in enumerate((split, name) for split in ("train", "valid", "test") for name in ("a", "b")):
        folder = tmp_path / "set" / split / name
        folder.mkdir(parents=True)
        for number in range(place + 1):
            Image.new("RGB", (20, 16), (40 * place, 20 * number, 90)).save(folder / f"{number}.png")
    return tmp_path / "set"


def test_the_images_of_a_split_are_shown_by_class(qtbot, page, split_source, look):
    look(split_source)
    classes = page.imports.panel.classes
    assert shown_counts(page.imports.panel) == {"a": "9", "b": "12"} and classes.splits.isVisible()
    qtbot.mouseClick(classes.splits.buttons["val"], LEFT)
    assert shown_counts(page.imports.panel) == {"a": "3", "b": "4"}
    shown = classes.table.item(1, EXAMPLES).data(EXAMPLES_ROLE)
    assert len(shown) == 4 and {path.parent.parent.name for path in shown} == {"valid"}


def step(qtbot, page, by: int) -> None:
    """Choose the next reading (1) or the previous one (-1) with the arrow keys."""
    tile = next(each for each in page.imports.panel.readings.tiles if each.isChecked())
    tile.setFocus()
    qtbot.keyClick(tile, Qt.Key.Key_Down if by > 0 else Qt.Key.Key_Up)


def test_another_reading_is_shown_at_once_and_imported(qtbot, page, source, look, finish, confirm, project):
    look(source)
    panel = page.imports.panel
    assert [tile.isChecked() for tile in panel.readings.tiles] == [True, False]
    step(qtbot, page, 1)
    assert panel.isVisible() and not panel.import_button.isEnabled() and panel.classes.grid.isVisible()
    step(qtbot, page, -1)  # before the other one was looked at
    panel.classes.set_name("junk", "rest")
    finish()
    assert list(panel.classes.class_map()) == ["junk"] and panel.import_button.isEnabled()
    step(qtbot, page, 1)
    finish()
    confirm()
    assert project.summary().images == 10 and project.summary().classes == {}


def test_a_lone_class_is_no_label_until_the_user_chooses_it(qtbot, page, source, look, finish, confirm, project):
    for name in ("Cats", "dog", "junk"):
        shutil.rmtree(source / name)
    look(source)
    assert page.imports.panel.readings.tiles[-1].isChecked() and page.imports.panel.classes.grid.count() == 4
    step(qtbot, page, -1)
    finish()
    confirm()
    assert project.summary().classes == {"cat": 4}


def test_cancelling_while_another_reading_is_looked_at_leaves_the_preview(qtbot, page, source, look, finish, project):
    look(source)
    step(qtbot, page, 1)
    step(qtbot, page, -1)
    qtbot.mouseClick(page.imports.panel.cancel_button, LEFT)
    finish()
    assert not page.imports.is_active


def test_a_reading_that_cannot_be_read_leaves_the_last_preview(qtbot, window, page, source, look, finish, project):
    look(source)
    shutil.rmtree(source)
    panel = page.imports.panel
    step(qtbot, page, 1)
    finish()
    assert window.toasts.message() and panel.readings.tiles[0].isChecked() and len(shown_counts(panel)) == 4


def test_a_zip_shows_its_images_and_leaves_nothing_behind(
    qtbot, page, source, tmp_path, look, finish, confirm, project
):
    archive = Path(shutil.make_archive(str(tmp_path / "cats"), "zip", source))
    look(archive)
    panel = page.imports.panel
    path = panel.classes.table.item(0, EXAMPLES).data(EXAMPLES_ROLE)[0]
    qtbot.waitUntil(lambda: isinstance(panel.classes.table.thumbnails.get(path), QPixmap))
    qtbot.mouseClick(panel.cancel_button, LEFT)
    finish()
    assert not path.exists()
    look(archive)
    confirm()
    assert project.summary().images == 10
    assert not list(project.path.glob(f"{UNPACKED_PREFIX}*"))
