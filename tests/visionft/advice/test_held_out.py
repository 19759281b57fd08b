"""Every labelled picture is asked by a classifier that does not know its label, whatever part of them it knows."""

import numpy as np

from visionft.advice.held_out import HeldOut, Labelled, ask_along, nested_orders


def test_labels_that_say_nothing_are_not_learnt_by_heart(make_labelled):
    labelled = make_labelled()
    generator = np.random.default_rng(1)
    shuffled = Labelled(labelled.inputs, labelled.targets[generator.permutation(len(labelled))])
    every = np.arange(len(labelled))
    assert HeldOut(labelled).ask(every).right.mean() > 0.7
    assert HeldOut(shuffled).ask(every).right.mean() < 0.5  # a third by chance, though it saw each picture's label


def test_all_pictures_are_asked_and_more_labels_are_better(make_labelled):
    labelled = make_labelled(each=60)
    asked = ask_along(HeldOut(labelled), (12, 45, 180))
    assert np.isfinite(asked.right).all()
    assert np.all(np.diff(asked.right.mean(axis=1)) > 0)


def test_promises_draw_the_counts_the_more_the_fewer_pictures_there_are(make_labelled):
    few, many = make_labelled(each=10), make_labelled(each=400)
    for labelled, most in ((few, 1.0), (many, 0.2)):
        asked = HeldOut(labelled).ask(np.arange(len(labelled)))
        gap = asked.promised.mean() - asked.right.mean()
        assert 0 <= asked.shift / gap < most


def test_every_beginning_of_an_order_has_the_shares_of_all():
    counts = (80, 16)
    targets = np.repeat(np.eye(2, dtype=np.float32), counts, axis=0)
    for order in nested_orders(Labelled(np.zeros((96, 2), np.float32), targets), draws=3):
        assert sorted(order) == list(range(96))
        for size in (24, 48, 96):
            assert abs(targets[order[:size]].sum(axis=0)[1] - size / 6) <= 1


def test_several_labels_count_when_all_are_right(make_labelled):
    labelled = make_labelled(noise=0.2, is_multilabel=True)
    asked = HeldOut(labelled).ask(np.arange(len(labelled)))
    assert set(np.unique(asked.right)) <= {0.0, 1.0} and asked.right.mean() > 0.9
