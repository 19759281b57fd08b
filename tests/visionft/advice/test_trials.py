"""Short trials: two real runs to predict every training image once, next to the probe; and their length."""

import dataclasses

import pytest

from visionft.advice.trials import Trial, can_try, run_trial, trial_config
from visionft.features.feature_store import load_features
from visionft.jobs import JobCancelled, JobContext
from visionft.project.splits import assign_splits
from visionft.training.config.train_config import TrainConfig

TINY = TrainConfig(
    backbone="test_resnet",
    method="full",
    weights="random",
    image_size=32,
    batch_size=8,
    epochs=30,
    device="cpu",
    workers=0,
)


def test_a_trial_is_shorter_the_more_images_there_are_and_never_longer_than_the_run():
    epochs = [trial_config(TINY, images).epochs for images in (40, 400, 4000, 40_000)]
    assert epochs == sorted(epochs, reverse=True) and epochs[0] == 30 and epochs[-1] == 3
    assert trial_config(dataclasses.replace(TINY, epochs=5), 40).epochs == 5


def test_ratios_follow_the_counts_and_few_images_leave_them_open():
    clear = Trial(train_images=500, epochs=3, both_right=800, only_run=100, only_probe=0, both_wrong=100, seconds=1.0)
    faint = Trial(train_images=5, epochs=3, both_right=8, only_run=1, only_probe=0, both_wrong=1, seconds=1.0)
    assert clear.error_ratios(500).mean() == pytest.approx(0.5, abs=0.02)
    assert faint.error_ratios(500).std() > 3 * clear.error_ratios(500).std()


@pytest.mark.slow
def test_every_training_image_is_judged_once_by_both(make_project):
    with make_project(labelled=90) as project:
        assign_splits(project)
        images = project.snapshot()
        assert can_try(images)
        config = dataclasses.replace(TINY, epochs=1)
        found = run_trial(config, images, load_features(project.path, images))
        assert found.images == len(images.labelled("train")) and found.train_images == found.images // 2
        # Features are informative; noise of 8 x 8 pixels is not.
        assert found.both_right + found.only_probe > 0.5 * found.images
        with pytest.raises(JobCancelled):
            run_trial(config, images, load_features(project.path, images), job=JobContext(cancelled=lambda: True))


def test_nothing_is_tried_without_validation_or_with_too_few(make_project):
    with make_project(labelled=60) as project:
        assert not can_try(project.snapshot())
