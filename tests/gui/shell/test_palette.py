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
    ("typed", "title"),
    [
        ("split", "Split into training, validation and test"),
        ("export lab", "Export labels"),
        ("lost", "Find missing images again"),
        ("font", "Larger text"),
        ("delete project", "Move to the trash"),
    ],
)
def test_a_word_finds_its_command(qtbot, palette, typed, title):
    qtbot.keyClicks(palette.field, typed)
    assert palette.titles()[0] == title


def test_nothing_found_is_said(qtbot, palette):
    qtbot.keyClicks(palette.field, "zzqx")
    assert not palette.list.isVisible() and "zzqx" in palette.said() and "Try another word" in palette.said()
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert palette.isVisible()
    palette.field.clear()
    assert palette.list.isVisible() and palette.said() == ""
