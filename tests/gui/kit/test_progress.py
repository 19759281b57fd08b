"""The time left of a job: told once it can be known, and not any more once it was wrong."""

import pytest

from gui.kit import progress
from gui.kit.progress import JobShare, left_text
from visionft.core.events import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that the module reads, in seconds: a list with one number."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def take(share: JobShare, clock: list[float], seconds: float, done: float) -> None:
    clock[0] = seconds
    share.take(Progress(stage="Import", done=0, total=0, share=done))


def test_it_is_told_after_a_tenth_of_the_work(clock: list[float]) -> None:
    share = JobShare()
    take(share, clock, 0, 0)
    take(share, clock, 2, 0.2)
    assert share.left_s is None and not share.words()  # too early
    take(share, clock, 10, 0.25)
    assert share.left_s == pytest.approx(30) and share.words() == left_text(30)
    take(share, clock, 20, 0.5)
    assert share.left_s == pytest.approx(20)


@pytest.mark.parametrize(("seconds", "done"), [(40, 0.25), (25, 0.9)])  # slower, faster than it seemed at first
def test_a_time_that_was_wrong_is_not_told_again(clock: list[float], seconds: float, done: float) -> None:
    share = JobShare()
    take(share, clock, 0, 0)
    take(share, clock, 20, 0.25)
    assert share.left_s == pytest.approx(60)
    take(share, clock, seconds, done)
    wrong = share.words()
    assert share.left_s is None and wrong and wrong != left_text(share.left_s or 0)
    take(share, clock, 100, 0.95)
    assert share.left_s is None and share.words() == wrong
