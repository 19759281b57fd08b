"""An unavailable command gives its reason wherever it is shown."""

from functools import partial

from PySide6.QtCore import Qt

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier


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
