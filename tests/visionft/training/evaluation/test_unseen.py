"""The accuracy shown for a run: on images that neither trained nor chose it, or none."""

import dataclasses
from pathlib import Path

import pytest
import run_files

from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run
from visionft.training.evaluation.unseen import accuracy_words, count_seen, unseen_evaluation
from visionft.training.loop.train import train
from visionft.training.runs.manifest import Part
from visionft.training.runs.run_folder import StoredRun, read_run
from visionft.training.runs.run_snapshot import write_snapshot

TRAINED = TrainConfig(backbone="test_resnet", method="lora", epochs=3)
SOLVED = TrainConfig(backbone="test_resnet", method="linear")
ANSWERS = [("red", "red", 0.9), ("red", "blue", 0.6)]


def evaluated(tmp_path: Path, config: TrainConfig, **by_split) -> StoredRun:
    """Return a run with evaluations; {split: values that differ from the usual ones}."""
    run_files.write_run(tmp_path, "001-run", config, accuracies=[0.84])
    for split, values in by_split.items():
        run_files.write_evaluation(tmp_path, "001-run", [1, 2], ANSWERS, split=split, **values)
    return read_run(tmp_path / "runs" / "001-run")


@pytest.mark.parametrize(
    ("config", "evaluations", "split"),
    [
        (TRAINED, {"val": {"top1": 0.84}, "test": {"top1": 0.69}}, "test"),
        (TRAINED, {"val": {}}, None),  # it chose the epoch
        (TRAINED, {}, None),
        (SOLVED, {"val": {}}, "val"),  # a closed form chooses nothing there ...
        (SOLVED, {"val": {"mean_average_precision": 0.5}}, None),  # ... but the thresholds of several labels
        (SOLVED, {"val": {}, "test": {}}, "test"),
        (TRAINED, {"val": {}, "test": {"seen": 1}}, None),  # it was trained on one of them
        (SOLVED, {"val": {"seen": 1}}, None),
    ],
)
def test_only_images_that_neither_trained_nor_chose_a_run_measure_it(tmp_path, config, evaluations, split) -> None:
    found = unseen_evaluation(evaluated(tmp_path, config, **evaluations))
    assert (found and found.split) == split
    assert ("84" in accuracy_words(found)) is False
    assert ("69" in accuracy_words(found)) == (split == "test" and config is TRAINED)


def test_an_ensemble_is_weighted_on_validation(tmp_path: Path) -> None:
    run = evaluated(tmp_path, SOLVED, val={})
    assert unseen_evaluation(run) is not None
    part = Part(run="001", weights="", share=1.0, temperature=1.0, accuracy=0.8, loss=0.1)
    assert unseen_evaluation(dataclasses.replace(run, parts=(part,))) is None


def moved(images: Snapshot, **splits: str) -> Snapshot:
    """Return the images with splits renamed: {from: to}."""
    rows = (dataclasses.replace(each, split=splits.get(each.split, each.split)) for each in images.images)
    return dataclasses.replace(images, images=tuple(rows))


@pytest.mark.slow
def test_training_images_that_a_later_split_moves_into_test_are_no_test(snapshot: Snapshot, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "001"
    config = TrainConfig(backbone="starter_resnet", method="linear", image_size=64, device="cpu")
    train(config, snapshot, folder)
    assert evaluate_run(folder, snapshot, "test").seen == 0
    assert unseen_evaluation(read_run(folder)).split == "test"
    later = moved(snapshot, train="test", test="train")
    found = evaluate_run(folder, later, "test")
    assert found.seen == found.images > 0 and unseen_evaluation(read_run(folder)) is None


def test_images_of_an_earlier_run_that_training_started_from_were_seen(snapshot: Snapshot, tmp_path: Path) -> None:
    """Retrain goes on from the weights of a run; a split between the two makes its training images test images."""
    later = moved(snapshot, train="test", test="train")
    for name, start, images in (("001", "", snapshot), ("002", "001", later)):
        run_files.write_run(tmp_path, name, dataclasses.replace(TRAINED, start_from=start), accuracies=[0.8])
        write_snapshot(tmp_path / "runs" / name, images)
    tested = later.labelled("test")
    runs = [read_run(tmp_path / "runs" / name) for name in ("001", "002")]
    assert [count_seen(run, "test", tested) for run in runs] == [len(tested), len(tested)]
    assert count_seen(runs[0], "test", snapshot.labelled("test")) == 0
    assert count_seen(runs[0], "val", snapshot.labelled("val")) == 0  # they choose by design
    assert count_seen(runs[0], "test", snapshot.labelled("val")) == len(snapshot.labelled("val"))
