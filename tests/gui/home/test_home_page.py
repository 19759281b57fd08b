"""The project page: creating, importing, missing items, and recent projects, by clicks."""

import warnings
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication

from gui.home.home_page import ProjectPage
from gui.home.import_report import LeftOutDialog
from gui.home.new_project import NewProjectDialog
from gui.kit import dialogs
from gui.kit.tiles import ActionTile
from visionft.project.edits.changes import AssignSplits

LEFT = Qt.MouseButton.LeftButton


def test_choosing_a_folder_of_images_makes_a_project_and_imports_them(
    qtbot, window, page, images, monkeypatch, confirm, finish
):
    monkeypatch.setattr(dialogs, "ask_folder", lambda *args, **kwargs: images)
    qtbot.mouseClick(page.welcome.drop_zone.choose_button, LEFT)
    finish()
    assert window.state.session is None and page.imports.panel.classes.isVisible()
    confirm()
    assert window.state.path.name == "images"
    assert page.overview.sheet.count_label.text().startswith("25")
    assert page.overview.class_table.texts() == [
        ["blue", "7", "0", "0", "0"],
        ["green", "8", "0", "0", "0"],
        ["red", "10", "0", "0", "0"],
    ]
    assert page.overview.report.isVisible()


def is_ready(page) -> bool:
    return page.overview.checklist.badge.property("tone") == "good" and not page.overview.checklist.buttons


def test_the_one_primary_button_is_the_next_step(qtbot, window, page, images, monkeypatch, confirm, finish, project):
    assert "4" in page.overview.checklist.badge.text() and not page.import_button.isVisible()
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args, **_kwargs: images)
    qtbot.mouseClick(page.next_button, LEFT)
    finish()
    confirm()
    assert is_ready(page) and page.import_button.isVisible()
    qtbot.mouseClick(page.next_button, LEFT)
    assert window.current_page.name == "train"


def test_files_that_cannot_be_used_are_listed_with_their_reason(qtbot, page, images, look, confirm, project):
    (images / "red" / "broken.png").write_bytes(b"not an image")
    (images / "red" / "copy.png").write_bytes((images / "red" / "red_000.png").read_bytes())
    look(images)
    confirm()
    qtbot.mouseClick(page.overview.report.details_button, LEFT)
    files = page.overview.report.findChild(LeftOutDialog)
    table = files.table
    shown = {Path(table.item(line, 0).text()).name: table.item(line, 1).text() for line in range(table.rowCount())}
    assert shown["broken.png"] == "Unreadable"
    assert "Duplicate" in shown.values() and table.isVisible()
    files.close()


def test_a_folder_without_images_is_refused_with_advice(window, tmp_path, look, project):
    (tmp_path / "nothing").mkdir()
    look(tmp_path / "nothing")
    assert "nothing" in window.toasts.message() and window.toasts.newest.hint()


def test_a_project_path_that_is_no_project_keeps_what_was_open(window, project_dir, tmp_path):
    window.state.open_project(project_dir)
    assert not window.state.open_project(tmp_path)
    assert window.state.path == project_dir and window.toasts.newest.tone == "bad"


def test_recent_projects_can_be_opened_and_forgotten(qtbot, window, page, project_dir, tmp_path):
    window.state.open_project(project_dir)
    window.state.create_project(tmp_path / "second")
    window.state.actions.run("file.close")
    assert page.welcome.isVisible()
    assert [Path(name).name for name in window.state.settings.recent_projects] == ["second", "project"]
    page.welcome.recent.forgotten.emit(tmp_path / "second")
    page.welcome.recent.chosen.emit(project_dir)
    assert window.state.path == project_dir
    assert [Path(name).name for name in window.state.settings.recent_projects] == ["project"]


def test_a_dropped_project_is_opened_and_a_dropped_folder_is_imported_into_it(
    page, window, project_dir, tmp_path, draw_folder, confirm, finish
):
    drop(page, project_dir)
    assert window.state.path == project_dir
    drop(page, draw_folder(tmp_path / "more", {"yellow": 4, "violet": 1}))  # the first of both is the same
    finish()
    confirm()
    assert ["yellow", "3", "0", "0", "0"] in page.overview.class_table.texts()


