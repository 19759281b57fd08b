"""`visionft label suggest`, `queue`, `learning-curve`, and `recommend`: advice, and explicit acceptance only."""

import csv
from pathlib import Path

import pytest

from visionft.project.edits.changes import UnlabelImages
from visionft.project.store import Project


def test_suggest_and_accept(value, refused, train, project: Path):
    with Project.open(project) as opened:
        unlabelled = tuple(image.image_id for image in opened.snapshot().labelled("test"))
        opened.apply(UnlabelImages(unlabelled))
    train(project, "full", "--epochs", 1)
    found = value("label", "suggest", project, 1)
    assert (found["suggested"], found["accepted"]) == (len(unlabelled), 0)
    assert value("label", "suggest", project, 1, "--accept", 0)["accepted"] == len(unlabelled)
    assert value("project", "info", project)["labelled"] == 48
    refused("label", "suggest", project, 1, "--accept", 95)


@pytest.fixture
def nine_labels(embedded_project) -> Path:
    """Return a project of 45 images, nine of them labelled."""
    return embedded_project(45, labelled=9, noise=0.3)


def shown(path: Path | str) -> str:
    return Path(path).stem.split("-")[1]


def test_features_suggest_without_a_run_and_say_why(run, value, nine_labels: Path):
    found = value("label", "suggest", nine_labels, "--why")
    assert (found["source"], found["suggested"], found["accepted"]) == ("features", 36, 0)
    assert all(each["classes"] == [shown(each["path"])] for each in found["images"])
    assert all(why["classes"] == [shown(why["path"])] for each in found["images"] for why in each["why"][:1])
    code, out, _ = run("label", "suggest", nine_labels, "--accept", 0.3)
    assert code == 0 and "36" in out
    assert value("project", "info", nine_labels)["labelled"] == 45


def test_an_audit_goes_through_a_file(run, value, refused, nine_labels: Path, tmp_path: Path):
    file = tmp_path / "sample.csv"
    found = value("label", "suggest", nine_labels, "--audit", file, "--rightness", 0.8, "--seed", 1)
    assert found["accepted"] == 0 and found["sample"]["audit"]["accepted"] == 36
    rows = list(csv.DictReader(file.open()))
    assert len(rows) == found["sample"]["audit"]["sample"] < 36
    assert "no class" in refused("label", "suggest", nine_labels, "--certify", file)
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "answer": shown(row["path"])} for row in rows)
    code, out, err = run("label", "suggest", nine_labels, "--certify", file)
    assert code == 0 and "36" in out, err
    refused("label", "suggest", nine_labels, "--certify", file)
    (certificate,) = value("project", "info", nine_labels)["certificates"]
    assert certificate["audit"]["source"] == "features" and certificate["audit"]["proven"] >= 0.8
    assert (certificate["labels"], certificate["standing"]) == (36, 36)
    assert "36 of 36" in run("project", "info", nine_labels)[1]


def test_the_queue_names_what_to_label_next_also_without_labels(value, refused, nine_labels: Path):
    rows = value("label", "queue", nine_labels, "--count", 5)
    assert len(rows) == 5 and len({row["path"] for row in rows}) == 5
    assert {row["why"] for row in rows} == {"unsure"} and all(Path(row["path"]).is_file() for row in rows)
    with Project.open(nine_labels) as project:
        project.apply(UnlabelImages(tuple(image.image_id for image in project.snapshot().images)))
    assert {row["why"] for row in value("label", "queue", nine_labels)} == {"centre"}
    assert "visionft label set" in refused("label", "suggest", nine_labels)


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
