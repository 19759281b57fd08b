"""`visionft label-errors`: what it lists, what it relabels, and that undo brings the labels back."""

import json
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
WRONG = (7, 20, 33)  # places of pictures whose label is wrong
FIELDS = ["path", "label", "suggested", "score"]


@pytest.fixture
def project(tmp_path: Path, draw, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project of two classes, three labels of which are wrong, with drawn features in place of a network's."""
    files = [draw(tmp_path / "pictures" / f"{place:02d}.png", place) for place in range(COUNT)]
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


def test_json_is_a_list_of_path_label_suggested_and_score_the_best_first(run, project):
    code, out, _ = run("label-errors", project, "--json")
    found = json.loads(out)
    assert code == 0 and [list(each) for each in found] == [FIELDS] * len(found)
    assert {int(Path(each["path"]).stem) for each in found[:3]} == set(WRONG)
    for each in found[:3]:
        place = int(Path(each["path"]).stem)
        assert (each["label"], each["suggested"]) == (("apple", "pear")[1 - place % 2], ("apple", "pear")[place % 2])
    assert [each["score"] for each in found] == sorted((each["score"] for each in found), reverse=True)


def test_the_list_can_be_cut(run, project):
    assert len(json.loads(run("label-errors", project, "--json", "--limit", 2)[1])) == 2
    assert len(json.loads(run("label-errors", project, "--json", "--threshold", 0.5)[1])) == 3


def test_text_says_what_is_wrong_and_which_classes_are_mixed_up(run, project):
    code, out, _ = run("label-errors", project)
    assert code == 0 and out.startswith("60 labels compared; about ")
    assert out.count(".png") == 3 and "mixed up" in out and out.split()[-3:] == ["apple", "pear", "3"]


def test_what_is_sure_is_relabelled_and_undo_brings_it_back(run, project):
    before = labels_of(project)
    code, out, _ = run("label-errors", project, "--accept", 0.5)
    assert code == 0 and "3 pictures relabelled" in out
    assert labels_of(project) == [("apple", "pear")[place % 2] for place in range(COUNT)]
    run("undo", project)
    assert labels_of(project) == before


def test_what_is_no_share_and_what_has_no_labels_is_refused(run, project):
    assert run("label-errors", project, "--accept", 2)[0] == 2
    with Project.open(project) as opened:
        opened.apply(UnlabelImages(tuple(image.image_id for image in opened.snapshot().images)))
    code, _, errors = run("label-errors", project)
    assert code == 2 and "No picture has a label yet" in errors and "visionft label" in errors
