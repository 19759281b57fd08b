"""Each setting changes what it says it changes, and nothing breaks with it on."""

import dataclasses
import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.linear import GRADIENT, LinearOptions
from models.methods.table import METHODS
from visionft.data.dataset import Batch, EpochSampler
from visionft.data.types import Snapshot
from visionft.errors import ConfigError
from visionft.heads import solutions
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop import training_data
from visionft.training.loop.batches import FeatureBatches, GrowingSize, sampling_weights
from visionft.training.loop.costs import feature_drift
from visionft.training.loop.mixup_cutmix import MixupCutmix
from visionft.training.loop.model_ema import ModelEma
from visionft.training.loop.objective import Objective, balanced_weights
from visionft.training.loop.ridge_init import set_gentle_head
from visionft.training.loop.schedule import learning_rate_factor
from visionft.training.loop.train import train
from visionft.training.runs.metrics_file import read_metrics

TINY = {"weights": "random", "image_size": 32, "batch_size": 8, "device": "cpu", "epochs": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd"},
        {"mixup": 0.4},
        {"cutmix": 1.0, "mixup": 0.2},
        {"ema_decay": 0.99},
        {"balance": "weights"},
        {"balance": "sampling"},
        {"micro_batch_size": 3},
        {"gradient_checkpointing": True},
        {"precision": "bf16"},
        {"augmentation": "medium"},
        {"gradient_clip": 0.0, "warmup_share": 0.0, "label_smoothing": 0.0},
        {"backbone": "test_vit", "patch_dropout": 0.5},
        {"backbone": "test_resnet", "image_size": 64, "progressive_resizing": 0.5},
        {"workers": 1},
    ],
    ids=str,
)
def test_training_works_with_each_option(changes: dict, snapshot: Snapshot, tmp_path: Path) -> None:
    config = TrainConfig(**{"backbone": "test_vit", "method": "lora", **TINY, **changes})
    result = train(config, snapshot, tmp_path / "run")
    assert result.best and np.isfinite(result.best.val_loss)
    assert result.images_per_second > 0 and result.artefact_bytes > 0 and 0 <= result.feature_drift < 2


def test_micro_batches_change_nothing_but_memory(snapshot: Snapshot, tmp_path: Path) -> None:
    config = TrainConfig(backbone="test_vit", method="lora", precision="fp32", **TINY)
    whole = train(config, snapshot, tmp_path / "a").best
    parts = train(dataclasses.replace(config, micro_batch_size=3), snapshot, tmp_path / "b").best
    assert whole and parts and parts.val_loss == pytest.approx(whole.val_loss, abs=1e-4)


def test_patience_ends_a_run_that_gets_no_better(snapshot: Snapshot, tmp_path: Path) -> None:
    gradient = LinearOptions(solver=GRADIENT)
    config = TrainConfig(
        backbone="test_vit", method="linear", linear=gradient, patience=2, learning_rate=1e-9, **{**TINY, "epochs": 50}
    )
    result = train(config, snapshot, tmp_path / "run")
    assert not result.stopped
    waited = [epoch.waited for epoch in read_metrics(tmp_path / "run")]
    assert waited[-1] == 2 and max(waited[:-1]) < 2 and len(waited) < 50


def test_the_schedule_rises_then_falls_along_a_cosine() -> None:
    factors = [learning_rate_factor(step, total_steps=100, warmup_share=0.1) for step in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[9] == factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5) and factors[100] == pytest.approx(0, abs=1e-9)
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))


def test_balanced_sampling_draws_classes_equally() -> None:
    weights = np.array([1 / 90] * 90 + [1 / 10] * 10)
    sampler = EpochSampler(100, 10, seed=0, shuffle=True, weights=weights)
    drawn = []
    for epoch in range(50):
        sampler.epoch = epoch
        drawn += [key.position for batch in sampler for key in batch]
    assert 0.45 < np.mean(np.array(drawn) >= 90) < 0.55


def test_weights_follow_the_rarest_label(snapshot: Snapshot) -> None:
    images = [dataclasses.replace(snapshot.images[0], labels=labels) for labels in [(0,), (0,), (0, 1), (0,)]]
    assert sampling_weights(images, 3).tolist() == [0.25, 0.25, 1.0, 0.25]


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


def test_processes_share_each_batch() -> None:
    def batches(rank: int, world: int) -> list[list[int]]:
        sampler = EpochSampler(21, 8, seed=0, shuffle=True, rank=rank, world=world)
        return [[key.position for key in batch] for batch in sampler]

    whole, first, second = batches(0, 1), batches(0, 2), batches(1, 2)
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == [sorted(batch) for batch in whole]


def test_a_process_without_a_part_in_the_last_batch_gets_an_empty_one() -> None:
    features = Batch(torch.randn(9, 4), torch.arange(9), torch.arange(9), ())
    sampler = EpochSampler(9, 8, seed=0, shuffle=False, rank=1, world=2)
    assert [len(batch.images) for batch in FeatureBatches(features, sampler).epoch(0)] == [4, 0]


