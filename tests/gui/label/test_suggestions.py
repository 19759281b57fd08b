"""Suggestions, postponing, tags and example images on the label page, by keys, menus and clicks."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QColorDialog, QInputDialog

from gui.label.label_page import LabelPage
from visionft.project.edits.changes import UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.suggest.suggestions import Suggestion, write_suggestions
from visionft.training.config.train_config import TrainConfig

LEFT, CONTROL, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
SHARES = (0.99, 0.55, 0.97, 0.40, 0.80)


@pytest.fixture
def suggested(project_dir) -> list[int]:
    """Return five unlabelled images of a project with a run's suggestion “red” for each, confident or not."""
    with Project.open(project_dir) as project:
        images = project.snapshot().images[:5]
        ids = [image.image_id for image in images]
        project.apply(UnlabelImages(tuple(ids)))
    run = project_dir / "runs" / "007-resnet18-lora"
    run.mkdir(parents=True)
    found = [
        Suggestion(image.image_id, image.sha256, ("red",), (("red", share), ("blue", 1 - share)), 2 - 2 * share)
        for image, share in zip(images, SHARES, strict=True)
    ]
    write_suggestions(run, found)
    return ids


@pytest.fixture
def page(qtbot, open_label, project_dir, suggested) -> LabelPage:
    page = open_label(project_dir)
    qtbot.waitUntil(lambda: len(page.labels.suggesting.found) == 5)
    return page


def stored(page: LabelPage) -> dict[int, list[str]]:
    """Return the labels read by a second connection: {image: its classes}."""
    with Project.open(page.state.path, read_only=True) as project:
        snapshot = project.snapshot()
    return {image.image_id: [snapshot.class_names[index] for index in image.labels] for image in snapshot.images}


