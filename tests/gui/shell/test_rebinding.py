"""A changed key shows everywhere it is named; an unavailable command gives its reason."""

import re
from functools import partial

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from gui.label.label_page import LabelPage
from gui.shell.shortcut_sheet import ShortcutSheet

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
NONE = Qt.KeyboardModifier.NoModifier


def rebind(qtbot, window, name: str, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
    """Change a key as the user does, in the settings."""
    before = window.current_page.name
    window.show_page("settings")
    qtbot.mouseClick(window.page("settings").switch.buttons["keys"], LEFT)
    field = window.page("settings").keys.fields[name]
    qtbot.waitUntil(lambda: field.height() >= field.minimumSizeHint().height())  # laid out
    qtbot.mouseClick(field, LEFT)
    qtbot.keyClick(field, key, modifiers)
    window.show_page(before)


def on_sheet(window) -> list[str]:
    """Return all keys on the sheet."""
    sheet = ShortcutSheet(window, window.commands.groups())
    keys = [label.text() for label in sheet.findChildren(QLabel) if label.property("role") == "key"]
    sheet.deleteLater()
    return keys


@pytest.fixture
def label(open_page) -> LabelPage:
    return open_page("label")


def test_a_new_key_of_undo_shows_in_menu_palette_sheet_and_on_the_button(qtbot, window, label):
    title = window.state.actions.title("edit.undo")
    assert label.undo_button.toolTip() == f"{title} (Ctrl+Z)" and "Ctrl+Z" in on_sheet(window)
    rebind(qtbot, window, "edit.undo", Qt.Key.Key_U, CONTROL)
    assert window.commands.action("edit.undo").shortcut().toString() == "Ctrl+U"
    assert {command.title: command.keys for command in window.commands.listed()}[title] == "Ctrl+U"
    assert "Ctrl+U" in on_sheet(window) and "Ctrl+Z" not in on_sheet(window)
    assert label.undo_button.toolTip() == f"{title} (Ctrl+U)"


def keys_of_hint(page: LabelPage) -> list[list[str]]:
    """Return the keys in each visible text of the label page."""
    shown = [label.text() for label in page.findChildren(QLabel) if label.isVisible()]
    return [re.findall(r"Backspace|Ctrl\+D|Enter|Del|F4|\b[A-Z]\b|\?", text) for text in shown]


def test_new_keys_show_in_the_hint_line_and_the_viewer_and_do_what_they_say(qtbot, window, label):
    before = keys_of_hint(label)
    assert ["Backspace", "A", "D", "Ctrl+D", "Enter", "Del", "?"] in before
    rebind(qtbot, window, "label.next", Qt.Key.Key_G)
    rebind(qtbot, window, "label.clear", Qt.Key.Key_Backspace)  # none
    rebind(qtbot, window, "label.accept", Qt.Key.Key_F4)
    rebind(qtbot, window, "viewer.close", Qt.Key.Key_Q)
    assert ["A", "G", "Ctrl+D", "F4", "Del", "?"] in keys_of_hint(label)
    qtbot.keyClick(label.grid, Qt.Key.Key_F4)
    assert "(G)" in label.viewer.next_button.toolTip() and "(Q)" in label.viewer.back_button.toolTip()
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
    redo, why_not = window.commands.action("edit.redo"), partial(window.state.actions.why_not, "edit.redo")
    assert not redo.isEnabled() and redo.toolTip() == why_not()
    window.state.create_project(tmp_path / "empty")
    window.show_page("label")
    assert redo.toolTip() == redo.statusTip() == why_not()
    assert window.page("label").redo_button.toolTip().endswith(f"(Ctrl+Shift+Z)\n{why_not()}")
    window.show_palette()
    palette = window.palette_dialog
    assert {each.title: each.why_not for each in palette.listed()}["Redo"] == why_not()
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
    assert window.toasts.message() == evaluate.toolTip()
    assert not evaluate.isEnabled()
