"""Splits: stratified, seeded, sticky, group-aware; what cannot be split is said."""

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionft.data.types import SnapshotImage, Split
from visionft.errors import NextStep, ProjectError
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.splits import _groups, _place, _shares, assign_splits
from visionft.project.store import Project
from visionft.training.config.checks import data_problems


@pytest.fixture
def large(tmp_path: Path, draw):
    for number in range(200):
        draw(tmp_path / "large" / ("a" if number < 140 else "b") / f"part{number // 4}_{number % 4}.png", number)
    with Project.create(tmp_path / "large project") as project:
        import_source(project, tmp_path / "large")
        yield project


def by_class(project: Project) -> Counter[tuple[int, Split | None]]:
    return Counter((image.labels[0], image.split) for image in project.snapshot().images if image.labels)


def test_each_class_is_split_by_the_shares(large: Project) -> None:
    report = assign_splits(large)
    assert report.splits == {"train": 140, "val": 30, "test": 30} and report.assigned == 200
    assert by_class(large) == {
        (0, "train"): 98,
        (0, "val"): 21,
        (0, "test"): 21,
        (1, "train"): 42,
        (1, "val"): 9,
        (1, "test"): 9,
    }


def test_the_seed_draws_and_the_same_seed_draws_the_same(large: Project, tmp_path: Path) -> None:
    assign_splits(large, seed=1)
    first = large.snapshot()
    large.undo()
    assign_splits(large, seed=2)
    assert large.snapshot() != first
    assign_splits(large, seed=1, again=True)
    assert large.snapshot() == first


def test_val_is_taken_out_of_train_where_a_set_has_train_and_test_only(tmp_path: Path, draw) -> None:
    for number in range(100):
        side = "test" if number % 5 == 0 else "train"
        draw(tmp_path / "set" / side / ("a" if number < 60 else "b") / f"{number}.png", number)
    with Project.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "set")
        before = {image.image_id: image.split for image in project.snapshot().images}
        assert [problem.message for problem in data_problems(project.snapshot())] == [
            "no picture is for validation yet"
        ]

        report = assign_splits(project)

        after = {image.image_id: image.split for image in project.snapshot().images}
        moved = {image_id for image_id in after if after[image_id] != before[image_id]}
        assert report.from_train == report.assigned == len(moved) == report.splits["val"]
        assert {(before[image_id], after[image_id]) for image_id in moved} == {("train", "val")}
        assert report.splits["test"] == 20 and 12 <= report.splits["val"] <= 15
        assert not data_problems(project.snapshot())
        assert assign_splits(project).assigned == 0  # once is enough
        project.undo()
        assert {image.image_id: image.split for image in project.snapshot().images} == before


def test_pictures_without_a_split_are_for_validation_before_training_pictures_are(tmp_path: Path, draw) -> None:
    for number in range(60):
        side = "test" if number % 5 == 0 else "train" if number % 5 < 3 else "unassigned"
        draw(tmp_path / "set" / side / ("a" if number < 30 else "b") / f"{number}.png", number)
    with Project.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "set")
        report = assign_splits(project)
        assert report.assigned == 24 and report.from_train == 0 and report.splits["val"] >= 6


def test_new_pictures_never_move_old_ones(large: Project, tmp_path: Path, draw) -> None:
    assign_splits(large)
    before = {image.image_id: image.split for image in large.snapshot().images}
    for number in range(300, 340):
        draw(tmp_path / "more" / "b" / f"{number}.png", number)
    import_source(large, tmp_path / "more")
    report = assign_splits(large, seed=5)
    after = {image.image_id: image.split for image in large.snapshot().images}
    assert {image_id: after[image_id] for image_id in before} == before
    assert report.assigned == 40 and report.splits == {"train": 168, "val": 36, "test": 36}
    assert not assign_splits(large, seed=9).assigned


def test_groups_stay_on_one_side(large: Project) -> None:
    report = assign_splits(large, group=r"(part\d+)_")
    sides: dict[str, set] = {}
    for image in large.snapshot().images:
        sides.setdefault(image.path.name.split("_")[0], set()).add(image.split)
    assert all(len(side) == 1 for side in sides.values()) and report.torn_groups == 0
    assert abs(report.splits["val"] - 30) <= 4 and abs(report.splits["test"] - 30) <= 4


