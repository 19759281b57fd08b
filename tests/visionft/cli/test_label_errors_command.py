"""`visionft curate label-errors`: its list, its relabelling, and undo."""

from pathlib import Path

import numpy as np
import pytest

from visionft.curation.check import Inputs
from visionft.features.feature_store import FeatureKind, Features
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.importing.importer import import_files
from visionft.project.store import Project

COUNT = 60
WIDTHS = (8, 8)
WRONG = (7, 20, 33)  # positions of images with a wrong label


@pytest.fixture
def project(tmp_path: Path, draw, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project of two classes with three wrong labels, with drawn features instead of a network's."""
    files = [draw(tmp_path / "images" / f"{place:02d}.png", place) for place in range(COUNT)]
    with Project.create(tmp_path / "fruit") as project:
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
    with Project.open(project, read_only=True) as opened:
        images = opened.snapshot()
    return [images.class_names[image.labels[0]] for image in images.images]


def test_json_tells_how_many_and_lists_the_best_first(value, project):
    report = value("curate", "label-errors", project)
    found, (least, most) = report["labels"], report["possible_errors"]
    assert report["compared"] == COUNT and least <= 3 <= most
    assert report["expected_errors"] is None or least <= report["expected_errors"] <= most
    assert {int(Path(each["path"]).stem) for each in found} == set(WRONG)  # more probably wrong than right
    for each in found:
        place = int(Path(each["path"]).stem)
        assert (each["label"], each["suggested"]) == (("apple", "pear")[1 - place % 2], ("apple", "pear")[place % 2])
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)
    assert len(value("curate", "label-errors", project, "--limit", 2)["labels"]) == 2
    assert len(value("curate", "label-errors", project, "--threshold", 0)["labels"]) > 3


def test_text_says_what_is_wrong_and_which_classes_are_mixed_up(run, project):
    code, out, _ = run("curate", "label-errors", project)
    assert code == 0 and out.startswith("60 labels ")
    assert out.count(".png") == 3 and out.split()[-3:] == ["apple", "pear", "3"]


def test_what_is_sure_is_relabelled_and_undo_brings_it_back(run, project):
    before = labels_of(project)
    code, out, _ = run("curate", "label-errors", project, "--accept", 0.5)
    assert code == 0 and "visionft project undo" in out
    assert labels_of(project) == [("apple", "pear")[place % 2] for place in range(COUNT)]
    run("project", "undo", project)
    assert labels_of(project) == before


def test_what_is_no_share_and_what_has_no_labels_is_refused(refused, project):
    refused("curate", "label-errors", project, "--accept", 2)
    with Project.open(project) as opened:
        opened.apply(UnlabelImages(tuple(image.image_id for image in opened.snapshot().images)))
    assert "visionft label set" in refused("curate", "label-errors", project)
