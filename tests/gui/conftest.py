"""Fixtures of the window's tests: an application in the light theme, small real projects, and a leak check."""

import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
import run_files
import shown_texts
from cut_texts import cut_texts
from PIL import Image, ImageDraw
from projects import project_of
from PySide6.QtCore import QCoreApplication, QEvent, QModelIndex, QThread, QTimer
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QWidget,
)

from gui.app import create_window
from gui.jobs import JOB_THREAD_NAME
from gui.kit import theme, workers
from gui.kit.theme import apply_theme
from gui.results import results_page
from gui.shell.window import MainWindow
from gui.state import AppState
from gui.train import setup_measurements
from visionft.export.export_result import Variant, VariantAgreement, VariantLatency
from visionft.training.config.train_config import TrainConfig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore the offscreen platform's warnings about windows with a minimum size, tooltips and drop-down lists."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(
                pytest.mark.qt_log_ignore(r"does not support (propagateSizeHints|raise|grabbing the keyboard)\b")
            )


@pytest.fixture
def styled() -> None:
    """Apply the style sheet to the window, for a test of its looks."""


@pytest.fixture(autouse=True)
def _undressed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the style sheet in tests unrelated to looks: it takes most of the time to build a page.

    Each widget is styled again whenever one of its ancestors is reparented: eight times in a page.
    """
    if "styled" not in request.fixturenames:
        monkeypatch.setattr(theme, "style_sheet", lambda *_: "")


@pytest.fixture(autouse=True)
def _nothing_left_over(qapp: QApplication, _undressed: None) -> Iterator[None]:
    """Fail a test after it leaves a visible window, a thread or a running timer."""
    apply_theme(qapp, "light")
    gc.freeze()  # the permanent objects of libraries, a million, are skipped by the collector and by the leak check
    yield
    wait(workers.work_let_go())
    qapp.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    living = gc.get_objects()
    active = [each for each in living if issubclass(type(each), QThread | QTimer) and _is_active(each)]
    del living
    threads = [
        each for each in threading.enumerate() if each.name.startswith((JOB_THREAD_NAME, workers.READING_THREAD))
    ]
    for thread in threads:
        thread.join(1)  # one that has just been told to end
    visible = [widget for widget in qapp.topLevelWidgets() if widget.isVisible()]
    described = [(type(each), each.parent(), getattr(each, "interval", lambda: None)()) for each in active]
    assert not active, f"threads or timers still run: {described}"
    assert not any(each.is_alive() for each in threads), f"threads still run: {threads}"
    assert not visible, f"windows are still open: {visible}"


def _is_active(each: QThread | QTimer) -> bool:
    try:
        return each.isActive() if isinstance(each, QTimer) else each.isRunning() and each is not QThread.currentThread()
    except RuntimeError:
        return False  # its C++ half is deleted already


COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 70, 200)}


def _draw_folder(folder: Path, counts: dict[str, int]) -> Path:
    """Draw class folders of small images, each one different."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = Image.new("RGB", (48, 40), COLOURS.get(name, (120, 120, 120)))
            ImageDraw.Draw(image).ellipse((number % 30, 5, number % 30 + 12, 25), fill=(number * 7 % 255, 200, 90))
            image.save(folder / name / f"{name}_{number:03d}.png")
    return folder


@pytest.fixture
def draw_folder() -> Callable[[Path, dict[str, int]], Path]:
    """Return a function to draw class folders."""
    return _draw_folder


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """Return a function to make a project without splits: `make_project("name", {"class": images})`."""
    return lambda name, counts: project_of(tmp_path / name, _draw_folder(tmp_path / f"images of {name}", counts))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of `images` and their `project`; it finds them wherever both are copied to."""
    folder = tmp_path_factory.mktemp("shared")
    _draw_folder(folder / "made" / "images", {"red": 10, "green": 8, "blue": 7})
    project_of(folder / "made" / "project", folder / "made" / "images", has_splits=True)
    return (folder / "made").rename(folder / "kept")  # no copy finds its images where they were first


@pytest.fixture
def images(tmp_path: Path, made_once: Path) -> Path:
    """Return a folder with three class folders of images."""
    return shutil.copytree(made_once / "images", tmp_path / "images")


@pytest.fixture
def project_dir(tmp_path: Path, images: Path, made_once: Path) -> Path:
    """Return a project with labelled, split images."""
    return shutil.copytree(made_once / "project", tmp_path / "project")


@pytest.fixture(autouse=True)
def _calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start nothing that costs seconds by itself, and wait for background reads, however busy the computer is."""
    monkeypatch.setattr(setup_measurements, "DELAY_MS", 60_000)
    monkeypatch.setattr(results_page, "LOOK_MS", 60_000)  # the automatic evaluation: torch
    monkeypatch.setattr(workers, "PATIENCE_S", 60.0)


@pytest.fixture
def state(qapp: QApplication) -> Iterator[AppState]:
    """Return a fresh state, closed afterwards."""
    state = AppState()
    yield state
    state.jobs.stop_and_wait(lambda _job: True)
    state.close_project()
    state.deleteLater()


