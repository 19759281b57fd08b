"""Every labelled image is predicted by a classifier fitted without its label, whatever part of the labels it has."""

import numpy as np

from visionft.advice.held_out_predictor import HeldOutPredictor, LabelledFeatures, nested_orders


def test_shuffled_labels_are_not_predicted(make_labelled):
    labelled = make_labelled()
    generator = np.random.default_rng(1)
    shuffled = LabelledFeatures(labelled.inputs, labelled.targets[generator.permutation(len(labelled))])
    every = np.arange(len(labelled))
    assert HeldOutPredictor(labelled).predict(every)[0].mean() > 0.7
    assert HeldOutPredictor(shuffled).predict(every)[0].mean() < 0.5  # a third by chance


def test_all_images_are_predicted_and_more_labels_are_better(make_labelled):
    labelled = make_labelled(each=60)
    right, confidence = HeldOutPredictor(labelled).predict_sizes((12, 45, 180))
    assert np.isfinite(right).all() and np.all(np.diff(right.mean(axis=1)) > 0)
    assert confidence.min() > 0 and confidence.max() <= 1


def test_every_beginning_of_an_order_has_the_shares_of_all():
    counts = (80, 16)
    targets = np.repeat(np.eye(2, dtype=np.float32), counts, axis=0)
    for order in nested_orders(LabelledFeatures(np.zeros((96, 2), np.float32), targets), draws=3):
        assert sorted(order) == list(range(96))
        for size in (24, 48, 96):
            assert abs(targets[order[:size]].sum(axis=0)[1] - size / 6) <= 1


def test_several_labels_count_when_all_are_right(make_labelled):
    labelled = make_labelled(noise=0.2, is_multilabel=True)
    right, _confidence = HeldOutPredictor(labelled).predict(np.arange(len(labelled)))
    assert set(np.unique(right)) <= {0.0, 1.0} and right.mean() > 0.9
