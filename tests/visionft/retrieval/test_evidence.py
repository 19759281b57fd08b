"""Evidence from a project: for, against, the picture itself; labels as they are now; nothing old ever answers."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from visionft.cli import main
from visionft.curation.check import CheckResult, Finding, write_result
from visionft.errors import ProjectError
from visionft.features.feature_store import current_kind, make_current
from visionft.project.edits.changes import LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import TagImages, WriteNote
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project
from visionft.retrieval.asking import ask
from visionft.retrieval.evidence import find_evidence
from visionft.retrieval.index import FOLDER, open_index


def evidence_of(project: Project, path: Path, **options):
    snapshot = project.snapshot()
    index = open_index(project.path, snapshot)
    (found,) = ask(project.path, snapshot, index, [path], **options)
    assert found.evidence is not None, found.error
    return found.evidence


def picture(project: Project, class_name: str, number: int = 0):
    return [image for image in project.snapshot().images if image.path.parent.name == class_name][number]


def test_a_picture_of_the_project_does_not_vouch_for_itself(known_project: Path):
    with Project.open(known_project) as project:
        asked = picture(project, "bee")
        said = evidence_of(project, asked.path)
        assert said.classes == ("bee",) and said.probability == said.ranked[0][1] > 0.5
        assert [each.image_id for each in said.doubles] == [asked.image_id] and said.doubles[0].share == 0
        assert {each.classes for each in said.supporting} == {("bee",)} and len(said.supporting) == 5
        assert {each.classes for each in said.contradicting} <= {("ant",), ("cat",)} and said.contradicting
        similarities = [each.similarity for each in said.supporting]
        assert similarities == sorted(similarities, reverse=True)
        assert asked.image_id not in {each.image_id for each in (*said.supporting, *said.contradicting)}


def test_a_label_that_changes_changes_the_next_answer(known_project: Path):
    with Project.open(known_project) as project:
        asked = picture(project, "bee")
        bees = tuple(picture(project, "bee", number).image_id for number in range(15))
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


def test_pictures_that_measure_are_not_remembered_and_new_ones_are(known_project: Path):
    with Project.open(known_project) as project:
        assign_splits(project)
        snapshot = project.snapshot()
        index = open_index(project.path, snapshot)
        assert set(index.memory.image_ids.tolist()) == {image.image_id for image in snapshot.labelled("train")}


def test_what_is_kept_answers_until_anything_is_different(known_project: Path):
    with Project.open(known_project) as project:
        first = open_index(project.path, project.snapshot())
        (path,) = (project.path / FOLDER).iterdir()
        written = path.stat().st_mtime_ns
        again = open_index(project.path, project.snapshot())
        assert path.stat().st_mtime_ns == written and np.array_equal(first.memory.rows, again.memory.rows)
        path.write_bytes(path.read_bytes()[:200])  # cut short by a power cut
        assert np.array_equal(open_index(project.path, project.snapshot()).memory.rows, first.memory.rows)


def test_features_of_another_network_make_another_index(known_project: Path):
    from dataclasses import replace

    with Project.open(known_project) as project:
        asked = picture(project, "ant")
        open_index(project.path, project.snapshot())
        kind = current_kind(project.path)
        assert kind is not None
        other = replace(kind, weights="other", widths=(7,))
        images = project.snapshot().images
        rows = np.random.default_rng(1).normal(size=(len(images), 7)).astype(np.float16)
        other.store(project.path).append([image.sha256 for image in images], rows)
        make_current(project.path, other)
        index = open_index(project.path, project.snapshot())
        assert index.kind == other and len(index.memory.mean) == 7
        assert evidence_of(project, asked.path).doubles[0].image_id == asked.image_id


def test_known_doubles_have_no_say_either(known_project: Path):
    with Project.open(known_project) as project:
        asked, other = picture(project, "cat"), picture(project, "cat", 1)
        said = evidence_of(project, asked.path, groups={asked.image_id: 1, other.image_id: 1})
        assert {each.image_id for each in said.doubles} == {asked.image_id, other.image_id}


def test_one_labelled_picture_and_none(known_project: Path):
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
    from visionft.retrieval import evidence

    with Project.open(known_project) as project:
        index = open_index(project.path, project.snapshot())
        asked = (index.memory, index.class_names, index.memory.rows[3])
        expected = find_evidence(*asked)
        monkeypatch.setattr(evidence, "MOST_EXACT", 10)
        assert find_evidence(*asked) == expected


def test_the_command_tells_labels_notes_and_tags(
    known_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    with Project.open(known_project) as project:
        asked = picture(project, "bee")
        said = evidence_of(project, asked.path)
        nearest = said.supporting[0].image_id
        project.apply(WriteNote(nearest, "from the garden"))
        project.apply(TagImages((nearest,), "striped"))
        other = Path(str(asked.path))
    finding = Finding(image_id=asked.image_id, sha256="", score=1.0, kind="near", reason="", group=1)
    write_result(known_project, CheckResult(check="duplicates", findings=(finding,), threshold=0.5, looked_at=2))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", "evidence", str(known_project), *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    code, out, err = run(other, "--json")
    assert code == 0, err
    value = json.loads(out)
    (only,) = value["pictures"]
    assert only["classes"] == ["bee"] and value["remembered"] == 45
    assert only["supporting"][0]["note"] == "from the garden" and only["supporting"][0]["tags"] == ["striped"]
    assert only["doubles"][0]["path"] == str(other)
    code, out, _ = run(other, "--count", 2)
    assert code == 0 and "[striped] “from the garden”" in out and "the same picture" in out and out.count("for:") == 2
    code, _, err = run(tmp_path / "nowhere.jpg")
    assert code == 2 and "does not exist" in err


@pytest.mark.slow
def test_a_run_of_pictures_is_asked_by_its_own_network(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "project"
    with Project.create(folder) as project:
        import_source(project, picture_folder)
        assign_splits(project)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    for method in ("knn", "prototype"):
        sizes = ("--set", "image_size=64", "--device", "cpu")
        code, _, err = run("train", folder, "--backbone", "starter_resnet", "--method", method, *sizes)
        assert code == 0, err
    asked = picture_folder / "red" / "03.png"
    code, out, err = run("evidence", folder, asked, "--run", 1, "--json")
    assert code == 0, err
    before = json.loads(out)
    assert before["pictures"][0]["supporting"] and before["remembered"] > 20
    with Project.open(folder) as project:
        gone = tuple(image.image_id for image in project.snapshot().labelled("train")[:5])
        project.apply(UnlabelImages(gone))
    code, out, _ = run("evidence", folder, asked, "--run", 1, "--json")
    assert json.loads(out)["remembered"] == before["remembered"] - 5
    code, _, err = run("evidence", folder, asked, "--run", 2)
    assert code == 2 and "holds no pictures" in err
