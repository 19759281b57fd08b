"""`visionft import`: a dry run, and renaming classes."""

import json
import shutil
from pathlib import Path

import pytest

from visionft.project.store import Project


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Return an empty project."""
    Project.create(tmp_path / "empty").close()
    return tmp_path / "empty"


def test_a_dry_run_shows_what_would_come_in_and_adds_nothing(run, value, image_folder: Path, empty: Path):
    found = value("import", empty, image_folder, "--dry-run")
    assert found["new"] == 48 and found["classes"] == {"blue": 16, "green": 16, "red": 16}
    assert "48 images" in run("import", empty, image_folder, "--dry-run")[1]
    assert value("project", "info", empty)["images"] == 0


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
    run("label", "set", empty, "red", first)
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


@pytest.mark.parametrize(("target", "form"), [("labels.csv", "auto"), ("folders", "auto"), ("yolo", "yolo")])
def test_labels_make_the_round_trip(value, refused, project: Path, empty: Path, tmp_path: Path, target, form):
    assert value("label", "export", project, tmp_path / target, "--format", form)["images"] == 48
    found = value("import", empty, tmp_path / target, "--format", form)
    assert found["classes"] == {"blue": 16, "green": 16, "red": 16}
    assert "coco" in refused("label", "export", project, tmp_path / "labels.json")


def test_classes_are_renamed_and_left_out(value, refused, image_folder: Path, empty: Path):
    assert "OLD=NEW" in refused("import", empty, image_folder, "--class", "blue")
    pairs = ("--class", "blue=cold", "--class", "green=cold", "--class", "red=")
    assert value("import", empty, image_folder, *pairs)["classes"] == {"cold": 32}
