"""Undo, history, checks, backups, relinking and label export from the command line."""

import shutil
from pathlib import Path

import pytest
from altered_database import alter


@pytest.fixture
def project(value, image_folder: Path, tmp_path: Path) -> Path:
    """Return a project of a movable copy of the images."""
    shutil.copytree(image_folder, tmp_path / "images")
    value("project", "new", tmp_path / "project")
    value("import", tmp_path / "project", tmp_path / "images")
    return tmp_path / "project"


def test_undo_and_redo_reach_across_sessions(value, project: Path) -> None:
    image = project.parent / "images" / "red" / "00.png"
    value("label", "set", project, "violet", image)
    done = value("project", "undo", project)
    assert "violet" in done["title"] and done["images"] == 1
    assert value("project", "info", project)["classes"]["red"] == 16
    assert value("project", "history", project)[0]["is_undone"] is True
    value("project", "redo", project)
    assert value("project", "info", project)["classes"] == {"blue": 16, "green": 16, "red": 15, "violet": 1}


def test_undo_goes_back_to_a_step_and_forward_again(value, project: Path) -> None:
    for name in ("violet", "amber"):
        value("label", "set", project, name, project.parent / "images" / "red" / "00.png")
    newest, *_, first = [step["step_id"] for step in value("project", "history", project)]
    value("project", "undo", project, "--to", first)
    assert value("project", "info", project)["classes"]["red"] == 16
    value("project", "undo", project, "--to", newest)
    assert value("project", "info", project)["classes"]["amber"] == 1
    assert value("project", "undo", project, "--to", 0)["next"] is None
    assert value("project", "info", project)["images"] == 0


def test_a_project_is_duplicated(value, project: Path) -> None:
    assert value("project", "copy", project, project.parent / "copy")["path"] == str(project.parent / "copy")
    assert value("project", "info", project.parent / "copy")["classes"] == value("project", "info", project)["classes"]


def test_moved_images_are_noticed_and_found_again(value, project: Path) -> None:
    (project.parent / "images").rename(project.parent / "elsewhere")
    assert len(value("project", "check", project)["missing"]) == 48
    found = value("project", "relink", project, project.parent / "elsewhere")
    assert found["relinked"] == 48 and not found["missing"]
    again = value("project", "check", project, "--contents")
    assert not again["repaired"] and not again["missing"] and not again["edited"]


def test_a_backup_brings_labels_back(value, project: Path) -> None:
    names = [each["name"] for each in value("project", "backup", project)]
    value("label", "set", project, "violet", project.parent / "images" / "red" / "00.png")
    value("project", "restore", project, names[0])
    assert "violet" not in value("project", "info", project)["classes"]


@pytest.mark.parametrize("command", ["import x --format tar", "label export x --format xml", "split --group ("])
def test_unknown_values_are_refused(command: str, refused, project: Path) -> None:
    first, *words = command.split()
    name = [first, words.pop(0)] if first == "label" else [first]
    assert words[-1] in refused(*name, project, *words)


def test_a_check_says_what_it_could_see_and_what_was_changed(run, value, project: Path) -> None:
    assert "2.0 GB" in run("project", "backup", project)[1]
    assert value("project", "check", project)["seal"] == "whole"
    alter(project, "UPDATE image SET width = 9 WHERE id = 3")
    code, out, _ = run("project", "check", project)
    assert code == 0 and "visionft project restore" in out and "image 3: width is 9" in out
