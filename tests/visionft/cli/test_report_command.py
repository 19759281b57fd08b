"""`visionft report`: it looks for what is stale, and tells the same as text, as JSON and as a page."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.cli import main
from visionft.cli.next_steps import command_for
from visionft.curation.quality.check import Quality
from visionft.errors import NextStep
from visionft.project.importing.importer import import_source
from visionft.project.store import Project


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr). Only quality is there: it is quick."""
    only_quality = {"quality": Quality()}
    for module in ("visionft.curation.health.health", "visionft.curation.look_through"):
        monkeypatch.setattr(f"{module}.CHECKS", only_quality)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "pictures" / "noise").mkdir(parents=True)
    for number in range(20):
        pixels = rng.integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / "noise" / f"{number:02d}.png")
    Image.new("RGB", (48, 40), (9, 90, 200)).save(tmp_path / "pictures" / "noise" / "blank.png")
    with Project.create(tmp_path / "project") as created:
        import_source(created, tmp_path / "pictures")
    return tmp_path / "project"


def test_as_it_is_nothing_is_looked_for(run, project):
    code, out, _ = run("report", project, "--as-is", "--json")
    value = json.loads(out)
    assert code == 0 and value["checks"][0]["state"] == "never" and not (project / "curation").exists()


def test_what_is_stale_is_looked_for_and_pictures_are_named_by_path(run, project, tmp_path):
    code, out, _ = run("report", project, "--json")
    value = json.loads(out)
    (quality,) = value["checks"]
    assert code == 0 and (quality["state"], quality["flagged"]) == ("current", 1)
    assert Path(quality["worst"][0]["path"]).name == "blank.png" and value["report"] is None
    found = next(each for each in value["advice"] if each["view"] == "quality")
    assert Path(found["images"][0]).name == "blank.png"


def test_the_page_is_written_by_the_command_of_the_next_step(run, project, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = command_for(NextStep("look_through", project=project)).split()
    code, out, _ = run(*words[1:])
    assert code == 0 and "What to do next:" in out and "Wrote report.html." in out
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_check_that_cannot_look_says_why(run, project, monkeypatch):
    from visionft.errors import ProjectError

    def refuse(_self, _inputs):
        raise ProjectError("There are no labels.", "Label some.")

    monkeypatch.setattr(Quality, "look", refuse)
    assert "There are no labels. Label some." in run("report", project)[1]


def test_an_empty_project_is_told_of(run, tmp_path):
    Project.create(tmp_path / "empty").close()
    code, out, _ = run("report", tmp_path / "empty")
    assert code == 0 and "0 pictures" in out and "Import pictures." in out
