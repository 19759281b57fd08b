"""Duplicates: copies of every kind are found, look-alikes are not, and one step keeps one image of a group."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from projects import project_of
from small_features import embed

from models.heads.numerics import ScaledRows
from visionft.analysis import duplicate_pairs
from visionft.analysis.check import CheckResult, Inputs, read_result
from visionft.analysis.duplicate_groups import DuplicatePair, current_groups, duplicate_groups, group_pairs, keep_best
from visionft.analysis.duplicate_pairs import MAX_THRESHOLD, Tail, candidate_pairs
from visionft.analysis.duplicates import Duplicates
from visionft.core.errors import ProjectError
from visionft.core.jobs import JobCancelled, JobContext
from visionft.features.fingerprints import ROW, Fingerprints
from visionft.features.registration import (
    coarse_of,
    coarse_template,
    find_alignments,
    grey_of,
    prepare,
    register,
)
from visionft.project.edits.changes import AssignSplits
from visionft.project.edits.image_changes import KeepOneDuplicate, TagImages
from visionft.project.edits.verdicts import MarkFindingsFine
from visionft.project.queries import find_conflicts, image_rows
from visionft.project.store import ProjectStore


@pytest.fixture(scope="session")
def drawn(scene):
    """Return a function to draw an image unlike those of all other seeds."""
    return lambda seed: Image.fromarray(scene(seed))


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
    starts = find_alignments(
        coarse_template(coarse_of(grey_of(one))), coarse_template(coarse_of(grey_of(other))).turned(orientation)
    )
    return register(prepare(one), prepare(other).turned(orientation), starts)


@pytest.mark.parametrize("kind", ["half", "crop", "mirror", "turned", "bright"])
def test_a_copy_lies_on_its_original_and_on_no_other(drawn, kind: str):
    orientations = {"mirror": 1, "turned": 4 | 1, "half": 0, "crop": 0, "bright": 0}
    for seed in range(4):
        copy = copies(drawn(seed))[kind]
        tried = range(8) if kind == "turned" else (orientations[kind],)
        assert max(score(drawn(seed), copy, each) for each in tried) > 0.9
        assert max(score(drawn(seed + 10), copy, each) for each in tried) < 0.7


def test_a_chain_of_images_alike_one_to_the_next_is_no_group():
    chain = [DuplicatePair(number, number + 1, 0.95) for number in range(1, 6)]
    assert all(len(group) == 2 for group in group_pairs(chain, 0.9))
    whole = [DuplicatePair(a, b, 0.9 if b > a + 1 else 0.95) for a in range(1, 5) for b in range(a + 1, 5)]
    assert group_pairs(whole, 0.92) == [(1, 2, 3, 4)]


def test_any_number_of_equal_images_is_one_group_whichever_of_them_has_gone():
    pairs = [[1, other, 1.0] for other in range(2, 46)]  # in so large a group each is compared with the first only
    facts = {"pairs": pairs, "best": list(range(1, 46))}
    result = CheckResult(check="duplicates", issues=(), threshold=0.9, checked=45, facts=facts)
    (group,) = duplicate_groups(result)
    assert (group.kind, group.score, group.image_ids) == ("exact", 1.0, tuple(range(1, 46)))
    (group,) = duplicate_groups(result, gone=frozenset({1}))
    assert (group.kind, group.image_ids) == ("exact", tuple(range(2, 46)))


def test_equal_images_that_a_person_keeps_apart_stay_apart():
    facts = {"pairs": [[1, 2, 1.0], [1, 3, 1.0], [2, 3, 1.0]], "best": [1, 2, 3]}
    result = CheckResult(check="duplicates", issues=(), threshold=0.9, checked=3, facts=facts)
    assert [each.image_ids for each in duplicate_groups(result, fine=frozenset({(1, 2)}))] == [(1, 3)]
    assert duplicate_groups(result, fine=frozenset({(1, 2), (1, 3), (2, 3)})) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, drawn) -> Path:
    """Return class folders: twelve scenes, five copies of the first, one of the second in another class, a PNG."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(12):
        place = folder / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        drawn(number).save(place / f"{number}.png")
    for kind, copy in copies(drawn(0)).items():
        copy.save(folder / "a" / f"0-{kind}.jpg", quality=85)
    drawn(2).resize((80, 60)).save(folder / "b" / "2-small.png")
    drawn(4).save(folder / "a" / "4-again.bmp")
    Image.new("RGB", (50, 50), "white").save(folder / "a" / "white.png")
    Image.new("RGB", (60, 60), "white").save(folder / "a" / "white too.png")
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    with ProjectStore.open(project_of(tmp_path_factory.mktemp("prepared") / "project", folder)) as project:
        embed(project.path, project.snapshot(), size=32)
        return project.path


@pytest.fixture
def project(tmp_path: Path, prepared: Path):
    shutil.copytree(prepared, tmp_path / "project")
    with ProjectStore.open(tmp_path / "project") as project:
        yield project


def names(project: ProjectStore) -> dict[int, str]:
    return {image.image_id: image.path.name for image in project.snapshot().images}


def ids_of(project: ProjectStore) -> dict[str, int]:
    return {name: image_id for image_id, name in names(project).items()}


@pytest.mark.slow
def test_copies_are_found_and_grouped(project: ProjectStore):
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
    issues = {name_of[each.image_id]: each for each in result.flagged()}  # each names its duplicate
    assert issues["4.png"].score == 1 and "4-again.bmp" in issues["4.png"].reason
    assert name_of[issues["2-small.png"].related[0]] == "2.png"
    assert issues["2-small.png"].group == issues["2.png"].group > 0


