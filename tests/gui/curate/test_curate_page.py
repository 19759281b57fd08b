"""The Curate page: viewing a check's findings, deciding and undoing, by mouse and by keys."""

import pytest
from PySide6.QtCore import QPoint, Qt

from gui.curate.curate_page import CuratePage, image_menu
from visionft.analysis.check import Inputs
from visionft.analysis.scan import CHECKS
from visionft.core.jobs import JobCancelled
from visionft.project.importing.importer import import_source
from visionft.project.queries import find_images, image_rows
from visionft.project.store import ProjectStore

LEFT = Qt.MouseButton.LeftButton
KEY = Qt.Key


def names(page: CuratePage) -> list[str]:
    """Return the grid's file names, in order."""
    return [tile.path.stem for tile in page.grid.tiles()]


def click(qtbot, page: CuratePage, place: int, *, held=Qt.KeyboardModifier.NoModifier) -> None:
    at = page.grid.rect_of(place).center()
    qtbot.mouseClick(page.grid.viewport(), LEFT, held, QPoint(at))


def labels(page: CuratePage, image_id: int) -> tuple[str, ...]:
    return image_rows(page.session.project, (image_id,))[0].labels


def test_the_findings_stand_in_the_grid_the_worst_first(page):
    assert len(names(page)) == 8 and {name.split()[1] for name in names(page)} == {"0", "1", "2", "3"}
    assert {name.split()[1] for name in names(page)[:2]} == {"0"}
    assert page.list.buttons["dull"].count() == 8
    tile = page.grid.tiles()[0]
    assert page.stage.line.words() == (tile.path.name, tile.detail) and "8" in page.sentence.text()
    assert page.grid.tile(2).title == "bird → cat?" and page.grid.tile(1).title == "bird"  # with a suggestion


def test_a_threshold_and_kinds_narrow_the_grid(qtbot, page):
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
    chips = page.view.controls.chips
    assert {kind: chip.words() for kind, chip in chips.items()} == {"dark": "Dark 6", "light": "Light 2"}
    qtbot.mouseClick(chips["light"], LEFT)
    assert sorted(names(page)) == ["bird 3", "cat 3"]
    qtbot.mouseClick(chips["light"], LEFT)
    assert page.grid.count() == 8


def test_images_are_taken_out_by_key_or_button_and_undo_brings_them_back(qtbot, page):
    click(qtbot, page, 1)
    gone = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, KEY.Key_Delete)
    assert gone not in page.grid.images.ids and len(find_images(page.session.project)) == 11
    assert page.grid.selection.place == 1 and page.list.buttons["dull"].count() == 7
    toast = page.window().toasts
    assert toast.newest.tone == "good" and toast.message().startswith("1 ")
    qtbot.mouseClick(toast.newest.action_button, LEFT)
    assert page.grid.images.ids[1] == gone and page.list.buttons["dull"].count() == 8
    click(qtbot, page, 0)
    click(qtbot, page, 2, held=Qt.KeyboardModifier.ShiftModifier)
    button = next(each for each in page.findChildren(type(page.find_button)) if each.text() == "Remove")
    qtbot.mouseClick(button, LEFT)
    assert page.grid.count() == 5 and len(find_images(page.session.project)) == 9


@pytest.mark.slow
def test_what_is_kept_as_it_is_is_not_shown_again(qtbot, page, finish):
    click(qtbot, page, 0)
    kept = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, KEY.Key_K)
    assert kept not in page.grid.images.ids and len(find_images(page.session.project)) == 12
    page.curation.scan.start(["dull"])
    finish()
    qtbot.waitUntil(lambda: page.grid.count() == 7)
    assert kept not in page.grid.images.ids
    page.session.undo()
    assert kept in page.grid.images.ids
    page.view.controls.slider.setValue(0)
    page.grid.selection.select_all()
    qtbot.keyClick(page.grid, KEY.Key_K)
    assert page.stage.empty.isVisible() and page.list.buttons["dull"].count() == 0


def test_enter_takes_the_suggested_class_and_keeps_what_has_none(qtbot, page):
    suggested, plain = page.grid.images.ids.index(2), page.grid.images.ids.index(1)
    click(qtbot, page, suggested)
    qtbot.keyClick(page.grid, KEY.Key_Return)
    assert labels(page, 2) == ("cat",) and 2 not in page.grid.images.ids
    click(qtbot, page, page.grid.images.ids.index(1) if plain else 0)
    qtbot.keyClick(page.grid, KEY.Key_Return)
    assert 1 not in page.grid.images.ids and labels(page, 1) == ("bird",)
    page.session.undo()
    page.session.undo()
    assert {1, 2} <= set(page.grid.images.ids) and labels(page, 2) == ("bird",)


