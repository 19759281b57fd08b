"""Rows of similar images by keys and clicks, and the order of the most useful images to label next."""

import pytest
from PySide6.QtCore import Qt

from gui.label.label_page import LabelPage
from visionft.project.store import Project

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
PATIENCE_MS = 60_000  # a busy computer


def wait(qtbot, condition) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE_MS)


@pytest.fixture
def rows(qtbot, page: LabelPage):
    """Return the view of the rows, opened by its key."""
    qtbot.keyClick(page.grid, Qt.Key.Key_R, CONTROL)
    view = page.bulk.rows_view
    wait(qtbot, lambda: view.grid.count() > 0 and view.grid.hasFocus())
    return view


def stored(page: LabelPage) -> dict[int, list[str]]:
    """Return the labels read by a second connection: {image: its classes}."""
    with Project.open(page.state.path, read_only=True) as project:
        snapshot = project.snapshot()
    return {image.image_id: [snapshot.class_names[index] for index in image.labels] for image in snapshot.images}


def first_row(view) -> tuple[int, ...]:
    return view.grid.images.ids[: view.grid.images.sections[0].count]


def proposed(view) -> str:
    return view.grid.images.sections[0].title.removesuffix("?")


def test_enter_labels_the_row_and_the_next_one_comes_up(qtbot, page, rows, truth):
    row, name = first_row(rows), proposed(rows)
    assert rows.question_label.text() == f"Are these all “{name}”?" and len(row) > 1
    qtbot.keyClick(rows.grid, Qt.Key.Key_Return)
    assert all(stored(page)[image_id] == [name] for image_id in row)
    assert not set(first_row(rows)).intersection(row)
    saved = f"{len(row)} labelled with 1 keys and clicks, {len(row) - 1} saved"
    wait(qtbot, lambda: saved in rows.progress_label.text())
    wait(qtbot, lambda: rows.progress_label.text().startswith(f"{54 - len(row)} images without a label; "))
    qtbot.keyClick(rows.grid, Qt.Key.Key_Z, CONTROL)
    assert first_row(rows) == row and all(stored(page)[image_id] == [] for image_id in row)


def test_a_click_takes_a_image_out_and_another_puts_it_back(qtbot, page, rows):
    row, name = first_row(rows), proposed(rows)
    for place in (1, 0, 1):
        qtbot.mouseClick(rows.grid.viewport(), LEFT, pos=rows.grid.rect_of(place).center())
    assert rows.grid.tile(row[0]).is_out and not rows.grid.tile(row[1]).is_out
    assert str(len(row) - 1) in rows.accept_button.text()
    qtbot.mouseClick(rows.accept_button, LEFT)
    labels = stored(page)
    assert labels[row[0]] == [] and all(labels[image_id] == [name] for image_id in row[1:])
    wait(qtbot, lambda: page.labels.suggesting.found[row[0]].classes != (name,))  # it was marked as another class


def take_out(qtbot, rows, count: int) -> tuple[str, tuple[int, ...]]:
    """Exclude the first images from the row and label the rest; return the row's class and the excluded images."""
    row, name = first_row(rows), proposed(rows)
    for place in range(count):
        qtbot.mouseClick(rows.grid.viewport(), LEFT, pos=rows.grid.rect_of(place).center())
    qtbot.keyClick(rows.grid, Qt.Key.Key_Return)
    return name, row[:count]


def test_what_was_taken_out_is_asked_for_at_once(qtbot, page, rows):
    name, (one, other) = take_out(qtbot, rows, 2)
    key, real = next((key, each) for key, each in page.labels.keys.items() if each != name)
    assert rows.question_label.text() == "What is this?" and first_row(rows) == (one,)
    assert not rows.accept_button.isVisible() and not rows.grid.tile(one).is_out
    qtbot.keyClicks(rows.grid, key)
    assert stored(page)[one] == [real] and first_row(rows) == (other,)
    qtbot.keyClick(rows.grid, Qt.Key.Key_D, CONTROL)
    wait(qtbot, lambda: not page.labels.suggesting.is_busy)
    assert stored(page)[other] == [] and other not in rows.grid.images.ids  # it waits in the grid


