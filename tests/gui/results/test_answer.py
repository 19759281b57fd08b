"""The answer in a sentence: true to the figures, uncertain in words where few pictures were measured."""

from dataclasses import replace

import pytest

from gui.results import answer
from visionft.curation.leaks.honest_accuracy import HonestAccuracy
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.stored import Predicted, ScoreRow, StoredEvaluation

NAMES = ("glass", "plastic", "paper")


def found(confusion: list[list[int]], names: tuple[str, ...] = NAMES, *, several: bool = False) -> StoredEvaluation:
    """Return an evaluation with these counts; for several labels a row of (true negatives, ...) for each class."""
    pairs = (
        [] if several else [(t, s) for t, line in enumerate(confusion) for s, n in enumerate(line) for _ in range(n)]
    )
    right = sum(true == said for true, said in pairs)
    images = 10 if several else len(pairs)
    support = [sum(true == place for true, _ in pairs) for place in range(len(names))]
    low, high = wilson_interval(7 if several else right, images)
    return StoredEvaluation(
        run="001", split="val", images=images, unreadable=0, top1=(7 if several else right) / images,
        top1_interval=(low, high), balanced_accuracy=0.5, ece=0.0, ece_before=0.0, temperature=1.0, reliability=(),
        reliability_before=(), is_multilabel=several, class_names=names, confusion=tuple(map(tuple, confusion)),
        scores=tuple(
            ScoreRow(name=name, precision=0, recall=0, recall_interval=(0, 1), f1=0, support=1 if several else count)
            for name, count in zip(names, support, strict=True)
        ),
        predictions=tuple(
            Predicted(image_id=number, true_classes=(names[t],), predicted=(names[s],), probability=0.9)
            for number, (t, s) in enumerate(pairs)
        ),
    )  # fmt: skip


def plain(words: str) -> str:
    return words.replace("\u2068", "").replace("\u2069", "")


@pytest.mark.parametrize(
    ("confusion", "sentence"),
    [
        ([[90, 8, 2], [0, 100, 0], [10, 10, 80]], "Right for 9 of 10 pictures; no mistake stands out"),
        ([[85, 15, 0], [0, 100, 0], [5, 10, 85]], "Right for 9 of 10 pictures; "
         "“glass” is taken for “plastic” most often"),
        ([[99, 1, 0], [0, 100, 0], [1, 0, 99]], "Right for 99 of 100 pictures; "
         "no two classes are mixed up more than once"),
        ([[999, 1, 0], [0, 999, 0], [0, 0, 1]], "Right for 1,999 of 2,000 pictures; "
         "the one mistake: “glass” taken for “plastic”"),
        ([[2, 1, 0], [0, 1, 0], [0, 0, 1]], "Right for 4 of 5 pictures; the one mistake: “glass” taken for “plastic”"),
        ([[30, 0, 0], [0, 30, 0], [0, 0, 30]], "Right for all 90 pictures"),
        ([[0, 5, 0], [0, 0, 0], [0, 0, 0]], "Right for none of 5 pictures; “glass” is taken for “plastic” most often"),
        ([[1, 0, 0], [0, 0, 0], [0, 0, 0]], "Right for the only picture"),
    ],
)  # fmt: skip
def test_the_sentence_says_how_often_it_is_right_and_what_it_mixes_up(confusion, sentence):
    assert plain(answer.sentence(found(confusion))) == sentence


@pytest.mark.parametrize("count", [3, 21, 72, 375, 5000])
def test_the_share_in_words_is_never_off_by_more_than_two_and_a_half_points(count):
    for right in range(count + 1):
        part, whole = answer._fraction(right / count, count)
        assert abs(part / whole - right / count) <= 0.02501
        assert (part == whole) == (right == count) and (part == 0) == (right == 0)


def test_several_labels_name_the_class_that_is_missed_most():
    evaluation = found([[5, 1, 3, 1], [8, 1, 0, 1], [9, 0, 1, 0]], several=True)
    assert plain(answer.sentence(evaluation)) == "Every label right for 7 of 10 pictures; “glass” is missed most often"


@pytest.mark.parametrize(
    ("confusion", "words"),
    [
        ([[2, 1, 0], [0, 1, 0], [0, 0, 1]], "Too few pictures to tell: with 5, anything from 38% to 96% right"),
        (
            [[15, 5, 0], [0, 20, 0], [0, 0, 20]],
            "Uncertain: only 60 pictures were measured. On new ones expect 82% to 96%",
        ),
        (
            [[300, 30, 0], [0, 300, 0], [0, 0, 300]],
            "Measured on 930 pictures. On new ones like these expect 95% to 98%",
        ),
    ],
)
def test_few_pictures_are_called_uncertain(confusion, words):
    assert answer.meaning(found(confusion)).startswith(words)


def test_what_is_expected_of_new_pictures_is_said_without_those_that_leak():
    honest = HonestAccuracy(
        run="001", title="001", split="val", images=100, leaked=20, accuracy=0.8, accuracy_interval=(0.71, 0.87),
        of_leaked=1.0, without=0.75, without_interval=(0.65, 0.83),
    )  # fmt: skip
    measured = found([[40, 10, 0], [0, 20, 0], [10, 0, 20]])
    words = "20 of them leak: what belongs together with them was trained on. Without them 75% are right; "
    assert answer.meaning(measured, honest) == f"{words}on new ones expect 65% to 83%."
    spoilt = replace(honest, leaked=100, without=None, without_interval=None)
    assert answer.meaning(measured, spoilt).endswith("What it is worth is not known.")


def test_one_class_in_validation_says_nothing_of_telling_apart():
    words = plain(answer.meaning(found([[5, 0, 0], [0, 0, 0], [0, 0, 0]])))
    assert words.endswith("All of them are “glass”, so whether it tells classes apart is not known.")


def test_missing_classes_and_a_guess_that_is_as_good_are_said():
    assert "1 of its classes has no picture here." in answer.meaning(found([[50, 0, 0], [0, 50, 0], [0, 0, 0]]))
    assert "Always saying “glass” would be right" in plain(answer.meaning(found([[90, 0, 0], [5, 0, 0], [5, 0, 0]])))


def test_a_long_or_right_to_left_name_stays_whole_in_its_place():
    names = ("x" * 200, "زجاج, أخضر", "paper")
    sentence = answer.sentence(found([[80, 20, 0], [0, 100, 0], [0, 0, 100]], names))
    assert sentence.endswith("“\u2068زجاج, أخضر\u2069” most often") and "x" * 39 + "…" in sentence
    assert "x" * 41 not in sentence
