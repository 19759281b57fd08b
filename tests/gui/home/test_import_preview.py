"""Importing by clicks: a preview of the findings, merging and excluding classes, nothing written before."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QLineEdit

from gui.home import new_project
from gui.home.class_table import COUNT, EXAMPLES, EXAMPLES_ROLE, NAME, NEW_NAME
from gui.home.import_report import LeftOutDialog
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


def test_boxes_become_labels_when_the_user_says_so(qtbot, page, source, look, confirm, finish, project):
    images = [{"id": number, "file_name": f"cat_{number:03d}.png", "width": 20, "height": 16} for number in range(4)]
    boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 5, 5]} for number in range(3)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "nose"}]}
    (source / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
    look(source / "annotations.json")
    panel = page.imports.panel
    assert "COCO" in panel.notes.text() and not panel.import_button.isEnabled()
    box = panel.choice.class_box
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Down)
    finish()
    confirm()
    assert project.summary().classes == {"nose": 3}


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
