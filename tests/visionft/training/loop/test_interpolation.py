"""Weight interpolation between start and epoch: kept if validation improves, reported, complete."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.catalog import BACKBONES
from models.classifier import Classifier, build_classifier
from models.methods.full import FullOptions
from models.methods.table import METHODS
from visionft.data.types import Snapshot
from visionft.evaluation.report import evaluate_run, run_logits
from visionft.events import EpochDone, Event, Notice
from visionft.jobs import JobContext
from visionft.training.config.train_config import AUTOMATIC_PATIENCE, TrainConfig
from visionft.training.loop import keeping
from visionft.training.loop.train import resume, train
from visionft.training.loop.training_data import Judged, TrainingData
from visionft.training.runs.checkpoint import START
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_run_model


def classifier(method: str) -> Classifier:
    return build_classifier(BACKBONES["test_vit"], METHODS[method], classes=3, weights=None, shape=(32, 32)).eval()


@pytest.mark.parametrize("method", ["full", "lora", "adapter"])
def test_the_ends_of_the_way_are_the_ends(method) -> None:
    start, end = classifier(method), classifier(method)
    with torch.no_grad():
        for value in end.trainable_state().values():
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    first, last = ({n: v.clone() for n, v in each.trainable_state().items()} for each in (start, end))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))

    def outputs(share: float) -> torch.Tensor:
        middle = classifier(method)
        middle.load_trainable_state(middle.interpolated(first, last, share))
        return middle(images)

    assert torch.allclose(outputs(0.0), start(images), atol=1e-5)
    assert torch.allclose(outputs(1.0), end(images), atol=1e-5)
    assert not torch.allclose(outputs(0.5), outputs(1.0), atol=1e-3)


def test_half_of_a_lora_update_is_half_of_the_change_of_the_weights() -> None:
    start, end = classifier("lora"), classifier("lora")
    with torch.no_grad():
        for name, value in end.trainable_state().items():
            if ".lora_" in name:
                value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(len(name))) * 0.1)
    halfway = classifier("lora")
    halfway.load_trainable_state(halfway.interpolated(start.trainable_state(), end.trainable_state(), 0.5))
    first, half, last = (each.merged().blocks[0].attn.qkv.weight for each in (start, halfway, end))
    assert torch.allclose(half, (first + last) / 2, atol=1e-6) and not torch.allclose(first, last, atol=1e-3)


CALIBRATE = TrainingData.calibrate_head
PRETRAINED = {"backbone": "starter_vit", "weights": "pretrained"}


def story(run_dir: Path, config: TrainConfig, monkeypatch, snapshot: Snapshot, losses: list) -> list[Event]:
    """Train with simulated losses on the validation images: of the epoch, and of each interpolation."""
    answers = iter(losses)

    def calibrate(data: TrainingData, **how: bool) -> Judged:
        found = CALIBRATE(data, **how)
        return Judged(found.losses * 0 + next(answers), found.right * 0)

    monkeypatch.setattr(TrainingData, "calibrate_head", calibrate)
    events: list[Event] = []
    train(config, snapshot, run_dir, job=JobContext(events.append))
    assert next(answers, None) is None
    return events


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_better_weights_between_are_kept_and_said(method, snapshot, tmp_path, monkeypatch, tiny, tensors) -> None:
    config = tiny(method, **PRETRAINED, epochs=1)
    events = story(tmp_path / "run", config, monkeypatch, snapshot, [0.6, 0.55, 0.5, 0.52])
    run = read_run(tmp_path / "run")
    assert run.best and (run.best.epoch, run.best.share) == (1, 0.5)
    assert run.result and run.result.best == run.best and [epoch.epoch for epoch in run.epochs] == [0, 1]
    assert any("50%" in event.message for event in events if isinstance(event, Notice))
    best, last = (tensors(tmp_path / "run", name) for name in ("best", "last"))
    assert not all(torch.equal(best[name], last[name]) for name in best)
    assert all(torch.equal(best[name], last[name]) for name in best if ".lora_A." in name)
    assert not (tmp_path / "run" / START).exists()
    assert evaluate_run(tmp_path / "run", snapshot, "val").top1 == run.best.val_accuracy


@pytest.mark.slow
def test_the_epoch_stays_where_nothing_between_is_better(snapshot, tmp_path, monkeypatch, tiny, tensors) -> None:
    monkeypatch.setattr(keeping, "LEAST_IMAGES", 9)
    story(tmp_path / "run", tiny("full", **PRETRAINED, epochs=1), monkeypatch, snapshot, [0.4, 0.6, 0.5, 0.6])
    best, last = (tensors(tmp_path / "run", name) for name in ("best", "last"))
    assert all(torch.equal(best[name], last[name]) for name in best)
    assert read_metrics(tmp_path / "run")[-1].share == 1 and not (tmp_path / "run" / START).exists()


@pytest.mark.slow
def test_the_linear_probe_is_kept_where_nothing_trained_is_better(
    snapshot, tmp_path, monkeypatch, tiny, tensors
) -> None:
    unclear = np.resize([0.0, 0.88], 9)  # lower in the mean, by less than half a standard error
    config = tiny("full", **PRETRAINED, epochs=2)
    story(tmp_path / "run", config, monkeypatch, snapshot, [0.4, 0.45, unclear, 0.5])
    run = read_run(tmp_path / "run")
    assert run.best and run.best.epoch == 0 and [epoch.epoch for epoch in run.epochs if epoch.is_best] == [0]
    assert evaluate_run(tmp_path / "run", snapshot, "val").top1 == run.best.val_accuracy
    body = [name for name in tensors(tmp_path / "run", "best") if "head" not in name and "fc" not in name]
    best, last = (tensors(tmp_path / "run", name) for name in ("best", "last"))
    assert not all(torch.equal(best[name], last[name]) for name in body)


@pytest.mark.slow
def test_a_kill_after_it_was_kept_and_before_it_was_noted_is_made_good(snapshot, tmp_path, monkeypatch, tiny) -> None:
    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    config, losses = tiny("full", **PRETRAINED, epochs=1), [0.6, 0.55, 0.5, 0.52]
    story(tmp_path / "whole", config, monkeypatch, snapshot, losses)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(keeping, "append_metrics", ends)
        story(tmp_path / "run", config, monkeypatch, snapshot, losses)
    assert (before := read_run(tmp_path / "run").best) is not None and before.epoch == 0
    story(tmp_path / "run", config, monkeypatch, snapshot, losses)
    best, whole = read_run(tmp_path / "run").best, read_run(tmp_path / "whole").best
    assert best and whole and best.share == 0.5 and best.figures == whole.figures


@pytest.mark.slow
def test_weights_on_the_way_are_tried_after_three_epochs_and_a_resumed_run_remembers(
    snapshot, tmp_path, monkeypatch, tiny
) -> None:
    config = tiny("full", **PRETRAINED, epochs=5)
    first, last = [0.6, 0.55, 0.5, 0.52], [0.6, 0.51, 0.53]  # the probe once; the end is worse than after 3 epochs
    events = story(tmp_path / "run", config, monkeypatch, snapshot, [*first, *last])
    best = read_run(tmp_path / "run").best
    assert best and (best.epoch, best.share) == (3, 0.5)
    kept = [(each.epoch, each.share) for each in events if isinstance(each, EpochDone) and each.is_best]
    assert kept == [(0, 1.0), (3, 0.5)]
    stopped = []

    def stops(event: Event) -> None:
        stopped.append(isinstance(event, EpochDone) and event.epoch == 3)

    answers = iter([*first, 0.6, 0.55, *last[1:]])  # the probe again: it is not stored

    def calibrate(data: TrainingData, **how: bool) -> Judged:
        found = CALIBRATE(data, **how)
        return Judged(found.losses * 0 + next(answers), found.right * 0)

    monkeypatch.setattr(TrainingData, "calibrate_head", calibrate)
    train(config, snapshot, tmp_path / "again", job=JobContext(stops, lambda: any(stopped)))
    resume(tmp_path / "again")
    assert next(answers, None) is None and read_run(tmp_path / "again").best.figures == best.figures


@pytest.mark.parametrize("changes", [{"method": "prefix"}, {"method": "linear"}, {"weights": "random"}], ids=str)
def test_it_is_left_out_where_it_means_nothing(changes, snapshot, tmp_path, tiny) -> None:
    train(tiny(**{"method": "lora", **PRETRAINED, **changes}), snapshot, tmp_path / "run")
    assert all(json.loads(line)["share"] == 1 for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert not (tmp_path / "run" / START).exists()


@pytest.mark.slow
def test_a_run_with_too_little_to_gain_ends_at_its_start(snapshot, tmp_path, tiny) -> None:
    """The colours of the images are told apart without training: nothing is left to gain."""
    config = tiny("full", "starter_resnet", weights="pretrained", image_size=64, epochs=3)
    events = []
    settled = train(
        replace(config, patience=AUTOMATIC_PATIENCE), snapshot, tmp_path / "a", job=JobContext(events.append)
    )
    assert settled.best is not None and settled.best.epoch == 0 and not settled.stopped
    assert [each.epoch for each in events if isinstance(each, EpochDone)] == [0]
    trained = train(config, snapshot, tmp_path / "b", job=JobContext(events.append))
    assert trained.best is not None and max(each.epoch for each in events if isinstance(each, EpochDone)) == 3


@pytest.mark.slow
def test_epoch_0_of_balanced_is_the_head_of_quick(snapshot, tmp_path, tiny) -> None:
    common = {"backbone": "starter_resnet", "weights": "pretrained", "image_size": 64, "epochs": 1}
    quick = tiny("linear", **common)
    balanced = replace(
        tiny("full", **common), methods={"full": FullOptions(layers="joined")}, patience=AUTOMATIC_PATIENCE
    )
    logits = []
    for name, config in (("a", quick), ("b", balanced)):
        train(config, snapshot, tmp_path / name)
        model = load_run_model(read_run(tmp_path / name))
        logits.append(run_logits(model, snapshot, "test").values)
    np.testing.assert_allclose(logits[0], logits[1], rtol=1e-3, atol=1e-2)  # stored features are float16
