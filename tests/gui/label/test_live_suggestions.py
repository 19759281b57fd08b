"""Suggestions from the first few labels: automatic, updated after each label, with their reason."""

import shutil

from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication

from gui.label import live
from visionft.errors import ProjectError
from visionft.features.feature_store import current_kind
from visionft.project.edits.changes import LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.class_changes import RenameClass
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

LEFT = Qt.MouseButton.LeftButton
PATIENCE_MS = 60_000  # a busy computer


def wait(qtbot, condition) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE_MS)


def counts(page) -> tuple[int, int]:
    """Return the numbers of suggestions and of the labels behind them."""
    return len(page.labels.suggesting.found), page.labels.suggesting.learnt.labelled


def press(qtbot, page, key, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.keyClick(page.focusWidget() or page.grid, key, modifier)


def test_they_come_by_themselves_from_the_labels_so_far_and_are_mostly_right(page, truth):
    found = page.labels.suggesting.found
    right = sum(each.classes == (truth[image_id],) for image_id, each in found.items())
    assert right > 0.8 * len(found)
    assert counts(page) == (54, 6)
    assert page.suggestion_bar.isVisible() and page.filters.prediction_chip.isVisible()


def test_each_label_and_its_undo_are_learnt_from(qtbot, page, truth):
    first = next(iter(page.labels.suggesting.found))
    page.grid.selection.set_current(page.grid.images.ids.index(first))
    press(qtbot, page, Qt.Key.Key_1)
    wait(qtbot, lambda: counts(page) == (53, 7))
    assert first not in page.labels.suggesting.found
    page.state.session.undo()
    wait(qtbot, lambda: counts(page) == (54, 6))
    assert first in page.labels.suggesting.found


def test_enter_accepts_a_suggestion_and_it_teaches_nothing(qtbot, page):
    first = next(iter(page.labels.suggesting.found))
    page.grid.selection.set_current(page.grid.images.ids.index(first))
    suggested = page.labels.suggesting.found[first].classes
    press(qtbot, page, Qt.Key.Key_Return)
    assert tuple(name for name, _ in page.grid.tile(first).labels) == suggested
    wait(qtbot, lambda: counts(page) == (53, 6))


def test_suggestions_need_labels_of_two_classes(qtbot, open_label, featured_dir, truth, window):
    page = open_label(featured_dir)
    wait(qtbot, lambda: page.labels.suggesting.learnt is not None)
    assert page.labels.suggesting.learnt.needs == "labels" and window.state.actions.why_not("label.clusters")
    red, blue = (next(image_id for image_id, real in truth.items() if real == name) for name in ("red", "blue"))
    page.state.session.apply(LabelImages((red,), "red"))
    wait(qtbot, lambda: page.labels.suggesting.learnt.needs == "classes")
    assert not page.suggestion_bar.isVisible()
    page.state.session.apply(LabelImages((blue,), "blue"))
    wait(qtbot, lambda: len(page.labels.suggesting.found) == 58)
    assert page.suggestion_bar.isVisible()


def test_the_viewer_shows_the_labelled_images_that_are_the_reason(qtbot, page, truth):
    first = next(iter(page.labels.suggesting.found))
    page.grid.selection.set_current(page.grid.images.ids.index(first))
    press(qtbot, page, Qt.Key.Key_Space)
    wait(qtbot, page.viewer.evidence.isVisible)
    grid = page.viewer.evidence.grid
    tiles = grid.tiles()
    assert tiles and all(tile.title == truth[tile.image_id] for tile in tiles)
    qtbot.mouseClick(grid.viewport(), LEFT, pos=grid.rect_of(0).center())
    assert page.grid.selection.current_id() == tiles[0].image_id
    assert not page.viewer.evidence.isVisible()  # it has a label: nothing is suggested


def test_the_tooltip_of_a_tile_names_them(qtbot, page):
    first = next(iter(page.labels.suggesting.found))
    page.labels.suggesting.request_reasons(first)
    wait(qtbot, lambda: first in page.labels.suggesting.reasons)
    index = page.grid.images.index(page.grid.images.ids.index(first))
    assert "Most similar: " in index.data(Qt.ItemDataRole.ToolTipRole)
    where = page.grid.visualRect(index).center()
    event = QHelpEvent(QEvent.Type.ToolTip, where, page.grid.viewport().mapToGlobal(QPoint(where)))
    QApplication.sendEvent(page.grid.viewport(), event)


def test_hidden_they_stay_away_until_they_are_asked_for(qtbot, page):
    qtbot.mouseClick(page.suggestion_bar.hide_button, LEFT)
    page.state.session.apply(LabelImages((next(iter(page.labels.suggesting.learnt.found)),), "red"))
    wait(qtbot, lambda: page.labels.suggesting.learnt.labelled == 7)
    assert not page.suggestion_bar.isVisible()
    menu = page.labels.suggesting.menu(page)
    menu.actions()[0].trigger()
    menu.deleteLater()
    wait(qtbot, page.suggestion_bar.isVisible)


def test_a_renamed_class_is_suggested_by_its_new_name(qtbot, page):
    page.state.session.apply(RenameClass("red", "crimson"))
    wait(qtbot, lambda: "crimson" in {name for each in page.labels.suggesting.found.values() for name in each.classes})
    assert "red" not in {name for each in page.labels.suggesting.found.values() for name in each.classes}


def test_without_features_the_menu_computes_them_and_then_suggests(qtbot, window, open_label, project_dir):
    with Project.open(project_dir) as project:
        ids = [image.image_id for image in project.snapshot().images]
        project.apply(UnlabelImages(tuple(ids[::2])))
    page = open_label(project_dir)
    assert not page.suggestion_bar.isVisible()
    menu = page.labels.suggesting.menu(page)
    menu.actions()[0].trigger()
    menu.deleteLater()
    assert window.state.tasks.pending
    wait(qtbot, lambda: not window.state.tasks.pending)
    assert current_kind(project_dir) is not None
    wait(qtbot, page.suggestion_bar.isVisible)
    assert counts(page) == (13, 12)


def test_new_images_are_looked_at_in_the_background(qtbot, page, draw_folder, tmp_path):
    more = draw_folder(tmp_path / "more", {"red": 2})
    import_source(page.state.session.project, more)
    page.state.tasks.written.emit()
    wait(qtbot, lambda: bool(page.state.tasks.pending))
    wait(qtbot, lambda: not page.state.tasks.pending)
    wait(qtbot, lambda: page.labels.suggesting.learnt.missing == 0)


def project_like(shapes, folder, names: dict[str, int], *, task="single"):
    """Make a project of some of the images, with their features; return {class: image ids}."""
    source = folder / "some"
    for name, count in names.items():
        (source / name).mkdir(parents=True)
        for path in sorted((shapes / "images" / name).iterdir())[:count]:
            shutil.copy(path, source / name)
    found: dict[str, list[int]] = {}
    with Project.create(folder / "few", task=task) as project:
        import_source(project, source)
        shutil.copytree(shapes / "project" / "features", folder / "few" / "features")
        for image in project.snapshot().images:
            found.setdefault(image.path.parent.name, []).append(image.image_id)
        project.apply(UnlabelImages(tuple(each for ids in found.values() for each in ids)))
    return found


def test_with_several_labels_suggestions_work_but_no_clusters_or_audits(qtbot, window, open_label, shapes, tmp_path):
    found = project_like(shapes, tmp_path, {"red": 8, "green": 8, "blue": 8}, task="multi")
    with Project.open(tmp_path / "few") as project:
        for name, ids in found.items():
            project.apply(LabelImages(tuple(ids[:5]), name))
    page = open_label(tmp_path / "few")
    wait(qtbot, lambda: len(page.labels.suggesting.found) > 0)
    assert all(each.classes for each in page.labels.suggesting.found.values())
    first = next(iter(page.labels.suggesting.found))
    assert page.grid.tile(first).badge is not None
    assert window.state.actions.why_not("label.clusters")
    window.state.actions.run("label.accept_many")
    offer = page.bulk.auditing.accept_view
    assert not offer.check_button.isVisible()
    offer.slider.setValue(0)
    count = len(page.labels.suggesting.found)
    wait(qtbot, lambda: offer.count_label.text() == f"{count} of {count} suggestions")
    qtbot.mouseClick(offer.accept_button, LEFT)
    assert page.grid.isVisible() and len(page.grid.tile(first).labels) > 0


def test_of_five_images_three_are_suggested(qtbot, window, open_label, shapes, tmp_path):
    found = project_like(shapes, tmp_path, {"red": 3, "blue": 2})
    with Project.open(tmp_path / "few") as project:
        for name, ids in found.items():
            project.apply(LabelImages(tuple(ids[:1]), name))
    page = open_label(tmp_path / "few")
    wait(qtbot, lambda: len(page.labels.suggesting.found) == 3)
    window.state.actions.run("label.accept_many")
    page.bulk.auditing.accept_view.slider.setValue(0)
    wait(qtbot, lambda: page.bulk.auditing.accept_view.count_label.text() == "3 of 3 suggestions")
    assert page.bulk.auditing.accept_view.check_button.text() == "Check 3 images"


def test_images_that_could_not_be_read_once_are_read_at_the_next_label(qtbot, page, truth, monkeypatch):
    def refuse(*_inputs: object) -> None:
        monkeypatch.undo()
        raise ProjectError("The disk is away for a moment.")

    monkeypatch.setattr(live, "load_features", refuse)
    gone = next(iter(page.labels.suggesting.found))
    page.state.session.apply(RemoveImages((gone,)))
    wait(qtbot, lambda: not page.labels.suggesting.found)
    first = next(image_id for image_id in truth if image_id != gone and not page.labels.cells((image_id,))[0].labels)
    page.state.session.apply(LabelImages((first,), truth[first]))
    wait(qtbot, lambda: len(page.labels.suggesting.found) == 52)
    assert gone not in page.labels.suggesting.found
