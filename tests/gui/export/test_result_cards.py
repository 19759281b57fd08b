"""The table of variants: figures, badge and sentence of each."""

import dataclasses

from PySide6.QtWidgets import QLabel

from gui.export.result_cards import VariantsCard, verdict_text


def badges_of(card: VariantsCard) -> list[str]:
    return [label.property("tone") for label in card.findChildren(QLabel) if label.property("role") == "pill"]


def words_of(card: VariantsCard) -> list[str]:
    return [label.text() for label in card.findChildren(QLabel) if label.text()]


def test_a_variant_is_shown_beside_the_model(qtbot, int8_variant):
    card = VariantsCard()
    qtbot.addWidget(card)
    card.show_variants([int8_variant])
    words = words_of(card)
    for expected in ("fp32", "94 MB", "89.7%", "21.2 ms", "int8", "24 MB", "89.4%", "9.6 ms"):
        assert expected in words
    for part in ("26%", "-0.3", "-1.5", "+1.0", "2.2"):
        assert any(part in each for each in words)
    assert badges_of(card) == ["good"]
    card.show_variants([])
    assert card.isHidden()


def test_what_was_not_kept_says_why(qtbot, int8_variant):
    lost = dataclasses.replace(int8_variant.answers, top1=0.85)
    refused = dataclasses.replace(int8_variant, file="", speed=None, answers=lost, verdict="wrong")
    card = VariantsCard()
    qtbot.addWidget(card)
    card.show_variants([refused])
    assert badges_of(card) == ["bad"] and "4.7" in verdict_text(refused)
    others = [
        dataclasses.replace(int8_variant, verdict=verdict) for verdict in ("recommended", "not_faster", "too_few")
    ]
    assert len({verdict_text(each) for each in others}) == 3
