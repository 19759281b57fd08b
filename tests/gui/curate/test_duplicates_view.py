"""The view of duplicates: groups under headings, contradicting labels first; keeping one of each and undoing it."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from gui.curate import curate_views
from gui.curate.curate_page import CuratePage
from gui.curate.duplicates_view import DuplicatesView
from gui.kit import dialogs
from visionft.curation.check import CheckResult, Issue, read_result, write_result
from visionft.curation.duplicates.duplicate_check import Duplicates
from visionft.curation.duplicates.duplicate_groups import current_groups
from visionft.curation.table import CHECKS
from visionft.project.queries import count_images, image_rows
from visionft.project.store import Project

KEY = Qt.Key
# Of the twelve images (1 to 6 birds, 7 to 12 cats): a near group of three, an exact pair, a pair of bird and cat, and
# one below the threshold.
PAIRS = ((1, 2, 0.97), (2, 3, 0.96), (1, 3, 0.95), (8, 9, 1.0), (6, 7, 0.99), (10, 11, 0.8))
BEST = (2, 1, 3, 9, 8, 6, 7, 10, 11, 4, 5, 12)


@pytest.fixture
def page(open_curate, grey_dir, monkeypatch) -> CuratePage:
    monkeypatch.setitem(CHECKS, "duplicates", Duplicates())
    monkeypatch.delitem(CHECKS, "dull")
    monkeypatch.setattr(curate_views, "VIEWS", (DuplicatesView,))
    with Project.open(grey_dir) as project:
        contents = {image.image_id: image.sha256 for image in project.snapshot().images}
    scores: dict[int, float] = {}
    for first, second, score in PAIRS:
        for each in (first, second):
            scores[each] = max(score, scores.get(each, 0.0))
    findings = tuple(
        Issue(image_id=each, sha256=contents[each], score=score, kind="near", reason=f"Like another, {score:.0%}.")
        for each, score in sorted(scores.items(), key=lambda item: -item[1])
    )
    facts = {"pairs": [list(pair) for pair in PAIRS], "best": list(BEST)}
    result = CheckResult(
        check="duplicates", issues=findings, threshold=0.93, checked=12, newest=12, facts=facts
    )  # fmt: skip
    write_result(grey_dir, result)
    return open_curate(grey_dir)


def headings(page: CuratePage) -> list[tuple[str, int]]:
    return [(section.title, section.count) for section in page.grid.images.sections]


def press(qtbot, page: CuratePage, image_id: int, key: Qt.Key, held=Qt.KeyboardModifier.NoModifier) -> None:
    """Choose an image, and press a key."""
    page.grid.selection.set_current(page.grid.images.ids.index(image_id))
    page.grid.setFocus()
    qtbot.keyClick(page.grid, key, held)


def test_groups_stand_under_headings_contradicting_labels_first(page):
    assert headings(page) == [
        ("Label conflict: 2 duplicates, labelled bird, cat", 2),
        ("2 identical images", 2),
        ("3 near-duplicates, similarity 95%", 3),
    ]
    assert page.grid.images.ids == (6, 7, 9, 8, 2, 1, 3) and page.list.buttons["duplicates"].count() == 3
    assert page.grid.tile(2).mark == "best" and not page.grid.tile(1).mark and page.grid.tile(1).detail == "40 × 32"
    assert page.sentence.text().startswith("3 duplicate groups. 1 of them")


def test_the_best_of_a_group_is_kept_by_a_key_and_undo_brings_the_others_back(qtbot, page):
    press(qtbot, page, 3, KEY.Key_B)
    assert count_images(page.session.project) == 10 and not {1, 2, 3} & set(page.grid.images.ids)
    assert page.list.buttons["duplicates"].count() == 2
    page.session.undo()
    assert headings(page)[-1] == ("3 near-duplicates, similarity 95%", 3)


def test_where_labels_contradict_a_person_says_which_one_stays(qtbot, page):
    press(qtbot, page, 6, KEY.Key_B)
    assert count_images(page.session.project) == 12
    assert page.window().toasts.newest.hint() == "Label conflict: choose the image to keep."
    press(qtbot, page, 7, KEY.Key_B, Qt.KeyboardModifier.ShiftModifier)
    assert count_images(page.session.project) == 11
    assert image_rows(page.session.project, (7,))[0].labels == ("cat",) and len(headings(page)) == 2


def test_the_best_of_every_group_whose_labels_agree_is_kept_in_one_step(qtbot, page):
    page.state.actions.run("curate.keep_all_best")
    assert count_images(page.session.project) == 9 and headings(page) == [
        ("Label conflict: 2 duplicates, labelled bird, cat", 2)
    ]
    assert page.window().toasts.message() == "3 duplicates were removed from the project."
    page.session.undo()
    assert count_images(page.session.project) == 12


def test_what_are_no_duplicates_are_shown_no_more(qtbot, page):
    press(qtbot, page, 8, KEY.Key_K)
    assert not {8, 9} & set(page.grid.images.ids) and count_images(page.session.project) == 12
    page.session.undo()
    assert {8, 9} <= set(page.grid.images.ids)


def test_a_lower_threshold_shows_more_groups_and_a_chip_only_one_kind(qtbot, page):
    page.view.controls.slider.setValue(750)
    assert len(headings(page)) == 4
    chip = page.view.controls.chips["exact"]
    qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert page.grid.images.ids == (9, 8)


def test_a_group_whose_label_is_mended_contradicts_no_more(qtbot, page):
    press(qtbot, page, 7, KEY.Key_1)
    assert all("conflict" not in title for title, _ in headings(page)) and len(headings(page)) == 3


def same_for_both(page: CuratePage) -> bool:
    """Return whether the window and the command line show the same images, group by group, contradictions first."""
    project = page.session.project
    groups = current_groups(project, read_result(project.path, "duplicates"))
    sizes = [len(group.image_ids) for group in groups]
    ids = tuple(image_id for group in groups for image_id in group.image_ids)
    return page.grid.images.ids == ids and [count for _, count in headings(page)] == sizes


def test_the_window_and_the_command_line_know_the_same_groups(qtbot, window, page, open_curate, grey_dir):
    assert same_for_both(page)
    for image_id, key in ((3, KEY.Key_B), (8, KEY.Key_K), (7, KEY.Key_1)):  # best, no duplicates, another class
        press(qtbot, page, image_id, key)
        assert same_for_both(page)
        page.session.undo()
    result = read_result(grey_dir, "duplicates")
    window.state.close_project()
    write_result(grey_dir, replace(result, issues=tuple(each for each in result.issues if each.image_id != 9)))
    reopened = open_curate(grey_dir)
    assert same_for_both(reopened) and 9 not in reopened.grid.images.ids


def test_where_images_only_look_alike_it_asks_before_all_copies_go(qtbot, page, monkeypatch):
    folder = page.session.project.path
    result = read_result(folder, "duplicates")
    assert result is not None
    before = page.sentence.text()
    write_result(folder, replace(result, facts={**result.facts, "look_alikes": True}))
    page.curation.read()
    qtbot.waitUntil(lambda: page.sentence.text() != before, timeout=5000)
    answers = [False, True]
    monkeypatch.setattr(dialogs, "ask_yes", lambda *_, **__: answers.pop(0))
    for left in (12, 9):
        page.state.actions.run("curate.keep_all_best")
        assert count_images(page.session.project) == left
    assert not answers
