"""Predictions and settings as the results page shows them: class names are data, joined only for display."""

from pathlib import Path

from gui.results.evaluations import Images, changed_items, predicted_items, setting_rows
from visionft.data.types import Snapshot, SnapshotImage, Task
from visionft.evaluation.comparison import PredictionChange
from visionft.evaluation.stored import StoredPrediction
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary

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


def test_what_changed_is_right_whatever_the_order_of_the_labels() -> None:
    both = ("tench", "Tinca tinca")
    change = PredictionChange(image_id=0, true_classes=both, before=(), after=both[::-1], probability=0.9)
    (item,) = changed_items([change], images_of("multi", (1, 2)))
    assert (item.tone, item.mark, item.title) == ("bad", "", "1: –")


def run_of(method: str) -> RunSummary:
    config = TrainConfig(method=method)
    return RunSummary(name=method, path=Path(), config=config, class_names=(), epochs=(), result=None)


def test_what_is_left_to_the_program_is_called_automatic():
    rows, _ = setting_rows([run_of("full")], only_differing=False)
    values = {name: value for (name, _), (value, _) in rows}
    assert values["Learning rate"] == values["Image size"] == values["Loader processes"] != "0"
    assert values["Epochs"] == "20"


def test_a_head_that_is_solved_for_shows_no_settings_of_steps():
    runs = [run_of("linear"), run_of("full")]
    alone, _ = setting_rows(runs[:1], only_differing=False)
    names = {name for (name, _), *_ in alone}
    assert not names & {"Epochs", "Learning rate", "Augmentation"} and "Image size" in names
    both, _ = setting_rows(runs, only_differing=True)
    assert {name: values for (name, _), *values in both}["≠  Epochs"] == [("–", 0), ("20", 0)]
