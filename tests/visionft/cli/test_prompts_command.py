"""`visionft label prompts`: shown, set with undo, measured; errors are reported before anything is read."""

import json
from pathlib import Path

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.store import Project


@pytest.fixture
def project(planted: Path, tmp_path: Path) -> Path:
    with Project.create(tmp_path / "project") as opened:
        import_source(opened, planted)
    return tmp_path / "project"


def test_lines_are_set_shown_and_taken_back(run, value, project: Path) -> None:
    code, out, _ = run("label", "prompts", project)
    assert code == 0 and "(its name)" in out and "red." in out
    found = value("label", "prompts", project, "--set", "red=a tomato", "--set", "red=a {} thing")
    classes = {each["class_name"]: each for each in found["classes"]}
    assert classes["red"]["texts"][1] == "a red thing" and classes["blue"]["is_name_alone"]
    for words, is_set in ((["project", "undo"], False), (["project", "redo"], True), (["--set", "red="], False)):
        run(*(["label", "prompts", project, *words] if words[0] == "--set" else [*words, project]))
        assert ("a tomato" in run("label", "prompts", project)[1]) == is_set


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


def test_the_same_prompts_are_warned_of(run, project: Path) -> None:
    code, out, err = run("label", "prompts", project, "--set", "red=sky", "--set", "blue=Sky", "--json")
    assert code == 0 and "blue, red" in err and json.loads(out)["same"] == [["blue", "red"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--set", "red=ok", "--set", "red= "), "red"),
        (("--set", "pink=x"), "pink"),
        (("--set", "red"), "'red'"),
        (("--templates", "many"), "photo, seven, none"),
        (("--measure", "--backbone", "resnet18"), "resnet18"),
    ],
)
def test_what_is_wrong_is_said(refused, project: Path, arguments: tuple[str, ...], told: str) -> None:
    assert told in refused("label", "prompts", project, *arguments)


def test_which_prompt_helps_is_measured(run, value, project: Path, tiny_clip: str) -> None:
    run("label", "prompts", project, "--set", "red=red", "--set", "red=blue")
    code, out, _ = run("label", "prompts", project, "--measure", "--backbone", tiny_clip)
    assert code == 0 and "100.0%" in out and "seven" in out
    assert "8 of 8" in out and "0 of 8" in out  # a class of few images is counted
    measured = value("label", "prompts", project, "--measure", "--backbone", tiny_clip)["measured"]
    red = next(each for each in measured["classes"] if each["class_name"] == "red")
    assert [line["recall"] for line in red["lines"]] == [1.0, 0.0] and measured["images"] == 24


def test_without_weights_and_network_the_file_its_place_and_folder_are_named(refused, project, weights_home) -> None:
    error = refused("label", "prompts", project, "--measure")
    assert "open_clip_model.safetensors" in error and "timm/PE-Core-S-16-384" in error and str(weights_home) in error
