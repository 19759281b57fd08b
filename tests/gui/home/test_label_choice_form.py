"""Choosing by clicks what gives the labels: a folder, a part of the names, a column of a table."""

import shutil
from pathlib import Path

import pytest
from cut_texts import cut_texts
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QPixmap

from gui.home.class_table import COUNT, EXAMPLES, EXAMPLES_ROLE, NAME
from gui.kit import translation

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


def chip(chips, words: str):
    return next(each for each in chips.chips if each.words() == words)


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


def test_a_click_before_the_last_one_was_looked_at_counts(qtbot, page, sites, show, finish):
    form = show(sites)
    form.fold_button.setChecked(True)
    for each in form.folders.chips:
        qtbot.mouseClick(each, LEFT)
    finish()
    assert counts(page.imports.panel) == {"ant": 3, "bee": 6, "fly": 3} and form.folders.chosen_words() == [
        form.folders.chips[1].words()
    ]


def test_a_sure_proposal_keeps_the_form_closed_and_an_open_question_opens_it(page, tmp_path, clothes, show):
    form = show(draw(tmp_path / "sure", *(f"{kind}/{kind}_{n}.png" for kind in ("ant", "bee") for n in range(6))))
    assert form.fold_button.isVisible() and not form.folders.isVisible()
    page.imports.cancel()
    form = show(clothes)
    assert form.table.isVisible() and form.fault() and not form.folders.isVisible()


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


def test_a_click_can_say_which_column_names_the_images(qtbot, page, clothes, show, finish, project):
    draw(clothes, *(f"x{n}.png" for n in range(4)))
    form = show(clothes)
    qtbot.mouseClick(form.click_means.buttons["file"], LEFT)
    click_column(qtbot, form, 3)
    finish()
    assert form.table.marks().keys() == {"other"} and form.click_means.value() == "label"
    click_column(qtbot, form, 2)
    finish()
    assert form.table.marks().keys() == {"other", "garment"}
    shown = page.imports.panel.classes.table.item(0, EXAMPLES).data(EXAMPLES_ROLE)
    assert shown and {path.name[0] for path in shown} == {"x"}


def test_one_of_several_tables_is_chosen(qtbot, page, clothes, show, finish, confirm, project):
    (clothes / "second.csv").write_text("".join(["file,who\n", *(f"{n}.png,p{n % 2}\n" for n in range(8))]))
    form = show(clothes)
    form.fold_button.setChecked(True)
    finish()
    place = form.table_box.findText("second.csv")
    form.table_box.setCurrentIndex(place)
    form.table_box.activated.emit(place)  # Qt's reaction to a click on an entry
    click_column(qtbot, form, 1)
    finish()
    confirm()
    assert project.summary().classes == {"p0": 4, "p1": 4}


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


def test_a_choice_that_gives_nothing_leaves_the_last_one(qtbot, window, page, sites, show, finish, project):
    form = show(sites)
    form.fold_button.setChecked(True)
    qtbot.mouseClick(form.folders.chips[0], LEFT)
    finish()
    shutil.rmtree(sites)
    qtbot.mouseClick(form.folders.chips[1], LEFT)
    finish()
    assert window.toasts.message() and form.folders.chips[0].isChecked() and not form.folders.chips[1].isChecked()


def test_files_of_an_archive_are_chosen_as_those_of_a_folder(
    qtbot, page, sites, tmp_path, show, finish, confirm, project
):
    (sites / "list.csv").write_text("image,who\nnorth/ant/0.png,x\nsouth/fly/0.png,y\n")
    form = show(Path(shutil.make_archive(str(tmp_path / "packed"), "zip", sites)))
    form.fold_button.setChecked(True)
    finish()
    assert form.table.isVisible()
    qtbot.mouseClick(form.folders.chips[0], LEFT)
    finish()
    confirm()
    assert project.summary().classes == {"north": 6, "south": 6}


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


def test_the_path_of_another_image_can_be_shown(qtbot, page, sites, show):
    form = show(sites)
    form.fold_button.setChecked(True)
    first = [each.words() for each in form.folders.chips]
    seen = set()
    for _ in range(12):
        qtbot.mouseClick(form.next_path_button, LEFT)
        seen.add(tuple(each.words() for each in form.folders.chips))
    assert len(seen) == 4 and tuple(first) in seen


@pytest.fixture
def german():
    """Show the texts in German."""
    translation.use_language("de")
    yield
    translation.use_language("en")


def test_no_text_of_the_open_form_is_cut(styled, german, window, page, clothes, tmp_path, show, finish):
    shutil.copytree(clothes, tmp_path / "waste" / "north")
    window.resize(1280, 800)
    form = show(tmp_path / "waste")
    form.fold_button.setChecked(True)
    finish()
    assert form.table.isVisible() and cut_texts(form) == []
