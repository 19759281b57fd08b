"""Runs that are there beside what is only forecast: one takes its method's place, and few pictures prove little."""

import numpy as np
import pytest

from visionft.advice.answerers import Answerer, Drawn, Kind, joined

BELIEF = np.random.default_rng(0).beta(160, 40, 400)  # about .8, as sure as from 200 pictures


def drawn(
    name: str, kind: Kind, accuracy: float, *, method: str = "linear", pictures: int = 0, learnt_from: int = 100
) -> Drawn:
    answerer = Answerer(
        name=name, title=name, kind=kind, method=method, backbone="resnet18_in1k", accuracy=accuracy, low=0.0, high=1.0,
        is_forecast=kind == "full", pictures=pictures, learnt_from=learnt_from,
    )  # fmt: skip
    return Drawn(answerer, BELIEF if kind != "run" else np.full(400, accuracy))


def test_a_run_takes_the_place_of_its_method():
    found = [drawn("linear", "free", 0.8), drawn("full", "full", 0.85, method="full")]
    names = [each.answerer.name for each in joined(found, [drawn("001", "run", 0.82, pictures=400)], 100)]
    assert names == ["001", "full"]
    early = drawn("001", "run", 0.82, pictures=400, learnt_from=50)  # half of the labels of now
    assert [each.answerer.name for each in joined(found, [early], 100)] == ["001", "linear", "full"]


def test_eight_pictures_that_are_right_do_not_make_a_run_perfect():
    found = [drawn("linear", "free", 0.8)]
    few, many = (joined(found, [drawn("001", "run", 1.0, pictures=each)], 100)[0] for each in (8, 2000))
    assert few.expected == pytest.approx(0.81, abs=0.02) and many.expected > 0.97
    assert few.answerer.accuracy == 1.0  # what was measured is shown as it was measured
