"""Results: runs read from their folders, in the user's order; their errors, the reasons, the changes."""

import re
import shutil
from dataclasses import asdict

import pytest
from pyqtgraph import PlotDataItem, PlotWidget
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from run_events import result

from gui.kit import dialogs, theme
from gui.kit.run_table import ACCURACY, COLOUR_ROLE, FIRST_COST, RUN_ROLE
from gui.kit.value_table import MARK_ROLE
from gui.results.classes_view import FIRST
from gui.results.details_view import CURVES, SETTINGS
from gui.results.results_page import CLASSES, COMPARE, DETAILS, MISTAKES
from visionft.core.files import write_json
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.comparison import write_file_cost
from visionft.training.runs.run_folder import read_run

LEFT = Qt.MouseButton.LeftButton
OLD, NEW = "001-resnet18-lora", "002-vit_tiny-linear"


def press(qtbot, table, line: int, place: int) -> None:
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.visualItemRect(table.item(line, place)).center())


def cells(table, columns: int = 11) -> list[list[str]]:
    model = table.model()
    return [[model.index(line, place).data() for place in range(columns)] for line in range(model.rowCount())]


def test_the_table_shows_each_run_with_its_costs_and_the_newest_is_chosen(page, project_dir):
    shown = cells(page.table)[0]
    assert shown[:3] == [NEW, "Linear probe", "ViT-Tiny/16"] and shown[ACCURACY].startswith("50.0%")
    assert not any(shown[FIRST_COST:-1]) and shown[-1] == "Unfinished"
    assert page.table.selected() == [page.run().title] == [NEW]
    write_json(project_dir / "runs" / OLD / "result.json", asdict(result(run=OLD, seconds=12.0)))
    write_file_cost(project_dir / "runs" / NEW, file_bytes=4_000_000, milliseconds=7.5)
    page.refresh()
    for column, names in ((ACCURACY, [OLD, NEW]), (FIRST_COST, [OLD, NEW]), (FIRST_COST + 3, [NEW, OLD])):
        page.table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
        assert [line[0] for line in cells(page.table)] == names
    assert cells(page.table)[0][FIRST_COST : FIRST_COST + 5] == ["", "", "", "4.0 MB", "7.5 ms"]
    assert cells(page.table)[1][FIRST_COST] == "12 s"


@pytest.mark.parametrize("way", ["F2", "double click"])
def test_a_run_is_renamed_in_place_and_keeps_its_name(way, qtbot, page, project_dir):
    page.table.setFocus()
    if way == "F2":
        qtbot.keyClick(page.table, Qt.Key.Key_F2)
    else:
        place = page.table.visualRect(page.table.model().index(0, 0)).center()
        qtbot.mouseClick(page.table.viewport(), LEFT, pos=place)
        qtbot.mouseDClick(page.table.viewport(), LEFT, pos=place)
    editor = page.table.findChild(QLineEdit)
    qtbot.keyClicks(editor, "Best")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: read_run(project_dir / "runs" / NEW).title == "Best")
    assert "Best" in [line[0] for line in cells(page.table)]
    assert page.table.selected() == [NEW] and page.run().title == "Best"


def test_a_name_that_cannot_be_written_is_reported(page, window, project_dir):
    page.actions_of_runs.rename(read_run(project_dir / "runs" / NEW), "x" * 200)
    assert "120" in window.toasts.message()
    assert cells(page.table)[0][0] == NEW


def test_deleting_weights_says_what_it_frees_and_keeps_the_figures(page, show, window, project_dir, monkeypatch):
    asked = []
    monkeypatch.setattr(dialogs, "ask_yes", lambda *_, **__: False)
    page.actions_of_runs.delete_weights(page.run())
    assert (project_dir / "runs" / NEW / "best").exists()
    monkeypatch.setattr(dialogs, "ask_yes", lambda _parent, title, words, **_: asked.append((title, words)) or True)
    (project_dir / "runs" / NEW / "best" / "model.safetensors").write_bytes(b"x" * 2_000_000)
    page.actions_of_runs.delete_weights(page.run())
    assert NEW in asked[0][0] and "2.0 MB" in asked[0][1]
    assert not (project_dir / "runs" / NEW / "best").exists()
    assert page.evaluation is not None and page.run().name == NEW
    show(MISTAKES)
    for button in (page.evaluate_button, page.export_button, page.images.explain.explain_button):
        assert not button.isEnabled() and page.why_not_use() in button.toolTip()
    assert not page.continue_button.isVisible() and NEW in window.toasts.message()


