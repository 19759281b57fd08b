"""`visionft label learning-curve`: the figures of a project's labels as JSON and as text; refusals give advice."""

from pathlib import Path

import pytest

from visionft.project.store import Project

CLASSES = ("ant", "bee", "cat")


@pytest.fixture
def labelled_project(embedded_project) -> Path:
    return embedded_project(60, labelled=60, noise=1.6)


def test_the_curve_as_json_and_as_lines(run, value, labelled_project: Path):
    curve = value("label", "learning-curve", labelled_project, "--more", 20)
    assert curve["labels"] == 60 and [each["labels"] for each in curve["ahead"]] == [120, 240]
    assert curve["measured"][0]["accuracy"] < curve["now"]["accuracy"] <= curve["ahead"][1]["accuracy"]
    assert {each["class_name"] for each in curve["gains"]} == set(CLASSES) and curve["gains"][0]["added"] == 20
    code, out, _ = run("label", "learning-curve", labelled_project)
    assert code == 0 and "60 labels" in out and out.count("forecast") == 2 and all(name in out for name in CLASSES)


def test_a_project_without_labels_is_told_to_label(refused, tmp_path: Path):
    Project.create(tmp_path / "project").close()
    assert "visionft label set" in refused("label", "learning-curve", tmp_path / "project")


@pytest.mark.slow
def test_a_recommendation_without_time_for_training(value, refused, labelled_project: Path):
    value("split", labelled_project)
    found = value("recommend", labelled_project, "--budget", 0, "--device", "cpu")
    made = found["recommendation"]
    assert made["chosen"] in ("linear", "knn", "prototype") and made["trial"] is None
    candidates = {each["name"]: each for each in made["candidates"]}
    assert all(each["low"] <= each["accuracy"] <= each["high"] for each in candidates.values())
    assert candidates["full"]["refusal"] and candidates["full"]["is_forecast"]
    assert not candidates["linear"]["is_forecast"]
    assert found["sentence"] and found["evidence"] and found["conditions"]
    refused("recommend", labelled_project, "--memory", 1, "--device", "cpu")
