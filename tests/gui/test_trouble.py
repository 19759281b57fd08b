"""Failures: a missing, full, busy or broken resource is reported with the next step; saved data survives."""

import errno
import shutil

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from gui.app import create_window
from gui.errors import ReportDialog
from gui.jobs import Job, Lane
from gui.state import AppState
from visionft.core.errors import ProjectError, RunError
from visionft.project.edits.changes import AddClass
from visionft.project.edits.class_changes import DeleteClass
from visionft.project.store import ProjectStore

LEFT = Qt.MouseButton.LeftButton


def labels_of(project: ProjectStore, image_id: int) -> tuple[str, ...]:
    snapshot = project.snapshot()
    image = next(image for image in snapshot.images if image.image_id == image_id)
    return tuple(snapshot.class_names[index] for index in image.labels)


@pytest.fixture
def label(qtbot, open_page):
    page = open_page("label")
    page.grid.setFocus()
    return page


def start(window, work, *, title="A job", lane=Lane.TRAINING):
    job = Job(title=title, work=work, lane=lane, page="train")
    return window.state.jobs.run(job, owner=window, on_done=lambda _result: None)


def run_job(qtbot, window, work, *, lane=Lane.TRAINING):
    start(window, work, lane=lane)
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=20_000)


@pytest.mark.parametrize("way", ["removed", "moved"])
def test_a_project_folder_that_goes_away_refuses_labels_and_says_so(qtbot, label, window, project_dir, tmp_path, way):
    image_id = label.grid.selection.current_id()
    before = label.grid.tile(image_id).labels
    shutil.rmtree(project_dir) if way == "removed" else project_dir.rename(tmp_path / "elsewhere")
    told = []
    window.state.message_raised.connect(lambda message: told.append(message.tone))
    window.show_page("results")  # it would show a project without runs
    assert told == ["bad"]
    window.show_page("label")
    qtbot.keyClick(label.grid, Qt.Key.Key_3)
    assert told[2:] == ["bad"] and window.toasts.newest.tone == "bad"
    assert label.grid.tile(image_id).labels == before
    for name in window.entries:
        window.show_page(name)
    window.commands.action("file.close").trigger()
    assert window.state.session is None and window.current_page.name == "settings"


def test_a_second_window_can_look_but_not_change(qtbot, qapp, label, window, project_dir):
    state = AppState()
    other = create_window(qapp, state)
    qtbot.addWidget(other)
    other.show()
    state.open_project(project_dir)
    assert other.toasts.newest.tone == "warn"
    other.show_page("label")
    page = other.page("label")
    image_id = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, Qt.Key.Key_3)
    assert page.read_only.isVisible() and other.toasts.newest.tone == "bad"
    assert labels_of(state.session.project, image_id) != ("red",)
    other.close()
    state.deleteLater()
    qtbot.keyClick(label.grid, Qt.Key.Key_3)
    assert labels_of(window.state.session.project, image_id) == ("red",)


def test_a_corrupt_run_folder_harms_no_page(window, project_dir):
    folder = project_dir / "runs" / "001-broken"
    folder.mkdir(parents=True)
    for name in ("config.json", "metrics.jsonl", "result.json"):
        (folder / name).write_text('{"half":')
    (project_dir / "runs" / "a file").write_text("")
    window.state.open_project(project_dir)
    for name in window.entries:
        window.show_page(name)
    assert window.page("results").table.model().rowCount() == 0


def test_a_full_disk_refuses_a_label_and_takes_it_when_there_is_space_again(label, window):
    """The database's size limit is set to its present size: SQLite then fails as on a full disk."""
    with window.state.session.project.database.transaction() as writer:
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages}")
    names = (f"class {number} {'x' * 100}" for number in range(1000))
    refused = next(name for name in names if not window.state.session.apply(AddClass(name)))
    assert window.toasts.newest.tone == "bad"
    assert refused not in window.state.session.project.snapshot().class_names
    with window.state.session.project.database.transaction() as writer:
        writer.execute("PRAGMA max_page_count = 1000000")
    assert window.state.session.apply(AddClass(refused))
    assert refused in window.state.session.project.snapshot().class_names


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 MiB"), "memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/big/file"), "/big/file"),
        (RunError("gone", "Train again."), "gone"),
    ],
)
def test_what_any_job_may_meet_is_a_banner_with_a_hint(qtbot, window, error, said):
    def work(**_):
        raise error

    run_job(qtbot, window, work)
    assert said in window.toasts.message() and window.toasts.newest.hint()
    assert not window.findChildren(ReportDialog) and window.toasts.newest.details_button.isHidden()


def test_a_bug_in_a_job_opens_the_report_and_loses_nothing(qtbot, label, window, caplog):
    def work(**_):
        raise KeyError("lost key")

    run_job(qtbot, window, work)
    (dialog,) = window.findChildren(ReportDialog)
    qtbot.mouseClick(dialog.copy_button, LEFT)
    assert "KeyError" in QGuiApplication.clipboard().text()
    dialog.accept()
    assert "KeyError" in caplog.text and window.toasts.newest.tone == "bad"
    image_id = label.grid.selection.current_id()
    qtbot.keyClick(label.grid, Qt.Key.Key_3)
    assert labels_of(window.state.session.project, image_id) == ("red",)


@pytest.mark.parametrize("when", ["while working", "at the end"])
def test_a_backup_that_fails_in_its_own_thread_is_a_banner(qtbot, window, project_dir, monkeypatch, when):
    def full(*_inputs, **_):
        raise ProjectError("disk-full")

    monkeypatch.setattr("visionft.project.safety.backups.backup_pinned", full)
    window.state.open_project(project_dir)
    window.state.session.apply(AddClass("x"))
    if when == "while working":
        window.state.session.apply(DeleteClass("red"))
    else:
        monkeypatch.setattr("visionft.project.safety.backup_schedule.INTERVAL_S", -1.0)
        window.state.close_project()
    qtbot.waitUntil(lambda: "disk-full" in window.toasts.message())
