"""Accuracy with and without leaks: by the splits of a run's training, with intervals, fixed since or not."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from visionft.analysis.check import CheckResult, read_result, write_result
from visionft.analysis.leaks import (
    RelatedImages,
    current_leak_free_accuracies,
    leak_free_accuracy,
    leaks_of,
    mend,
    related_images,
)
from visionft.data.types import Snapshot, SnapshotImage
from visionft.project.edits.changes import AssignSplits
from visionft.project.edits.verdicts import MarkFindingsFine
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore
from visionft.training.evaluation.stored import StoredEvaluation, StoredPrediction

LEAKED, OTHERS = 8, 8  # test images of each class with and without a partner in training


def evaluation(known: Sequence[bool], others: Sequence[bool]) -> StoredEvaluation:
    """Return an evaluation of images from 1: first the known ones, then the others; True is a correct prediction."""
    said = tuple(
        StoredPrediction(image_id=place, true_classes=("cat",), predicted=("cat" if right else "dog",), probability=1)
        for place, right in enumerate([*known, *others], 1)
    )
    empty = {each.name: 0 for each in fields(StoredEvaluation) if each.name not in ("run", "split", "predictions")}
    return StoredEvaluation(**empty, run="1", split="test", predictions=said)  # pyright: ignore[reportArgumentType]


def leaking(count: int) -> tuple[RelatedImages, Snapshot]:
    """Return pairs of images 1, 2, ... with training images 1001, 1002, ..."""
    pairs = [(place, 1000 + place) for place in range(1, count + 1)]
    result = CheckResult(check="leaks", issues=(), threshold=0.5, checked=0, facts={"doubles": pairs})
    rows = [row for tested, trained in pairs for row in ((tested, "test"), (trained, "train"))]
    images = tuple(SnapshotImage(each, Path(f"{each}.jpg"), str(each), (0,), split) for each, split in rows)
    return RelatedImages.of(result, frozenset()), Snapshot("single", ("cat", "dog"), images)


def test_a_run_is_inflated_where_the_other_images_make_a_significant_difference():
    together, images = leaking(70)
    found = leak_free_accuracy(
        evaluation([place < 56 for place in range(70)], [place < 40 for place in range(80)]),
        leaks_of(together, images),
    )
    assert (found.images, found.leaked, found.accuracy) == (150, 70, pytest.approx(96 / 150))
    assert found.without == 0.5 and found.is_inflated
    together, images = leaking(4)
    found = leak_free_accuracy(evaluation([True] * 4, [True, True, True, False]), leaks_of(together, images))
    assert not found.is_inflated  # within chance


def test_without_leaks_nothing_is_taken_away_and_with_nothing_else_nothing_is_known():
    together, images = leaking(3)
    clean = leak_free_accuracy(evaluation([], [True, False]), ())
    assert (clean.leaked, clean.without, clean.is_inflated) == (0, 0.5, False)
    spoilt = leak_free_accuracy(evaluation([True] * 3, []), leaks_of(together, images))
    assert (spoilt.leaked, spoilt.without, spoilt.is_inflated) == (3, None, False)


@pytest.fixture
def project(tmp_path: Path, write_run: Callable[..., None]):
    """Yield a project with duplicates in train and test, and an evaluated run: right only on the leaked images."""
    for number in range(2 * LEAKED + OTHERS):
        for shade, name in enumerate(("cat", "dog")):
            (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (9 * number, 200 * shade, 0)).save(tmp_path / "images" / name / f"{number}.png")
    with ProjectStore.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "images")
        images = project.snapshot().images
        number_of = {image.image_id: int(image.path.stem) for image in images}
        by_number = {(image.labels, number_of[image.image_id]): image.image_id for image in images}
        trained = {image_id: "train" if number < LEAKED else "test" for image_id, number in number_of.items()}
        project.apply(AssignSplits(trained))
        doubles = [
            (image.image_id, by_number[image.labels, number + LEAKED])
            for image in images
            if (number := number_of[image.image_id]) < LEAKED
        ]
        facts = {"doubles": doubles, "groupings": []}
        write_result(project.path, CheckResult(check="leaks", issues=(), threshold=0.5, checked=48, facts=facts))
        write_run(project, right={image_id for _, image_id in doubles})
        yield project


def test_mending_does_not_whitewash_the_runs_before(project: ProjectStore):
    (before,) = current_leak_free_accuracies(project)
    assert (before.run, before.split, before.images, before.leaked) == ("001-resnet18-linear", "test", 32, 16)
    assert (before.accuracy, before.without) == (0.5, 0)
    assert before.is_inflated
    result = read_result(project.path, "leaks")
    assert result is not None
    change = mend(leaks_of(related_images(project, result), project.snapshot()), project.snapshot())
    assert change is not None
    project.apply(change)
    assert current_leak_free_accuracies(project) == (before,)


def test_neither_images_judged_fine_nor_a_run_without_its_images_leak(project: ProjectStore):
    result = read_result(project.path, "leaks")
    assert result is not None
    project.apply(MarkFindingsFine("duplicates", tuple(related_images(project, result).pairs)))
    assert [each.leaked for each in current_leak_free_accuracies(project)] == [0]
    (project.path / "runs" / "001-resnet18-linear" / "snapshot.json.gz").unlink()
    assert current_leak_free_accuracies(project) == ()
