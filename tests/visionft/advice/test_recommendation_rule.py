"""The rule: train for a gain of a point, or a quarter of the errors, over the best free candidate; and its text."""

import pytest
from advice_samples import model, recommendation
from hypothesis import given
from hypothesis import strategies as st

from models.messages import Message
from visionft.advice.choice import NO_LIMITS, Limits, best_trained, cheapest, choose, is_worth
from visionft.advice.comparison_text import advice, conditions, evidence
from visionft.errors import VisionFTError

LINEAR = ("linear", "free", 0.80)


@pytest.mark.parametrize(
    ("accuracy", "better", "is_worthwhile"),
    [(0.97, 0.979, True), (0.97, 0.975, False), (0.7, 0.71, True), (0.7, 0.705, False), (0.9, 0.8, False)],
)
def test_a_point_or_a_quarter_of_the_errors_is_worth_training(accuracy: float, better: float, is_worthwhile: bool):
    assert is_worth(accuracy, better) == is_worthwhile


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([LINEAR, ("full", "trained", 0.805)], "linear"),
        ([LINEAR, ("full", "trained", 0.83)], "full"),
        # A run that exists is chosen unless another candidate is worth the effort.
        ([("001", "run", 0.85), ("linear", "free", 0.855), ("full", "trained", 0.859)], "001"),
        ([("001", "run", 0.7), ("linear", "free", 0.708), ("full", "trained", 0.712)], "linear"),
    ],
)
def test_the_chosen_model(candidates, chosen: str):
    assert choose([model(*each) for each in candidates], NO_LIMITS).name == chosen


@pytest.mark.parametrize(
    ("runs", "chosen"),
    [
        # Not significantly worse, and cheaper: (name, accuracy, rank, milliseconds, images).
        ([("001", 0.9, 1, 20.0, 1000), ("002", 0.895, 1, 5.0, 1000)], "002"),
        # Cheaper, but significantly worse.
        ([("001", 0.9, 1, 20.0, 1000), ("002", 0.895, 2, 5.0, 1000)], "001"),
        # 6 of 10 are not significantly less than 9 of 10, and yet not as good.
        ([("001", 0.9, 1, 20.0, 10), ("002", 0.6, 1, 5.0, 10)], "001"),
        # A time that is not known does not count as low; then the smaller one, here the more accurate.
        ([("001", 0.9, 1, None, 1000), ("002", 0.895, 1, 5.0, 1000)], "002"),
        ([("001", 0.9, 1, None, 1000), ("002", 0.895, 1, None, 1000)], "001"),
    ],
)
def test_among_runs_the_cheapest_that_is_not_significantly_worse_is_chosen(runs, chosen: str):
    models = [
        model(name, "run", accuracy, rank=rank, milliseconds=milliseconds, images=images)
        for name, accuracy, rank, milliseconds, images in runs
    ]
    found = cheapest(models)
    assert found is not None and found.run == chosen == choose(models, NO_LIMITS).run
    worse = model("linear", "free", 0.85)
    assert choose([worse, *models], NO_LIMITS).run == chosen


def test_training_is_compared_with_the_best_run_and_not_with_the_cheapest():
    best, cheap = model("001", "run", 0.857, images=5000), model("002", "run", 0.85, images=5000, milliseconds=2.0)
    assert choose([best, cheap], NO_LIMITS).run == "002"
    assert choose([best, cheap, model("full", "trained", 0.862)], NO_LIMITS).run == "001"
    assert choose([best, cheap, model("full", "trained", 0.87)], NO_LIMITS).name == "full"


def test_few_images_and_limits_count_against_a_model():
    full = model("full", "trained", 0.96)
    assert choose([model("001", "run", 1.0, images=8), full], NO_LIMITS).name == "full"
    refused = model("full", "trained", 0.9, refusal="It takes about 10 min.")
    assert choose([model(*LINEAR), refused], NO_LIMITS).name == "linear"


@given(st.lists(st.tuples(st.sampled_from(["run", "free", "trained"]), st.floats(0.2, 0.99)), min_size=1))
def test_training_is_recommended_only_where_it_gains_enough_over_the_best_free_model(drawn):
    candidates = [model(f"{place}", kind, accuracy) for place, (kind, accuracy) in enumerate(drawn)]
    chosen, trained = choose(candidates, NO_LIMITS), best_trained(candidates)
    free = [each.expected for each in candidates if each.kind != "trained"]
    if chosen.kind == "trained" and free:
        assert is_worth(max(free), chosen.expected)
    if chosen.kind != "trained" and trained is not None:
        assert not is_worth(chosen.expected, trained.expected)


def test_limits_refuse_a_long_training_and_too_much_memory():
    full, linear = model("full", "trained", 0.9, seconds=301, memory_mb=900), model(*LINEAR, memory_mb=500)
    assert Limits(minutes=5).refusal(full) and not Limits(minutes=6).refusal(full)
    assert Limits(minutes=0).refusal(full) and not Limits(minutes=0).refusal(linear)
    assert Limits(memory_mb=800).refusal(full) and not Limits(memory_mb=800).refusal(linear)
    with pytest.raises(VisionFTError) as refused:
        choose([model(*LINEAR, memory_mb=500, refusal="too large")], Limits(memory_mb=10))
    assert "524 MB" in refused.value.hint


@pytest.mark.parametrize(
    ("candidates", "values", "figures"),
    [
        ([LINEAR, ("full", "trained", 0.86)], {}, ("Full", "86%", "6.0", "Linear")),
        ([LINEAR, ("full", "trained", 0.803)], {}, ("Linear", "80%", "0.3")),
        ([LINEAR, ("full", "trained", 0.803)], {"gain": 0.02}, ("Linear", "0.3", "40", "red", "2.0")),
        ([LINEAR, ("001", "run", 0.87)], {}, ("001", "87%")),
        ([LINEAR], {"problem": "No validation images."}, ("Linear",)),
    ],
)
def test_the_sentence_has_the_figures_of_the_choice(candidates, values, figures):
    found = recommendation(*[model(*each) for each in candidates], **values)
    assert all(figure in advice(found) for figure in figures)
    assert ("red" in advice(found)) == ("red" in figures)


def test_few_validation_images_and_a_better_candidate_beyond_the_limits_are_explained():
    found = recommendation(model("001", "run", 1.0, images=8), model("full", "trained", 0.96))
    assert any("100.0%" in line and "94.4%" in line for line in evidence(found))
    refusal = Message("It takes about {time}.", time="10 min")
    found = recommendation(model(*LINEAR), model("full", "trained", 0.9, refusal=refusal))
    assert any(refusal in line and "10.0" in line for line in conditions(found))
