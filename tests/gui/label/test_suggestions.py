"""Suggestions, postponing, tags and example images on the label page, by keys, menus and clicks."""

import pytest
from projects import project_of
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog

from gui.label.label_page import LabelPage
from visionft.analysis.suggestions import Suggestion, write_suggestions
from visionft.project.edits.changes import UnlabelImages
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig

LEFT, CONTROL, SHIFT = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
SHARES = (0.99, 0.55, 0.97, 0.40, 0.80)


@pytest.fixture
def suggested(project_dir) -> list[int]:
    """Return five unlabelled images of a project with a run's suggestion “red” for each, confident or not."""
    with ProjectStore.open(project_dir) as project:
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


def shown_ids(page: LabelPage) -> list[int]:
    return [page.grid.selection.id_at(place) for place in range(page.grid.count())]


def test_a_suggestion_is_shown_with_its_confidence_on_tile_and_in_the_viewer(press, page, suggested):
    cell = page.grid.tile(suggested[0])
    assert cell.title == "red? 99%" and cell.labels == ()
    assert page.labels.suggesting.run_name == "007-resnet18-lora" and page.suggestion_bar.isVisible()
    page.grid.selection.set_current(0)
    press(page, Qt.Key.Key_Space)
    assert page.viewer.label_pill.text() == "red? 99%"


def test_enter_accepts_durably_goes_on_and_can_be_undone(qtbot, press, stored, page, suggested):
    page.grid.selection.set_current(0)
    press(page, Qt.Key.Key_Return)
    assert stored(page)[suggested[0]] == ["red"] and page.grid.selection.place == 1
    assert page.grid.tile(suggested[0]).title == "red"
    qtbot.waitUntil(lambda: page.suggestion_bar.text_label.text().startswith("4 "))
    page.state.session.undo()
    assert stored(page)[suggested[0]] == [] and page.grid.tile(suggested[0]).title == "red? 99%"
    page.grid.selection.select_all()
    press(page, Qt.Key.Key_Return)
    assert all(stored(page)[image_id] == ["red"] for image_id in suggested)
    page.state.session.undo()
    assert not any(stored(page)[image_id] for image_id in suggested)
    page.grid.selection.set_current(10)  # without a suggestion
    for widget in (page.viewer, page.grid):
        press(page, Qt.Key.Key_Return)
        assert widget.isVisible()


def test_images_are_sorted_by_uncertainty_and_filtered_by_suggestion(choose_in, page, suggested):
    choose_in(page.filters.order_chip.menu(), "Unsure first")
    assert shown_ids(page)[:5] == [suggested[place] for place in (3, 1, 4, 2, 0)]
    choose_in(page.filters.order_chip.menu(), "Highest confidence first")
    assert shown_ids(page)[:5] == [suggested[place] for place in (0, 2, 4, 1, 3)]
    choose_in(page.filters.prediction_chip.menu(), "red")
    assert sorted(shown_ids(page)) == sorted(suggested) and page.filters.clear_button.isVisible()


def test_n_puts_off_and_the_jump_passes_over_it(press, stored, choose_in, page, suggested):
    page.grid.selection.set_current(0)
    press(page, Qt.Key.Key_N)
    assert page.grid.selection.place == 1 and page.grid.tile(suggested[0]).is_put_off
    page.grid.selection.set_current(20)
    press(page, Qt.Key.Key_D, CONTROL | SHIFT)
    assert page.grid.selection.current_id() == suggested[4]
    for _ in range(3):
        press(page, Qt.Key.Key_D, CONTROL | SHIFT)
    assert page.grid.selection.current_id() == suggested[1]
    press(page, Qt.Key.Key_D, CONTROL | SHIFT)
    assert page.grid.selection.current_id() == suggested[4]
    choose_in(page.filters.label_chip.menu(), "Put off")
    assert shown_ids(page) == [suggested[0]]
    press(page, Qt.Key.Key_3)
    assert stored(page)[suggested[0]] == ["red"]


def test_tags_are_given_filtered_by_and_taken_off(press, choose_in, page, suggested, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getItem", lambda *args, **kwargs: ("blurred", True))
    assert not page.filters.tag_chip.isVisible()
    page.grid.selection.set_current(7)
    press(page, Qt.Key.Key_T, CONTROL)
    chosen = page.grid.selection.current_id()
    assert page.grid.tile(chosen).mark == "#blurred"
    choose_in(page.filters.tag_chip.menu(), "blurred")
    assert shown_ids(page) == [chosen]
    press(page, Qt.Key.Key_T, CONTROL)
    assert not page.filters.tag_chip.isVisible() and page.grid.count() == 25


def test_classes_are_reordered_and_searched(qtbot, choose_in, page):
    page.panel.list.model().moveRow(page.panel.list.rootIndex(), 2, page.panel.list.rootIndex(), 0)
    assert page.panel.names() == ["red", "blue", "green"] and page.labels.keys["1"] == "red"
    choose_in(page.panel.menu_for("red"), "Move down")
    assert page.panel.names() == ["blue", "red", "green"]
    qtbot.keyClicks(page.panel.search_edit, "gre")
    assert page.panel.names() == ["green"] and not page.panel.list.dragEnabled()


def test_a_real_run_suggests_for_every_unlabelled_image(qtbot, choose_in, window, open_label, images, tmp_path):
    from visionft.training.loop.train import train

    folder = project_of(tmp_path / "real", images, has_splits=True)
    with ProjectStore.open(folder) as project:
        config = TrainConfig(backbone="test_resnet", method="full", weights="random", image_size=32, batch_size=8)
        train(config.with_settings(["epochs=1", "device=cpu"]), project.snapshot(), folder / "runs" / "001-tiny")
        project.apply(UnlabelImages(tuple(image.image_id for image in project.snapshot().labelled("test"))))
    page = open_label(folder)
    choose_in(page.labels.suggesting.menu(page), "001-tiny")
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=60_000)
    qtbot.waitUntil(lambda: len(page.labels.suggesting.found) > 0, timeout=10_000)
    summary = window.state.session.project.summary()
    assert len(page.labels.suggesting.found) == summary.images - summary.labelled
