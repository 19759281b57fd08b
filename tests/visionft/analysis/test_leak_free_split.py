"""Splits keep near-duplicates together, and evaluations tell those of given splits; on the bundled photographs."""

import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image, ImageEnhance

import visionft
from resources.photographs import PHOTOGRAPHS
from visionft.analysis.check import CheckResult, write_result
from visionft.analysis.leaks import current_leak_free_accuracies, related_groups, split_without_leaks
from visionft.core.errors import ProjectError
from visionft.core.events import Event, Notice
from visionft.core.jobs import JobCancelled, JobContext
from visionft.data.types import SPLITS, Snapshot, Split, group_numbers
from visionft.features.near_duplicates import near_duplicates
from visionft.project.edits.changes import LabelImages
from visionft.project.importing.importer import import_source
from visionft.project.splits import SplitRequest, assign_splits
from visionft.project.store import ProjectStore

CLASSES = ("bottle", "box")
COPIED = (0, 1, 2)  # numbers of the photographs of which there are copies
TINY = {"backbone": "test_resnet", "weights": "random", "framing": "centre", "workers": 0, "epochs": 1}


@dataclass
class Listener:
    """Collects the notices of a job."""

    notices: list[Notice] = field(default_factory=list[Notice])

    def __call__(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event)


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    """Return 20 of the bundled photographs, none like another."""
    with ZipFile(PHOTOGRAPHS) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        step = len(names) // 20
        return [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names[: 20 * step : step]]


def save(image: Image.Image, path: Path, *, quality: int = 92) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=quality)