@pytest.fixture
def window(qtbot, qapp: QApplication, state: AppState) -> Iterator[MainWindow]:
    """Return the visible main window."""
    window = create_window(qapp, state)
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=5000)
    yield window
    try:
        qtbot.waitUntil(lambda: not state.jobs.pending, timeout=20_000)
    finally:
        state.confirm_stop = lambda _jobs: True  # nobody is there to answer
        window.close()


@pytest.fixture
def open_page(window: MainWindow, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return a function to show a page of a project: of `project_dir` unless a folder is given."""

    def open_page(name: str, folder: Path | None = None) -> Any:
        window.state.open_project(folder or request.getfixturevalue("project_dir"))
        window.show_page(name)
        return window.page(name)

    return open_page


@pytest.fixture
def finish(qtbot, state: AppState) -> Callable[[], None]:
    """Return a function to wait for the end of all jobs."""
    return lambda: qtbot.waitUntil(lambda: not state.jobs.pending, timeout=60_000)


class Current:
    """The current page, whichever project has been opened meanwhile."""

    def __init__(self, window: MainWindow, name: str) -> None:
        self._window, self._name = window, name

    @property
    def widget(self) -> QWidget:
        return self._window.page(self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._window.page(self._name), name)


@pytest.fixture
def current(window: MainWindow) -> Callable[[str], Current]:
    """Return a function to get a page by its name, for tests with several projects."""
    return lambda name: Current(window, name)


# -- cut texts ----------------------------------------------------------------------------------------------------


@pytest.fixture
def look(styled: None) -> Callable[[QWidget, str, QWidget], list[str]]:
    """Return a function to name the truncated texts on a screen."""
    return _look


def _look(root: QWidget, where: str, window: QWidget) -> list[str]:
    """Return the truncated texts, once the layouts have settled."""
    for _ in range(6):
        QApplication.processEvents()
    assert window.size().toTuple() in ((1280, 800), (853, 533)), f"{where} pushes the window apart"
    return [f"{where}: {line}" for line in cut_texts(root)]


# -- texts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def texts_of() -> Callable[[QWidget], Iterator[str]]:
    """Return a function for all texts of a widget and its children, also those for screen readers and tooltips."""
    return shown_texts.shown_texts


@pytest.fixture
def indexes() -> Callable[[QAbstractItemView], list[QModelIndex]]:
    """Return a function to list all cells of a view."""
    return shown_texts.indexes


# -- runs ---------------------------------------------------------------------------------------------------------

OLD_RUN, NEW_RUN = "001-resnet18-lora", "002-vit_tiny-linear"
ANSWERS: run_files.Answers = (
    ("blue", "blue", 0.8),
    ("blue", "green", 0.7),
    ("green", "green", 0.9),
    ("red", "blue", 0.95),
)


@pytest.fixture
def write_run() -> Callable[..., None]:
    """Return a function to write a run folder with both checkpoints."""
    return run_files.write_run


@pytest.fixture
def write_evaluation() -> Callable[..., None]:
    """Return a function to write the files of an evaluation."""
    return run_files.write_evaluation


@pytest.fixture
def answers() -> run_files.Answers:
    """Return the newer run's predictions for the four images of `image_ids`."""
    return ANSWERS


@pytest.fixture
def image_ids(window: MainWindow, project_dir: Path) -> list[int]:
    """Return four images of a project with two runs; the newer run is evaluated on them."""
    window.state.open_project(project_dir)
    assert window.state.session is not None
    snapshot = window.state.session.snapshot()
    by_class = {name: index for index, name in enumerate(snapshot.class_names)}

    def first(name: str, count: int) -> list[int]:
        return [image.image_id for image in snapshot.images if image.labels == (by_class[name],)][:count]

    ids = [*first("blue", 2), *first("green", 1), *first("red", 1)]
    run_files.write_run(project_dir, OLD_RUN, TrainConfig(backbone="resnet18"), accuracies=[0.5, 0.8, 0.7])
    config = TrainConfig(backbone="vit_tiny", method="linear", epochs=5)
    run_files.write_run(project_dir, NEW_RUN, config, accuracies=[0.6, 0.9])
    run_files.write_evaluation(project_dir, NEW_RUN, ids, ANSWERS)
    return ids


@pytest.fixture
def int8_variant() -> Variant:
    """Return an int8 variant: 26 % of the size, 2.2 times as fast, 0.3 points less accuracy, recommended."""
    answers = VariantAgreement(
        images=378,
        top1=0.894,
        reference_top1=0.897,
        difference=(-0.015, 0.010),
        flips=8,
        ece=0.03,
        reference_ece=0.04,
        max_abs_diff=0.28,
        max_distance_diff=0.05,
    )
    speed = VariantLatency(
        p50_ms=9.6,
        p99_ms=12.0,
        reference_p50_ms=21.2,
        reference_p99_ms=25.0,
        times_faster=2.2,
        runs=60,
        provider="CPUExecutionProvider",
        width=320,
        height=240,
        processor="",
    )
    return Variant(
        precision="int8",
        file="model_int8.onnx",
        bytes=24_000_000,
        reference_bytes=94_000_000,
        sha256="",
        answers=answers,
        temperature=1.2,
        bits=7,
        speed=speed,
        verdict="recommended",
    )
