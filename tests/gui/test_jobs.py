"""Lanes: concurrent jobs, waiting jobs with their reason, and results delivered only while their owner exists."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QLabel

from gui import jobs as jobs_module
from gui.jobs import Job, Jobs, Lane, reason_to_wait
from visionft.core.errors import RunError
from visionft.core.events import Progress


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


def job(work: Callable[..., object], lane: Lane, title: str = "A job", **values) -> Job:
    return Job(title=title, work=work, lane=lane, page="settings", **values)


@pytest.fixture
def owner(qapp) -> Iterator[QObject]:
    owner = QObject()
    yield owner
    if shiboken6.isValid(owner):
        owner.deleteLater()


@pytest.fixture
def jobs(qapp) -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    jobs.stop_and_wait(lambda _job: True)
    jobs.deleteLater()


@pytest.fixture
def run(jobs: Jobs, owner: QObject) -> Callable[..., Job[Any]]:
    def hand_in(work, lane, title="A job", *, on_done=lambda _result: None, **values) -> Job[Any]:
        hooks = {name: values.pop(name) for name in ("on_failed", "on_event", "on_end") if name in values}
        return jobs.run(job(work, lane, title, **values), owner=owner, on_done=on_done, **hooks)

    return hand_in


def test_training_evaluating_and_importing_go_on_at_once(qtbot, jobs, run):
    gates = {lane: Gate() for lane in Lane}
    for lane, gate in gates.items():
        run(gate, lane, writes=lane is Lane.DISK, device=lane is not Lane.DISK)
    assert all(gate.begun.wait(5) for gate in gates.values())
    assert len(jobs.running) == len(Lane) and not jobs.waiting
    for gate in gates.values():
        gate.open.set()
    qtbot.waitUntil(lambda: not jobs.pending)


def test_a_second_job_of_a_lane_waits_its_turn_and_says_for_what(qtbot, jobs, run):
    first, second, third, results = Gate(1), Gate(2), Gate(3), []
    run(first, Lane.COMPUTE, "Evaluating", on_done=results.append)
    waiting = [run(gate, Lane.COMPUTE, "Next", on_done=results.append) for gate in (second, third)]
    assert all("Evaluating" in handle.wait_reason for handle in waiting)
    assert first.begun.wait(5) and not second.begun.is_set()
    first.open.set()
    qtbot.waitUntil(lambda: waiting[0].is_running)
    assert waiting[0].wait_reason == "" and not third.begun.is_set()
    second.open.set()
    third.open.set()
    qtbot.waitUntil(lambda: not jobs.pending)
    assert results == [1, 2, 3]


def test_two_jobs_that_change_the_project_wait_for_each_other_across_lanes(qtbot, jobs, run):
    importing, changing = Gate(), Gate()
    run(importing, Lane.DISK, "Importing", writes=True)
    second = run(changing, Lane.COMPUTE, "Cleaning", writes=True)
    reading = run(Gate(), Lane.TRAINING, "Training")
    assert "Importing" in second.wait_reason and reading.is_running
    importing.open.set()
    qtbot.waitUntil(lambda: second.is_running)


def test_a_job_waits_for_memory_of_the_graphics_card_and_begins_when_there_is_enough(qtbot, qapp, owner, monkeypatch):
    monkeypatch.setattr(jobs_module, "GPU_MEMORY_POLL_MS", 10)
    free = [500]
    jobs = Jobs(free_mb=lambda: free[0])
    jobs.run(job(Gate(), Lane.TRAINING, "Training", device=True), owner=owner, on_done=lambda _: None)
    evaluating = jobs.run(job(Gate(), Lane.COMPUTE, device=True), owner=owner, on_done=lambda _: None)
    importing = jobs.run(job(Gate(), Lane.DISK), owner=owner, on_done=lambda _: None)
    assert "500" in evaluating.wait_reason and importing.is_running
    assert reason_to_wait(evaluating, jobs.running[:1], free_mb=None) == ""
    qtbot.wait(40)
    assert not evaluating.is_running
    free[0] = 9000
    qtbot.waitUntil(lambda: evaluating.is_running)
    jobs.stop_and_wait(lambda _job: True)
    jobs.deleteLater()


def test_nobody_is_called_once_the_owner_is_gone(qtbot, jobs, run, owner):
    gate, heard = Gate(), []
    run(gate, Lane.DISK, on_done=heard.append, on_event=heard.append, on_failed=heard.append, on_end=heard.append)
    shiboken6.delete(owner)
    gate.open.set()
    qtbot.waitUntil(lambda: not jobs.pending)
    assert not heard


def test_a_failure_goes_to_who_wants_it_and_else_to_the_window(qtbot, jobs, run):
    def failing(**_hooks):
        raise RunError("gone", "other")

    told, ended = [], []
    jobs.ended.connect(lambda job, is_told: ended.append((job.failure.message, is_told)))
    done = lambda _result: told.append("done")  # noqa: E731
    run(failing, Lane.DISK, on_done=done)
    run(failing, Lane.COMPUTE, on_done=done, on_failed=lambda failure: told.append(failure.hint))
    qtbot.waitUntil(lambda: len(ended) == 2)
    assert sorted(ended) == [("gone", False), ("gone", True)] and told == ["other"]


def test_a_job_stopped_while_it_waits_never_begins(qtbot, jobs, run):
    gate, never, heard = Gate(), Gate(), []
    run(gate, Lane.COMPUTE)
    waiting = run(never, Lane.COMPUTE, on_done=heard.append, on_end=heard.append)
    waiting.stop()
    assert heard == [waiting] and waiting.was_stopped and not waiting.has_begun
    gate.open.set()
    qtbot.waitUntil(lambda: not jobs.pending)
    assert not never.begun.is_set() and not waiting.is_running


def test_ending_stops_all_and_waits_until_they_have_told_so(jobs, run):
    gates, ends = [Gate() for _ in range(4)], []
    lanes = (Lane.TRAINING, Lane.COMPUTE, Lane.COMPUTE, Lane.DISK)
    for gate, lane in zip(gates, lanes, strict=True):
        run(gate, lane, on_end=ends.append)
    jobs.stop_and_wait(lambda _job: True)
    assert not jobs.pending and len(ends) == 4 and all(job.was_stopped for job in ends)
    assert [gate.was_stopped for gate in gates] == [True, True, False, True]


def test_the_bar_shows_every_job_with_its_own_stop_and_what_waits(qtbot, window):
    def reading(*, job):
        job.report(Progress(stage="Reading", done=3, total=9))
        return gates[0](job=job)

    gates = [Gate() for _ in range(7)]
    lanes = (Lane.TRAINING, Lane.COMPUTE, Lane.DISK, *[Lane.COMPUTE] * 4)
    for place, (work, lane) in enumerate(zip((reading, *gates[1:]), lanes, strict=True)):
        window.state.jobs.run(job(work, lane, f"Job {place}"), owner=window)
    bar = window.job_bar
    qtbot.waitUntil(lambda: all(number in bar.lines[0].words() for number in "39") and gates[1].begun.is_set())
    assert [line.job_button.text() for line in bar.lines] == ["Job 0", "Job 1", "Job 2", "Job 3"]
    assert "Job 1" in bar.lines[3].words() and not bar.idle.isVisible()
    assert any("3 " in label.text() for label in bar.findChildren(QLabel) if label.isVisible())
    bar.lines[1].stop_button.click()
    qtbot.waitUntil(gates[3].begun.is_set)
    assert gates[1].was_stopped and not gates[0].was_stopped and not gates[2].was_stopped
    bar.lines[3].stop_button.click()
    window.state.jobs.stop_and_wait(lambda _job: True)
    assert not bar.lines and bar.idle.isVisible() and bar.idle.text()
