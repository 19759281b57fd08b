"""Evidence of a checked sample: known figures, brute force, and how often a bound is broken."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionft.errors import ProjectError
from visionft.suggest.audit import (
    AuditPlan,
    chance_of_at_most,
    chance_to_pass,
    confidence_of,
    most_wrong,
    most_wrong_proven,
    plan_audit,
    read_answers,
    suggest_plan,
)


def by_counting(seen: int, accepted: int, wrong: int, sample: int) -> float:
    ways = sum(
        comb(wrong, each) * comb(accepted - wrong, sample - each)
        for each in range(seen + 1)
        if each <= wrong and 0 <= sample - each <= accepted - wrong
    )
    return ways / comb(accepted, sample)


@given(data=st.data(), accepted=st.integers(1, 300))
def test_chances_are_those_of_counting(data: st.DataObject, accepted: int):
    wrong, sample = data.draw(st.integers(0, accepted)), data.draw(st.integers(0, accepted))
    seen = data.draw(st.integers(0, sample))
    found = chance_of_at_most(seen, accepted=accepted, wrong=wrong, sample=sample)
    assert found == pytest.approx(by_counting(seen, accepted, wrong, sample), abs=1e-9)


@pytest.mark.parametrize(("rightness", "sample"), [(0.99, 299), (0.995, 598)])
def test_large_sets_need_the_known_numbers(rightness: float, sample: int):
    assert plan_audit(10**9, rightness=rightness).sample == sample
    assert plan_audit(10**9, rightness=rightness, allowed=2).sample > sample


def test_small_sets_need_less():
    samples = [plan_audit(accepted, rightness=0.97).sample for accepted in (40, 100, 300, 1000, 100_000)]
    assert samples == sorted(samples) and samples[1] == 52 and samples[-1] == 99
    assert plan_audit(10, rightness=0.97).sample == 10  # none may be wrong, so all are checked
    assert plan_audit(1, rightness=0.5).sample == 1


@given(
    accepted=st.integers(2, 2000),
    rightness=st.floats(0.6, 0.995),
    allowed=st.integers(0, 3),
    confidence=st.floats(0.8, 0.99),
)
def test_a_passed_audit_proves_what_was_wanted(accepted: int, rightness: float, allowed: int, confidence: float):
    plan = plan_audit(accepted, rightness=rightness, confidence=confidence, allowed=allowed)
    if plan.sample < accepted:
        proven = most_wrong_proven(allowed, accepted=accepted, sample=plan.sample, confidence=confidence)
        assert proven <= most_wrong(accepted, rightness)
        smaller = chance_of_at_most(
            allowed, accepted=accepted, wrong=most_wrong(accepted, rightness) + 1, sample=plan.sample - 1
        )
        assert smaller > 1 - confidence - 1e-9  # one image less would not do


@pytest.mark.parametrize("wrong", [0, 3, 20, 60])
def test_a_bound_is_broken_no_more_often_than_it_says(wrong: int):
    generator = np.random.default_rng(wrong)
    seen = generator.hypergeometric(wrong, 700 - wrong, 120, size=4000)
    bounds = {int(each): most_wrong_proven(int(each), accepted=700, sample=120, confidence=0.95) for each in set(seen)}
    broken = np.mean([bounds[int(each)] < wrong for each in seen])
    assert broken <= 0.05 + 0.012


def certain_of(allowed: int) -> AuditPlan:
    return plan_audit(1500, rightness=0.95, allowed=allowed)


def test_a_plan_is_likely_to_be_passed_with_what_is_expected():
    plan = suggest_plan(1500, rightness=0.95, expected_wrong=0.02)
    assert chance_to_pass(plan, 0.8 * 0.02) >= 0.85 and plan.sample < 300
    close = suggest_plan(1500, rightness=0.95, expected_wrong=0.049)
    assert close.sample <= 300 and chance_to_pass(close, 0.04) > chance_to_pass(certain_of(0), 0.04)
    certain = suggest_plan(1500, rightness=0.95, expected_wrong=0.0)
    assert certain.allowed == 0 and certain.sample == 57


def test_audits_after_a_failed_one_are_stricter_and_claim_less():
    assert confidence_of(1, 0.95, spent=0) == (pytest.approx(0.95), pytest.approx(0.95))
    spent, claims = 0.0, []
    for number in range(1, 40):
        planned, claimed = confidence_of(number, 0.95, spent=spent)
        spent += 1 - planned
        claims.append(claimed)
    assert claims[:3] == pytest.approx([0.95, 0.925, 0.9125]) and claims[-1] == pytest.approx(0.90)


def test_a_careless_audit_before_costs_what_it_risked():
    assert confidence_of(2, 0.99, spent=0.5)[1] == pytest.approx(0.495)
    assert confidence_of(3, 0.95, spent=1.5)[1] == 0


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "²", "-1", "1.5", ""])
def test_a_number_that_is_no_image_is_a_fault_of_its_line(tmp_path: Path, number: str) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(f"image_id,path,suggested,answer\n1,a.png,red,red\n{number},b.png,red,red\n", encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        read_answers(file, ["red"])
    assert "line 3" in caught.value.message and len(caught.value.message) < 500
