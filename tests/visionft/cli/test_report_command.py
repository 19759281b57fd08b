"""`visionft curate report`: it recomputes stale parts, and reports the same as text, as JSON and as a page."""

from pathlib import Path

import pytest

from visionft.cli.next_steps import command_for
from visionft.curation.quality.quality_check import Quality
from visionft.errors import NextStep
from visionft.project.importing.importer import import_source
from visionft.project.store import Project


@pytest.fixture(autouse=True)
def only_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the quick check alone in the table."""
    for module in ("visionft.curation.report.report_reader", "visionft.curation.scan"):
        monkeypatch.setattr(f"{module}.CHECKS", {"quality": Quality()})


@pytest.fixture
def project(noisy_images: Path, tmp_path: Path) -> Path:
    with Project.create(tmp_path / "project") as created:
        import_source(created, noisy_images.parent)
    return tmp_path / "project"


def test_what_is_stale_is_looked_for_and_images_are_named_by_path(value, project):
    stored = value("curate", "report", project, "--as-is")["dataset"]
    assert stored["checks"][0]["state"] == "never" and not (project / "curation").exists()
    report = value("curate", "report", project)
    (quality,) = report["dataset"]["checks"]
    assert (quality["state"], quality["flagged"]) == ("current", 1)
    assert Path(quality["worst"][0]["path"]).name == "blank.png" and report["page"] is None
    found = next(each for each in report["dataset"]["recommendations"] if each["view"] == "quality")
    assert Path(found["images"][0]).name == "blank.png"


def test_the_page_is_written_by_the_command_of_the_next_step(run, project, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = command_for(NextStep("find_issues", project=project)).split()
    code, out, _ = run(*words[1:])
    assert code == 0 and "report.html" in out
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_check_that_cannot_look_says_why(run, project, monkeypatch):
    from visionft.errors import ProjectError

    def refuse(_self, _inputs):
        raise ProjectError("no labels")

    monkeypatch.setattr(Quality, "find_issues", refuse)
    assert "no labels" in run("curate", "report", project)[1]


def test_an_empty_project_is_told_of(run, tmp_path):
    Project.create(tmp_path / "empty").close()
    code, out, _ = run("curate", "report", tmp_path / "empty")
    assert code == 0 and "0 images" in out
