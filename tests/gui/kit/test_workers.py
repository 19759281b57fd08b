"""Jobs: one outcome, events on the main thread and throttled, cancelling, and bugs turned into reports."""

import gc
import threading
import time
from functools import partial

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QThread, Slot
from PySide6.QtWidgets import QWidget

from gui.kit import workers
from gui.kit.lazy_function import Deferred, LazyFunction
from gui.kit.workers import EventThrottle, Failure, Job, MainThreadCollector, WorkerPool
from visionft.errors import NextStep, VisionFTError
from visionft.events import Notice, Progress


class Listener(QObject):
    """Runs a job and records its messages, and the receiving threads."""

    def __init__(self, qtbot, work, *, stops: bool = False) -> None:
        super().__init__()
        self.heard, self.threads = [], set()
        job = Job(work)
        for signal in (job.reported, job.succeeded, job.failed):
            signal.connect(self.on_message)
        with qtbot.waitSignal(job.finished, timeout=5000):
            job.start()
            if stops:
                job.request_stop()
        assert job.wait(1000)
        qtbot.wait(10)

    @Slot(object)
    def on_message(self, message):
        self.heard.append(message)
        self.threads.add(QThread.currentThread())


def test_a_job_delivers_its_result_and_its_events_on_the_main_thread(qtbot, qapp):
    def work(*, job):
        job.report(Notice(message="hello"))
        assert QThread.currentThread() is not qapp.thread()
        return 42

    listener = Listener(qtbot, work)
    assert listener.heard == [Notice(message="hello"), 42] and listener.threads == {qapp.thread()}


def given(*inputs, job):
    """Return the inputs of a job."""
    return inputs


def test_a_deferred_input_is_read_in_the_thread_of_its_job(qtbot):
    work = partial(LazyFunction(f"{__name__}:given", uses_torch=False), "here", Deferred(threading.get_ident))
    (((place, thread),),) = (Listener(qtbot, work).heard,)
    assert place == "here" and thread != threading.get_ident()


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


def test_a_stop_reaches_the_work(qtbot):
    def work(*, job):
        deadline = time.monotonic() + 5
        while not job.is_cancelled and time.monotonic() < deadline:
            time.sleep(0.005)
        return job.is_cancelled

    assert Listener(qtbot, work, stops=True).heard == [True]


def test_the_throttle_keeps_the_newest_progress_and_every_other_event_in_order():
    heard = []
    throttle = EventThrottle(heard.append, interval_s=60)
    for done in range(1, 1001):
        throttle(Progress(stage="Import", done=done, total=1000))
    throttle(Notice(message="almost"))
    throttle(Progress(stage="Import", done=1000, total=1000))
    throttle.flush()
    assert [getattr(event, "done", "notice") for event in heard] == [1, 1000, "notice", 1000]


def test_the_throttle_lets_a_new_stage_and_every_other_event_through_at_once():
    heard = []
    throttle = EventThrottle(heard.append, interval_s=60)
    for stage in ("Reading", "Writing"):
        for done in (1, 2):
            throttle(Progress(stage=stage, done=done, total=2))
    notices = [Notice(message=str(number)) for number in range(29)]
    for each in notices:
        throttle(each)
    stages = [(event.stage, event.done) for event in heard[:4]]
    assert stages == [("Reading", 1), ("Reading", 2), ("Writing", 1), ("Writing", 2)] and heard[4:] == notices


@pytest.mark.parametrize(("answers_age", "answers"), [(True, ["old", "new"]), (False, ["old"])])
def test_a_wish_for_what_is_begun_is_done_again_where_answers_age(qtbot, answers_age, answers):
    def task(_key: str) -> str:
        seen = world[-1]
        begun.set()
        assert may_end.wait(5)
        return seen

    world, heard = ["old"], []
    begun, may_end = threading.Event(), threading.Event()
    pool = WorkerPool(task, threads=1, answers_age=answers_age)
    pool.done.connect(lambda _key, answer: heard.append(answer))
    pool.request(["count"])
    assert begun.wait(5)
    world.append("new")
    pool.request(["count"])
    may_end.set()
    qtbot.waitUntil(lambda: len(heard) == len(answers))
    pool.close()
    QCoreApplication.processEvents()
    assert heard == answers


def test_a_wish_that_comes_while_the_last_thread_ends_is_done(qtbot, monkeypatch):
    def begin() -> object:
        key = really_begin()
        if key is None:  # the thread found nothing to do and is about to end
            ending.set()
            assert may_end.wait(5)
        return key

    monkeypatch.setattr(workers, "IDLE_S", 0)
    pool, heard = WorkerPool(lambda key: key, threads=1), []
    ending, may_end, really_begin = threading.Event(), threading.Event(), pool._begin
    monkeypatch.setattr(pool, "_begin", begin)
    pool.done.connect(lambda key, _answer: heard.append(key))
    pool.request([1])
    assert ending.wait(5)
    pool.request([2])
    may_end.set()
    qtbot.waitUntil(lambda: heard == [1, 2])
    pool.close()


def test_a_task_that_fails_unexpectedly_loses_only_itself(qtbot, caplog):
    pool, heard = WorkerPool(lambda key: 1 // key, threads=1), []
    pool.done.connect(lambda key, _answer: heard.append(key))
    pool.request([0, 1])
    qtbot.waitUntil(lambda: heard == [1])
    pool.close()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


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


def test_a_window_is_destroyed_beside_its_working_pool(qtbot, qapp):
    answers, box = [], Box()
    pool = WorkerPool(lambda number: time.sleep(0.3) or number, threads=2, parent=box)
    pool.done.connect(lambda *answer: answers.append(answer))
    pool.request([1, 2, 3])
    time.sleep(0.05)
    box.deleteLater()
    began = time.monotonic()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert time.monotonic() - began < 5
    qtbot.waitUntil(lambda: not workers.work_let_go())
    qapp.processEvents()
    assert answers == []
