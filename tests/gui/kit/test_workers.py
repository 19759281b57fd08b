"""Work in threads: one outcome, events on the main thread, cancelling, bugs turned into reports; and reading."""

import gc
import sys
import threading
import time

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QThread, Slot
from PySide6.QtWidgets import QWidget

from gui.jobs import Failure, Job, Lane
from gui.kit import workers
from gui.kit.workers import BackgroundReader, MainThreadCollector
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.events import Notice


class Listener(QObject):
    """Runs a job and records its events and its end, and the receiving threads."""

    def __init__(self, qtbot, work, *, stops: bool = False) -> None:
        super().__init__()
        self.heard, self.threads = [], set()
        job = Job(title="A job", work=work, lane=Lane.DISK, page="settings")
        job.reported.connect(self.on_event)
        job.ended.connect(self.on_end)
        with qtbot.waitSignal(job.ended, timeout=5000):
            job.begin()
            if stops:
                job.stop()

    @Slot(object, object)
    def on_event(self, _job, event):
        self.heard.append(event)
        self.threads.add(QThread.currentThread())

    @Slot(object)
    def on_end(self, job):
        self.heard.append(job.failure or job.result)
        self.threads.add(QThread.currentThread())


def test_a_job_delivers_its_result_and_its_events_on_the_main_thread(qtbot, qapp):
    def work(*, job):
        job.report(Notice(message="hello"))
        assert QThread.currentThread() is not qapp.thread()
        return 42

    listener = Listener(qtbot, work)
    assert listener.heard == [Notice(message="hello"), 42] and listener.threads == {qapp.thread()}


def test_an_expected_error_fails_with_its_hint_and_without_details(qtbot):
    def work(*, job):
        raise VisionFTError("Full", "Clean", NextStep("check"))

    expected = Failure(message="Full", hint="Clean", next_step=NextStep("check"))
    assert Listener(qtbot, work).heard == [expected]


def test_a_bug_fails_with_its_traceback(qtbot, caplog):
    def work(*, job):
        return {}["nothing"]

    (failure,) = Listener(qtbot, work).heard
    assert "KeyError" in failure.message and "Traceback" in failure.details
    assert 'return {}["nothing"]' in failure.details


class Reader:
    """A reader that waits for its permission, with the results delivered."""

    def __init__(self, read, *, threads: int = 1) -> None:
        self.heard: list = []
        self.reader = BackgroundReader(read, self.heard.append, threads=threads)


@pytest.fixture
def impatient(monkeypatch):
    """Wait for a reading no longer than the program does."""
    monkeypatch.setattr(workers, "PATIENCE_S", 0.02)


def test_only_the_newest_question_is_answered(qtbot, impatient):
    def read(name: str) -> str:
        asked.append(name)
        begun.set()
        assert may_end.wait(5)
        return name

    asked: list[str] = []
    begun, may_end = threading.Event(), threading.Event()
    made = Reader(read)
    assert not made.reader.ask("first") and begun.wait(5)
    assert not made.reader.ask("dropped") and not made.reader.ask("last")
    may_end.set()
    qtbot.waitUntil(lambda: bool(made.heard))
    made.reader.close()
    QCoreApplication.processEvents()
    assert made.heard == ["last"] and asked == ["first", "last"]


def test_of_many_wishes_the_begun_and_the_newest_are_read_each_once(qtbot):
    def read(name: str) -> str:
        asked.append(name)
        begun.set()
        assert may_end.wait(5)
        return name

    asked: list[str] = []
    begun, may_end = threading.Event(), threading.Event()
    made = Reader(read)
    made.reader.ask_each(["begun", "dropped"])
    assert begun.wait(5)
    made.reader.ask_each(["second", "begun", "third"])
    may_end.set()
    qtbot.waitUntil(lambda: len(made.heard) == 3)
    made.reader.close()
    assert made.heard == asked == ["begun", "second", "third"]


def test_a_reading_that_fails_loses_only_itself(qtbot, caplog):
    made = Reader(lambda key: 1 // key)
    made.reader.ask_each([0, 1])
    qtbot.waitUntil(lambda: made.heard == [1])
    assert [record.levelname for record in caplog.records] == ["ERROR"]

    def refuse() -> None:
        raise VisionFTError("The project is closed.")

    refused = Reader(refuse)
    assert refused.reader.ask() and not refused.heard
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    made.reader.close()
    refused.reader.close()


def test_collection_happens_on_the_main_thread_only(qtbot, qapp):
    class Canary:
        def __init__(self):
            self.me = self

        def __del__(self):
            seen.append(QThread.currentThread())

    seen: list = []
    was_enabled = gc.isenabled()
    gc.collect()
    collector = MainThreadCollector(qapp, interval_ms=5)
    collector.start()
    try:
        assert not gc.isenabled()

        def work(*, job):
            Canary()
            return len([[] for _ in range(200_000)])

        Listener(qtbot, work)
        keep = [[] for _ in range(2000)]
        qtbot.waitUntil(lambda: bool(seen), timeout=2000)
        assert keep and set(seen) == {qapp.thread()}
    finally:
        collector.stop()
    assert gc.isenabled() is was_enabled


def test_none_outlives_many_calls_into_qt(qapp):
    """PySide6 6.12 drops a reference to None per call on Python 3.11; without the guard this aborts the process."""
    item = QObject()
    for _ in range(20_000):
        assert item.parent() is None


class Box(QWidget):
    """A widget that is told of its events in Python, so that it is destroyed with the interpreter locked."""

    def event(self, event: QEvent) -> bool:
        return super().event(event)


def test_a_window_is_destroyed_beside_its_working_reader(qtbot, qapp):
    answers, box = [], Box()
    reader = BackgroundReader(lambda number: time.sleep(0.3) or number, answers.append, threads=2, parent=box)
    reader.ask_each([1, 2, 3])
    time.sleep(0.05)
    box.deleteLater()
    began = time.monotonic()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert time.monotonic() - began < 5
    qtbot.waitUntil(lambda: not workers.work_let_go())
    qapp.processEvents()
    assert answers == []


@pytest.mark.slow
def test_a_reader_is_destroyed_at_the_moment_a_reading_ends(qapp, caplog, monkeypatch):
    """A thread that emits a signal of a destroyed reader logs an error, or crashes the process."""
    interval = sys.getswitchinterval()
    monkeypatch.setattr(workers, "LET_GO_S", 1.0)
    sys.setswitchinterval(1e-5)
    try:
        for turn in range(3000):
            owner = QObject()
            BackgroundReader(lambda place: place, lambda _: None, threads=2, parent=owner).ask_each(range(3))
            end = time.perf_counter() + turn % 300 * 1e-6
            while time.perf_counter() < end:
                pass
            shiboken6.delete(owner)
    finally:
        sys.setswitchinterval(interval)
    qapp.processEvents()
    assert not caplog.records
