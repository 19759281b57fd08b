"""`visionft scoreboard`: empty, made, measured, ranked; the same in text and in JSON."""

import json
from pathlib import Path

import pytest

from visionft.cli.next_steps import joined

TINY = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]


@pytest.fixture
def project(run, picture_folder: Path, tmp_path: Path) -> Path:
    """Return a project with labelled, split pictures."""
    path = tmp_path / "my project"
    run("new", path)
    run("import", path, picture_folder)
    run("split", path)
    return path


def test_runs_are_ranked_measured_and_priced(run, project: Path) -> None:
    def value(*arguments: object):
        code, stdout, stderr = run("scoreboard", project, *arguments, "--json")
        assert code == 0, stderr
        return json.loads(stdout)

    assert value() == {
        "split": "val", "pictures": value()["pictures"], "best": None, "front_by_time": [], "front_by_seconds": [],
        "answerers": [],
    }  # fmt: skip
    assert joined(["visionft", "scoreboard", str(project), "--make"]) in run("scoreboard", project)[1]

    for method in ("linear", "lora"):
        code, _, stderr = run("train", project, "--backbone", "test_resnet", "--method", method, "--epochs", 1, *TINY)
        assert code == 0, stderr
    waiting = value()
    assert waiting["best"] is None and {each["state"] for each in waiting["answerers"]} == {"unmeasured"}
    said = run("scoreboard", project)[1]
    assert "2 answerers to evaluate or to time here" in said
    assert joined(["visionft", "scoreboard", str(project), "--split", "val", "--measure"]) in said

    board = value("--measure")
    names = {"001-test_resnet-linear", "002-test_resnet-lora"}
    assert set(board["measured"]["evaluated"]) == set(board["measured"]["priced"]) == names
    assert board["best"] in names and board["front_by_seconds"] and board["front_by_time"]
    first, second = board["answerers"]
    assert first["place"] == 1 and first["beside"] is None and second["beside"]["p_value"] <= 1
    assert all(each["knowledge"] == "frozen" and each["milliseconds"] > 0 for each in board["answerers"])
    linear = next(each for each in board["answerers"] if "linear" in each["run"])
    assert linear["is_training_free"] and linear["title"] == "Linear probe, Test ResNet"

    said = run("scoreboard", project)[1]
    for word in ("Linear probe, Test ResNet", "LoRA, Test ResNet", "the best", "frozen", "learns", "drift", "fp32"):
        assert word in said
    assert "--measure" not in said


def test_what_cannot_be_ranked_is_one_clear_line(run, project: Path, picture_folder: Path, tmp_path: Path) -> None:
    code, stdout, stderr = run("scoreboard", project, "--split", "train")
    assert code == 2 and not stdout and "Cannot evaluate on 'train'" in stderr
    bare = tmp_path / "bare"
    run("new", bare)
    run("import", bare, picture_folder)
    code, stdout, stderr = run("scoreboard", bare)
    assert code == 2 and not stdout and "no labelled pictures" in stderr and "visionft split" in stderr
