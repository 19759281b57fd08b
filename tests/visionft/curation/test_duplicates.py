"""Duplicates: copies are found however they were made, look-alikes are not, and one of a group is kept in one step."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from visionft.curation.check import CheckResult, Inputs, read_result
from visionft.curation.duplicates.check import Duplicates, duplicate_groups
from visionft.curation.duplicates.fingerprints import hashes_of, lowest_frequencies
from visionft.curation.duplicates.grouping import Pair, groups_of, linked
from visionft.curation.duplicates.groups_now import groups_now, keep_best
from visionft.curation.duplicates.registration import coarse_of, glance, grey_of, places, prepare, register, turn
from visionft.curation.duplicates.tail import HIGHEST, LOWEST, USUAL, fit_tail
from visionft.errors import ProjectError, StoppedError
from visionft.features.embedding import embed
from visionft.project.edits.changes import AssignSplits, LabelImages
from visionft.project.edits.image_changes import TagImages
from visionft.project.edits.keep_one import KeepOne
from visionft.project.edits.verdicts import JudgeFine
from visionft.project.importing.importer import import_source
from visionft.project.queries import find_conflicts, image_rows
from visionft.project.store import Project


def scene(seed: int, size: tuple[int, int] = (120, 160)) -> Image.Image:
    """Return a picture that no other seed resembles."""
    rng = np.random.default_rng(seed)
    pixels = np.full((*size, 3), rng.integers(60, 180, 3), np.uint8)
    for _ in range(25):
        centre = tuple(int(rng.integers(0, side)) for side in size[::-1])
        axes = tuple(int(each) for each in rng.integers(4, 30, 2))
        cv2.ellipse(pixels, centre, axes, float(rng.integers(180)), 0, 360, rng.integers(0, 230, 3).tolist(), -1)
    return Image.fromarray(pixels)


def copies(image: Image.Image) -> dict[str, Image.Image]:
    width, height = image.size
    return {
        "half": image.resize((width // 2, height // 2)),
        "crop": image.crop((width // 5, 0, width, height * 4 // 5)),
        "mirror": ImageOps.mirror(image),
        "turned": image.transpose(Image.Transpose.ROTATE_90),
        "bright": ImageEnhance.Brightness(image).enhance(1.3),
    }


def score(first: Image.Image, second: Image.Image, orientation: int = 0) -> float:
    one, other = (np.asarray(each) for each in (first, second))
    starts = places(glance(coarse_of(grey_of(one))), glance(coarse_of(grey_of(other))).turned(orientation))
    return register(prepare(one), prepare(other).turned(orientation), starts)


@given(st.integers(0, 7), st.integers(0, 2**32 - 1))
def test_the_hash_of_an_orientation_is_the_hash_of_the_turned_picture(orientation: int, seed: int):
    small = np.random.default_rng(seed).random((32, 32)).astype(np.float32)
    turned = hashes_of(lowest_frequencies(turn(small, orientation)))
    differing = np.bitwise_count(hashes_of(lowest_frequencies(small))[orientation] ^ turned[0])
    assert differing <= 1  # a frequency that is almost zero may round to either side


@pytest.mark.parametrize("kind", ["half", "crop", "mirror", "turned", "bright"])
def test_a_copy_lies_on_its_original_and_on_no_other(kind: str):
    orientations = {"mirror": 1, "turned": 4 | 1, "half": 0, "crop": 0, "bright": 0}
    for seed in range(4):
        copy = copies(scene(seed))[kind]
        tried = range(8) if kind == "turned" else (orientations[kind],)
        assert max(score(scene(seed), copy, each) for each in tried) > 0.9
        assert max(score(scene(seed + 10), copy, each) for each in tried) < 0.7


def test_order_makes_little_difference():
    image, crop = scene(1), copies(scene(1))["crop"]
    assert score(image, crop) == pytest.approx(score(crop, image), abs=0.03)


def test_pictures_that_show_nothing_are_like_nothing():
    white = Image.new("RGB", (100, 100), "white")
    assert score(white, white) == 0
    assert score(white, scene(1)) == 0


def test_a_chain_of_pictures_alike_one_to_the_next_is_no_group():
    chain = [Pair(number, number + 1, 0.95) for number in range(1, 6)]
    assert all(len(group) == 2 for group in groups_of(chain, 0.9))
    whole = [Pair(a, b, 0.9 if b > a + 1 else 0.95) for a in range(1, 5) for b in range(a + 1, 5)]
    assert groups_of(whole, 0.92) == [(1, 2, 3, 4)]


def test_any_number_of_equal_pictures_is_one_group_whichever_of_them_has_gone():
    pairs = [[1, other, 1.0] for other in range(2, 46)]  # of so many each is compared with the first alone
    facts = {"pairs": pairs, "best": list(range(1, 46))}
    result = CheckResult(check="duplicates", findings=(), threshold=0.9, looked_at=45, facts=facts)
    (group,) = duplicate_groups(result)
    assert (group.kind, group.score, group.image_ids) == ("exact", 1.0, tuple(range(1, 46)))
    (group,) = duplicate_groups(result, gone=frozenset({1}))
    assert (group.kind, group.image_ids) == ("exact", tuple(range(2, 46)))


def test_equal_pictures_that_a_person_keeps_apart_stay_apart():
    facts = {"pairs": [[1, 2, 1.0], [1, 3, 1.0], [2, 3, 1.0]], "best": [1, 2, 3]}
    result = CheckResult(check="duplicates", findings=(), threshold=0.9, looked_at=3, facts=facts)
    assert [each.image_ids for each in duplicate_groups(result, fine=frozenset({(1, 2)}))] == [(1, 3)]
    assert duplicate_groups(result, fine=frozenset({(1, 2), (1, 3), (2, 3)})) == []


def test_linked_pictures_have_one_root():
    assert linked([(5, 3), (3, 9), (7, 8)]) == {5: 3, 3: 3, 9: 3, 7: 7, 8: 7}


def test_the_threshold_rises_with_look_alikes():
    rng = np.random.default_rng(0)
    few, many = (np.tanh(rng.normal(mean, 0.25, 3000)) for mean in (0.6, 1.0))
    assert fit_tail(few[:20]).threshold == USUAL
    low, high = fit_tail(few), fit_tail(many)
    assert LOWEST <= low.threshold < high.threshold <= HIGHEST
    assert low.expected < 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return class folders: twelve scenes, five copies of the first, one of the second in another class, a PNG."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        place = folder / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        scene(number).save(place / f"{number}.png")
    for kind, copy in copies(scene(0)).items():
        copy.save(folder / "a" / f"0-{kind}.jpg", quality=85)
    scene(2).resize((80, 60)).save(folder / "b" / "2-small.png")
    scene(4).save(folder / "a" / "4-again.bmp")
    Image.new("RGB", (50, 50), "white").save(folder / "a" / "white.png")
    Image.new("RGB", (60, 60), "white").save(folder / "a" / "white too.png")
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "project"
    with Project.create(path) as project:
        import_source(project, folder)
        embed(project.path, project.snapshot(), backbone="starter_resnet", size=32)
    return path


@pytest.fixture
def project(tmp_path: Path, prepared: Path):
    shutil.copytree(prepared, tmp_path / "project")
    with Project.open(tmp_path / "project") as project:
        yield project


def names(project: Project) -> dict[int, str]:
    return {image.image_id: image.path.name for image in project.snapshot().images}


def test_copies_are_found_and_grouped(project: Project):
    result = Duplicates().run(Inputs(project.path, project.snapshot()))
    name_of = names(project)
    groups = {frozenset(name_of[each] for each in group.image_ids): group for group in duplicate_groups(result)}
    everything = {"0.png", *(f"0-{kind}.jpg" for kind in ("half", "crop", "mirror", "turned", "bright"))}
    largest = max(groups, key=len)
    assert largest <= everything
    assert len(largest) >= 5
    assert groups[frozenset({"4.png", "4-again.bmp"})].kind == "exact"
    assert groups[frozenset({"2.png", "2-small.png"})].kind == "near"
    assert all("white" not in " ".join(group) for group in groups)
    assert len(groups) == 3
    first = groups[frozenset({"2.png", "2-small.png"})].image_ids[0]
    assert name_of[first] == "2.png"  # the larger one is better
    assert read_result(project.path, "duplicates") == result


def test_every_finding_names_its_double(project: Project):
    result = Duplicates().run(Inputs(project.path, project.snapshot()))
    name_of = names(project)
    found = {name_of[each.image_id]: each for each in result.flagged()}
    assert found["4.png"].score == 1
    assert "4-again.bmp" in found["4.png"].reason
    assert name_of[found["2-small.png"].related[0]] == "2.png"
    assert found["2-small.png"].group == found["2.png"].group > 0


def test_contradicting_labels_come_first_and_are_left_to_a_person(project: Project):
    result = Duplicates().run(Inputs(project.path, project.snapshot()))
    groups = groups_now(project, result)
    assert groups[0].is_conflict
    assert {label for member in groups[0].members for label in member.labels} == {"a", "b"}
    change = keep_best(groups)
    assert change is not None
    in_conflict = set(groups[0].image_ids)
    assert not in_conflict & {*change.groups, *(each for others in change.groups.values() for each in others)}
    chosen = keep_best(groups, {0: groups[0].image_ids[1]})
    assert chosen is not None
    assert chosen.groups[groups[0].image_ids[1]] == (groups[0].image_ids[0],)


def test_files_that_an_import_refused_stand_as_an_exact_conflict(tmp_path: Path):
    for class_name in ("a", "b"):
        (tmp_path / "pictures" / class_name).mkdir(parents=True)
        scene(3).save(tmp_path / "pictures" / class_name / "same.png")
        scene(ord(class_name)).save(tmp_path / "pictures" / class_name / "other.png")
    with Project.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "pictures")
        embed(project.path, project.snapshot(), backbone="starter_resnet", size=32)
        result = Duplicates().run(Inputs(project.path, project.snapshot()))
        (group,) = groups_now(project, result)
        assert (group.kind, group.is_conflict, len(group.image_ids)) == ("exact", True, 1)
        assert [member.labels for member in group.members] == [("a",), ("b",)]
        assert [Path(member.path).name for member in group.members] == ["same.png"] * 2
        assert keep_best([group]) is None
        project.apply(LabelImages(group.image_ids, "a"))
        assert not groups_now(project, result)


def test_keeping_one_takes_over_what_is_known_and_is_undone_at_once(project: Project):
    ids = {name: image_id for image_id, name in names(project).items()}
    kept, other = ids["4.png"], ids["4-again.bmp"]
    project.apply(TagImages((other,), "holiday"))
    project.apply(AssignSplits({other: "val"}))
    before = image_rows(project, (kept, other))
    effects = project.apply(KeepOne({kept: (other,)}))
    assert effects.has_new_images
    assert other not in names(project)
    (row,) = image_rows(project, (kept,))
    assert (row.tags, row.split, row.labels) == (("holiday",), "val", ("a",))
    project.undo()
    assert image_rows(project, (kept, other)) == before
    assert other in names(project)


def test_keeping_one_of_contradicting_labels_makes_a_conflict_of_them(project: Project):
    ids = {name: image_id for image_id, name in names(project).items()}
    kept, other = ids["2.png"], ids["2-small.png"]
    project.apply(KeepOne({kept: (other,)}))
    (conflict,) = find_conflicts(project)
    assert {each.class_name for each in conflict.candidates} == {"a", "b"}
    project.undo()
    project.apply(KeepOne({kept: (other,)}, takes_labels=False))
    assert image_rows(project, (kept,))[0].labels == ("a",)


def test_a_picture_cannot_be_kept_and_taken_out(project: Project):
    first, second, *_ = names(project)
    with pytest.raises(ProjectError):
        project.apply(KeepOne({first: (second,), second: (first,)}))


def test_what_a_person_judged_and_what_has_gone_is_left_out(project: Project):
    result = Duplicates().run(Inputs(project.path, project.snapshot()))
    ids = {name: image_id for image_id, name in names(project).items()}
    project.apply(JudgeFine("duplicates", ((ids["2.png"], ids["2-small.png"]),)))
    left = groups_now(project, result)
    assert all(ids["2.png"] not in group.image_ids for group in left)
    project.apply(KeepOne({ids["4.png"]: (ids["4-again.bmp"],)}))
    assert all(ids["4.png"] not in group.image_ids for group in groups_now(project, result))
    assert len(left) == 2


def test_new_pictures_alone_are_compared_anew(project: Project):
    Duplicates().run(Inputs(project.path, project.snapshot()))
    stages: list[str] = []
    result = Duplicates().run(
        Inputs(project.path, project.snapshot(), on_event=lambda event: stages.append(event.stage))
    )
    assert "Comparing pairs" not in stages
    assert "Measuring the pictures" not in stages
    assert result.facts["compared"] > 0


def test_a_stop_is_told_and_a_lost_picture_named(project: Project, folder: Path):
    with pytest.raises(StoppedError):
        Duplicates().run(Inputs(project.path, project.snapshot(), should_stop=lambda: True))
    (lost,) = [image for image in project.snapshot().images if image.path.name == "11.png"]
    content = lost.path.read_bytes()
    lost.path.unlink()
    try:
        result = Duplicates().run(Inputs(project.path, project.snapshot()))
    finally:
        lost.path.write_bytes(content)
    assert [image_id for image_id, _ in result.unreadable] in ([], [lost.image_id])


@pytest.mark.parametrize("count", [1, 2])
def test_few_or_identical_pictures_are_no_trouble(tmp_path: Path, count: int):
    (tmp_path / "pictures").mkdir()
    for number in range(count):
        scene(1).save(tmp_path / "pictures" / f"{number}.png", compress_level=number)
    with Project.create(tmp_path / "project") as project:
        import_source(project, tmp_path / "pictures")
        embed(project.path, project.snapshot(), backbone="starter_resnet", size=32)
        result = Duplicates().run(Inputs(project.path, project.snapshot()))
        assert len(duplicate_groups(result)) == count - 1
