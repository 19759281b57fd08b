"""The view of duplicates: groups under headings, contradicting labels first; keeping one of each and undoing it."""

import pytest
from PySide6.QtCore import Qt

from gui.curate.curate_page import CuratePage
from gui.curate.duplicates_view import DuplicatesView
from visionft.analysis.check import CheckResult, Issue, write_result
from visionft.analysis.duplicates import Duplicates
from visionft.project.queries import find_images, image_rows
from visionft.project.store import ProjectStore

KEY = Qt.Key
# Of the twelve images (1 to 6 birds, 7 to 12 cats): a near group of three, an exact pair, a pair of bird and cat, and
# one below the threshold.
PAIRS = ((1, 2, 0.97), (2, 3, 0.96), (1, 3, 0.95), (8, 9, 1.0), (6, 7, 0.99), (10, 11, 0.8))
BEST = (2, 1, 3, 9, 8, 6, 7, 10, 11, 4, 5, 12)


@pytest.fixture
def page(open_curate, grey_dir, use_views) -> CuratePage:
    use_views(DuplicatesView, check=Duplicates())
    with ProjectStore.open(grey_dir) as project:
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
    result = CheckResult(check="duplicates", issues=findings, threshold=0.93, checked=12, newest=12, facts=facts)
    write_result(grey_dir, result)
    return open_curate(grey_dir)


def groups(page: CuratePage) -> list[tuple[bool, str, int]]:
    """Return the groups under their headings: whether their labels contradict, their kind, and number of images."""
    shown = [(group.is_conflict, group.kind, len(group.image_ids)) for group in page.view.shown_groups]
    assert [section.count for section in page.grid.images.sections] == [count for *_, count in shown]
    return shown


def press(qtbot, page: CuratePage, image_id: int, key: Qt.Key, held=Qt.KeyboardModifier.NoModifier) -> None:
    """Choose an image, and press a key."""
    page.grid.selection.set_current(page.grid.images.ids.index(image_id))
    page.grid.setFocus()
    qtbot.keyClick(page.grid, key, held)


def test_groups_stand_under_headings_contradicting_labels_first(page):
    assert groups(page) == [(True, "near", 2), (False, "exact", 2), (False, "near", 3)]
    titles = [section.title for section in page.grid.images.sections]
    assert "bird, cat" in titles[0] and "95%" in titles[2]
    assert page.grid.images.ids == (6, 7, 9, 8, 2, 1, 3) and page.list.buttons["duplicates"].count() == 3
    assert page.grid.tile(2).mark == "best" and not page.grid.tile(1).mark and page.grid.tile(1).detail == "40 × 32"


@pytest.mark.slow
def test_the_best_of_a_group_is_kept_by_a_key_and_undo_brings_the_others_back(qtbot, page):
    press(qtbot, page, 3, KEY.Key_B)
    assert len(find_images(page.session.project)) == 10 and not {1, 2, 3} & set(page.grid.images.ids)
    assert page.list.buttons["duplicates"].count() == 2
    page.session.undo()
    assert groups(page)[-1] == (False, "near", 3)


def test_where_labels_contradict_a_person_says_which_one_stays(qtbot, page):
    press(qtbot, page, 6, KEY.Key_B)
    assert len(find_images(page.session.project)) == 12
    assert page.window().toasts.newest.hint()
    press(qtbot, page, 7, KEY.Key_B, Qt.KeyboardModifier.ShiftModifier)
    assert len(find_images(page.session.project)) == 11
    assert image_rows(page.session.project, (7,))[0].labels == ("cat",) and len(groups(page)) == 2


def test_the_best_of_every_group_whose_labels_agree_is_kept_in_one_step(qtbot, page):
    page.state.actions.run("curate.keep_all_best")
    assert len(find_images(page.session.project)) == 9 and groups(page) == [(True, "near", 2)]
    assert page.window().toasts.message().startswith("3 ")
    page.session.undo()
    assert len(find_images(page.session.project)) == 12
