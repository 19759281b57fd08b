"""Predictions and settings as the results page shows them: class names are data, joined only for display."""

from pathlib import Path

from gui.results.evaluations import Images, predicted_items
from visionft.data.types import Snapshot, SnapshotImage, Task
from visionft.training.evaluation.stored import StoredPrediction

NAMES = ("tench, Tinca tinca", "tench", "Tinca tinca")


def images_of(task: Task, *labels: tuple[int, ...]) -> Images:
    images = (SnapshotImage(number, Path(f"{number}.png"), "", each, "val") for number, each in enumerate(labels))
    return Images(Snapshot(task, NAMES, tuple(images)))


def said(image_id: int, true: tuple[str, ...], predicted: tuple[str, ...]) -> StoredPrediction:
    return StoredPrediction(image_id=image_id, true_classes=true, predicted=predicted, probability=0.9)


def test_a_class_with_a_comma_in_its_name_is_not_relabelled() -> None:
    images = images_of("single", (0,), (1,), ())
    found = [said(number, ("tench, Tinca tinca",), ("tench",)) for number in range(3)]
    assert images.relabelled(found) == 2
    items = predicted_items(found, images)
    assert [bool(item.mark) for item in items] == [False, True, True] and items[1].mark.endswith("tench")
    assert (items[0].title, items[0].tone) == ("tench  90%", "bad") and NAMES[0] in items[0].detail


def test_two_labels_are_told_from_one_that_reads_alike() -> None:
    images = images_of("multi", (1, 2), (0,))
    found = [said(number, ("Tinca tinca", "tench"), ()) for number in range(2)]
    assert images.relabelled(found) == 1
    items = predicted_items(found, images)
    assert not items[0].mark and NAMES[0] in items[1].mark and items[0].title == "–  90%"
