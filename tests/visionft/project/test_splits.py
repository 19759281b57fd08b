"""Splits: stratified, seeded, sticky, group-aware; unsplittable data is reported."""

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visionft.core.errors import NextStep, ProjectError
from visionft.data.types import SnapshotImage, Split
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits, group_images, place_groups
from visionft.project.store import ProjectStore
from visionft.training.config.checks import data_problems


@pytest.fixture
def large(tmp_path: Path, draw):
    for number in range(200):
        draw(tmp_path / "large" / ("a" if number < 140 else "b") / f"part{number // 4}_{number % 4}.png", number)
    with ProjectStore.create(tmp_path / "large project") as project:
        import_source(project, tmp_path / "large")
        yield project


def splits_of(project: ProjectStore) -> dict[int, Split | None]:
    return {image.image_id: image.split for image in project.snapshot().images}


def by_class(project: ProjectStore) -> Counter[tuple[int, Split | None]]:
    return Counter((image.labels[0], image.split) for image in project.snapshot().images if image.labels)


def test_each_class_is_split_by_the_shares(large: ProjectStore) -> None:
    report = assign_splits(large)
    assert report.splits == {"train": 140, "val": 30, "test": 30} and report.assigned == 200
    expected = {(0, "train"): 98, (0, "val"): 21, (0, "test"): 21, (1, "train"): 42, (1, "val"): 9, (1, "test"): 9}
    assert by_class(large) == expected


def test_the_seed_draws_and_the_same_seed_draws_the_same(large: ProjectStore, tmp_path: Path) -> None:
    assign_splits(large, seed=1)
    first = large.snapshot()
    large.undo()
    assign_splits(large, seed=2)
    assert large.snapshot() != first
    assign_splits(large, seed=1, again=True)
    assert large.snapshot() == first


def test_val_is_taken_out_of_train_where_a_set_has_train_and_test_only(tmp_path: Path, draw) -> None:
    with with_splits(tmp_path, draw, {"train": {"a": 48, "b": 32}, "test": {"a": 12, "b": 8}}) as project:
        before = splits_of(project)
        assert len(data_problems(project.snapshot())) == 1
        report = assign_splits(project)
        after = splits_of(project)
        moved = {image_id for image_id in after if after[image_id] != before[image_id]}
        assert report.from_train == report.assigned == len(moved) == report.splits["val"]
        assert {(before[image_id], after[image_id]) for image_id in moved} == {("train", "val")}
        assert report.splits["test"] == 20 and 12 <= report.splits["val"] <= 15
        assert not data_problems(project.snapshot())
        assert assign_splits(project).assigned == 0  # once is enough
        project.undo()
        assert splits_of(project) == before


def with_splits(folder: Path, draw, plan: dict[str, dict[str, int]]) -> ProjectStore:
    """Return a project with so many images of each split and class, as the folders give them."""
    names = [(side, name) for side, classes in plan.items() for name, count in classes.items() for _ in range(count)]
    for number, (side, name) in enumerate(names):
        draw(folder / "set" / side / name / f"{number}.png", number)
    project = ProjectStore.create(folder / "project")
    import_source(project, folder / "set")
    return project


def test_doubles_of_a_test_image_are_never_taken_for_validation(tmp_path: Path, draw) -> None:
    with with_splits(tmp_path, draw, {"train": {"a": 20, "b": 20}, "test": {"a": 16, "b": 16}}) as project:
        before = splits_of(project)
        ids = list(before)
        pairs = [(ids[place], ids[40 + place]) for place in range(4)]  # a training and a test image each
        report = assign_splits(project, together=pairs)
        assert all(splits_of(project)[first] == before[first] for first, _ in pairs)
        assert report.splits["val"] == 8


