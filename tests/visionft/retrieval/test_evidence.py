"""Neighbour evidence of a project: for, against, the image itself; current labels only, never stale ones."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visionft.curation.check import CheckResult, Issue, write_result
from visionft.errors import ProjectError
from visionft.features.feature_store import FeatureKind, current_kind, make_current
from visionft.project.edits.changes import LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import TagImages, WriteNote
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project
from visionft.retrieval import evidence
from visionft.retrieval.evidence import find_evidence
from visionft.retrieval.evidence_search import search_evidence
from visionft.retrieval.index import open_index


def evidence_of(project: Project, path: Path, **options):
    snapshot = project.snapshot()
    index = open_index(project.path, snapshot)
    (found,) = search_evidence(project.path, snapshot, index, [path], **options)
    assert found.evidence is not None, found.error
    return found.evidence


def image(project: Project, class_name: str, number: int = 0):
    return [image for image in project.snapshot().images if image.path.parent.name == class_name][number]


def with_noise(project: Project, width: int) -> FeatureKind:
    """Give the images other features, of noise, and return their kind."""
    kind, images = current_kind(project.path, project.image_reading), project.snapshot().images
    assert kind is not None
    other = replace(kind, weights="other", widths=(width,))
    rows = np.random.default_rng(1).normal(size=(len(images), width)).astype(np.float16)
    other.store(project.path).append([image.sha256 for image in images], rows)
    make_current(project.path, other)
    return other


def test_a_image_of_the_project_does_not_vouch_for_itself(known_project: Path):
    with Project.open(known_project) as project:
        asked = image(project, "bee")
        said = evidence_of(project, asked.path)
        assert said.classes == ("bee",) and said.probability == said.ranked[0][1] > 0.5
        assert [each.image_id for each in said.doubles] == [asked.image_id] and said.doubles[0].share == 0
        assert {each.classes for each in said.supporting} == {("bee",)} and len(said.supporting) == 5
        assert {each.classes for each in said.contradicting} <= {("ant",), ("cat",)} and said.contradicting
        similarities = [each.similarity for each in said.supporting]
        assert similarities == sorted(similarities, reverse=True)
        assert asked.image_id not in {each.image_id for each in (*said.supporting, *said.contradicting)}
        other = image(project, "bee", 1)
        said = evidence_of(project, asked.path, groups={asked.image_id: 1, other.image_id: 1})  # known duplicates
        assert {each.image_id for each in said.doubles} == {asked.image_id, other.image_id}


def test_a_label_that_changes_changes_the_next_answer(known_project: Path):
    with Project.open(known_project) as project:
        asked = image(project, "bee")
        bees = tuple(image(project, "bee", number).image_id for number in range(15))
        project.apply(LabelImages(bees, "wasp"))
        assert evidence_of(project, asked.path).classes == ("wasp",)
        project.apply(UnlabelImages(bees))
        said = evidence_of(project, asked.path)
        assert said.classes != ("wasp",) and not said.doubles
        project.undo()
        project.apply(RemoveImages(bees[1:]))
        said = evidence_of(project, asked.path)
        named = {each.image_id for each in (*said.supporting, *said.contradicting, *said.doubles)}
        assert not named & set(bees[1:])


def test_features_of_another_network_make_another_index(known_project: Path):
    with Project.open(known_project) as project:
        asked = image(project, "ant")
        open_index(project.path, project.snapshot())
        other = with_noise(project, 7)
        index = open_index(project.path, project.snapshot())
        assert index.kind == other and len(index.memory.mean) == 7
        assert evidence_of(project, asked.path).doubles[0].image_id == asked.image_id


def test_images_of_the_project_are_answered_as_those_that_were_held_out(known_project: Path):
    """A memory is shaped by its own images' labels: it would be right for nearly all of them, even by noise."""
    with Project.open(known_project) as project:
        open_index(project.path, project.snapshot())
        with_noise(project, 60)
        snapshot = project.snapshot()
        for _ in range(2):  # made, and read from its file
            index = open_index(project.path, snapshot)
            found = search_evidence(project.path, snapshot, index, [image.path for image in snapshot.images])
            said = [each.evidence for each in found if each.evidence is not None]
            right = [each.classes[0] == at.path.parent.name for each, at in zip(said, snapshot.images, strict=True)]
            assert np.mean(right) == pytest.approx(index.accuracy, abs=0.001)
            assert np.mean([each.probability for each in said]) < 0.6


