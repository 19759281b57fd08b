"""One key, on any page that shows pictures, hands those that are chosen to the view of similar ones."""

import pytest
from PySide6.QtCore import Qt

from gui.curate import views
from gui.curate.view import Shown, View
from gui.results.page import PICTURES
from gui.state import ChosenPictures
from visionft.export.predictor import Prediction

F3 = Qt.Key.Key_F3


class Handed(View):
    """Shows what it is handed."""

    name, title, icon = "similar", "Similar", "pictures"
    ids: tuple[int, ...] = ()
    chosen = ChosenPictures()

    def take_pictures(self, chosen: ChosenPictures) -> None:
        self.chosen, self.ids = chosen, chosen.image_ids

    def shown(self) -> Shown:
        return Shown(self.ids)


@pytest.fixture(autouse=True)
def similar(monkeypatch, dull) -> None:
    monkeypatch.setattr(views, "VIEWS", (Handed,))


def handed(window) -> ChosenPictures:
    page = window.page("curate")
    assert window.current_page is page and page.view is page.views["similar"]
    return page.view.chosen


def test_from_the_curate_page_itself(qtbot, page, window):
    page.grid.selection.set_current(2)
    chosen = page.grid.selection.current_id()
    qtbot.keyClick(page.grid, F3)
    assert handed(window) == ChosenPictures((chosen,)) and page.grid.pictures.ids == (chosen,)


def test_from_the_label_page_with_several(qtbot, page, window):
    window.show_page("label")
    label = window.page("label")
    qtbot.waitUntil(lambda: label.grid.count() == 12)
    label.grid.selection.set_current(1)
    label.grid.selection.set_current(3, extend=True)
    chosen = label.grid.pictures.ids[1:4]
    qtbot.keyClick(label.grid, F3)
    assert handed(window) == ChosenPictures(chosen)
    qtbot.waitUntil(lambda: page.grid.pictures.ids == chosen)


def test_from_the_results(qtbot, window, image_ids):
    window.show_page("results")
    results = window.page("results")
    results.view_buttons.button(PICTURES).click()
    results.pictures.explain.strip.selection.set_current(0)
    chosen = results.pictures.explain.strip.selection.current_id()
    qtbot.keyClick(results.pictures.explain.strip, F3)
    assert handed(window) == ChosenPictures((chosen,)) and chosen in image_ids


def test_from_the_pictures_that_are_tried(qtbot, page, window, tmp_path):
    from gui.predict.predicting import Answers

    window.show_page("try")
    attempt, path = window.page("try"), tmp_path / "a.png"
    answer = Prediction(path=path, class_name="bird", probability=0.9, top5=(("bird", 0.9), ("cat", 0.1)), model_ms=1.0)
    tried = Answers(answers=(answer,), class_names=("bird", "cat"), provider="CPU", milliseconds_each=1.0)
    attempt.panel.show_answers(tried)
    attempt.panel.grid.selection.set_current(0)
    qtbot.keyClick(window, F3)
    assert handed(window) == ChosenPictures(paths=(path,))


def test_with_nothing_chosen_it_says_what_is_missing(qtbot, page, window):
    window.show_page("project")
    qtbot.keyClick(window, F3)
    assert window.current_page.name == "project" and window.toasts.message() == "Choose a picture first."
