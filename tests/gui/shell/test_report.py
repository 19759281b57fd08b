"""Help > Copy report: the shown text is the copied one, with names only if the user agrees."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from gui.errors import BugDialog, ReportDialog
from visionft.log import log_file

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def told(project_dir: Path) -> str:
    """Write a log with an image's name, and the project outside of any path; return the image's name."""
    log_file().parent.mkdir(parents=True)
    log_file().write_text(f"refused: {project_dir / 'grandma.jpg'} is missing\nleft {project_dir.name} at noon\n")
    return "grandma.jpg"


def test_the_menu_opens_the_report_and_the_button_copies_what_is_shown(qtbot, window, project_dir, told):
    window.state.open_project(project_dir)
    window.commands.action("help.report").trigger()
    (dialog,) = window.findChildren(ReportDialog)
    assert not isinstance(dialog, BugDialog) and not dialog.names_box.isChecked()
    assert "<path>" in dialog.report() and "<name>" in dialog.report()
    qtbot.mouseClick(dialog.copy_button, LEFT)
    assert QGuiApplication.clipboard().text() == dialog.report() and told not in dialog.report()

    dialog.names_box.setFocus()
    qtbot.keyClick(dialog.names_box, Qt.Key.Key_Space)
    assert told in dialog.report() and told not in QGuiApplication.clipboard().text()
    qtbot.mouseClick(dialog.copy_button, LEFT)
    assert QGuiApplication.clipboard().text() == dialog.report()
    dialog.accept()


def test_the_report_of_a_bug_names_nothing_either_until_asked(qtbot, window, told):
    dialog = BugDialog(window, "Traceback\nOSError: [Errno 5] broken: '/home/anna/cats/a b.jpg'")
    qtbot.addWidget(dialog)
    assert "broken: '<path>'" in dialog.report() and told not in dialog.report()
    dialog.names_box.click()
    assert "/home/anna/cats" in dialog.report() and told in dialog.report()
