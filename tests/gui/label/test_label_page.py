"""The label page by keys and clicks: the shown labels are the stored ones, and everything can be undone."""

import errno
import os
import threading

import pytest
from projects import project_of
from PySide6.QtCore import QMetaObject, QPoint, Qt, QTimer
from PySide6.QtGui import QDrag, QDragEnterEvent, QDragMoveEvent, QDropEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QInputDialog

from gui.label.label_page import LabelPage
from gui.label.labeller import image_menu
from visionft.core.errors import ProjectError
from visionft.project.edits import changes
from visionft.project.edits.changes import LabelImages

LEFT, CONTROL, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def page(open_label, project_dir) -> LabelPage:
    return open_label(project_dir)


def press_escape(qtbot, page):
    qtbot.keyClick(page.window().focusWidget(), Qt.Key.Key_Escape)


def test_a_digit_labels_the_current_image_durably_and_goes_on(qtbot, press, stored, page, window):
    first = page.grid.selection.current_id()
    assert page.grid.count() == 25 and page.panel.names() == ["blue", "green", "red"]
    assert page.grid.tile(first).labels == ("blue",)
    press(page, Qt.Key.Key_3)
    assert stored(page)[first] == ["red"] and page.grid.selection.place == 1
    page.state.change_settings(auto_advance=False)
    press(page, Qt.Key.Key_2)
    assert page.grid.selection.place == 1
    qtbot.mouseClick(page.way_button, LEFT)
    assert window.current_page.name == "train"


def test_backspace_clears_and_undo_brings_back_and_redo_clears_again(qtbot, press, stored, page, window):
    first = page.grid.selection.current_id()
    press(page, Qt.Key.Key_Backspace)
    assert stored(page)[first] == []
    qtbot.keyClick(page.grid, Qt.Key.Key_Z, CONTROL)
    assert stored(page)[first] == ["blue"]
    assert page.grid.tile(first).labels == ("blue",)
    assert "all labels" in page.redo_button.toolTip()
    qtbot.mouseClick(page.redo_button, LEFT)
    assert stored(page)[first] == []


def test_a_and_d_move_and_control_d_jumps_to_the_next_without_a_label(press, page):
    press(page, Qt.Key.Key_End)
    last = page.grid.selection.place
    press(page, Qt.Key.Key_Backspace)
    press(page, Qt.Key.Key_Home)
    press(page, Qt.Key.Key_D)
    press(page, Qt.Key.Key_D)
    press(page, Qt.Key.Key_A)
    assert page.grid.selection.place == 1
    press(page, Qt.Key.Key_D, CONTROL)
    assert page.grid.selection.place == last
    press(page, Qt.Key.Key_D, CONTROL | SHIFT)
    assert page.grid.selection.place == last


def test_delete_takes_a_image_out_and_never_off_the_disk(qtbot, press, page, images):
    files = sorted(path.read_bytes() for path in images.rglob("*.png"))
    press(page, Qt.Key.Key_Delete)
    assert page.grid.count() == 24
    assert sorted(path.read_bytes() for path in images.rglob("*.png")) == files
    qtbot.keyClick(page.grid, Qt.Key.Key_Z, CONTROL)
    assert page.grid.count() == 25


def test_classes_are_named_one_after_the_other_and_nothing_is_labelled(qtbot, press, stored, page):
    """Letters of the second name were shortcuts once: N put an image off."""
    first, labelled = page.grid.selection.current_id(), page.state.session.project.summary().labelled
    press(page, Qt.Key.Key_C)
    for name in ("nut", "and", "zinc 3", "Blue", "N"):
        for letter in name:
            qtbot.keyClicks(page.window().focusWidget(), letter)
        qtbot.keyClick(page.window().focusWidget(), Qt.Key.Key_Return)
    press_escape(qtbot, page)
    assert page.panel.names() == ["blue", "green", "red", "nut", "and", "zinc 3", "N"]
    assert stored(page)[first] == ["blue"] and not page.grid.tile(first).is_put_off
    assert page.state.session.project.summary().labelled == labelled
    assert page.grid.hasFocus() and page.grid.selection.current_id() == first


def test_names_are_pasted_in_lines_and_a_refused_one_stays_to_be_mended(qtbot, page):
    QGuiApplication.clipboard().setText("ant\n\n bee \nblue\nant\n")
    page.panel.search_edit.setFocus()
    qtbot.keyClick(page.panel.search_edit, Qt.Key.Key_V, CONTROL)
    assert page.panel.names() == ["blue", "green", "red", "ant", "bee"]
    qtbot.keyClicks(page.panel.search_edit, "x" * 301)
    qtbot.keyClick(page.panel.search_edit, Qt.Key.Key_Return)
    assert len(page.panel.search_edit.text()) == 301 and len(page.labels.classes) == 5


