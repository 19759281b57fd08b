"""`visionft prompts`: shown, set with undo, measured; what is wrong is told before anything is read."""

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


def test_lines_are_set_shown_and_taken_back(run, project: Path) -> None:
    code, out, _ = run("prompts", project)
    assert code == 0 and "(its name)" in out and "a photo of a red." in out
    lines = ("--set", "red=a tomato", "--set", "red=a {} thing", "--json")
    code, out, _ = run("prompts", project, *lines)
    classes = {each["class_name"]: each for each in json.loads(out)["classes"]}
    assert classes["red"]["texts"] == ["a photo of a a tomato.", "a red thing"] and classes["blue"]["is_name_alone"]
    assert run("undo", project)[0] == 0 and "a tomato" not in run("prompts", project)[1]
    run("redo", project)
    assert "(its name)" not in run("prompts", project)[1].split("red", 1)[1].splitlines()[0]
    assert run("prompts", project, "--set", "red=")[0] == 0 and "a tomato" not in run("prompts", project)[1]


def test_the_same_prompts_are_warned_of(run, project: Path) -> None:
    code, out, err = run("prompts", project, "--set", "red=sky", "--set", "blue=Sky", "--json")
    assert code == 0 and "The same prompts stand for blue, red: their answers cannot differ." in err
    assert json.loads(out)["same"] == [["blue", "red"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--set", "red=ok", "--set", "red= "), "A prompt of “red” is empty."),
        (("--set", "pink=x"), "pink"),
        (("--set", "red"), "names no prompt"),
        (("--templates", "many"), "Choose one of photo, seven, none"),
        (("--measure", "--backbone", "resnet18"), "resnet18 has no text side"),
    ],
)
def test_what_is_wrong_is_said(run, project: Path, arguments: tuple[str, ...], told: str) -> None:
    code, _, err = run("prompts", project, *arguments)
    assert code == 2 and told in err and "Traceback" not in err


def test_which_prompt_helps_is_measured(run, project: Path, tiny_clip: str) -> None:
    run("prompts", project, "--set", "red=red", "--set", "red=blue")
    code, out, _ = run("prompts", project, "--measure", "--backbone", tiny_clip)
    assert code == 0 and "by the classes' names alone 100.0%" in out and "seven" in out
    code, out, _ = run("prompts", project, "--measure", "--backbone", tiny_clip, "--json")
    measured = json.loads(out)["measured"]
    red = next(each for each in measured["classes"] if each["class_name"] == "red")
    assert [line["recall"] for line in red["lines"]] == [1.0, 0.0] and measured["pictures"] == 24


def test_without_weights_and_network_the_file_its_place_and_folder_are_named(run, project: Path, weights_home) -> None:
    code, _, err = run("prompts", project, "--measure")
    assert code == 2 and "open_clip_model.safetensors of timm/PE-Core-S-16-384" in err and str(weights_home) in err
