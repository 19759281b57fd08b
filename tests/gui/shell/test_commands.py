"""One table of commands: menus, palette, sheet and settings agree; keys never collide; undo names its step."""

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QKeyEvent
from PySide6.QtWidgets import QMenu

from gui.actions import EVERYWHERE, LABEL, VIEWER, Actions
from gui.kit import drops
from visionft.project.edits.changes import LabelImages

NONE, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def actions(window) -> Actions:
    return window.state.actions


def test_no_two_commands_share_a_key_where_both_work(actions):
    taken: dict[str, list[str]] = {}  # {keys: the places of its commands}
    for action in actions:
        for keys in action.keys:
            for other in taken.get(keys, []):
                places = {action.place, other}
                assert len(places) == 2 and EVERYWHERE not in places and places != {LABEL, VIEWER}, keys
            taken.setdefault(keys, []).append(action.place)


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
    taken = actions.letters_in_use()
    assert taken["n"] == actions["label.skip"].title and taken["?"] == actions["help.shortcuts"].title
    assert not {"0", "q"} & set(taken)


def test_the_menus_hold_every_command_of_the_palette(window, project_dir):
    window.state.open_project(project_dir)
    menus = [menu for menu in window.menuBar().findChildren(QMenu) if menu.title()]
    in_menus = {action.text().replace("&&", "&") for menu in menus for action in menu.actions() if action.isEnabled()}
    assert {command.title for command in window.commands.listed() if not command.why_not} <= in_menus
    assert len(in_menus) > 20


def test_undo_is_named_in_the_menu_and_does_it(window, project_dir):
    window.state.open_project(project_dir)
    undo, redo = window.commands.action("edit.undo"), window.commands.action("edit.redo")
    first = undo.text()
    assert "25" in first and not redo.isEnabled()
    image = window.state.session.snapshot().images[0]
    window.state.session.apply(LabelImages((image.image_id,), "red & blue"))
    assert "red && blue" in undo.text()
    undo.trigger()
    assert undo.text() == first and "red && blue" in redo.text()
    redo.trigger()
    assert "red && blue" in undo.text()


def test_the_keys_of_an_unavailable_command_say_why(qtbot, window, project_dir):
    reason = window.state.actions.why_not("file.close")
    assert reason and reason in window.commands.action("file.close").toolTip()
    qtbot.keyClick(window, Qt.Key.Key_W, CONTROL)
    assert window.toasts.newest.accessibleName().endswith(reason)
    window.show_page("train")
    qtbot.keyClick(window.current_page, Qt.Key.Key_Return, CONTROL)
    start = window.state.actions.why_not("run.start")
    assert start and window.toasts.newest.accessibleName().endswith(start)
    window.toasts.newest.dismiss()
    window.state.open_project(project_dir)
    qtbot.keyClick(window, Qt.Key.Key_W, CONTROL)
    assert window.state.session is None and not window.toasts.isVisible()


def drop(window, *paths) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(QPointF(400, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, NONE)
    window.dropEvent(event)


def test_a_project_or_a_model_dropped_on_any_page_is_opened(window, project_dir, images, tmp_path):
    assert drops.meaning([images]).kind == "source"
    assert drops.meaning([images / "red" / "red_000.png"]).kind == "images"
    window.show_page("settings")
    drop(window, project_dir)
    assert window.state.path == project_dir and window.current_page.name == "project"
    model = tmp_path / "elsewhere" / "model.onnx"
    model.parent.mkdir()
    model.write_bytes(b"")
    window.show_page("label")
    drop(window, model)
    assert window.current_page.name == "try" and window.page("try").model() == model
