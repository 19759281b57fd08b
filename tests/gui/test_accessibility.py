"""Every control can be reached by the Tab key and has a name for screen readers."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLineEdit,
    QScrollBar,
    QWidget,
)

from gui.app import create_window
from gui.kit.translation import use_language
from gui.preferences import Settings
from gui.shell.project_care import HistoryDialog, LabelExportDialog, RemovedDialog
from visionft.project.db.journal import Step
from visionft.project.queries import ImageRow

pytestmark = pytest.mark.usefixtures("styled")
PAGES = ("project", "label", "curate", "train", "results", "export", "try", "settings")
CONTROLS = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)


def controls(window: QWidget) -> list[QWidget]:
    """Return the controls available to a mouse, without the inner parts of Qt's own widgets."""
    found = [each for each in window.findChildren(QWidget) if isinstance(each, CONTROLS)]
    return [each for each in found if each.isVisible() and each.isEnabled() and not is_inner(each)]


def is_inner(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    is_qt_part = widget.objectName().startswith("qt_") or isinstance(widget, QHeaderView | QScrollBar)
    in_field = isinstance(parent, QLineEdit | QAbstractSpinBox | QComboBox | QAbstractItemView)
    in_popup = parent is not None and parent.metaObject().className() == "QComboBoxPrivateContainer"
    return is_qt_part or in_field or in_popup


def is_other_of_group(widget: QWidget, reached: list[QWidget]) -> bool:
    """Return whether the arrow keys lead here from a button of its exclusive group, reached by Tab."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    return group is not None and group.exclusive() and bool(set(group.buttons()) & set(reached))


def tab_through(qtbot, window: QWidget) -> list[QWidget]:
    """Press Tab until the focus comes round."""
    seen: list[QWidget] = []
    for _ in range(600):
        now = QApplication.focusWidget()
        assert now is not None and now.window() is window
        if now in seen:
            return seen
        seen.append(now)
        qtbot.keyClick(now, Qt.Key.Key_Tab)
    raise AssertionError("the focus never comes round")


@pytest.mark.parametrize("name", PAGES)
def test_the_tab_key_reaches_every_control(qtbot, window, project_dir, name):
    window.state.open_project(project_dir)
    window.show_page(name)
    QApplication.processEvents()
    window.rail.button(name).setFocus(Qt.FocusReason.TabFocusReason)
    reached = tab_through(qtbot, window)
    missed = [each for each in controls(window) if each not in reached and not is_other_of_group(each, reached)]
    assert not [describe(each) for each in missed] and len(reached) >= 2
    assert not [describe(each) for each in controls(window) if not spoken(each)]


def spoken(widget: QWidget) -> str:
    interface = QAccessible.queryAccessibleInterface(widget)
    said = interface.text(QAccessible.Text.Name) if interface is not None else ""
    return said or widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton) else "")


def describe(widget: QWidget) -> str:
    words = widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton | QLineEdit) else "")
    return f"{type(widget).__name__} “{words}” in {type(widget.parentWidget()).__name__}"


def test_a_dialog_closes_by_escape_and_gives_the_focus_back(qtbot, window):
    window.rail.button("label").setFocus()
    window.show_shortcuts()
    qtbot.keyClick(window.shortcut_sheet, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: QApplication.focusWidget() is window.rail.button("label"))


def test_the_tab_key_reaches_a_message(qtbot, window):
    window.state.show_message("Full.", "Free some.", tone="bad", details="why", command="help.report")
    window.rail.button("project").setFocus(Qt.FocusReason.TabFocusReason)
    toast, reached = window.toasts.newest, tab_through(qtbot, window)
    assert {toast.action_button, toast.details_button, toast.close_button} <= set(reached)
    assert spoken(toast.close_button) and "Full." in spoken(toast) and "Free some." in spoken(toast)


@pytest.mark.parametrize("name", ["history", "export", "removed"])
def test_the_dialogs_of_the_project_menu_are_used_by_keys_alone(qtbot, window, project_dir, tmp_path, name):
    window.state.open_project(project_dir)
    dialog = {
        "history": lambda: HistoryDialog(window, (Step(1, "Add class “a”", 0, False),)),
        "export": lambda: LabelExportDialog(window, name="Parts", folder=tmp_path),
        "removed": lambda: RemovedDialog(
            window, (ImageRow(1, tmp_path / "a.png", 4, 4, ("a",), None, None, None, ()),)
        ),
    }[name]()
    dialog.open()
    qtbot.waitUntil(dialog.isActiveWindow)
    dialog.focusWidget() or dialog.focusNextChild()
    reached = tab_through(qtbot, dialog)
    missed = [each for each in controls(dialog) if each not in reached and not is_other_of_group(each, reached)]
    assert not [describe(each) for each in missed] and not [each for each in controls(dialog) if not spoken(each)]
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    dialog.deleteLater()


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_menus_are_reached_by_a_letter_each(qtbot, qapp, state, language):
    state.settings = Settings(language=language)
    window = create_window(qapp, state)
    qtbot.addWidget(window)
    titles = [action.text() for action in window.menuBar().actions()]
    letters = [title.partition("&")[2][:1].casefold() for title in titles]
    assert "" not in letters and len(set(letters)) == len(letters)
    window.close()
    use_language("en")
