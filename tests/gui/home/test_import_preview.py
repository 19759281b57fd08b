"""Importing by clicks: what was found is shown first, classes are merged or left out, nothing is written before."""

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from gui.home import folders
from gui.home.found_classes import FoundClasses, look_alikes
from gui.home.new_project import NewProjectDialog
from gui.home.page import ProjectPage
from gui.kit import dialogs
from gui.shell.window import MainWindow

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def page(window: MainWindow, tmp_path, monkeypatch, current):
    monkeypatch.setattr(folders, "projects_folder", lambda: tmp_path / "projects")
    assert isinstance(window.page("project"), ProjectPage)
    return current("project")


@pytest.fixture
def source(tmp_path) -> Path:
    """Return a folder with look-alike classes, a broken picture and a duplicate."""
    folder = tmp_path / "source"
    for shade, (name, count) in enumerate({"cat": 4, "Cats": 2, "dog": 3, "junk": 1}.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (20, 16), (60 * shade, 20 * number, 90)).save(folder / name / f"{name}_{number:03d}.png")
    (folder / "dog" / "broken.png").write_bytes(b"no picture")
    (folder / "dog" / "again.png").write_bytes((folder / "dog" / "dog_000.png").read_bytes())
    return folder


def wait(qtbot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=20_000)


def look(qtbot, window: MainWindow, page: ProjectPage, source: Path) -> None:
    page.take_source(source)
    wait(qtbot, window)


def test_what_was_found_is_shown_before_anything_is_written(qtbot, window, page, source, tmp_path):
    window.state.create_project(tmp_path / "p")
    look(qtbot, window, page, source)
    panel = page.imports.panel
    assert panel.isVisible() and panel.import_button.isVisible()
    assert [tile.figure() for tile in panel.tiles.values()] == ["10", "4", "1", "1"]
    reasons = [panel.table.item(line, 1).text() for line in range(panel.table.rowCount())]
    assert reasons == ["Unreadable", "Duplicate"]
    assert panel.import_button.text() == "Import 10 pictures"
    assert window.state.session.project.summary().images == 0


def test_look_alikes_are_merged_and_a_class_left_out(qtbot, window, page, source, tmp_path):
    window.state.create_project(tmp_path / "p")
    look(qtbot, window, page, source)
    classes, panel = page.imports.panel.classes, page.imports.panel
    qtbot.mouseClick(classes.merge_button, LEFT)
    classes.set_taken("junk", False)
    assert panel.import_button.text() == "Import 9 pictures" and not classes.merge_button.isVisible()
    qtbot.mouseClick(panel.import_button, LEFT)
    wait(qtbot, window)
    assert window.state.session.project.summary().classes == {"cat": 6, "dog": 3}
    assert page.report.isVisible() and not panel.isVisible()
    assert [path.name for path in source.iterdir()] != []


def test_a_class_is_renamed_by_typing_into_its_line(qtbot, window, page, source, tmp_path):
    window.state.create_project(tmp_path / "p")
    look(qtbot, window, page, source)
    table = page.imports.panel.classes.table
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.visualItemRect(table.item(3, 2)).center())
    editor = table.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "rest")
    qtbot.keyClick(editor, Qt.Key.Key_Tab)
    assert page.imports.panel.classes.class_map() == {"junk": "rest"}


def test_a_name_cannot_be_empty(qtbot, window, page, source, tmp_path):
    window.state.create_project(tmp_path / "p")
    look(qtbot, window, page, source)
    page.imports.panel.classes.set_name("dog", "  ")
    assert not page.imports.panel.import_button.isEnabled()


def test_cancelling_the_preview_leaves_everything_as_it_was(qtbot, window, page, source):
    look(qtbot, window, page, source)
    qtbot.mouseClick(page.imports.panel.cancel_button, LEFT)
    assert page.welcome.isVisible() and window.state.session is None


def test_without_a_project_one_is_asked_for_only_after_the_preview(qtbot, window, page, source, monkeypatch):
    asked: list[str] = []

    def answer(dialog: NewProjectDialog) -> int:
        asked.append(dialog.name_edit.text())
        return 0 if len(asked) == 1 else accept(dialog)

    def accept(dialog: NewProjectDialog) -> int:
        dialog.accept()
        return dialog.result()

    monkeypatch.setattr(NewProjectDialog, "exec", answer)
    look(qtbot, window, page, source)
    assert asked == []
    qtbot.mouseClick(page.imports.panel.import_button, LEFT)
    assert asked == ["source"] and page.imports.panel.isVisible()  # thought better of it: the findings stay
    qtbot.mouseClick(page.imports.panel.import_button, LEFT)
    wait(qtbot, window)
    assert window.state.session.project.summary().images == 10


