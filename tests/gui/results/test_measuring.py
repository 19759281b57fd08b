"""Results without a button: a viewed run is evaluated automatically, once, with progress."""

import threading

import pytest
from PySide6.QtCore import Qt

from gui import runner
from gui.results import evaluations, results_page
from gui.shell.window import MainWindow
from visionft.core.errors import RunError
from visionft.core.events import Progress

LEFT = Qt.MouseButton.LeftButton
OLD, NEW = "001-resnet18-lora", "002-vit_tiny-linear"


@pytest.fixture
def page(window: MainWindow, image_ids: list[int], monkeypatch):
    """Return the page with its own pace; the newer run is measured already, the older one is not."""
    monkeypatch.setattr(results_page, "LOOK_MS", 1)
    monkeypatch.setattr(evaluations, "evaluate", lambda *_, **__: None)
    window.show_page("results")
    return window.page("results")


def test_a_run_without_a_result_is_measured_by_itself_with_its_progress(
    qtbot, page, window, project_dir, monkeypatch, image_ids, write_evaluation, answers
):
    gate, begun = threading.Event(), threading.Event()

    def evaluate(run_dir, _images, _split, *, job):
        job.report(Progress(stage="val", done=1, total=4))
        begun.set()
        gate.wait(10)
        write_evaluation(project_dir, run_dir.name, image_ids, answers)

    monkeypatch.setattr(evaluations, "evaluate", evaluate)
    page.table.select([OLD])
    assert "%" not in page.accuracy.words()[0]  # what chose its epoch is no accuracy
    qtbot.waitUntil(begun.is_set)
    qtbot.waitUntil(lambda: page.accuracy.words()[1] == "val")
    assert page.missing.isVisible() and page.why_not_evaluate()
    gate.set()
    qtbot.waitUntil(lambda: page.evaluation is not None)
    assert "50.0%" in page.accuracy.words()[2] and page.images.explain.isVisible()


def test_a_measurement_that_fails_is_told_in_its_place_and_not_tried_again_by_itself(qtbot, page, window, monkeypatch):
    asked = []

    def failing(run_dir, *_inputs, **_hooks):
        asked.append(run_dir.name)
        raise RunError("No labels.", "Split the images.")

    monkeypatch.setattr(evaluations, "evaluate", failing)
    said = []
    window.state.message_raised.connect(said.append)
    page.table.select([OLD])
    qtbot.waitUntil(lambda: "No labels." in page.accuracy.words()[1])
    page.table.select([NEW])
    page.table.select([OLD])
    qtbot.wait(50)
    assert asked == [OLD] and not said
    qtbot.mouseClick(page.missing.button, LEFT)
    qtbot.waitUntil(lambda: len(asked) == 2 and not window.state.jobs.pending)


@pytest.mark.slow
def test_while_a_run_trains_another_is_measured_only_when_asked(qtbot, page, monkeypatch, finish):
    gate, asked = threading.Event(), []
    monkeypatch.setattr(runner, "train_and_evaluate", lambda *_, **__: gate.wait(10) and None)

    def evaluate(run_dir, _images, split, **_hooks):
        asked.append((run_dir.name, split))

    monkeypatch.setattr(evaluations, "evaluate", evaluate)
    page.session.runner.start(page.run().config)
    page.table.select([OLD])
    qtbot.wait(50)
    assert not asked
    qtbot.mouseClick(page.missing.button, LEFT)
    qtbot.waitUntil(lambda: asked == [(OLD, "val")])
    page.view_buttons.button(results_page.DETAILS).click()
    page.split_box.setCurrentIndex(1)
    qtbot.mouseClick(page.evaluate_button, LEFT)
    qtbot.waitUntil(lambda: asked == [(OLD, "val"), (OLD, "test")])
    gate.set()
    finish()
