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


def badges_of(card: VariantsCard) -> list[str]:
    return [label.property("tone") for label in card.findChildren(QLabel) if label.property("role") == "pill"]


def words_of(card: VariantsCard) -> list[str]:
    return [label.text() for label in card.findChildren(QLabel) if label.text()]


def test_a_variant_is_shown_beside_the_model(qtbot):
    card = VariantsCard()
    qtbot.addWidget(card)
    card.show_variants([INT8])
    words = words_of(card)
    for expected in ("fp32", "94 MB", "89.7%", "21.2 ms", "int8", "24 MB", "89.4%", "9.6 ms"):
        assert expected in words
    for part in ("26%", "-0.3", "-1.5", "+1.0", "2.2", "layer1.0.conv2"):
        assert any(part in each for each in words)
    assert badges_of(card) == ["good"]
    card.show_variants([])
    assert card.isHidden()


def test_what_was_not_kept_says_why(qtbot):
    lost = dataclasses.replace(ANSWERS, top1=0.85)
    refused = dataclasses.replace(INT8, file="", speed=None, answers=lost, verdict="wrong")
    card = VariantsCard()
    qtbot.addWidget(card)
    card.show_variants([refused])
    assert badges_of(card) == ["bad"] and "4.7" in verdict_text(refused)
    others = [dataclasses.replace(INT8, verdict=verdict) for verdict in ("recommended", "not_faster", "too_few")]
    assert len({verdict_text(each) for each in others}) == 3
    assert "VNNI" in verdict_text(dataclasses.replace(INT8, is_for_any_processor=False))