def test_two_runs_lie_over_each_other_in_the_colours_of_the_table(page, show):
    page.table.select([OLD, NEW])
    show(DETAILS, CURVES)
    assert [run.title for run in page.details.chart.runs] == [NEW, OLD]
    table = page.table.model()
    rows = [table.index(line, 0) for line in range(table.rowCount())]
    colours = {row.data(RUN_ROLE).name: theme.class_colour(row.data(COLOUR_ROLE)).name() for row in rows}
    expected = [colours[run.name] for run in page.details.chart.runs]
    for plot in page.details.chart.findChildren(PlotWidget):
        lines = [item for item in plot.getPlotItem().listDataItems() if isinstance(item, PlotDataItem)]
        assert [pen.color().name() for line in lines if (pen := line.opts["pen"]) is not None] == expected
    assert len(set(expected)) == 2


def test_settings_that_differ_come_first_and_can_be_shown_alone(qtbot, page, show):
    page.table.select([OLD, NEW])
    show(DETAILS, SETTINGS)
    lines = page.details.settings.texts()
    assert lines[0] == ["≠  Backbone", "vit_tiny", "resnet18"]
    assert ["Batch size", "32", "32"] in lines
    marks = [page.details.settings.item(line, 0).data(MARK_ROLE) for line in (0, len(lines) - 1)]
    assert marks[0] and not marks[1]
    qtbot.mouseClick(page.details.only_differing, LEFT)
    assert all(line[0].startswith("≠") for line in page.details.settings.texts())


def test_what_a_run_fixes_breaks_and_leaves_wrong_is_shown_with_images(
    qtbot, page, show, project_dir, image_ids, write_evaluation
):
    before = (("blue", "red", 0.9), ("blue", "green", 0.8), ("green", "green", 0.9), ("red", "red", 0.9))
    write_evaluation(project_dir, OLD, image_ids, before)
    page.refresh()
    show(COMPARE)
    view = page.images.comparison
    assert [view.buttons[name].text().split()[-1] for name in ("fixed", "broken", "still_wrong")] == ["1", "1", "1"]
    assert [item.title for item in view.strip.tiles()] == ["1: red"]
    qtbot.mouseClick(view.buttons["broken"], LEFT)
    assert [item.image_id for item in view.strip.tiles()] == [image_ids[3]]
    assert view.verdict.text() and re.findall(r"\d+", view.facts.text()) == ["4", "1", "0"]  # shared, right, left out
    assert [re.findall(r"\d+", each.text()) for each in view.shares] == [["2", "4"], ["2", "4"]]
    qtbot.mouseClick(view.open_button, LEFT)
    assert page.state.path is not None and page.window().current_page.name == "label"
    assert page.window().current_page.grid.count() == 1


def test_the_evaluation_of_a_run_is_read_back(page, show):
    show(CLASSES)
    assert page.images.classes.table.texts()[0][:FIRST] == ["blue", "4", "50.0%", "50.0%", "2 of 4"]
    assert "50.0%" in page.accuracy.words()[2]


def test_the_headline_is_the_test_result_and_validation_is_called_what_chose(
    page, project_dir, image_ids, answers, write_evaluation
):
    write_evaluation(project_dir, OLD, image_ids, answers)
    page.refresh()
    page.table.select([OLD])
    sentence, meaning, _ = page.accuracy.words()
    assert page.split() == "val" and sentence.count("2") == 1 and "85%" not in sentence and "%" not in meaning
    write_evaluation(project_dir, OLD, image_ids, answers, split="test", top1=0.69)
    page.refresh()
    assert page.split() == "test" and all(each in page.accuracy.words()[2] for each in ("69.0%", "15%", "85%"))
    page.split_box.setCurrentIndex(0)
    page.refresh()
    assert page.split() == "val" and "50.0%" in page.accuracy.words()[2] and "69.0%" in page.accuracy.words()[1]


