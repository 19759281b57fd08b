"""The image grid: its requests, movement, selection and texts; and the positions of its images."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QAccessible, QPixmap
from PySide6.QtTest import QTest

from gui.kit.grid_geometry import GridGeometry, TileSize
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import ImageModel, Section, Tile
from gui.kit.thumbnails import ThumbnailStore

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def thumbnails(qapp) -> Iterator[ThumbnailStore]:
    store = ThumbnailStore()
    yield store
    store.close()


@pytest.fixture
def make(qtbot, thumbnails):
    """Return a function to show a grid of `count` images, with ids from 1."""

    def make(count: int = 20, *, sections: tuple[Section, ...] = (), **options) -> ImageGrid:
        grid = ImageGrid(thumbnails, **{"side_px": 100, **options})
        qtbot.addWidget(grid)
        grid.resize(450, 400)  # four columns of 100 pixels
        grid.show()
        grid.show_tiles([tile(number) for number in range(1, count + 1)], sections)
        return grid

    return make


def tile(image_id: int, **values) -> Tile:
    return Tile(image_id=image_id, path=Path(f"{image_id}.png"), **{"title": f"class {image_id}", **values})


def click(qtbot, grid: ImageGrid, place: int, modifier=Qt.KeyboardModifier.NoModifier, button=LEFT) -> None:
    qtbot.mouseClick(grid.viewport(), button, modifier, grid.rect_of(place).center())


@pytest.fixture
def asking(qtbot, thumbnails):
    """Return a grid over a model of its own, and the list of the requests for tiles."""
    asked: list[tuple[int, ...]] = []
    model = ImageModel(lambda ids: [asked.append(tuple(ids)), *map(tile, ids)][1:])
    grid = ImageGrid(thumbnails, model, side_px=100)
    qtbot.addWidget(grid)
    grid.resize(450, 400)
    with qtbot.waitExposed(grid):
        grid.show()
    return grid, asked


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    width=st.integers(150, 1500),
    least=st.integers(40, 140),
    grows=st.booleans(),
    is_bare=st.booleans(),
    single_row=st.booleans(),
)
def test_every_image_is_found_where_it_stands(counts, width, least, grows, is_bare, single_row):
    most = 258 if grows and not is_bare else least
    size = TileSize(least=least, most=most, caption=24, heading=22 if len(counts) > 1 else 0, is_bare=is_bare)
    geometry = GridGeometry(counts, size, QSize(width, 400), single_row=single_row)
    shown = [place for place in range(sum(counts)) if not geometry.rect(place).isNull()]
    assert all(geometry.place_at(geometry.rect(place).center()) == place for place in shown)
    assert geometry.places(0, geometry.height) == shown
    assert all(geometry.rect(place).bottom() < geometry.height for place in shown)
    assert single_row or len(shown) == sum(counts)
    below = [geometry.beside(place, 1) for place in shown]
    assert all(geometry.beside(to, -1) in shown for to in below if to >= 0)


def test_of_very_many_images_only_those_in_view_are_asked_for(qtbot, asking):
    grid, asked = asking
    grid.images.set_ids(tuple(range(1, 100_001)))
    qtbot.waitUntil(lambda: bool(asked))
    grid.selection.set_current(99_999)
    grid.grab()
    ids = [image_id for each in asked for image_id in each]
    assert grid.rect_of(99_999).bottom() < grid.viewport().height() and 100_000 in ids
    assert len(ids) < 100 and len(ids) == len(set(ids))


def test_a_changed_image_is_asked_for_again_and_the_others_are_not(asking):
    grid, asked = asking
    grid.images.set_ids((1, 2, 3))
    grid.images.tiles((1, 2, 3))
    grid.images.invalidate([2])
    grid.images.tiles((1, 2, 3))
    assert asked == [(1, 2, 3), (2,)]


@pytest.mark.parametrize("options", [{}, {"lines": 0, "overlaid": True}, {"lines": 0}])
@pytest.mark.parametrize("size", [(24, 18), (18, 24), (20, 20), (640, 480)])
def test_a_image_fills_its_tile_however_small_it_is(qtbot, make, thumbnails, tmp_path, size, options):
    Image.new("RGB", size, (200, 10, 10)).save(tmp_path / "flat.png")
    grid = make(0, side_px=152, **options)
    grid.show_tiles([Tile(image_id=1, path=tmp_path / "flat.png")])
    qtbot.waitUntil(lambda: isinstance(thumbnails.get(tmp_path / "flat.png"), QPixmap))
    grid.setFocus()
    seen, box = grid.viewport().grab().toImage(), grid.rect_of(0)
    inside = box.adjusted(12, 12, -12, -12 - (24 if "lines" not in options else 0))
    corners = (inside.topLeft(), inside.topRight(), inside.bottomLeft(), inside.bottomRight())
    assert all(seen.pixelColor(corner).red() > 2 * seen.pixelColor(corner).green() for corner in corners)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ([Qt.Key.Key_Right], 6),
        ([Qt.Key.Key_Left], 4),
        ([Qt.Key.Key_Up], 1),
        ([Qt.Key.Key_Down], 9),
        ([Qt.Key.Key_Home], 0),
        ([Qt.Key.Key_End], 19),
        ([Qt.Key.Key_Up] * 3, 1),
        ([Qt.Key.Key_PageDown], 17),
        ([Qt.Key.Key_End, Qt.Key.Key_Right], 19),
        ([Qt.Key.Key_Home, Qt.Key.Key_Left], 0),
    ],
)
def test_keys_move(qtbot, make, keys, place):
    grid = make(20)
    grid.selection.set_current(5)
    for key in keys:
        qtbot.keyClick(grid, key)
    assert grid.selection.place == place and grid.selection.selected_ids() == (place + 1,)


def test_shift_extends_from_where_the_selection_began_and_control_adds(qtbot, make):
    grid = make(20)
    click(qtbot, grid, 2)
    click(qtbot, grid, 6, SHIFT)
    assert grid.selection.selected_ids() == (3, 4, 5, 6, 7)
    qtbot.keyClick(grid, Qt.Key.Key_Left, SHIFT)
    assert grid.selection.selected_ids() == (3, 4, 5, 6)
    click(qtbot, grid, 9, CONTROL)
    click(qtbot, grid, 3, CONTROL)
    assert [each.image_id for each in grid.chosen()] == [3, 5, 6, 10] and grid.selection.place == 3
    click(qtbot, grid, 5, button=RIGHT)
    assert len(grid.chosen()) == 4
    click(qtbot, grid, 0)
    assert grid.selection.selected_ids() == (1,)


def test_a_pull_selects_all_that_it_touches(make):
    grid = make(20)
    start, end = grid.rect_of(1).center(), grid.rect_of(6).center()
    QTest.mousePress(grid.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, start)
    QTest.mouseMove(grid.viewport(), start + QPoint(40, 40))
    QTest.mouseMove(grid.viewport(), end)
    QTest.mouseRelease(grid.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, end)
    assert grid.selection.selected_ids() == (2, 3, 6, 7)


def test_other_images_keep_what_is_current_and_selected(make):
    grid = make(20)
    grid.selection.set_current(3)
    grid.selection.set_current(5, extend=True)
    told: list[int] = []
    grid.current_changed.connect(told.append)
    grid.show_tiles([tile(number) for number in (6, 5, 11)])
    assert grid.selection.current_id() == 6 and grid.selection.selected_ids() == (6, 5)
    grid.show_tiles([tile(number, mark="new") for number in (6, 5, 11)])
    assert grid.tiles()[1].mark == "new" and grid.selection.selected_ids() == (6, 5)
    grid.show_tiles([tile(number) for number in (7, 8, 9)])
    assert grid.selection.selected_ids() == (7,) and told[-1] == 7
    grid.show_tiles([])
    assert grid.selection.selected_ids() == () and grid.selection.place == -1 and told[-1] == 0


def test_letters_and_digits_are_handed_on_and_a_double_click_opens(qtbot, make):
    grid = make()
    with qtbot.waitSignal(grid.key_pressed) as typed:
        qtbot.keyClick(grid, Qt.Key.Key_3)
    with qtbot.waitSignal(grid.opened) as opened:
        qtbot.mouseClick(grid.viewport(), LEFT, pos=grid.rect_of(4).center())
        qtbot.mouseDClick(grid.viewport(), LEFT, pos=grid.rect_of(4).center())
    assert (typed.args, opened.args) == (["3"], [5])


def test_a_screen_reader_and_a_waiting_pointer_hear_all_that_is_shown(make):
    grid = make(0, name="Changed")
    grid.show_tiles([tile(1, title="a → b", detail="is b", mark="now green", aside="93%")])
    said = "a → b\nis b\nnow green\n93%\n1.png"
    assert grid.images.index(0).data(Qt.ItemDataRole.ToolTipRole) == said
    interface = QAccessible.queryAccessibleInterface(grid)
    assert interface is not None and interface.text(QAccessible.Text.Name) == "Changed"
    assert interface.childCount() == 1 and interface.child(0).text(QAccessible.Text.Name) == said