@pytest.mark.slow
def test_60_images_get_10_classes_in_65_actions(qtbot, stored, open_label, draw_folder, tmp_path):
    page = open_label(project_of(tmp_path / "loose", draw_folder(tmp_path / "images", {"photos": 60}) / "photos"))
    names, ids, actions = [f"kind {letter}" for letter in "abcdefghij"], list(page.grid.images.ids), 0

    def act(key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        nonlocal actions
        actions += 1
        qtbot.keyClick(page.window().focusWidget(), key, modifier)

    QGuiApplication.clipboard().setText("\n".join(names))
    act(Qt.Key.Key_C)
    act(Qt.Key.Key_V, CONTROL)
    act(Qt.Key.Key_Escape)
    for place in range(60):
        act(getattr(Qt.Key, f"Key_{(place % 10 + 1) % 10}"))
    labels = stored(page)
    assert [labels[image_id] for image_id in ids] == [[names[place % 10]] for place in range(60)]
    assert actions <= 65


def row_of(page, place: int):
    return page.panel.list.visualItemRect(page.panel.list.item(place)).center()


def test_a_click_on_a_class_shows_its_images_and_labels_nothing(qtbot, page):
    labelled = page.state.session.project.summary()
    qtbot.mouseClick(page.panel.list.viewport(), LEFT, pos=row_of(page, 2))
    assert page.grid.count() == 10 and page.filters.class_chip.words().startswith("red")
    assert page.grid.hasFocus()
    qtbot.mouseClick(page.panel.list.viewport(), LEFT, pos=row_of(page, 1))
    assert page.grid.count() == 8
    qtbot.mouseClick(page.panel.list.viewport(), LEFT, pos=row_of(page, 1))
    assert page.grid.count() == 25 and not page.filters.class_chip.isVisible()
    page.panel.list.setFocus()
    page.panel.list.setCurrentRow(0)
    qtbot.keyClick(page.panel.list, Qt.Key.Key_Return)
    assert page.grid.count() == 7
    qtbot.mouseClick(page.filters.class_chip, LEFT)
    assert page.grid.count() == 25 and page.state.session.project.summary() == labelled


def test_images_are_dragged_onto_a_class_and_undone_from_the_message(stored, page, window, monkeypatch):
    """The pull is real, the drop is handed to the list as the window system would."""
    page.grid.selection.set_current(0)
    page.grid.selection.set_current(2, extend=True)
    chosen = page.grid.selection.selected_ids()
    monkeypatch.setattr(QDrag, "exec", lambda drag, _action: drop(page, 2, drag.mimeData()))
    start = page.grid.rect_of(1).center()
    QTest.mousePress(page.grid.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(page.grid.viewport(), start + QPoint(40, 0))
    QTest.mouseRelease(page.grid.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, start + QPoint(40, 0))
    assert all(stored(page)[image_id] == ["red"] for image_id in chosen)
    assert page.grid.selection.selected_ids() == chosen
    window.state.actions.run("edit.undo")
    assert all(stored(page)[image_id] == ["blue"] for image_id in chosen)


def drop(page, place: int, data) -> None:
    at, target = row_of(page, place), page.panel.list.viewport()
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(target, QDragEnterEvent(at, copy, data, LEFT, none))
    QApplication.sendEvent(target, QDragMoveEvent(at, copy, data, LEFT, none))
    QApplication.sendEvent(target, QDropEvent(at, copy, data, LEFT, none))


def test_the_menu_of_the_selected_images_labels_tags_splits_and_notes(qtbot, choose_in, page, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getItem", lambda *args, **kwargs: ("dark", True))
    monkeypatch.setattr(QInputDialog, "getMultiLineText", lambda *args, **kwargs: ("scratched lens", True))
    page.grid.selection.set_current(4)
    page.grid.selection.set_current(5, extend=True)
    chosen = page.grid.selection.selected_ids()
    for path in (("Label as", "green"), ("Tag", "Another tag"), ("Split", "Test"), ("Write a note",)):
        choose_in(image_menu(page.labels, page.labeller, page), *path)
    tiles = page.grid.chosen()
    assert [tile.title for tile in tiles] == ["green"] * 2 and [tile.aside for tile in tiles] == ["test"] * 2
    assert [tile.mark for tile in tiles] == ["#dark", "#dark, note"]
    assert "scratched lens" in page.grid.images.index(5).data(Qt.ItemDataRole.ToolTipRole)
    qtbot.keyClicks(page.filters.text_edit, "lens")
    qtbot.waitUntil(lambda: page.grid.count() == 1)
    page.filters.clear()
    choose_in(image_menu(page.labels, page.labeller, page), "Remove from the project")
    assert page.grid.count() == 24 and chosen[1] not in page.grid.selection.ids


def test_from_the_eleventh_class_on_letters_label_and_none_is_a_command(qtbot, press, stored, page, window):
    QGuiApplication.clipboard().setText("\n".join(f"dune {letter}" for letter in "abcdefghij"))
    page.panel.search_edit.setFocus()
    qtbot.keyClick(page.panel.search_edit, Qt.Key.Key_V, CONTROL)
    press_escape(qtbot, page)
    keys = page.labels.keys
    assert list(keys)[:10] == list("1234567890") and len(keys) == 13
    assert keys["u"] == "dune h" and not set(keys) & set(window.state.actions.letters_in_use())
    first = page.grid.selection.current_id()
    press(page, Qt.Key.Key_U)
    assert stored(page)[first] == ["dune h"]


def test_the_filters_narrow_the_grid_and_say_so(qtbot, choose_in, page):
    page.filters.show_only_class("red")
    assert page.grid.count() == 10 and "10 shown" in page.subtitle.text()
    choose_in(page.filters.split_chip.menu(), "Test")
    assert page.grid.count() == 2 and page.filters.split_chip.words() == "Test"
    page.filters.clear()
    assert page.grid.count() == 25
    qtbot.keyClicks(page.filters.text_edit, "green_00")
    qtbot.waitUntil(lambda: page.grid.count() == 8)
    page.filters.clear()
    choose_in(page.filters.order_chip.menu(), "By name")
    names = [page.grid.tile(page.grid.selection.id_at(place)).path.name for place in range(25)]
    assert names == sorted(names)


def test_a_class_can_be_renamed_merged_and_deleted_from_its_menu(choose_in, page, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("sky", True))
    choose_in(page.panel.menu_for("blue"), "Rename")
    assert page.panel.names() == ["sky", "green", "red"]
    choose_in(page.panel.menu_for("sky"), "Merge into", "red")
    assert page.panel.names() == ["green", "red"]
    choose_in(page.panel.menu_for("green"), "Delete")
    assert page.panel.names() == ["red"]
    for _ in range(3):
        page.state.session.undo()
    assert page.panel.names() == ["blue", "green", "red"]
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("Red", True))
    choose_in(page.panel.menu_for("green"), "Rename")
    assert page.panel.names() == ["blue", "red"]  # renaming to a name that exists merges


def test_enter_opens_the_viewer_where_the_same_keys_label(qtbot, press, stored, page):
    press(page, Qt.Key.Key_Return)
    assert page.viewer.isVisible() and page.viewer.label_pill.text() == "blue"
    first = page.grid.selection.current_id()
    press(page, Qt.Key.Key_3)
    assert stored(page)[first] == ["red"]
    press(page, Qt.Key.Key_Left)
    assert page.viewer.label_pill.text() == "red"
    qtbot.waitUntil(page.viewer.view.is_sharp)
    fitted = page.viewer.view.scale()
    press(page, Qt.Key.Key_Z)
    assert page.viewer.view.scale() == 1.0 != fitted
    press(page, Qt.Key.Key_Escape)
    assert page.grid.isVisible() and page.grid.hasFocus()


def test_a_image_that_vanished_says_so_and_can_still_be_labelled(qtbot, press, stored, open_label, project_dir, images):
    (images / "blue" / "blue_000.png").unlink()
    page = open_label(project_dir)
    first = page.grid.selection.current_id()
    path = page.grid.tile(first).path
    qtbot.waitUntil(lambda: page.thumbnails.get(path) is not None)
    assert page.thumbnails.get(path).reason == os.strerror(errno.ENOENT)
    press(page, Qt.Key.Key_3)
    assert stored(page)[first] == ["red"]


def test_in_a_multi_label_project_keys_toggle(press, stored, open_label, images, tmp_path):
    page = open_label(project_of(tmp_path / "multi", images, task="multi"))
    first = page.grid.selection.current_id()
    press(page, Qt.Key.Key_3)
    assert stored(page)[first] == ["blue", "red"]
    press(page, Qt.Key.Key_3)
    assert stored(page)[first] == ["blue"]


@pytest.mark.parametrize("fault", ["", "The disk is full."])
def test_a_key_on_many_images_leaves_the_window_alive_and_later_keys_follow_it(press, stored, page, monkeypatch, fault):
    begun, seen = [], []

    def write_slowly(change, connection):
        begun.append((change.class_name, threading.current_thread()))
        if len(change.image_ids) > 1:
            QMetaObject.invokeMethod(asked, "start", Qt.ConnectionType.QueuedConnection)
            assert is_seen.wait(10)
            if fault:
                raise ProjectError(fault)
        write(change, connection)

    def while_writing():
        seen.append("painted")
        QTimer.singleShot(0, page, is_seen.set)
        page.labels.apply(LabelImages(page.labels.images.ids[:1], "green"))

    write = LabelImages.write
    is_seen, asked = threading.Event(), QTimer(page, interval=0, singleShot=True)
    asked.timeout.connect(while_writing)
    monkeypatch.setattr(LabelImages, "write", write_slowly)
    monkeypatch.setattr(changes, "BULK_IMAGES", 25)
    messages = []
    page.state.message_raised.connect(messages.append)
    ids = page.labels.images.ids
    page.labels.selection.select_all()
    press(page, Qt.Key.Key_3)
    assert [name for name, _ in begun] == ["red", "green"] and seen == ["painted"]
    assert begun[0][1] is not threading.main_thread()
    first, *others = (stored(page)[each] for each in ids)
    assert first == ["green"] and (others == [["red"]] * 24) is not bool(fault)
    assert (fault in [each.message for each in messages]) is bool(fault)
    steps = [each.title for each in page.labels.project.history(2)]
    assert len([each for each in steps if "Label 25" in each]) == (0 if fault else 1)
    assert page.session.undo()
    assert stored(page)[ids[0]] == (["blue"] if fault else ["red"])