def test_a_class_key_and_the_class_box_relabel_what_is_selected(qtbot, page):
    click(qtbot, page, page.grid.images.ids.index(1))
    qtbot.keyClick(page.grid, KEY.Key_2)
    assert labels(page, 1) == ("cat",) and page.grid.tile(1).title == "cat"
    box = page.stage.label_box.box
    assert box.currentText() == "cat"
    click(qtbot, page, page.grid.images.ids.index(3))
    box.setFocus()
    qtbot.keyClick(box, KEY.Key_Down)
    assert labels(page, 3) == ("cat",)


def test_a_image_is_shown_large_and_decided_on_there(qtbot, page):
    click(qtbot, page, 0)
    first = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, KEY.Key_Space)
    assert page.viewer.isVisible() and page.viewer.hasFocus() and not page.grid.isVisible()
    qtbot.keyClick(page.viewer, KEY.Key_Right)
    qtbot.keyClick(page.viewer, KEY.Key_Left)
    qtbot.keyClick(page.viewer, KEY.Key_K)
    assert first not in page.grid.images.ids and page.viewer.isVisible()
    qtbot.keyClick(page.viewer, KEY.Key_Escape)
    assert page.grid.isVisible() and page.grid.hasFocus()


def test_the_menu_of_a_image_relabels_and_offers_the_commands(qtbot, page):
    click(qtbot, page, page.grid.images.ids.index(1))
    menu = image_menu(page.view, page.curation, page)
    by_title = {action.text().partition("\t")[0]: action for action in menu.actions()}
    assert {page.state.actions.title(name) for name in ("curate.accept", "image.similar")} <= by_title.keys()
    assert page.state.actions.title("curate.open") not in by_title
    menu.actions()[0].menu().actions()[1].trigger()
    assert labels(page, 1) == ("cat",)
    by_title["Remove"].trigger()
    assert 1 not in page.grid.images.ids
    menu.deleteLater()


def test_a_project_never_checked_offers_it(qtbot, window, open_curate, grey_dir, monkeypatch, finish):
    monkeypatch.setattr(Inputs, "features", None)  # no check of these tests wants them, and they take seconds
    page = open_curate(grey_dir)
    assert page.stage.empty.isVisible() and page.list.buttons["dull"].count() is None
    assert not page.view.controls.isVisible()
    qtbot.mouseClick(page.stage.empty.button, LEFT)
    assert page.scan_line.words() and page.scan_line.stop_button.isVisible()
    assert window.state.actions.why_not("curate.find_issues")
    finish()
    qtbot.waitUntil(lambda: page.grid.count() == 8)
    assert not page.scan_line.words()


@pytest.mark.slow
def test_newer_images_are_counted_and_one_check_runs_again(qtbot, page, tmp_path, draw_folder, finish):
    import_source(page.session.project, draw_folder(tmp_path / "more", {"bird": 3}))
    page.state.jobs.written.emit()
    qtbot.waitUntil(lambda: page.scan_line.words().startswith("3 "))
    qtbot.mouseClick(page.scan_line.run_button, LEFT)
    finish()
    qtbot.waitUntil(lambda: not page.scan_line.words())
    assert page.curation.results["dull"].result.checked == 15


def test_a_cancelled_or_failed_check_says_so_and_keeps_the_earlier_result(qtbot, page, monkeypatch, finish):
    def endless(_self, inputs):
        while not inputs.job.is_cancelled:
            pass
        raise JobCancelled

    def full(_self, _inputs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(CHECKS["dull"]), "find_issues", endless)
    page.run_again()
    qtbot.mouseClick(page.scan_line.stop_button, LEFT)
    finish()
    assert page.curation.scan.was_stopped and page.scan_line.words() and page.grid.count() == 8
    monkeypatch.setattr(type(CHECKS["dull"]), "find_issues", full)
    page.run_again()
    finish()
    assert page.curation.scan.failure.message in page.scan_line.words() and page.grid.count() == 8


def test_without_a_project_or_images_the_page_says_so(window, open_curate, tmp_path):
    window.show_page("curate")
    assert window.page("curate").empty.isVisible()
    with ProjectStore.create(tmp_path / "bare"):
        pass
    page = open_curate(tmp_path / "bare")
    assert page.empty.isVisible() and page.empty.button.isVisible()
    assert window.state.actions.why_not("curate.find_issues")
