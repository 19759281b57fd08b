"""Consecutive runs: the next one begins, also after a failure; pause, cancel and resume; offers after a crash."""

import dataclasses
import threading
import time
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from run_events import epoch_done, result, started

from gui import runner
from gui.train.train_page import LIVE, SETUP, TrainPage
from models.catalog import DEFAULT_BACKBONE
from visionft.core.errors import RunError
from visionft.core.events import Progress, ResultStored
from visionft.core.files import write_json
from visionft.training.budget import Budget
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.metrics_file import append_metrics
from visionft.training.runs.run_folder import new_run_dir, read_run
from visionft.training.runs.run_snapshot import write_snapshot

LEFT = Qt.MouseButton.LeftButton


def begin_run(run_dir: Path, config: TrainConfig, images) -> None:
    run_dir.mkdir(parents=True)
    write_json(run_dir / "classes.json", list(images.class_names))
    write_snapshot(run_dir, images)
    write_json(run_dir / "config.json", config.to_dict())


class Engine:
    """Stands in for the learning libraries: writes run folders as they do, an epoch each time `step` is set."""

    def __init__(self, state) -> None:
        self.state = state
        self.trained: list[int] = []  # requested epochs, to distinguish runs
        self.fails_at: set[int] = set()
        self.budgets: list[Budget] = []
        self.resumed: list[Budget] = []
        self.step = threading.Event()
        self.is_slow = True
        self.answers_early = False  # whether each epoch is an answer to use

    def train(self, config: TrainConfig, images, run_dir: Path, *, budget, job):
        self.budgets.append(budget)
        return self._run(config, images, run_dir, job)

    def resume(self, run_dir: Path, *, budget, job):
        self.resumed.append(budget)
        images = self.state.session.snapshot()
        return self._run(read_run(run_dir).config, images, run_dir, job)

    def _run(self, config, images, run_dir, job):
        self.trained.append(config.epochs)
        job.report(Progress(stage="Loading", done=0, total=0))
        if config.epochs in self.fails_at:
            raise RunError("no-memory", "Choose a smaller size.")
        first = 1
        if run_dir.exists():
            first = len(read_run(run_dir).epochs) + 1
        else:
            begin_run(run_dir, config, images)
        (run_dir / "result.json").unlink(missing_ok=True)
        job.report(started(run=run_dir.name, epochs=config.epochs, first_epoch=first, train_images=17, val_images=4))
        stopped = False
        for number in range(first, config.epochs + 1):
            if self.is_slow:
                stopped = self._wait(job)
            if stopped:
                break
            done = epoch_done(epoch=number, epochs=config.epochs)
            append_metrics(run_dir, done)
            job.report(done)
            if self.answers_early:
                job.report(ResultStored(name=run_dir.name))
        run = read_run(run_dir)
        ended = result(run=run_dir.name, best=run.best, stopped=stopped)
        write_json(run_dir / "result.json", dataclasses.asdict(ended))
        return read_run(run_dir)

    def _wait(self, job) -> bool:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if job.is_cancelled:
                return True
            if self.step.is_set():
                self.step.clear()
                return False
            time.sleep(0.003)
        return True


@pytest.fixture
def engine(monkeypatch, state) -> Engine:
    engine = Engine(state)
    monkeypatch.setattr(runner, "train_and_evaluate", engine.train)
    monkeypatch.setattr(runner, "resume_and_evaluate", engine.resume)
    return engine


@pytest.fixture(autouse=True)
def evaluated(monkeypatch) -> list[str]:
    """Replace the evaluation of a cancelled run; return the names of the evaluated runs."""
    found: list[str] = []
    monkeypatch.setattr(runner, "evaluate_held_out", lambda run_dir, _images, **_hooks: found.append(run_dir.name))
    return found


@pytest.fixture
def page(engine, open_page) -> TrainPage:
    return open_page("train")


def draft(page: TrainPage, epochs: int) -> None:
    page.setup.methods.tiles["lora"].click()  # has epochs; Balanced solves a linear probe for so few images
    page.form.editor("epochs").setValue(epochs)


def start_run(qtbot, page: TrainPage, engine: Engine, *, ends_epoch: bool = False) -> None:
    """Start a run of four epochs, and wait until it runs, or has ended the first of them."""
    draft(page, 4)
    page.start()
    qtbot.waitUntil(lambda: page.monitor.state() == "Running")
    if ends_epoch:
        engine.step.set()
        qtbot.waitUntil(lambda: len(page.monitor.chart.epochs) == 1)


def start_another(qtbot, page: TrainPage, epochs: int) -> None:
    qtbot.mouseClick(page.switch.buttons["setup"], LEFT)
    draft(page, epochs)
    qtbot.mouseClick(page.enqueue_button, LEFT)


def test_runs_that_wait_are_trained_in_order_and_past_a_failure(qtbot, page, window, engine, finish):
    engine.fails_at = {3}
    told: list[str] = []
    window.state.jobs.ended.connect(lambda job, _is_told: told.append(job.failure.message if job.failure else ""))
    draft(page, 2)
    qtbot.mouseClick(page.start_button, LEFT)
    for epochs in (3, 4):
        start_another(qtbot, page, epochs)
    assert len(window.state.jobs.pending) == 3 and page.switch.value() == SETUP
    engine.is_slow = False
    engine.step.set()
    finish()
    assert engine.trained == [2, 3, 4] and told == ["", "no-memory", ""]
    assert page.switch.value() == SETUP  # the next run does not snatch the form away
    assert len(list((window.state.path / "runs").glob("0*"))) == 2


