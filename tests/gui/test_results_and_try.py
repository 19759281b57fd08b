"""Results: runs as their folders tell them, confusion cells that open pictures."""

import json
from dataclasses import asdict

import pytest
from PySide6.QtCore import Qt

from gui import work
from gui.evaluations import read_evaluation
from gui.main_window import MainWindow
from visionft.events import EpochDone
from visionft.training.config import TrainConfig

LEFT = Qt.MouseButton.LeftButton


def write_run(project_dir, name: str, config: TrainConfig, *, accuracies: list[float]) -> None:
    folder = project_dir / "runs" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    (folder / "classes.json").write_text(json.dumps(["blue", "green", "red"]))
    lines = [
        asdict(EpochDone(
            epoch=number, epochs=5, train_loss=1, train_top1=0.5, val_loss=1 - accuracy, val_top1=accuracy,
            learning_rate=0.1, seconds=1, images_per_second=1, is_best=accuracy == max(accuracies[:number]),
        ))
        for number, accuracy in enumerate(accuracies, 1)
    ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


def write_evaluation(project_dir, name: str, image_ids: list[int]) -> None:
    folder = project_dir / "runs" / name
    score = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 4}
    stored = {
        "run": name, "split": "val", "images": 4, "top1": 0.5, "top1_interval": [0.15, 0.85], "top5": 1.0,
        "balanced_accuracy": 0.5, "ece": 0.1, "temperature": 1.0, "unreadable": 0,
        "per_class": {"blue": score, "green": score, "red": score}, "confusion": [[1, 1, 0], [0, 1, 0], [1, 0, 0]],
    }  # fmt: skip
    pairs = [("blue", "blue"), ("blue", "green"), ("green", "green"), ("red", "blue")]
    lines = [
        {"image_id": image_id, "class": true, "predicted": said, "probability": 0.9}
        for image_id, (true, said) in zip(image_ids, pairs, strict=True)
    ]
    (folder / "evaluation-val.json").write_text(json.dumps(stored))
    (folder / "predictions-val.jsonl").write_text("\n".join(json.dumps(line) for line in lines))


@pytest.fixture
def project_with_runs(window: MainWindow, project_dir):
    window.state.open_project(project_dir)
    ids = [image.image_id for image in window.state.snapshot().images[:4]]
    write_run(project_dir, "001-resnet18-lora", TrainConfig(backbone="resnet18"), accuracies=[0.5, 0.8, 0.7])
    config = TrainConfig(backbone="vit_tiny", method="linear", epochs=5)
    write_run(project_dir, "002-vit_tiny-linear", config, accuracies=[0.6, 0.9])
    write_evaluation(project_dir, "002-vit_tiny-linear", ids)
    return ids


@pytest.fixture
def page(window, project_with_runs):
    window.show_page("results")
    return window.page("results")


def test_the_table_shows_each_run_and_the_newest_is_chosen(page):
    model = page.table.model()
    shown = [[model.index(line, place).data() for place in range(7)] for line in range(2)]
    assert shown[0] == ["002-vit_tiny-linear", "ViT-Tiny/16", "Linear probe", "2 of 5", "90.0%", "0.100", "Unfinished"]
    assert page.table.selected() == ["002-vit_tiny-linear"]
    assert page.chart.run_names() == ["002-vit_tiny-linear"]


def test_two_runs_lie_over_each_other_and_their_differences_are_marked(page):
    page.table.select(["001-resnet18-lora", "002-vit_tiny-linear"])
    assert page.chart.run_names() == ["002-vit_tiny-linear", "001-resnet18-lora"]
    rows = {line[0]: line[1:] for line in page.settings.texts()}
    assert rows["≠  Backbone"] == ["vit_tiny", "resnet18"]
    assert rows["Batch size"] == ["32", "32"]


def test_the_evaluation_of_a_run_is_read_back(page):
    assert page.classes.texts()[0] == ["blue", "50.0%", "50.0%", "15% to 85%", "50.0%", "4"]
    assert "50.0% right on validation" in page._figures.text()


def test_a_pressed_cell_opens_its_pictures_on_the_label_page(qtbot, page, window, project_with_runs):
    qtbot.mouseClick(page.view_buttons.button(1), LEFT)
    qtbot.mouseClick(page.matrix, LEFT, pos=page.matrix.cell_rect(0, 1).center())
    assert page._cell_text.text() == "1 pictures of “blue” were taken for “green”"
    qtbot.mouseClick(page.show_button, LEFT)
    label = window.current_page
    assert label.name == "label" and label.grid.count() == 1
    assert label.grid.current_id() == project_with_runs[1]
    label.show_all()
    assert label.grid.count() == 25


def test_all_mistakes_can_be_shown(qtbot, page, window, project_with_runs):
    qtbot.mouseClick(page.view_buttons.button(1), LEFT)
    qtbot.mouseClick(page.mistakes_button, LEFT)
    assert window.current_page.grid.count() == 2


def test_a_run_without_an_evaluation_says_so(page):
    page.table.select(["001-resnet18-lora"])
    assert page.evaluation is None and page.evaluate_button.text() == "Evaluate"


def test_a_damaged_evaluation_is_as_good_as_none(page, project_dir, caplog):
    folder = project_dir / "runs" / "002-vit_tiny-linear"
    (folder / "evaluation-val.json").write_text("{")
    assert read_evaluation(folder, "val") is None
    assert "cannot be read" in caplog.text


def test_a_corrupt_run_folder_is_passed_over(window, page, project_dir):
    (project_dir / "runs" / "001-resnet18-lora" / "config.json").write_text("garbage")
    page.refresh()
    assert page.table.model().rowCount() == 1


def test_evaluate_runs_the_chosen_run_on_the_chosen_split(qtbot, page, window, monkeypatch):
    asked = []
    monkeypatch.setattr(work, "evaluate", lambda *inputs: asked.append(inputs) or (lambda **_: 0))
    page.split_box.setCurrentText("Test")
    qtbot.mouseClick(page.evaluate_button, LEFT)
    qtbot.waitUntil(lambda: window.state.job_info is None)
    assert asked[0][0].name == "002-vit_tiny-linear" and asked[0][2] == "test"


def test_an_unfinished_run_can_go_on_and_its_curve_goes_on(qtbot, page, window, monkeypatch):
    asked = []
    monkeypatch.setattr(work, "continue_run", lambda *inputs: asked.append(inputs) or (lambda **_: 0))
    qtbot.mouseClick(page.continue_button, LEFT)
    qtbot.waitUntil(lambda: window.state.job_info is None)
    assert window.current_page.name == "train" and asked[0][0].name == "002-vit_tiny-linear"
    assert window.current_page.monitor.chart.point_counts()["epochs"] == 2
