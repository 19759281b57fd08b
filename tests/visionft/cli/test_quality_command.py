"""`visionft curate quality`: its list, and undo of its actions."""

import json
from pathlib import Path

import pytest

from visionft.curation.quality.kinds import KINDS
from visionft.project.importing.importer import import_source
from visionft.project.queries import ImageFilter, count_images
from visionft.project.store import Project


@pytest.fixture
def project(noisy_images: Path, tmp_path: Path) -> Path:
    """Return a project of 20 noisy images, one blank and one cut off."""
    (noisy_images / "cut.png").write_bytes((noisy_images / "19.png").read_bytes()[:-900])
    with Project.create(tmp_path / "project") as created:
        import_source(created, noisy_images.parent)
    return tmp_path / "project"


def test_it_lists_the_worst_first_as_json_and_as_text(run, value, project):
    found = {Path(each["path"]).name: each["kind"] for each in value("curate", "quality", project)}
    assert found == {"blank.png": "blank", "cut.png": "corrupt"}
    code, out, _ = run("curate", "quality", project)
    assert code == 0 and "2 issues" in out and "22 images" in out and out.count(".png") == 2


def test_a_kind_and_a_threshold_narrow_it(value, refused, project):
    assert [each["kind"] for each in value("curate", "quality", project, "--kind", "blank")] == ["blank"]
    assert len(value("curate", "quality", project, "--threshold", 0)) >= 2
    error = refused("curate", "quality", project, "--kind", "ugly")
    assert "ugly" in error and all(kind in error for kind in KINDS)
    refused("curate", "quality", project, "--threshold", 50)
    assert value("curate", "quality", project, "--kind", "dark") == []


def test_tagging_and_removing_are_steps_that_are_undone(run, project):
    out = run("curate", "quality", project, "--tag", "bad", "--remove")[1]
    assert "“bad”" in out and out.count("2 images ") == 2
    with Project.open(project) as opened:
        assert count_images(opened) == 20
        opened.undo()
        assert count_images(opened) == 22 and count_images(opened, ImageFilter(tag="bad")) == 2
        opened.undo()
        assert count_images(opened, ImageFilter(tag="bad")) == 0
    assert Path(project).parent.joinpath("images", "noise", "blank.png").exists()


def test_what_cannot_be_read_is_told(run, project):
    (project.parent / "images" / "noise" / "03.png").unlink()
    code, out, err = run("curate", "quality", project, "--json")
    assert code == 0 and len(json.loads(out)) == 2 and "03.png: " in err
