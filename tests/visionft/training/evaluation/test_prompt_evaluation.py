"""Accuracy of prompts on a planted set: right words predict the right class, wrong ones another."""

from pathlib import Path

import pytest

from visionft.features.feature_store import current_kind
from visionft.project.edits.class_changes import SetPrompts
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.training.evaluation.prompt_evaluation import evaluate_prompts


@pytest.fixture
def project(planted: Path, tmp_path: Path):
    with Project.create(tmp_path / "project") as opened:
        import_source(opened, planted)
        yield opened


def test_names_near_the_images_predict_them(project: Project, tiny_clip: str) -> None:
    report = evaluate_prompts(project.path, project.snapshot(), backbone=tiny_clip)
    assert report.metric == "accuracy" and report.accuracy == report.by_names == 1.0 and report.images == 24
    assert report.interval and 0.8 < report.interval[0] < 1 and report.interval[1] == 1
    assert [each.is_name_alone for each in report.classes] == [True] * 3
    assert current_kind(project.path, project.image_reading) is None  # the project's own features are its own business


@pytest.mark.slow
def test_each_line_is_evaluated_alone_and_a_wrong_one_is_found(project: Project, tiny_clip: str) -> None:
    project.apply(SetPrompts({"red": ("red", "blue")}))
    report = evaluate_prompts(project.path, project.snapshot(), backbone=tiny_clip)
    red = next(each for each in report.classes if each.class_name == "red")
    right, wrong = red.lines
    assert (right.line, right.accuracy, right.recall) == ("red", 1.0, 1.0)
    assert wrong.line == "blue" and wrong.recall == 0.0 and wrong.accuracy <= 2 / 3 + 1e-6
    assert report.by_names == 1.0 and red.images == 8
    project.apply(SetPrompts({"red": ("Blue",)}))  # two classes of the same words
    report = evaluate_prompts(project.path, project.snapshot(), backbone=tiny_clip)
    red = next(each for each in report.classes if each.class_name == "red")
    assert red.recall == 0.0 and red.confused_with == "blue"
