"""The views Report and Quality: cards with links, saving a report, kinds by name, clicking the strip."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from projects import project_of
from PySide6.QtCore import Qt

from gui.curate.curate_page import CuratePage
from gui.curate.quality_view import QualityView
from gui.curate.report_view import ReportView
from visionft.analysis.check import APPROXIMATE, APPROXIMATE_TEXT, Inputs, write_result
from visionft.analysis.quality import Quality
from visionft.project.edits.changes import UnlabelImages
from visionft.project.store import ProjectStore

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(autouse=True)
def both_views(use_views) -> None:
    use_views(ReportView, QualityView, check=Quality())


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Return a project of 30 images in a large and a small class; one is blank, one dark, both of the large."""
    rng = np.random.default_rng(0)
    for number in range(30):
        image = Image.new("RGB", (80, 64), (130, 130, 120))
        for _ in range(15):
            x, y, size = (int(each) for each in rng.integers(0, 60, 3))
            ImageDraw.Draw(image).ellipse((x, y, x + size, y + size), fill=tuple(rng.integers(0, 256, 3).tolist()))
        if number < 2:
            image = Image.new("RGB", (80, 64), (9, 90, 200)) if number else image.point(lambda value: value // 8)
        path = tmp_path / "scenes" / ("large" if number < 25 else "small") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return project_of(tmp_path / "project", tmp_path / "scenes", has_splits=True)


@pytest.fixture
def page(qtbot, open_curate, scenes: Path) -> CuratePage:
    """Return the page of a checked project, with the report in front."""
    with ProjectStore.open(scenes) as project:
        Quality().run(Inputs(scenes, project.snapshot()))
    page = open_curate(scenes, "report")
    qtbot.waitUntil(lambda: bool(cards(page)), timeout=5000)
    return page


def cards(page: CuratePage) -> dict:
    panel = page.stage.panels.currentWidget()
    return {card.title: card for card in getattr(panel, "cards", ())}


def advice(page: CuratePage) -> list:
    return page.stage.panels.currentWidget().steps


class TestReport:
    def test_a_card_for_each_thing_with_its_number(self, page):
        numbers = {title: card.figure for title, card in cards(page).items()}
        assert numbers == {"Images": "30", "Classes": "2", "Quality": "2", "Newest run": "–"}
        assert re.findall(r"large|small|\d+", cards(page)["Classes"].words) == ["large", "25", "small", "5"]
        assert not page.grid.isVisible() and page.sentence.text()

    @pytest.mark.slow
    def test_buttons_lead_to_a_view_or_another_screen(self, qtbot, page, window):
        qtbot.mouseClick(cards(page)["Quality"].button, LEFT)
        assert page.view.name == "quality" and page.grid.count() == 2
        page.show_view("report")
        qtbot.mouseClick(next(each.button for each in advice(page) if each.step.view == "quality"), LEFT)
        assert page.view.name == "quality"
        page.show_view("report")
        qtbot.mouseClick(cards(page)["Newest run"].button, LEFT)
        assert window.current_page.name == "train"

    def test_a_change_is_seen(self, qtbot, page):
        checked = cards(page)["Quality"].words
        page.curation.apply(UnlabelImages(tuple(page.curation.now)[:3]))
        qtbot.waitUntil(lambda: cards(page)["Images"].words.startswith("3 "), timeout=5000)
        assert len(cards(page)["Quality"].words) > len(checked)  # it is outdated
        assert advice(page)[0].step.view == "label"

    @pytest.mark.slow
    def test_a_check_that_never_ran_runs_at_a_click(self, qtbot, open_curate, scenes):
        page = open_curate(scenes, "report")
        qtbot.waitUntil(lambda: "Quality" in cards(page), timeout=5000)
        assert cards(page)["Quality"].figure == "–"
        qtbot.mouseClick(cards(page)["Quality"].button, LEFT)
        qtbot.waitUntil(lambda: cards(page)["Quality"].figure == "2", timeout=60_000)

    def test_an_approximate_check_says_so(self, qtbot, open_curate, scenes):
        with ProjectStore.open(scenes) as project:
            write_result(scenes, replace(Quality().run(Inputs(scenes, project.snapshot())), facts={APPROXIMATE: True}))
        page = open_curate(scenes, "report")
        qtbot.waitUntil(lambda: "Quality" in cards(page), timeout=5000)
        assert APPROXIMATE_TEXT in cards(page)["Quality"].words


class TestQuality:
    def test_kinds_have_names_and_tiles_say_what_is_wrong(self, qtbot, page):
        page.show_view("quality")
        words = {chip.words() for chip in page.view.controls.chips.values()}
        assert words == {"Dark 1", "Blank 1", "Low information 1"}
        assert page.list.buttons["quality"].count() == 2
        scores = [re.findall(r"[\d.]+", tile.detail) for tile in page.grid.tiles()]
        assert scores == [["1.00", "0.92"], ["1.00"]] and "95 %" in page.stage.line.words()[1]