def test_known_groups_that_would_empty_a_class_are_released_the_largest_first(large: ProjectStore) -> None:
    ids = [image.image_id for image in large.snapshot().images if image.labels == (1,)]
    report = assign_splits(large, together=[ids[:30], ids[30:56], ids[56:58]])
    assert (report.released, report.kept_together, report.missing) == (1, 2, {})
    sides = splits_of(large)
    assert len({sides[each] for each in ids[30:56]}) == 1 and len({sides[each] for each in ids[:30]}) == 3
    report = assign_splits(large, together=[ids], again=True, seed=3)
    assert (report.released, report.splits) == (1, {"train": 140, "val": 30, "test": 30})


def test_new_images_never_move_old_ones(large: ProjectStore, tmp_path: Path, draw) -> None:
    assign_splits(large)
    before = splits_of(large)
    for number in range(300, 340):
        draw(tmp_path / "more" / "b" / f"{number}.png", number)
    import_source(large, tmp_path / "more")
    report = assign_splits(large, seed=5)
    assert splits_of(large).items() >= before.items()
    assert report.assigned == 40 and report.splits == {"train": 168, "val": 36, "test": 36}
    assert not assign_splits(large, seed=9).assigned


def test_groups_stay_on_one_side(large: ProjectStore) -> None:
    report = assign_splits(large, group=r"(part\d+)_")
    sides: dict[str, set] = {}
    for image in large.snapshot().images:
        sides.setdefault(image.path.name.split("_")[0], set()).add(image.split)
    assert all(len(side) == 1 for side in sides.values())
    assert abs(report.splits["val"] - 30) <= 4 and abs(report.splits["test"] - 30) <= 4


@pytest.mark.parametrize(("val", "test"), [(0.6, 0.5), (-0.1, 0.1), (1.0, 0.0), (math.nan, 0.1)])
def test_impossible_shares_are_refused_and_a_test_set_may_be_left_out(project, val: float, test: float) -> None:
    with pytest.raises(ProjectError, match=f"{val:g}"):
        assign_splits(project, val=val, test=test)
    assert assign_splits(project, test=0).splits == {"train": 10, "val": 2, "test": 0}


def test_too_little_to_split_is_said_with_the_next_step(tmp_path: Path, images: Path, draw) -> None:
    with ProjectStore.create(tmp_path / "p") as project:
        with pytest.raises(ProjectError) as caught:
            assign_splits(project)
        assert caught.value.next_step == NextStep("label")
        import_source(project, images / "cat")
        project.apply(LabelImages((1, 2, 3, 4, 5, 6), "cat"))
        with pytest.raises(ProjectError, match="All 6"):
            assign_splits(project)
        project.apply(LabelImages((1, 2), "dog"))
        with pytest.raises(ProjectError, match="“dog” has 2") as caught:
            assign_splits(project)
        assert caught.value.next_step == NextStep("split_without_test")
        project.apply(UnlabelImages((3, 4, 5, 6)))
        project.apply(LabelImages((1,), "cat"))
        with pytest.raises(ProjectError, match=r"^2 "):
            assign_splits(project)
        assert project.summary().splits == {"train": 0, "val": 0, "test": 0, "unassigned": 6}


SHARES: dict[Split, float] = {"train": 0.6, "val": 0.2, "test": 0.2}


def labelled_images(labels: list[tuple[int, ...]], contents: list[int]) -> list[SnapshotImage]:
    return [
        SnapshotImage(number, Path(f"{number}.png"), f"{content:064x}", label, None)
        for number, (label, content) in enumerate(zip(labels, contents, strict=True), 1)
    ]


@given(st.lists(st.integers(0, 12), min_size=12, max_size=60), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_the_same_content_is_never_on_two_sides(contents: list[int], seed: int) -> None:
    chosen = labelled_images([(content % 2,) for content in contents], contents)
    keys = {image.image_id: f"pair {image.image_id // 2}" for image in chosen if image.image_id % 3 == 0}
    splits = place_groups(group_images(chosen, keys), SHARES, seed)
    for content in set(contents):
        assert len({splits[image.image_id] for image in chosen if image.sha256 == f"{content:064x}"}) == 1
    for key in set(keys.values()):
        assert len({splits[image_id] for image_id, other in keys.items() if other == key}) == 1