def drop(page: ProjectPage, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    keys = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Qt offers Python no other constructor
        enter = QDragEnterEvent(QPoint(9, 9), *keys)
    QApplication.sendEvent(page.widget, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(page.widget, QDropEvent(QPointF(9, 9), *keys))


@pytest.mark.parametrize(("name", "is_allowed"), [("", False), ("a/b", False), ("Parts", True), ("taken", False)])
def test_the_new_project_dialog_checks_the_name(qtbot, tmp_path, name, is_allowed):
    (tmp_path / "taken").mkdir()
    dialog = NewProjectDialog(None, folder=tmp_path)
    qtbot.addWidget(dialog)
    qtbot.keyClicks(dialog.form.name_edit, name)
    assert dialog.create_button.isEnabled() is is_allowed and dialog.form.task == "single"
    next(each for each in dialog.findChildren(ActionTile) if not each.isChecked()).click()
    assert dialog.form.task == "multi"


@pytest.mark.usefixtures("styled")  # without it the tiles have no height to be clicked at
def test_a_sample_project_is_ready_to_train(qtbot, window, page):
    qtbot.mouseClick(page.welcome.sample_tile, LEFT)
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=120_000)
    assert is_ready(page)
    assert len(window.state.session.snapshot().class_names) == 5


def test_a_label_file_that_has_changed_is_offered_with_its_differences(
    qtbot, window, page, images, look, confirm, project
):
    labels = images / "blue" / "labels.csv"
    names = sorted(path.name for path in labels.parent.glob("*.png"))
    labels.write_text("file,label\n" + "".join(f"{name},{'cat' if name < names[3] else 'dog'}\n" for name in names))
    look(labels)
    confirm()
    assert not page.overview.changed.isVisible()
    labels.write_text(labels.read_text().replace("cat", "dog", 1))
    window.show_page("label")
    window.show_page("project")
    qtbot.waitUntil(page.overview.changed.isVisible)
    qtbot.mouseClick(page.overview.changed.action_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.jobs.pending)
    assert [each.classes for each in page.imports.panel.preview.conflicts] == [("cat", "dog")]
    assert page.imports.panel.replaces_labels and page.imports.panel.replace_box.isVisible()
    assert "1" in page.imports.panel.import_button.text()
    confirm()
    assert not page.overview.changed.isVisible() and not page.overview.report.decide_button.isVisible()
    assert project.summary().classes == {"cat": 2, "dog": len(names) - 2}


def test_the_overview_shows_images_of_each_class_and_a_click_opens_them(qtbot, window, page, project_dir):
    window.state.open_project(project_dir)
    sheet = page.overview.sheet.grid
    assert sheet.isVisible() and [section.title for section in sheet.images.sections] == ["blue", "green", "red"]
    assert sheet.tiles()[0].path.parent.name == "blue"
    qtbot.waitUntil(lambda: page.overview.sheet.thumbnails.get(sheet.tiles()[0].path) is not None)
    qtbot.mouseClick(sheet.viewport(), LEFT, pos=sheet.rect_of(3).center())
    label = window.page("label")
    assert window.current_page is label and label.grid.count() == 7
    assert page.overview.sheet.y() < page.overview.class_table.parentWidget().y()
    assert label.grid.selection.current_id() == sheet.tiles()[3].image_id  # the clicked one


def test_series_are_named_shown_and_taken_apart_by_a_click(qtbot, window, page, images, look, confirm, finish, project):
    look(images)
    confirm()
    ids = sorted(image.image_id for image in project.snapshot().images)
    series = {ids[0]: "1", ids[3]: "1", ids[1]: "2", ids[2]: "2", ids[5]: "2"}
    window.state.session.apply(AssignSplits({}, series))
    page.refresh()
    finish()
    summary = project.summary()
    assert (summary.groups, summary.grouped) == (2, 5)
    buttons = page.overview.checklist.buttons
    qtbot.mouseClick(buttons["show_groups"], LEFT)
    finish()
    assert window.current_page.name == "label"
    assert window.current_page.grid.count() == len(series)
    window.show_page("project")
    finish()
    qtbot.mouseClick(page.overview.checklist.buttons["ungroup"], LEFT)
    finish()
    assert {image.group for image in project.snapshot().images} == {"", None}
    assert not page.overview.checklist.buttons
    window.state.session.run(project.undo)
    assert project.summary().groups == 2
