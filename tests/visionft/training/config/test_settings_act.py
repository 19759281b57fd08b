"""Each setting has its documented effect, and nothing breaks with it on."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from models.methods.frozen import GRADIENT, LinearOptions
from visionft.data.dataset import Batch, EpochSampler
from visionft.training.loop.batches import Batches, sampling_weights
from visionft.training.loop.train import train
from visionft.training.loop.train_step import Objective, balanced_weights, learning_rate_factor
from visionft.training.runs.metrics_file import read_metrics


@pytest.mark.parametrize(
    "changes",
    [
        {"ema_decay": 0.99},
        {"balance": "weights"},
        {"balance": "sampling"},
        {"precision": "bf16"},
        {"augmentation": "medium"},
        pytest.param({"workers": 1}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_training_works_with_each_option(changes, snapshot, tmp_path, tiny) -> None:
    result = train(tiny(**changes), snapshot, tmp_path / "run")
    assert result.best and np.isfinite(result.best.val_loss)
    assert result.images_per_second > 0 and result.artefact_bytes > 0 and 0 <= result.feature_drift < 2


def test_a_solved_head_depends_on_no_setting_of_steps(snapshot, tmp_path, tiny) -> None:
    config = tiny("linear")
    others = dataclasses.replace(
        config,
        epochs=9,
        learning_rate=1.0,
        augmentation="medium",
        patience=1,
        ema_decay=0.9,
    )
    names = [each.name for each in dataclasses.fields(config)]
    changed = {name for name in names if getattr(config, name) != getattr(others, name)}
    assert changed == config.unused_settings
    one, other = (train(each, snapshot, tmp_path / str(each.epochs)) for each in (config, others))
    assert one.best and other.best and one.best.figures == pytest.approx(other.best.figures, rel=1e-6)
    assert one.best.learning_rate is one.best.images_per_second is one.images_per_second is None


def test_patience_ends_a_run_that_gets_no_better(snapshot, tmp_path, tiny) -> None:
    config = tiny(
        "linear", methods={"linear": LinearOptions(solver=GRADIENT)}, patience=2, learning_rate=1e-9, epochs=50
    )
    assert not train(config, snapshot, tmp_path / "run").stopped
    waited = [epoch.waited for epoch in read_metrics(tmp_path / "run")]
    assert waited[-1] == 2 and max(waited[:-1]) < 2 and len(waited) < 50


def test_the_schedule_rises_then_falls_along_a_cosine() -> None:
    factors = [learning_rate_factor(step, total_steps=100) for step in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[9] == factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5) and factors[100] == pytest.approx(0, abs=1e-9)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))


def test_balanced_sampling_draws_classes_equally(snapshot) -> None:
    weights = np.array([1 / 90] * 90 + [1 / 10] * 10)
    sampler = EpochSampler(100, 10, seed=0, shuffle=True, weights=weights)
    drawn = []
    for epoch in range(50):
        sampler.epoch = epoch
        drawn += [key.position for batch in sampler for key in batch]
    assert 0.45 < np.mean(np.array(drawn) >= 90) < 0.55
    images = [dataclasses.replace(snapshot.images[0], labels=labels) for labels in [(0,), (0,), (0, 1), (0,)]]
    assert sampling_weights(images, 3).tolist() == [0.25, 0.25, 1.0, 0.25]  # the rarest label decides


def test_class_weights_multiply_the_losses_of_a_class_and_average_one() -> None:
    counts = torch.tensor([30, 10, 20])
    assert balanced_weights(counts, "single").tolist() == pytest.approx([2 / 3, 2.0, 1.0])
    weights = balanced_weights(counts, "multi")
    assert weights.tolist() == pytest.approx([6 / 11, 18 / 11, 9 / 11])  # as 1/30 to 1/10 to 1/20
    logits, targets = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -2.0]]), torch.tensor([[1.0, 0, 1], [0, 1, 0]])
    plain, weighted = Objective("multi", 3), Objective("multi", 3, class_weights=weights)
    losses = [plain.loss(logits[:, [index]], targets[:, [index]]) for index in range(3)]
    expected = sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) / 3
    torch.testing.assert_close(weighted.loss(logits, targets), expected)


def test_processes_share_each_batch_and_a_single_last_image_joins_its_neighbours() -> None:
    def batches(rank: int, world: int) -> list[list[int]]:
        sampler = EpochSampler(21, 8, seed=0, shuffle=True, rank=rank, world_size=world)
        return [[key.position for key in batch] for batch in sampler]

    whole, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == [sorted(batch) for batch in whole]
    features = Batch(torch.randn(9, 4), torch.arange(9), torch.arange(9), ())
    without_a_part = EpochSampler(9, 8, seed=0, shuffle=False, rank=1, world_size=2)
    assert [len(batch.images) for batch in Batches(without_a_part, features=features).epoch(0)] == [4, 0]
    for count, sizes in ((17, [8, 9]), (1, [1])):
        assert [len(batch) for batch in EpochSampler(count, 8, seed=0, shuffle=True)] == sizes


@pytest.mark.slow
def test_several_labels_train_with_a_binary_loss(snapshot, tmp_path, tiny) -> None:
    images = [dataclasses.replace(each, labels=(each.labels[0], (each.labels[0] + 1) % 3)) for each in snapshot.images]
    multi = dataclasses.replace(snapshot, task="multi", images=tuple(images))
    result = train(tiny("full", epochs=8, learning_rate=2e-3), multi, tmp_path / "run")
    assert result.best and result.best.val_accuracy > 0.5
