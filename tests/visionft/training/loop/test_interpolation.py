"""Weight interpolation of start and best epoch: tried at the end, kept if validation improves, reported, complete."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.catalog import BACKBONES
from models.classifier import Classifier, build_classifier
from models.methods.table import METHODS
from visionft.data.types import Snapshot
from visionft.events import Event, Notice
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.keeping import Validation, find_interpolation
from visionft.training.loop.train import train
from visionft.training.runs.checkpoint import BEST, START, Checkpoint, load_checkpoint, save_checkpoint
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_trained


def classifier(method: str) -> Classifier:
    return build_classifier(BACKBONES["test_vit"], METHODS[method], classes=3, weights=None, image_size=32).eval()


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


def story(run_dir: Path, config: TrainConfig, monkeypatch, snapshot: Snapshot, seen: list[Validation]) -> list[Event]:
    """Train with simulated validations: of the start, of one epoch, and of the three interpolations."""
    answers = iter(seen)
    monkeypatch.setattr("visionft.training.loop.keeping.validate", lambda *_: next(answers))
    events: list[Event] = []
    train(config, snapshot, run_dir, job=JobContext(events.append))
    return events


START_SEEN, EPOCH_SEEN = Validation(1.0, 0.5, 100), Validation(0.6, 0.8, 100)


def test_better_weights_between_are_kept_and_said(snapshot, tmp_path, monkeypatch, tiny, tensors) -> None:
    between = [Validation(0.55, 0.8, 100), Validation(0.5, 0.85, 100), Validation(0.4, 0.7, 100)]
    events = story(tmp_path / "run", tiny(epochs=1), monkeypatch, snapshot, [START_SEEN, EPOCH_SEEN, *between])
    run = read_run(tmp_path / "run")
    assert run.best and (run.best.epoch, run.best.share, run.best.val_accuracy) == (1, 0.5, 0.85)
    assert run.result and run.result.best == run.best and [epoch.epoch for epoch in run.epochs] == [0, 1]
    assert any("50%" in event.message for event in events if isinstance(event, Notice))
    best, last = (tensors(tmp_path / "run", name) for name in ("best", "last"))
    head = next(name for name in best if name.endswith("weight") and "lora" not in name)
    assert not torch.allclose(best[head], last[head])
    assert all(torch.equal(best[name], last[name]) for name in best if ".lora_A." in name)
    assert not (tmp_path / "run" / START).exists()
    load_trained(run)


@pytest.mark.parametrize("worse", [Validation(0.7, 0.9, 100), Validation(0.5, 0.79, 100)], ids=["loss", "accuracy"])
def test_the_epoch_stays_where_nothing_between_is_better(worse, snapshot, tmp_path, monkeypatch, tiny, tensors) -> None:
    story(tmp_path / "run", tiny(epochs=1), monkeypatch, snapshot, [START_SEEN, EPOCH_SEEN, *[worse] * 3])
    best, last = (tensors(tmp_path / "run", name) for name in ("best", "last"))
    assert all(torch.equal(best[name], last[name]) for name in best)
    assert read_metrics(tmp_path / "run")[-1].share == 1 and not (tmp_path / "run" / START).exists()


def test_a_kill_after_it_was_kept_and_before_it_was_noted_is_made_good(snapshot, tmp_path, tiny) -> None:
    run_dir = tmp_path / "run"
    train(tiny("full", interpolation=False), snapshot, run_dir)
    model = load_checkpoint(run_dir / BEST).model
    best = read_run(run_dir).best
    assert best and best.epoch
    save_checkpoint(run_dir, START, Checkpoint(model=model, optimizer={}, state={}))
    save_checkpoint(run_dir, BEST, Checkpoint(model=model, optimizer={}, state={"epoch": best.epoch, "share": 0.25}))
    trained = load_trained(read_run(run_dir)).classifier
    found = find_interpolation(run_dir, trained, lambda: Validation(0.3, 0.9, 9))
    assert found == replace(best, share=0.25, val_loss=0.3, val_accuracy=0.9)


@pytest.mark.parametrize("changes", [{"interpolation": False}, {"method": "prefix"}, {"method": "linear"}], ids=str)
def test_it_is_left_out_where_it_is_off_or_means_nothing(changes, snapshot, tmp_path, tiny) -> None:
    train(tiny(**{"method": "lora", **changes}), snapshot, tmp_path / "run")
    assert all(json.loads(line)["share"] == 1 for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert not (tmp_path / "run" / START).exists()
