"""The window's messages over its pages, and when they close."""

import threading
import time

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from gui.tasks import Lane, Task
from visionft.jobs import JobCancelled
from visionft.project.edits.changes import AddClass

LEFT = Qt.MouseButton.LeftButton


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

    def work(*, job):
        begun.set()
        while not job.is_cancelled:
            time.sleep(0.005)
        raise JobCancelled

    task = Task(title="Evaluating", work=work, lane=Lane.COMPUTE, page="results")
    handle = window.state.tasks.run(task, owner=window)
    qtbot.waitUntil(begun.is_set)
    handle.stop()
    qtbot.waitUntil(lambda: window.toasts.message() == "The job was cancelled.")
    assert window.toasts.newest.tone == "info"


def test_what_was_said_of_a_project_goes_with_it(window, project_dir):
    window.state.open_project(project_dir)
    window.state.say("An image is missing.", tone="bad")
    window.state.close_project()
    assert window.toasts.messages() == []


def test_the_keyboard_reaches_a_message_and_comes_back(qtbot, window):
    window.show_page("settings")
    window.state.say("The disk is full.", tone="bad")
    qtbot.keyClick(window, Qt.Key.Key_F6)
    assert window.toasts.newest.has_focus()
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert not window.toasts.isVisible() and window.isAncestorOf(QApplication.focusWidget())