def copies(image: Image.Image) -> list[Image.Image]:
    """Return a smaller and a brighter copy."""
    return [image.resize((image.width // 2, image.height // 2)), ImageEnhance.Brightness(image).enhance(1.15)]


def write_set(folder: Path, photographs: Sequence[Image.Image], *, copied: Sequence[int] = COPIED) -> None:
    for number, image in enumerate(photographs):
        name = CLASSES[number % 2]
        save(image, folder / name / f"{number:02}.jpg")
        for place, copy in enumerate(copies(image) if number in copied else ()):
            save(copy, folder / name / f"{chr(110 + place)}{number:02}.jpg", quality=70)


def made(path: Path, source: Path) -> ProjectStore:
    project = ProjectStore.create(path)
    import_source(project, source)
    return project


@pytest.fixture
def project(tmp_path: Path, photographs):
    """Yield a project of twenty photographs in two classes, and two copies of each of three."""
    write_set(tmp_path / "images", photographs)
    with made(tmp_path / "project", tmp_path / "images") as project:
        yield project


def splits_of(project: ProjectStore) -> dict[str, Split | None]:
    return {image.path.stem: image.split for image in project.snapshot().images}


def sides(project: ProjectStore, number: int) -> set[Split | None]:
    """Return the splits of a photograph and its copies."""
    return {split for name, split in splits_of(project).items() if name.endswith(f"{number:02}")}


def test_without_near_duplicates_the_split_is_as_ever(tmp_path: Path, photographs):
    write_set(tmp_path / "images", photographs, copied=())
    with made(tmp_path / "project", tmp_path / "images") as project:
        for seed in range(3):
            assign_splits(project, seed=seed)
            usual = splits_of(project)
            project.undo()
            listener = Listener()
            report = split_without_leaks(project, SplitRequest(seed=seed), job=JobContext(listener))
            assert splits_of(project) == usual
            assert (report.kept_together, report.released, listener.notices) == (0, 0, [])
            project.undo()


def test_copies_stay_on_one_side_and_the_report_says_so(project: ProjectStore):
    torn = 0
    for seed in range(4):
        assign_splits(project, seed=seed)
        torn += sum(len(sides(project, number)) > 1 for number in COPIED)
        project.undo()
        listener = Listener()
        before = project.snapshot()
        report = split_without_leaks(project, SplitRequest(seed=seed), job=JobContext(listener))
        assert all(len(sides(project, number)) == 1 for number in COPIED)
        assert (report.kept_together, report.released) == (3, 0)
        assert [(each.level, each.message.startswith("3 ")) for each in listener.notices] == [("info", True)]
        assert all(report.splits[split] for split in SPLITS) and len(project.history()) == 2
        after = splits_of(project)
        project.undo()
        assert project.snapshot() == before
        split_without_leaks(project, SplitRequest(seed=seed))
        assert splits_of(project) == after  # the same seed, the same images
        project.undo()
    assert torn  # the split of before tore them


def test_new_copies_follow_their_originals(tmp_path: Path, photographs, project: ProjectStore):
    split_without_leaks(project, SplitRequest(seed=1))
    before = splits_of(project)
    for number in (5, 6, 7, 8):
        save(copies(photographs[number])[0], tmp_path / "more" / CLASSES[number % 2] / f"z{number:02}.jpg")
    import_source(project, tmp_path / "more")
    split_without_leaks(project, SplitRequest(seed=2))
    assert splits_of(project).items() >= before.items()
    assert all(len(sides(project, number)) == 1 for number in (5, 6, 7, 8))


def test_given_splits_stay_and_their_groups_are_stored_once(tmp_path: Path, photographs, decoded: list[str]):
    for number, image in enumerate(photographs):
        side = ("train", "val", "test")[number // 2 % 3]
        save(image, tmp_path / "images" / side / CLASSES[number % 2] / f"{number}.jpg")
        save(copies(image)[1], tmp_path / "images" / "train" / CLASSES[number % 2] / f"{number}-copy.jpg")
    with made(tmp_path / "project", tmp_path / "images") as project:
        before = splits_of(project)
        report = split_without_leaks(project, SplitRequest())
        images = project.snapshot()
        assert splits_of(project) == before and not report.assigned
        numbers = {
            image.path.stem: number for image, number in zip(images.images, group_numbers(images.images), strict=True)
        }
        assert all(numbers[name] == numbers[name.removesuffix("-copy")] for name in numbers)
        assert len(set(numbers.values())) == len(photographs)
        decoded.clear()
        split_without_leaks(project, SplitRequest())
        assert project.snapshot() == images and not decoded


def test_images_that_are_all_alike_are_divided_as_if_they_were_not(tmp_path: Path, photographs):
    for number in range(24):  # one fixed camera
        pixels = np.asarray(photographs[0], np.int16) + number - 12
        shot = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        save(shot, tmp_path / "images" / CLASSES[number % 2] / f"{number}.jpg")
    with made(tmp_path / "project", tmp_path / "images") as project:
        assert [len(ids) for ids in related_groups(project, project.snapshot())] == [24]
        assign_splits(project)
        usual = project.snapshot()
        project.undo()
        listener = Listener()
        report = split_without_leaks(project, SplitRequest(), job=JobContext(listener))
        assert project.snapshot() == usual
        assert (report.kept_together, report.released, [each.level for each in listener.notices]) == (0, 1, ["warning"])


def test_the_check_for_leaks_decides_about_the_images_that_it_has_seen(
    tmp_path: Path, photographs, project: ProjectStore
):
    newest = max(project.snapshot().by_id)
    result = CheckResult(check="leaks", issues=(), threshold=0.5, checked=26, newest=newest, facts={"pairs": []})
    write_result(project.path, result)
    assert related_groups(project, project.snapshot()) == []
    save(copies(photographs[0])[0], tmp_path / "more" / CLASSES[0] / "z00.jpg", quality=80)
    import_source(project, tmp_path / "more")
    (ids,) = related_groups(project, project.snapshot())
    assert {project.snapshot().by_id[each].path.stem for each in ids} == {"00", "n00", "o00", "z00"}


def test_a_cancelled_search_changes_nothing_and_few_images_are_refused_as_ever(tmp_path: Path, project: ProjectStore):
    with pytest.raises(JobCancelled):
        split_without_leaks(project, SplitRequest(), job=JobContext(lambda _event: None, lambda: True))
    assert len(project.history()) == 1 and set(splits_of(project).values()) == {None}
    project.apply(LabelImages(tuple(project.snapshot().by_id), CLASSES[0]))
    with pytest.raises(ProjectError, match="All 26"):
        split_without_leaks(project, SplitRequest())


@pytest.mark.slow
def test_training_reads_what_the_split_has_decoded(tmp_path: Path, photographs, decoded: list[str]):
    write_set(tmp_path / "images", photographs)
    events: list[Event] = []
    with visionft.create(tmp_path / "project") as project:
        project.add(tmp_path / "images", callback=events.append)
        run = project.train(method="linear", image_size=160, callback=events.append, **TINY)
        assert set(Counter(decoded).values()) == {1} and len(decoded) == 26
        assert any(isinstance(event, Notice) and event.message.startswith("3 ") for event in events)
        assert run.evaluate("test", callback=events.append).leaked == 0


@pytest.fixture
def leaking(tmp_path: Path, photographs):
    """Yield a project with given splits, with copies of three of six test images in training, and its run."""
    for number, image in enumerate(photographs):
        side = "test" if number < 6 else "val" if number < 10 else "train"
        save(image, tmp_path / "images" / side / CLASSES[number % 2] / f"{number}.jpg")
        if number < 3:
            save(copies(image)[0], tmp_path / "images" / "train" / CLASSES[number % 2] / f"{number}-copy.jpg")
    with visionft.create(tmp_path / "project") as project:
        project.add(tmp_path / "images", callback=lambda _event: None)
        project.train(method="linear", image_size=64, callback=lambda _event: None, **TINY)
        yield project


@pytest.mark.slow
def test_leaks_of_given_splits_are_named_with_the_figure_without_them(leaking: visionft.Project, run: Callable):
    (trained,) = leaking.runs
    names = {image.image_id: image.path.stem for image in leaking.snapshot().images}
    stored = trained.evaluations["test"]  # before anybody asks
    assert (stored.images, stored.leaked, trained.evaluations["val"].leaked) == (6, 3, 0)
    (path,) = leaking.path.glob("runs/*/predictions-test.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {names[row["image_id"]] for row in rows if row.get("leaked")} == {"0", "1", "2"}
    right = [row["classes"] == row["predicted"] for row in rows if not row.get("leaked")]
    assert stored.without_leaked == pytest.approx(sum(right) / 3)
    assert stored.without_leaked_interval is not None
    (found,) = [each for each in current_leak_free_accuracies(leaking) if each.split == "test"]
    assert (found.leaked, found.without) == (3, stored.without_leaked)
    again = trained.evaluate("test", callback=lambda _event: None)
    assert (again.leaked, again.without_leaked) == (stored.leaked, stored.without_leaked)
    leaking.close()
    code, printed, _ = run("evaluate", leaking.path, trained.name, "--split", "test", "--json")
    value = json.loads(printed)
    assert code == 0 and (value["leaked"], value["without_leaked"]) == (3, stored.without_leaked)
    code, printed, _ = run("evaluate", leaking.path, trained.name, "--split", "test")
    assert code == 0 and f"{stored.without_leaked:.1%}" in printed


def test_evaluations_of_earlier_versions_open_without_a_figure(leaking: visionft.Project):
    (path,) = leaking.path.glob("runs/*/evaluation-test.json")
    value = json.loads(path.read_text(encoding="utf-8"))
    for name in ("leaked", "without_leaked", "without_leaked_interval"):
        del value[name]
    path.write_text(json.dumps(value), encoding="utf-8")
    assert leaking.runs[0].evaluations["test"].leaked is None
    assert [each.split for each in current_leak_free_accuracies(leaking)] == ["val"]


def searched(project: ProjectStore, images: Snapshot, **options: Any) -> tuple[list[tuple[int, int]], bool]:
    """Return the pairs of near-duplicates, and whether they were searched."""
    heard: list[Event] = []
    return near_duplicates(project.path, images, job=JobContext(heard.append), **options), bool(heard)


def test_the_same_images_are_searched_once(project: ProjectStore):
    images = project.snapshot()
    pairs, was_searched = searched(project, images)
    assert len(pairs) == 6 and was_searched
    assert searched(project, images) == (pairs, False)
    apart = [pairs[0]]
    kept, was_searched = searched(project, images, apart=apart)
    assert was_searched and pairs[0] not in kept and searched(project, images, apart=apart) == (kept, False)
    fewer = replace(images, images=images.images[:-1])
    assert searched(project, fewer)[1] and searched(project, images) == (pairs, False)
    edited = replace(images.images[0], sha256="0" * 64)  # its file has another content now
    for _ in range(2):
        assert searched(project, replace(images, images=(edited, *images.images[1:])))[1]
