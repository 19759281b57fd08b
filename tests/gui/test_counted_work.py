"""The window's database work on the main thread does not grow with the number of images.

Counted are statements and steps of SQLite's virtual machine (some for every row read), not time. Reads in the
background do not count: nobody waits for them.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from gui.label.label_page import LabelPage
from gui.shell.window import MainWindow
from visionft.project.edits.image_changes import TagImages
from visionft.project.edits.import_changes import AddImages, FileFacts, FileLocation, ImportedImage
from visionft.project.formats.image_table import ImportRow
from visionft.project.store import ProjectStore

CLASSES = ("red", "green", "blue")
QUIET_S = 0.15
BESIDE_STEPS = 1000  # number of checks for unfinished background reads
Work = tuple[int, int]  # statements, steps


@dataclass
class Counter:
    """Counts database work on the main thread; `alive` changes while anything is read at all."""

    statements: int = 0
    steps: int = 0
    alive: int = 0

    def watch(self, connection: sqlite3.Connection) -> None:
        """Count the work of a connection from now on; other threads' connections are excluded."""
        is_main = threading.current_thread() is threading.main_thread()
        connection.set_trace_callback(self._note_statement)
        connection.set_progress_handler(self._note_step if is_main else self._note_life, 1 if is_main else BESIDE_STEPS)

    def _note_statement(self, _sql: str) -> None:
        self.alive += 1
        self.statements += threading.current_thread() is threading.main_thread()

    def _note_step(self) -> int:
        self.alive += 1
        self.steps += threading.current_thread() is threading.main_thread()
        return 0

    def _note_life(self) -> int:
        self.alive += 1
        return 0


def make_project(folder: Path, count: int) -> Path:
    """Make a project of so many images with missing files."""
    images: list[ImportedImage] = []
    for number in range(count):
        file = FileFacts(sha256=f"{number:064x}", bytes=1, mtime_ns=1, width=64, height=48, format="PNG")
        labels, split = (CLASSES[number % 3],) if number % 10 else (), "train" if number % 5 else "val"
        name = f"{number:06d}.png"
        source, place = ImportRow(folder / name, name, labels, split), FileLocation(folder, name)
        images.append(ImportedImage(source=source, sha256=file.sha256, file=file, place=place))
    with ProjectStore.create(folder) as project:
        project.apply(AddImages(images=tuple(images), title="Import"))
        project.apply(TagImages(tuple(range(1, count, 2)), "odd"))
    return folder


def settle(counter: Counter) -> None:
    """Run the event loop until nothing has been read, on any thread, for a while."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        QApplication.processEvents()
        if last != counter.alive:
            last, since = counter.alive, time.monotonic()
        time.sleep(0.002)


def label_page(window: MainWindow) -> LabelPage:
    page = window.page("label")
    assert isinstance(page, LabelPage)
    return page


def work_in(window: MainWindow, counter: Counter, path: Path) -> dict[str, Work]:
    """Open a project, do everything once, and return the work of each."""
    found: dict[str, Work] = {}

    def count(name: str, act: Callable[[], object]) -> None:
        counter.statements = counter.steps = 0
        act()
        settle(counter)
        found[name] = (counter.statements, counter.steps)

    def press(key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(label_page(window).grid, key, modifiers)

    def close_when_read(act: Callable[[], object]) -> None:
        """Act, and close the menu or dialog that it opens once nothing is read any more."""

        def close() -> None:
            settle(counter)
            opened = QApplication.activePopupWidget() or QApplication.activeModalWidget()
            assert opened is not None
            closed.append(opened)
            opened.close()

        closed: list[QWidget] = []
        QTimer.singleShot(0, close)
        act()
        assert closed

    def right_click() -> None:
        grid = label_page(window).grid
        place = grid.rect_of(grid.selection.place).center()
        reason = QContextMenuEvent.Reason.Mouse
        QApplication.sendEvent(grid.viewport(), QContextMenuEvent(reason, place, grid.viewport().mapToGlobal(place)))

    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    undo, redo = (window.commands.action(name).trigger for name in ("edit.undo", "edit.redo"))
    window.show_page("project")
    count("open the project", lambda: window.state.open_project(path))
    for name in window.entries:
        count(f"open {name}", lambda name=name: window.show_page(name))
    window.show_page("label")
    settle(counter)
    count("select", lambda: press(Qt.Key.Key_D))
    count("label", lambda: press(Qt.Key.Key_2))
    count("tag", lambda: close_when_read(lambda: press(Qt.Key.Key_T, control)))
    count("right-click", lambda: close_when_read(right_click))
    count("next without a label", lambda: press(Qt.Key.Key_D, control))
    count("previous without a label", lambda: press(Qt.Key.Key_D, control | shift))
    count("skip", lambda: press(Qt.Key.Key_N))
    count("clear the labels", lambda: press(Qt.Key.Key_Backspace))
    count("select all", lambda: press(Qt.Key.Key_A, control))
    count("right-click on all", lambda: close_when_read(right_click))
    count("select one", lambda: press(Qt.Key.Key_Home))
    count("show a class", lambda: label_page(window).filters.show_only_class("red"))
    count("show all", label_page(window).filters.clear)
    for name in window.entries:
        count(f"open {name} after a change", lambda name=name: window.show_page(name))
        count(f"undo, {name}", undo)
        count(f"redo, {name}", redo)
    return found


@pytest.mark.slow
def test_the_work_on_the_main_thread_does_not_grow_with_the_images(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = [make_project(tmp_path / name, count) for name, count in (("few", 1_000), ("many", 50_000))]
    counter, connect = Counter(), sqlite3.connect

    def counted(*args: Any, **values: Any) -> sqlite3.Connection:
        connection = connect(*args, **values)
        counter.watch(connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", counted)
    few, many = (work_in(window, counter, project) for project in projects)
    assert few["label"][0] and few["undo, label"][1]  # something was counted
    assert many == few
