"""Each setting has its documented effect, and nothing breaks with it on."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.linear import GRADIENT, LinearOptions
from models.methods.table import METHODS
from visionft.data.dataset import Batch, EpochSampler
from visionft.training.loop.batches import FeatureBatches, sampling_weights
from visionft.training.loop.costs import feature_drift
from visionft.training.loop.objective import Objective, balanced_weights
from visionft.training.loop.ridge_init import set_gentle_head
from visionft.training.loop.train import train
from visionft.training.loop.train_step import ModelEma, learning_rate_factor
from visionft.training.runs.metrics_file import read_metrics


@pytest.mark.parametrize(
    "changes",
    [
        {"ema_decay": 0.99},
        {"balance": "weights"},
        {"balance": "sampling"},
        {"precision": "bf16"},
        {"augmentation": "medium"},
        {"workers": 1},
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


@pytest.mark.parametrize("targets", [torch.tensor([0, 2]), torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])], ids=str)
def test_class_weights_leave_what_smoothing_asks_of_an_image(targets) -> None:
    weights = torch.tensor([0.2, 0.8, 4.0])
    objective = Objective("single", 3, label_smoothing=0.1, class_weights=weights)
    shares = one_hot(targets, 3) if targets.ndim == 1 else targets * weights / (targets * weights).sum(1, keepdim=True)
    logits = (0.9 * shares + 0.1 / 3).log().requires_grad_()
    objective.loss(logits, targets).backward()
    assert logits.grad is not None and logits.grad.abs().max() < 1e-6  # nothing fits better
    plain = Objective("single", 3, class_weights=weights).loss(logits, targets)
    torch.testing.assert_close(plain, cross_entropy(logits, targets, weight=weights, reduction="none").mean())


def test_processes_share_each_batch_and_a_single_last_image_joins_its_neighbours() -> None:
    def batches(rank: int, world: int) -> list[list[int]]:
        sampler = EpochSampler(21, 8, seed=0, shuffle=True, rank=rank, world=world)
        return [[key.position for key in batch] for batch in sampler]

    whole, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == [sorted(batch) for batch in whole]
    features = Batch(torch.randn(9, 4), torch.arange(9), torch.arange(9), ())
    without_a_part = EpochSampler(9, 8, seed=0, shuffle=False, rank=1, world=2)
    assert [len(batch.images) for batch in FeatureBatches(features, without_a_part).epoch(0)] == [4, 0]
    for count, sizes in ((17, [8, 9]), (1, [1])):
        assert [len(batch) for batch in EpochSampler(count, 8, seed=0, shuffle=True)] == sizes


def test_the_average_follows_the_weights_and_gives_them_back() -> None:
    classifier = build_classifier(BACKBONES["test_vit"], METHODS["linear"], classes=2, weights=None)
    average = ModelEma(classifier, 0.9)
    before = classifier.head.weight.detach().clone()
    with torch.no_grad():
        classifier.head.weight += 1
    average.update()
    with average.in_place():
        inside = classifier.head.weight.detach().clone()
    assert torch.all(inside > before) and torch.all(inside < before + 1)
    assert torch.equal(classifier.head.weight, before + 1)


def test_a_head_for_learning_features_leaves_them_a_loss_to_learn_from() -> None:
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(60, 100, generator=generator), torch.arange(60) % 4
    features += torch.randn(4, 100, generator=generator)[labels]
    gentle = torch.nn.Linear(100, 4)
    set_gentle_head(gentle, features, labels)
    loss = float(torch.nn.functional.cross_entropy(gentle(features), labels).detach())
    assert np.log(4) / 10 < loss < np.log(4)
    assert (gentle(features).argmax(dim=1) == labels).float().mean() > 0.95
    for few in (torch.randn(6, 100), torch.zeros(4, 100)):  # fewer images than features
        set_gentle_head(gentle, few, torch.arange(len(few)) % 4)
        assert gentle.weight.isfinite().all() and gentle.bias.isfinite().all()


def test_smoothing_and_weights_are_for_training_only() -> None:
    logits, targets = torch.randn(8, 3), torch.randint(0, 3, (8,))
    plain, shaped = Objective("single", 3), Objective("single", 3, 0.2, torch.tensor([1.0, 5.0, 1.0]))
    assert torch.equal(shaped.evaluation_loss(logits, targets), plain.loss(logits, targets))
    assert not torch.equal(shaped.loss(logits, targets), plain.loss(logits, targets))


@pytest.mark.slow
def test_several_labels_train_with_a_binary_loss(snapshot, tmp_path, tiny) -> None:
    images = [dataclasses.replace(each, labels=(each.labels[0], (each.labels[0] + 1) % 3)) for each in snapshot.images]
    multi = dataclasses.replace(snapshot, task="multi", images=tuple(images))
    result = train(tiny("full", epochs=8, learning_rate=2e-3), multi, tmp_path / "run")
    assert result.best and result.best.val_accuracy > 0.5


def test_drift_is_zero_for_the_same_features() -> None:
    features = torch.randn(5, 8)
    assert feature_drift(features, features * 2) == pytest.approx(0, abs=1e-9)
    assert feature_drift(features, -features) == pytest.approx(2)
