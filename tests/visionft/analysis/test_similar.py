"""Images like others: the nearest first, examples left out, counter-examples pushed away, files from anywhere."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_features import embed

from visionft.analysis.check import CheckResult, Issue, write_result
from visionft.analysis.similar import examples_from_files, ranking_of
from visionft.core.errors import ImageError, ProjectError
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_store import FeatureKind, Features, load_features
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

KIND = FeatureKind(backbone="test", size=8, weights="", preprocessing="", widths=(32,))


def features_of(count: int = 200) -> tuple[Features, np.ndarray]:
    random = np.random.default_rng(0)
    groups = np.arange(count) % 4
    vectors = (np.random.default_rng(9).normal(size=(4, 32))[groups] * 3 + random.normal(size=(count, 32))).astype("f2")
    images = tuple(SnapshotImage(i + 1, Path(f"/{i}.png"), f"{i:064x}", (int(groups[i]),), None) for i in range(count))
    return Features(KIND, images, vectors), groups


def test_the_nearest_come_first_and_the_example_is_left_out(tmp_path: Path):
    features, groups = features_of()
    ranking = ranking_of(tmp_path, features)
    found = ranking.rank([ranking.example(1)], count=20)
    cosines = features.directions @ features.directions[0]
    expected = [place for place in np.argsort(-cosines) if place != 0][:20]
    assert [each.image_id - 1 for each in found] == expected
    assert [each.score for each in found] == pytest.approx([float(cosines[place]) for place in expected], abs=1e-5)
    assert {int(groups[each.image_id - 1]) for each in found} == {0}


def test_doubles_are_marked(tmp_path: Path):
    features, _ = features_of()
    vectors = features.vectors.copy()
    vectors[50] = vectors[0]
    features = Features(KIND, features.images, vectors)
    finding = Issue(image_id=5, sha256="", score=1.0, kind="near", reason="", group=3)
    other = dataclasses.replace(finding, image_id=1)
    write_result(tmp_path, CheckResult(check="duplicates", issues=(finding, other), threshold=0.5, checked=2))
    ranking = ranking_of(tmp_path, features)
    marked = {each.image_id for each in ranking.rank([ranking.example(1)], count=100) if each.is_duplicate}
    assert marked == {5, 51}


def test_bad_questions(tmp_path: Path):
    features, _ = features_of(5)
    ranking = ranking_of(tmp_path, features)
    assert len(ranking.rank([ranking.example(1)], count=60)) == 4
    assert len(ranking.rank([ranking.example(1), ranking.example(2)], [ranking.example(3)])) == 2
    with pytest.raises(ProjectError):
        ranking.example(77)
    with pytest.raises(ValueError):
        ranking.rank([])
    same = Features(KIND, features.images, np.repeat(features.vectors[:1], 5, axis=0))
    ranking = ranking_of(tmp_path, same)
    assert [each.image_id for each in ranking.rank([ranking.example(2)])] == [1, 3, 4, 5]


@pytest.fixture
def project(tmp_path: Path, image_folder: Path):
    with ProjectStore.create(tmp_path / "project") as project:
        shutil.copytree(image_folder, tmp_path / "images")
        import_source(project, tmp_path / "images")
        embed(project.path, project.snapshot())
        yield project


def test_any_file_can_be_an_example(project: ProjectStore, tmp_path: Path):
    images: Snapshot = project.snapshot()
    features = load_features(project.path, images)
    inside = features.images[7]
    shutil.copy(inside.path, tmp_path / "elsewhere.png")
    (example,) = examples_from_files(project.path, images, features, [tmp_path / "elsewhere.png"])
    ranking = ranking_of(project.path, features)
    first = ranking.rank([example])[0]
    assert first.image_id == inside.image_id and first.is_duplicate and first.score == pytest.approx(1, abs=1e-3)
    (tmp_path / "broken.png").write_bytes(b"no image")
    for name in ("broken.png", "missing.png"):
        with pytest.raises(ImageError):
            examples_from_files(project.path, images, features, [tmp_path / name])
