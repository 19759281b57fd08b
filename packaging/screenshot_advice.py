"""The scene of “Do you need to train?” for the screenshots: names that are too long, invented figures."""

import math
from typing import Any

from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.model_candidates import ModelCandidate
from visionft.advice.recommend import Recommendation

_LONG = "Kaffeebecher mit Deckel, zerdrückt oder zerrissen"


def advised(studio: Any) -> None:
    """Show a recommendation with all its evidence."""
    page = studio.window.page("train")
    page.switch.buttons["setup"].click()
    card = page.setup.advice_card
    card.fold_button.setChecked(True)
    card.show_recommendation(_recommendation())


def _recommendation() -> Recommendation:
    found = (
        _candidate("full", "Full fine-tuning", 0.931, forecast=True, seconds=215.0, size_mb=64.0),
        _candidate("003", "Zweiter Versuch mit den Bildern der Nachtschicht, ResNet-50", 0.902, seconds=0.0),
        _candidate("linear", "Linear probe", 0.884, seconds=12.0, size_mb=64.0),
        _candidate("prototype", "Prototype", 0.702, seconds=9.0, size_mb=64.0),
    )
    more = Gain(class_name=_LONG, labels=97, recall=0.71, added=100, gain=0.021, low=0.004, high=0.038)
    points = tuple(_point(labels) for labels in (220, 330, 500, 760, 1150, 1764))
    curve = LearningCurve(
        labels=1764,
        classes=6,
        measured=points,
        line=tuple(_point(round(220 * 32 ** (n / 24))) for n in range(25)),
        now=_point(1764),
        ahead=(_point(3528), _point(7056)),
        gains=(more,),
        spread=more,
    )
    return Recommendation(
        chosen="full",
        candidates=found,
        curve=curve,
        to_label=(1,),
        trial=None,
        trial_s=130.0,
        train_images=1764,
        backbone="resnet50",
        problem="",
        seconds=14.0,
    )


def _point(labels: int) -> CurvePoint:
    accuracy, spread = 0.97 - 0.9 * labels**-0.3, 0.008 * (1 + abs(math.log2(labels / 1764)))
    return CurvePoint(labels=labels, accuracy=accuracy, low=accuracy - spread, high=accuracy + spread)


def _candidate(
    name: str,
    title: str,
    accuracy: float,
    *,
    forecast: bool = False,
    seconds: float,
    size_mb: float | None = None,
    refusal: str = "",
) -> ModelCandidate:
    kind = "run" if not seconds else "trained" if forecast else "free"
    return ModelCandidate(
        name=name,
        title=title,
        kind=kind,
        method=name,
        backbone="resnet18_in1k",
        accuracy=accuracy,
        low=accuracy - 0.03,
        high=accuracy + 0.025,
        images=0 if forecast else 1764,
        seconds=seconds,
        milliseconds=21.0 if seconds else None,
        size_mb=size_mb,
        refusal=refusal,
    )
