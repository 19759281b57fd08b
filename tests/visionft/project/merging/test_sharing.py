"""Shares of a project: dealt evenly and reproducibly, each a project of its own, and merged when they come back."""

from itertools import combinations
from pathlib import Path

import pytest

from visionft.errors import ProjectError
from visionft.project.db.database import DATABASE
from visionft.project.edits.changes import LabelImages, RemoveImages, UnlabelImages
from visionft.project.merging.merge import merge_projects
from visionft.project.merging.sharing import deal_images, share_project
from visionft.project.safety.checking import check_project
from visionft.project.store import Project


def test_images_are_dealt_evenly_within_each_stratum_and_reproducibly() -> None:
    strata = {"a": list(range(50)), "b": list(range(50, 60)), "c": list(range(60, 93))}
    shares = deal_images(strata, 3, overlap=0.1, seed=4)
    common = set.intersection(*map(set, shares))
    assert len(common) == 9 and {len(common & set(ids)) for ids in strata.values()} == {5, 1, 3}
    assert set().union(*shares) == set(range(93)) and max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(set(first) & set(second) == common for first, second in combinations(shares, 2))
    assert all(15 <= len(set(share) & set(strata["a"])) - 5 <= 15 for share in shares)
    assert deal_images(strata, 3, overlap=0.1, seed=4) == shares != deal_images(strata, 3, overlap=0.1, seed=5)


@pytest.mark.parametrize("copies", [True, False])
def test_shares_are_projects_that_come_back(project: Project, tmp_path: Path, copies: bool) -> None:
    project.apply(UnlabelImages(tuple(range(1, 10))))
    project.apply(RemoveImages((1,)))
    shared = share_project(project, tmp_path / "out", people=2, overlap=0.25, copy_images=copies)
    assert [each.images for each in shared.shares] == [5, 5] and shared.common == 2
    (tmp_path / "out").rename(tmp_path / "moved")
    for number, name in enumerate(("cat", "dog"), 1):
        folder = tmp_path / "moved" / f"person-{number}"
        assert b"images/dog/9.png" not in (folder / DATABASE).read_bytes()  # no image of nobody's share
        with Project.open(folder) as share:
            assert not check_project(share, check_contents=True).repaired
            images = share.snapshot().images
            assert all(image.path.is_file() for image in images) and share.summary().labelled == 0
            assert all(image.path.is_relative_to(folder) for image in images) == copies
            share.apply(LabelImages(tuple(image.image_id for image in images), name))
    report = merge_projects(project, [tmp_path / "moved" / "person-1", tmp_path / "moved" / "person-2"])
    assert report.conflicts == 2 and not report.new_classes and project.summary().labelled == 3 + 6
    assert report.agreement is not None and report.agreement.overall.images == 2


def test_what_cannot_be_shared_is_refused(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ProjectError):  # each image has a label
        share_project(project, tmp_path / "out", people=2)
    assert not (tmp_path / "out").exists()
    again = share_project(project, tmp_path / "out", people=2, again=True, is_preview=True)
    assert sum(each.images for each in again.shares) == 12 + again.common
    for taken in (project.path, project.path / "out", tmp_path):
        with pytest.raises(ProjectError):
            share_project(project, taken, people=2, again=True)