def test_the_worst_cell_is_pressed_and_any_cell_shows_its_images(qtbot, page, show, image_ids):
    show(CLASSES)
    view = page.images.classes
    assert re.findall("“(.*?)”", view.cell_text()) == ["red", "blue"]  # as many as blue for green, of fewer
    assert [item.image_id for item in view.strip.tiles()] == [image_ids[3]]
    press(qtbot, view.table, 0, FIRST + 1)
    assert [item.image_id for item in view.strip.tiles()] == [image_ids[1]]
    press(qtbot, view.table, 2, FIRST)
    (item,) = view.strip.tiles()
    assert (item.image_id, item.title) == (image_ids[3], "blue  95%") and "red" in item.detail
    qtbot.keyClick(view.table, Qt.Key.Key_Up)
    assert re.findall("“(.*?)”", view.cell_text()) == ["green", "blue"] and not view.open_button.isEnabled()


def test_the_surest_mistakes_come_first_and_open_on_the_label_page(qtbot, page, show, window, image_ids):
    show(MISTAKES)
    view = page.images.explain
    assert [item.image_id for item in view.strip.tiles()] == [image_ids[3], image_ids[1]]
    view.order_box.setCurrentIndex(1)
    assert [item.title for item in view.strip.tiles()] == ["blue  80%", "green  90%"]
    view.order_box.setCurrentIndex(0)
    qtbot.mouseClick(view.open_button, LEFT)
    label = window.current_page
    assert label.name == "label" and label.grid.count() == 2 and label.grid.selection.current_id() == image_ids[3]
    label.show_all()
    assert label.grid.count() == 25


def test_several_labels_show_hits_and_misses_in_place_of_a_matrix(page, show, project_dir, image_ids, write_evaluation):
    answers = (("blue, red", "blue", 0.9), ("blue", "blue", 0.8), ("green", "green, red", 0.7), ("red", "red", 0.9))
    counts = [[1, 0, 1, 2], [3, 0, 0, 1], [1, 1, 1, 1]]
    write_evaluation(project_dir, NEW, image_ids, answers, confusion=counts, mean_average_precision=0.8)
    page.refresh()
    show(CLASSES)
    view = page.images.classes
    assert not view.strip.isVisible() and view.table.texts()[2][FIRST:] == ["1", "1", "1", "1"]
    show(MISTAKES)
    assert [item.image_id for item in page.images.explain.strip.tiles()] == [image_ids[0], image_ids[2]]


def test_a_view_without_content_has_no_button(page, show, project_dir):
    show(DETAILS)
    curves = page.details.views.buttons.button(CURVES)
    assert not curves.isVisible() and page.details.kept.text()
    page.table.select([OLD])  # trained, but not evaluated
    assert curves.isVisible() and not page.view_buttons.button(MISTAKES).isVisible()
    show(COMPARE)
    shutil.rmtree(project_dir / "runs" / OLD)
    page.refresh()
    assert not page.view_buttons.button(COMPARE).isVisible() and page.views.place() == MISTAKES


def test_a_class_selects_its_most_frequent_confusion(qtbot, page, show):
    show(CLASSES)
    view = page.images.classes
    press(qtbot, view.table, 0, 0)
    assert re.findall("“(.*?)”", view.cell_text()) == ["blue", "green"]


def test_a_run_that_was_solved_for_is_made_anew_and_not_trained_on(page, window, monkeypatch):
    begun: list[TrainConfig] = []
    monkeypatch.setattr(window.state.session.runner, "start", begun.append)
    page.train_again()
    assert window.current_page.name == "train"
    window.show_page("results")
    page.table.select([OLD])
    page.train_again()
    assert [(each.method, each.start_from) for each in begun] == [("linear", ""), ("lora", OLD)]
