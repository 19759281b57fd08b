"""The samples fill a project ready to train, without any dependency outside."""

import pytest

from visionft.core.jobs import JobContext
from visionft.project.importing.sample_projects import fill_with_sample
from visionft.project.store import ProjectStore


@pytest.fixture
def project(tmp_path):
    with ProjectStore.create(tmp_path / "sample") as project:
        yield project


def test_the_photographs_are_all_taken_labelled_split_and_kept_in_the_project(project):
    report = fill_with_sample(project)
    assert (report.added, report.skipped, report.unreadable, report.duplicates) == (400, (), (), ())
    images = project.snapshot()
    assert {split: len(images.labelled(split)) for split in ("train", "val", "test")} == {
        "train": 280,
        "val": 60,
        "test": 60,
    }
    assert all(image.path.is_relative_to(project.path) and image.path.is_file() for image in images.images)


def test_stopped_before_the_import_a_sample_leaves_nothing(project):
    seen = []
    assert fill_with_sample(project, job=JobContext(seen.append, lambda: len(seen) > 2)) is None
    assert project.summary().images == 0 and not list(project.path.rglob("*.jpg"))
