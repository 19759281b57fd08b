"""Choosing what gives the labels: a folder, a part of the names, a column of a table."""

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap

from gui.home.class_table import COUNT, EXAMPLES, EXAMPLES_ROLE, NAME

LEFT = Qt.MouseButton.LeftButton


def draw(folder: Path, *names: str) -> Path:
    """Draw an image under each name, all different."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (9 * number, 200 - 7 * number, 90)).save(folder / name)
    return folder


def counts(panel) -> dict[str, int]:
    """Return the shown number of images by class."""
    table = panel.classes.table
    return {table.item(line, NAME).text(): int(table.item(line, COUNT).text()) for line in range(table.rowCount())}


def choose(qtbot, box, words: str) -> None:
    """Choose the first entry of a box that holds some words, with the keyboard."""
    wanted = next(place for place in range(box.count()) if words in box.itemText(place))
    box.setFocus()
    for _ in range(box.count()):
        if box.currentIndex() != wanted:
            qtbot.keyClick(box, Qt.Key.Key_Down if box.currentIndex() < wanted else Qt.Key.Key_Up)
    assert box.currentIndex() == wanted


@pytest.fixture
def show(page, look):
    """Return a function: a source -> the form of its preview."""

    def show(source: Path):
        look(source)
        return page.imports.panel.choice

    return show


@pytest.fixture
def sites(tmp_path) -> Path:
    """Return a folder of images by site and species."""
    places = {"north": ("ant", "bee"), "south": ("bee", "fly")}
    names = (f"{site}/{kind}/{n}.png" for site, kinds in places.items() for kind in kinds for n in range(3))
    return draw(tmp_path / "sites", *names)


@pytest.fixture
def clothes(tmp_path) -> Path:
    """Return a folder of images with a table of four columns, none of them called like labels."""
    folder = draw(tmp_path / "clothes", *(f"{n}.png" for n in range(8)))
    rows = "".join(f"{n}.png,{'SML'[n % 3]},{('hat', 'shoe')[n % 2]},x{n % 4}.png\n" for n in range(8))
    (folder / "stock.csv").write_text(f"photo,size,garment,other\n{rows}", encoding="utf-8")
    return folder


def test_the_folders_of_a_level_are_taken_as_classes(qtbot, page, sites, show, finish, confirm, project):
    form = show(sites)
    panel = page.imports.panel
    if not form.class_box.isVisible():
        qtbot.mouseClick(form.fold_button, LEFT)
    choose(qtbot, form.class_box, "north")
    assert panel.isVisible() and not panel.import_button.isEnabled()
    finish()
    assert counts(panel) == {"north": 6, "south": 6} and "north" in form.class_box.currentText()
    shown = [panel.classes.table.item(line, EXAMPLES).data(EXAMPLES_ROLE) for line in range(2)]
    assert [{path.parent.parent.name for path in paths} for paths in shown] == [{"north"}, {"south"}]
    qtbot.waitUntil(lambda: isinstance(panel.classes.table.thumbnails.get(shown[0][0]), QPixmap))
    choose(qtbot, form.class_box, "ant")
    finish()
    assert "ant" in form.class_box.currentText() and counts(panel) == {"ant": 3, "bee": 6, "fly": 3}
    confirm()
    assert project.summary().classes == {"ant": 3, "bee": 6, "fly": 3}


def test_a_column_is_taken_as_the_class(qtbot, page, clothes, show, finish, confirm, project):
    form = show(clothes)
    panel = page.imports.panel
    assert form.class_box.isVisible() and form.class_box.currentIndex() == -1
    assert not panel.import_button.isEnabled() and panel.import_button.toolTip() == form.fault()
    choose(qtbot, form.class_box, "garment")
    finish()
    assert "garment" in form.class_box.currentText() and counts(panel) == {"hat": 4, "shoe": 4}
    choose(qtbot, form.class_box, "size")
    finish()
    assert counts(panel) == {"S": 3, "M": 3, "L": 2}
    qtbot.mouseClick(form.reset_button, LEFT)
    finish()
    assert form.fault() and not form.reset_button.isVisible() and not panel.import_button.isEnabled()
    choose(qtbot, form.class_box, "garment")
    finish()
    confirm()
    assert project.summary().classes == {"hat": 4, "shoe": 4}


def test_another_column_names_the_images(qtbot, page, clothes, show, finish, project):
    rows = "".join(f"{n}.png,{'SML'[n % 3]},{('hat', 'shoe')[n % 2]},{7 - n}.png\n" for n in range(8))
    (clothes / "stock.csv").write_text(f"photo,size,garment,other\n{rows}", encoding="utf-8")
    form = show(clothes)
    form.fold_button.setChecked(True)
    choose(qtbot, form.class_box, "garment")
    finish()
    table = page.imports.panel.preview.readings[0]
    assert {row.name: row.labels for row in table.rows if row.labels}["0.png"] == ("hat",)
    choose(qtbot, form.image_box, "other")
    finish()
    table = page.imports.panel.preview.readings[0]
    assert {row.name: row.labels for row in table.rows if row.labels}["0.png"] == ("shoe",)
    assert form.image_box.currentText() == "other"


def test_a_part_of_the_names_gives_the_class(qtbot, page, tmp_path, show, finish, confirm, project):
    names = [f"big_{kind}_{n:02d}.png" for kind in ("ant", "bee") for n in range(4)]
    form = show(draw(tmp_path / "flat", *names))
    form.fold_button.setChecked(True)
    choose(qtbot, form.class_box, "ant, bee")
    finish()
    assert counts(page.imports.panel) == {"ant": 4, "bee": 4}
    choose(qtbot, form.class_box, "big_ant")
    finish()
    assert "big_ant" in form.class_box.currentText()
    confirm()
    assert project.summary().classes == {"big_ant": 4, "big_bee": 4}


def test_a_sign_separates_several_classes(qtbot, page, tmp_path, show, finish, project):
    names = [f"{folder}/{n}.png" for folder in ("sun+sea", "sun", "sea") for n in range(3)]
    form = show(draw(tmp_path / "tags", *names))
    form.fold_button.setChecked(True)
    choose(qtbot, form.class_box, "sun")
    finish()
    panel = page.imports.panel
    assert set(counts(panel)) == {"sun+sea", "sun", "sea"}
    choose(qtbot, form.separator_box, "+")
    finish()
    assert set(panel.preview.readings[0].classes) == {"sun", "sea"} and form.separator_box.currentText() == "+"
    form.separator_box.setCurrentIndex(0)
    form.separator_box.activated.emit(0)
    finish()
    assert "sun+sea" in counts(panel)


def test_no_labels_are_a_choice_too(qtbot, page, sites, show, finish, confirm, project):
    form = show(sites)
    form.fold_button.setChecked(True)
    last = form.class_box.count() - 1
    choose(qtbot, form.class_box, form.class_box.itemText(last))
    finish()
    assert form.class_box.currentIndex() == last
    confirm()
    assert project.summary().images == 12 and not project.summary().classes


def test_every_box_is_reached_with_the_tab_key_and_has_a_name(qtbot, page, clothes, show, finish):
    form = show(clothes)
    choose(qtbot, form.class_box, "garment")
    finish()
    form.fold_button.setFocus()
    reached = []
    for _ in range(30):
        reached.append(page.window().focusWidget())
        qtbot.keyClick(reached[-1], Qt.Key.Key_Tab)
    boxes = (form.class_box, form.image_box, form.separator_box)
    assert all(each in reached and each.accessibleName() for each in boxes)
