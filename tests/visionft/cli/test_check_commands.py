"""`visionft curate check` and `report`: their lists, and their actions with undo."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visionft.analysis.check import APPROXIMATE, APPROXIMATE_TEXT, Inputs, read_result, write_result
from visionft.analysis.quality import KINDS, Quality
from visionft.core.errors import ProjectError
from visionft.features.feature_store import FeatureKind, Features
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.importing.importer import import_files, import_source
from visionft.project.queries import ImageFilter, find_images
from visionft.project.store import ProjectStore


@pytest.fixture
def project(noisy_images: Path, tmp_path: Path) -> Path:
    """Return a project of 20 noisy images, one blank and one cut off."""
    (noisy_images / "cut.png").write_bytes((noisy_images / "19.png").read_bytes()[:-900])
    with ProjectStore.create(tmp_path / "project") as created:
        import_source(created, noisy_images.parent)
    return tmp_path / "project"


@pytest.fixture
def issues(value, project: Path) -> Callable[..., list[dict[str, Any]]]:
    """Return a function: check and options -> its issues."""
    return lambda check, *options: value("curate", "check", project, check, *options)[check]["issues"]


def test_it_lists_the_worst_first_as_json_and_as_text(run, issues, project):
    found = {Path(each["path"]).name: each["kind"] for each in issues("quality")}
    assert found == {"blank.png": "blank", "cut.png": "corrupt"}
    code, out, _ = run("curate", "check", project, "quality")
    assert code == 0 and "2 issues" in out and "22 images" in out and out.count(".png") == 2


def test_a_kind_and_a_threshold_narrow_it(issues, refused, project):
    assert [each["kind"] for each in issues("quality", "--kind", "blank")] == ["blank"]
    assert len(issues("quality", "--threshold", 0)) >= 2
    error = refused("curate", "check", project, "quality", "--kind", "ugly")
    assert "ugly" in error and all(kind in error for kind in KINDS)
    refused("curate", "check", project, "quality", "--threshold", 50)
    assert issues("quality", "--kind", "dark") == []
    refused("curate", "check", project, "--kind", "dark")
    refused("curate", "check", project, "duplicates", "--remove")


def test_tagging_and_removing_are_steps_that_are_undone(run, project):
    out = run("curate", "check", project, "quality", "--tag", "bad", "--remove")[1]
    assert "“bad”" in out and out.count("2 images ") == 2
    with ProjectStore.open(project) as opened:
        assert len(find_images(opened)) == 20
        opened.undo()
        assert len(find_images(opened)) == 22 and len(find_images(opened, ImageFilter(tag="bad"))) == 2
        opened.undo()
        assert len(find_images(opened, ImageFilter(tag="bad"))) == 0
    assert Path(project).parent.joinpath("images", "noise", "blank.png").exists()


def test_what_cannot_be_read_is_told(run, project):
    (project.parent / "images" / "noise" / "03.png").unlink()
    code, out, err = run("curate", "check", project, "quality", "--json")
    assert code == 0 and len(json.loads(out)["quality"]["issues"]) == 2 and "03.png: " in err


COUNT = 60
WIDTHS = (8, 8)
WRONG = (7, 20, 33)  # positions of images with a wrong label


@pytest.fixture
def mislabelled(tmp_path: Path, draw, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project of two classes with three wrong labels, with drawn features instead of a network's."""
    files = [draw(tmp_path / "images" / f"{place:02d}.png", place) for place in range(COUNT)]
    with ProjectStore.create(tmp_path / "fruit") as project:
        import_files(project, files)
        ids = [image.image_id for image in project.snapshot().images]
        labels = [(place % 2) ^ (place in WRONG) for place in range(COUNT)]
        for index, name in enumerate(("apple", "pear")):
            chosen = [image_id for image_id, label in zip(ids, labels, strict=True) if label == index]
            project.apply(LabelImages(tuple(chosen), name))
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(2, sum(WIDTHS)))
    vectors = (centres[np.arange(COUNT) % 2] + rng.normal(size=(COUNT, sum(WIDTHS)))).astype(np.float16)
    kind = FeatureKind(backbone="drawn", size=32, weights="w", preprocessing="p", widths=WIDTHS)
    monkeypatch.setattr(Inputs, "features", property(lambda self: Features(kind, self.images.images, vectors)))
    return tmp_path / "fruit"