def test_a_single_last_picture_joins_its_neighbours() -> None:
    assert [len(batch) for batch in EpochSampler(17, 8, seed=0, shuffle=True)] == [8, 9]
    assert [len(batch) for batch in EpochSampler(1, 8, seed=0, shuffle=True)] == [1]


def test_mixing_keeps_targets_and_depends_on_the_seed() -> None:
    images, targets = torch.rand(6, 3, 16, 16), torch.eye(6)
    for mixing in (MixupCutmix(0.4, 0), MixupCutmix(0, 1.0)):
        mixed, shares = mixing.mix(images, targets, seed=1)
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(6))
        again, _ = mixing.mix(images, targets, seed=1)
        assert torch.equal(mixed, again) and not torch.equal(mixed, mixing.mix(images, targets, seed=2)[0])
        assert mixed.min() >= 0 and mixed.max() <= 1
    assert not MixupCutmix(0, 0)


def test_cutmix_shares_are_areas() -> None:
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 20, 20).clone()
    mixed, shares = MixupCutmix(0, 1.0).mix(images, torch.eye(4), seed=3)
    for row, picture in zip(shares, mixed, strict=True):
        assert float((row * torch.arange(4.0)).sum()) == pytest.approx(float(picture.mean()), abs=1e-5)


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


@pytest.mark.parametrize(
    ("method", "pictures", "module", "solver"),
    [("lora", 6, training_data, "set_gentle_head"), ("linear", 30, solutions, "fit_head")],
)
def test_a_head_that_only_begins_looks_at_some_of_each_class(
    snapshot: Snapshot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    pictures: int,
    module: ModuleType,
    solver: str,
) -> None:
    honest, seen = getattr(module, solver), []

    def record(*values, **options):
        features, targets = values[-2:]
        seen.append((len(features), len(targets)))
        return honest(*values, **options)

    monkeypatch.setattr(module, solver, record)
    monkeypatch.setattr(training_data, "RIDGE_INIT_PER_CLASS", 2)
    config = TrainConfig(backbone="starter_resnet", method=method, **{**TINY, "weights": "pretrained", "epochs": 1})
    train(config, snapshot, tmp_path / "run")
    assert seen == [(pictures, pictures)]


def test_a_head_to_begin_with_survives_fewer_pictures_than_features() -> None:
    head = torch.nn.Linear(50, 3)
    set_gentle_head(head, torch.randn(6, 50), torch.tensor([0, 1, 2, 0, 1, 2]))
    assert head.weight.isfinite().all() and head.bias.isfinite().all()
    set_gentle_head(head, torch.zeros(4, 50), torch.tensor([0, 1, 2, 0]))
    assert head.weight.isfinite().all()


def test_growing_pictures_end_at_the_whole_size() -> None:
    sizes = [GrowingSize(224, 0.5, 9)(epoch) for epoch in range(1, 10)]
    assert sizes[0] == 128 and sizes[6:] == [224, 224, 224] and sizes == sorted(sizes)


def test_smoothing_and_weights_are_for_training_only() -> None:
    logits, targets = torch.randn(8, 3), torch.randint(0, 3, (8,))
    plain, shaped = Objective("single", 3), Objective("single", 3, 0.2, torch.tensor([1.0, 5.0, 1.0]))
    assert torch.equal(shaped.evaluation_loss(logits, targets), plain.loss(logits, targets))
    assert not torch.equal(shaped.loss(logits, targets), plain.loss(logits, targets))


def test_several_labels_train_with_a_binary_loss(snapshot: Snapshot, tmp_path: Path) -> None:
    images = tuple(
        dataclasses.replace(image, labels=(image.labels[0], (image.labels[0] + 1) % 3)) for image in snapshot.images
    )
    multi = dataclasses.replace(snapshot, task="multi", images=images)
    config = TrainConfig(backbone="test_vit", method="full", **{**TINY, "epochs": 8, "learning_rate": 2e-3})
    result = train(config, multi, tmp_path / "run")
    assert result.best and result.best.val_accuracy > 0.5


def test_drift_is_zero_for_the_same_features() -> None:
    features = torch.randn(5, 8)
    assert feature_drift(features, features * 2) == pytest.approx(0, abs=1e-9)
    assert feature_drift(features, -features) == pytest.approx(2)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "lora", "lora.rank": 99}, "lora.rank"),
        ({"method": "full", "batch_size": 1}, "batch_size"),
        ({"patch_dropout": 0.5}, "patch_dropout"),
        ({"backbone": "test_vit", "progressive_resizing": 0.5}, "progressive_resizing"),
    ],
)
def test_what_cannot_go_together_is_refused(changes: dict, field: str) -> None:
    texts = [f"{key}={value}" for key, value in {"backbone": "test_resnet", **changes}.items()]
    with pytest.raises(ConfigError) as caught:
        check_config(TrainConfig().with_settings(texts))
    assert [problem.field for problem in caught.value.problems] == [field]
