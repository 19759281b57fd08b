"""The comparison in words: the ranking, the cost of a run, and the cells of the table."""

import re

from leaderboard_samples import BEST, FOUR, STALE, TIED, WORSE, board, row, timed

from visionft.advice import comparison_text as words
from visionft.evaluation.leaderboard import REASONS
from visionft.evaluation.run_cost import EarlierHead, RunCost


def test_the_sentence_has_the_best_and_the_insignificant_differences():
    assert re.findall("Run .|[0-9.]+%|[0-9]+", words.ranking(FOUR)) == ["Run b", "90.0%", "1", "2"]
    alone = words.ranking(board(BEST))
    sure, unsure = (words.ranking(board(BEST, other)) for other in (WORSE, TIED))
    assert sure != unsure and sure.startswith(alone) and unsure.startswith(alone)
    assert "Run" not in words.ranking(board(STALE))
    assert re.findall("[0-9]+", words.facts(FOUR)) == ["100", "1"]


def test_the_cost_of_a_run_in_a_line():
    head = EarlierHead(run="001-a", classes=3, images=60, accuracy_before=0.8, accuracy=0.7)
    cost = RunCost(
        trainable_share=0.0064,
        memory_mb=340,
        seconds=41,
        time=timed(3.21),
        shipped_bytes=62_000_000,
        drift=0.031,
        earlier_head=head,
    )
    amounts = ("0.6%", "41 s", "357 MB", "3.2 ms", "62 MB", "0.031", "001-a")
    assert all(amount in part for amount, part in zip(amounts, words.cost_parts(cost), strict=True))
    assert "a processor" in words.cost_tip(cost)
    assert words.cost_parts(RunCost()) == [] and words.cost_tip(RunCost()) == ""
    assert words.cost_parts(RunCost(drift=0.0))[0].endswith(" 0")


def test_a_row_has_its_rank_and_difference_or_the_reason_without():
    assert words.RANK.text(BEST) == "1" and words.RANK.text(TIED) == "1 ≈" and words.RANK.text(WORSE) == "3"
    assert words.RANK.text(STALE) == "–" and words.DIFFERENCE.text(STALE)
    assert words.DIFFERENCE.text(TIED).startswith("−8.0, ") and words.DIFFERENCE.text(WORSE) == "−8.0"
    assert words.DIFFERENCE_INTERVAL.text(WORSE).startswith("−13.0 – ") and words.P_VALUE.text(BEST) == words.NONE
    assert float(words.P_VALUE.text(TIED)) > 0.05
    assert "−13.0" in words.tip(WORSE) and REASONS["other_images"] in words.tip(STALE)
    worse, best, tied = (words.NAME.text(each).count(" · ") for each in (WORSE, BEST, TIED))
    assert worse > best == tied
    elsewhere = row("e", 0.9, ms=3, milliseconds=None)
    assert words.TIME.text(elsewhere).startswith("3 ms ") and words.TIME.text(STALE) == words.NONE
