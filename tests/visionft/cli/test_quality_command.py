"""`visionft quality`: what it lists, and that what it does can be undone."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.curation.quality.kinds import KINDS
from visionft.project.importing.importer import import_source
from visionft.project.queries import ImageFilter, count_images
from visionft.project.store import Project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project of 20 noisy pictures, one blank and one cut off."""
    rng = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / "pictures" / "noise" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    Image.new("RGB", (48, 40), (9, 90, 200)).save(path.with_name("blank.png"))
    path.with_name("cut.png").write_bytes(path.read_bytes()[:-900])
    with Project.create(tmp_path / "project") as created:
        import_source(created, tmp_path / "pictures")
    return tmp_path / "project"


def test_it_lists_the_worst_first_as_json_and_as_text(run, project):
    code, out, _ = run("quality", project, "--json")
    values = json.loads(out)
    assert code == 0 and {Path(each["path"]).name: each["kind"] for each in values} == {
        "blank.png": "blank",
        "cut.png": "damaged",
    }
    assert all(set(each) == {"path", "kind", "score", "reason"} for each in values)
    code, out, _ = run("quality", project)
    assert code == 0 and "2 findings in 22 pictures." in out and "Blank: one colour all over." in out


def test_a_kind_and_a_threshold_narrow_it(run, project):
    assert [each["kind"] for each in json.loads(run("quality", project, "--kind", "blank", "--json")[1])] == ["blank"]
    assert len(json.loads(run("quality", project, "--threshold", 0, "--json")[1])) >= 2
    code, _, err = run("quality", project, "--kind", "ugly")
    assert code == 2 and "ugly" in err and all(kind in err for kind in KINDS)
    code, _, err = run("quality", project, "--threshold", 50)
    assert code == 2 and "0 to 1" in err
    assert "Nothing was found." in run("quality", project, "--kind", "dark")[1]


def test_tagging_and_removing_are_steps_that_are_undone(run, project):
    out = run("quality", project, "--tag", "bad", "--remove")[1]
    assert "2 pictures got the tag “bad”." in out and "2 pictures removed." in out
    with Project.open(project) as opened:
        assert count_images(opened) == 20
        opened.undo()
        assert count_images(opened) == 22 and count_images(opened, ImageFilter(tag="bad")) == 2
        opened.undo()
        assert count_images(opened, ImageFilter(tag="bad")) == 0
    assert Path(project).parent.joinpath("pictures", "noise", "blank.png").exists()


def test_what_cannot_be_read_is_told(run, project):
    (project.parent / "pictures" / "noise" / "03.png").unlink()
    code, out, err = run("quality", project, "--json")
    assert code == 0 and len(json.loads(out)) == 2 and "03.png: the file is missing" in err
