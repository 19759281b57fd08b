"""Weights between the start and the best epoch: tried at the end, kept where they validate better, said, and whole."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.catalog import BACKBONES
from models.classifier import Classifier, build_classifier
from models.methods.table import METHODS
from visionft.data.types import Snapshot
from visionft.events import Event, Notice
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop import interpolation
from visionft.training.loop.train import train
from visionft.training.loop.validation import Validation
from visionft.training.runs.checkpoint import BEST, START, Checkpoint, load_checkpoint, save_checkpoint
from visionft.training.runs.loaded_run import load_trained
from visionft.training.runs.metrics_file import read_metrics
from visionft.training.runs.run_folder import read_run

TINY = {"weights": "random", "image_size": 32, "batch_size": 8, "device": "cpu", "epochs": 2}


def tiny(method: str, **changes) -> TrainConfig:
    return TrainConfig(**{"backbone": "test_vit", "method": method, **TINY, **changes})


def classifier(method: str, seed: int = 0) -> Classifier:
    return build_classifier(
        BACKBONES["test_vit"], METHODS[method], classes=3, weights=None, image_size=32, seed=seed
    ).eval()


@pytest.mark.parametrize("method", ["full", "lora", "adapter"])
def test_the_ends_of_the_way_are_the_ends(method: str) -> None:
    start, end = classifier(method), classifier(method)
    with torch.no_grad():
        for value in end.trainable_state().values():
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    first, last = ({n: v.clone() for n, v in each.trainable_state().items()} for each in (start, end))
    pictures = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))

    def outputs(share: float) -> torch.Tensor:
        middle = classifier(method)
        middle.load_trainable_state(middle.interpolated(first, last, share))
        return middle(pictures)

    assert torch.allclose(outputs(0.0), start(pictures), atol=1e-5)
    assert torch.allclose(outputs(1.0), end(pictures), atol=1e-5)
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


def story(run_dir: Path, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot, seen: list[Validation]) -> list[Event]:
    """Train with made-up validations: of the start, of one epoch, and of the three ways between."""
    answers = iter(seen)
    monkeypatch.setattr("visionft.training.loop.keeping.validate", lambda *_: next(answers))
    events: list[Event] = []
    train(tiny("lora", epochs=1), snapshot, run_dir, on_event=events.append)
    return events


START_SEEN, EPOCH_SEEN = Validation(1.0, 0.5, 100), Validation(0.6, 0.8, 100)


def test_better_weights_between_are_kept_and_said(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    between = [Validation(0.55, 0.8, 100), Validation(0.5, 0.85, 100), Validation(0.4, 0.7, 100)]
    events = story(tmp_path / "run", monkeypatch, snapshot, [START_SEEN, EPOCH_SEEN, *between])
    run = read_run(tmp_path / "run")
    assert run.best and (run.best.epoch, run.best.share, run.best.val_accuracy) == (1, 0.5, 0.85)
    assert run.result and run.result.best == run.best and [epoch.epoch for epoch in run.epochs] == [0, 1]
    assert any("50% of the way" in event.message for event in events if isinstance(event, Notice))
    best, last = (load_file(tmp_path / "run" / name / "model.safetensors") for name in ("best", "last"))
    head = next(name for name in best if name.endswith("weight") and "lora" not in name)
    assert not torch.allclose(best[head], last[head])
    assert all(torch.equal(best[name], last[name]) for name in best if ".lora_A." in name)
    assert not (tmp_path / "run" / START).exists()
    load_trained(run)


@pytest.mark.parametrize(
    "between",
    [[Validation(0.7, 0.9, 100)] * 3, [Validation(0.5, 0.79, 100)] * 3],
    ids=["higher loss", "lower accuracy"],
)
def test_the_epoch_stays_where_nothing_between_is_better(
    between: list[Validation], snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story(tmp_path / "run", monkeypatch, snapshot, [START_SEEN, EPOCH_SEEN, *between])
    best, last = (load_file(tmp_path / "run" / name / "model.safetensors") for name in ("best", "last"))
    assert all(torch.equal(best[name], last[name]) for name in best)
    assert read_metrics(tmp_path / "run")[-1].share == 1 and not (tmp_path / "run" / START).exists()


def test_a_kill_after_it_was_kept_and_before_it_was_noted_is_made_good(snapshot: Snapshot, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    train(tiny("full", interpolation=False), snapshot, run_dir)
    model = load_checkpoint(run_dir / BEST).model
    best = read_run(run_dir).best
    assert best and best.epoch
    save_checkpoint(run_dir, START, Checkpoint(model=model, optimizer={}, state={}))
    save_checkpoint(run_dir, BEST, Checkpoint(model=model, optimizer={}, state={"epoch": best.epoch, "share": 0.25}))
    trained = load_trained(read_run(run_dir)).classifier
    found = interpolation.find_between(run_dir, trained, lambda: Validation(0.3, 0.9, 9))
    assert found == replace(best, share=0.25, val_loss=0.3, val_accuracy=0.9)


@pytest.mark.parametrize("changes", [{"interpolation": False}, {"method": "prefix"}, {"method": "linear"}], ids=str)
def test_it_is_left_out_where_it_is_off_or_means_nothing(changes: dict, snapshot: Snapshot, tmp_path: Path) -> None:
    train(tiny(**{"method": "lora", **changes}), snapshot, tmp_path / "run")
    assert all(json.loads(line)["share"] == 1 for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert not (tmp_path / "run" / START).exists()
