"""Shares of a project: dealt evenly and reproducibly, each a project of its own, and merged when they come back."""

import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import pytest

from visionft.errors import VisionFTError
from visionft.events import Progress
from visionft.jobs import JobCancelled, JobContext
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


def unlabelled(project: Project) -> None:
    project.apply(UnlabelImages(tuple(range(1, 13))))


def without_files(project: Project) -> None:
    unlabelled(project)
    for image in project.snapshot().images:
        image.path.unlink()


@pytest.mark.parametrize(
    ("prepare", "place", "options", "step"),
    [
        (None, "out", {}, None),  # each image has a label
        (None, "out", {"people": 13, "again": True}, "import_images"),
        (without_files, "out", {"copy_images": True}, "relink"),
        (unlabelled, "images", {}, None),  # taken
        (unlabelled, "project/out", {}, None),
        (unlabelled, "project/project.db/out", {}, None),
        (unlabelled, "images/cat/0.png/out", {}, None),  # below a file
        (unlabelled, "x" * 300, {}, None),
        (unlabelled, "out", {"copy_images": True, "free": 10}, None),
    ],
)
def test_what_cannot_be_shared_is_refused_before_anything_is_written(
    project: Project, tmp_path: Path, monkeypatch, prepare, place: str, options: dict, step: str | None
) -> None:
    if prepare is not None:
        prepare(project)
    before = sorted(tmp_path.rglob("*"))
    if free := options.pop("free", 0):
        monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=free))
    for is_preview in (True, False):
        with pytest.raises(VisionFTError) as error:
            share_project(project, tmp_path / place, is_preview=is_preview, **({"people": 2} | options))
        assert error.value.hint and (error.value.next_step.action if error.value.next_step else None) == step
    assert sorted(tmp_path.rglob("*")) == before


def test_a_forecast_tells_the_shares_and_cancelling_leaves_nothing(project: Project, tmp_path: Path) -> None:
    unlabelled(project)
    project.snapshot().images[0].path.unlink()
    options = {"people": 2, "overlap": 0.25, "copy_images": True}
    forecast = share_project(project, tmp_path / "out", is_preview=True, **options)
    assert len(forecast.missing) == 1 and forecast.bytes > 0 and forecast.common == 3
    before, events = sorted(tmp_path.rglob("*")), list[Progress]()
    with pytest.raises(JobCancelled):
        share_project(project, tmp_path / "out", job=JobContext(events.append, lambda: len(events) > 4), **options)
    assert sorted(tmp_path.rglob("*")) == before
    assert [(each.done, each.total) for each in events] == [(number, 14) for number in range(1, 6)]
    assert share_project(project, tmp_path / "out", **options) == forecast


def test_sheets_follow_the_language_and_tell_what_there_is(project: Project, multi: Project, tmp_path: Path) -> None:
    numbers = {}
    for each, language, overlap in ((project, "en", 0.25), (project, "de", 0.25), (multi, "de", 0.0)):
        target = tmp_path / language / each.path.name
        share = share_project(each, target, people=2, overlap=overlap, again=True, language=language).shares[0]
        text = share.sheet.read_text(encoding="utf-8")
        assert "person-1" in text and text.endswith("  - cat\n  - dog\n") and "{" not in text
        assert ("Beschriften" in text) == (language == "de") and ("beliebig" in text) == (each is multi)
        assert max(map(len, text.splitlines())) <= 110
        numbers[language, each.task] = re.findall(r"\b\d+\b", text)
    assert numbers["en", "single"] == numbers["de", "single"] and numbers["en", "single"][:4] == ["1", "2", "8", "3"]
    assert numbers["de", "multi"][:4] == ["1", "2", "6", "1"]  # without the sentence on common images: the first step


def test_a_share_needs_room_for_its_databases_too(project: Project, tmp_path: Path, monkeypatch) -> None:
    size = (project.path / DATABASE).stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2 * size))
    project.apply(UnlabelImages(tuple(range(1, 13))))
    with pytest.raises(VisionFTError) as caught:
        share_project(project, tmp_path / "new" / "out", people=3)
    assert caught.value.hint and not (tmp_path / "new").exists()


# Writes no file beyond a size, as a full disk does; SQLite's own words say so.
FULL = """
import resource, signal, sys
from pathlib import Path
from visionft.errors import VisionFTError
from visionft.project.merging.sharing import share_project
from visionft.project.store import Project
with Project.open(Path(sys.argv[1]), read_only=True) as project:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
    try:
        share_project(project, Path(sys.argv[2]), people=2)
    except VisionFTError as error:
        assert error.hint
        sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
@pytest.mark.parametrize("limit", [0, 4096, 40_000, 100_000])
def test_a_share_for_which_the_disk_is_full_leaves_nothing(project: Project, tmp_path: Path, limit: int) -> None:
    project.apply(UnlabelImages(tuple(range(1, 13))))
    folder = project.path
    project.close()
    command = [sys.executable, "-c", FULL, folder, tmp_path / "new" / "out", str(limit)]
    ended = subprocess.run(command, check=False, timeout=60, capture_output=True, text=True)
    assert ended.returncode == 7, ended.stderr
    assert not (tmp_path / "new").exists()
