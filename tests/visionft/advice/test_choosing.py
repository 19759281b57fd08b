"""Which answerer is taken, and in which words: the least effort within a point of the best that is possible."""

import numpy as np
import pytest

from visionft.advice.answerers import Answerer, Drawn, Kind
from visionft.advice.choosing import Limits, choose, is_worth
from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.wording import Facts, advice, change
from visionft.errors import VisionFTError

ALL = Limits()
POINT = CurvePoint(labels=200, accuracy=0.8, low=0.75, high=0.85)


def answerer(
    name: str, kind: Kind, accuracy: float, *, seconds: float = 10.0, memory: int = 500, refusal: str = ""
) -> Drawn:
    found = Answerer(
        name=name, title=name.title(), kind=kind, method=name, backbone="resnet18_in1k", accuracy=accuracy,
        low=accuracy - 0.02, high=accuracy + 0.02, is_forecast=kind in ("peft", "full"), seconds=seconds,
        memory_mb=memory, refusal=refusal,
    )  # fmt: skip
    return Drawn(found, np.full(400, accuracy))


def facts(*found: Drawn, gain: float = 0.004, limits: Limits = ALL, problem: str = "") -> Facts:
    more = Gain(class_name="glass", labels=30, recall=0.6, added=40, gain=gain, low=gain / 2, high=gain * 2)
    spread = Gain(class_name="", labels=100, recall=0.8, added=40, gain=gain / 2, low=0.0, high=gain)
    curve = LearningCurve(
        labels=100, classes=4, measured=(POINT,), line=(POINT,), now=POINT, ahead=(POINT, POINT), gains=(more,),
        spread=spread,
    )  # fmt: skip
    return Facts(
        found=found, chosen=choose(found, limits), curve=curve, trial=None, trial_s=None, limits=limits, labels=80,
        backbone="resnet18_in1k", problem=problem,
    )  # fmt: skip


def test_training_has_to_be_worth_a_point():
    linear = answerer("linear", "free", 0.80)
    assert choose((linear, answerer("full", "full", 0.805, seconds=300)), Limits()) is linear
    better = answerer("full", "full", 0.83, seconds=300)
    assert choose((linear, better, answerer("lora", "peft", 0.828, seconds=600)), Limits()) is better


def test_where_few_errors_are_left_sparing_a_quarter_of_them_is_worth_it_too():
    assert is_worth(0.97, 0.979) and not is_worth(0.97, 0.975)
    assert is_worth(0.7, 0.71) and not is_worth(0.7, 0.705) and not is_worth(0.9, 0.8)


def test_a_run_that_is_there_is_taken_where_nothing_is_a_point_better():
    run = answerer("001-run", "run", 0.85, seconds=0)
    assert choose((run, answerer("linear", "free", 0.855), answerer("full", "full", 0.859)), Limits()) is run


def test_limits_leave_out_what_takes_too_long_or_too_much_memory():
    full, linear = (
        answerer("full", "full", 0.9, seconds=301, memory=900).answerer,
        answerer("linear", "free", 0.8).answerer,
    )
    assert Limits(minutes=5).refusal(full) and not Limits(minutes=6).refusal(full)
    assert Limits(minutes=0).refusal(full) and not Limits(minutes=0).refusal(linear)
    assert "MB" in Limits(memory_mb=800).refusal(full) and not Limits(memory_mb=800).refusal(linear)


def test_memory_too_small_for_anything_is_said_with_what_is_needed():
    found = [answerer("linear", "free", 0.8, memory=500, refusal="It needs 524 MB of memory.")]
    with pytest.raises(VisionFTError, match="Nothing that answers fits into") as refused:
        choose(found, Limits(memory_mb=10))
    assert "524 MB" in (refused.value.hint or "")


def test_the_sentence_says_what_to_do():
    linear, full = answerer("linear", "free", 0.80), answerer("full", "full", 0.86, seconds=300)
    assert advice(facts(linear, full)).startswith("Train, with “Full”: about 86% right")
    assert "6.0 points more than without training" in advice(facts(linear, full))
    assert advice(facts(linear, answerer("full", "full", 0.803))).startswith("Do not train: “Linear”")
    told = facts(linear, answerer("full", "full", 0.803), gain=0.02)
    assert advice(told).startswith("Do not train, label: 40 more of “glass” are worth 2.0 points")
    run = answerer("001", "run", 0.87)
    assert advice(facts(linear, full, run)).startswith("Use “001”, right for 87%")
    assert "nothing can be trained yet" in advice(facts(linear, problem="There are no validation pictures."))
    late = answerer("full", "full", 0.9, refusal="It takes about 10 min.")
    told = facts(linear, late, limits=Limits(minutes=1))
    assert "beyond the limits" in advice(told) and any("It takes about 10 min." in line for line in change(told))


def test_labels_beside_training_are_told_either_way():
    linear, full = answerer("linear", "free", 0.80), answerer("full", "full", 0.81)
    assert any("more than a larger network or training" in line for line in change(facts(linear, full, gain=0.03)))
    assert not any("larger network" in line for line in change(facts(linear, full, gain=0.004)))
