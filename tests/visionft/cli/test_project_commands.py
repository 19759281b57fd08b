"""Projects from the command line: import, undo, history, checks, backups, relinking, and notices on stderr."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from altered_database import alter

from visionft.project.db.database import CHANGED_OUTSIDE_MESSAGE
from visionft.project.store import ProjectStore


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
    newest = value("project", "history", project)[0]
    assert newest["is_undone"] is True
    value("project", "undo", project, "--to", newest["step_id"])
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


def test_a_copy_is_imported_and_its_agreement_told(value, run, project: Path) -> None:
    copy, images = project.parent / "copy", sorted((project.parent / "images" / "red").glob("*.png"))[:2]
    value("project", "copy", project, copy)
    value("label", "set", project, "red", *images)
    value("label", "set", copy, "violet", *images)
    assert value("import", project, copy, "--dry-run")["new"] == 0
    assert value("import", project, copy)["agreement"] == {"images": 2, "equal": 0, "kappa": 0.0}
    assert value("project", "info", project)["conflicts"] == 2
    value("project", "undo", project)
    assert "kappa" in "".join(map(str, run("import", project, copy, "--class", "violet=red")))


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


def test_a_check_says_what_it_could_see_and_what_was_changed(run, value, project: Path) -> None:
    assert "2.0 GB" in run("project", "backup", project)[1]
    assert value("project", "check", project)["seal"] == "whole"
    alter(project, "UPDATE image SET width = 9 WHERE id = 3")
    code, out, _ = run("project", "check", project)
    assert code == 0 and "visionft project restore" in out


@pytest.fixture
def changed_outside(run, project: Path) -> None:
    """Change a value behind the program's back, after a backup."""
    run("project", "backup", project)
    alter(project, "UPDATE image SET width = 9 WHERE id = 3")


@pytest.mark.parametrize("command", ["project info", "project history", "project undo", "split", "label set"])
def test_a_database_that_was_changed_outside_is_told_by_each_command(
    run, project: Path, changed_outside: None, command: str
) -> None:
    more = ["red", project.parent / "images" / "blue" / "00.png"] if command == "label set" else []
    code, out, err = run(*command.split(), project, *more, "--json")
    assert code == 0 and json.loads(out) is not None
    assert err.count(CHANGED_OUTSIDE_MESSAGE) == 1


def test_check_tells_it_once_as_its_result(run, project: Path, changed_outside: None) -> None:
    code, out, err = run("project", "check", project)
    assert code == 0 and out.count(CHANGED_OUTSIDE_MESSAGE) == 1 and not err


def test_a_new_project_on_a_network_drive_is_told(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionft.project.db.database.network_file_system", lambda _: "nfs4")
    code, out, err = run("project", "new", tmp_path / "on a share")
    assert code == 0 and out and "nfs4" in err


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Return an empty project."""
    ProjectStore.create(tmp_path / "empty").close()
    return tmp_path / "empty"


def test_a_dry_run_shows_what_would_come_in_and_adds_nothing(run, value, image_folder: Path, empty: Path):
    found = value("import", empty, image_folder, "--dry-run")
    assert found["new"] == 48 and found["classes"] == {"blue": 16, "green": 16, "red": 16}
    assert "48 images" in run("import", empty, image_folder, "--dry-run")[1]
    assert value("project", "info", empty)["images"] == 0


def test_a_source_comes_in_as_the_chosen_reading(value, refused, image_folder: Path, empty: Path):
    found = value("import", empty, image_folder, "--dry-run", "--reading", "2")
    assert (found["reading"], found["classes"], found["unlabelled"]) == (2, {}, 48)
    first, last = found["readings"]
    assert (first["classes"], last["classes"]) == ({"blue": 16, "green": 16, "red": 16}, {})
    assert refused("import", empty, image_folder, "--reading", "3")
    assert value("import", empty, image_folder, "--reading", "1")["classes"] == first["classes"]


def test_a_label_file_that_has_changed_is_told_with_a_command_that_shows_and_takes_the_changes(
    run, value, image_folder: Path, empty: Path, tmp_path: Path
):
    labels = shutil.copytree(image_folder / "red", tmp_path / "red") / "labels.csv"
    labels.write_text("".join(["file,label\n", *(f"{number:02d}.png,cat\n" for number in range(16))]))
    value("import", empty, labels)
    labels.write_text(labels.read_text().replace("00.png,cat", "00.png,dog"))
    _, _, command = run("project", "info", empty)[1].partition(f"{labels} has changed since its import: visionft ")
    shown = command.splitlines()[0].split()
    assert run(*shown)[1].count("dog by") == 1
    assert value(*shown[:-1])["conflicts"] == []
    assert value("project", "info", empty)["classes"] == {"cat": 15, "dog": 1}
    assert "has changed" not in run("project", "info", empty)[1]


def test_a_image_in_two_classes_is_told_with_its_files(run, value, image_folder: Path, empty: Path, tmp_path: Path):
    images = Path(shutil.copytree(image_folder, tmp_path / "images"))
    first = sorted((images / "blue").iterdir())[0]
    second = images / "red" / "again.png"
    second.write_bytes(first.read_bytes())
    files = f"  {first}: blue by {first}; red by {second}"
    for command in (("import", empty, images, "--dry-run"), ("import", empty, images), ("project", "info", empty)):
        code, out, _ = run(*command)
        assert code == 0 and out.count(str(second)) == 1 and files in out  # not listed as known too
    assert value("project", "info", empty)["labelled"] == 47
    (conflict,) = value("import", empty, images)["conflicts"]
    assert [each["class_name"] for each in conflict["candidates"]] == ["blue", "red"]
    assert len(value("project", "info", empty)["label_conflicts"]) == 1
    command = re.search(r"visionft (label set .+) CLASS FILE", run("project", "info", empty)[1])
    assert command is not None and run(*shlex.split(command[1]), "red", first)[0] == 0
    assert not (info := value("project", "info", empty))["label_conflicts"] and info["labelled"] == 48
    run("project", "undo", empty)
    assert files in run("project", "info", empty)[1]


def test_boxes_are_refused_with_the_command_that_takes_them(run, value, refused, image_folder, empty, tmp_path):
    images = Path(shutil.copytree(image_folder, tmp_path / "images"))
    name = sorted((images / "blue").iterdir())[0].name
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}
    document = {"images": [{"id": 1, "file_name": f"blue/{name}"}], "annotations": [box]}
    labels = images / "instances.json"
    labels.write_text(json.dumps(document | {"categories": [{"id": 1, "name": "nose"}]}), encoding="utf-8")
    assert "--from-boxes" in refused("import", empty, labels)
    code, out, _ = run("import", empty, labels, "--from-boxes")
    assert code == 0 and "COCO" in out
    assert value("project", "info", empty)["classes"] == {"nose": 1}
