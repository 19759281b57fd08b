"""One key, on any page with images, opens the selected ones in the view of similar images."""

import pytest
from PySide6.QtCore import Qt

from gui.curate.view import View, ViewContent
from gui.state import ChosenImages
from visionft.export.predictor import Prediction

F3 = Qt.Key.Key_F3


class Handed(View):
    """Shows the images handed to it."""

    name, title, icon = "similar", "Similar", "pictures"
    ids: tuple[int, ...] = ()
    chosen = ChosenImages()

    def take_images(self, chosen: ChosenImages) -> None:
        self.chosen, self.ids = chosen, chosen.image_ids

    def shown(self) -> ViewContent:
        return ViewContent(self.ids)


@pytest.fixture(autouse=True)
def similar(use_views) -> None:
    use_views(Handed)


def handed(window) -> ChosenImages:
    page = window.page("curate")
    assert window.current_page is page and page.view is page.views["similar"]
    return page.view.chosen


def test_from_the_label_page_with_several(qtbot, page, window):
    window.show_page("label")
    label = window.page("label")
    qtbot.waitUntil(lambda: label.grid.count() == 12)
    label.grid.selection.set_current(1)
    label.grid.selection.set_current(3, extend=True)
    chosen = label.grid.images.ids[1:4]
    qtbot.keyClick(label.grid, F3)
    assert handed(window) == ChosenImages(chosen)
    qtbot.waitUntil(lambda: page.grid.images.ids == chosen)


def test_from_the_images_that_are_tried(qtbot, page, window, tmp_path):
    from gui.predict.predicting import PredictionBatch

    window.show_page("try")
    attempt, path = window.page("try"), tmp_path / "a.png"
    answer = Prediction(path=path, class_name="bird", probability=0.9, top5=(("bird", 0.9), ("cat", 0.1)), model_ms=1.0)
    tried = PredictionBatch(predictions=(answer,), class_names=("bird", "cat"), provider="CPU")
    attempt.panel.show_predictions(tried)
    attempt.panel.grid.selection.set_current(0)
    qtbot.keyClick(window, F3)
    assert handed(window) == ChosenImages(paths=(path,))
