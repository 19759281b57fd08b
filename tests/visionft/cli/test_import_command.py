"""`visionft import`: a dry run, and classes that come in under other names."""

import json
import shutil
from pathlib import Path


def test_a_dry_run_shows_what_would_come_in_and_adds_nothing(run, picture_folder: Path, tmp_path: Path):
    project = tmp_path / "project"
    run("new", project)
    code, out, _ = run("import", project, picture_folder, "--dry-run", "--json")
    value = json.loads(out)
    assert code == 0 and value["new"] == 48 and value["classes"] == {"blue": 16, "green": 16, "red": 16}
    code, out, _ = run("import", project, picture_folder, "--dry-run")
    assert "Would add 48 pictures" in out and "Nothing was written" in out
    assert json.loads(run("info", project, "--json")[1])["images"] == 0


def test_a_picture_in_two_classes_is_told_with_its_files(run, picture_folder: Path, tmp_path: Path):
    project = tmp_path / "project"
    pictures = Path(shutil.copytree(picture_folder, tmp_path / "pictures"))
    first = sorted((pictures / "blue").iterdir())[0]
    second = pictures / "red" / "again.png"
    second.write_bytes(first.read_bytes())
    run("new", project)
    words = "1 picture came in two classes"
    said = f"  {first}: blue by {first}; red by {second}"
    for command in (("import", project, pictures, "--dry-run"), ("import", project, pictures)):
        _, out, _ = run(*command)
        assert words in out and said in out and "Known already" not in out
    code, out, _ = run("info", project)
    assert code == 0 and words in out and said in out and "47 labelled" in out
    _, out, _ = run("import", project, pictures, "--json")
    assert [each["class_name"] for each in json.loads(out)["conflicts"][0]["candidates"]] == ["blue", "red"]
    assert len(json.loads(run("info", project, "--json")[1])["conflicts"]) == 1
    run("label", project, "red", first)
    code, out, _ = run("info", project)
    assert words not in out and "48 labelled" in out
    run("undo", project)
    assert words in run("info", project)[1]


def test_boxes_are_refused_with_the_command_that_takes_them(run, picture_folder: Path, tmp_path: Path):
    project, pictures = tmp_path / "project", Path(shutil.copytree(picture_folder, tmp_path / "pictures"))
    name = sorted((pictures / "blue").iterdir())[0].name
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}
    document = {"images": [{"id": 1, "file_name": f"blue/{name}"}], "annotations": [box]}
    labels = pictures / "instances.json"
    labels.write_text(json.dumps(document | {"categories": [{"id": 1, "name": "nose"}]}), encoding="utf-8")
    run("new", project)
    code, _, err = run("import", project, labels)
    assert code == 2 and "--from-boxes" in err
    code, out, _ = run("import", project, labels, "--from-boxes")
    assert code == 0 and "read as COCO" in out and "each class that is marked in a picture is a label of it" in out
    assert json.loads(run("info", project, "--json")[1])["classes"] == {"nose": 1}


def test_labels_go_through_another_tool_and_back(run, picture_folder: Path, tmp_path: Path):
    project, again = tmp_path / "project", tmp_path / "again"
    run("new", project)
    run("import", project, picture_folder)
    run("split", project)
    code, out, _ = run("export-labels", project, tmp_path / "yolo", "--format", "yolo", "--json")
    assert code == 0 and json.loads(out)["pictures"] == 48
    run("new", again)
    code, out, _ = run("import", again, tmp_path / "yolo", "--format", "yolo", "--json")
    assert json.loads(out)["classes"] == {"blue": 16, "green": 16, "red": 16}
    code, _, err = run("export-labels", project, tmp_path / "labels.json")
    assert code == 2 and "coco" in err


def test_classes_are_renamed_and_left_out(run, picture_folder: Path, tmp_path: Path):
    project = tmp_path / "project"
    run("new", project)
    pairs = ("--class", "blue=cold", "--class", "green=cold", "--class", "red=")
    code, out, _ = run("import", project, picture_folder, *pairs, "--json")
    assert code == 0 and json.loads(out)["classes"] == {"cold": 32}


def test_a_pair_without_an_equals_sign_is_refused(run, picture_folder: Path, tmp_path: Path):
    run("new", tmp_path / "project")
    code, _, err = run("import", tmp_path / "project", picture_folder, "--class", "blue")
    assert code == 2 and "OLD=NEW" in err