def press(qtbot, page, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(page.focusWidget() or page.grid, key, modifier)


def choose_in(chip, title: str) -> None:
    next(each for each in chip.menu().actions() if each.text() == title).trigger()


def shown_ids(page: LabelPage) -> list[int]:
    return [page.grid.selection.id_at(place) for place in range(page.grid.count())]


def test_a_suggestion_is_shown_with_its_confidence_on_tile_and_in_the_viewer(qtbot, page, suggested):
    cell = page.grid.tile(suggested[0])
    assert cell.title == "red? 99%" and cell.labels == ()
    assert "5 suggestions by 007-resnet18-lora" in page.suggestion_bar.text_label.text()
    page.grid.selection.set_current(0)
    press(qtbot, page, Qt.Key.Key_Space)
    assert page.viewer.label_pill.text() == "red? 99%"


def test_enter_accepts_durably_goes_on_and_can_be_undone(qtbot, page, suggested):
    page.grid.selection.set_current(0)
    press(qtbot, page, Qt.Key.Key_Return)
    assert stored(page)[suggested[0]] == ["red"] and page.grid.selection.place == 1
    assert page.grid.tile(suggested[0]).title == "red"
    qtbot.waitUntil(lambda: "4 suggestions" in page.suggestion_bar.text_label.text())
    page.state.session.undo()
    assert stored(page)[suggested[0]] == [] and page.grid.tile(suggested[0]).title == "red? 99%"


def test_enter_accepts_for_a_whole_selection_in_one_step(qtbot, page, suggested):
    page.grid.selection.select_all()
    press(qtbot, page, Qt.Key.Key_Return)
    assert all(stored(page)[image_id] == ["red"] for image_id in suggested)
    page.state.session.undo()
    assert all(stored(page)[image_id] == [] for image_id in suggested)


def test_without_a_suggestion_enter_opens_and_closes_the_viewer(qtbot, page):
    page.grid.selection.set_current(10)
    press(qtbot, page, Qt.Key.Key_Return)
    assert page.viewer.isVisible()
    press(qtbot, page, Qt.Key.Key_Return)
    assert page.grid.isVisible()


def test_the_sure_ones_are_accepted_at_once(qtbot, page, suggested):
    qtbot.mouseClick(page.suggestion_bar.accept_button, LEFT)
    offer = page.bulk.auditing.accept_view
    offer.slider.setValue(95)
    qtbot.waitUntil(lambda: offer.count_label.text() == "2 of 5 suggestions")
    qtbot.mouseClick(offer.accept_button, LEFT)
    assert [image_id for image_id in suggested if stored(page)[image_id]] == [suggested[0], suggested[2]]
    assert page.grid.isVisible()


def test_images_are_sorted_by_uncertainty_and_filtered_by_suggestion(page, suggested):
    choose_in(page.filters.order_chip, "Unsure first")
    assert shown_ids(page)[:5] == [suggested[place] for place in (3, 1, 4, 2, 0)]
    choose_in(page.filters.order_chip, "Highest confidence first")
    assert shown_ids(page)[:5] == [suggested[place] for place in (0, 2, 4, 1, 3)]
    choose_in(page.filters.prediction_chip, "red")
    assert sorted(shown_ids(page)) == sorted(suggested) and page.filters.clear_button.isVisible()


def test_hidden_suggestions_leave_tiles_filters_and_the_bar(qtbot, page, suggested):
    qtbot.mouseClick(page.suggestion_bar.hide_button, LEFT)
    assert not page.suggestion_bar.isVisible() and not page.filters.prediction_chip.isVisible()
    assert page.grid.tile(suggested[0]).title == "no label"


def test_n_puts_off_and_the_jump_passes_over_it(qtbot, page, suggested):
    page.grid.selection.set_current(0)
    press(qtbot, page, Qt.Key.Key_N)
    assert page.grid.selection.place == 1 and page.grid.tile(suggested[0]).is_put_off
    page.grid.selection.set_current(20)
    press(qtbot, page, Qt.Key.Key_D, CONTROL | SHIFT)
    assert page.grid.selection.current_id() == suggested[4]
    for _ in range(3):
        press(qtbot, page, Qt.Key.Key_D, CONTROL | SHIFT)
    assert page.grid.selection.current_id() == suggested[1]
    press(qtbot, page, Qt.Key.Key_D, CONTROL | SHIFT)
    assert page.grid.selection.current_id() == suggested[4]
    choose_in(page.filters.label_chip, "Put off")
    assert shown_ids(page) == [suggested[0]]
    press(qtbot, page, Qt.Key.Key_3)
    assert stored(page)[suggested[0]] == ["red"]


def test_tags_are_given_filtered_by_and_taken_off(qtbot, page, suggested, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getItem", lambda *args, **kwargs: ("blurred", True))
    assert not page.filters.tag_chip.isVisible()
    page.grid.selection.set_current(7)
    press(qtbot, page, Qt.Key.Key_T, CONTROL)
    chosen = page.grid.selection.current_id()
    assert page.grid.tile(chosen).tags == ("blurred",)
    choose_in(page.filters.tag_chip, "blurred")
    assert shown_ids(page) == [chosen]
    press(qtbot, page, Qt.Key.Key_T, CONTROL)
    assert not page.filters.tag_chip.isVisible() and page.grid.count() == 25


def trigger(page: LabelPage, name: str, *path: str) -> None:
    menu = page.panel.menu_for(name)
    level = menu
    for title in path[:-1]:
        level = next(each for each in level.actions() if each.text() == title).menu()
    next(each for each in level.actions() if each.text() == path[-1]).trigger()
    menu.deleteLater()


def test_a_class_takes_a_colour_from_its_menu_everywhere(page, window, monkeypatch):
    trigger(page, "red", "Colour", "Red")
    labelled = next(image_id for image_id, names in stored(page).items() if names == ["red"])
    assert page.grid.tile(labelled).labels == (("red", "#c9493f"),)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *args, **kwargs: QColor("#123456"))
    trigger(page, "red", "Colour", "Another colour")
    assert page.grid.tile(labelled).labels == (("red", "#123456"),)
    monkeypatch.setattr(QColorDialog, "getColor", lambda *args, **kwargs: QColor())
    trigger(page, "red", "Colour", "Another colour")  # thought better of it
    assert page.grid.tile(labelled).labels == (("red", "#123456"),)
    trigger(page, "red", "Colour", "The one of its place")
    assert page.grid.tile(labelled).labels == (("red", 2),)


def test_classes_are_reordered_searched_and_merged(qtbot, page, monkeypatch):
    page.panel.list.model().moveRow(page.panel.list.rootIndex(), 2, page.panel.list.rootIndex(), 0)
    assert page.panel.names() == ["red", "blue", "green"] and page.labels.keys["1"] == "red"
    trigger(page, "red", "Move down")
    assert page.panel.names() == ["blue", "red", "green"]
    page.state.session.undo()
    page.state.session.undo()
    assert page.panel.names() == ["blue", "green", "red"]
    qtbot.keyClicks(page.panel.search_edit, "gre")
    assert page.panel.names() == ["green"] and not page.panel.list.dragEnabled()
    monkeypatch.setattr(QInputDialog, "getText", lambda *args, **kwargs: ("Red", True))
    trigger(page, "green", "Rename")
    page.panel.search_edit.clear()
    assert page.panel.names() == ["blue", "red"]  # renaming to a name that exists merges


def test_without_a_run_the_menu_leads_to_training(page, window):
    menu = page.labels.suggesting.menu(page)
    next(each for each in menu.actions() if each.text().startswith("No run yet")).trigger()
    menu.deleteLater()
    assert window.current_page.name == "train"


def test_a_real_run_suggests_for_every_unlabelled_image(qtbot, window, open_label, images, tmp_path):
    from visionft.project.splits import assign_splits
    from visionft.training.loop.train import train

    folder = tmp_path / "real"
    with Project.create(folder) as project:
        import_source(project, images)
        assign_splits(project)
        config = TrainConfig(backbone="test_resnet", method="full", weights="random", image_size=32, batch_size=8)
        train(config.with_settings(["epochs=1", "device=cpu"]), project.snapshot(), folder / "runs" / "001-tiny")
        project.apply(UnlabelImages(tuple(image.image_id for image in project.snapshot().labelled("test"))))
    page = open_label(folder)
    menu = page.labels.suggesting.menu(page)
    next(each for each in menu.actions() if "001-tiny" in each.text()).trigger()
    menu.deleteLater()
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=60_000)
    qtbot.waitUntil(lambda: len(page.labels.suggesting.found) > 0, timeout=10_000)
    summary = window.state.session.project.summary()
    assert len(page.labels.suggesting.found) == summary.images - summary.labelled
