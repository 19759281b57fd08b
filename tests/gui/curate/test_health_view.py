"""The views Health and Quality: cards that lead on, a report that is saved, kinds by name, a strip that is clicked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from PySide6.QtCore import QPoint, Qt

from gui.curate import views
from gui.curate.health import view as health_view
from gui.curate.health.view import HealthView
from gui.curate.page import CuratePage
from gui.curate.quality_view import QualityView
from gui.shell.window import MainWindow
from visionft.curation.check import Inputs
from visionft.curation.quality.check import Quality
from visionft.curation.table import CHECKS
from visionft.project.edits.changes import UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def dull(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the check of quality alone in the table, and both views in the page."""
    for name in list(CHECKS):
        monkeypatch.delitem(CHECKS, name)
    monkeypatch.setitem(CHECKS, "quality", Quality())
    monkeypatch.setattr(views, "VIEWS", (HealthView, QualityView))


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Return a project of 30 pictures in a large and a small class; one is blank, one dark, both of the large."""
    rng = np.random.default_rng(0)
    for number in range(30):
        picture = Image.new("RGB", (80, 64), (130, 130, 120))
        for _ in range(15):
            x, y, size = (int(each) for each in rng.integers(0, 60, 3))
            ImageDraw.Draw(picture).ellipse((x, y, x + size, y + size), fill=tuple(rng.integers(0, 256, 3).tolist()))
        if number < 2:
            picture = Image.new("RGB", (80, 64), (9, 90, 200)) if number else picture.point(lambda value: value // 8)
        path = tmp_path / "scenes" / ("large" if number < 25 else "small") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    with Project.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "scenes")
        assign_splits(project)
    return tmp_path / "project"


def opened(qtbot, window: MainWindow, project: Path, view: str) -> CuratePage:
    window.state.open_project(project)
    window.show_page("curate")
    page = window.page("curate")
    assert isinstance(page, CuratePage)
    qtbot.waitUntil(lambda: bool(page.curation.now), timeout=5000)
    page.show_view(view)
    return page


def look(project: Path) -> None:
    with Project.open(project) as opened:
        Quality().run(Inputs(project, opened.snapshot()))


@pytest.fixture
def page(qtbot, window: MainWindow, scenes: Path) -> CuratePage:
    """Return the page over a project that was looked through, with Health in front."""
    look(scenes)
    page = opened(qtbot, window, scenes, "health")
    qtbot.waitUntil(lambda: bool(cards(page)), timeout=5000)
    return page


def cards(page: CuratePage) -> dict:
    panel = page.stage.panels.currentWidget()
    return {card.told.title: card for card in getattr(panel, "cards", ())}


def advice(page: CuratePage) -> dict:
    return {line.told.words: line for line in page.stage.panels.currentWidget().advice}


class TestHealth:
    def test_a_card_for_each_thing_with_its_number(self, page):
        numbers = {title: card.told.number for title, card in cards(page).items()}
        assert numbers == {"Pictures": "30", "Classes": "2", "Quality": "2", "Newest run": "–"}
        assert cards(page)["Classes"].told.words == "“large” has 25, “small” has 5."
        assert not page.grid.isVisible() and page.sentence.text()

    def test_a_button_leads_to_the_view(self, qtbot, page):
        qtbot.mouseClick(cards(page)["Quality"].button, LEFT)
        assert page.view.name == "quality" and page.grid.count() == 2

    def test_every_check_has_a_view_of_its_name_to_lead_to(self, page):
        assert {view.check: name for name, view in page.views.items() if view.check} == {name: name for name in CHECKS}

    def test_what_to_do_next_leads_there_too(self, qtbot, page):
        line = advice(page)["Look at what “Quality” found."]
        qtbot.mouseClick(line.button, LEFT)
        assert page.view.name == "quality"

    def test_another_screen_is_led_to(self, qtbot, page, window):
        qtbot.mouseClick(cards(page)["Newest run"].button, LEFT)
        assert window.current_page.name == "train"

    def test_a_change_is_seen(self, qtbot, page):
        image_ids = tuple(page.curation.now)[:3]
        page.curation.apply(UnlabelImages(image_ids))
        qtbot.waitUntil(lambda: cards(page)["Pictures"].told.words == "3 have no label.", timeout=5000)
        assert "Something changed since." in cards(page)["Quality"].told.words
        assert next(iter(advice(page))) == "Label the pictures that have no label."

    def test_what_nobody_looked_for_is_looked_for_at_a_click(self, qtbot, window, scenes):
        page = opened(qtbot, window, scenes, "health")
        qtbot.waitUntil(lambda: "Quality" in cards(page), timeout=5000)
        assert cards(page)["Quality"].told.words == "Not looked at yet."
        qtbot.mouseClick(cards(page)["Quality"].button, LEFT)
        qtbot.waitUntil(lambda: cards(page)["Quality"].told.number == "2", timeout=60_000)

    def test_the_report_is_saved(self, qtbot, page, tmp_path, monkeypatch):
        target, shown = tmp_path / "report.html", []
        monkeypatch.setattr(health_view, "ask_save_file", lambda *_args: target)
        monkeypatch.setattr(HealthView, "show_file", staticmethod(shown.append))
        page.state.actions.run("curate.save_report")
        qtbot.waitUntil(lambda: bool(shown), timeout=20_000)
        html = target.read_text(encoding="utf-8")
        assert shown == [target] and "What to do next" in html and "data:image/jpeg;base64," in html

    def test_saving_can_be_thought_better_of(self, page, monkeypatch):
        monkeypatch.setattr(health_view, "ask_save_file", lambda *_args: None)
        page.state.actions.run("curate.save_report")
        assert not page.state.tasks.pending

    def test_as_many_cards_in_a_row_as_there_is_room_for(self, qtbot, page, window):
        def columns() -> int:
            return len({card.x() for card in cards(page).values()})

        window.resize(1500, 900)
        qtbot.waitUntil(lambda: columns() == 4, timeout=3000)
        window.resize(900, 900)
        qtbot.waitUntil(lambda: columns() < 4, timeout=3000)


class TestQuality:
    def test_kinds_have_names_and_tiles_say_what_is_wrong(self, qtbot, page):
        page.show_view("quality")
        assert {chip.words() for chip in page.view.controls.chips.values()} == {"Dark 1", "Blank 1", "Flat 1"}
        assert page.list.buttons["quality"].count() == 2 and "2 pictures are flagged." in page.sentence.text()
        assert [tile.detail for tile in page.grid.tiles()] == ["Dark 1.00, Flat 0.92", "Blank 1.00"]
        assert page.stage.line.words()[1].startswith("Dark: 95 % of it are below")

    def test_the_strip_shows_the_scores_and_a_click_moves_the_threshold(self, qtbot, page):
        page.show_view("quality")
        strip = page.view.strip
        assert sum(strip.counts) == len(page.view.found.findings) and strip.threshold == 0.5
        qtbot.mouseClick(strip, LEFT, pos=QPoint(2, 5))
        assert page.view.threshold > 0.95 and page.view.controls.reset_button.isEnabled()
        qtbot.mouseClick(page.view.controls.reset_button, LEFT)
        assert page.view.threshold == 0.5

    def test_a_kind_narrows_the_strip(self, qtbot, page):
        page.show_view("quality")
        qtbot.mouseClick(page.view.controls.chips["blank"], LEFT)
        found = [each for each in page.view.found.findings if each.kind == "blank"]
        assert sum(page.view.strip.counts) == len(found) and page.grid.count() == 1


def test_the_words_of_the_engine_are_translated():
    from gui.kit import i18n

    said = [Quality.title, Quality.summary, "Dark: 95 % of it are below 12% of white, usual are 88%."]
    said += ["Blurred: sharper than only 0.5% of “cat”.", "It has 5, the class in the middle has 15."]
    i18n.use_language("de")
    try:
        assert not [each for each in said if i18n.tr(each) == each]
    finally:
        i18n.use_language(i18n.ENGLISH)
