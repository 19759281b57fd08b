"""The map on the Curate page: drawn automatically where features exist; a selection on it filters the grid."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from gui.curate.map.canvas import MapCanvas, MarkLook
from gui.curate.map.map_reader import BY_CLASS, read_map_data
from gui.curate.map.map_view import MapView
from gui.kit.image_model import Tile
from gui.kit.thumbnails import ThumbnailStore
from visionft.analysis.image_map import draw_map
from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.edits.changes import RemoveImages
from visionft.project.queries import image_rows
from visionft.project.store import ProjectStore

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
HELD = Qt.KeyboardModifier
NONE, SHIFT, CTRL = HELD.NoModifier, HELD.ShiftModifier, HELD.ControlModifier
KIND = FeatureKind(backbone="test", size=8, weights="", preprocessing="", widths=(16,))


@pytest.fixture
def canvas(qtbot, tmp_path):
    thumbnails = ThumbnailStore()
    widget = MapCanvas(
        thumbnails, lambda ids: [Tile(image_id=i, path=tmp_path / f"{i}.png", title=str(i)) for i in ids]
    )
    window = QWidget()  # pyqtgraph expects that a view is closed with its window
    qtbot.addWidget(window)
    window.resize(500, 400)
    widget.setParent(window)
    widget.resize(500, 400)
    widget.set_points(np.arange(1, 6), np.array([[0, 0], [0, 1], [1, 0], [1, 1], [0.5, 0.5]], float))
    widget.set_groups(
        np.array([0, 0, 1, 1, 2]), [MarkLook("#ff0000"), MarkLook("#00ff00"), MarkLook("#808080", 0, True)]
    )
    window.show()
    qtbot.waitExposed(window)
    yield widget
    thumbnails.close()


def at(widget: MapCanvas, image_id: int, dx: int = 0, dy: int = 0) -> QPoint:
    point = widget.point_of(image_id)
    assert point is not None
    return point.toPoint() + QPoint(dx, dy)


def pull(qtbot, widget: MapCanvas, points: list[QPoint], *, button=LEFT, held=NONE) -> None:
    qtbot.mousePress(widget.viewport(), button, held, points[0])
    for point in points[1:]:
        places = QPointF(point), QPointF(widget.mapToGlobal(point))
        QApplication.sendEvent(widget.viewport(), QMouseEvent(QEvent.Type.MouseMove, *places, button, button, held))
    qtbot.mouseRelease(widget.viewport(), button, held, points[-1])


def test_a_lasso_catches_what_is_inside(qtbot, canvas):
    around = [at(canvas, 2, -20, -20), at(canvas, 4, 20, -20), at(canvas, 4, 20, 20), at(canvas, 2, -20, 20)]
    with qtbot.waitSignal(canvas.caught_changed):
        pull(qtbot, canvas, around)
    assert canvas.caught_ids() == (2, 4)
    pull(qtbot, canvas, [at(canvas, 5, -15, -15), at(canvas, 5, 15, 15)], held=SHIFT | CTRL)
    assert canvas.caught_ids() == (2, 4, 5)
    qtbot.keyClick(canvas, Qt.Key.Key_Escape)
    assert canvas.caught_ids() == ()


def test_a_click_catches_one_and_hidden_ones_are_not_caught(qtbot, canvas):
    qtbot.mouseClick(canvas.viewport(), LEFT, NONE, at(canvas, 3, 2, 1))
    assert canvas.caught_ids() == (3,)
    qtbot.mouseClick(canvas.viewport(), LEFT, CTRL, at(canvas, 1))
    assert canvas.caught_ids() == (1, 3)
    qtbot.mouseClick(canvas.viewport(), LEFT, CTRL, at(canvas, 3))
    assert canvas.caught_ids() == (1,)
    qtbot.mouseClick(canvas.viewport(), LEFT, NONE, at(canvas, 1, 60, -60))
    assert canvas.caught_ids() == ()
    canvas.set_groups(np.array([0, 0, 1, 1, 2]), [MarkLook("#ff0000")] * 3, frozenset({1}))
    qtbot.mouseClick(canvas.viewport(), LEFT, NONE, at(canvas, 3))
    assert canvas.caught_ids() == () and canvas.visible_ids() == (1, 2, 5)


def test_wheel_keys_and_pulling_change_what_is_seen(qtbot, canvas):
    where = QPointF(at(canvas, 4))
    wheel = QWheelEvent(
        where,
        canvas.mapToGlobal(where),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    before = canvas.view_range()
    QApplication.sendEvent(canvas.viewport(), wheel)
    assert canvas.view_range().width() == pytest.approx(before.width() / 1.44, rel=1e-3)
    assert (QPointF(at(canvas, 4)) - where).manhattanLength() <= 2  # it stays under the pointer
    qtbot.keyClicks(canvas, "++-0")
    assert canvas.view_range() == before
    qtbot.keyClick(canvas, Qt.Key.Key_Right)
    assert canvas.view_range().x() > before.x()
    canvas.fit()
    pull(qtbot, canvas, [QPoint(100, 100), QPoint(130, 120)], button=RIGHT)
    assert canvas.view_range().x() < before.x() and canvas.view_range().y() > before.y() and canvas.caught_ids() == ()
    canvas.fit()
    canvas.set_tool("move")
    pull(qtbot, canvas, [QPoint(100, 100), QPoint(150, 100)])
    assert canvas.view_range().x() < before.x() and canvas.caught_ids() == ()


def test_a_double_click_opens_an_image(qtbot, canvas):
    with qtbot.waitSignal(canvas.opened) as opened:
        qtbot.mouseDClick(canvas.viewport(), LEFT, NONE, at(canvas, 4))
    assert opened.args == [4]


def test_hovering_says_which_image_it_is(qtbot, canvas):
    qtbot.mouseMove(canvas.viewport(), at(canvas, 3))
    qtbot.waitUntil(lambda: canvas.accessibleDescription().startswith("3"))
    canvas.grab()
    qtbot.mouseMove(canvas.viewport(), at(canvas, 3, 70, -70))
    qtbot.waitUntil(lambda: canvas.accessibleDescription() == "")


def give_features(project_dir) -> None:
    """Give each image generated features: the two classes are separable."""
    with ProjectStore.open(project_dir) as project:
        images = project.snapshot().images
    random = np.random.default_rng(0)
    vectors = np.stack([random.normal(size=16) + 6 * (image.labels[0] == 1) for image in images]).astype(np.float16)
    KIND.store(project_dir).append([image.sha256 for image in images], vectors)
    make_current(project_dir, KIND)


@pytest.fixture
def map_page(qtbot, open_curate, grey_dir, use_views, finish):
    """Return the page with a map of its twelve images."""
    use_views(MapView)
    give_features(grey_dir)
    page = open_curate(grey_dir, "map")
    qtbot.waitUntil(lambda: page.grid.count() == 12, timeout=20_000)
    finish()
    return page


@pytest.mark.slow
def test_the_map_draws_itself_and_a_lasso_fills_the_grid_and_labels(qtbot, map_page):
    page, view = map_page, map_page.views["map"]
    canvas = view.panel.canvas
    assert {chip.words() for chip in view.panel.legend.chips.values()} == {"bird 6", "cat 6"}
    qtbot.mouseClick(view.panel.legend.chips[0], LEFT)  # hides the birds
    qtbot.waitUntil(lambda: page.grid.count() == 6, timeout=3000)
    corners = [QPoint(1, 1), QPoint(canvas.width() - 2, 1), QPoint(canvas.width() - 2, canvas.height() - 2)]
    pull(qtbot, canvas, [*corners, QPoint(1, canvas.height() - 2)])
    cats = page.grid.images.ids
    assert len(cats) == 6 and page.curation.chosen() == cats
    qtbot.keyClick(canvas, Qt.Key.Key_1)  # the key of the first class: all of them are birds now
    rows = image_rows(page.session.project, cats)
    assert {row.labels for row in rows} == {("bird",)}
    qtbot.waitUntil(lambda: {c.words() for c in view.panel.legend.chips.values()} == {"bird 12"}, timeout=5000)
    page.session.undo()
    assert page.session.apply(RemoveImages(cats[:2]))
    qtbot.waitUntil(lambda: len(canvas.image_ids) == 10, timeout=5000)


@pytest.mark.slow
def test_colours_and_methods_can_be_chosen(qtbot, map_page):
    view = map_page.views["map"]
    legend, chip = view.panel.legend, view.controls.colouring_chip
    for way, expected in ((1, {"train 8", "val 2", "test 2"}), (2, {"no label issue 12"}), (0, None)):
        chip.choose(way)
        if expected:
            qtbot.waitUntil(lambda wanted=expected: {c.words() for c in legend.chips.values()} == wanted, timeout=5000)
    chip.choose(3)
    qtbot.waitUntil(lambda: len(legend.chips) == 1 and "20" in next(iter(legend.chips.values())).words(), timeout=5000)
    before = view.panel.canvas.point_of(1)
    qtbot.mouseClick(view.controls.methods.buttons["pca"], LEFT)
    qtbot.waitUntil(lambda: view.panel.canvas.point_of(1) != before, timeout=5000)


def test_what_a_run_said_colours_the_map(window, project_dir, image_ids):
    project = window.state.session.project
    images = project.snapshot().images
    vectors = np.random.default_rng(0).normal(size=(len(images), 16)).astype(np.float16)
    KIND.store(project_dir).append([image.sha256 for image in images], vectors)
    make_current(project_dir, KIND)
    draw_map(project_dir, project.snapshot(), method="pca")
    read = read_map_data(project, "pca", BY_CLASS)
    assert read.map is not None
    (run,) = (way for way in read.colourings if way.startswith("run:"))  # the older one was never evaluated
    read = read_map_data(project, "pca", run)
    assert read.map is not None
    said = {int(each): read.entries[group].words for each, group in zip(read.map.image_ids, read.groups, strict=True)}
    assert [said[each] for each in image_ids] == ["blue", "green", "green", "blue"]
    assert sum(words == "not evaluated" for words in said.values()) == len(images) - 4
    assert read.entries[-1].colour == "" and sum(entry.count for entry in read.entries) == len(images)


@pytest.mark.slow
def test_without_features_a_button_draws_it(qtbot, open_curate, grey_dir, use_views, finish):
    use_views(MapView)
    page = open_curate(grey_dir, "map")
    qtbot.waitUntil(lambda: page.stage.empty.button.text() == "Draw the map", timeout=5000)
    give_features(grey_dir)  # as the network would: the button's job finds them
    qtbot.mouseClick(page.stage.empty.button, LEFT)
    qtbot.waitUntil(lambda: page.grid.count() == 12, timeout=20_000)
    finish()
