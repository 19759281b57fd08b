"""Lanes: concurrent jobs, waiting jobs with their reason, and results delivered only while their owner exists."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QObject, QThread
from PySide6.QtWidgets import QLabel

from gui import tasks as tasks_module
from gui.kit.workers import work_let_go
from gui.tasks import Lane, Priority, Task, Tasks, reason_to_wait
from visionft.errors import RunError
from visionft.events import Notice, Progress


class Gate:
    """A job: runs until released or cancelled, and returns its result."""

    def __init__(self, result: object = None) -> None:
        self.begun, self.open, self.was_stopped = threading.Event(), threading.Event(), False
        self._result = result

    def __call__(self, *, job) -> object:
        self.begun.set()
        while not self.open.wait(0.003):
            if job.is_cancelled:
                self.was_stopped = True
                break
        return self._result


class Deaf(Gate):
    """A job that never asks whether it is cancelled."""

    def __call__(self, *, job) -> object:
        self.begun.set()
        self.open.wait(20)
        return 1


def task(work: Callable[..., object], lane: Lane, title: str = "A task", **values) -> Task:
    return Task(title=title, work=work, lane=lane, page="settings", **values)


@pytest.fixture
def owner(qapp) -> Iterator[QObject]:
    owner = QObject()
    yield owner
    if shiboken6.isValid(owner):
        owner.deleteLater()


@pytest.fixture
def tasks(qapp) -> Iterator[Tasks]:
    tasks = Tasks()
    yield tasks
    tasks.end(lambda _task: True)
    tasks.deleteLater()


@pytest.fixture
def run(tasks: Tasks, owner: QObject) -> Callable[..., Task[Any]]:
    def hand_in(work, lane, title="A task", *, on_done=lambda _result: None, **values) -> Task[Any]:
        hooks = {name: values.pop(name) for name in ("on_failed", "on_event", "on_end") if name in values}
        return tasks.run(task(work, lane, title, **values), owner=owner, on_done=on_done, **hooks)

    return hand_in


def test_training_evaluating_and_importing_go_on_at_once(qtbot, tasks, run):
    gates = {lane: Gate() for lane in Lane}
    for lane, gate in gates.items():
        run(gate, lane, writes=lane is Lane.DISK, device=lane is not Lane.DISK)
    assert all(gate.begun.wait(5) for gate in gates.values())
    assert len(tasks.running) == len(Lane) and not tasks.waiting
    for gate in gates.values():
        gate.open.set()
    qtbot.waitUntil(lambda: not tasks.pending)


def test_a_second_task_of_a_lane_waits_its_turn_and_says_for_what(qtbot, tasks, run):
    first, second, third, results = Gate(1), Gate(2), Gate(3), []
    run(first, Lane.COMPUTE, "Evaluating", on_done=results.append)
    waiting = [run(gate, Lane.COMPUTE, "Next", on_done=results.append) for gate in (second, third)]
    assert all("Evaluating" in handle.waits_for for handle in waiting)
    assert first.begun.wait(5) and not second.begun.is_set()
    first.open.set()
    qtbot.waitUntil(lambda: waiting[0].is_running)
    assert waiting[0].waits_for == "" and not third.begun.is_set()
    second.open.set()
    third.open.set()
    qtbot.waitUntil(lambda: not tasks.pending)
    assert results == [1, 2, 3]


def test_two_tasks_that_change_the_project_wait_for_each_other_across_lanes(qtbot, tasks, run):
    importing, changing = Gate(), Gate()
    run(importing, Lane.DISK, "Importing", writes=True)
    second = run(changing, Lane.COMPUTE, "Cleaning", writes=True)
    reading = run(Gate(), Lane.TRAINING, "Training")
    assert "Importing" in second.waits_for and reading.is_running
    importing.open.set()
    qtbot.waitUntil(lambda: second.is_running)


def test_a_task_waits_for_memory_of_the_graphics_card_and_begins_when_there_is_enough(qtbot, qapp, owner, monkeypatch):
    monkeypatch.setattr(tasks_module, "LOOK_AGAIN_MS", 10)
    free = [500]
    tasks = Tasks(free_mb=lambda: free[0])
    tasks.run(task(Gate(), Lane.TRAINING, "Training", device=True), owner=owner, on_done=lambda _: None)
    evaluating = tasks.run(task(Gate(), Lane.COMPUTE, device=True), owner=owner, on_done=lambda _: None)
    importing = tasks.run(task(Gate(), Lane.DISK), owner=owner, on_done=lambda _: None)
    assert "500" in evaluating.waits_for and importing.is_running
    assert reason_to_wait(evaluating, tasks.running[:1], free_mb=None) == ""
    qtbot.wait(40)
    assert not evaluating.is_running
    free[0] = 9000
    qtbot.waitUntil(lambda: evaluating.is_running)
    tasks.end(lambda _task: True)
    tasks.deleteLater()


def test_measuring_gives_way_to_a_run_and_waits_beside_one(qtbot, tasks, run):
    measuring, training, ends = Gate(), Gate(), []
    run(
        measuring,
        Lane.COMPUTE,
        "Measuring",
        priority=Priority.MEASUREMENT,
        on_end=lambda task: ends.append(task.was_stopped),
    )
    assert measuring.begun.wait(5)
    started = run(training, Lane.TRAINING, "Training")
    assert "Measuring" in started.waits_for
    qtbot.waitUntil(lambda: started.is_running)
    assert ends == [True] and measuring.was_stopped
    again = run(Gate(), Lane.COMPUTE, "Measuring", priority=Priority.MEASUREMENT)
    evaluating = run(Gate(), Lane.COMPUTE, "Evaluating")
    assert "Training" in again.waits_for and evaluating.is_running


def test_images_are_predicted_beside_an_export_and_not_beside_a_measurement(qtbot, tasks, run):
    exporting, measuring, first, second = Gate(), Gate(), Gate(), Gate()
    run(exporting, Lane.COMPUTE, "Exporting", makes_files=True)
    assert run(first, Lane.PREDICTION, "Classifying").is_running
    measurement = run(measuring, Lane.COMPUTE, "Measuring", priority=Priority.MEASUREMENT)
    exporting.open.set()
    qtbot.waitUntil(lambda: "Classifying" in measurement.waits_for)
    first.open.set()
    qtbot.waitUntil(lambda: measurement.is_running)
    again = run(second, Lane.PREDICTION, "Classifying")
    assert "Measuring" in again.waits_for and not measuring.was_stopped
    measuring.open.set()
    qtbot.waitUntil(lambda: again.is_running)


def test_an_estimate_nobody_requested_is_let_go_for_any_task_and_heard_no_more(qtbot, tasks, run):
    estimate, asked, heard, ends = Deaf(), Gate(2), [], []
    run(estimate, Lane.COMPUTE, priority=Priority.UNREQUESTED, on_done=heard.append, on_end=ends.append)
    assert estimate.begun.wait(5) and not tasks.requested and not tasks.is_busy(Lane.COMPUTE)
    assert run(asked, Lane.COMPUTE, on_done=heard.append).is_running  # though the estimate never listens
    assert [task.was_stopped for task in ends] == [True] and len(work_let_go()) == 1
    estimate.open.set()
    asked.open.set()
    qtbot.waitUntil(lambda: not tasks.pending and not work_let_go())
    assert heard == [2]


@pytest.mark.parametrize(
    ("fields", "is_let_go"), [({}, True), ({"makes_files": True}, True), ({"writes": True}, False)]
)
def test_ending_waits_only_for_what_must_end(tasks, run, fields, is_let_go):
    deaf = Deaf()
    handle = run(deaf, Lane.DISK, **fields)
    assert handle.asks_to_close is bool(fields) and deaf.begun.wait(5)
    threading.Timer(0.6, deaf.open.set).start()
    tasks.end(lambda _task: True)
    assert deaf.open.is_set() is not is_let_go and not tasks.pending


def test_callbacks_come_on_the_main_thread_in_their_order(qtbot, qapp, run):
    heard = []

    def note(what: str) -> Callable[[object], None]:
        return lambda value: heard.append((what, value, QThread.currentThread() is qapp.thread()))

    def work(*, job):
        job.report(Notice(message="hello"))
        return 42

    run(work, Lane.DISK, on_event=note("event"), on_done=note("done"), on_end=lambda o: note("end")(o.result))
    qtbot.waitUntil(lambda: len(heard) == 3)
    assert heard == [("event", Notice(message="hello"), True), ("done", 42, True), ("end", 42, True)]


def test_nobody_is_called_once_the_owner_is_gone(qtbot, tasks, run, owner):
    gate, heard = Gate(), []
    run(gate, Lane.DISK, on_done=heard.append, on_event=heard.append, on_failed=heard.append, on_end=heard.append)
    shiboken6.delete(owner)
    gate.open.set()
    qtbot.waitUntil(lambda: not tasks.pending)
    assert not heard


def test_a_failure_goes_to_who_wants_it_and_else_to_the_window(qtbot, tasks, run):
    def failing(**_hooks):
        raise RunError("gone", "other")

    told, ended = [], []
    tasks.ended.connect(lambda task, is_told: ended.append((task.failure.message, is_told)))
    done = lambda _result: told.append("done")  # noqa: E731
    run(failing, Lane.DISK, on_done=done)
    run(failing, Lane.COMPUTE, on_done=done, on_failed=lambda failure: told.append(failure.hint))
    qtbot.waitUntil(lambda: len(ended) == 2)
    assert sorted(ended) == [("gone", False), ("gone", True)] and told == ["other"]


def test_a_task_stopped_while_it_waits_never_begins(qtbot, tasks, run):
    gate, never, heard = Gate(), Gate(), []
    run(gate, Lane.COMPUTE)
    waiting = run(never, Lane.COMPUTE, on_done=heard.append, on_end=heard.append)
    waiting.stop()
    assert heard == [waiting] and waiting.was_stopped and not waiting.has_begun
    gate.open.set()
    qtbot.waitUntil(lambda: not tasks.pending)
    assert not never.begun.is_set() and not waiting.is_running


def test_a_task_let_go_between_its_outcome_and_its_word_of_it_lives_until_then(qtbot, tasks, run, monkeypatch):
    has_outcome, may_tell, gone = threading.Event(), threading.Event(), []

    class SlowFuture(Future):
        def set_result(self, result):
            super().set_result(result)
            has_outcome.set()
            may_tell.wait(5)

    monkeypatch.setattr(tasks_module, "Future", SlowFuture)
    estimate = run(lambda **_: 1, Lane.COMPUTE, priority=Priority.UNREQUESTED)
    estimate.destroyed.connect(lambda: gone.append(True))
    assert has_outcome.wait(5)
    estimate.stop()
    assert not tasks.pending
    qtbot.wait(20)
    assert not gone
    may_tell.set()
    qtbot.waitUntil(lambda: bool(gone))


def test_stopping_an_ended_task_changes_nothing(qtbot, tasks, run):
    ended = run(Gate(), Lane.COMPUTE)
    ended.stop()
    qtbot.waitUntil(lambda: not tasks.pending)
    quick = run(lambda **_: 1, Lane.COMPUTE)
    quick.wait()
    quick.stop()
    assert not quick.was_stopped and not tasks.pending


@pytest.mark.qt_no_exception_capture
def test_a_bug_in_a_callback_holds_nothing_up(qtbot, tasks, run, monkeypatch):
    bugs = []
    monkeypatch.setattr("sys.excepthook", lambda *inputs: bugs.append(inputs[1]))

    def broken(_result):
        raise KeyError("a bug")

    run(lambda **_: 1, Lane.COMPUTE, on_done=broken)
    results = []
    run(lambda **_: 2, Lane.COMPUTE, on_done=results.append)
    qtbot.waitUntil(lambda: results == [2])
    assert [type(bug) for bug in bugs] == [KeyError] and not tasks.pending


def test_ending_stops_all_and_waits_until_they_have_told_so(tasks, run):
    gates, ends = [Gate() for _ in range(4)], []
    lanes = (Lane.TRAINING, Lane.COMPUTE, Lane.COMPUTE, Lane.DISK)
    for gate, lane in zip(gates, lanes, strict=True):
        run(gate, lane, on_end=ends.append)
    tasks.end(lambda _task: True)
    assert not tasks.pending and len(ends) == 4 and all(task.was_stopped for task in ends)
    assert [gate.was_stopped for gate in gates] == [True, True, False, True]


def test_the_bar_shows_every_task_with_its_own_stop_and_what_waits(qtbot, window):
    def reading(*, job):
        job.report(Progress(stage="Reading", done=3, total=9))
        return gates[0](job=job)

    gates = [Gate() for _ in range(7)]
    lanes = (Lane.TRAINING, Lane.COMPUTE, Lane.DISK, *[Lane.COMPUTE] * 4)
    for place, (work, lane) in enumerate(zip((reading, *gates[1:]), lanes, strict=True)):
        window.state.tasks.run(task(work, lane, f"Task {place}"), owner=window)
    bar = window.job_bar
    qtbot.waitUntil(lambda: all(number in bar.lines[0].words() for number in "39") and gates[1].begun.is_set())
    assert [line.job_button.text() for line in bar.lines] == ["Task 0", "Task 1", "Task 2", "Task 3"]
    assert "Task 1" in bar.lines[3].words() and not bar.idle.isVisible()
    assert any("3 " in label.text() for label in bar.findChildren(QLabel) if label.isVisible())
    bar.lines[1].stop_button.click()
    qtbot.waitUntil(gates[3].begun.is_set)
    assert gates[1].was_stopped and not gates[0].was_stopped and not gates[2].was_stopped
    bar.lines[3].stop_button.click()
    window.state.tasks.end(lambda _task: True)
    assert not bar.lines and bar.idle.isVisible() and bar.idle.text()
