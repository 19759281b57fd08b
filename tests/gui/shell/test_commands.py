"""One table of commands: menus, palette, sheet and settings agree; keys never collide; undo names its step."""

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QKeyEvent
from PySide6.QtWidgets import QMenu

from gui.actions import LABEL, VIEWER, Actions
from gui.kit import drops
from visionft.project.edits.changes import LabelImages

NONE, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def actions(window) -> Actions:
    return window.state.actions


def test_no_two_commands_share_a_key_where_both_work(actions):
    faults = [actions.fault_of(action.id, keys) for action in actions for keys in action.keys]
    assert not [fault for fault in faults if "taken" in fault]


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("edit.undo", "Ctrl+K", "taken by “All commands”"),
        ("label.next", "Ctrl+K", "taken by “All commands”"),
        ("viewer.fit", "A", "taken by “Previous image”"),
        ("edit.undo", "G", "while you type"),
        ("label.next", "3", "The digits give the classes"),
        ("label.next", "G", ""),
        ("queue.remove", "X", ""),
        ("edit.undo", "F5", ""),
        ("edit.undo", "", ""),
        ("edit.undo", "Ctrl+Z", ""),
    ],
)
def test_keys_that_cannot_be_are_refused_with_the_reason(actions, name, keys, said):
    fault = actions.fault_of(name, keys)
    assert said in fault and bool(said) == bool(fault)


def test_a_freed_key_can_be_taken(actions):
    assert actions.fault_of("label.next", "N", {"label.skip": "G"}) == ""
    assert actions["label.skip"].title in actions.fault_of("label.next", "G", {"label.skip": "G"})


@pytest.mark.parametrize(
    ("key", "modifiers", "typed", "name"),
    [
        (Qt.Key.Key_A, NONE, "a", "label.previous"),
        (Qt.Key.Key_A, CONTROL, "", "label.select_all"),
        (Qt.Key.Key_Plus, SHIFT, "+", "viewer.zoom_in"),
        (Qt.Key.Key_Plus, Qt.KeyboardModifier.KeypadModifier, "+", "viewer.zoom_in"),
        (Qt.Key.Key_A, SHIFT, "A", ""),
    ],
)
def test_a_pressed_key_finds_its_command(actions, key, modifiers, typed, name):
    event = QKeyEvent(QKeyEvent.Type.KeyPress, key, modifiers, typed)
    assert actions.pressed(event, (LABEL, VIEWER)) == name


def test_a_class_cannot_have_a_key_that_the_label_page_takes(actions, window):
    window.state.change_settings(shortcuts={"label.skip": "G"})
    taken = actions.letters_in_use()
    assert taken["g"] == actions["label.skip"].title and taken["?"] == "Keyboard shortcuts"
    assert not {"n", "0", "q"} & set(taken)


def test_the_menus_hold_every_command_of_the_palette(window, project_dir):
    window.state.open_project(project_dir)
    menus = [menu for menu in window.menuBar().findChildren(QMenu) if menu.title()]
    in_menus = {action.text().replace("&&", "&") for menu in menus for action in menu.actions() if action.isEnabled()}
    assert {command.title for command in window.commands.listed() if not command.why_not} <= in_menus
    assert len(in_menus) > 20


def test_undo_is_named_in_the_menu_and_does_it(window, project_dir):
    window.state.open_project(project_dir)
    undo, redo = window.commands.action("edit.undo"), window.commands.action("edit.redo")
    assert undo.text() == "Undo: Split 25 images" and not redo.isEnabled()
    image = window.state.session.snapshot().images[0]
    window.state.session.apply(LabelImages((image.image_id,), "red & blue"))
    assert "red && blue" in undo.text()
    undo.trigger()
    assert undo.text() == "Undo: Split 25 images" and "red && blue" in redo.text()
    redo.trigger()
    assert "red && blue" in undo.text()


def test_new_keys_work_at_once_and_the_old_ones_no_more(qtbot, window, project_dir):
    window.state.change_settings(shortcuts={"page.label": "Ctrl+R", "label.next": "G"})
    window.state.open_project(project_dir)
    qtbot.keyClick(window, Qt.Key.Key_2, CONTROL)
    assert window.current_page.name == "project"
    qtbot.keyClick(window, Qt.Key.Key_R, CONTROL)
    assert window.current_page.name == "label" and "Ctrl+R" in window.rail.button("label").toolTip()
    grid = window.page("label").grid
    for key in (Qt.Key.Key_G, Qt.Key.Key_D):
        qtbot.keyClick(grid, key)
    assert grid.selection.place == 1


def test_a_page_s_keys_work_on_that_page_only(qtbot, window, project_dir, monkeypatch):
    window.state.open_project(project_dir)
    started = []
    monkeypatch.setattr(window.page("train"), "start", lambda: started.append("train"))
    window.show_page("results")
    qtbot.keyClick(window.current_page, Qt.Key.Key_Return, CONTROL)
    assert not started
    window.show_page("train")
    qtbot.keyClick(window.current_page, Qt.Key.Key_Return, CONTROL)
    assert started == ["train"]


def test_the_keys_of_what_cannot_be_done_say_why_by_the_words_of_the_tooltip(qtbot, window, project_dir):
    reason = window.state.actions.why_not("file.close")
    assert reason and reason in window.commands.action("file.close").toolTip()
    qtbot.keyClick(window, Qt.Key.Key_W, CONTROL)
    assert window.toasts.newest.accessibleName() == f"Close project {reason}"
    window.show_page("train")
    qtbot.keyClick(window.current_page, Qt.Key.Key_Return, CONTROL)
    start = window.state.actions.why_not("run.start")
    assert start and window.toasts.newest.accessibleName() == f"Start training {start}"
    window.toasts.newest.dismiss()
    window.state.open_project(project_dir)
    qtbot.keyClick(window, Qt.Key.Key_W, CONTROL)
    assert window.state.session is None and not window.toasts.isVisible()


def test_text_grows_and_shrinks_by_keys(qtbot, window, qapp):
    qtbot.keyClick(window, Qt.Key.Key_Plus, CONTROL)
    assert window.state.settings.font_scale == 1.15
    qtbot.keyClick(window, Qt.Key.Key_Minus, CONTROL)
    assert qapp.font().pixelSize() == 13


def drop(window, *paths) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(QPointF(400, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, NONE)
    window.dropEvent(event)


def test_what_a_drop_means(tmp_path, project_dir, images):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"")
    kinds = [drops.meaning([path]) for path in (project_dir, images, model)]
    assert [each.kind for each in kinds if each] == ["project", "source", "model"]
    assert drops.meaning([images / "red" / "red_000.png"]) is None


def test_a_project_or_a_model_dropped_on_any_page_is_opened(window, project_dir, tmp_path):
    window.show_page("settings")
    drop(window, project_dir)
    assert window.state.path == project_dir and window.current_page.name == "project"
    model = tmp_path / "elsewhere" / "model.onnx"
    model.parent.mkdir()
    model.write_bytes(b"")
    window.show_page("label")
    drop(window, model)
    assert window.current_page.name == "try" and window.page("try").model() == model
