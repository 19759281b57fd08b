"""The scene of “Do you need to train?” for the screenshots: names that are too long, invented figures."""

import math
from typing import Any

from models.messages import Message
from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.recommend import Recommendation
from visionft.evaluation.leaderboard import ComparedModel, State
from visionft.evaluation.run_cost import RunCost

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
        _model("full", Message("Full fine-tuning"), 0.931, forecast=True, seconds=215.0),
        _model("003", "Zweiter Versuch mit den Bildern der Nachtschicht, ResNet-50", 0.902, seconds=0.0),
        _model("linear", Message("Linear probe"), 0.884, seconds=12.0),
        _model("prototype", Message("Prototype"), 0.702, seconds=9.0),
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
        split="test",
        images=412,
        rows=found,
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


def _model(
    name: str,
    title: str,
    accuracy: float,
    *,
    forecast: bool = False,
    seconds: float,
    refusal: str = "",
) -> ComparedModel:
    state: State = "measured" if not seconds else "forecast" if forecast else "held_out"
    return ComparedModel(
        run="" if seconds else name,
        title=title,
        method=name,
        backbone="resnet18_in1k",
        state=state,
        rank=None if seconds else 1,
        top1=accuracy,
        top1_interval=(accuracy - 0.03, accuracy + 0.025),
        images=0 if forecast else 412 if state == "measured" else 1764,
        cost=RunCost(seconds=seconds or 97.0, shipped_bytes=64_000_000),
        milliseconds=21.0,
        refusal=refusal,
    )
