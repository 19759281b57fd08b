"""Which prompt helps, on a planted set: right words answer rightly, wrong ones wrongly, and nothing is read twice."""

from pathlib import Path

import numpy as np
import pytest

from visionft.errors import VisionFTError
from visionft.evaluation.prompt_measuring import measure_prompts
from visionft.features.feature_store import current_kind
from visionft.files import read_arrays, write_arrays
from visionft.project.edits.changes import AssignSplits, LabelImages, UnlabelImages
from visionft.project.edits.prompts import SetPrompts
from visionft.project.importing.importer import import_source
from visionft.project.store import Project


@pytest.fixture
def project(planted: Path, tmp_path: Path):
    with Project.create(tmp_path / "project") as opened:
        import_source(opened, planted)
        yield opened


def test_names_that_the_pictures_lie_at_answer_rightly(project: Project, tiny_clip: str) -> None:
    report = measure_prompts(project.path, project.snapshot(), backbone=tiny_clip)
    assert report.measure == "accuracy" and report.accuracy == report.by_names == 1.0 and report.pictures == 24
    assert report.interval and 0.8 < report.interval[0] < 1 and report.interval[1] == 1
    assert [each.is_name_alone for each in report.classes] == [True] * 3 and report.same == ()
    assert set(report.by_templates) == {"photo", "seven", "none"} and report.by_templates["photo"] == 1.0
    assert current_kind(project.path) is None  # the project's own features are its own business


def test_each_line_is_told_alone_and_a_wrong_one_is_found(project: Project, tiny_clip: str) -> None:
    project.apply(SetPrompts({"red": ("red", "blue")}))
    report = measure_prompts(project.path, project.snapshot(), backbone=tiny_clip)
    red = next(each for each in report.classes if each.class_name == "red")
    right, wrong = red.lines
    assert (right.line, right.accuracy, right.recall) == ("red", 1.0, 1.0)
    assert wrong.line == "blue" and wrong.recall == 0.0 and wrong.accuracy <= 2 / 3 + 1e-6
    assert report.by_names == 1.0 and red.pictures == 8


def test_two_classes_of_the_same_words_are_named(project: Project, tiny_clip: str) -> None:
    project.apply(SetPrompts({"red": ("Blue",)}))
    report = measure_prompts(project.path, project.snapshot(), backbone=tiny_clip)
    assert report.same == (("blue", "red"),)
    red = next(each for each in report.classes if each.class_name == "red")
    assert red.recall == 0.0 and red.taken_for == "blue"


def test_known_pictures_and_texts_load_no_network(
    project: Project, tiny_clip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measure_prompts(project.path, project.snapshot(), backbone=tiny_clip)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("visionft.zero_shot.text_encoder.open_text_side", refuse)
    monkeypatch.setattr("visionft.training.loop.run_context.RunContext", refuse)
    assert measure_prompts(project.path, project.snapshot(), backbone=tiny_clip) == first
    project.apply(SetPrompts({"red": ("something new",)}))
    with pytest.raises(AssertionError, match="read again"):
        measure_prompts(project.path, project.snapshot(), backbone=tiny_clip)


def test_pictures_of_the_test_split_and_without_labels_do_not_count(project: Project, tiny_clip: str) -> None:
    ids = [image.image_id for image in project.snapshot().images]
    project.apply(AssignSplits(dict.fromkeys(ids[:8], "test")))
    project.apply(UnlabelImages(tuple(ids[8:10])))
    assert measure_prompts(project.path, project.snapshot(), backbone=tiny_clip).pictures == 14
    project.apply(AssignSplits(dict.fromkeys(ids, "test")))
    with pytest.raises(VisionFTError, match="No labelled picture can tell"):
        measure_prompts(project.path, project.snapshot(), backbone=tiny_clip)


def test_several_labels_are_ranked_each_for_itself(planted: Path, tmp_path: Path, tiny_clip: str) -> None:
    with Project.create(tmp_path / "multi", task="multi") as opened:
        import_source(opened, planted)
        first = opened.snapshot().images[0].image_id
        opened.apply(LabelImages((first,), "red"))
        report = measure_prompts(opened.path, opened.snapshot(), backbone=tiny_clip)
    assert report.measure == "average precision" and 0.9 < report.accuracy <= 1 and report.interval is None
    assert all(each.recall and each.recall > 0.9 and not each.taken_for for each in report.classes)


@pytest.mark.parametrize("damage", ["cut", "other shapes", "claims too much"])
def test_a_damaged_file_of_the_common_space_is_read_anew(project: Project, tiny_clip: str, damage: str) -> None:
    first = measure_prompts(project.path, project.snapshot(), backbone=tiny_clip)
    (space,) = project.path.rglob("space.npz")
    if damage == "cut":
        space.write_bytes(space.read_bytes()[:100])
    elif damage == "other shapes":
        write_arrays(space, {**read_arrays(space), "projection": np.zeros((3, 5))})
    else:
        np.savez_compressed(space, projection=np.zeros((20_000, 1000)), offset=np.zeros(0), scale_bias=np.ones(2))
    assert measure_prompts(project.path, project.snapshot(), backbone=tiny_clip) == first
    assert read_arrays(space)["scale_bias"].shape == (2,)
