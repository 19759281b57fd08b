"""The view of leaks: groups across splits, mended by one button and undone; what counts as belonging together."""

import pytest
from PySide6.QtCore import Qt

from gui.curate import views
from gui.curate.leaks_view import LeaksView
from gui.curate.page import CuratePage
from gui.kit.chips import Chip
from visionft.curation.check import CheckResult, Finding, write_result
from visionft.curation.leaks import Leaks
from visionft.curation.table import CHECKS
from visionft.project.edits.changes import AssignSplits
from visionft.project.store import Project

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton
DOUBLES = ((1, 2), (2, 3), (7, 8))
SPLITS = {1: "train", 2: "train", 3: "test", 7: "train", 8: "val", 4: "train", 5: "test"}


@pytest.fixture
def page(qtbot, window, grey_dir, monkeypatch) -> CuratePage:
    monkeypatch.setitem(CHECKS, "leaks", Leaks())
    monkeypatch.delitem(CHECKS, "dull")
    monkeypatch.setattr(views, "VIEWS", (LeaksView,))
    with Project.open(grey_dir) as project:
        project.apply(AssignSplits({**dict.fromkeys(range(1, 13), "train"), **SPLITS}))
        contents = {image.image_id: image.sha256 for image in project.snapshot().images}
    findings = tuple(
        Finding(image_id=each, sha256=contents[each], score=1.0, kind="duplicate", reason="Almost the same picture.")
        for each in (1, 2, 3, 7, 8)
    )
    facts = {
        "doubles": [list(pair) for pair in DOUBLES],
        "groupings": [
            {"kind": "name", "groups": [[4, 5]], "is_plausible": False, "reason": "Chance.", "example": ["a", "b"]}
        ],
    }
    write_result(grey_dir, CheckResult(check="leaks", findings=findings, threshold=0.5, looked_at=12, facts=facts))
    window.state.open_project(grey_dir)
    window.show_page("curate")
    page = window.page("curate")
    qtbot.waitUntil(lambda: page.grid.count() > 0, timeout=5000)
    return page


def headings(page: CuratePage) -> list[str]:
    return [section.title for section in page.grid.pictures.sections]


def splits(page: CuratePage) -> dict[int, str | None]:
    return {image.image_id: image.split for image in page.session.snapshot().images}


def button(page: CuratePage, words: str):
    return next(each for each in page.stage.findChildren(type(page.look_button)) if each.text() == words)


def test_groups_in_several_splits_stand_under_them(page):
    assert len(headings(page)) == 2
    assert page.grid.pictures.ids == (1, 2, 3, 7, 8) and page.list.buttons["leaks"].count() == 2
    assert page.sentence.text().startswith("2 groups lie in several splits")


def test_one_button_mends_all_and_undo_brings_the_leaks_back(qtbot, page):
    before = splits(page)
    qtbot.mouseClick(button(page, "Mend all"), LEFT)
    now = splits(page)
    assert now[1] == now[2] == now[3] == "train" and now[7] == now[8]
    assert page.stage.empty.isVisible() and page.list.buttons["leaks"].count() == 0
    assert page.window().toasts.message() == "2 pictures moved to the split of their group."
    page.session.undo()
    assert splits(page) == before and len(headings(page)) == 2


def test_what_are_no_doubles_leak_no_more(qtbot, page):
    page.grid.selection.set_current(4)
    page.grid.setFocus()
    qtbot.keyClick(page.grid, KEY.Key_K)
    assert len(headings(page)) == 1 and page.grid.pictures.ids == (1, 2, 3)


def test_what_belongs_together_is_chosen_by_chips(qtbot, page):
    chips = {chip.words().partition(" (")[0]: chip for chip in page.stage.findChildren(Chip) if chip.isVisible()}
    looks, name = (next(chips[each] for each in chips if each.startswith(word)) for word in ("Nearly", "Same name"))
    qtbot.mouseClick(name, LEFT)
    assert len(headings(page)) == 3
    qtbot.mouseClick(looks, LEFT)
    assert len(headings(page)) == 1 and page.grid.pictures.ids == (4, 5)
    page.session.undo()
    page.session.undo()
    assert len(headings(page)) == 2
