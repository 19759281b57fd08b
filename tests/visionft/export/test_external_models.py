"""Models of other projects and exported files on the images of this project: what they know, and what they had seen."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.evaluation.report import evaluate_run
from visionft.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.events import Event, Progress
from visionft.export.external_models import evaluate_external, list_external, match_classes, model_sources
from visionft.files import sha256_file
from visionft.jobs import JobContext


def evaluated(project: Path, source: Path, images: Snapshot) -> StoredEvaluation:
    found = read_evaluation(evaluate_external(project, source, images, "test").path, "test")
    assert found is not None and found.external is not None
    return found


def test_classes_are_matched_by_name_then_by_case_alone() -> None:
    assert match_classes(("dog", "CAT", "owl"), ("cat", "dog")) == ("dog", "cat", "owl")
    assert match_classes(("Cat", "cat"), ("cat", "dog")) == ("Cat", "cat")  # one of them is equal
    assert match_classes(("CAT",), ("Cat", "cat")) == ("CAT",)  # it may be either
    assert match_classes(("e\u0301",), ("\xe9",)) == ("\xe9",)


def test_an_exported_file_is_compared_and_evaluated_once(tmp_path, snapshot, write_model) -> None:
    model = write_model(tmp_path / "other" / "model.onnx", names=("Red", "green", "violet"))
    events = list[Event]()
    job = JobContext(report=events.append)
    found = evaluate_external(tmp_path, model, snapshot, "test", job=job)
    stored = read_evaluation(found.path, "test")
    assert stored is not None and stored.external is not None
    assert dict(stored.external.unknown) == {"blue": 3} and stored.external.foreign == ("violet",)
    assert stored.external.learned is None
    assert {each.true_classes for each in stored.mistakes()} == {("blue",)} and stored.images == 9
    assert max(each.done for each in events if isinstance(each, Progress)) == 9
    events.clear()
    assert evaluate_external(tmp_path, model, snapshot, "test", job=job) == found and not events
    renamed = dataclasses.replace(snapshot, class_names=("violet", "green", "red"))
    assert evaluated(tmp_path, model, renamed).top1 == 1.0
    write_model(model, names=("red", "green", "blue"))
    assert evaluated(tmp_path, model, snapshot).top1 == 1.0
    assert len(list_external(tmp_path)) == 1  # the earlier content is gone


@pytest.mark.parametrize(
    ("names", "thresholds", "task"),
    [
        (("cat", "dog", "owl"), None, "single"),
        (("red", "red", "blue"), None, "single"),
        (("red", "green", "blue"), [0.5] * 3, "single"),
        (("red", "green", "blue"), None, "multi"),
    ],
)
def test_a_model_without_a_common_class_or_of_another_kind_is_refused(
    tmp_path, snapshot, write_model, names, thresholds, task
) -> None:
    model = write_model(tmp_path / "model.onnx", names=names, thresholds=thresholds)
    with pytest.raises(VisionFTError) as caught:
        evaluate_external(tmp_path, model, dataclasses.replace(snapshot, task=task), "test")
    assert caught.value.hint and not list_external(tmp_path)


def test_several_labels_are_compared_by_the_thresholds_of_the_file(tmp_path, snapshot, write_model) -> None:
    model = write_model(tmp_path / "model.onnx", thresholds=[0.4, 0.4, 0.4])
    both = dataclasses.replace(snapshot, task="multi", class_names=(*snapshot.class_names, "large"))
    last = both.labelled("test")[-1]
    images = tuple(dataclasses.replace(each, labels=(2, 3)) if each == last else each for each in both.images)
    found = evaluated(tmp_path, model, dataclasses.replace(both, images=images))
    assert dict(found.external.unknown) == {"large": 1} and found.is_multilabel
    assert [each.image_id for each in found.mistakes()] == [last.image_id]


def test_no_model_and_a_packed_one_are_refused_with_a_next_step(tmp_path, write_model) -> None:
    write_model(tmp_path / "export" / "model.onnx")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "export"))
    (tmp_path / "empty").mkdir()
    for path in (packed, tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises(VisionFTError) as caught:
            model_sources(path)
        assert caught.value.hint
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x08garbage")
    with pytest.raises(VisionFTError):
        evaluate_external(tmp_path, broken, Snapshot("single", ("red",), ()), "test")


@pytest.mark.slow
def test_a_run_of_another_project_is_judged_by_images_that_it_did_not_learn_from(run_of, snapshot, tmp_path) -> None:
    run = shutil.copytree(run_of("starter_resnet", "linear"), tmp_path / "birds" / "runs" / "001-starter_resnet-linear")
    evaluate_run(run, snapshot, "val")
    assert model_sources(run.parents[1]) == model_sources(run) == {run: "001-starter_resnet-linear · birds"}
    own = evaluate_run(run, snapshot, "test")
    found = evaluated(tmp_path / "here", run, snapshot)
    assert found.external.learned == 0 and found.top1 == own.top1 and found.images == own.images == 9
    swapped = dataclasses.replace(  # the ids of its training images are of other images here
        snapshot, images=tuple(dataclasses.replace(each, image_id=49 - each.image_id) for each in snapshot.images)
    )
    assert evaluated(tmp_path / "swapped", run, swapped).top1 == own.top1
    roles = {"train": "test", "test": "train"}
    moved = [dataclasses.replace(each, split=roles.get(each.split, each.split)) for each in snapshot.images]
    with Image.open(moved[0].path) as opened:
        opened.save(other := tmp_path / "new.bmp")
    new = dataclasses.replace(moved[0], image_id=99, path=other, sha256=sha256_file(other))
    later = dataclasses.replace(snapshot, images=(*moved, new))
    found = evaluated(tmp_path / "later", run, later)
    assert (found.external.learned, [each.image_id for each in found.predictions]) == (30, [99])
    with pytest.raises(VisionFTError):
        evaluate_external(tmp_path / "later", run, dataclasses.replace(snapshot, images=tuple(moved)), "test")
    (run / "best" / "manifest.json").write_text(json.dumps({}))
    with pytest.raises(VisionFTError):
        evaluate_external(tmp_path / "here", run, snapshot, "test")
