"""A changed key shows everywhere it is named; an unavailable command gives its reason."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMenu

from gui.label.label_page import LabelPage
from gui.shell.palette import CommandPalette
from gui.shell.shortcut_sheet import ShortcutSheet

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
NONE = Qt.KeyboardModifier.NoModifier


def rebind(qtbot, window, name: str, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Change a key as the user does, in the settings."""
    before = window.current_page.name
    window.show_page("settings")
    field = window.page("settings").keys.fields[name]
    qtbot.mouseClick(field, LEFT)
    qtbot.keyClick(field, key, modifiers)
    window.show_page(before)


def in_palette(window, title: str) -> str:
    """Return the keys next to a command in the palette."""
    palette = CommandPalette(window, window.commands.listed())
    shown = {item.title: item.keys for item in palette.listed()}
    palette.deleteLater()
    return shown[title]


def on_sheet(window) -> list[str]:
    """Return all keys on the sheet."""
    sheet = ShortcutSheet(window, window.commands.groups())
    keys = [label.text() for label in sheet.findChildren(QLabel) if label.property("role") == "key"]
    sheet.deleteLater()
    return keys


def in_menus(window) -> dict[str, str]:
    """Return {title: keys} of all entries of the menus."""
    menus = [menu for menu in window.menuBar().findChildren(QMenu) if menu.title()]
    entries = [entry for menu in menus for entry in menu.actions() if not entry.isSeparator()]
    return {entry.text(): entry.shortcut().toString() for entry in entries}


@pytest.fixture
def label(window, project_dir) -> LabelPage:
    window.state.open_project(project_dir)
    window.show_page("label")
    page = window.page("label")
    assert isinstance(page, LabelPage)
    return page


def test_a_new_key_of_undo_shows_in_menu_palette_sheet_and_on_the_button(qtbot, window, label):
    title = "Undo: Split 25 images"
    assert label.undo_button.toolTip() == f"{title} (Ctrl+Z)" and "Ctrl+Z" in on_sheet(window)
    rebind(qtbot, window, "edit.undo", Qt.Key.Key_U, CONTROL)
    assert in_menus(window)[title] == "Ctrl+U"
    assert in_palette(window, title) == "Ctrl+U"
    assert "Ctrl+U" in on_sheet(window) and "Ctrl+Z" not in on_sheet(window)
    assert label.undo_button.toolTip() == f"{title} (Ctrl+U)"


def test_a_new_key_of_starting_and_of_the_queue_shows_on_the_train_page(qtbot, window, label):
    window.show_page("train")
    page = window.page("train")
    assert page.start_button.toolTip() == "Start training (Ctrl+Enter)"
    rebind(qtbot, window, "run.start", Qt.Key.Key_F5)
    rebind(qtbot, window, "queue.up", Qt.Key.Key_X)
    assert page.start_button.toolTip() == "Start training (F5)" and page.queue.up_button.toolTip() == "Move up (X)"
    assert in_menus(window)["Start training"] == in_palette(window, "Start training") == "F5"
    assert "X" in on_sheet(window)


def hints(page: LabelPage) -> list[str]:
    """Return the visible texts of the label page."""
    return [shown.text() for shown in page.findChildren(QLabel) if shown.isVisible()]


def test_new_keys_show_in_the_hint_line_and_the_viewer_and_do_what_they_say(qtbot, window, label):
    moves = "Backspace clears, A and D move, Ctrl+D next without label, Enter opens, Del removes, ? all keys"
    before = f"0-9 and letters label, {moves}"
    assert before in hints(label)
    rebind(qtbot, window, "label.next", Qt.Key.Key_G)
    rebind(qtbot, window, "label.clear", Qt.Key.Key_Backspace)  # none
    rebind(qtbot, window, "label.accept", Qt.Key.Key_F4)
    rebind(qtbot, window, "viewer.close", Qt.Key.Key_Q)
    after = "0-9 and letters label, A and G move, Ctrl+D next without label, F4 opens, Del removes, ? all keys"
    assert after in hints(label) and before not in hints(label)
    qtbot.keyClick(label.grid, Qt.Key.Key_F4)
    assert label.viewer.next_button.toolTip() == "Next image (G)"
    assert label.viewer.back_button.toolTip() == "Back to the grid (Q)"
    qtbot.keyClick(label.viewer.view, Qt.Key.Key_G)
    assert label.grid.selection.place == 1
    qtbot.keyClick(label.viewer.view, Qt.Key.Key_Q)
    assert label.grid.isVisible()


def test_a_new_key_of_pasting_shows_where_images_are_dropped(qtbot, window):
    rebind(qtbot, window, "try.paste", Qt.Key.Key_F7)
    words = [label.text() for label in window.page("try").drop_zone.findChildren(QLabel)]
    assert any("F7" in each for each in words)
    assert "(F7)" in window.page("try").paste_button.toolTip()


def test_what_cannot_be_done_says_why_in_menu_palette_and_on_the_button(qtbot, window, tmp_path):
    redo = window.commands.action("edit.redo")
    assert not redo.isEnabled() and redo.toolTip() == "Open a project first."
    window.state.create_project(tmp_path / "empty")
    window.show_page("label")
    assert redo.toolTip() == redo.statusTip() == "Nothing to redo"
    assert window.page("label").redo_button.toolTip() == "Redo (Ctrl+Shift+Z)\nNothing to redo"
    window.show_palette()
    palette = window.palette_dialog
    assert palette.reasons()["Redo"] == "Nothing to redo" and "Redo" not in palette.titles()
    qtbot.keyClicks(palette.field, "Redo")
    while palette.list.currentItem().text() != "Redo":
        qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()  # nothing was done
    palette.reject()


def test_a_page_that_was_not_looked_at_yet_says_why_when_its_command_is_chosen(window, project_dir):
    window.state.open_project(project_dir)
    evaluate = window.commands.action("run.evaluate")
    evaluate.trigger()
    assert window.current_page.name == "results"
    assert window.toasts.message() == evaluate.toolTip() == "Choose a training run first."
    assert not evaluate.isEnabled()
