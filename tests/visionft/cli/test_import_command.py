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
