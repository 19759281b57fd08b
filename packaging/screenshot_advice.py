"""The scene of “Do you need to train?” for the screenshots: names that are too long, figures that nobody measured."""

import math
from typing import Any

from visionft.advice.answerers import Answerer
from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.recommend import Recommendation

_LONG = "Kaffeebecher mit Deckel, zerdrückt oder zerrissen"


def advised(studio: Any) -> None:
    """Show an answer with all that it rests on."""
    page = studio.window.page("train")
    page.switch.setup_button.click()
    card = page.setup.advice_card
    card.open_details(True)
    card.show_advice(_answer())


def _answer() -> Recommendation:
    found = (
        _answerer("full", "Full fine-tuning", 0.931, forecast=True, seconds=215.0, size_mb=64.0),
        _answerer("lora", "LoRA", 0.921, forecast=True, seconds=190.0, refusal="It needs 4.2 GB of memory."),
        _answerer("003", "Zweiter Versuch mit den Bildern der Nachtschicht, ResNet-50", 0.902, seconds=0.0),
        _answerer("linear", "Linear probe", 0.884, seconds=12.0, size_mb=64.0),
        _answerer("prototype", "Prototype", 0.702, seconds=9.0, size_mb=64.0),
    )
    more = Gain(class_name=_LONG, labels=97, recall=0.71, added=100, gain=0.021, low=0.004, high=0.038)
    points = tuple(_point(labels) for labels in (220, 330, 500, 760, 1150, 1764))
    curve = LearningCurve(
        labels=1764, classes=6, measured=points, line=tuple(_point(round(220 * 32 ** (n / 24))) for n in range(25)),
        now=_point(1764), ahead=(_point(3528), _point(7056)), gains=(more,), spread=more,
    )  # fmt: skip
    return Recommendation(
        chosen="full",
        advice="Train, with “Full fine-tuning”: about 93% right is expected (89% to 96%), 4.7 points more than without "
        "training.",
        evidence=(
            "Without training: 1,764 labelled pictures, each held out in turn, as ResNet-18 (ImageNet) sees them.",
            "With training: a forecast from what it gives on other sets with about 294 pictures a class; on yours it "
            "may be another.",
        ),
        change=(
            f"100 more of “{_LONG}” would add 2.1 points (0.4 to 3.8).",
            "With 3,528 labels about 90% right is expected without training (88% to 92%).",
            "Two short trials, about 2 min, would tell what training adds on your pictures.",
        ),
        answerers=found, curve=curve, label_class=_LONG, to_label=(1,), trial=None, trial_s=130.0, seconds=14.0,
    )  # fmt: skip


def _point(labels: int) -> CurvePoint:
    accuracy, spread = 0.97 - 0.9 * labels**-0.3, 0.008 * (1 + abs(math.log2(labels / 1764)))
    return CurvePoint(labels=labels, accuracy=accuracy, low=accuracy - spread, high=accuracy + spread)


def _answerer(
    name: str, title: str, accuracy: float, *, forecast: bool = False, seconds: float, size_mb: float | None = None,
    refusal: str = "",
) -> Answerer:  # fmt: skip
    kind = "run" if not seconds else "full" if forecast else "free"
    return Answerer(
        name=name, title=title, kind=kind, method=name, backbone="resnet18_in1k", accuracy=accuracy,
        low=accuracy - 0.03, high=accuracy + 0.025, is_forecast=forecast, pictures=0 if forecast else 1764,
        seconds=seconds, milliseconds=21.0 if seconds else None, size_mb=size_mb, refusal=refusal,
    )  # fmt: skip
