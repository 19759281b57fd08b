"""Combining on the command line: every figure beside its parts', and an honest last line."""

import json
from pathlib import Path

import pytest

TINY = ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]


@pytest.fixture
def project(run, picture_folder: Path, tmp_path: Path) -> Path:
    """Return a project with two runs."""
    path = tmp_path / "project"
    run("new", path)
    run("import", path, picture_folder)
    run("split", path)
    for method, seed in (("linear", 0), ("prototype", 1)):
        code, _, stderr = run(
            "train", path, "--backbone", "test_resnet", "--method", method, *TINY, "--set", f"seed={seed}"
        )
        assert code == 0, stderr
    return path


def test_runs_are_combined_listed_and_measured(run, project: Path) -> None:
    code, stdout, stderr = run("combine", project, 1, 2, "--title", "Both", "--json")
    assert code == 0, stderr
    value = json.loads(stdout)
    assert {part["run"][:3] for part in value["parts"]} == {"001", "002"}
    assert sum(part["share"] for part in value["parts"]) == pytest.approx(1)
    assert value["top1_interval"][0] <= value["top1"] <= value["top1_interval"][1]
    assert value["verdict"] and isinstance(value["worth_it"], bool)
    listed = json.loads(run("runs", project, "--json")[1])
    assert listed[-1]["method"] == "combined" and listed[-1]["title"] == "Both"
    evaluated = json.loads(run("evaluate", project, 3, "--split", "test", "--json")[1])
    assert evaluated["run"] == value["run"]


def test_the_text_shows_each_part_and_what_to_make_of_it(run, project: Path) -> None:
    code, stdout, _ = run("combine", project, 1, 2)
    assert code == 0
    assert "001-test_resnet-linear" in stdout and "log loss" in stdout
    assert any(words in stdout for words in ("keep that", "Perhaps better", "Really better"))


def test_mistakes_are_one_line_and_a_step(run, project: Path) -> None:
    code, _, stderr = run("combine", project, 1)
    assert code == 2 and "two different runs" in stderr and "visionft combine" in stderr
    code, _, stderr = run("combine", project, 1, 7)
    assert code == 2 and "no run '7'" in stderr