def test_a_run_that_waits_is_cancelled_in_the_job_bar(qtbot, page, window, engine, finish):
    start_run(qtbot, page, engine)
    start_another(qtbot, page, 2)
    window.state.jobs.waiting[0].stop()
    assert len(window.state.jobs.pending) == 1 and page.runner.is_training
    engine.is_slow = False
    engine.step.set()
    finish()
    assert engine.trained == [4]


def test_an_early_answer_is_shown_everywhere_while_training_goes_on(qtbot, page, window, engine, finish):
    session, told = window.state.session, []
    session.runs_changed.connect(lambda: told.append(session.runner.is_training))
    engine.answers_early = True
    start_run(qtbot, page, engine, ends_epoch=True)
    qtbot.waitUntil(lambda: told == [True])
    engine.is_slow = False
    engine.step.set()
    finish()
    assert told[-1] is False


def test_pause_keeps_the_place_and_resume_goes_on_with_one_curve(qtbot, page, window, engine, finish):
    start_run(qtbot, page, engine, ends_epoch=True)
    qtbot.mouseClick(page.pause_button, LEFT)
    assert page.monitor.state() == "Pausing"
    qtbot.waitUntil(lambda: not window.state.jobs.pending)
    assert page.monitor.state() == "Paused" and page.resume_button.isVisible()
    assert not page.pause_button.isVisible() and not page.start_button.isVisible()
    engine.is_slow = False
    qtbot.mouseClick(page.resume_button, LEFT)
    finish()
    assert engine.trained == [4, 4]
    finished = read_run(window.state.path / "runs" / f"001-{DEFAULT_BACKBONE}-lora")
    assert [epoch.epoch for epoch in finished.epochs] == [1, 2, 3, 4]
    assert not finished.result.stopped and window.state.session.runner.unfinished.paused == ""


def test_stop_ends_the_run_and_the_next_begins(qtbot, page, window, engine, finish):
    start_run(qtbot, page, engine)
    start_another(qtbot, page, 2)
    page.show_view(LIVE)
    qtbot.mouseClick(page.stop_button, LEFT)
    qtbot.waitUntil(lambda: engine.trained == [4, 2] and page.monitor.state() == "Running")
    qtbot.mouseClick(page.stop_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.jobs.pending)
    assert page.monitor.state() == "Stopped"
    assert not page.results_button.isVisible()  # not one epoch had ended
    assert page.start_button.isVisible() and not page.resume_button.isVisible()


@pytest.mark.slow
def test_the_budget_of_a_run_is_changed_by_a_click_while_it_trains(qtbot, page, window, engine, finish):
    engine.is_slow = False
    qtbot.mouseClick(page.setup.presets.tiles["quick"], LEFT)
    page.setup.methods.tiles["lora"].click()  # not what the budget trains: settings of the user's own
    page.form.editor("epochs").setValue(1)
    page.start()
    finish()
    assert engine.budgets[-1].preset == "" and not page.monitor.budget.isVisible()
    qtbot.mouseClick(page.switch.buttons["setup"], LEFT)
    qtbot.mouseClick(page.setup.presets.tiles["quick"], LEFT)
    engine.is_slow = True
    page.setup.form.editor("seed").setValue(3)
    page.start()
    qtbot.waitUntil(lambda: len(engine.budgets) == 2)
    assert engine.budgets[-1].preset == "quick" and page.monitor.budget.isVisible()
    assert page.monitor.budget.value() == "quick"
    qtbot.mouseClick(page.monitor.budget.buttons["best"], LEFT)
    assert engine.budgets[-1].preset == "best"
    engine.step.set()
    finish()
    assert not page.monitor.budget.isVisible()


def crashed_run(project_dir: Path, images, done: int) -> Path:
    config = TrainConfig(epochs=5)
    run_dir = new_run_dir(project_dir, config)
    begin_run(run_dir, config, images)
    for number in range(1, done + 1):
        append_metrics(run_dir, epoch_done(epoch=number, epochs=5))
    return run_dir


@pytest.mark.slow
def test_after_a_crash_the_run_is_offered_and_goes_on(qtbot, page, window, engine, project_dir, finish):
    run_dir = crashed_run(project_dir, window.state.session.snapshot(), 3)
    (run_dir / "steps.jsonl").write_text("[0.25, 2.0]\n[0.5, 1.5]\n")
    window.state.close_project()
    window.show_page("project")
    window.state.open_project(project_dir)
    qtbot.waitUntil(lambda: run_dir.name in window.toasts.message())
    qtbot.mouseClick(window.toasts.newest.action_button, LEFT)
    page = window.page("train")
    assert window.current_page is page
    assert all(words in page.resume_card.message() for words in (run_dir.name, "4", "5"))
    engine.is_slow = False
    qtbot.mouseClick(page.resume_card.action_button, LEFT)
    finish()
    assert page.resume_card.message() == "" and (len(page.monitor.chart.steps), len(page.monitor.chart.epochs)) == (
        2,
        5,
    )
    assert [epoch.epoch for epoch in read_run(run_dir).epochs] == [1, 2, 3, 4, 5]
