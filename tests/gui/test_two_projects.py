"""One project after another: nothing of the first is to be seen or reached in the second, and back again."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import shiboken6
from PIL import Image
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QWidget

from gui.jobs import Job, Lane
from gui.kit import dialogs
from gui.results.results_page import DETAILS
from gui.shell.window import MainWindow
from visionft.training.config.train_config import TrainConfig

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
TINY = TrainConfig(
    backbone="test_resnet",
    method="linear",
    weights="random",
    image_size=32,
    batch_size=4,
    epochs=1,
    device="cpu",
    augmentation="none",
)


def draw(folder: Path, names: tuple[str, ...], count: int) -> Path:
    """Draw class folders of distinct images, in any folder."""
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            shade = (90 * place + 9 * number, 12 * len(name) + number, 7 * len(folder.name))
            Image.new("RGB", (40, 32), shade).save(folder / name / f"{name}_{number}.png")
    return folder


def wait(qtbot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=200_000)


@pytest.fixture
def said(window: MainWindow, texts_of) -> Callable[[], str]:
    """Return a function for all texts of the window on any page, including hidden ones."""
    return partial(_said, window, texts_of)


def _said(window: MainWindow, texts_of: Callable[[QWidget], Iterator[str]]) -> str:
    for name in window.entries:
        window.show_page(name)
        for _ in range(3):
            QApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # the event loop does this automatically
    return "\n".join([*texts_of(window), *(action.text() for action in window.findChildren(QAction))])


def fill(qtbot, window: MainWindow, source: Path) -> None:
    """Import images by clicks; the start of a run divides them."""
    window.show_page("project")
    window.page("project").take_source(source)
    wait(qtbot, window)
    qtbot.mouseClick(window.page("project").imports.panel.import_button, LEFT)
    wait(qtbot, window)


def learn(qtbot, window: MainWindow) -> None:
    """Train a tiny run, evaluate, export and try it."""
    window.show_page("train")
    train = window.page("train")
    train.draft.take(TINY)
    train.start()
    wait(qtbot, window)
    train.setup.reset_button.click()  # chosen settings would stay, see below
    window.show_page("results")
    window.page("results").view_buttons.button(DETAILS).click()
    qtbot.mouseClick(window.page("results").evaluate_button, LEFT)
    wait(qtbot, window)
    assert window.page("results").evaluation is not None, window.toasts.message()
    window.show_page("export")
    qtbot.mouseClick(window.page("export").export_button, LEFT)
    wait(qtbot, window)
    assert window.page("export").parity_card.isVisible(), window.toasts.message()
    window.show_page("try")
    window.page("try").classify([window.state.session.snapshot().images[0].path])
    wait(qtbot, window)
    assert window.page("try").predictions


def open_pages(window: MainWindow) -> dict[str, QWidget]:
    return {name: window.page(name) for name in window.entries if name != "settings"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_nothing_of_one_project_shows_in_another(qtbot, window, tmp_path, said):
    window.state.create_project(tmp_path / "orchard")
    fill(qtbot, window, draw(tmp_path / "baskets", ("apple", "quince"), 8))
    assert window.page("project").overview.report.isVisible()
    learn(qtbot, window)
    own = said()
    for word in ("orchard", "baskets", "apple", "001-test_resnet-linear"):
        assert word in own
    left, session = open_pages(window), window.state.session

    window.show_page("project")
    qtbot.keyClick(window, Qt.Key.Key_W, CONTROL)
    assert window.state.session is None and window.page("project").welcome.isVisible()
    window.state.create_project(tmp_path / "paddock")
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not shiboken6.isValid(session) and not any(shiboken6.isValid(page) for page in left.values())
    assert_fresh(window)
    fill(qtbot, window, draw(tmp_path / "boxes", ("donkey", "horse"), 6))
    assert_nothing(said(), "orchard", "baskets", "apple", "quince", "001-")
    assert "donkey" in said() and "boxes" in said()

    window.state.open_project(tmp_path / "orchard")
    assert_nothing(said(), "paddock", "boxes", "donkey", "horse")
    assert window.page("try").predictions == () and not window.page("project").overview.report.isVisible()
    window.show_page("results")
    assert window.page("results").table.selected() == ["001-test_resnet-linear"]
    assert window.page("results").evaluation is not None and window.page("try").model() is not None


def assert_nothing(said: str, *words: str) -> None:
    found = [line for line in said.splitlines() for word in words if word in line]
    assert not found


def assert_fresh(window: MainWindow) -> None:
    """Check the emptiness of every page, whatever it would show."""
    page, train, attempt = window.page("project"), window.page("train"), window.page("try")
    assert page.overview.report.isHidden() and page.overview.sheet.isHidden()
    assert window.page("label").grid.count() == 0 and window.page("label").labels.suggesting.found == {}
    assert (len(train.monitor.chart.steps), len(train.monitor.chart.epochs)) == (0, 0)
    assert train.runner.offer is None and train.resume_card.message() == ""
    assert window.page("results").run() is None and window.page("results").evaluation is None
    assert window.page("export").run() is None and window.page("export").target_card.folder() is None
    assert attempt.predictions == () and attempt.model() is None and attempt.grid.count() == 0


class Late:
    """A job with a delayed reaction to its cancellation, and a result."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def __call__(self, *, job) -> str:
        self.begun.set()
        while not job.is_cancelled:
            threading.Event().wait(0.003)
        threading.Event().wait(0.2)
        return "a late result"


@pytest.fixture
def late(window: MainWindow, project_dir: Path, monkeypatch) -> Callable[[Lane], list[tuple[str, object]]]:
    """Return a function to start a late job on the open project; it records results with their current session."""
    monkeypatch.setattr(dialogs, "ask_yes", lambda *_, **__: True)
    window.state.open_project(project_dir)

    def start(lane: Lane) -> list[tuple[str, object]]:
        heard: list[tuple[str, object]] = []
        state, work = window.state, Late()
        job = Job(title="Taking its time", work=work, lane=lane, page="project")
        state.jobs.run(job, owner=window.page("project"), on_done=lambda result: heard.append((result, state.session)))
        assert work.begun.wait(5)
        return heard

    return start


@pytest.mark.parametrize("lane", list(Lane))
def test_a_late_result_never_reaches_another_project(qtbot, window, late, tmp_path, lane):
    heard, session = late(lane), window.state.session
    window.state.create_project(tmp_path / "second")
    assert window.state.path == tmp_path / "second" and not window.state.jobs.pending
    qtbot.wait(50)
    assert heard == [("a late result", session)]


def test_opening_another_project_while_a_job_runs_asks_first(qtbot, window, late, tmp_path, monkeypatch):
    asked, answers = [], [False, False, True]
    monkeypatch.setattr(dialogs, "ask_yes", lambda *inputs, **_: asked.append(inputs[1]) or answers.pop(0))
    late(Lane.DISK)
    late(Lane.TRAINING)
    session = window.state.session
    assert not window.state.create_project(tmp_path / "second") and not (tmp_path / "second").exists()
    window.commands.action("file.close").trigger()
    assert window.state.session is session and len(window.state.jobs.running) == 2
    window.commands.action("file.close").trigger()
    assert window.state.session is None and not window.state.jobs.pending
    assert len(asked) == 3 and not any("2" in question for question in asked)  # only the training would lose anything
