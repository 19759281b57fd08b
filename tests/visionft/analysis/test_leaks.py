"""Leaks: groups come from the data, no group lies across splits after fixing; splitting keeps groups together."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_features import embed

from visionft.analysis.check import CheckResult, Inputs
from visionft.analysis.leaks import (
    Leaks,
    RelatedImages,
    leaks_of,
    mend,
    related_groups,
    related_images,
)
from visionft.data.types import Snapshot, SnapshotImage
from visionft.project.edits.changes import AssignSplits
from visionft.project.edits.verdicts import MarkFindingsFine
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore


def snapshot(*rows: tuple[str, int, str | None]) -> Snapshot:
    """Return images of (path, class, split), ids from 1."""
    images = tuple(
        SnapshotImage(number, Path("/x") / path, hashlib.sha256(path.encode()).hexdigest(), (label,), split)
        for number, (path, label, split) in enumerate(rows, 1)
    )
    return Snapshot("single", ("cat", "dog"), images)


def together(*pairs: tuple[int, int]) -> RelatedImages:
    result = CheckResult(check="leaks", issues=(), threshold=0.5, checked=0, facts={"doubles": list(pairs)})
    return RelatedImages.of(result, frozenset())


@given(st.data())
def test_after_mending_nothing_lies_across(data: st.DataObject):
    count = data.draw(st.integers(2, 30))
    splits = data.draw(st.lists(st.sampled_from(["train", "val", "test", None]), min_size=count, max_size=count))
    ids = st.integers(1, count)
    pairs = data.draw(st.lists(st.tuples(ids, ids).filter(lambda pair: pair[0] < pair[1]), max_size=30))
    images = snapshot(*((f"{number}.jpg", number % 2, split) for number, split in enumerate(splits)))
    groups = together(*pairs)
    change = mend(leaks_of(groups, images), images)
    moved = dict(change.splits) if change else {}
    after = snapshot(
        *((f"{number}.jpg", number % 2, moved.get(number + 1, split)) for number, split in enumerate(splits))
    )
    assert not leaks_of(groups, after)
    assert all(splits[image_id - 1] is not None for image_id in moved)


def test_a_group_goes_where_most_of_it_is():
    images = snapshot(("a", 0, "train"), ("b", 0, "test"), ("c", 0, "test"), ("d", 1, "val"))
    (leak,) = leaks_of(together((1, 2), (2, 3)), images)
    change = mend([leak], images)
    assert leak.pairs == 2 and change is not None and dict(change.splits) == {1: "test"}


@pytest.fixture
def project(tmp_path: Path, scene):
    """Yield a project of twelve scenes, each once smaller under another name, by turns in train and test."""
    for number in range(12):
        folder = tmp_path / "images" / ("cat" if number % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(scene(number))
        image.save(folder / f"one{number}.png")
        image.resize((120, 90)).save(folder / f"two{number}.png")
    with ProjectStore.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "images")
        ids = sorted((image.path.name, image.image_id) for image in project.snapshot().images)
        project.apply(AssignSplits({each: "train" if name.startswith("one") else "test" for name, each in ids}))
        embed(project.path, project.snapshot(), size=32)
        yield project


def test_leaks_of_a_project_are_found_mended_and_undone(project: ProjectStore):
    before = project.snapshot()
    result = Leaks().run(Inputs(project.path, before))
    pairs = related_images(project, result).pairs
    project.apply(MarkFindingsFine("duplicates", tuple(pairs)))
    assert not leaks_of(related_images(project, result), before)
    project.undo()
    groups = related_images(project, result)
    found = leaks_of(groups, before)
    assert len(found) == 12
    assert {each.image_id for each in result.flagged()} == {image.image_id for image in before.images}
    assert all(each.kind == "duplicate" and each.related for each in result.issues)
    change = mend(found, before)
    assert change is not None
    project.apply(change)
    assert not leaks_of(groups, project.snapshot())
    project.undo()
    assert project.snapshot() == before
    assign_splits(project, val=0, test=0.4, again=True, together=related_groups(project))
    assert not leaks_of(groups, project.snapshot())


@pytest.mark.slow
def test_the_commands_tell_and_mend(project: ProjectStore, run_json):
    path = project.path
    project.close()

    def run(*arguments: object) -> dict:
        code, value = run_json(*arguments)
        assert code == 0
        return value

    assert len({each["group"] for each in run("curate", "check", path, "leaks")["leaks"]["issues"]}) == 12
    assert run("curate", "check", path, "leaks", "--mend")["leaks"]["moved"] == 12
    assert run("curate", "check", path, "leaks")["leaks"]["issues"] == []
    assert len({each["group"] for each in run("curate", "check", path, "duplicates")["duplicates"]["issues"]}) == 12
    assert run("curate", "check", path, "duplicates", "--keep-best")["duplicates"]["removed"] == 12
    assert run("curate", "check", path, "duplicates")["duplicates"]["issues"] == []
