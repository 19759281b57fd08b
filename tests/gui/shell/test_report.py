"""Help > Copy report: the shown text is the copied one."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit

from gui.errors import ReportDialog
from visionft.core.log import log_file

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def told(project_dir: Path) -> str:
    """Write a log with an image's name, and the project outside of any path; return the image's name."""
    log_file().parent.mkdir(parents=True)
    log_file().write_text(f"refused: {project_dir / 'grandma.jpg'} is missing\nleft {project_dir.name} at noon\n")
    return "grandma.jpg"


def test_the_menu_opens_the_report_and_the_button_copies_what_is_left_in_it(qtbot, window, project_dir, told):
    window.state.open_project(project_dir)
    window.commands.action("help.report").trigger()
    (dialog,) = window.findChildren(ReportDialog)
    assert told in dialog.report()
    view = dialog.findChild(QPlainTextEdit)
    view.setPlainText(dialog.report().replace(told, ""))
    qtbot.mouseClick(dialog.copy_button, LEFT)
    assert QGuiApplication.clipboard().text() == dialog.report() and told not in dialog.report()
    dialog.accept()


def test_the_report_of_a_bug_has_its_traceback(qtbot, window, told):
    dialog = ReportDialog(window, "Traceback\nOSError: [Errno 5] broken")
    qtbot.addWidget(dialog)
    assert "broken" in dialog.report() and told in dialog.report()
