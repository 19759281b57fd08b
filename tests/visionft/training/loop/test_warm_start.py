"""Warm start of a new run from an earlier one: the same predictions at first, classes matched by name."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.classifier import build_classifier
from models.methods.adapter import AdapterOptions
from visionft.core.errors import RunError
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.run_context import warm_start
from visionft.training.loop.train import resume, train
from visionft.training.runs.run_folder import delete_weights, read_run
from visionft.training.runs.run_model import load_run_model

CONFIG = TrainConfig(
    backbone="test_resnet",
    method="adapter",
    weights="random",
    image_size=32,
    epochs=1,
    batch_size=8,
    device="cpu",
    workers=0,
)
FIRST = "001-test_resnet-adapter"


@pytest.fixture
def project(snapshot: Snapshot, tmp_path: Path) -> Path:
    train(CONFIG, snapshot, tmp_path / "runs" / FIRST)
    return tmp_path


def fresh(classes: int, **changes):
    config = replace(CONFIG, start_from=FIRST, **changes)
    return config, build_classifier(
        config.backbone_row,
        config.method_row,
        classes=classes,
        options=config.method_options,
        weights=None,
        shape=(32, 32),
        seed=9,
    ).eval()


def test_it_has_the_weights_of_the_earlier_run_classes_are_matched_by_name_and_new_ones_start_fresh(project) -> None:
    config, classifier = fresh(4)
    before = classifier.head.weight.detach().clone()
    warm_start(classifier, config, ("red", "violet", "blue", "green"), project)
    learnt = classifier.trainable_state()
    known = load_run_model(read_run(project / "runs" / FIRST)).classifier.trainable_state()
    assert learnt.keys() == known.keys()
    for name, value in known.items():
        own = learnt[name][[2, 3, 0]] if name.startswith("fc.") else learnt[name]  # blue, green, red
        assert torch.equal(own, value)
    assert torch.equal(classifier.head.weight[1], before[1])


def test_a_whole_run_goes_on_from_it_and_can_itself_be_resumed(project, snapshot, stop_after) -> None:
    second = project / "runs" / "002-test_resnet-adapter"
    config = replace(CONFIG, start_from=FIRST, epochs=2, learning_rate=1e-7)
    first = read_run(project / "runs" / FIRST).best
    stopped = train(config, snapshot, second, job=JobContext(cancelled=stop_after(13)))
    assert stopped.stopped and read_run(second).config.start_from == FIRST
    # Resuming reads the run's own checkpoint: the earlier run may be deleted by then.
    delete_weights(read_run(project / "runs" / FIRST))
    result = resume(second)
    assert not result.stopped and result.best is not None and first is not None
    assert result.best.val_loss == pytest.approx(first.val_loss, abs=0.01)  # it hardly learns: equal predictions


def test_what_does_not_fit_is_refused_and_leaves_no_folder(project, snapshot) -> None:
    third = project / "runs" / "003-run"
    for changes, words in (
        ({"start_from": "7"}, "'7'"),
        ({"method": "lora"}, "adapter.*lora"),
        ({"backbone": "test_vit"}, "test_resnet.*test_vit"),
        ({"methods": {"adapter": AdapterOptions(bottleneck=3)}}, FIRST),
    ):
        with pytest.raises(RunError, match=words):
            train(replace(CONFIG, **{"start_from": FIRST, **changes}), snapshot, third)
    delete_weights(read_run(project / "runs" / FIRST))
    with pytest.raises(RunError, match=FIRST):
        train(replace(CONFIG, start_from=FIRST), snapshot, third)
    assert not third.exists()
