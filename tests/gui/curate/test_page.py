"""The Curate page: what a check found is looked at, decided on and undone, by mouse and by keys."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QInputDialog

from gui.curate.page import CuratePage
from gui.curate.picture_menu import picture_menu
from gui.shell.window import MainWindow
from visionft.curation.check import Inputs
from visionft.curation.table import CHECKS
from visionft.errors import NextStep
from visionft.project.edits.changes import RemoveImages, UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.queries import count_images, image_rows
from visionft.project.store import Project

LEFT = Qt.MouseButton.LeftButton
KEY = Qt.Key


def names(page: CuratePage) -> list[str]:
    """Return the files that the grid shows, in order."""
    return [tile.path.stem for tile in page.grid.tiles()]


def click(qtbot, page: CuratePage, place: int, *, held=Qt.KeyboardModifier.NoModifier) -> None:
    at = page.grid.rect_of(place).center()
    qtbot.mouseClick(page.grid.viewport(), LEFT, held, QPoint(at))


def labels(page: CuratePage, image_id: int) -> tuple[str, ...]:
    return image_rows(page.session.project, (image_id,))[0].labels


def wait(qtbot, page: CuratePage) -> None:
    qtbot.waitUntil(lambda: not page.state.tasks.pending, timeout=20_000)


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_the_findings_stand_in_the_grid_the_worst_first(page):
    assert len(names(page)) == 8 and {name.split()[1] for name in names(page)} == {"0", "1", "2", "3"}
    assert {name.split()[1] for name in names(page)[:2]} == {"0"}
    assert page.list.buttons["dull"].count() == 8
    assert "8 pictures are flagged." in page.sentence.text()
    tile = page.grid.tiles()[0]
    assert tile.detail.startswith("Its grey values vary by")
    assert page.stage.line.words() == (tile.path.name, tile.detail)


def test_a_suggested_class_is_seen_on_the_tile(page):
    assert page.grid.tile(2).title == "bird → cat?" and page.grid.tile(1).title == "bird"


def test_the_slider_moves_the_threshold_and_says_how_many_it_lets_through(qtbot, page):
    slider = page.view.controls.slider
    slider.setFocus()
    qtbot.keyClick(slider, KEY.Key_Home)
    assert page.grid.count() == 12 and page.list.buttons["dull"].count() == 12
    qtbot.mouseClick(page.view.controls.reset_button, LEFT)
    assert page.grid.count() == 8
    qtbot.keyClick(slider, KEY.Key_End)
    assert page.stage.empty.isVisible() and slider.isVisible()
    qtbot.mouseClick(page.stage.empty.button, LEFT)
    assert page.grid.count() == 8


def test_a_chip_narrows_to_a_kind(qtbot, page):
    chips = page.view.controls.chips
    assert {kind: chip.words() for kind, chip in chips.items()} == {"dark": "Dark 6", "light": "Light 2"}
    qtbot.mouseClick(chips["light"], LEFT)
    assert sorted(names(page)) == ["bird 3", "cat 3"]
    qtbot.mouseClick(chips["light"], LEFT)
    assert page.grid.count() == 8


# -- acting -----------------------------------------------------------------------------------------------------------


def test_a_picture_is_taken_out_by_key_and_undo_brings_it_back(qtbot, page):
    click(qtbot, page, 1)
    gone = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, KEY.Key_Delete)
    assert gone not in page.grid.pictures.ids and count_images(page.session.project) == 11
    assert page.grid.selection.place == 1 and page.list.buttons["dull"].count() == 7
    toast = page.window().toasts
    assert toast.message() == "1 picture was taken out of the project."
    qtbot.mouseClick(toast.newest.way_button, LEFT)
    assert page.grid.pictures.ids[1] == gone and page.list.buttons["dull"].count() == 8


def test_several_are_taken_out_by_the_button(qtbot, page):
    click(qtbot, page, 0)
    click(qtbot, page, 2, held=Qt.KeyboardModifier.ShiftModifier)
    button = next(each for each in page.findChildren(type(page.look_button)) if each.text() == "Take out")
    qtbot.mouseClick(button, LEFT)
    assert page.grid.count() == 5 and count_images(page.session.project) == 9


def test_what_is_kept_as_it_is_is_not_shown_again(qtbot, page):
    click(qtbot, page, 0)
    kept = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, KEY.Key_K)
    assert kept not in page.grid.pictures.ids and count_images(page.session.project) == 12
    page.curation.looking.start(["dull"])
    wait(qtbot, page)
    qtbot.waitUntil(lambda: page.grid.count() == 7)
    assert kept not in page.grid.pictures.ids
    page.session.undo()
    assert kept in page.grid.pictures.ids


def test_enter_takes_the_suggested_class_and_keeps_what_has_none(qtbot, page):
    suggested, plain = page.grid.pictures.ids.index(2), page.grid.pictures.ids.index(1)
    click(qtbot, page, suggested)
    qtbot.keyClick(page.grid, KEY.Key_Return)
    assert labels(page, 2) == ("cat",) and 2 not in page.grid.pictures.ids
    click(qtbot, page, page.grid.pictures.ids.index(1) if plain else 0)
    qtbot.keyClick(page.grid, KEY.Key_Return)
    assert 1 not in page.grid.pictures.ids and labels(page, 1) == ("bird",)
    page.session.undo()
    page.session.undo()
    assert {1, 2} <= set(page.grid.pictures.ids) and labels(page, 2) == ("bird",)


def test_a_class_key_relabels_what_is_selected(qtbot, page):
    click(qtbot, page, page.grid.pictures.ids.index(1))
    qtbot.keyClick(page.grid, KEY.Key_2)
    assert labels(page, 1) == ("cat",) and page.grid.tile(1).title == "cat"
    assert page.stage.label_box.box.currentText() == "cat"


def test_a_command_with_another_key_works_by_that_one(qtbot, page):
    page.state.change_settings(shortcuts={"curate.fine": "J"})
    click(qtbot, page, 0)
    first = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, KEY.Key_K)
    assert first in page.grid.pictures.ids
    qtbot.keyClick(page.grid, KEY.Key_J)
    assert first not in page.grid.pictures.ids


def test_a_project_that_closes_while_it_is_read_stops_nothing(qtbot, page, window, project_dir):
    page.curation.read()
    assert window.state.close_project() and window.page("curate").empty.isVisible()
    window.state.open_project(project_dir)
    other = window.page("curate")
    qtbot.waitUntil(lambda: other.stage.empty.isVisible() and other.list.buttons["dull"].count() is None)
    assert len(other.curation.now) == 25


def test_the_class_box_relabels_too(qtbot, page):
    click(qtbot, page, page.grid.pictures.ids.index(3))
    box = page.stage.label_box.box
    box.setFocus()
    qtbot.keyClick(box, KEY.Key_Down)
    assert labels(page, 3) == ("cat",)


def test_a_tag_is_given_and_taken_off(qtbot, page, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_args, **_options: ("empty", True))
    click(qtbot, page, 0)
    qtbot.keyClick(page.grid, KEY.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert page.grid.tiles()[0].mark == "#empty"
    qtbot.keyClick(page.grid, KEY.Key_T, Qt.KeyboardModifier.ControlModifier)
    assert page.grid.tiles()[0].mark == ""


def test_all_of_them_open_on_label_from_the_current_one(qtbot, page):
    click(qtbot, page, 2)
    current, shown = page.grid.selection.current_id(), page.grid.pictures.ids
    page.state.actions.run("curate.open")
    label = page.window().current_page
    assert label.name == "label" and label.grid.pictures.ids == shown
    assert label.grid.selection.current_id() == current


def test_a_picture_is_shown_large_and_decided_on_there(qtbot, page):
    click(qtbot, page, 0)
    first = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, KEY.Key_Space)
    assert page.viewer.isVisible() and page.viewer.hasFocus() and not page.grid.isVisible()
    qtbot.keyClick(page.viewer, KEY.Key_Right)
    qtbot.keyClick(page.viewer, KEY.Key_Left)
    qtbot.keyClick(page.viewer, KEY.Key_K)
    assert first not in page.grid.pictures.ids and page.viewer.isVisible()
    qtbot.keyClick(page.viewer, KEY.Key_Escape)
    assert page.grid.isVisible() and page.grid.hasFocus()


def test_the_menu_of_a_picture_relabels_and_offers_the_commands(qtbot, page):
    click(qtbot, page, page.grid.pictures.ids.index(1))
    menu = picture_menu(page.view, page.curation, page)
    titles = [action.text().partition("\t")[0] for action in menu.actions() if action.text()]
    assert titles[:3] == ["Label as", "Keep as it is", "Accept the suggestion, else keep as it is"]
    assert "Show similar pictures" in titles and "Open on Label" not in titles
    menu.actions()[0].menu().actions()[1].trigger()
    assert labels(page, 1) == ("cat",)
    next(action for action in menu.actions() if action.text().startswith("Take out")).trigger()
    assert 1 not in page.grid.pictures.ids
    menu.deleteLater()


def test_why_a_command_cannot_be_done_is_said(qtbot, page):
    page.grid.selection.clear()
    page.grid.pictures.set_ids(())
    assert page.state.actions.why_not("curate.remove") == "Choose a picture first."
    qtbot.keyClick(page.grid, KEY.Key_Delete)
    assert "Choose a picture first." in page.window().toasts.newest.hint()


# -- looking ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_look_through_all_pictures_computes_their_features(qtbot, window: MainWindow, grey_dir):
    window.state.open_project(grey_dir)
    window.show_page("curate")
    page = window.page("curate")
    qtbot.waitUntil(lambda: page.stage.empty.isVisible() and page.stage.isVisible(), timeout=5000)
    qtbot.mouseClick(page.look_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=300_000)
    qtbot.waitUntil(lambda: page.grid.count() == 8)
    assert (grey_dir / "features").is_dir()


def test_a_project_that_was_never_looked_through_offers_it(qtbot, window: MainWindow, grey_dir, monkeypatch):
    monkeypatch.setattr(Inputs, "features", None)  # no check of these tests wants them, and they take seconds
    window.state.open_project(grey_dir)
    window.show_page("curate")
    page = window.page("curate")
    qtbot.waitUntil(page.stage.isVisible, timeout=5000)
    assert page.stage.empty.isVisible() and page.list.buttons["dull"].count() is None
    assert not page.view.controls.isVisible() and page.look_button.text() == "Look through the pictures"
    qtbot.mouseClick(page.stage.empty.button, LEFT)
    assert page.look_line.words() and page.look_line.stop_button.isVisible()
    assert window.state.actions.why_not("curate.look")
    wait(qtbot, page)
    qtbot.waitUntil(lambda: page.grid.count() == 8)
    assert not page.look_line.words() and page.look_button.text() == "Look again"


def test_what_came_since_is_said_and_one_check_looks_again(qtbot, page, tmp_path, draw_folder):
    import_source(page.session.project, draw_folder(tmp_path / "more", {"bird": 3}))
    page.state.tasks.written.emit()
    qtbot.waitUntil(lambda: "3 pictures came since" in page.look_line.words())
    qtbot.mouseClick(page.look_line.look_button, LEFT)
    wait(qtbot, page)
    qtbot.waitUntil(lambda: not page.look_line.words())
    assert page.curation.found("dull").result.looked_at == 15


def test_a_look_that_is_stopped_says_so_and_keeps_what_was_there(qtbot, page, monkeypatch):
    def endless(_self, inputs):
        while not inputs.should_stop():
            pass
        raise InterruptedError

    monkeypatch.setattr(type(CHECKS["dull"]), "look", endless)
    page.look_again()
    qtbot.mouseClick(page.look_line.stop_button, LEFT)
    wait(qtbot, page)
    assert "stopped" in page.look_line.words() and page.grid.count() == 8


def test_a_check_that_cannot_look_says_why_with_the_way_on(qtbot, page, window):
    page.session.apply(UnlabelImages(tuple(page.curation.now)))
    page.look_again()
    wait(qtbot, page)
    page.mark_stale()
    qtbot.waitUntil(page.stage.empty.isVisible)
    assert page.stage.empty.button.text() == "Open Label"
    qtbot.mouseClick(page.stage.empty.button, LEFT)
    assert window.current_page.name == "label"


def test_a_failure_is_said_in_place_and_the_page_goes_on(qtbot, page, monkeypatch):
    def full(_self, _inputs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(CHECKS["dull"]), "look", full)
    page.look_again()
    wait(qtbot, page)
    assert "disk is full" in page.look_line.words() and page.grid.count() == 8


def test_nothing_found_is_a_good_state(qtbot, window, grey_dir, look_at, dull, monkeypatch):
    monkeypatch.setattr(dull, "usual", 1.1)
    look_at(grey_dir)
    window.state.open_project(grey_dir)
    window.show_page("curate")
    page = window.page("curate")
    qtbot.waitUntil(page.stage.isVisible)
    assert page.stage.empty.isVisible() and page.list.buttons["dull"].count() == 0


def test_when_all_is_decided_nothing_is_left_to_do(qtbot, page):
    page.view.controls.slider.setValue(0)
    page.grid.selection.select_all()
    qtbot.keyClick(page.grid, KEY.Key_K)
    assert page.stage.empty.isVisible() and page.list.buttons["dull"].count() == 0


@pytest.mark.parametrize("action", ["embed", "look_through"])
def test_the_next_step_of_an_error_looks_through_the_pictures(qtbot, page, window, monkeypatch, action):
    begun = []
    monkeypatch.setattr(page.curation.looking, "start", lambda *names: begun.append(names))
    window.show_page("project")
    window.take_step(NextStep(action))
    assert window.current_page is page and begun == [()]


def test_without_a_project_or_pictures_the_page_says_so(qtbot, window, tmp_path):
    window.show_page("curate")
    assert window.page("curate").empty.isVisible()
    with Project.create(tmp_path / "bare"):
        pass
    window.state.open_project(tmp_path / "bare")
    page = window.page("curate")
    qtbot.waitUntil(lambda: page.curation.is_read)
    assert page.empty.isVisible() and page.empty.button.text() == "Import"
    assert window.state.actions.why_not("curate.look") == "There are no pictures here."


def test_what_changes_while_another_page_is_shown_is_caught_up_with(qtbot, page, window):
    first = page.grid.pictures.ids[0]
    window.show_page("label")
    page.session.apply(RemoveImages((first,)))
    window.show_page("curate")
    qtbot.waitUntil(lambda: first not in page.grid.pictures.ids)