def test_undo_asks_for_the_whole_row_again(qtbot, page, rows):
    row = first_row(rows)
    take_out(qtbot, rows, 1)
    qtbot.keyClick(rows.grid, Qt.Key.Key_Z, CONTROL)
    assert first_row(rows) == row and rows.grid.tile(row[0]).is_out
    assert len(set(rows.grid.images.ids)) == len(rows.grid.images.ids)


def test_space_takes_the_current_image_out(qtbot, rows):
    row = first_row(rows)
    qtbot.keyClick(rows.grid, Qt.Key.Key_Right)
    qtbot.keyClick(rows.grid, Qt.Key.Key_Space)
    assert rows.grid.tile(row[1]).is_out


def test_a_class_key_or_a_click_in_the_list_gives_the_row_another_class(qtbot, page, rows):
    row = first_row(rows)
    qtbot.keyClick(rows.grid, Qt.Key.Key_2)
    assert all(stored(page)[image_id] == [page.labels.keys["2"]] for image_id in row)
    row = first_row(rows)
    item = page.panel.list.visualItemRect(page.panel.list.item(0)).center()
    qtbot.mouseClick(page.panel.list.viewport(), LEFT, pos=item)
    assert all(stored(page)[image_id] == [page.panel.names()[0]] for image_id in row)


def test_a_row_comes_later_and_escape_leads_back(qtbot, page, rows):
    row = first_row(rows)
    qtbot.keyClick(rows.grid, Qt.Key.Key_D, CONTROL)
    assert first_row(rows) != row and stored(page)[row[0]] == []
    qtbot.keyClick(rows.grid, Qt.Key.Key_Escape)
    assert page.grid.isVisible() and page.grid.hasFocus() and page.filters.isVisible()


def test_only_what_is_seen_of_a_row_is_labelled(qtbot, page, rows):
    page.size_slider.setValue(page.size_slider.maximum())
    row, seen = first_row(rows), rows.capacity()
    assert seen < len(row)
    qtbot.keyClick(rows.grid, Qt.Key.Key_Return)
    labels = stored(page)
    assert all(labels[image_id] for image_id in row[:seen]) and not any(labels[image_id] for image_id in row[seen:])


def test_with_smaller_images_the_next_rows_hold_more(qtbot, page, rows):
    page.size_slider.setValue(page.size_slider.maximum())
    few = rows.capacity()
    wait(qtbot, lambda: max(each.count for each in rows.grid.images.sections[1:]) <= few)
    page.size_slider.setValue(page.size_slider.minimum())
    assert rows.capacity() > few
    wait(qtbot, lambda: max(each.count for each in rows.grid.images.sections[1:]) > few)


def test_the_end_says_so(qtbot, page, rows):
    for _ in range(40):
        qtbot.keyClick(rows.grid, Qt.Key.Key_Return)
        wait(qtbot, lambda: not page.labels.suggesting.is_busy)
    assert rows.empty.isVisible()


def choose_in(chip, title: str) -> None:
    next(each for each in chip.menu().actions() if each.text() == title).trigger()


def test_the_most_useful_come_first_and_new_ones_follow(qtbot, page):
    choose_in(page.filters.order_chip, "Most useful next")
    wait(qtbot, lambda: len(page.labels.suggesting.queue) > 0)
    queue = page.labels.suggesting.queue
    assert page.grid.images.ids[: len(queue)] == tuple(queue) and page.grid.selection.place == 0
    assert all(stored(page)[image_id] == [] for image_id in queue)
    for _ in queue[1:]:
        qtbot.keyClick(page.grid, Qt.Key.Key_1)
    assert page.grid.selection.current_id() == queue[-1]
    qtbot.keyClick(page.grid, Qt.Key.Key_1)
    wait(qtbot, lambda: page.labels.suggesting.queue != queue)
    assert page.grid.selection.current_id() == page.labels.suggesting.queue[0]
    assert not set(page.labels.suggesting.queue).intersection(queue)
    qtbot.keyClick(page.grid, Qt.Key.Key_D, CONTROL)
    assert page.grid.selection.current_id() == page.labels.suggesting.queue[1]
