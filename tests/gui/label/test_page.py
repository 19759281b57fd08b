"""The label page by keys and clicks: what is seen is what is stored, and everything can be undone."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog

from gui.label.page import LabelPage
from gui.shell.window import MainWindow
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

LEFT, CONTROL, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def page(qtbot, window: MainWindow, project_dir) -> LabelPage:
    window.state.open_project(project_dir)
    window.show_page("label")
    page = window.page("label")
    assert isinstance(page, LabelPage)
    qtbot.waitUntil(page.grid.hasFocus)
    return page


def stored_labels(page: LabelPage, image_id: int) -> list[str]:
    """Return what a second reader of the database sees."""
    with Project.open(page.state.path, read_only=True) as project:
        snapshot = project.snapshot()
    image = next(image for image in snapshot.images if image.image_id == image_id)
    return [snapshot.class_names[index] for index in image.labels]


def press(qtbot, page, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(page.focusWidget() or page.grid, key, modifier)


def test_the_grid_shows_every_picture_with_its_label(page):
    assert page.grid.count() == 25
    assert [name for name, _ in page.grid.tile(page.grid.selection.current_id()).labels] == ["blue"]
    assert page.panel.names() == ["blue", "green", "red"]
    assert page.subtitle.text() == "25 pictures, all labelled"


def test_a_digit_labels_the_current_picture_durably_and_goes_on(qtbot, page):
    first = page.grid.selection.current_id()
    press(qtbot, page, Qt.Key.Key_3)
    assert stored_labels(page, first) == ["red"]
    assert page.grid.selection.place == 1 and page.saved.text() == "Saved"


def test_without_going_on_the_picture_stays_current(qtbot, page):
    page.advance_box.click()
    press(qtbot, page, Qt.Key.Key_2)
    assert page.grid.selection.place == 0
    assert page.state.settings.auto_advance is False


def test_zero_clears_and_undo_brings_back_and_redo_clears_again(qtbot, page, window):
    first = page.grid.selection.current_id()
    press(qtbot, page, Qt.Key.Key_0)
    assert stored_labels(page, first) == []
    qtbot.keyClick(page.grid, Qt.Key.Key_Z, CONTROL)
    assert stored_labels(page, first) == ["blue"]
    assert [name for name, _ in page.grid.tile(first).labels] == ["blue"]
    assert "all labels" in page.redo_button.toolTip()
    qtbot.mouseClick(page.redo_button, LEFT)
    assert stored_labels(page, first) == []


def test_shift_and_control_select_and_one_key_labels_them_all(qtbot, page):
    press(qtbot, page, Qt.Key.Key_Right, SHIFT)
    press(qtbot, page, Qt.Key.Key_Right, SHIFT)
    box = page.grid.rect_of(4).center()
    qtbot.mouseClick(page.grid.viewport(), LEFT, CONTROL, box)
    chosen = page.grid.selection.selected_ids()
    assert len(chosen) == 4
    press(qtbot, page, Qt.Key.Key_2)
    assert all(stored_labels(page, image_id) == ["green"] for image_id in chosen)
    assert page.grid.selection.selected_ids() == chosen
    page.state.session.undo()
    assert all(stored_labels(page, image_id) == ["blue"] for image_id in chosen)


def test_a_and_d_move_and_control_d_jumps_to_the_next_without_a_label(qtbot, page):
    press(qtbot, page, Qt.Key.Key_End)
    last = page.grid.selection.place
    press(qtbot, page, Qt.Key.Key_0)
    press(qtbot, page, Qt.Key.Key_Home)
    press(qtbot, page, Qt.Key.Key_D)
    press(qtbot, page, Qt.Key.Key_D)
    press(qtbot, page, Qt.Key.Key_A)
    assert page.grid.selection.place == 1
    press(qtbot, page, Qt.Key.Key_D, CONTROL)
    assert page.grid.selection.place == last
    press(qtbot, page, Qt.Key.Key_A, CONTROL)
    assert page.grid.selection.place == last


def test_delete_takes_a_picture_out_and_never_off_the_disk(qtbot, page, pictures):
    files = sorted(path.read_bytes() for path in pictures.rglob("*.png"))
    press(qtbot, page, Qt.Key.Key_Delete)
    assert page.grid.count() == 24
    assert sorted(path.read_bytes() for path in pictures.rglob("*.png")) == files
    qtbot.keyClick(page.grid, Qt.Key.Key_Z, CONTROL)
    assert page.grid.count() == 25


def test_typing_a_new_class_creates_and_assigns_it(qtbot, page):
    first = page.grid.selection.current_id()
    qtbot.keyClicks(page.panel.search_edit, "violet")
    qtbot.keyClick(page.panel.search_edit, Qt.Key.Key_Return)
    assert stored_labels(page, first) == ["violet"]
    assert page.panel.names() == ["blue", "green", "red", "violet"]


def test_digits_typed_into_a_text_field_label_nothing(qtbot, page):
    first = page.grid.selection.current_id()
    qtbot.keyClicks(page.panel.search_edit, "3")
    assert stored_labels(page, first) == ["blue"]


def test_a_click_on_a_class_labels(qtbot, page):
    first = page.grid.selection.current_id()
    item = page.panel.list.visualItemRect(page.panel.list.item(2)).center()
    qtbot.mouseClick(page.panel.list.viewport(), LEFT, pos=item)
    assert stored_labels(page, first) == ["red"]


def test_the_filters_narrow_the_grid_and_say_so(qtbot, page):
    page.filters.class_box.setCurrentText("red")
    assert page.grid.count() == 10 and "10 shown" in page.subtitle.text()
    page.filters.split_box.setCurrentText("Test")
    assert page.grid.count() == 2
    page.filters.clear()
    assert page.grid.count() == 25
    qtbot.keyClicks(page.filters.text_edit, "green_00")
    qtbot.waitUntil(lambda: page.grid.count() == 8)
    page.filters.clear()
    page.filters.order_box.setCurrentText("By name")
    names = [page.grid.tile(page.grid.selection.id_at(place)).path.name for place in range(25)]
    assert names == sorted(names)


def test_a_class_can_be_renamed_merged_and_deleted_from_its_menu(qtbot, page, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("sky", True))
    choose(page, "blue", "Rename")
    assert page.panel.names() == ["sky", "green", "red"]
    page.panel.merge_wanted.emit("sky", "red")
    assert page.panel.names() == ["green", "red"]
    choose(page, "green", "Delete")
    assert page.panel.names() == ["red"]
    for _ in range(3):
        page.state.session.undo()
    assert page.panel.names() == ["blue", "green", "red"]


def choose(page: LabelPage, name: str, action: str) -> None:
    menu = page.panel.menu_for(name)
    next(each for each in menu.actions() if each.text() == action).trigger()
    menu.deleteLater()


def test_a_letter_can_become_a_key_and_a_reserved_one_is_refused(qtbot, page, monkeypatch, window):
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("d", True))
    choose(page, "red", "Set key")
    assert "is the key of “Next picture”" in window.toasts.message()
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("r", True))
    choose(page, "red", "Set key")
    first = page.grid.selection.current_id()
    page.grid.setFocus()
    press(qtbot, page, Qt.Key.Key_R)
    assert stored_labels(page, first) == ["red"]


def test_enter_opens_the_viewer_where_the_same_keys_label(qtbot, page):
    press(qtbot, page, Qt.Key.Key_Return)
    assert page.viewer.isVisible() and page.viewer.label_text() == "blue"
    first = page.grid.selection.current_id()
    press(qtbot, page, Qt.Key.Key_3)
    assert stored_labels(page, first) == ["red"]
    press(qtbot, page, Qt.Key.Key_Left)
    assert page.viewer.label_text() == "red"
    qtbot.waitUntil(page.viewer.view.is_sharp)
    fitted = page.viewer.view.scale()
    press(qtbot, page, Qt.Key.Key_Z)
    assert page.viewer.view.scale() == 1.0 != fitted
    press(qtbot, page, Qt.Key.Key_Escape)
    assert page.grid.isVisible() and page.grid.hasFocus()


def test_thumbnails_come_from_the_background_and_are_kept_on_disk(qtbot, page):
    from gui.kit.thumbnail_cache import cache_folder

    path = page.grid.tile(page.grid.selection.current_id()).path
    qtbot.waitUntil(lambda: page.thumbnails.get(path) is not None)
    assert list(cache_folder().rglob("*.jpg"))


def test_a_picture_that_vanished_says_so_and_can_still_be_labelled(qtbot, window, project_dir, pictures):
    (pictures / "blue" / "blue_000.png").unlink()
    window.state.open_project(project_dir)
    window.show_page("label")
    page = window.page("label")
    first = page.grid.selection.current_id()
    path = page.grid.tile(first).path
    qtbot.waitUntil(lambda: page.thumbnails.get(path) is not None)
    assert "No such file" in page.thumbnails.get(path).reason
    press(qtbot, page, Qt.Key.Key_3)
    assert stored_labels(page, first) == ["red"]


def test_in_a_multi_label_project_keys_toggle(qtbot, window, pictures, tmp_path):
    with Project.create(tmp_path / "multi", task="multi") as project:
        import_source(project, pictures)
    window.state.open_project(tmp_path / "multi")
    window.show_page("label")
    page = window.page("label")
    qtbot.waitUntil(page.grid.hasFocus)
    first = page.grid.selection.current_id()
    press(qtbot, page, Qt.Key.Key_3)
    assert stored_labels(page, first) == ["blue", "red"]
    press(qtbot, page, Qt.Key.Key_3)
    assert stored_labels(page, first) == ["blue"]


def test_a_read_only_project_refuses_with_the_reason(qtbot, window, project_dir):
    with Project.open(project_dir):
        window.state.open_project(project_dir)
        window.show_page("label")
        page = window.page("label")
        assert page.saved.text() == "Read only"
        press(qtbot, page, Qt.Key.Key_3)
        assert "cannot be changed" in window.toasts.message()


def test_without_pictures_the_page_says_where_to_get_them(qtbot, window, tmp_path):
    window.state.create_project(tmp_path / "empty")
    window.show_page("label")
    page = window.page("label")
    qtbot.mouseClick(page.empty.button, LEFT)
    assert window.current_page.name == "project"
