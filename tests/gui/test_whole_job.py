"""The whole job by primary buttons and keys alone, with real dialogs; the exported file runs in bare onnxruntime."""

import json
import subprocess
import sys

import pytest
from modal import answer
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton

from gui.home import new_project
from gui.shell.window import MainWindow
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.runs.run_folder import list_runs

pytestmark = pytest.mark.usefixtures("styled")
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
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=seconds * 1000)


MAX_CLICKS = 8


class Hand:
    """Presses the single primary button in front, and counts."""

    def __init__(self, qtbot, window: MainWindow) -> None:
        self._qtbot, self._window = qtbot, window
        self.clicks = 0

    def press_next(self) -> None:
        """Press the only primary button."""
        buttons = self._window.current_page.findChildren(QPushButton)
        (button,) = (each for each in buttons if each.property("role") == "primary" and each.isVisible())
        self.press(button)

    def press(self, button: QPushButton) -> None:
        """Reach a button by the Tab key and press it by Enter."""
        self.clicks += 1
        self._window.activateWindow()  # offscreen nobody does it when a dialog closes
        self._qtbot.waitUntil(lambda: QApplication.focusWidget() is not None)
        for _ in range(300):
            if button.hasFocus():
                break
            self._qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        assert button.hasFocus(), button.text()
        self._qtbot.keyClick(button, Qt.Key.Key_Return)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_the_whole_job_by_the_primary_buttons_and_by_keys_alone(qtbot, window, draw_folder, tmp_path, monkeypatch):
    images = draw_folder(tmp_path / "parts", {"red": 14, "green": 14, "blue": 14})
    hand = Hand(qtbot, window)

    def choose(dialog: QFileDialog) -> None:
        name, *_ = dialog.findChildren(QLineEdit)
        name.setText(str(images))
        hand.clicks += 1
        qtbot.keyClick(name, Qt.Key.Key_Return)

    monkeypatch.setattr(new_project, "projects_folder", lambda: tmp_path / "projects")
    answer(QFileDialog, choose)
    hand.press_next()
    wait_for_job(qtbot, window)
    hand.press_next()
    wait_for_job(qtbot, window)
    hand.press_next()
    train = window.current_page
    hand.press_next()
    qtbot.waitUntil(lambda: train.monitor.line.words() != "", timeout=30_000)  # at work, before any point
    wait_for_job(qtbot, window)
    session = window.state.session
    assert all(session.snapshot().labelled(split) for split in ("train", "val", "test"))
    (run,) = list_runs(session.path)
    assert all(read_evaluation(run.path, split) is not None for split in ("val", "test"))

    hand.press_next()
    results = window.current_page
    assert results.name == "results" and results.evaluation is not None
    hand.press(results.export_button)
    hand.press_next()
    wait_for_job(qtbot, window)
    assert window.current_page.parity_card.isVisible(), window.toasts.message()
    (model,) = (session.path / "exports").glob("*/model.onnx")
    image = images / "red" / "red_001.png"
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(model), str(image)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    probabilities = json.loads(done.stdout)
    labels = (model.parent / "labels.txt").read_text().split()
    assert labels[probabilities.index(max(probabilities))] == "red"
    assert sum(probabilities) == pytest.approx(1, abs=1e-4) and hand.clicks <= MAX_CLICKS
