"""Messages over the pages, when they close, and outside the window while it is inactive."""

import dataclasses

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from run_events import ended_run, epoch_done

from gui.jobs import Job, Lane
from gui.shell.messages import ending_of
from visionft.core.errors import VisionFTError
from visionft.project.edits.changes import AddClass
from visionft.training.evaluation.stored import Evaluation

LEFT = Qt.MouseButton.LeftButton


def test_undo_in_a_toast_takes_back_just_what_it_names(qtbot, window, project_dir):
    window.state.open_project(project_dir)
    session = window.state.session
    session.apply(AddClass("one"))
    window.state.show_message("Added one class.", tone="good", command="edit.undo")
    qtbot.mouseClick(window.toasts.newest.action_button, LEFT)
    assert "one" not in session.snapshot().class_names
    session.apply(AddClass("one"))
    window.state.show_message("Added one class.", tone="good", command="edit.undo")
    session.apply(AddClass("two"))
    assert window.toasts.message() == ""  # it would take back the second class


def test_the_keyboard_reaches_a_message_and_comes_back(qtbot, window):
    window.show_page("settings")
    window.state.show_message("The disk is full.", tone="bad")
    qtbot.keyClick(window, Qt.Key.Key_F6)
    assert window.toasts.newest.has_focus()
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert not window.toasts.isVisible() and window.isAncestorOf(QApplication.focusWidget())


JOB = Job(title="Training ResNet-18", work=lambda **_: None, lane=Lane.TRAINING, page="train")
BEST = epoch_done(epoch=7, epochs=9, val_accuracy=0.934)
TESTED = Evaluation(
    run="001-run",
    split="test",
    images=60,
    top1=0.694,
    top1_interval=(0.56, 0.79),
    balanced_accuracy=0.7,
    ece=0.1,
    temperature=1.0,
    per_class={},
    confusion=(),
    unreadable=0,
)
RUN = ended_run(best=BEST, seconds=80)
RESULT = dataclasses.replace(RUN, evaluations={"test": TESTED})


def finish(qtbot, window, result, *, page="train"):
    job = Job(title="Training ResNet-18", work=lambda **_: result, lane=Lane.TRAINING, page=page)
    window.state.jobs.run(job, owner=window)
    qtbot.waitUntil(lambda: not window.state.jobs.pending)


def test_a_finished_run_leads_to_its_results(qtbot, window, project_dir):
    window.state.open_project(project_dir)
    window.show_page("label")
    finish(qtbot, window, RESULT)
    assert JOB.title in window.toasts.message()
    assert all(each in window.toasts.newest.hint() for each in ("69.4%", "60", "1 min"))
    assert not any(each in window.toasts.newest.hint() for each in ("93.4%", " s."))
    window.toasts.newest.action_button.click()
    assert window.current_page.name == "results" and not window.toasts.message()


def ended(work) -> Job:
    """Return a job after its end."""
    job = Job(title=JOB.title, work=work, lane=Lane.TRAINING, page="train")
    job.begin()
    job.wait()
    return job


def test_a_failure_is_told_as_well_and_a_stop_is_not(qapp):
    def fail(*, job):
        raise VisionFTError("E1", "Close others.")

    failed = ending_of(ended(fail))
    assert failed is not None and JOB.title in failed.title and failed.words == "E1"
    stopped = ended(lambda **_: RESULT)
    stopped.was_stopped = True
    assert ending_of(stopped) is None
    ending = ending_of(ended(lambda **_: RUN))
    assert ending is not None and "%" not in ending.words  # what chose the epoch is no accuracy
