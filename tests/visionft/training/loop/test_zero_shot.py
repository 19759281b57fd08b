"""A run from prompts: without a label, without training; stored, evaluated, exported, described honestly."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from models.text.class_texts import DEFAULT_TEMPLATES, TEMPLATE_SETS
from visionft.core.errors import ConfigError, RunError
from visionft.core.events import Notice
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.data.decode import decode
from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.export.predictor import Predictor
from visionft.project.edits.changes import AssignSplits, UnlabelImages
from visionft.project.edits.class_changes import SetPrompts
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import estimate_run
from visionft.training.evaluation.report import evaluate_splits
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import read_run


@pytest.fixture
def project(planted: Path, tmp_path: Path):
    with ProjectStore.create(tmp_path / "project") as opened:
        import_source(opened, planted)
        yield opened


@pytest.fixture
def config(tiny_clip: str) -> TrainConfig:
    return TrainConfig(backbone=tiny_clip, method="zero_shot", device="cpu")


def unlabelled(project: ProjectStore) -> Snapshot:
    project.apply(UnlabelImages(tuple(image.image_id for image in project.snapshot().images)))
    return project.snapshot()


def divided(project: ProjectStore) -> Snapshot:
    """Put every second image into training, the others into validation."""
    ids = [image.image_id for image in project.snapshot().images]
    project.apply(AssignSplits({each: "val" if place % 2 else "train" for place, each in enumerate(ids)}))
    return project.snapshot()


def read(words: str) -> str:
    """Return a text of the usual template."""
    return TEMPLATE_SETS[DEFAULT_TEMPLATES][0].format(words)


def test_a_project_without_a_label_answers_and_says_what_is_not_known(project, config, tmp_path) -> None:
    images, told = unlabelled(project), []
    run_dir = project.path / "runs" / "001-zero"
    result = train(config, images, run_dir, job=JobContext(told.append))
    run = read_run(run_dir)
    assert result.best and result.best.val_accuracy is None and result.best.epoch == 0 and run.has_weights
    assert json.loads((run_dir / "prompts.json").read_text(encoding="utf-8"))["red"] == [read("red")]
    assert any("blue, green, red" in event.message for event in told if isinstance(event, Notice))
    with pytest.raises(RunError):
        evaluate_splits(run_dir, images, ("val",), job=SILENT_JOB)
    assert estimate_run(config, images).seconds > 0


@pytest.mark.slow
def test_answers_are_the_planted_ones_and_two_runs_are_equal(project, config) -> None:
    images = divided(project)
    results = [train(config, images, project.path / "runs" / name) for name in ("001-a", "002-b")]
    assert results[0].best and results[0].best.val_accuracy == 1.0
    files = [project.path / "runs" / name / "best" / "model.safetensors" for name in ("001-a", "002-b")]
    first, second = map(load_file, files)
    assert first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
    (report,) = evaluate_splits(project.path / "runs" / "001-a", images, ("val",), job=SILENT_JOB)
    assert report.top1 == 1.0


@pytest.mark.slow
def test_prompts_decide_and_equal_ones_are_warned_of(project, config, warnings) -> None:
    project.apply(SetPrompts({"red": ("blue",), "blue": ("red",), "green": ("a {} thing", "green")}))
    images, told = divided(project), []
    result = train(config, images, project.path / "runs" / "001-a", job=JobContext(told.append))
    assert result.best and result.best.val_accuracy is not None and result.best.val_accuracy < 0.5
    texts = json.loads((project.path / "runs" / "001-a" / "prompts.json").read_text(encoding="utf-8"))
    assert texts == {"blue": [read("red")], "green": ["a green thing", read("green")], "red": [read("blue")]}
    assert not any("red" in event.message for event in told if isinstance(event, Notice))  # no name stands alone
    project.apply(SetPrompts({"red": ("sky",), "blue": ("Sky",)}))
    train(config, project.snapshot(), project.path / "runs" / "002-b", job=JobContext(told.append))
    assert any("blue, red" in each for each in warnings(told))


def test_what_cannot_be_done_is_refused_with_every_fault(project, tiny_clip) -> None:
    images = unlabelled(project)
    assert not config_problems(TrainConfig(backbone=tiny_clip, method="zero_shot"), images)
    with pytest.raises(ConfigError, match="zero_shot.*resnet18.*pe_core_s"):
        train(TrainConfig(backbone="resnet18", method="zero_shot"), images, project.path / "runs" / "x")
    (problem,) = config_problems(TrainConfig(backbone=tiny_clip, method="zero_shot", weights="random"), images)
    assert problem.field == "weights"
    one = Snapshot("single", ("red",), images.images)
    assert config_problems(TrainConfig(backbone=tiny_clip, method="zero_shot"), one)
    assert config_problems(TrainConfig(backbone=tiny_clip, method="linear"), images)  # others want labels


@pytest.mark.slow
def test_the_export_needs_neither_labels_nor_words(project, config, tmp_path) -> None:
    images, told = unlabelled(project), []
    train(config, images, project.path / "runs" / "001-a")
    result = export_run(project.path / "runs" / "001-a", images, tmp_path / "out", job=JobContext(told.append))
    assert result.parity.is_equal and result.temperature == 1.0
    assert any("not calibrated" in event.message for event in told if isinstance(event, Notice))
    predictor = Predictor(tmp_path / "out" / "model.onnx")
    for image in images.images[::5]:
        answer = predictor.class_names[int(predictor.probabilities(decode(image.path)[None])[0].argmax())]
        assert answer == image.path.parent.name