def test_a_zip_is_chosen_by_its_button(qtbot, window, page, source, tmp_path, monkeypatch):
    archive = tmp_path / "cats.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for path in sorted(source.rglob("*.png")):
            opened.write(path, path.relative_to(source))
    monkeypatch.setattr(dialogs, "ask_files", lambda *args, **kwargs: [archive])
    window.state.create_project(tmp_path / "p")
    qtbot.mouseClick(page.file_button, LEFT)
    wait(qtbot, window)
    assert page.imports.panel.tiles["new"].figure() == "10" and not page.imports.panel.copy_box.isVisible()


def test_pictures_are_copied_into_the_project_on_request(qtbot, window, page, source, tmp_path):
    window.state.create_project(tmp_path / "p")
    look(qtbot, window, page, source)
    page.imports.panel.copy_box.setChecked(True)
    qtbot.mouseClick(page.imports.panel.import_button, LEFT)
    wait(qtbot, window)
    assert all(image.path.is_relative_to(tmp_path / "p") for image in window.state.session.snapshot().images)


def test_a_look_can_be_cancelled(qtbot, window, page, draw_folder, tmp_path):
    folder = draw_folder(tmp_path / "many", {"red": 300})
    page.take_source(folder)
    assert page.imports.panel.progress.isVisible()
    qtbot.mouseClick(page.imports.panel.progress.cancel_button, LEFT)
    wait(qtbot, window)
    assert not page.imports.is_active and page.welcome.isVisible()


def test_a_source_that_names_several_classes_suggests_a_project_for_them(qtbot, window, page, source, monkeypatch):
    (source / "list.csv").write_text("file_name,labels\ncat/cat_000.png,sun|sea\ncat/cat_001.png,sea\n")
    tasks: list[str] = []
    monkeypatch.setattr(NewProjectDialog, "exec", lambda dialog: tasks.append(dialog.answer().task) or 0)
    look(qtbot, window, page, source / "list.csv")
    qtbot.mouseClick(page.imports.panel.import_button, LEFT)
    assert tasks == ["multi"]


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


def test_a_thousand_classes_are_listed_at_once(qtbot):
    classes = FoundClasses()
    qtbot.addWidget(classes)
    classes.show_classes({f"class {number}": number for number in range(1000)}, 0, [])
    assert classes.table.rowCount() == 1000 and classes.class_map() == {}


# -- how it was read --------------------------------------------------------------------------------------------------


def pick(panel, answer: str) -> None:
    """Choose an answer to what gives the classes, as a click on it does."""
    box = panel.reading.label_box
    box.setCurrentIndex(box.findText(answer))
    box.activated.emit(box.currentIndex())


def test_the_user_says_which_column_gives_the_class(qtbot, window, page, tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (20, 16), (60 * number, 0, 90)).save(folder / f"{number}.png")
    rows = "".join(
        f"{number}.png;{'round' if number else 'long'};{'red' if number % 2 else 'blue'}\n" for number in range(4)
    )
    (folder / "labels.csv").write_text(f"img;shape;colour\n{rows}", encoding="utf-8")
    window.state.create_project(tmp_path / "p")
    look(qtbot, window, page, folder)
    panel = page.imports.panel
    assert "read as a table" in panel.reading.words() and not panel.import_button.isEnabled()
    assert panel.import_button.toolTip() == "Say first what gives the classes."
    pick(panel, "colour")
    wait(qtbot, window)
    assert list(panel.classes.class_map()) == [] and panel.tiles["classes"].figure() == "2"
    pick(panel, "nothing: no labels")
    wait(qtbot, window)
    assert panel.tiles["classes"].figure() == "0" and panel.import_button.isEnabled()
    pick(panel, "shape")
    wait(qtbot, window)
    qtbot.mouseClick(panel.import_button, LEFT)
    wait(qtbot, window)
    assert window.state.session.project.summary().classes == {"long": 1, "round": 3}


def test_boxes_become_labels_when_the_user_says_so(qtbot, window, page, source, tmp_path):
    images = [{"id": number, "file_name": f"cat_{number:03d}.png", "width": 20, "height": 16} for number in range(4)]
    boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 5, 5]} for number in range(3)]
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "nose"}]}
    (source / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
    window.state.create_project(tmp_path / "p")
    look(qtbot, window, page, source / "annotations.json")
    panel = page.imports.panel
    assert "read as COCO" in panel.reading.words() and not panel.import_button.isEnabled()
    pick(panel, "every class, also of boxes and shapes")
    wait(qtbot, window)
    qtbot.mouseClick(panel.import_button, LEFT)
    wait(qtbot, window)
    assert window.state.session.project.summary().classes == {"nose": 3}
