"""The rule: train for a gain of a point, or a quarter of the errors, over the best free candidate; and its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
from visionft.advice.model_candidates import Kind, ModelCandidate
from visionft.advice.recommend import Limits, Recommendation, best_trained, choose, is_worth
from visionft.advice.recommendation_text import conditions, evidence, sentence
from visionft.errors import VisionFTError

POINT = CurvePoint(labels=200, accuracy=0.8, low=0.75, high=0.85)


def candidate(name: str, kind: Kind, accuracy: float, **values) -> ModelCandidate:
    defaults = {
        "title": name.title(), "method": name, "backbone": "resnet18_in1k", "low": accuracy - 0.02,
        "high": accuracy + 0.02, "expected": accuracy, "is_forecast": kind in ("peft", "full"), "seconds": 10.0,
        "memory_mb": 500, "images": 60,
    }  # fmt: skip
    return ModelCandidate(name=name, kind=kind, accuracy=accuracy, **{**defaults, **values})


def recommendation(*candidates: ModelCandidate, gain: float = 0.004, name: str = "glass", **values) -> Recommendation:
    more = Gain(class_name=name, labels=30, recall=0.6, added=40, gain=gain, low=gain / 2, high=gain * 2)
    spread = Gain(class_name="", labels=100, recall=0.8, added=40, gain=gain / 2, low=0.0, high=gain)
    curve = LearningCurve(
        labels=100, classes=4, measured=(POINT,), line=(POINT,), now=POINT, ahead=(POINT, POINT), gains=(more,),
        spread=spread,
    )  # fmt: skip
    defaults = {
        "curve": curve, "to_label": (), "trial": None, "trial_s": None, "train_images": 80,
        "backbone": "resnet18_in1k", "problem": "", "seconds": 1.0,
    }  # fmt: skip
    chosen = choose(candidates, Limits()).name
    return Recommendation(chosen=chosen, candidates=candidates, **{**defaults, **values})


LINEAR = candidate("linear", "free", 0.80)


@pytest.mark.parametrize(
    ("accuracy", "better", "is_worthwhile"),
    [(0.97, 0.979, True), (0.97, 0.975, False), (0.7, 0.71, True), (0.7, 0.705, False), (0.9, 0.8, False)],
)
def test_a_point_or_a_quarter_of_the_errors_is_worth_training(accuracy: float, better: float, is_worthwhile: bool):
    assert is_worth(accuracy, better) == is_worthwhile


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([LINEAR, candidate("full", "full", 0.805)], "linear"),
        ([LINEAR, candidate("full", "full", 0.83)], "full"),
        # A run that exists is chosen unless another candidate is worth the effort.
        ([candidate("001", "run", 0.85), candidate("linear", "free", 0.855), candidate("full", "full", 0.859)], "001"),
        (
            [candidate("001", "run", 0.7), candidate("linear", "free", 0.708), candidate("full", "full", 0.712)],
            "linear",
        ),
        # Training is compared with the best free candidate by its expected accuracy.
        ([candidate("001", "run", 0.90, expected=0.85), candidate("full", "full", 0.87)], "full"),
        ([LINEAR, candidate("full", "full", 0.9, refusal="It takes about 10 min.")], "linear"),
    ],
)
def test_the_chosen_candidate(candidates: list[ModelCandidate], chosen: str):
    assert choose(candidates, Limits()).name == chosen


@given(st.lists(st.tuples(st.sampled_from(["run", "free", "peft", "full"]), st.floats(0.2, 0.99)), min_size=1))
def test_training_is_recommended_only_where_it_gains_enough_over_the_best_free_candidate(drawn):
    candidates = [candidate(f"{place}", kind, accuracy) for place, (kind, accuracy) in enumerate(drawn)]
    chosen, trained = choose(candidates, Limits()), best_trained(candidates)
    free = [each.expected for each in candidates if not each.is_trained]
    if chosen.is_trained and free:
        assert is_worth(max(free), chosen.expected)
    if not chosen.is_trained and trained is not None:
        assert not is_worth(chosen.expected, trained.expected)


def test_limits_refuse_a_long_training_and_too_much_memory():
    full = candidate("full", "full", 0.9, seconds=301, memory_mb=900)
    assert Limits(minutes=5).refusal(full) and not Limits(minutes=6).refusal(full)
    assert Limits(minutes=0).refusal(full) and not Limits(minutes=0).refusal(LINEAR)
    assert "MB" in Limits(memory_mb=800).refusal(full) and not Limits(memory_mb=800).refusal(LINEAR)
    with pytest.raises(VisionFTError) as refused:
        choose([candidate("linear", "free", 0.8, refusal="It needs 524 MB of memory.")], Limits(memory_mb=10))
    assert "524 MB" in refused.value.hint


@pytest.mark.parametrize(
    ("found", "figures"),
    [
        (recommendation(LINEAR, candidate("full", "full", 0.86)), ("Train", "Full", "86%", "6.0 points")),
        (recommendation(LINEAR, candidate("full", "full", 0.803)), ("Do not train", "Linear", "80%", "0.3 points")),
        (recommendation(LINEAR, candidate("full", "full", 0.803), gain=0.02), ("label", "40", "glass", "2.0 points")),
        (recommendation(LINEAR, candidate("001", "run", 0.87)), ("Use", "001", "87%")),
        (recommendation(LINEAR, problem="No validation images."), ("Do not train", "Linear")),
    ],
)
def test_the_sentence_has_the_figures_of_the_choice(found: Recommendation, figures: tuple[str, ...]):
    assert all(figure in sentence(found) for figure in figures)


def test_a_lower_expected_accuracy_and_a_better_candidate_beyond_the_limits_are_explained():
    found = recommendation(candidate("001", "run", 0.90, expected=0.85), candidate("full", "full", 0.87))
    assert "2.0 points more" in sentence(found)
    assert any("90.0%" in line and "85.0%" in line for line in evidence(found))
    refusal = "It takes about 10 min."
    found = recommendation(LINEAR, candidate("full", "full", 0.9, refusal=refusal))
    assert any(refusal in line and "10.0 points" in line for line in conditions(found))
