"""Ensembles on the command line: every figure next to its members', and an honest last line."""

from pathlib import Path

import pytest


def test_runs_are_combined_listed_and_measured(run, value, refused, train, project: Path) -> None:
    first, second = train(project, "linear"), train(project, "prototype", "--set", "seed=1")
    found = value("run", "combine", project, 1, 2, "--title", "Both")
    assert {part["run"] for part in found["parts"]} == {first, second}
    assert sum(part["share"] for part in found["parts"]) == pytest.approx(1)
    assert found["accuracy_interval"][0] <= found["accuracy"] <= found["accuracy_interval"][1]
    assert found["verdict"] and isinstance(found["is_worth_it"], bool)
    listed = value("run", "list", project)[-1]
    assert listed["method"] == "combined" and listed["title"] == "Both"
    assert value("evaluate", project, 3, "--split", "test")["run"] == found["run"]
    code, stdout, _ = run("run", "combine", project, 1, 2)
    assert code == 0 and first in stdout and found["verdict"] in stdout
    assert "visionft run combine" in refused("run", "combine", project, 1)
    assert "'7'" in refused("run", "combine", project, 1, 7)
