"""Bulk accept: a threshold, checking a random sample by clicks and keys, and accepting the rest."""

import pytest
from PySide6.QtCore import Qt

from gui.label.label_page import LabelPage
from visionft.analysis.suggestions import least_right
from visionft.project.edits.changes import LabelImages, RemoveImages

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def offer(qtbot, wait, page):
    """Return the view for choosing a threshold; all suggestions are above it."""
    qtbot.mouseClick(page.suggestion_bar.accept_button, LEFT)
    view = page.bulk.accept_view
    view.slider.setValue(0)
    wait(lambda: view.count_label.text() == "54 of 54 suggestions")
    return view


@pytest.fixture
def sample(qtbot, wait, page, offer):
    """Return the view of the sample, drawn by the button."""
    choose(offer, 0)
    wait(lambda: "30" in offer.check_button.text())
    qtbot.mouseClick(offer.check_button, LEFT)
    view = page.bulk.sample_view
    wait(lambda: view.grid.hasFocus() and view.grid.count() > 0)
    return view


def choose(offer, place: int) -> None:
    """Choose a number of images to check."""
    offer.size_box.setCurrentIndex(place)
    offer.size_box.activated.emit(place)


def first_row(view) -> tuple[int, ...]:
    return view.grid.images.ids[: view.grid.images.sections[0].count]


def asked(view) -> str:
    return view.grid.images.sections[0].title.removesuffix("?")


def key_of(page: LabelPage, name: str) -> str:
    return next(key for key, each in page.labels.keys.items() if each == name)


def click(qtbot, view, image_id: int) -> None:
    box = view.grid.rect_of(view.grid.images.ids.index(image_id))
    qtbot.mouseClick(view.grid.viewport(), LEFT, pos=box.center())


def check_honestly(qtbot, page, view, truth, *, lies: int = 0) -> int:
    """Check the sample against the truth and return the number of wrong labels; report `lies` more as wrong."""
    wrong = 0
    while page.bulk.view is view:
        name = asked(view)
        for image_id in first_row(view):
            real = truth[image_id]
            if real == name and lies:
                real, lies = next(each for each in ("red", "green", "blue") if each != name), lies - 1
            if real != name:
                click(qtbot, view, image_id)
                qtbot.keyClicks(view.grid, key_of(page, real))
                wrong += 1
        qtbot.keyClick(view.grid, Qt.Key.Key_Return)
    return wrong


@pytest.mark.slow
def test_the_offer_follows_the_threshold_and_names_what_a_check_proves(qtbot, wait, page, offer):
    assert "54" in offer.proof_label.text() and "54" in offer.check_button.text()  # all of them
    choose(offer, 0)
    wait(lambda: "30" in offer.check_button.text())
    assert "95%" in offer.proof_label.text() and offer.grid.count() > 0
    offer.slider.setValue(100)
    wait(lambda: offer.count_label.text().startswith("0 of 54"))
    assert not offer.accept_button.isEnabled() and not offer.check_button.isVisible()
    qtbot.keyClick(offer.slider, Qt.Key.Key_Escape)
    assert page.grid.isVisible() and page.grid.hasFocus() and page.size_control.isVisible()
    qtbot.keyClick(page.grid, Qt.Key.Key_R, CONTROL | SHIFT)
    assert offer.isVisible() and offer.slider.hasFocus() and not page.size_control.isVisible()


def test_without_a_check_all_are_accepted(qtbot, stored, page, offer):
    qtbot.mouseClick(offer.accept_button, LEFT)
    assert all(stored(page).values()) and page.grid.isVisible()
    page.state.session.undo()
    assert sum(map(bool, stored(page).values())) == 6


def suggestions(page: LabelPage) -> dict[int, str]:
    return {image_id: each.classes[0] for image_id, each in page.labels.suggesting.found.items()}


@pytest.mark.slow
def test_a_checked_sample_says_what_it_proves_and_the_rest_is_accepted(qtbot, wait, stored, page, sample, offer, truth):
    drawn, suggested = set(sample.grid.images.ids), suggestions(page)
    wrong = sum(suggested[image_id] != truth[image_id] for image_id in drawn)
    assert len(drawn) == 30 and check_honestly(qtbot, page, sample, truth) == wrong
    assert offer.isVisible() and "24" in offer.accept_button.text() and not offer.check_button.isVisible()
    bound = int(100 * least_right(30 - wrong, 30))
    assert all(each in offer.accuracy_label.text() for each in (f"{30 - wrong} ", "30", "54", f"{bound}", "95%"))
    labels = stored(page)
    assert all(labels[image_id] == [truth[image_id]] for image_id in drawn)
    assert not any(labels[image_id] for image_id in suggested if image_id not in drawn)
    qtbot.mouseClick(offer.accept_button, LEFT)
    assert page.grid.isVisible()
    labels = stored(page)
    assert all(labels[image_id] == [name] for image_id, name in suggested.items() if image_id not in drawn)
    page.state.session.undo()
    assert sum(map(bool, stored(page).values())) == 6 + 30
    page.state.session.undo()  # the check is one step
    assert sum(map(bool, stored(page).values())) == 6


@pytest.mark.slow
def test_a_label_given_after_the_check_is_not_accepted_away(qtbot, wait, stored, page, sample, offer, truth):
    session, suggested = page.state.session, suggestions(page)
    left = [image_id for image_id in suggested if image_id not in sample.grid.images.ids]
    check_honestly(qtbot, page, sample, truth)
    labelled, removed, *rest = left
    name = next(each for each in ("red", "green", "blue") if each != suggested[labelled])
    session.apply(LabelImages((labelled,), name))
    session.apply(RemoveImages((removed,)))
    wait(lambda: "22" in offer.accept_button.text() and "22" in offer.count_label.text())
    qtbot.mouseClick(offer.accept_button, LEFT)
    labels = stored(page)
    assert labels[labelled] == [name] and all(labels[image_id] for image_id in rest)
    session.undo()  # of accepting
    session.undo()
    assert stored(page)[removed] == []


@pytest.mark.slow
def test_a_stopped_check_keeps_corrections_and_what_was_looked_at(qtbot, stored, page, sample, truth):
    first = first_row(sample)
    qtbot.keyClick(sample.grid, Qt.Key.Key_Return)
    marked, name = first_row(sample)[0], asked(sample)
    other = next(each for each in ("red", "green", "blue") if each != name)
    click(qtbot, sample, marked)
    assert not sample.accept_button.isEnabled()
    qtbot.keyClick(sample.grid, Qt.Key.Key_Return)  # refused: it has no label yet
    assert first_row(sample)[0] == marked
    qtbot.keyClicks(sample.grid, key_of(page, other))
    qtbot.keyClick(sample.grid, Qt.Key.Key_Escape)
    assert page.grid.isVisible()
    labels = stored(page)
    assert labels[marked] == [other] and all(labels[image_id] for image_id in first)
    assert sum(map(bool, labels.values())) == 6 + len(first) + 1
    page.state.session.undo()
    assert sum(map(bool, stored(page).values())) == 6  # one step
