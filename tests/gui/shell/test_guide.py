"""The guided first run on the sample names the next button, follows any way through the pages, and can be left."""

import pytest
from PySide6.QtCore import Qt

from gui.home import new_project
from visionft.training.config.train_config import TrainConfig

LEFT = Qt.MouseButton.LeftButton


@pytest.mark.usefixtures("styled")  # without it the tiles have no height to be clicked at
def test_the_guide_leads_from_the_sample_to_the_try_page_and_is_left_by_a_click(
    qtbot, window, tmp_path, monkeypatch, write_run, finish
):
    monkeypatch.setattr(new_project, "projects_folder", lambda: tmp_path)
    guide = window.guide
    assert not guide.isVisible()
    qtbot.mouseClick(window.page("project").welcome.sample_tile, LEFT)
    finish()
    button = window.page("project").next_button
    qtbot.waitUntil(lambda: button.text() in guide.words.text())
    qtbot.mouseClick(button, LEFT)
    qtbot.waitUntil(lambda: window.page("train").start_button.text() in guide.words.text())
    window.show_page("label")
    qtbot.mouseClick(guide.page_button, LEFT)
    assert window.current_page.name == "project"

    write_run(window.state.path, "001-run", TrainConfig(epochs=2), accuracies=[0.5, 0.9])
    window.show_page("train")
    qtbot.mouseClick(guide.page_button, LEFT)
    assert window.current_page.name == "results"
    model = window.state.path / "exports" / "001-run" / "model.onnx"
    model.parent.mkdir(parents=True)
    model.touch()
    window.show_page("export")
    qtbot.mouseClick(guide.page_button, LEFT)
    assert window.current_page.name == "try" and not guide.page_button.isVisible()
    qtbot.mouseClick(guide.close_button, LEFT)
    window.show_page("project")
    assert not guide.isVisible()
