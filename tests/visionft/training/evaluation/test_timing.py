"""Durations of calls: alternating, and no percentile of too few of them."""

from visionft.training.evaluation.timing import timed_calls


def test_calls_are_timed_in_turn() -> None:
    called: list[int] = []
    times = timed_calls([lambda: called.append(0), lambda: called.append(1)])
    assert len(times) == 60 and (times >= 0).all() and abs(called.count(0) - called.count(1)) <= 1
