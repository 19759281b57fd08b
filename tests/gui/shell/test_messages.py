"""What the window says over its pages, and when it takes it back."""

import threading
import time

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from gui.tasks import Lane, Task
from visionft.errors import StoppedError
from visionft.project.edits.changes import AddClass

LEFT = Qt.MouseButton.LeftButton


def test_a_message_moves_no_page(window, project_dir):
    window.state.open_project(project_dir)
    QApplication.processEvents()
    before = window.current_page.geometry(), window.job_bar.geometry()
    window.state.say("Something is wrong.", "Here is what to do about it.", tone="bad")
    QApplication.processEvents()
    assert window.toasts.isVisible()
    assert (window.current_page.geometry(), window.job_bar.geometry()) == before


def test_undo_in_a_toast_takes_back_just_what_it_names(qtbot, window, project_dir):
    window.state.open_project(project_dir)
    session = window.state.session
    session.apply(AddClass("one"))
    window.state.say("Added one class.", tone="good", command="edit.undo")
    qtbot.mouseClick(window.toasts.newest.way_button, LEFT)
    assert "one" not in session.snapshot().class_names
    session.apply(AddClass("one"))
    window.state.say("Added one class.", tone="good", command="edit.undo")
    session.apply(AddClass("two"))
    assert window.toasts.message() == ""  # it would take back the second class


def test_a_task_that_was_stopped_did_not_go_wrong(qtbot, window):
    begun = threading.Event()

    def work(*, on_event, should_stop):
        begun.set()
        while not should_stop():
            time.sleep(0.005)
        raise StoppedError("Evaluation was stopped.", "Start it again when you like.")

    handle = window.state.tasks.run(
        Task(title="Evaluating", work=work, lane=Lane.COMPUTE, page="results"),
        owner=window,
        on_done=lambda _result: None,
    )
    qtbot.waitUntil(begun.is_set)
    handle.stop()
    qtbot.waitUntil(lambda: window.toasts.message() == "Evaluation was stopped.")
    assert window.toasts.newest.tone == "info"


def test_what_was_said_of_a_project_goes_with_it(window, project_dir):
    window.state.open_project(project_dir)
    window.state.say("A picture is missing.", tone="bad")
    window.state.close_project()
    assert window.toasts.messages() == []


def test_the_keyboard_reaches_a_message_and_comes_back(qtbot, window):
    window.show_page("settings")
    window.state.say("The disk is full.", tone="bad")
    qtbot.keyClick(window, Qt.Key.Key_F6)
    assert window.toasts.newest.has_focus()
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert not window.toasts.isVisible() and window.isAncestorOf(QApplication.focusWidget())
