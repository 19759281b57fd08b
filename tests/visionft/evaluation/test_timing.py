"""Durations of calls: alternating, and no percentile of too few of them."""

import numpy as np
import pytest

from visionft.evaluation.timing import Spread, spread_of, timed_calls


def test_calls_are_timed_in_turn() -> None:
    called: list[int] = []
    times = timed_calls([lambda: called.append(0), lambda: called.append(1)])
    assert len(times) == 60 and (times >= 0).all() and abs(called.count(0) - called.count(1)) <= 1


@pytest.mark.parametrize(
    ("runs", "tail", "words"),
    [
        (10, (100, 10.0), "the slowest 10.0 ms"),
        (58, (100, 58.0), "the slowest 58.0 ms"),
        (59, (95, 56.1), "95 % within 56.1 ms"),
        (298, (95, 283.15), "95 % within 283.1 ms"),
        (299, (99, 296.02), "99 % within 296.0 ms"),
    ],
)
def test_no_percentile_is_named_that_the_runs_do_not_bear(runs: int, tail: tuple[int, float], words: str) -> None:
    spread = spread_of(np.arange(1.0, runs + 1))
    assert spread.median_ms == (runs + 1) / 2 and spread.runs == runs and spread.max_ms == runs
    assert spread.tail == pytest.approx(tail) and spread.tail_words == words
    # A percentile of too few runs in an earlier record is the slowest that it knows.
    assert Spread(median_ms=1.0, runs=20, p95_ms=2.0, p99_ms=3.0).tail == (100, 3.0)
    assert Spread(median_ms=1.0, runs=60, p95_ms=2.0, p99_ms=3.0).tail == (95, 2.0)
