"""`visionft label suggest`, `prompts`, and `recommend`: advice, and explicit acceptance."""

import json
from pathlib import Path

import pytest

from visionft.project.edits.changes import UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore


def test_suggest_and_accept(value, refused, train, project: Path):
    with ProjectStore.open(project) as opened:
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


def test_without_labels_nothing_is_suggested(refused, nine_labels: Path):
    with ProjectStore.open(nine_labels) as project:
        project.apply(UnlabelImages(tuple(image.image_id for image in project.snapshot().images)))
    assert "visionft label set" in refused("label", "suggest", nine_labels)


@pytest.mark.slow
def test_a_recommendation_compares_what_needs_no_training(run, value, refused, embedded_project, tmp_path: Path):
    project = embedded_project(60, labelled=60, noise=1.6)
    found = value("recommend", project, "--device", "cpu")
    assert {each["name"] for each in found["models"]} == {"linear", "knn", "prototype"}
    assert found["chosen"] == found["models"][0]["name"] and not found["is_training_worthwhile"]
    code, out, _ = run("recommend", project, "--device", "cpu")
    assert code == 0 and found["sentence"] in out and "labels" in out
    ProjectStore.create(tmp_path / "project").close()
    assert "visionft label set" in refused("recommend", tmp_path / "project")


@pytest.fixture
def prompted(planted: Path, tmp_path: Path) -> Path:
    with ProjectStore.create(tmp_path / "project") as opened:
        import_source(opened, planted)
    return tmp_path / "project"


@pytest.mark.slow
def test_lines_are_set_shown_and_taken_back(run, value, prompted: Path) -> None:
    code, out, _ = run("label", "prompts", prompted)
    assert code == 0 and "(its name)" in out and "red." in out
    found = value("label", "prompts", prompted, "--set", "red=a tomato", "--set", "red=a {} thing")
    classes = {each["class_name"]: each for each in found["classes"]}
    assert classes["red"]["texts"][1] == "a red thing" and classes["blue"]["is_name_alone"]
    for words, is_set in ((["project", "undo"], False), (["label", "prompts", "--set", "red=a tomato"], True)):
        run(*words[:2], prompted, *words[2:])
        assert ("a tomato" in run("label", "prompts", prompted)[1]) == is_set


@pytest.mark.slow
def test_a_project_without_a_label_gets_its_classes_here(run, planted: Path, tmp_path: Path, tiny_clip: str) -> None:
    folder, flat = tmp_path / "bare", tmp_path / "flat"
    flat.mkdir()
    for path in planted.rglob("*.png"):
        path.rename(flat / path.name)
    run("project", "new", folder)
    run("import", folder, flat)
    code, out, _ = run("label", "prompts", folder, "--add", "red", "--add", "blue", "--set", "blue=the sky", "--json")
    assert code == 0 and [each["class_name"] for each in json.loads(out)["classes"]] == ["red", "blue"]
    code, out, err = run("train", folder, "--method", "zero_shot", "--backbone", tiny_clip, "--set", "device=cpu")
    assert code == 0 and "not validated" in out and "red" in err


def test_the_same_prompts_are_warned_of(run, prompted: Path) -> None:
    code, out, err = run("label", "prompts", prompted, "--set", "red=sky", "--set", "blue=Sky", "--json")
    assert code == 0 and "blue, red" in err and json.loads(out)["same"] == [["blue", "red"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--set", "red=ok", "--set", "red= "), "red"),
        (("--set", "pink=x"), "pink"),
        (("--set", "red"), "'red'"),
        (("--templates", "many"), "photo, seven, none"),
    ],
)
def test_what_is_wrong_is_said(refused, prompted: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in refused("label", "prompts", prompted, *arguments)


def test_without_weights_and_network_the_file_its_place_and_folder_are_named(refused, prompted, weights_home) -> None:
    error = refused("train", prompted, "--method", "zero_shot")
    assert "open_clip_model.safetensors" in error and "timm/PE-Core-S-16-384" in error and str(weights_home) in error
