"""Choosing by clicks what gives the labels: a folder, a part of the names, a column of a table."""

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
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


def click_column(qtbot, form, place: int) -> None:
    """Click the title of a column."""
    header = form.table.horizontalHeader()
    where = QPoint(header.sectionViewportPosition(place) + 5, header.height() // 2)
    qtbot.mouseClick(header.viewport(), LEFT, pos=where)


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


def test_a_click_on_a_folder_of_the_path_takes_its_level_as_classes(qtbot, page, sites, show, finish, confirm, project):
    form = show(sites)
    panel = page.imports.panel
    if not form.folders.isVisible():
        qtbot.mouseClick(form.fold_button, LEFT)
    site, species = form.folders.chips
    qtbot.mouseClick(site, LEFT)
    assert site.isChecked() and not species.isChecked() and panel.isVisible() and not panel.import_button.isEnabled()
    finish()
    assert counts(panel) == {"north": 6, "south": 6}
    shown = [panel.classes.table.item(line, EXAMPLES).data(EXAMPLES_ROLE) for line in range(2)]
    assert [{path.parent.parent.name for path in paths} for paths in shown] == [{"north"}, {"south"}]
    qtbot.waitUntil(lambda: isinstance(panel.classes.table.thumbnails.get(shown[0][0]), QPixmap))
    qtbot.mouseClick(species, LEFT)
    finish()
    assert species.isChecked() and counts(panel) == {"ant": 3, "bee": 6, "fly": 3}
    confirm()
    assert project.summary().classes == {"ant": 3, "bee": 6, "fly": 3}


def test_a_click_on_a_title_takes_the_column_as_the_class(qtbot, page, clothes, show, finish, confirm, project):
    form = show(clothes)
    panel = page.imports.panel
    assert not panel.import_button.isEnabled() and panel.import_button.toolTip() == form.fault()
    assert list(form.table.marks()) == ["photo"]
    click_column(qtbot, form, 2)
    assert list(form.table.marks()) == ["garment"]  # at once
    finish()
    assert list(form.table.marks()) == ["photo", "garment"] and counts(panel) == {"hat": 4, "shoe": 4}
    click_column(qtbot, form, 1)
    finish()
    assert counts(panel) == {"S": 3, "M": 3, "L": 2}
    qtbot.mouseClick(form.reset_button, LEFT)
    finish()
    assert form.fault() and not form.reset_button.isVisible() and not panel.import_button.isEnabled()
    form.table.setFocus()
    form.table.setCurrentIndex(form.table.model().index(0, 1))
    qtbot.keyClick(form.table, Qt.Key.Key_Right)
    qtbot.keyClick(form.table, Qt.Key.Key_Return)
    finish()
    confirm()
    assert project.summary().classes == {"hat": 4, "shoe": 4}


def test_a_part_of_the_names_gives_the_class(qtbot, page, tmp_path, show, finish, confirm, project):
    names = [f"big_{kind}_{n:02d}.png" for kind in ("ant", "bee") for n in range(4)]
    form = show(draw(tmp_path / "flat", *names))
    form.fold_button.setChecked(True)
    assert not form.folders.isVisible()
    qtbot.mouseClick(form.names.chips[1], LEFT)
    finish()
    assert counts(page.imports.panel) == {"ant": 4, "bee": 4}
    qtbot.mouseClick(form.names.chips[3], LEFT)
    finish()
    assert form.names.chosen_words() == [form.names.chips[3].words()]
    confirm()
    assert project.summary().classes == {"big_ant": 4, "big_bee": 4}


def test_a_sign_separates_several_classes(qtbot, page, tmp_path, show, finish, project):
    names = [f"{folder}/{n}.png" for folder in ("sun+sea", "sun", "sea") for n in range(3)]
    form = show(draw(tmp_path / "tags", *names))
    form.fold_button.setChecked(True)
    qtbot.mouseClick(form.folders.chips[0], LEFT)
    finish()
    panel = page.imports.panel
    assert set(counts(panel)) == {"sun+sea", "sun", "sea"}
    other = list(form.separators.buttons.values())[-1]
    qtbot.mouseClick(other, LEFT)
    qtbot.keyClicks(form.separator_edit, "+")
    qtbot.keyClick(form.separator_edit, Qt.Key.Key_Return)
    finish()
    assert set(panel.preview.readings[0].classes) == {"sun", "sea"} and form.separator_edit.text() == "+"
    qtbot.mouseClick(form.separators.buttons[""], LEFT)
    finish()
    assert "sun+sea" in counts(panel)


def test_no_labels_are_a_choice_too(qtbot, page, sites, show, finish, confirm, project):
    form = show(sites)
    form.fold_button.setChecked(True)
    chosen = form.others.chips[-1]
    qtbot.mouseClick(chosen, LEFT)
    finish()
    assert chosen.isChecked()
    confirm()
    assert project.summary().images == 12 and not project.summary().classes


def test_every_part_is_reached_with_the_tab_key_and_has_a_name(qtbot, page, clothes, show, finish):
    form = show(clothes)
    form.fold_button.setFocus()
    reached = []
    for _ in range(30):
        reached.append(page.window().focusWidget())
        qtbot.keyClick(reached[-1], Qt.Key.Key_Tab)
    wanted = [form.fold_button, form.click_means.buttons["label"], form.table, *form.others.chips]
    assert all(each in reached for each in wanted)
    assert all(each.accessibleName() for each in (form.table, form.table_box, form.separator_edit, *form.others.chips))
