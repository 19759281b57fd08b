"""Nothing is cut at the smallest size: with large text, with words 40 % longer, on every page and in every dialog."""

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

from gui import i18n
from gui.app import create_window
from gui.settings import Settings
from gui.state import AppState
from gui.theme import apply_theme
from gui.widgets.new_project import NewProjectDialog
from gui.widgets.parts import Button, ElidedLabel, Label, text


@pytest.fixture(
    params=[(1.0, "en"), (1.5, "en"), (1.0, i18n.PSEUDO), (1.0, "de")], ids=lambda each: f"{each[0]}-{each[1]}"
)
def window(request, qtbot, qapp):
    scale, language = request.param
    state = AppState()
    state.settings = Settings(theme="light", font_scale=scale, language=language)
    window = create_window(qapp, state)
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    yield window
    window.close()
    state.deleteLater()
    i18n.use_language(i18n.ENGLISH)
    apply_theme(qapp, "light")


def test_no_text_is_cut_on_any_page(window, project_dir):
    clipped = look(window, "welcome", window)
    window.state.open_project(project_dir)
    for name in window.entries:
        window.show_page(name)
        clipped += look(window.page(name), name, window)
    window.state.message_raised.emit("The disk is full.", "Free some space and try again.", "bad", "Traceback")
    clipped += look(window.banner, "banner", window)
    assert not clipped


def test_no_text_is_cut_in_dialogs(window, tmp_path):
    window.show_shortcuts()
    clipped = look(window.shortcut_sheet, "sheet", window)
    window.shortcut_sheet.reject()
    dialog = NewProjectDialog(window, folder=tmp_path, name="Parts")
    dialog.show()
    clipped += look(dialog, "new project", window)
    dialog.close()
    dialog.deleteLater()
    assert not clipped


def look(root: QWidget, where: str, window: QWidget) -> list[str]:
    """Return what is cut, once the layouts have settled."""
    for _ in range(6):
        QApplication.processEvents()
    assert window.width() == 1280 and window.height() == 800, f"{where} pushes the window apart"
    visible = [widget for widget in root.findChildren(QWidget) if widget.isVisible()]
    cut = [widget for widget in visible if isinstance(widget, QLabel | QAbstractButton) and is_cut(widget)]
    return [f"{where}: {each.text()} {each.size().toTuple()} of {each.sizeHint().toTuple()}" for each in cut]


def is_cut(widget: QLabel | QAbstractButton) -> bool:
    """Tell whether a text has less room than it asks for; what shortens itself on purpose never is."""
    if isinstance(widget, ElidedLabel) or not widget.text():
        return False
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.height() + 1 < widget.heightForWidth(widget.width())
    needed = widget.sizeHint() if isinstance(widget, QLabel) else widget.minimumSizeHint()
    return widget.width() + 1 < needed.width() or widget.height() + 1 < needed.height()


def test_the_check_finds_a_cut_text(qtbot):
    for widget in (text("A long text that has no room"), Button("A long label that has no room")):
        qtbot.addWidget(widget)
        assert isinstance(widget, Label | Button)
        widget.setFixedWidth(40)
        assert is_cut(widget)
