"""The samples fill a project that is ready to train and needs nothing outside itself."""

import pytest

from visionft.project.store import Project
from visionft.samples import fill_with_sample


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "sample") as project:
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


@pytest.mark.parametrize("sample", ["photographs", "drawn"])
def test_stopped_at_once_a_sample_leaves_no_pictures(project, sample):
    report = fill_with_sample(project, sample, should_stop=lambda: True)
    assert report is None or report.stopped
    assert project.summary().images == 0 and not list(project.path.rglob("*.jpg"))


def test_stopped_while_it_unpacks_it_says_so_and_is_no_error(project):
    seen = []
    report = fill_with_sample(project, on_event=seen.append, should_stop=lambda: len(seen) > 5)
    assert report.stopped and not any(image.split for image in project.snapshot().images)
