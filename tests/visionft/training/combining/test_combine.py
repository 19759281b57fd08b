"""Ensembles are runs: of finished ones, evaluated, explained, used for suggestions; refused where unsuitable."""

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.heads.calibration import softmax
from visionft.analysis.suggestions import read_suggestions, suggest_labels
from visionft.core.errors import RunError, VisionFTError
from visionft.core.events import Notice
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training import combining
from visionft.training.combining import combine
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.explain import explain_images
from visionft.training.evaluation.explanation import ExplanationRequest
from visionft.training.evaluation.report import evaluate_run, run_logits
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.loop.train import train
from visionft.training.runs.manifest import read_parts, write_parts
from visionft.training.runs.run_folder import StoredRun, delete_weights, list_runs, load_run, read_run
from visionft.training.runs.run_model import load_run_model
from visionft.training.runs.run_titles import titles_of_runs


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the project folder with the runs."""
    return shutil.copytree(trained, tmp_path / "project")


def notices(told: list[str]) -> JobContext:
    return JobContext(lambda event: told.append(event.message) if isinstance(event, Notice) else None)


def changed(snapshot: Snapshot, change: Callable[[SnapshotImage], SnapshotImage]) -> Snapshot:
    return dataclasses.replace(snapshot, images=tuple(map(change, snapshot.images)))


@pytest.fixture
def combined(project: Path, snapshot: Snapshot) -> StoredRun:
    """Return the combination of runs 1 and 2."""
    return load_run(project, combine(project, ["1", "2"], snapshot).run)


@pytest.mark.slow
def test_a_combination_is_a_run_like_any_other(project: Path, snapshot: Snapshot) -> None:
    found = combine(project, ["1", "2"], snapshot, title="Both")
    run = load_run(project, found.run)
    assert dataclasses.replace(combine(project, ["1", "2"], snapshot), run=run.name) == found  # reproducible
    heaviest = max(run.parts, key=lambda part: part.share).run
    assert run.name == f"004-{heaviest.split('-')[1]}-combined"
    assert (run.title, run.has_weights, run.is_unfinished, run.faults) == ("Both", True, False, {})
    assert {part.run for part in run.parts} == {"001-test_resnet-linear", "002-test_vit-lora"}
    assert sum(part.share for part in run.parts) == pytest.approx(1)
    assert run.best is not None and run.best.val_accuracy == found.accuracy
    evaluation = evaluate_run(run.path, snapshot, "test")
    stored = read_evaluation(run.path, "test")
    assert stored is not None and stored.top1 == evaluation.top1
    assert titles_of_runs(list_runs(project))[run.name] == "Both"


def test_its_answers_are_the_weighted_ones_of_its_parts(project: Path, combined: StoredRun, snapshot) -> None:
    together = run_logits(load_run_model(combined), snapshot, "test")
    expected = np.ones((len(together.values), len(combined.class_names)))
    for part in combined.parts:
        alone = load_run(project, part.run)
        values = run_logits(load_run_model(alone), snapshot, "test").values
        order = [alone.class_names.index(name) for name in combined.class_names]
        expected *= softmax(values / part.temperature)[:, order] ** part.share
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax(together.values), expected, atol=1e-5)


def test_suggestions_and_explanations_come_from_all_parts(combined: StoredRun, snapshot: Snapshot) -> None:
    images = changed(snapshot, lambda each: dataclasses.replace(each, labels=()) if each.split == "test" else each)
    report = suggest_labels(combined.path, images)
    assert report.suggested == len(read_suggestions(combined.path)) == len(snapshot.labelled("test"))
    (explained,) = explain_images(combined.path, [ExplanationRequest(image_id=1, path=snapshot.images[0].path)])
    assert set(explained.method.split(" + ")) == {"Grad-CAM", "attention"}
    assert explained.heat.shape == (28, 28) and 0 <= explained.heat.min() <= explained.heat.max() <= 1
    assert len(explained.random_deletion) == 12 and explained.verdict


def test_images_that_a_part_learnt_from_do_not_decide(project: Path, snapshot: Snapshot) -> None:
    trained_on = [image.image_id for image in snapshot.labelled("train")][:5]
    told: list[str] = []
    images = changed(snapshot, lambda i: dataclasses.replace(i, split="val") if i.image_id in trained_on else i)
    found = combine(project, ["1", "2"], images, job=notices(told))
    assert (found.images, found.left_out) == (len(snapshot.labelled("val")), 5)
    assert any(message.values["count"] == 5 for message in told)


def test_there_must_be_two_runs_and_a_stop_keeps_nothing(project: Path, snapshot: Snapshot) -> None:
    for runs in (["1"], ["1", "001-test_resnet-linear"], ["1", "9"]):
        with pytest.raises(RunError):
            combine(project, runs, snapshot)
    with pytest.raises(JobCancelled):
        combine(project, ["1", "2"], snapshot, job=JobContext(cancelled=lambda: True))
    assert len(list_runs(project)) == 3


@pytest.mark.slow
def test_training_images_that_every_run_held_out_decide_with_the_validation_images(
    project: Path, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrainConfig(backbone="test_vit", method="linear", weights="random", image_size=48, device="cpu", workers=0)
    train(config, snapshot, project / "runs" / "009-test_vit-linear")
    both = combine(project, ["1", "9"], snapshot)
    assert both.held_out == len(snapshot.labelled("train")) and both.images == len(snapshot.labelled("val"))
    assert combine(project, ["1", "2"], snapshot).held_out == 0  # a fine-tuned run has no held-out images
    images = changed(snapshot, lambda each: dataclasses.replace(each, split="test") if each.split == "train" else each)
    assert combine(project, ["1", "9"], images).held_out == 0  # the test split tells nothing
    monkeypatch.setattr(combining, "MAX_HELD_OUT_IMAGES", 7)
    assert combine(project, ["1", "9"], snapshot).held_out == 7


def test_what_a_full_disk_or_a_kill_leaves_is_no_run_and_goes_with_the_next(project, snapshot, monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def ends(self: Path, target: Path) -> Path:
        if target.parent == project / "runs":
            raise KeyboardInterrupt
        return rename(self, target)

    before, rename = list_runs(project), Path.rename
    with monkeypatch.context() as patched, pytest.raises(VisionFTError):
        patched.setattr(os, "fsync", fails)
        combine(project, ["1", "2"], snapshot)
    assert [each.name for each in sorted((project / "runs").iterdir())] == [each.name for each in before]
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        patched.setattr(Path, "rename", ends)
        combine(project, ["1", "2"], snapshot)
    assert list_runs(project) == before and len(list((project / "runs").iterdir())) > len(before)
    found = combine(project, ["1", "2"], snapshot)
    names = sorted(each.name for each in (project / "runs").iterdir())
    assert names == [*(each.name for each in before), found.run]


def test_nobody_can_train_a_combination_or_on_from_one_and_a_damaged_one_says_so(project, combined, snapshot) -> None:
    assert [problem.field for problem in config_problems(TrainConfig(method="combined"))] == ["method"]
    config = dataclasses.replace(load_run(project, "1").config, start_from=combined.name)
    with pytest.raises(RunError, match="002-test_vit-lora"):
        train(config, snapshot, project / "runs" / "009-new")
    best = combined.path / "best"
    write_parts(best, [dataclasses.replace(part, share=0.5) for part in read_parts(best)])
    with pytest.raises(RunError, match="damaged"):
        evaluate_run(combined.path, snapshot)
    (best / "combined.json").write_text("[{]")
    with pytest.raises(RunError, match=combined.name):
        read_run(combined.path)


@pytest.mark.slow
def test_several_labels(snapshot: Snapshot, tmp_path: Path) -> None:
    several = changed(
        dataclasses.replace(snapshot, task="multi"),
        lambda each: dataclasses.replace(each, labels=tuple(sorted({each.labels[0], each.image_id % 3}))),
    )
    for number, size in enumerate((32, 64), start=1):
        config = TrainConfig(
            backbone="test_resnet",
            method="linear",
            weights="random",
            image_size=size,
            device="cpu",
            workers=0,
            seed=number,
        )
        train(config, several, tmp_path / "runs" / f"{number:03d}-test_resnet-linear")
    found = combine(tmp_path, ["1", "2"], several)
    evaluation = evaluate_run(load_run(tmp_path, found.run).path, several, "test")
    assert evaluation.mean_average_precision is not None and 0 <= found.accuracy <= 1


@pytest.mark.parametrize("fate", ["deleted", "without weights", "changed"])
def test_a_part_that_is_no_longer_what_it_was_is_refused(project: Path, combined: StoredRun, snapshot, fate) -> None:
    part = load_run(project, "2")
    if fate == "deleted":
        shutil.rmtree(part.path)
    elif fate == "without weights":
        delete_weights(part)
    else:
        path = part.path / "best" / "manifest.json"
        path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), "0" * 64)))
    with pytest.raises(RunError, match="002-test_vit-lora") as caught:
        evaluate_run(combined.path, snapshot)
    assert caught.value.next_step is not None and caught.value.next_step.action == "combine"
