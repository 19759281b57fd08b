"""The result in a sentence: true to the figures, uncertain wording for few measured images."""

import re
from dataclasses import replace

import pytest

from gui.results import accuracy_card
from visionft.analysis.leaks import LeakFreeAccuracy
from visionft.training.evaluation.metrics import ClassScore, wilson_interval
from visionft.training.evaluation.stored import StoredEvaluation, StoredPrediction

NAMES = ("glass", "plastic", "paper")


def found(
    confusion: list[list[int]],
    names: tuple[str, ...] = NAMES,
    *,
    several: bool = False,
    probability: float = 0.6,
) -> StoredEvaluation:
    """Return an evaluation with these counts; for several labels a row of (true negatives, ...) for each class."""
    pairs = (
        [] if several else [(t, s) for t, line in enumerate(confusion) for s, n in enumerate(line) for _ in range(n)]
    )
    right = sum(true == said for true, said in pairs)
    images = 10 if several else len(pairs)
    support = [sum(true == place for true, _ in pairs) for place in range(len(names))]
    low, high = wilson_interval(7 if several else right, images)
    return StoredEvaluation(
        run="001",
        split="val",
        images=images,
        unreadable=0,
        top1=(7 if several else right) / images,
        top1_interval=(low, high),
        balanced_accuracy=0.5,
        ece=0.0,
        temperature=1.0,
        mean_average_precision=0.5 if several else None,
        confusion=tuple(map(tuple, confusion)),
        per_class={
            name: ClassScore(precision=0, recall=0, recall_interval=(0, 1), f1=0, support=1 if several else count)
            for name, count in zip(names, support, strict=True)
        },
        predictions=tuple(
            StoredPrediction(image_id=number, true_classes=(names[t],), predicted=(names[s],), probability=probability)
            for number, (t, s) in enumerate(pairs)
        ),
    )


def plain(words: str) -> str:
    return words.replace("\u2068", "").replace("\u2069", "")


@pytest.mark.parametrize(
    ("confusion", "probability", "counts", "pair"),
    [
        ([[90, 8, 2], [0, 100, 0], [10, 10, 80]], 0.6, ["270", "300"], []),  # two confusions are as frequent
        ([[85, 15, 0], [0, 100, 0], [5, 10, 85]], 0.6, ["270", "300"], ["glass", "plastic"]),
        ([[85, 15, 0], [0, 100, 0], [5, 10, 85]], 0.9, ["270", "300", "30"], []),  # sure: the labels may be wrong
        ([[999, 1, 0], [0, 999, 0], [0, 0, 1]], 0.6, ["1,999", "2,000"], ["glass", "plastic"]),
        ([[30, 0, 0], [0, 30, 0], [0, 0, 30]], 0.6, ["90", "90"], []),
    ],
)
def test_the_result_is_a_count_of_images_and_names_the_next_step(confusion, probability, counts, pair):
    evaluation = found(confusion, probability=probability)
    words = plain(f"{accuracy_card.sentence(evaluation, is_unseen=True)}. {accuracy_card.next_words(evaluation)}")
    assert re.findall(r"\d[\d,]*", words) == counts and re.findall("“(.*?)”", words) == pair


def test_images_that_chose_or_trained_a_run_are_never_called_unseen():
    unseen = accuracy_card.sentence(found([[8, 2], [0, 10]], NAMES[:2]), is_unseen=True)
    chose = accuracy_card.sentence(found([[8, 2], [0, 10]], NAMES[:2]), is_unseen=False)
    trained = accuracy_card.sentence(replace(found([[8, 2], [0, 10]], NAMES[:2]), seen=3), is_unseen=False)
    assert len({unseen, chose, trained}) == 3 and re.findall(r"\d+", trained) == ["18", "20", "3"]


def test_several_labels_name_the_class_that_is_missed_most():
    evaluation = found([[5, 1, 3, 1], [8, 1, 0, 1], [9, 0, 1, 0]], several=True)
    evaluation = replace(evaluation, predictions=found([[0, 1], [0, 0]], NAMES[:2]).predictions)
    assert re.findall(r"\d+", accuracy_card.sentence(evaluation, is_unseen=True)) == ["7", "10"]
    assert re.findall("“(.*?)”", plain(accuracy_card.next_words(evaluation))) == ["glass"]


def test_the_accuracy_without_leaked_images_is_shown():
    leak_free = LeakFreeAccuracy(
        run="001",
        title="001",
        split="val",
        images=100,
        leaked=20,
        accuracy=0.8,
        accuracy_interval=(0.71, 0.87),
        without=0.75,
        without_interval=(0.65, 0.83),
    )
    evaluation = found([[40, 10, 0], [0, 20, 0], [10, 0, 20]])
    words = accuracy_card.meaning(evaluation, leak_free)
    assert words.startswith("20 ") and "75% (65% to 83%)" in words
    spoilt = replace(leak_free, leaked=100, without=None, without_interval=None)
    assert re.findall(r"\d+", accuracy_card.meaning(evaluation, spoilt)) == ["100"]
