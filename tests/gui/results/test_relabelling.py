"""Results: a label is mended where it is seen, by box or key, in each view; nothing moves, and it can be undone."""

import re
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from gui.results.accuracy_card import changed_words
from gui.results.classes_view import FIRST
from gui.results.results_page import CLASSES, COMPARE, MISTAKES
from gui.shell.window import MainWindow

LEFT = Qt.MouseButton.LeftButton
OLD = "001-resnet18-lora"


@pytest.fixture
def page(window: MainWindow, image_ids: list[int], project_dir, write_evaluation):
    before = (("blue", "red", 0.9), ("blue", "green", 0.8), ("green", "green", 0.9), ("red", "red", 0.9))
    write_evaluation(project_dir, OLD, image_ids, before)
    window.show_page("results")
    return window.page("results")


def label_of(window: MainWindow, image_id: int) -> str:
    snapshot = window.state.session.snapshot()
    image = next(each for each in snapshot.images if each.image_id == image_id)
    return ", ".join(snapshot.class_names[index] for index in image.labels)


@pytest.mark.parametrize("place", [CLASSES, MISTAKES, COMPARE])
def test_a_label_is_mended_in_each_view_and_nothing_moves(qtbot, page, window, place):
    qtbot.mouseClick(page.view_buttons.button(place), LEFT)
    views = {CLASSES: page.images.classes, MISTAKES: page.images.explain, COMPARE: page.images.comparison}
    grid = views[place].grid
    tile = grid.strip.chosen()[0]
    assert grid.label_box.box.currentText() == label_of(window, tile.image_id)
    before = [widget.geometry() for widget in (page.accuracy, page.views, page.table, page.more_button)]
    index = next(n for n in range(3) if grid.label_box.box.itemText(n) != grid.label_box.box.currentText())
    wanted = grid.label_box.box.itemText(index)
    grid.label_box.box.setCurrentIndex(index)
    grid.label_box.box.activated.emit(index)  # Qt's reaction to a click on a list entry
    assert label_of(window, tile.image_id) == wanted
    assert wanted in grid.strip.tile(tile.image_id).mark
    assert changed_words(1, is_old=False) in page.accuracy.words()[2]
    assert [widget.geometry() for widget in (page.accuracy, page.views, page.table, page.more_button)] == before
    window.state.session.undo()
    assert label_of(window, tile.image_id) != wanted and not grid.strip.tile(tile.image_id).mark


def test_several_images_get_a_label_at_once_with_a_way_back(qtbot, page, window):
    qtbot.mouseClick(page.view_buttons.button(MISTAKES), LEFT)
    grid = page.images.explain.grid
    grid.strip.selection.select_all()
    assert grid.label_box.box.currentIndex() == -1
    said = []
    window.state.message_raised.connect(said.append)
    grid.strip.setFocus()
    qtbot.keyClick(grid.strip, Qt.Key.Key_2)
    ids = [tile.image_id for tile in grid.strip.tiles()]
    assert {label_of(window, each) for each in ids} == {"green"}
    assert said[0].command == "edit.undo"
    assert grid.label_box.box.currentText() == "green"


@pytest.mark.qt_log_ignore(r"does not support (grabbing|raise)")  # the list of fitting names, offscreen
def test_a_thousand_classes_are_found_by_typing_and_mistakes_are_listed(qtbot, page, window):
    qtbot.mouseClick(page.view_buttons.button(CLASSES), LEFT)
    box = page.images.classes.grid.label_box
    names = [f"class {number:04d}" for number in range(1000)]
    box.show_classes(names)
    box.show_label(names[7])
    chosen = []
    box.label_chosen.connect(chosen.append)
    field = box.box.lineEdit()
    field.selectAll()
    qtbot.keyClicks(field, "class 0951")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert chosen == ["class 0951"]
    counts = [[0] * 1000 for _ in names]
    counts[3][5], counts[8][2], counts[4][4] = 7, 9, 50
    score = page.evaluation.per_class["red"]
    view, table = page.images.classes, page.images.classes.table
    many = {"confusion": tuple(map(tuple, counts)), "per_class": dict.fromkeys(names, score)}
    view.show_evaluation(replace(page.evaluation, **many))
    assert table.columnCount() == FIRST + 1 and re.findall(r"\d+", view.cell_text()) == ["9", "0008", "0002"]
    table.sortItems(FIRST, Qt.SortOrder.DescendingOrder)
    assert [table.item(line, FIRST).text() for line in range(3)] == ["class 0002 9", "class 0005 7", ""]
    table.setCurrentCell(1, 0)
    assert re.findall(r"\d+", view.cell_text()) == ["7", "0003", "0005"]
