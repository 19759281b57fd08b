"""Probes of backbones: measured on the user's held-out images, reported with uncertainty, cancelled at once."""

from dataclasses import replace

import pytest

from visionft.data.types import Snapshot
from visionft.errors import RunError
from visionft.events import Progress
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.probing import Probe, best_probe, evidence, probe_backbones

CONFIG = TrainConfig(device="cpu")


def probe(backbone: str, accuracy: float | None, milliseconds: float, images: int = 400) -> Probe:
    return Probe(backbone=backbone, accuracy=accuracy, images=images, milliseconds=milliseconds, seconds=milliseconds)


def test_each_backbone_is_measured_on_the_same_images(snapshot) -> None:
    events = []
    found = probe_backbones(("starter_resnet", "starter_vit"), CONFIG, snapshot, job=JobContext(events.append))
    assert [each.backbone for each in found] == ["starter_resnet", "starter_vit"]
    assert all(each.images == 30 and each.accuracy == 1.0 and each.milliseconds > 0 for each in found)
    assert all(each.milliseconds < 1000 * each.seconds for each in found)
    stages = {event.stage for event in events if isinstance(event, Progress)}
    assert {stage.values["title"] for stage in stages} == {"Starter ResNet", "Starter ViT"}
    assert "100.0%" in evidence(found) and "30" in evidence(found)


def test_of_those_that_cannot_be_told_apart_the_preferred_is_taken_unless_it_is_much_slower() -> None:
    accurate, quick, weak = (
        probe("starter_vit", 0.90, 30),
        probe("resnet18_in1k", 0.89, 10),
        probe("starter_resnet", 0.80, 5),
    )
    assert best_probe((accurate, quick, weak)) is quick
    assert best_probe((replace(accurate, milliseconds=19), quick, weak)).backbone == "starter_vit"
    assert best_probe((quick, replace(accurate, milliseconds=6), weak)) is quick
    assert best_probe((replace(accurate, images=40_000), quick)).backbone == "starter_vit"
    with pytest.raises(RunError, match="backbone"):
        best_probe(())


def test_stopping_keeps_what_was_measured(snapshot, stop_after) -> None:
    assert probe_backbones(("starter_resnet",), CONFIG, snapshot, job=JobContext(cancelled=stop_after(1))) == ()


def test_one_image_a_class_says_nothing_and_is_said_to(snapshot) -> None:
    ones = {}
    for image in snapshot.labelled("train"):
        ones.setdefault(image.labels, image)
    few = Snapshot(snapshot.task, snapshot.class_names, (*ones.values(), *snapshot.labelled("val")))
    found = probe_backbones(("starter_resnet",), CONFIG, few)
    assert found[0].accuracy is None and evidence(found)
