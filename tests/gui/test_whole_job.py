"""The whole job by clicks and keys, ending with the exported file in bare onnxruntime."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QWidget

from gui.home import new_project
from gui.home.new_project import NewProjectDialog
from gui.kit import dialogs
from gui.shell.window import MainWindow
from visionft.evaluation.stored import read_evaluation
from visionft.training.runs.run_folder import list_runs

pytestmark = pytest.mark.usefixtures("styled")
LEFT = Qt.MouseButton.LeftButton
BARE = """
import json, sys
import numpy, onnxruntime
from PIL import Image
assert "torch" not in sys.modules
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
pixels = numpy.asarray(Image.open(sys.argv[2]).convert("RGB"))[None]
print(json.dumps(session.run(["probabilities"], {"image": pixels})[0][0].tolist()))
"""


def wait_for_job(qtbot, window: MainWindow, *, seconds: int = 120) -> None:
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=seconds * 1000)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_from_a_folder_of_images_to_an_exported_file(qtbot, window, draw_folder, tmp_path):
    images = draw_folder(tmp_path / "parts", {"red": 14, "green": 14, "blue": 14})
    window.state.create_project(tmp_path / "project")
    page = window.page("project")
    page.take_source(images)
    wait_for_job(qtbot, window)
    qtbot.mouseClick(page.imports.panel.import_button, LEFT)
    wait_for_job(qtbot, window)
    assert page.overview.checklist.badge.text() == "Ready to train"

    window.show_page("label")
    label = window.page("label")
    qtbot.waitUntil(label.grid.hasFocus)
    qtbot.keyClick(label.grid, Qt.Key.Key_3)
    qtbot.keyClick(label.grid, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert [name for name, _ in label.grid.tile(label.grid.selection.id_at(0)).labels] == ["blue"]

    window.show_page("train")
    train = window.page("train")
    qtbot.mouseClick(train.setup.more_button, LEFT)
    qtbot.mouseClick(train.setup.backbones.tiles["starter_resnet"], LEFT)
    qtbot.mouseClick(train.setup.methods.tiles["linear"], LEFT)
    train.setup.method_forms["linear"].editor("solver").setCurrentText("gradient")
    train.form.editor("epochs").setValue(3)
    train.form.editor("batch_size").setValue(8)
    qtbot.keyClick(train, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: train.monitor.chart.point_counts()["epochs"] >= 1, timeout=120_000)
    wait_for_job(qtbot, window)
    assert train.monitor.state() == "Finished", window.toasts.message()
    assert train.monitor.chart.point_counts()["epochs"] == 4  # and the start

    train.form.editor("epochs").setValue(500)
    train.show_view(0)
    qtbot.mouseClick(train.start_button, LEFT)
    qtbot.waitUntil(lambda: train.monitor.chart.point_counts()["epochs"] >= 2, timeout=120_000)
    qtbot.mouseClick(train.pause_button, LEFT)
    wait_for_job(qtbot, window)
    paused = train.monitor.chart.point_counts()["epochs"]
    qtbot.mouseClick(train.resume_button, LEFT)
    qtbot.waitUntil(lambda: train.monitor.chart.point_counts()["epochs"] > paused, timeout=120_000)
    qtbot.mouseClick(train.stop_button, LEFT)
    wait_for_job(qtbot, window)
    assert train.monitor.state() == "Stopped", window.toasts.message()
    before = train.monitor.chart.point_counts()["epochs"]

    window.show_page("results")
    qtbot.mouseClick(window.page("results").continue_button, LEFT)
    qtbot.waitUntil(lambda: train.monitor.chart.point_counts()["epochs"] > before, timeout=120_000)
    qtbot.mouseClick(train.stop_button, LEFT)
    wait_for_job(qtbot, window)

    window.show_page("results")
    results = window.page("results")
    qtbot.mouseClick(results.evaluate_button, LEFT)
    wait_for_job(qtbot, window)
    assert results.evaluation is not None, window.toasts.message()
    assert results.evaluation.images == len(results.evaluation.predictions) > 0

    window.show_page("export")
    export = window.page("export")
    qtbot.mouseClick(export.export_button, LEFT)
    wait_for_job(qtbot, window)
    assert export.parity_card.isVisible(), window.toasts.message()
    window.show_page("try")
    attempt = window.page("try")
    attempt.classify([images / "red"])
    wait_for_job(qtbot, window)
    assert [answer.class_name for answer in attempt.predictions] == ["red"] * 14

    (model,) = (tmp_path / "project" / "exports").glob("*/model.onnx")
    image = images / "red" / "red_001.png"
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(model), str(image)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    probabilities = json.loads(done.stdout)
    labels = Path(model.parent / "labels.txt").read_text().split()
    assert labels[probabilities.index(max(probabilities))] == "red"
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)


MOST_CLICKS = 8


class Hand:
    """Presses the single primary button in front, and counts."""

    def __init__(self, qtbot, window: MainWindow) -> None:
        self._qtbot, self._window = qtbot, window
        self.clicks = 0

    def press_next(self, words: str, within: QWidget | None = None) -> None:
        """Press the only primary button; its text must be this."""
        found = self._primaries(within)
        assert [button.text() for button in found] == [words]
        self.press(found[0])

    def press(self, button: QPushButton) -> None:
        """Press a button."""
        self.clicks += 1
        self._qtbot.mouseClick(button, LEFT)

    def _primaries(self, within: QWidget | None) -> list[QPushButton]:
        buttons = (within or self._window.current_page).findChildren(QPushButton)
        return [button for button in buttons if button.property("role") == "primary" and button.isVisible()]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_the_whole_job_by_the_primary_buttons_alone(qtbot, window, draw_folder, tmp_path, monkeypatch):
    images = draw_folder(tmp_path / "parts", {"red": 14, "green": 14, "blue": 14})
    hand = Hand(qtbot, window)

    def create(dialog: NewProjectDialog) -> int:
        dialog.show()
        hand.press_next("Create", dialog)
        return dialog.result()

    monkeypatch.setattr(new_project, "projects_folder", lambda: tmp_path / "projects")
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args, **_kwargs: images)
    monkeypatch.setattr(NewProjectDialog, "exec", create)
    hand.press_next("Choose folder")
    wait_for_job(qtbot, window)
    hand.press_next("Import 42 images")
    wait_for_job(qtbot, window)
    hand.press_next("Train")
    train = window.current_page
    hand.press_next("Start training")
    qtbot.waitUntil(lambda: train.monitor.stage.words() != "", timeout=30_000)  # at work, before any point
    wait_for_job(qtbot, window)
    assert train.monitor.state() == "Finished", window.toasts.message()
    session = window.state.session
    assert all(session.snapshot().labelled(split) for split in ("train", "val", "test"))
    (run,) = list_runs(session.path)
    assert all(read_evaluation(run.path, split) is not None for split in ("val", "test"))

    hand.press_next("See results")
    results = window.current_page
    assert results.name == "results" and results.evaluation is not None
    hand.press(results.export_button)
    hand.press_next("Export")
    wait_for_job(qtbot, window)
    assert window.current_page.parity_card.isVisible(), window.toasts.message()
    (model,) = (session.path / "exports").glob("*/model.onnx")
    assert model.stat().st_size > 0 and hand.clicks <= MOST_CLICKS
