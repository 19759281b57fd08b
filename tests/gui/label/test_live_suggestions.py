"""Suggestions from the first few labels: automatic, updated after each label, with their reason."""

import shutil

import pytest
from projects import project_of
from PySide6.QtCore import Qt

from visionft.features.feature_store import current_kind
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.store import ProjectStore

LEFT = Qt.MouseButton.LeftButton


def counts(page) -> tuple[int, int]:
    """Return the numbers of suggestions and of the labels behind them."""
    return len(page.labels.suggesting.found), page.labels.suggesting.labelled


@pytest.mark.slow
def test_they_come_by_themselves_and_learn_from_each_label_but_not_from_accepted_ones(wait, press, page, truth):
    found = page.labels.suggesting.found
    assert sum(each.classes == (truth[image_id],) for image_id, each in found.items()) > 0.8 * len(found)
    assert counts(page) == (54, 6) and page.suggestion_bar.isVisible() and page.filters.prediction_chip.isVisible()
    first = next(iter(found))
    page.grid.selection.set_current(page.grid.images.ids.index(first))
    press(page, Qt.Key.Key_1)
    wait(lambda: counts(page) == (53, 7))
    assert first not in page.labels.suggesting.found
    page.state.session.undo()
    wait(lambda: counts(page) == (54, 6))
    page.grid.selection.set_current(page.grid.images.ids.index(first))
    suggested = page.labels.suggesting.found[first].classes
    press(page, Qt.Key.Key_Return)
    assert page.grid.tile(first).labels == suggested
    wait(lambda: counts(page) == (53, 6))


@pytest.mark.slow
def test_below_ten_labels_of_a_class_they_are_guesses_without_a_percentage(wait, page, truth):
    found, bar = page.labels.suggesting.found, page.suggestion_bar.text_label
    assert "%" not in page.grid.tile(next(iter(found))).title and "%" not in bar.text()
    for name in set(truth.values()):
        more = [image_id for image_id, real in truth.items() if real == name and image_id in found][:8]
        page.state.session.apply(LabelImages(tuple(more), name))
    wait(lambda: len(page.labels.suggesting.found) == 30 and "%" in bar.text())
    assert "%" in page.grid.tile(next(iter(page.labels.suggesting.found))).title


def test_the_viewer_shows_the_labelled_images_that_are_the_reason(qtbot, wait, press, page, truth):
    first = next(iter(page.labels.suggesting.found))
    page.grid.selection.set_current(page.grid.images.ids.index(first))
    press(page, Qt.Key.Key_Space)
    wait(page.viewer.evidence.isVisible)
    grid = page.viewer.evidence.grid
    tiles = grid.tiles()
    assert tiles and all(tile.title == truth[tile.image_id] for tile in tiles)
    tip = page.grid.images.index(page.grid.images.ids.index(first)).data(Qt.ItemDataRole.ToolTipRole)
    assert tiles[0].path.name in tip
    qtbot.mouseClick(grid.viewport(), LEFT, pos=grid.rect_of(0).center())
    assert page.grid.selection.current_id() == tiles[0].image_id
    assert not page.viewer.evidence.isVisible()  # it has a label: nothing is suggested


@pytest.mark.slow
def test_without_features_the_menu_computes_them_and_then_suggests(wait, window, open_label, project_dir):
    with ProjectStore.open(project_dir) as project:
        ids = [image.image_id for image in project.snapshot().images]
        project.apply(UnlabelImages(tuple(ids[::2])))
    page = open_label(project_dir)
    assert not page.suggestion_bar.isVisible()
    page.labels.suggesting.menu(page).actions()[0].trigger()
    assert window.state.jobs.pending
    wait(lambda: not window.state.jobs.pending)
    with ProjectStore.open(project_dir, read_only=True) as project:
        assert current_kind(project_dir, project.image_reading) is not None
    wait(page.suggestion_bar.isVisible)
    assert counts(page) == (13, 12)


@pytest.mark.slow
def test_with_several_labels_there_is_no_check(qtbot, wait, window, open_label, shapes, tmp_path):
    with ProjectStore.open(project_of(tmp_path / "several", shapes / "images", task="multi")) as project:
        shutil.copytree(shapes / "project" / "features", tmp_path / "several" / "features")
        project.apply(UnlabelImages(tuple(image.image_id for image in project.snapshot().images if image.image_id % 4)))
    page = open_label(tmp_path / "several")
    wait(lambda: len(page.labels.suggesting.found) > 0)
    first = next(iter(page.labels.suggesting.found))
    window.state.actions.run("label.accept_many")
    offer = page.bulk.accept_view
    assert not offer.check_button.isVisible()
    offer.slider.setValue(0)
    count = len(page.labels.suggesting.found)
    wait(lambda: offer.count_label.text() == f"{count} of {count} suggestions")
    qtbot.mouseClick(offer.accept_button, LEFT)
    assert page.grid.isVisible() and len(page.grid.tile(first).labels) > 0
