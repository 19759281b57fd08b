"""The view of leaks: groups in several splits under headings; one key mends them, undo brings them back."""

import pytest
from PySide6.QtCore import Qt

from gui.curate import views
from gui.curate.leaks_view import LeaksView
from gui.curate.page import CuratePage
from visionft.curation.check import CheckResult, Finding, write_result
from visionft.curation.leaks.check import Leaks
from visionft.curation.table import CHECKS
from visionft.project.edits.changes import AssignSplits
from visionft.project.store import Project
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_snapshot import write_snapshot

PAIRS = ((1, 2), (2, 3), (7, 8))


RUN = "001-resnet18-lora"
CLASSES = {number: "bird" if number <= 6 else "cat" for number in range(1, 13)}


@pytest.fixture
def page(qtbot, window, grey_dir, write_run, write_evaluation, monkeypatch) -> CuratePage:
    """Return the view over two groups across splits, and a run that was right only about the picture that it knew."""
    monkeypatch.setitem(CHECKS, "leaks", Leaks())
    monkeypatch.delitem(CHECKS, "dull")
    monkeypatch.setattr(views, "VIEWS", (LeaksView,))
    with Project.open(grey_dir) as project:
        contents = {image.image_id: image.sha256 for image in project.snapshot().images}
        project.apply(AssignSplits({1: "train", 2: "train", 3: "test", 7: "val", 8: "test"}))
    findings = tuple(
        Finding(image_id=each, sha256=contents[each], score=1.0, kind="duplicate", reason="Like another.")
        for each in (1, 2, 3, 7, 8)
    )
    facts = {"doubles": [list(pair) for pair in PAIRS], "groupings": []}
    result = CheckResult(check="leaks", findings=findings, threshold=0.5, looked_at=12, newest=12, facts=facts)
    write_result(grey_dir, result)
    with Project.open(grey_dir) as project:
        write_run(grey_dir, RUN, TrainConfig(), accuracies=[0.5])
        write_snapshot(grey_dir / "runs" / RUN, project.snapshot())
    said = [(CLASSES[each], CLASSES[each] if each == 3 else "neither", 0.9) for each in (3, 4, 5, 9, 10)]
    write_evaluation(grey_dir, RUN, (3, 4, 5, 9, 10), said)
    window.state.open_project(grey_dir)
    window.show_page("curate")
    page = window.page("curate")
    qtbot.waitUntil(lambda: page.grid.count() > 0, timeout=5000)
    return page


def splits(page: CuratePage) -> dict[int, str | None]:
    project = page.curation.project
    assert project is not None
    return {image.image_id: image.split for image in project.snapshot().images}


def test_groups_stand_under_headings_and_one_key_mends_them(qtbot, page: CuratePage):
    assert [section.count for section in page.grid.pictures.sections] == [3, 2]
    before = splits(page)
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_M)
    after = splits(page)
    assert after[1] == after[2] == after[3] == "train"
    assert after[7] == after[8]
    qtbot.waitUntil(lambda: page.grid.count() == 0, timeout=5000)
    page.curation.project.undo()
    assert splits(page) == before


def test_what_a_run_is_worth_without_what_it_knew_stays_when_the_leaks_are_mended(qtbot, page: CuratePage):
    view = page.view
    assert isinstance(view, LeaksView)
    worth = [RUN, "1 of 5, val", "20.0%", "0.0% (0% to 49%)"]
    qtbot.waitUntil(view.accuracy_table.isVisible, timeout=5000)
    (shown,) = view.accuracy_table.table.texts()
    assert shown[:4] == worth
    assert f"{RUN} is right in 20.0% of the val pictures, but in 0.0% (0% to 49%) without the one" in view.sentence()
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: page.grid.count() == 0, timeout=5000)
    empty = view.empty()
    assert empty is not None
    assert "The last run learned from the splits before" in empty.words
    assert view.accuracy_table.table.texts() == [shown]
