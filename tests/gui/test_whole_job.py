"""The whole job by clicks and keys, ending with the exported file in bare onnxruntime."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from gui.shell.window import MainWindow

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
def test_from_a_folder_of_pictures_to_an_exported_file(qtbot, window, draw_folder, tmp_path):
    pictures = draw_folder(tmp_path / "parts", {"red": 14, "green": 14, "blue": 14})
    window.state.create_project(tmp_path / "project")
    page = window.page("project")
    page.take_source(pictures)
    wait_for_job(qtbot, window)
    qtbot.mouseClick(page.imports.panel.import_button, LEFT)
    wait_for_job(qtbot, window)
    qtbot.mouseClick(page.checklist.buttons["split"], LEFT)
    wait_for_job(qtbot, window)
    assert page.checklist.badge() == "Ready to train"

    window.show_page("label")
    label = window.page("label")
    qtbot.waitUntil(label.grid.hasFocus)
    qtbot.keyClick(label.grid, Qt.Key.Key_3)
    qtbot.keyClick(label.grid, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert [name for name, _ in label.grid.tile(label.grid.selection.id_at(0)).labels] == ["blue"]

    window.show_page("train")
    train = window.page("train")
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
    attempt.classify([pictures / "red"])
    wait_for_job(qtbot, window)
    assert [answer.class_name for answer in attempt.answers] == ["red"] * 14

    (model,) = (tmp_path / "project" / "exports").glob("*/model.onnx")
    picture = pictures / "red" / "red_001.png"
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(model), str(picture)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    probabilities = json.loads(done.stdout)
    labels = Path(model.parent / "labels.txt").read_text().split()
    assert labels[probabilities.index(max(probabilities))] == "red"
    assert sum(probabilities) == pytest.approx(1, abs=1e-4)