def test_groups_that_were_torn_before_are_counted_and_new_members_follow(large: Project) -> None:
    large.apply(UnlabelImages(tuple(range(150, 201))))
    assign_splits(large)
    large.apply(LabelImages(tuple(range(150, 201)), "b"))
    report = assign_splits(large, group=r"(part\d+)_")
    assert report.torn_groups > 0
    sides = Counter(image.split for image in large.snapshot().images)
    assert None not in sides


@pytest.mark.parametrize("pattern", ["(", "nothing-has-this"])
def test_patterns_that_do_not_work_are_said(large: Project, pattern: str) -> None:
    with pytest.raises(ProjectError) as caught:
        assign_splits(large, group=pattern)
    assert caught.value.hint and len(large.history()) == 1


@pytest.mark.parametrize(("val", "test"), [(0.6, 0.5), (-0.1, 0.1), (1.0, 0.0), (math.nan, 0.1)])
def test_impossible_shares_are_refused(project: Project, val: float, test: float) -> None:
    with pytest.raises(ProjectError, match="leave nothing"):
        assign_splits(project, val=val, test=test)


def test_without_a_test_set(project: Project) -> None:
    assert assign_splits(project, test=0).splits == {"train": 10, "val": 2, "test": 0}


def test_too_little_to_split_is_said_with_the_next_step(tmp_path: Path, pictures: Path, draw) -> None:
    with Project.create(tmp_path / "p") as project:
        with pytest.raises(ProjectError, match="No picture has a label"):
            assign_splits(project)
        import_source(project, pictures / "cat")
        project.apply(LabelImages((1, 2, 3, 4, 5, 6), "cat"))
        with pytest.raises(ProjectError, match="All 6"):
            assign_splits(project)
        project.apply(LabelImages((1, 2), "dog"))
        with pytest.raises(ProjectError, match="“dog” has 2") as caught:
            assign_splits(project)
        assert caught.value.next_step == NextStep("split_without_test")
        project.apply(UnlabelImages((3, 4, 5, 6)))
        project.apply(LabelImages((1,), "cat"))
        with pytest.raises(ProjectError, match="2 labelled pictures are too few"):
            assign_splits(project)
        assert project.summary().splits == {"train": 0, "val": 0, "test": 0, "unassigned": 6}


def images(labels: list[tuple[int, ...]], contents: list[int]) -> list[SnapshotImage]:
    return [
        SnapshotImage(number, Path(f"{number}.png"), f"{content:064x}", label, None)
        for number, (label, content) in enumerate(zip(labels, contents, strict=True), 1)
    ]


@given(
    st.lists(st.frozensets(st.integers(0, 4), min_size=1, max_size=3), min_size=60, max_size=150), st.integers(0, 99)
)
@settings(max_examples=50, deadline=None)
def test_multi_label_shares_hold_for_each_class(labels, seed: int) -> None:
    chosen = images([tuple(sorted(label)) for label in labels], list(range(len(labels))))
    splits = _place(_groups(chosen, {}), _shares(0.2, 0.2), seed, again=False)
    assert set(splits) == {image.image_id for image in chosen}
    totals = Counter(label for image in chosen for label in image.labels)
    for label, total in totals.items():
        if total >= 15:
            held = Counter(splits[image.image_id] for image in chosen if label in image.labels)
            assert abs(held["val"] / total - 0.2) < 0.15 and abs(held["test"] / total - 0.2) < 0.15


@given(st.lists(st.integers(0, 12), min_size=12, max_size=60), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_the_same_content_is_never_on_two_sides(contents: list[int], seed: int) -> None:
    chosen = images([(content % 2,) for content in contents], contents)
    keys = {image.image_id: f"pair {image.image_id // 2}" for image in chosen if image.image_id % 3 == 0}
    splits = _place(_groups(chosen, keys), _shares(0.2, 0.2), seed, again=False)
    for content in set(contents):
        assert len({splits[image.image_id] for image in chosen if image.sha256 == f"{content:064x}"}) == 1
    for key in set(keys.values()):
        assert len({splits[image_id] for image_id, other in keys.items() if other == key}) == 1
