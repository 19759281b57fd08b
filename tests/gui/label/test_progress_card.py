"""Position of the current labels on the latest learning curve: text and chart, never beyond its end."""

import re

from advice_samples import point
from PySide6.QtGui import QColor

from gui.kit import theme
from gui.label.progress_card import ProgressCard
from visionft.advice.learning_curve import Gain, LearningCurve
from visionft.advice.stored_recommendation import StoredCurve

LINE = (point(25, 0.5), point(100, 0.7), point(200, 0.8), point(400, 0.9))
GAIN = Gain(class_name="", labels=100, recall=0.7, added=20, gain=0.02, low=0.0, high=0.04)
CURVE = LearningCurve(
    labels=100, classes=3, measured=LINE[:2], line=LINE, now=LINE[1], ahead=LINE[2:], gains=(), spread=GAIN
)


def test_labels_that_were_given_since_move_along_the_curve(qtbot):
    def numbers() -> list[list[str]]:
        return [re.findall(r"\d+", words) for words in card.words()]

    card, stored = ProgressCard(), StoredCurve(CURVE, 110)  # ten of them are held out for the test
    qtbot.addWidget(card)
    card.show_progress(None, 50)
    assert card.isHidden()
    card.show_progress(stored, 110)
    assert not card.isHidden() and numbers() == [["70", "100"], ["100", "80", "75", "85"]]
    card.show_progress(stored, 210)
    assert numbers() == [["80", "200"], ["200", "90", "85", "95", "100"]]
    card.show_progress(stored, 410)
    assert numbers()[1] == ["100"]  # nothing is known beyond
    card.show()
    drawn, ink = card.grab().toImage(), QColor(theme.colours().train_line).rgb()
    assert any(drawn.pixel(x, y) == ink for x in range(drawn.width()) for y in range(drawn.height()))
