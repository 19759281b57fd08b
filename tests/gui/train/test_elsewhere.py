"""Training on another computer from the window: by a file that is carried there and back, and through a real sshd."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from modal import answer
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QLineEdit, QMessageBox
from ssh_host import SSHD, served_host

from gui.train.elsewhere import ElsewhereDialog
from gui.train.train_page import TrainPage
from visionft.remote import ssh
from visionft.remote.running import result_file, run_job
from visionft.remote.sent_jobs import sent_jobs
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import list_runs

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
CONFIG = TrainConfig(
    backbone="test_resnet",
    method="lora",
    weights="random",
    image_size=32,
    batch_size=8,
    epochs=2,
    workers=0,
)


@pytest.fixture
def drafted(page: TrainPage) -> TrainPage:
    """Return the train page with settings of a quick run."""
    page.draft.take(replace(CONFIG, device="cpu"))
    return page


def choose(qtbot, path: Path) -> None:
    """Name a file in the next file dialog."""

    def name(dialog: QFileDialog) -> None:
        field, *_ = dialog.findChildren(QLineEdit)
        field.setText(str(path))
        qtbot.keyClick(field, Qt.Key.Key_Return)

    answer(QFileDialog, name)


def press(qtbot, page: TrainPage, name: str, *, then=lambda: None) -> None:
    """Open the dialog and press one of its buttons."""

    def act(dialog: ElsewhereDialog) -> None:
        then()
        qtbot.mouseClick(getattr(dialog, name), Qt.MouseButton.LeftButton)

    answer(ElsewhereDialog, act)
    qtbot.mouseClick(page.setup.elsewhere_button, Qt.MouseButton.LeftButton)


@pytest.mark.slow
def test_a_job_is_saved_trained_elsewhere_and_its_result_opened(qtbot, window, drafted, tmp_path):
    job, session = tmp_path / "there" / "a.vftjob", window.state.session
    job.parent.mkdir()
    press(qtbot, drafted, "save_button", then=lambda: choose(qtbot, job))
    qtbot.waitUntil(lambda: job.exists() and not window.state.tasks.pending, timeout=60_000)
    run_job(job)
    press(qtbot, drafted, "open_button", then=lambda: choose(qtbot, result_file(job)))
    qtbot.waitUntil(lambda: window.current_page.name == "results", timeout=60_000)
    (run,) = list_runs(session.path)
    assert run.config == drafted.config() and run.result is not None


@pytest.mark.slow
@pytest.mark.skipif(SSHD is None, reason="no OpenSSH server is installed")
def test_a_sent_job_is_followed_live_and_its_run_comes_by_itself(qtbot, window, drafted, tmp_path):
    session = window.state.session
    with served_host(tmp_path) as host:
        drafted.elsewhere.send_to(host)
        qtbot.waitUntil(lambda: bool(sent_jobs(session.path)), timeout=60_000)
        qtbot.waitUntil(lambda: drafted.monitor.chart.point_counts()["epochs"] >= 2, timeout=120_000)
        qtbot.waitUntil(lambda: bool(list_runs(session.path)) and not window.state.tasks.pending, timeout=120_000)
    assert window.current_page.name == "results"
    (run,) = list_runs(session.path)
    assert run.result is not None and not run.result.stopped
    assert drafted.switch.buttons["queue"].isHidden()  # nothing is open


@pytest.mark.slow
@pytest.mark.skipif(SSHD is None, reason="no OpenSSH server is installed")
def test_a_sent_job_is_a_row_of_the_queue_until_it_is_removed(qtbot, window, drafted, tmp_path):
    session, tasks = window.state.session, window.state.tasks
    drafted.draft.take(replace(CONFIG, device="cpu", epochs=500))
    with served_host(tmp_path) as host:
        drafted.elsewhere.send_to(host)
        qtbot.waitUntil(lambda: drafted.monitor.chart.point_counts()["epochs"] >= 1, timeout=120_000)
        drafted.show_view("queue")
        jobs = drafted.elsewhere.list
        assert jobs.isVisible() and jobs.table.rowCount() == 1 and not jobs.follow_button.isEnabled()
        qtbot.mouseClick(jobs.stop_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: jobs.follow_button.isEnabled() and not tasks.pending, timeout=60_000)
        word = jobs.follow_button.text()
        qtbot.mouseClick(jobs.follow_button, Qt.MouseButton.LeftButton)  # it goes on
        qtbot.waitUntil(lambda: drafted.elsewhere.phases == {} and not jobs.follow_button.isEnabled())
        (sent,) = sent_jobs(session.path)
        qtbot.waitUntil(lambda: ssh.phase_of(sent) == "running", timeout=60_000)
        assert not jobs.remove_button.isEnabled()
        ssh.stop(sent)
        qtbot.waitUntil(lambda: not tasks.pending, timeout=60_000)
        assert jobs.table.rowCount() == 1 and jobs.follow_button.text() == word
        qtbot.mouseClick(jobs.remove_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not sent_jobs(session.path), timeout=60_000)
        assert not list((tmp_path / "home").glob(".visionft-jobs/*/job*"))
    qtbot.waitUntil(drafted.switch.buttons["queue"].isHidden)
    assert drafted.switch.value() == "setup"


def test_an_address_that_ssh_would_take_for_an_option_is_refused(qtbot, window, drafted):
    def act(dialog: ElsewhereDialog) -> None:
        assert not dialog.send_button.isEnabled()
        qtbot.keyClicks(dialog.address, "-oProxyCommand=x")
        qtbot.mouseClick(dialog.send_button, Qt.MouseButton.LeftButton)

    answer(ElsewhereDialog, act)
    qtbot.mouseClick(drafted.setup.elsewhere_button, Qt.MouseButton.LeftButton)
    assert "-oProxyCommand=x" in window.toasts.message() and not window.state.tasks.pending


@pytest.fixture
def calls(tmp_path: Path, monkeypatch):
    """Return a function: -> the arguments of every call of a program `ssh`, which writes them down."""
    if os.name == "nt":
        pytest.skip("needs a script as a program")
    folder, log = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    (folder / "ssh").write_text(f'#!/bin/sh\necho "$@" >> "{log}"\necho ended\n')
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("VISIONFT_OFFLINE", raising=False)
    return lambda: log.read_text() if log.exists() else ""


def test_a_job_of_a_project_from_others_is_asked_about_once_its_address_is_confirmed(
    qtbot, window, drafted, calls, tmp_path
):
    """The project of issue 44: opening its queue ran the command of its record."""
    session, tasks, pwned = window.state.session, window.state.tasks, tmp_path / "PWNED"
    record = session.path / "jobs" / "11111111-2222-3333-4444-555555555555" / "sent.json"
    record.parent.mkdir(parents=True)
    options = ["-o", f"ProxyCommand=touch {pwned}"]
    record.write_text(json.dumps({"address": "me@there", "options": options, "program": "touch"}))
    drafted.elsewhere.jobs_changed.emit()
    qtbot.mouseClick(drafted.switch.buttons["queue"], Qt.MouseButton.LeftButton)
    jobs = drafted.elsewhere.list
    assert jobs.isVisible() and jobs.confirm_button.isVisible() and "options, program" in jobs.note.text()
    assert not jobs.follow_button.isEnabled() and not jobs.stop_button.isEnabled() and not tasks.pending
    for chosen in (False, True):
        answer(QMessageBox, partial(answer_address, chosen))
        qtbot.mouseClick(jobs.confirm_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not tasks.pending, timeout=60_000)
        assert bool(calls()) == chosen
    assert "me@there" in calls() and "touch" not in calls() and not pwned.exists()
    assert not jobs.confirm_button.isVisible() and jobs.follow_button.isEnabled()


def answer_address(chosen: bool, box: QMessageBox) -> None:
    assert "me@there" in box.text()
    role = QMessageBox.ButtonRole.AcceptRole if chosen else QMessageBox.ButtonRole.RejectRole
    next(each for each in box.buttons() if box.buttonRole(each) is role).click()


def test_a_job_from_others_can_be_removed_without_a_connection(qtbot, window, drafted, calls):
    session = window.state.session
    record = session.path / "jobs" / "11111111-2222-3333-4444-555555555555" / "sent.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"address": "me@there"}))
    drafted.elsewhere.jobs_changed.emit()
    qtbot.mouseClick(drafted.switch.buttons["queue"], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(drafted.elsewhere.list.remove_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not record.exists() and drafted.switch.value() == "setup", timeout=60_000)
    assert not calls()
