"""The result in a sentence: true to the figures, uncertain wording for few measured images."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from gui.kit import translation
from gui.results import accuracy_text
from visionft.curation.leaks.leak_free_accuracy import LeakFreeAccuracy
from visionft.evaluation.metrics import ClassScore, wilson_interval
from visionft.evaluation.stored import StoredEvaluation, StoredPrediction
from visionft.events import EpochDone
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary

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
        top1_interval=(low, high), balanced_accuracy=0.5, ece=0.0, temperature=1.0,
        mean_average_precision=0.5 if several else None, confusion=tuple(map(tuple, confusion)),
        per_class={
            name: ClassScore(precision=0, recall=0, recall_interval=(0, 1), f1=0, support=1 if several else count)
            for name, count in zip(names, support, strict=True)
        },
        predictions=tuple(
            StoredPrediction(image_id=number, true_classes=(names[t],), predicted=(names[s],), probability=0.9)
            for number, (t, s) in enumerate(pairs)
        ),
    )  # fmt: skip


def plain(words: str) -> str:
    return words.replace("\u2068", "").replace("\u2069", "")


@pytest.mark.parametrize(
    ("confusion", "figures", "pair"),
    [
        ([[90, 8, 2], [0, 100, 0], [10, 10, 80]], "90.0% (86% to 93%) on 300 images", ()),  # two are as frequent
        ([[85, 15, 0], [0, 100, 0], [5, 10, 85]], "90.0% (86% to 93%) on 300 images", ("glass", "plastic")),
        ([[999, 1, 0], [0, 999, 0], [0, 0, 1]], "100.0% (100% to 100%) on 2,000 images", ("glass", "plastic")),
        ([[0, 5, 0], [0, 0, 0], [0, 0, 0]], "0.0% (0% to 43%) on 5 images", ("glass", "plastic")),
    ],
)
def test_the_sentence_has_the_accuracy_and_the_most_frequent_confusion(confusion, figures, pair):
    words = plain(accuracy_text.sentence(found(confusion)))
    assert figures in words and all(f"“{name}”" in words for name in pair) and ("“" in words) == bool(pair)


def test_without_mistakes_the_sentence_names_no_class():
    assert ";" not in accuracy_text.sentence(found([[30, 0, 0], [0, 30, 0], [0, 0, 30]]))


def test_several_labels_name_the_class_that_is_missed_most():
    evaluation = found([[5, 1, 3, 1], [8, 1, 0, 1], [9, 0, 1, 0]], several=True)
    words = plain(accuracy_text.sentence(evaluation))
    assert "70.0%" in words and words.endswith("“glass” is missed most often")


def test_only_few_images_are_called_uncertain():
    few, many = ([[15, 5, 0], [0, 20, 0], [0, 0, 20]], [[300, 30, 0], [0, 300, 0], [0, 0, 300]])
    assert "uncertain" in accuracy_text.meaning(found(few)) and not accuracy_text.meaning(found(many))


def test_the_accuracy_without_leaked_images_is_shown():
    leak_free = LeakFreeAccuracy(
        run="001", title="001", split="val", images=100, leaked=20, accuracy=0.8, accuracy_interval=(0.71, 0.87),
        of_leaked=1.0, without=0.75, without_interval=(0.65, 0.83),
    )  # fmt: skip
    evaluation = found([[40, 10, 0], [0, 20, 0], [10, 0, 20]])
    words = accuracy_text.meaning(evaluation, leak_free)
    assert words.startswith("20 ") and "75% (65% to 83%)" in words
    spoilt = replace(leak_free, leaked=100, without=None, without_interval=None)
    assert "unknown" in accuracy_text.meaning(evaluation, spoilt)


@pytest.mark.parametrize(
    ("confusion", "words"),
    [
        ([[5, 0, 0], [0, 0, 0], [0, 0, 0]], "All images are of “glass”"),
        ([[50, 0, 0], [0, 50, 0], [0, 0, 0]], "1 of its classes has no image here."),
        ([[90, 0, 0], [5, 0, 0], [5, 0, 0]], "Predicting “glass” for every image"),
    ],
)
def test_missing_and_dominant_classes_are_named(confusion, words):
    assert words in plain(accuracy_text.meaning(found(confusion)))


def test_a_long_or_right_to_left_name_stays_whole_in_its_place():
    names = ("x" * 200, "زجاج, أخضر", "paper")
    sentence = accuracy_text.sentence(found([[80, 20, 0], [0, 100, 0], [0, 0, 100]], names))
    assert sentence.endswith("“\u2068زجاج, أخضر\u2069”") and "x" * 39 + "…" in sentence
    assert "x" * 41 not in sentence


@pytest.mark.parametrize("code", ["en", "de"])
@pytest.mark.parametrize("is_going", [True, False])
@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("is_begun", [True, False])
def test_texts_next_to_a_measured_accuracy_do_not_deny_it(code, is_going, is_training, is_begun):
    done = EpochDone(
        epoch=1, epochs=9, train_loss=1, train_accuracy=1, val_loss=1, val_accuracy=0.6, learning_rate=1, seconds=1,
        images_per_second=1, is_best=True,
    )  # fmt: skip
    run = RunSummary(
        name="001", path=Path(), config=TrainConfig(), class_names=NAMES, epochs=(done,), result=None, is_going=is_going
    )
    translation.use_language(code)
    try:
        assert "60%" in accuracy_text.sentence_of_run(run)
        title, words, _ = accuracy_text.missing_words(run, None, is_begun=is_begun, is_training=is_training)
    finally:
        translation.use_language("en")
    assert title and words and not re.search("measur|gemessen|Messung", f"{title} {words}")
