"""The end of a job is announced: on the page, in the window, and outside it while the window is inactive."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from gui.shell.notify import Notifier, ending_of
from gui.tasks import Failure, Lane, Outcome, Task
from visionft.events import EpochDone
from visionft.training.runs.run_folder import TrainResult

TASK = Task(title="Training ResNet-18", work=lambda **_: None, lane=Lane.TRAINING, page="train")
BEST = EpochDone(
    epoch=7, epochs=9, train_loss=0.1, train_accuracy=1, val_loss=0.2, val_accuracy=0.934, learning_rate=0.1, seconds=1,
    images_per_second=1, is_best=True,
)  # fmt: skip
RESULT = TrainResult(
    run="001", best=BEST, seconds=80, stopped=False, trainable_parameters=1, total_parameters=2, device="cpu",
    precision="fp32",
)  # fmt: skip


@pytest.fixture
def said(monkeypatch):
    """Replace the system's tray, missing on the offscreen platform; return its received messages."""
    shown, alerts = [], []
    monkeypatch.setattr(QSystemTrayIcon, "isSystemTrayAvailable", staticmethod(lambda: True))
    monkeypatch.setattr(QSystemTrayIcon, "show", lambda self: None)
    monkeypatch.setattr(QSystemTrayIcon, "showMessage", lambda self, *inputs: shown.append(inputs[:2]))
    monkeypatch.setattr(QApplication, "alert", staticmethod(lambda window, *_: alerts.append(window)))
    return shown, alerts


def finish(qtbot, window, result, *, page="train"):
    task = Task(title="Training ResNet-18", work=lambda **_: result, lane=Lane.TRAINING, page=page)
    window.state.tasks.run(task, owner=window)
    qtbot.waitUntil(lambda: not window.state.tasks.pending)


def test_a_finished_run_leads_to_its_results(qtbot, window, project_dir):
    window.state.open_project(project_dir)
    window.show_page("label")
    finish(qtbot, window, RESULT)
    assert window.toasts.message() == "Training ResNet-18: done"
    assert window.toasts.newest.hint() == "Validation accuracy 93.4%, in epoch 7; it took 1 min 20 s."
    window.toasts.newest.way_button.click()
    assert window.current_page.name == "results" and not window.toasts.message()


def test_the_page_that_shows_the_job_needs_no_banner(qtbot, window):
    window.show_page("settings")
    finish(qtbot, window, Path("result"), page="settings")
    assert window.toasts.message() == ""


def test_who_looks_elsewhere_is_told_by_the_system(qtbot, window, said, monkeypatch):
    shown, alerts = said
    finish(qtbot, window, RESULT)
    assert not shown and not alerts
    monkeypatch.setattr(window, "isActiveWindow", lambda: False)
    finish(qtbot, window, RESULT)
    assert alerts == [window]
    assert shown[0] == ("Training ResNet-18: done", "Validation accuracy 93.4%, in epoch 7; it took 1 min 20 s.")


def test_a_failure_is_told_as_well_and_a_stop_is_not():
    failed = ending_of(Outcome(task=TASK, failure=Failure(message="There is not enough memory.", hint="Close others.")))
    assert failed is not None and failed.title.endswith("failed") and failed.words == "There is not enough memory."
    assert ending_of(Outcome(task=TASK, result=RESULT, was_stopped=True)) is None
    solved = replace(RESULT, best=replace(BEST, epoch=0, epochs=0))
    ending = ending_of(Outcome(task=TASK, result=solved, seconds=80))
    assert ending is not None and ending.words == "Validation accuracy 93.4%; it took 1 min 20 s."


@pytest.mark.qt_log_ignore("does not support raise")
def test_a_click_on_the_notification_brings_the_window_forward(qtbot, window, said, monkeypatch):
    notifier = Notifier(window)
    monkeypatch.setattr(window, "isActiveWindow", lambda: False)
    assert notifier.tell("Done", "Words")
    monkeypatch.undo()
    window.showMinimized()
    assert notifier._tray is not None
    notifier._tray.messageClicked.emit()
    assert not window.isMinimized() and not notifier._tray.isVisible()