def test_the_fast_search_of_many_images_finds_them_too_and_says_so(project: ProjectStore):
    inputs = Inputs(project.path, project.snapshot())
    exact, fast = (duplicate_pairs.compare_all(inputs, check="duplicates", max_exact=most) for most in (100, 5))
    assert duplicate_groups(fast) == duplicate_groups(exact)
    assert fast.is_approximate and not exact.is_approximate


@pytest.mark.slow
@pytest.mark.parametrize(("max_exact", "bits"), [(20_000, 8), (100, 5)])
def test_similar_hashes_are_found_among_many(max_exact: int, bits: int):
    random, count = np.random.default_rng(0), 12_000
    rows = np.zeros(count, ROW)
    rows["hashes"], rows["contrast"] = random.integers(0, 2**64, (count, 8), np.uint64), 50
    for place in range(200):
        different = sum(1 << int(bit) for bit in random.choice(63, bits, replace=False))
        rows["hashes"][count - 1 - place, 0] = rows["hashes"][place, 3] ^ np.uint64(different)
    nothing = ScaledRows(np.zeros((0, 4), np.float16), np.zeros(4, np.float32), np.ones(4, np.float32))
    pairs = candidate_pairs(Fingerprints((), rows), np.zeros(0, np.int64), nothing, max_exact=max_exact)
    assert {(place, count - 1 - place) for place in range(200)} <= set(map(tuple, pairs[:, :2].tolist()))


@pytest.mark.slow
def test_the_commands_act_on_look_alikes_only_when_that_is_meant(project: ProjectStore, monkeypatch, run_json):
    monkeypatch.setattr(duplicate_pairs, "fit_tail", lambda *_: Tail(MAX_THRESHOLD, float("nan"), 0))
    project.apply(AssignSplits({each: "train" if "-" in name else "test" for each, name in names(project).items()}))
    path = str(project.path)
    project.close()

    code, found = run_json("curate", "check", path, "duplicates")
    assert code == 0 and found["duplicates"]["look_alikes"] and found["duplicates"]["issues"]
    for check, option, changed in (("leaks", "--mend", "moved"), ("duplicates", "--keep-best", "removed")):
        code, error = run_json("curate", "check", path, check, option)
        assert code == 2 and run_json("curate", "check", path, "duplicates")[1] == found
        command = shlex.split(error["error"]["next"])
        assert command == ["visionft", "curate", "check", path, check, option, "--yes"]
        code, done = run_json(*command[1:])
        assert code == 0 and done[check][changed] > 0


def test_contradicting_labels_come_first_and_are_left_to_a_person(project: ProjectStore):
    result = Duplicates().run(Inputs(project.path, project.snapshot()))
    groups = current_groups(project, result)
    assert groups[0].is_conflict
    assert set(groups[0].labels) == {"a", "b"}
    change = keep_best(groups)
    assert change is not None
    in_conflict = set(groups[0].image_ids)
    assert not in_conflict & {*change.groups, *(each for others in change.groups.values() for each in others)}


def test_keeping_one_takes_over_what_is_known_and_is_undone_at_once(project: ProjectStore):
    kept, other = (ids_of(project)[name] for name in ("4.png", "4-again.bmp"))
    project.apply(TagImages((other,), "holiday"))
    project.apply(AssignSplits({other: "val"}))
    before = image_rows(project, (kept, other))
    effects = project.apply(KeepOneDuplicate({kept: (other,)}))
    assert effects.has_new_images
    assert other not in names(project)
    (row,) = image_rows(project, (kept,))
    assert (row.tags, row.split, row.labels) == (("holiday",), "val", ("a",))
    project.undo()
    assert image_rows(project, (kept, other)) == before
    assert other in names(project)


def test_keeping_one_of_contradicting_labels_makes_a_conflict_of_them(project: ProjectStore):
    kept, other = (ids_of(project)[name] for name in ("2.png", "2-small.png"))
    project.apply(KeepOneDuplicate({kept: (other,)}))
    (conflict,) = find_conflicts(project)
    assert {each.class_name for each in conflict.candidates} == {"a", "b"}
    project.undo()
    project.apply(KeepOneDuplicate({kept: (other,)}, takes_labels=False))
    assert image_rows(project, (kept,))[0].labels == ("a",)
    with pytest.raises(ProjectError):
        project.apply(KeepOneDuplicate({kept: (other,), other: (kept,)}))


def test_what_a_person_judged_and_what_has_gone_is_left_out(project: ProjectStore):
    result = Duplicates().run(Inputs(project.path, project.snapshot()))
    ids = ids_of(project)
    project.apply(MarkFindingsFine("duplicates", ((ids["2.png"], ids["2-small.png"]),)))
    left = current_groups(project, result)
    assert all(ids["2.png"] not in group.image_ids for group in left)
    project.apply(KeepOneDuplicate({ids["4.png"]: (ids["4-again.bmp"],)}))
    assert all(ids["4.png"] not in group.image_ids for group in current_groups(project, result))
    assert len(left) == 2


def test_a_stop_is_told_and_a_lost_image_named(project: ProjectStore, folder: Path):
    with pytest.raises(JobCancelled):
        Duplicates().run(Inputs(project.path, project.snapshot(), job=JobContext(cancelled=lambda: True)))
    (lost,) = [image for image in project.snapshot().images if image.path.name == "11.png"]
    content = lost.path.read_bytes()
    lost.path.unlink()
    try:
        result = Duplicates().run(Inputs(project.path, project.snapshot()))
    finally:
        lost.path.write_bytes(content)
    assert [image_id for image_id, _ in result.unreadable] == [lost.image_id]
