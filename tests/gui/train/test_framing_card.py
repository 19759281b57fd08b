"""The card of what the network sees: the stored choice, the user's own, the draft that follows it."""

import re

import pytest
from PySide6.QtCore import QPointF, Qt, QTimer
from PySide6.QtWidgets import QApplication, QComboBox

from gui.train.framing_card import FRAMINGS, FramingCard
from gui.train.region_dialog import RegionDialog
from gui.train.train_page import TrainPage
from visionft.data.preprocess import parsed_region
from visionft.training.config.train_config import Framing
from visionft.training.framing_choice import IMAGE_SIZES, FramingChoice, FramingTrial, read_framing, store_measured

LEFT = Qt.MouseButton.LeftButton
WHOLE = Framing(framing="whole", image_size=224, aspect=1.2)


def trial(framing: Framing, shape: tuple[int, int], accuracy: float) -> FramingTrial:
    facts = {"seconds": 3.0, "milliseconds": 4.0, "backbone": "resnet18_in1k"}
    return FramingTrial(framing=framing, shape=shape, accuracy=accuracy, **facts)


MEASURED = FramingChoice(
    framing=WHOLE,
    backbone="resnet18_in1k",
    images=21,
    labelled=25,
    trials=(trial(Framing(), (160, 160), 0.75), trial(WHOLE, (192, 256), 0.875)),
)


@pytest.fixture
def card(page: TrainPage) -> FramingCard:
    page.setup.more_button.click()
    page.setup.framing_card.change_button.click()
    return page.setup.framing_card


def pick(box: QComboBox, place: int) -> None:
    """Choose an entry as a click on it does."""
    box.setCurrentIndex(place)
    box.activated.emit(place)


def pick_framing(card: FramingCard, name: str) -> None:
    pick(card.framing_box, list(FRAMINGS).index(name))


def in_dialog(act) -> None:
    """Call `act` with the region dialog once it shows its image; close it if it is still open then."""

    def look() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, RegionDialog) and not dialog.canvas.target().isEmpty():
            act(dialog)
            if dialog.isVisible():
                dialog.reject()
        else:
            QTimer.singleShot(20, look)

    QTimer.singleShot(0, look)


def stored_framing(window) -> FramingChoice | None:
    return read_framing(window.state.path, window.state.session.snapshot())


def test_a_stored_choice_is_shown_with_its_evidence_and_taken_by_the_draft(open_page, project_dir):
    store_measured(project_dir, MEASURED)
    page = open_page("train")
    card = page.setup.framing_card
    card.change_button.click()
    assert "88%" in card.words.text() and "75%" in card.words.text() and "256 x 192" in card.words.text()
    assert len(card.trials.text().splitlines()) == 2
    assert (round(card.picture.part.width(), 1), round(card.picture.part.height(), 1)) == (1.0, 0.9)
    assert page.draft.framing.applied(page.config()).input_shape == (192, 256) and page.config().framing == "auto"


def test_the_users_choice_is_kept_with_the_project_until_it_is_automatic_again(qtbot, card, page, window):
    pick_framing(card, "whole")
    before = stored_framing(window)
    pick(card.size_box, IMAGE_SIZES.index(320))
    own = stored_framing(window)
    assert own == FramingChoice(framing=Framing(framing="whole", image_size=320)) and own.is_own
    assert re.findall(r"\d+", card.words.text()) == ["352", "288"]  # of 1.2 : 1, as much as 320 x 320
    assert card.detail.isVisible()
    taken = page.draft.framing.applied(page.config())
    assert (taken.framing, taken.aspect, taken.image_size) == ("whole", 1.2, 320)
    window.commands.action("edit.undo").trigger()
    qtbot.waitUntil(lambda: card.size_box.currentIndex() == 0)
    assert stored_framing(window) == before and before.framing.framing == "whole"
    pick_framing(card, "auto")
    assert stored_framing(window) is None and not card.size_box.isVisible()


def test_a_region_is_drawn_on_the_images_and_may_be_left_undrawn(qtbot, card, page, window):
    in_dialog(lambda dialog: qtbot.keyClick(dialog, Qt.Key.Key_Escape))
    pick_framing(card, "region")
    assert stored_framing(window) is None and card.framing_box.currentIndex() == 0

    def draw(dialog: RegionDialog) -> None:
        image = dialog.canvas.target()
        qtbot.mousePress(dialog.canvas, LEFT, pos=(image.topLeft() + QPointF(0.1 * image.width(), 0)).toPoint())
        qtbot.mouseMove(dialog.canvas, image.bottomRight().toPoint())
        qtbot.mouseRelease(dialog.canvas, LEFT)
        qtbot.mouseClick(dialog.use_button, LEFT)

    in_dialog(draw)
    pick_framing(card, "region")
    own = stored_framing(window)
    assert own is not None and own.framing.framing == "region"
    assert parsed_region(own.framing.region) == pytest.approx((100, 0, 1000, 1000), abs=5)
    assert page.draft.framing.applied(page.config()).region == own.framing.region
    assert card.picture.part.left() > 0.05 and card.region_button.isVisible()
    in_dialog(lambda dialog: qtbot.mouseClick(dialog.use_button, LEFT))
    qtbot.mouseClick(card.region_button, LEFT)
    assert stored_framing(window) == own
