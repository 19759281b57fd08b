"""The palette finds a command by title, initials and synonyms; it is never blank."""

import pytest
from PySide6.QtCore import Qt


@pytest.fixture
def palette(window, project_dir):
    window.state.open_project(project_dir)
    window.show_palette()
    yield window.palette_dialog
    window.palette_dialog.reject()


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("split", "project.split"), ("export lab", "project.export_labels"), ("lost", "project.relink"),
        ("font", "view.larger"), ("delete project", "project.delete"), ("go res", "page.results"),
    ],
)  # fmt: skip
def test_a_word_finds_its_command(qtbot, window, palette, typed, command):
    qtbot.keyClicks(palette.field, typed)
    assert palette.listed()[0].title == window.state.actions.title(command)


def test_nothing_found_is_said(qtbot, palette):
    qtbot.keyClicks(palette.field, "zzqx")
    assert not palette.list.isVisible() and "zzqx" in palette.nothing.text()
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.field.clear()
    assert palette.list.isVisible() and palette.nothing.isHidden()