def labels_of(project: Path) -> list[str]:
    with ProjectStore.open(project, read_only=True) as opened:
        images = opened.snapshot()
    return [images.class_names[image.labels[0]] for image in images.images]


def test_json_lists_the_most_probable_errors_first(value, mislabelled):
    report = value("curate", "check", mislabelled, "label-errors")["label-errors"]
    found = report["issues"]
    assert report["checked"] == COUNT
    assert {int(Path(each["path"]).stem) for each in found} == set(WRONG)  # more probably wrong than right
    for each in found:
        place = int(Path(each["path"]).stem)
        assert each["suggested"] == ("apple", "pear")[place % 2]
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)
    every = value("curate", "check", mislabelled, "label-errors", "--threshold", 0)["label-errors"]["issues"]
    assert len(every) > 3


def test_what_is_sure_is_relabelled_and_undo_brings_it_back(run, mislabelled):
    before = labels_of(mislabelled)
    code, out, _ = run("curate", "check", mislabelled, "label-errors", "--accept", 0.5)
    assert code == 0 and "visionft project undo" in out
    assert labels_of(mislabelled) == [("apple", "pear")[place % 2] for place in range(COUNT)]
    run("project", "undo", mislabelled)
    assert labels_of(mislabelled) == before


def test_what_is_no_share_and_what_has_no_labels_is_refused(refused, mislabelled):
    refused("curate", "check", mislabelled, "label-errors", "--accept", 2)
    with ProjectStore.open(mislabelled) as opened:
        opened.apply(UnlabelImages(tuple(image.image_id for image in opened.snapshot().images)))
    assert "visionft label set" in refused("curate", "check", mislabelled, "label-errors")


@pytest.fixture
def only_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the quick check alone in the table."""
    for module in ("visionft.analysis.report", "visionft.analysis.scan"):
        monkeypatch.setattr(f"{module}.CHECKS", {"quality": Quality()})


def test_what_is_stale_is_looked_for_and_images_are_named_by_path(value, project, only_quality):
    stored = value("curate", "report", project, "--as-is")["dataset"]
    assert stored["checks"][0]["state"] == "never" and not (project / "curation").exists()
    report = value("curate", "report", project)
    (quality,) = report["dataset"]["checks"]
    assert (quality["state"], quality["flagged"]) == ("current", 2)
    assert {Path(each["path"]).name for each in quality["worst"]} == {"blank.png", "cut.png"}
    found = next(each for each in report["dataset"]["recommendations"] if each["view"] == "quality")
    assert {Path(each).name for each in found["images"]} == {"blank.png", "cut.png"}


def test_text_and_json_say_that_a_search_was_approximate(run, value, project, only_quality):
    assert APPROXIMATE_TEXT not in run("curate", "report", project)[1]
    write_result(project, replace(read_result(project, "quality"), facts={APPROXIMATE: True}))
    assert APPROXIMATE_TEXT in run("curate", "report", project, "--as-is")[1]
    assert value("curate", "report", project, "--as-is")["dataset"]["checks"][0]["is_approximate"]


def test_a_check_that_cannot_look_says_why(run, project, monkeypatch, only_quality):
    def refuse(_self, _inputs):
        raise ProjectError("no labels")

    monkeypatch.setattr(Quality, "find_issues", refuse)
    assert "no labels" in run("curate", "report", project)[1]


def test_an_empty_project_is_told_of(run, tmp_path, only_quality):
    ProjectStore.create(tmp_path / "empty").close()
    code, out, _ = run("curate", "report", tmp_path / "empty")
    assert code == 0 and "0 images" in out
