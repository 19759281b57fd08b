"""A run of labelled pictures follows the labels: nothing that is measured, exported or asked is of old ones."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from visionft.combining.combine import combine
from visionft.data.types import Snapshot
from visionft.errors import ProjectError, RunError, StoppedError
from visionft.evaluation.report import evaluate_run, run_logits
from visionft.evaluation.stored import read_evaluation
from visionft.features.feature_store import features_of
from visionft.files import sha256_file
from visionft.retrieval.asking import ask
from visionft.retrieval.refreshing import is_current, load_current, refresh, run_index
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import RUNS_FOLDER, delete_weights, read_run

NAME = "001-starter_resnet-knn"


@pytest.fixture(scope="module")
def made(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainConfig(backbone="starter_resnet", method="knn", image_size=64, device="cpu")
    folder = tmp_path_factory.mktemp("project") / RUNS_FOLDER / NAME
    result = train(config, snapshot, folder)
    assert result.best is not None and result.best.epochs == 0 and result.best.val_accuracy > 0.8
    return folder


@pytest.fixture
def run_dir(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / RUNS_FOLDER / NAME))


def relabelled(snapshot: Snapshot, *, to: int = 1, names: tuple[str, ...] = ()) -> Snapshot:
    """Return the pictures with all training pictures of the first class given to another."""
    images = tuple(
        dataclasses.replace(image, labels=(to,)) if image.labels == (0,) and image.split == "train" else image
        for image in snapshot.images
    )
    return dataclasses.replace(snapshot, images=images, class_names=names or snapshot.class_names)


def accuracy_of(run_dir: Path, images: Snapshot) -> float:
    return evaluate_run(run_dir, images).top1


def test_labels_that_change_change_what_is_measured(run_dir: Path, snapshot: Snapshot):
    assert accuracy_of(run_dir, snapshot) > 0.8
    assert read_evaluation(run_dir, "val") is not None
    other = relabelled(snapshot)
    refresh(read_run(run_dir), other)
    assert read_evaluation(run_dir, "val") is None  # it was of another memory
    evaluation = evaluate_run(run_dir, other)
    assert evaluation.per_class["blue"].recall == 0 and evaluation.per_class["green"].recall > 0.6
    run = read_run(run_dir)
    assert run.best is not None and run.best.val_accuracy == pytest.approx(evaluation.top1)
    assert run.result is not None and run.result.best == run.best
    assert accuracy_of(run_dir, snapshot) > 0.8


def test_the_same_labels_leave_everything_as_it_is(run_dir: Path, snapshot: Snapshot):
    refresh(read_run(run_dir), snapshot)
    manifest = (run_dir / "best" / "manifest.json").read_bytes()
    told = []
    refresh(read_run(run_dir), snapshot, on_event=told.append)
    assert is_current(read_run(run_dir), snapshot) and not told
    assert (run_dir / "best" / "manifest.json").read_bytes() == manifest


def test_classes_come_and_go(run_dir: Path, snapshot: Snapshot):
    grown = relabelled(snapshot, to=3, names=(*snapshot.class_names, "violet"))
    loaded = load_current(read_run(run_dir), grown)
    assert loaded.run.class_names == grown.class_names
    logits = run_logits(loaded, snapshot, "val")
    said = logits.values.argmax(axis=1)[logits.targets == 0]
    assert logits.values.shape[1] == 4 and (said == 3).mean() > 0.6
    assert load_current(read_run(run_dir), snapshot).run.class_names == snapshot.class_names


def test_without_validation_pictures_nothing_is_said_of_an_earlier_memory(run_dir: Path, snapshot: Snapshot):
    images = tuple(dataclasses.replace(i, split="train") if i.split == "val" else i for i in snapshot.images)
    run = refresh(read_run(run_dir), dataclasses.replace(snapshot, images=images))
    assert run.best is not None and run.best.val_accuracy is None and run.best.val_loss is None


def test_a_picture_that_goes_is_forgotten_and_one_that_comes_is_known(run_dir: Path, snapshot: Snapshot):
    train_images = snapshot.labelled("train")
    fewer = dataclasses.replace(snapshot, images=tuple(i for i in snapshot.images if i is not train_images[0]))
    ids = run_index(read_run(run_dir), fewer).memory.image_ids
    assert train_images[0].image_id not in ids and len(ids) == len(train_images) - 1
    ids = run_index(read_run(run_dir), snapshot).memory.image_ids
    assert set(ids.tolist()) == {image.image_id for image in train_images}


def test_the_run_says_what_its_evidence_says(run_dir: Path, snapshot: Snapshot):
    loaded, project = load_current(read_run(run_dir), snapshot), run_dir.parent.parent
    index, asked = run_index(loaded.run, snapshot), snapshot.labelled("test")
    files = [image.path for image in asked]
    found = ask(project, snapshot, index, files)
    seen = tuple(dataclasses.replace(image, sha256=sha256_file(image.path)) for image in asked)
    vectors = features_of(index.kind, index.kind.store(project), seen).vectors
    with torch.no_grad():
        shares = loaded.strongest.classifier.head(torch.from_numpy(vectors.astype(np.float32))).softmax(dim=1).numpy()
    for row, each in zip(shares, found, strict=True):
        assert each.evidence is not None
        assert each.evidence.classes == (index.class_names[int(row.argmax())],)
        assert each.evidence.probability == pytest.approx(float(row.max()), abs=1e-4)


def test_pictures_that_were_not_there_are_remembered_when_they_are_back(
    run_dir: Path, snapshot: Snapshot, tmp_path: Path
):
    away, first = tmp_path / "away.png", snapshot.labelled("train")[0]
    moved = dataclasses.replace(first, path=away, sha256="never seen")
    images = dataclasses.replace(snapshot, images=tuple(moved if i is first else i for i in snapshot.images))
    told = []
    refresh(read_run(run_dir), images, on_event=told.append)
    assert any("away.png" in getattr(event, "message", "") for event in told)
    assert is_current(read_run(run_dir), images)
    shutil.copy(first.path, away)
    assert not is_current(read_run(run_dir), images)
    assert moved.image_id in run_index(read_run(run_dir), images).memory.image_ids


def test_several_labels_vote_class_by_class(snapshot: Snapshot, tmp_path: Path):
    images = tuple(
        dataclasses.replace(image, labels=tuple(sorted({image.labels[0], 2}))) if image.image_id % 2 else image
        for image in snapshot.images
    )
    several = dataclasses.replace(snapshot, task="multi", images=images)
    config = TrainConfig(backbone="starter_resnet", method="knn", image_size=64, device="cpu")
    train(config, several, tmp_path / RUNS_FOLDER / NAME)
    evaluation = evaluate_run(tmp_path / RUNS_FOLDER / NAME, several)
    assert evaluation.mean_average_precision is not None and evaluation.mean_average_precision > 0.5


def test_a_checkpoint_that_was_cut_short_is_no_knowledge(run_dir: Path, snapshot: Snapshot):
    refresh(read_run(run_dir), snapshot)
    (run_dir / "best" / "state.json").write_text("{")
    assert not is_current(read_run(run_dir), snapshot)
    assert accuracy_of(run_dir, snapshot) > 0.8
    assert json.loads((run_dir / "best" / "state.json").read_text())["knowledge"]


def test_what_cannot_be_refreshed_says_why(run_dir: Path, snapshot: Snapshot):
    bare = dataclasses.replace(
        snapshot, images=tuple(dataclasses.replace(image, labels=()) for image in snapshot.images)
    )
    with pytest.raises(ProjectError, match="label"):
        refresh(read_run(run_dir), bare)
    with pytest.raises(StoppedError):
        refresh(read_run(run_dir), relabelled(snapshot), should_stop=lambda: True)
    delete_weights(read_run(run_dir))
    with pytest.raises(RunError, match="deleted"):
        refresh(read_run(run_dir), relabelled(snapshot))


def test_a_combination_follows_the_labels_of_its_part(run_dir: Path, snapshot: Snapshot):
    project, other = run_dir.parent.parent, run_dir.with_name("002-starter_resnet-prototype")
    config = TrainConfig(backbone="starter_resnet", method="prototype", image_size=64, device="cpu")
    train(config, snapshot, other)
    combined = run_dir.with_name(combine(project, [NAME, other.name], snapshot).run)
    evaluate_run(combined, snapshot)
    changed = relabelled(snapshot)
    refresh(read_run(run_dir), changed)  # as an evaluation of the part alone does
    before = {part.run: part.weights for part in read_run(combined).parts}
    answerer = load_current(read_run(combined), changed)
    after = {part.run: part.weights for part in answerer.run.parts}
    assert before[NAME] != after[NAME] and before[other.name] == after[other.name]
    assert read_evaluation(combined, "val") is None  # it was of the earlier memory
    assert {part.share for part in answerer.run.parts} == {part.share for part in read_run(combined).parts}
    refresh(read_run(combined), changed)
    assert {part.run: part.weights for part in read_run(combined).parts} == after


def test_a_combination_of_live_runs_takes_on_new_classes(run_dir: Path, snapshot: Snapshot):
    other = run_dir.with_name("002-starter_resnet-knn")
    train(TrainConfig(backbone="starter_resnet", method="knn", image_size=96, device="cpu"), snapshot, other)
    combined = run_dir.with_name(combine(run_dir.parent.parent, [NAME, other.name], snapshot).run)
    grown = relabelled(snapshot, to=3, names=(*snapshot.class_names, "violet"))
    answerer = load_current(read_run(combined), grown)
    assert answerer.run.class_names == grown.class_names
    logits = run_logits(answerer, snapshot, "val")
    assert (logits.values.argmax(axis=1)[logits.targets == 0] == 3).mean() > 0.6
