"""Rows of similar images by keys and clicks, and the order of the most useful images to label next."""

import re

import pytest
from PySide6.QtCore import Qt

from gui.label.label_page import LabelPage

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def rows(qtbot, wait, page: LabelPage):
    """Return the view of the rows, opened by its key."""
    qtbot.keyClick(page.grid, Qt.Key.Key_R, CONTROL)
    view = page.bulk.rows_view
    wait(lambda: view.grid.count() > 0 and view.grid.hasFocus())
    return view


def first_row(view) -> tuple[int, ...]:
    return view.grid.images.ids[: view.grid.images.sections[0].count]


def proposed(view) -> str:
    return view.grid.images.sections[0].title.removesuffix("?")


@pytest.mark.slow
def test_enter_labels_the_row_and_the_next_one_comes_up(qtbot, wait, stored, page, rows, truth):
    row, name = first_row(rows), proposed(rows)
    assert name in rows.question_label.text() and len(row) > 1
    qtbot.keyClick(rows.grid, Qt.Key.Key_Return)
    assert all(stored(page)[image_id] == [name] for image_id in row)
    assert not set(first_row(rows)).intersection(row)
    numbers = [str(54 - len(row)), str(len(row)), "1", str(len(row) - 1)]  # left, labelled, keys and clicks, saved
    wait(lambda: re.findall(r"\d+", rows.progress_label.text()) == numbers)
    qtbot.keyClick(rows.grid, Qt.Key.Key_Z, CONTROL)
    assert first_row(rows) == row and all(stored(page)[image_id] == [] for image_id in row)


def test_a_click_takes_a_image_out_and_another_puts_it_back(qtbot, wait, stored, page, rows):
    row, name = first_row(rows), proposed(rows)
    for place in (1, 0, 1):
        qtbot.mouseClick(rows.grid.viewport(), LEFT, pos=rows.grid.rect_of(place).center())
    assert rows.grid.tile(row[0]).is_out and not rows.grid.tile(row[1]).is_out
    rows.grid.selection.set_current(1)
    for is_out in (True, False):
        qtbot.keyClick(rows.grid, Qt.Key.Key_Space)
        assert rows.grid.tile(row[1]).is_out is is_out
    assert str(len(row) - 1) in rows.accept_button.text()
    qtbot.mouseClick(rows.accept_button, LEFT)
    labels = stored(page)
    assert labels[row[0]] == [] and all(labels[image_id] == [name] for image_id in row[1:])
    wait(lambda: page.labels.suggesting.found[row[0]].classes != (name,))  # it was marked as another class


def take_out(qtbot, rows, count: int) -> tuple[str, tuple[int, ...]]:
    """Exclude the first images from the row and label the rest; return the row's class and the excluded images."""
    row, name = first_row(rows), proposed(rows)
    for place in range(count):
        qtbot.mouseClick(rows.grid.viewport(), LEFT, pos=rows.grid.rect_of(place).center())
    qtbot.keyClick(rows.grid, Qt.Key.Key_Return)
    return name, row[:count]


@pytest.mark.slow
def test_undo_asks_for_the_whole_row_again(qtbot, page, rows):
    row = first_row(rows)
    take_out(qtbot, rows, 1)
    qtbot.keyClick(rows.grid, Qt.Key.Key_Z, CONTROL)
    assert first_row(rows) == row and rows.grid.tile(row[0]).is_out
    assert len(set(rows.grid.images.ids)) == len(rows.grid.images.ids)


def test_only_what_is_seen_of_a_row_is_labelled(qtbot, wait, stored, page, rows):
    page.size_slider.setValue(page.size_slider.maximum())
    row, seen = first_row(rows), rows.capacity()
    assert seen < len(row)
    qtbot.keyClick(rows.grid, Qt.Key.Key_Return)
    labels = stored(page)
    assert all(labels[image_id] for image_id in row[:seen]) and not any(labels[image_id] for image_id in row[seen:])
    page.size_slider.setValue(page.size_slider.minimum())
    assert rows.capacity() > seen
    wait(lambda: max((each.count for each in rows.grid.images.sections[1:]), default=0) > seen)
