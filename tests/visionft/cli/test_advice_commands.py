"""`visionft curve`: the figures of a project's labels as JSON and as lines; refusals say what to do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

CLASSES = ("ant", "bee", "cat")


@pytest.fixture
def labelled_project(tmp_path: Path) -> Path:
    """Return the folder of a project of 60 labelled pictures with made-up features."""
    generator, folder = np.random.default_rng(0), tmp_path / "pictures"
    kind = FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(4, 20))
    for number in range(60):
        target = folder / CLASSES[number % 3] / f"{number:02}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(target)
    with Project.create(tmp_path / "project") as project:
        import_source(project, folder)
        images = project.snapshot().images
        rows = np.eye(3, 24)[[image.labels[0] for image in images]] * 3 + 1.2 * generator.normal(size=(60, 24))
        kind.store(project.path).append([image.sha256 for image in images], rows.astype(np.float16))
        make_current(project.path, kind)
    return tmp_path / "project"


def test_the_curve_as_json_and_as_lines(run, labelled_project: Path):
    code, out, err = run("curve", labelled_project, "--more", 20, "--json")
    value = json.loads(out)
    assert code == 0, err
    assert value["labels"] == 60 and [each["labels"] for each in value["ahead"]] == [120, 240]
    assert value["measured"][0]["accuracy"] < value["now"]["accuracy"] <= value["ahead"][1]["accuracy"]
    assert {each["class_name"] for each in value["gains"]} == set(CLASSES) and value["gains"][0]["added"] == 20
    assert "laws" not in value
    code, out, _ = run("curve", labelled_project)
    assert code == 0 and "60 labels of 3 classes" in out and "forecast" in out and "Spread over all classes" in out


def test_a_project_without_labels_is_told_to_label(run, tmp_path: Path):
    with Project.create(tmp_path / "project"):
        pass
    code, _, err = run("curve", tmp_path / "project")
    assert code == 2 and "No picture has a label" in err and "visionft label" in err


@pytest.mark.slow
def test_a_recommendation_without_time_for_training(run, labelled_project: Path):
    assert run("split", labelled_project)[0] == 0
    code, out, err = run("recommend", labelled_project, "--budget", 0, "--device", "cpu", "--json")
    value = json.loads(out)
    assert code == 0, err
    assert value["chosen"] in ("linear", "prototype") and value["trial"] is None
    kinds = {each["name"]: each for each in value["answerers"]}
    assert all(each["low"] <= each["accuracy"] <= each["high"] for each in value["answerers"])
    assert kinds["full"]["refusal"] and kinds["full"]["is_forecast"] and not kinds["linear"]["is_forecast"]
    code, _, err = run("recommend", labelled_project, "--memory", 1, "--device", "cpu")
    assert code == 2 and "Nothing that answers fits" in err
