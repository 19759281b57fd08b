"""Similar images on the Curate page: examples from anywhere, refining the search by keys, viewing files."""

import shutil

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from small_features import embed

from gui.curate.similar.similar_view import SimilarView
from gui.state import ChosenImages
from visionft.project.edits.changes import RemoveImages
from visionft.project.queries import image_rows
from visionft.project.store import ProjectStore

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def similar_page(open_curate, grey_dir, use_views):
    use_views(SimilarView)
    with ProjectStore.open(grey_dir) as project:
        embed(grey_dir, project.snapshot())
    return open_curate(grey_dir, "similar")


def found(qtbot, page, count: int) -> tuple[int, ...]:
    qtbot.waitUntil(lambda: page.grid.count() == count, timeout=10_000)
    return page.grid.images.ids


def test_from_example_to_labels(qtbot, similar_page):
    page, view = similar_page, similar_page.views["similar"]
    assert page.stage.empty.isVisible()
    first = min(page.curation.now)
    page.state.similar_requested.emit(ChosenImages((first,)))
    ids = found(qtbot, page, 11)
    assert first not in ids and view.strip.like.count() == 1
    scores = [float(page.grid.tile(each).detail) for each in ids]
    assert scores == sorted(scores, reverse=True)
    last = ids[-1]
    page.grid.selection.set_current(10)
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_Minus)
    assert last not in found(qtbot, page, 10) and view.strip.unlike.count() == 1
    page.grid.selection.set_current(0)
    qtbot.keyClick(page.grid, Qt.Key.Key_Plus)
    ids = found(qtbot, page, 9)
    assert view.strip.like.count() == 2
    page.grid.selection.set_current(3)
    qtbot.keyClick(page.grid, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert page.curation.chosen() == ids[:4]
    qtbot.keyClick(page.grid, Qt.Key.Key_2)
    assert {row.labels for row in image_rows(page.session.project, ids[:4])} == {("cat",)}
    qtbot.mouseClick(view.strip.unlike.viewport(), LEFT, pos=view.strip.unlike.rect_of(0).center())
    assert last in found(qtbot, page, 10)


def test_an_example_that_leaves_the_project_is_none_any_more(qtbot, similar_page):
    page, view = similar_page, similar_page.views["similar"]
    first, last = min(page.curation.now), max(page.curation.now)
    page.state.similar_requested.emit(ChosenImages((first,)))
    page.grid.selection.set_current(found(qtbot, page, 11).index(last))
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_Minus)
    assert last not in found(qtbot, page, 10)
    page.session.apply(RemoveImages((last,)))
    qtbot.waitUntil(lambda: not view.examples.unlike, timeout=10_000)
    assert last not in found(qtbot, page, 10) and view.strip.unlike.count() == 0 and view.examples.like == (first,)


@pytest.mark.slow
def test_a_image_from_a_file_is_looked_at_by_the_network(qtbot, similar_page, tmp_path, monkeypatch):
    page = similar_page
    inside = page.session.snapshot().images[5]
    shutil.copy(inside.path, tmp_path / "copy.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "copy.png"), ""))
    qtbot.mouseClick(page.stage.empty.button, LEFT)
    assert found(qtbot, page, 12)[0] == inside.image_id
    assert page.grid.tile(inside.image_id).mark == "near-duplicate"
    page.state.similar_requested.emit(ChosenImages(paths=(tmp_path / "broken.png",)))
    qtbot.waitUntil(lambda: page.stage.empty.button.text() == "Try again", timeout=30_000)
    page.state.similar_requested.emit(ChosenImages(paths=(tmp_path / "gone.png",)))
    qtbot.waitUntil(lambda: page.stage.empty.isVisible() and page.grid.count() == 0, timeout=10_000)
