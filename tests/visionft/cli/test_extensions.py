"""Rows of other installed packages: used through the command line; a broken one is named and skipped."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BROKEN = """
[visionft.checks]
quality = json:JSONDecoder
gone = no_such_package:CHECK
[visionft.methods]
odd = json:dumps
[visionft.commands]
project = json:dumps
"""
TRAIN = ("--backbone", "test_resnet", "--method", "scale", "--epochs", "1", "--device", "cpu",
         "--set", "weights=random", "--set", "image_size=32", "--set", "workers=0")  # fmt: skip


@pytest.fixture
def program(sample_extension: Path, tmp_path: Path) -> Callable[..., Any]:
    """Return a function: arguments -> JSON of a command in a process with the extension installed."""

    def program(*arguments: object, also: Path = tmp_path) -> Any:
        path = os.pathsep.join(map(str, (sample_extension, also)))
        command = [sys.executable, "-m", "visionft", *map(str, arguments), "--json"]
        environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return program


def test_a_format_a_check_a_method_an_exporter_and_a_command(program, image_folder: Path, tmp_path: Path) -> None:
    project, out, folder = tmp_path / "project", tmp_path / "out", tmp_path / "images"
    shutil.copytree(image_folder, folder)
    images = sorted(folder.rglob("*.png"))
    lines = [f"{image.relative_to(folder)} = {image.parent.name}\n" for image in images]
    (folder / "labels.pairs").write_text("".join(lines))
    program("project", "new", project)
    assert program("import", project, folder / "labels.pairs", "--format", "pairs")["added"] == len(images)
    assert program("label", "count", project) == {"labelled": len(images)}
    program("label", "export", project, tmp_path / "again.pairs")
    assert len((tmp_path / "again.pairs").read_text().splitlines()) == len(images)
    found = program("curate", "check", project, "low-contrast", "--threshold", 0)
    assert len(found) == len(images) and {each["kind"] for each in found} == {"contrast"}
    program("split", project)
    run = program("train", project, *TRAIN)["run"]
    assert program("evaluate", project, run)["run"] == run
    assert "classes.json" in program("model", "export", project, run, out, "--exporter", "class-list")["files"]
    assert json.loads((out / "classes.json").read_text()) == ["blue", "green", "red"]


def test_a_broken_row_is_named_and_the_program_goes_on(program, tmp_path: Path) -> None:
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(BROKEN)
    diagnosis = program("doctor")
    state = {(each["group"].partition(".")[2], each["name"]): each["error"] for each in diagnosis["extensions"]}
    used = {key for key, error in state.items() if not error}
    assert used == {("methods", "scale"), ("formats", "pairs"), ("checks", "low-contrast"),
                    ("exporters", "class-list"), ("commands", "label.count")}  # fmt: skip
    broken = {("checks", "quality"), ("checks", "gone"), ("methods", "odd"), ("commands", "project")}
    assert set(state) - used == broken
    told = [each["message"] for each in diagnosis["problems"] if "broken 1.0" in each["message"]]
    assert len(told) == len(broken)
