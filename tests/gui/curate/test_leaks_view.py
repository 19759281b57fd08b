"""The view of leaks: groups in several splits under headings; one key mends them, undo brings them back."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from gui.curate.curate_page import CuratePage
from gui.curate.leaks_view import LeaksView
from gui.kit import dialogs
from visionft.analysis.check import CheckResult, Issue, read_result, write_result
from visionft.analysis.leaks import Leaks
from visionft.project.edits.changes import AssignSplits
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_snapshot import write_snapshot

PAIRS = ((1, 2), (2, 3), (7, 8))


RUN = "001-resnet18-lora"
CLASSES = {number: "bird" if number <= 6 else "cat" for number in range(1, 13)}


@pytest.fixture
def page(open_curate, grey_dir, write_run, write_evaluation, use_views) -> CuratePage:
    """Return the view of two groups across splits, and of a run with only the leaked image right."""
    use_views(LeaksView, check=Leaks())
    with ProjectStore.open(grey_dir) as project:
        contents = {image.image_id: image.sha256 for image in project.snapshot().images}
        project.apply(AssignSplits({1: "train", 2: "train", 3: "test", 7: "val", 8: "test"}))
    findings = tuple(
        Issue(image_id=each, sha256=contents[each], score=1.0, kind="duplicate", reason="Like another.")
        for each in (1, 2, 3, 7, 8)
    )
    facts = {"doubles": [list(pair) for pair in PAIRS], "groupings": []}
    result = CheckResult(check="leaks", issues=findings, threshold=0.5, checked=12, newest=12, facts=facts)
    write_result(grey_dir, result)
    with ProjectStore.open(grey_dir) as project:
        write_run(grey_dir, RUN, TrainConfig(), accuracies=[0.5])
        write_snapshot(grey_dir / "runs" / RUN, project.snapshot())
    said = [(CLASSES[each], CLASSES[each] if each == 3 else "neither", 0.9) for each in (3, 4, 5, 9, 10)]
    write_evaluation(grey_dir, RUN, (3, 4, 5, 9, 10), said)
    return open_curate(grey_dir)


def mend(qtbot, page: CuratePage) -> None:
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: page.grid.count() == 0, timeout=5000)


def splits(page: CuratePage) -> dict[int, str | None]:
    return {image.image_id: image.split for image in page.curation.project.snapshot().images}


def test_images_that_are_not_divided_are_not_called_free_of_leaks(qtbot, page: CuratePage):
    project = page.curation.project
    divided = splits(page)
    mend(qtbot, page)
    clean = page.view.empty()
    project.apply(AssignSplits(dict.fromkeys(divided, None)))
    page.view.fill()
    undivided = page.view.empty()
    assert clean.icon == "check-circle" != undivided.icon and undivided.title != clean.title


def test_groups_stand_under_headings_and_one_key_mends_them(qtbot, page: CuratePage):
    assert [section.count for section in page.grid.images.sections] == [3, 2]
    before = splits(page)
    mend(qtbot, page)
    after = splits(page)
    assert after[1] == after[2] == after[3] == "train" and after[7] == after[8]
    page.curation.project.undo()
    assert splits(page) == before


def test_where_images_only_look_alike_it_asks_before_it_mends(qtbot, page: CuratePage, monkeypatch):
    project, before = page.curation.project, splits(page)
    result = read_result(project.path, "leaks")
    write_result(project.path, replace(result, facts={**result.facts, "look_alikes": True}))
    said = page.sentence.text()
    page.curation.read()
    qtbot.waitUntil(lambda: page.sentence.text() != said, timeout=5000)
    answers = [False, True]
    monkeypatch.setattr(dialogs, "ask_yes", lambda *_, **__: answers.pop(0))
    page.state.actions.run("curate.mend")
    assert splits(page) == before
    page.state.actions.run("curate.mend")
    assert splits(page) != before and not answers
