"""The table of variants: figures, badge and sentence of each."""

import dataclasses

from PySide6.QtWidgets import QLabel

from gui.export.variants_card import VariantsCard, verdict_text
from visionft.export.precision.variants import Variant, VariantAgreement, VariantLatency

ANSWERS = VariantAgreement(
    images=378, top1=0.894, reference_top1=0.897, difference=(-0.015, 0.010), flips=8, ece=0.03, reference_ece=0.04,
    max_abs_diff=0.28, max_distance_diff=0.05,
)  # fmt: skip
SPEED = VariantLatency(
    p50_ms=9.6, p99_ms=12.0, reference_p50_ms=21.2, reference_p99_ms=25.0, times_faster=2.2, runs=60,
    provider="CPUExecutionProvider", width=320, height=240, processor="",
)  # fmt: skip
INT8 = Variant(
    precision="int8", file="model_int8.onnx", bytes=24_000_000, reference_bytes=94_000_000, sha256="", answers=ANSWERS,
    temperature=1.2, bits=7, in_float=("layer1.0.conv2",), speed=SPEED, verdict="recommended",
)  # fmt: skip


def words_of(card: VariantsCard) -> list[str]:
    return [label.text() for label in card.findChildren(QLabel) if label.text()]


def test_a_variant_is_shown_beside_the_model(qtbot):
    card = VariantsCard()
    qtbot.addWidget(card)
    card.show_variants([INT8])
    words = words_of(card)
    for expected in ("fp32", "94 MB", "89.7%", "21.2 ms", "int8", "Recommended", "24 MB", "26% of it", "89.4%",
                     "-0.3 points (-1.5 to +1.0)", "9.6 ms", "2.2 times as fast"):  # fmt: skip
        assert expected in words
    assert any("layer1.0.conv2" in each for each in words)
    card.show_variants([])
    assert card.isHidden()


def test_what_was_not_kept_says_why(qtbot):
    lost = dataclasses.replace(ANSWERS, top1=0.85)
    refused = dataclasses.replace(INT8, file="", speed=None, answers=lost, verdict="wrong")
    card = VariantsCard()
    qtbot.addWidget(card)
    card.show_variants([refused])
    assert "Not kept" in words_of(card) and "Recommended" not in words_of(card)
    assert "loses 4.7 points" in verdict_text(refused)
    assert "not faster" in verdict_text(dataclasses.replace(INT8, verdict="not_faster"))
    assert "3 points" in verdict_text(dataclasses.replace(INT8, verdict="too_few"))
    assert "VNNI" in verdict_text(dataclasses.replace(INT8, is_for_any_processor=False))
