"""What the results page shows of predictions: class names are data, and joined only for the eye."""

from pathlib import Path

from gui.results.evaluations import Pictures, changed_items, predicted_items
from visionft.data.types import Snapshot, SnapshotImage, Task
from visionft.evaluation.comparison import Changed
from visionft.evaluation.stored import Predicted

NAMES = ("tench, Tinca tinca", "tench", "Tinca tinca")


def pictures_of(task: Task, *labels: tuple[int, ...]) -> Pictures:
    images = (SnapshotImage(number, Path(f"{number}.png"), "", each, "val") for number, each in enumerate(labels))
    return Pictures(Snapshot(task, NAMES, tuple(images)))


def said(image_id: int, true: tuple[str, ...], predicted: tuple[str, ...]) -> Predicted:
    return Predicted(image_id=image_id, true_classes=true, predicted=predicted, probability=0.9)


def test_a_class_with_a_comma_in_its_name_is_not_relabelled() -> None:
    pictures = pictures_of("single", (0,), (1,), ())
    found = [said(number, ("tench, Tinca tinca",), ("tench",)) for number in range(3)]
    assert pictures.relabelled(found) == 2
    items = predicted_items(found, pictures)
    assert [item.mark for item in items] == ["", "now tench", "now without label"]
    assert (items[0].title, items[0].detail, items[0].tone) == ("tench  90%", "is tench, Tinca tinca", "bad")


def test_two_labels_are_told_from_one_that_reads_alike() -> None:
    pictures = pictures_of("multi", (1, 2), (0,))
    found = [said(number, ("Tinca tinca", "tench"), ()) for number in range(2)]
    assert pictures.relabelled(found) == 1
    items = predicted_items(found, pictures)
    assert [item.mark for item in items] == ["", "now tench, Tinca tinca"] and items[0].title == "–  90%"


def test_what_changed_is_right_whatever_the_order_of_the_labels() -> None:
    both = ("tench", "Tinca tinca")
    change = Changed(image_id=0, true_classes=both, before=(), after=both[::-1], probability=0.9)
    (item,) = changed_items([change], pictures_of("multi", (1, 2)))
    assert (item.tone, item.title, item.mark) == ("good", "– → Tinca tinca, tench", "")