def test_one_labelled_image_and_none(known_project: Path):
    with Project.open(known_project) as project:
        images = project.snapshot().images
        project.apply(UnlabelImages(tuple(image.image_id for image in images[1:])))
        said = evidence_of(project, images[4].path)
        assert said.classes == (images[0].path.parent.name,) and len(said.supporting) == 1 and not said.contradicting
        said = evidence_of(project, images[0].path)
        assert [each.image_id for each in said.doubles] == [images[0].image_id] and not said.supporting
        project.apply(UnlabelImages((images[0].image_id,)))
        with pytest.raises(ProjectError, match="label"):
            open_index(project.path, project.snapshot())


def test_an_index_of_faiss_finds_the_same(known_project: Path, monkeypatch: pytest.MonkeyPatch):
    with Project.open(known_project) as project:
        index = open_index(project.path, project.snapshot())
        asked = (index.memory, index.class_names, index.memory.rows[3])
        expected = find_evidence(*asked)
        monkeypatch.setattr(evidence, "MOST_EXACT", 10)
        assert find_evidence(*asked) == expected


def test_the_command_tells_labels_notes_and_tags(known_project: Path, run, tmp_path: Path):
    with Project.open(known_project) as project:
        asked = image(project, "bee")
        nearest = evidence_of(project, asked.path).supporting[0].image_id
        project.apply(WriteNote(nearest, "garden"))
        project.apply(TagImages((nearest,), "striped"))
        other = Path(str(asked.path))
    finding = Issue(image_id=asked.image_id, sha256="", score=1.0, kind="near", reason="", group=1)
    write_result(known_project, CheckResult(check="duplicates", issues=(finding,), threshold=0.5, checked=2))
    command = ("label", "evidence", known_project)
    code, out, err = run(*command, other, "--json")
    assert code == 0, err
    value = json.loads(out)
    (only,) = value["images"]
    assert only["classes"] == ["bee"] and value["labelled_images"] == 45
    first = only["evidence"]["supporting"][0]
    assert first["note"] == "garden" and first["tags"] == ["striped"]
    assert only["evidence"]["duplicates"][0]["name"] == str(other)
    code, out, _ = run(*command, other, "--count", 2)
    assert code == 0 and "[striped]" in out and "garden" in out and out.count("for:") == 2
    code, _, err = run(*command, tmp_path / "nowhere.jpg")
    assert code == 2 and "nowhere.jpg" in err


@pytest.mark.slow
def test_a_run_of_images_is_asked_by_its_own_network(image_folder: Path, tmp_path: Path, run):
    folder = tmp_path / "project"
    with Project.create(folder) as project:
        import_source(project, image_folder)
        assign_splits(project)
        labelled = len(project.snapshot().labelled("train"))
    for method in ("knn", "prototype"):
        sizes = ("--set", "image_size=64", "--device", "cpu")
        assert run("train", folder, "--backbone", "starter_resnet", "--method", method, *sizes)[0] == 0
    asked = image_folder / "red" / "03.png"
    code, out, err = run("label", "evidence", folder, asked, "--run", 1, "--json")
    assert code == 0, err
    said = json.loads(out)
    assert said["images"][0]["evidence"]["supporting"] and said["labelled_images"] == labelled
    assert run("label", "evidence", folder, asked, "--run", 2)[0] == 2  # a run without an index
