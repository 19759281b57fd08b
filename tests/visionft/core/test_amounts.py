"""Sizes, times and counts as people write them: one way for window and command line."""

import pytest

from visionft.core.amounts import count_text, duration_text, memory_text, share_text, size_text


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1500, "1.5 kB"),
        (9_949, "9.9 kB"),
        (9_951, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (123_456_789, "123 MB"),
        (2 * 10**9, "2.0 GB"),
        (5 * 10**15, "5,000 TB"),
    ],
)
def test_sizes_go_in_steps_of_a_thousand(size: int, words: str) -> None:
    assert size_text(size) == words


def test_memory_is_written_in_the_same_units() -> None:
    assert memory_text(722) == "757 MB" and memory_text(81_920) == "86 GB"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.01, "0 s"), (0.4, "0.4 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_durations_are_for_people(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(950, "950"), (12_300, "12.3 K"), (11_176_512, "11.2 M")])
def test_parameter_counts_are_for_people(count: int, words: str) -> None:
    assert count_text(count) == words


def test_a_share_of_few_images_is_a_count() -> None:
    assert [share_text(1.0, 1), share_text(2 / 3, 3), share_text(0.95, 19)] == ["1 of 1", "2 of 3", "18 of 19"]
    assert share_text(0.95, 20) == "95%" and share_text(0.5, 2, of="von") == "1 von 2"
