"""Suggestions: made by a real run, stored in its folder, withheld once they no longer apply."""

import dataclasses
import json
from pathlib import Path

import pytest

from visionft.analysis.suggestions import (
    current_suggestions,
    read_suggestions,
    runs_that_can_suggest,
    suggest_labels,
    suggesting_run,
)
from visionft.data.types import Snapshot
from visionft.project.edits.changes import AcceptSuggestions, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.class_changes import DeleteClass
from visionft.project.edits.import_changes import AddImages, FileFacts
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run
from visionft.training.loop.train import train


@pytest.fixture(scope="module")
def run_dir(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run to classify the three hues."""
    config = TrainConfig(
        backbone="test_resnet", method="full", weights="random", image_size=32, batch_size=8, epochs=6, device="cpu"
    )
    folder = tmp_path_factory.mktemp("project") / "runs" / "001-test_resnet-full"
    train(config, snapshot, folder)
    return folder


def without_labels(snapshot: Snapshot, split: str) -> Snapshot:
    images = (dataclasses.replace(image, labels=()) if image.split == split else image for image in snapshot.images)
    return dataclasses.replace(snapshot, images=tuple(images))


@pytest.mark.slow
def test_unlabelled_images_get_a_class_with_its_probability(run_dir: Path, snapshot: Snapshot):
    report = suggest_labels(run_dir, without_labels(snapshot, "test"))
    assert (report.run, report.suggested, report.unreadable, report.stopped) == (run_dir.name, 9, 0, False)
    found = read_suggestions(run_dir)
    assert set(found) == {image.image_id for image in snapshot.images if image.split == "test"}
    evaluate_run(run_dir, snapshot, "test")
    for line in map(json.loads, (run_dir / "predictions-test.jsonl").read_text().splitlines()):
        each = found[line["image_id"]]
        assert (each.classes, each.confidence) == (
            tuple(line["predicted"]),
            pytest.approx(line["probability"], abs=1e-5),
        )
    for each in found.values():
        shares = [share for _, share in each.ranked]
        assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-4)
        assert each.uncertainty == pytest.approx(1 - (shares[0] - shares[1]), abs=1e-4)
        assert each.confidence == shares[0] and each.ranked[0][0] == each.classes[0]
    assert suggesting_run(run_dir.parent.parent) == run_dir
    assert [run.name for run in runs_that_can_suggest(run_dir.parent.parent)] == [run_dir.name]


@pytest.mark.slow
def test_several_labels_suggest_every_class_above_its_threshold(snapshot: Snapshot, tmp_path: Path):
    images = tuple(
        dataclasses.replace(image, labels=tuple(sorted({image.labels[0], (image.labels[0] + 1) % 3})))
        for image in snapshot.images
    )
    several = dataclasses.replace(snapshot, task="multi", images=images)
    config = TrainConfig(
        backbone="test_resnet", method="full", weights="random", image_size=32, batch_size=8, epochs=4, device="cpu"
    )
    train(config, several, tmp_path / "run")
    suggest_labels(tmp_path / "run", without_labels(several, "test"))
    found = read_suggestions(tmp_path / "run").values()
    assert len(found) == 9 and all(0 <= each.uncertainty <= 1 for each in found)
    assert any(len(each.classes) == 2 for each in found)


@pytest.fixture
def project(image_folder: Path, tmp_path: Path):
    with ProjectStore.create(tmp_path / "project") as opened:
        import_source(opened, image_folder)
        yield opened


def test_only_what_still_holds_is_current(project: ProjectStore, run_dir: Path):
    ids = [image.image_id for image in project.snapshot().images]
    project.apply(UnlabelImages(tuple(ids)))
    suggest_labels(run_dir, project.snapshot())
    assert set(current_suggestions(project, read_suggestions(run_dir))) == set(ids)
    project.apply(LabelImages((ids[0],), "blue"))
    project.apply(RemoveImages((ids[1],)))
    file = FileFacts(sha256="of other content", bytes=1, mtime_ns=1, width=48, height=40, format="PNG")
    project.apply(AddImages(edited={ids[2]: file}))
    assert set(current_suggestions(project, read_suggestions(run_dir))) == set(ids[3:])
    left = {each.image_id for each in read_suggestions(run_dir).values() if "red" not in each.classes}
    project.apply(DeleteClass("red"))
    assert set(current_suggestions(project, read_suggestions(run_dir))) == left - set(ids[:3])


def test_accepting_gives_each_image_its_own_class_in_one_step(project: ProjectStore):
    ids = [image.image_id for image in project.snapshot().images][:3]
    project.apply(UnlabelImages(tuple(ids)))
    project.apply(AcceptSuggestions({ids[0]: ("red",), ids[1]: ("green",), ids[2]: ("red", "blue")}))
    snapshot = project.snapshot()
    assert [snapshot.class_names[image.labels[0]] for image in snapshot.images[:3]] == ["red", "green", "red"]
    with project.reading() as connection:
        sources = connection.execute("SELECT DISTINCT source FROM label WHERE image_id <= ?", (ids[2],)).fetchall()
    assert sources == [("suggestion",)] and project.undo_title == "Accept 3 suggestions"
    project.undo()
    assert all(not image.labels for image in project.snapshot().images[:3])
