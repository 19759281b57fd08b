"""A k-NN run predicts from the current labels, and its own files never change."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.core.files import sha256_file
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot
from visionft.export.exporter import export_run
from visionft.training.combining import combine
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.explain import explain_images
from visionft.training.evaluation.explanation import ExplanationRequest
from visionft.training.evaluation.report import evaluate_run, run_logits
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.loop.train import train
from visionft.training.retrieval import labels_digest, load_current_model, run_index
from visionft.training.runs.run_folder import RUNS_FOLDER, read_run

NAME = "001-starter_resnet-knn"


def trained(snapshot: Snapshot, folder: Path, method: str = "knn", size: int = 64) -> Path:
    config = TrainConfig(backbone="starter_resnet", method=method, image_size=size, device="cpu")
    result = train(config, snapshot, folder)
    assert result.best is not None and result.best.epochs == 0 and (result.best.val_accuracy or 0) > 0.6
    return folder


@pytest.fixture(scope="module")
def made(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(snapshot, tmp_path_factory.mktemp("project") / RUNS_FOLDER / NAME)


@pytest.fixture
def run_dir(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / RUNS_FOLDER / NAME))


def relabelled(snapshot: Snapshot, *, to: int = 1, names: tuple[str, ...] = ()) -> Snapshot:
    """Return the images with all training images of the first class given to another."""
    images = tuple(
        dataclasses.replace(image, labels=(to,)) if image.labels == (0,) and image.split == "train" else image
        for image in snapshot.images
    )
    return dataclasses.replace(snapshot, images=images, class_names=names or snapshot.class_names)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_predictions_follow_the_labels_and_the_run_never_changes(run_dir: Path, snapshot: Snapshot, tmp_path: Path):
    own, other = contents(run_dir), relabelled(snapshot)
    assert evaluate_run(run_dir, snapshot).top1 > 0.8
    changed = evaluate_run(run_dir, other)
    assert changed.per_class["blue"].recall == 0 and (changed.per_class["green"].recall or 0) > 0.6
    explain_images(run_dir, [ExplanationRequest(image_id=1, path=snapshot.images[0].path)], images=other)
    export_run(run_dir, other, tmp_path / "export")
    assert (tmp_path / "export" / "index.safetensors").is_file()
    assert own.items() <= contents(run_dir).items()
    assert evaluate_run(run_dir, snapshot).top1 > 0.8


@pytest.mark.slow
def test_an_evaluation_keeps_the_labels_behind_it(run_dir: Path, snapshot: Snapshot):
    def is_current(images: Snapshot) -> bool:
        stored = read_evaluation(run_dir, "val")
        assert stored is not None
        return stored.is_current(images.label_sets("val"), labels_digest([read_run(run_dir)], images))

    evaluate_run(run_dir, snapshot)
    stored, other = read_evaluation(run_dir, "val"), relabelled(snapshot)
    assert stored is not None and stored.labels == labels_digest([read_run(run_dir)], snapshot) != ""
    assert is_current(snapshot) and not is_current(other)
    evaluate_run(run_dir, other)
    assert is_current(other) and not is_current(snapshot)


@pytest.mark.slow
def test_classes_come_and_go(run_dir: Path, snapshot: Snapshot):
    grown = relabelled(snapshot, to=3, names=(*snapshot.class_names, "violet"))
    loaded = load_current_model(read_run(run_dir), grown)
    assert loaded.run.class_names == grown.class_names
    logits = run_logits(loaded, snapshot, "val")
    predicted = logits.values.argmax(axis=1)[logits.targets == 0]
    assert logits.values.shape[1] == 4 and (predicted == 3).mean() > 0.6
    assert load_current_model(read_run(run_dir), snapshot).run.class_names == snapshot.class_names


@pytest.mark.slow
def test_a_missing_image_is_indexed_when_it_is_back(run_dir: Path, snapshot: Snapshot, tmp_path: Path):
    away, first, other = tmp_path / "away.png", snapshot.labelled("train")[0], tmp_path / "other.png"
    Image.new("RGB", (48, 40), "blue").save(other)
    moved = dataclasses.replace(first, path=away, sha256=sha256_file(other))  # never seen
    images = dataclasses.replace(snapshot, images=tuple(moved if i is first else i for i in snapshot.images))
    told, known = [], {image.image_id for image in snapshot.labelled("train")}

    def indexed() -> set[int]:
        told.clear()
        return set(run_index(read_run(run_dir), images, job=JobContext(told.append)).memory.image_ids.tolist())

    assert indexed() == known - {first.image_id}
    assert any("away.png" in getattr(event, "message", "") for event in told)
    assert indexed() and not told
    shutil.copy(other, away)
    assert indexed() == known


@pytest.mark.slow
def test_an_ensemble_follows_the_labels_and_classes_of_its_members(run_dir: Path, snapshot: Snapshot):
    project = run_dir.parent.parent
    other = trained(snapshot, run_dir.with_name("002-starter_resnet-knn"), size=96)
    found = combine(project, [NAME, other.name], snapshot)
    assert found.held_out > 0
    combined = run_dir.with_name(found.run)
    evaluate_run(combined, snapshot)
    own, changed = contents(combined), relabelled(snapshot)
    models = [load_current_model(read_run(combined), each) for each in (snapshot, changed)]
    first, second = (run_logits(model, snapshot, "val").values for model in models)
    assert not np.allclose(first, second)
    stored, members = read_evaluation(combined, "val"), [read_run(run_dir), read_run(other)]
    assert stored is not None and not stored.is_current(changed.label_sets("val"), labels_digest(members, changed))
    assert contents(combined) == own
    grown = relabelled(snapshot, to=3, names=(*snapshot.class_names, "violet"))
    model = load_current_model(read_run(combined), grown)
    assert model.run.class_names == grown.class_names
    logits = run_logits(model, snapshot, "val")
    assert (logits.values.argmax(axis=1)[logits.targets == 0] == 3).mean() > 0.6
