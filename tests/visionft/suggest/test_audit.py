"""Evidence of a checked sample: known figures, brute force, and how often a bound is broken."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visionft.errors import ProjectError
from visionft.suggest.audit import chance_of_at_most, least_right, most_wrong_proven, read_answers


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
    found = chance_of_at_most(seen, suggestions=accepted, wrong=wrong, sample=sample)
    assert found == pytest.approx(by_counting(seen, accepted, wrong, sample), abs=1e-9)


@pytest.mark.parametrize(("sample", "share"), [(59, 0.95), (99, 0.97), (299, 0.99), (598, 0.995)])
def test_samples_without_an_error_prove_the_known_shares_of_a_large_set(sample: int, share: float):
    assert least_right(0, suggestions=10**9, sample=sample) >= share
    assert least_right(0, suggestions=10**9, sample=sample - 1) < share


def test_the_same_sample_proves_more_of_a_small_set():
    shares = [least_right(0, suggestions=count, sample=52) for count in (52, 100, 300, 1000, 100_000)]
    assert shares[:2] == [1, 0.97] and shares == sorted(shares, reverse=True)


@given(suggestions=st.integers(2, 2000), confidence=st.floats(0.8, 0.99), data=st.data())
def test_a_bound_is_the_least_number_that_is_refuted(suggestions: int, confidence: float, data: st.DataObject):
    sample = data.draw(st.integers(1, suggestions - 1))
    seen = data.draw(st.integers(0, min(3, sample)))
    most = most_wrong_proven(seen, suggestions=suggestions, sample=sample, confidence=confidence)

    def chance(wrong: int) -> float:
        return chance_of_at_most(seen, suggestions=suggestions, wrong=wrong, sample=sample)

    assert most == seen or chance(most) > 1 - confidence - 1e-9
    assert most == suggestions - sample + seen or chance(most + 1) <= 1 - confidence + 1e-9


@pytest.mark.parametrize("wrong", [0, 3, 20, 60])
def test_a_bound_is_broken_no_more_often_than_it_says(wrong: int):
    generator = np.random.default_rng(wrong)
    seen = generator.hypergeometric(wrong, 700 - wrong, 120, size=4000)
    bounds = {
        int(each): most_wrong_proven(int(each), suggestions=700, sample=120, confidence=0.95) for each in set(seen)
    }
    broken = np.mean([bounds[int(each)] < wrong for each in seen])
    assert broken <= 0.05 + 0.012


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "²", "-1", "1.5", ""])
def test_a_number_that_is_no_image_is_a_fault_of_its_line(tmp_path: Path, number: str) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(f"image_id,path,suggested,answer\n1,a.png,red,red\n{number},b.png,red,red\n", encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        read_answers(file, ["red"])
    assert "line 3" in caught.value.message and len(caught.value.message) < 500
