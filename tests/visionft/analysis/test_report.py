"""The dataset report: its contents and its recommendations."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.analysis.check import Inputs, read_result, write_result
from visionft.analysis.leaks import Leaks
from visionft.analysis.quality import Quality
from visionft.analysis.report import (
    DatasetReport,
    EvaluatedRun,
    WeakClass,
    read_report,
    recommend_actions,
    stale_checks,
)
from visionft.cli.output import json_text
from visionft.project.edits.changes import AssignSplits, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.verdicts import MarkFindingsFine
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore


@pytest.fixture
def project(tmp_path: Path) -> Iterator[ProjectStore]:
    """Return a project of 40 noisy images in a large and a small class, one of them blank, one cut off."""
    rng = np.random.default_rng(0)
    path = tmp_path
    for number in range(40):
        path = tmp_path / "images" / ("large" if number < 34 else "small") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    Image.new("RGB", (48, 40), (9, 90, 200)).save(tmp_path / "images" / "large" / "blank.png")
    (tmp_path / "images" / "small" / "cut.png").write_bytes(path.read_bytes()[:-900])
    with ProjectStore.create(tmp_path / "project") as created:
        import_source(created, tmp_path / "images")
        assign_splits(created)
        yield created


@pytest.fixture
def checked(project: ProjectStore) -> ProjectStore:
    Quality().run(Inputs(project.path, project.snapshot()))
    return project


def ids(project: ProjectStore) -> tuple[int, ...]:
    return tuple(image.image_id for image in project.snapshot().images)


def evidence(report: DatasetReport, view: str) -> list[list[str]]:
    """Return the numbers in the evidence of a view's recommendations."""
    return [re.findall(r"\d+%?", each.evidence) for each in report.recommendations if each.view == view]


def test_counts_balance_files_splits_and_what_to_do_first(project):
    report = read_report(project)
    assert (report.images, report.labelled, report.conflicts) == (42, 42, 0)
    assert [(each.name, each.images) for each in report.classes] == [("large", 35), ("small", 7)]
    assert report.balance is not None and report.balance.ratio == 5 and 1 < report.balance.effective < 2
    assert sum(report.splits.values()) == 42 and report.run is None
    assert ["7", "21"] in evidence(report, "")
    project.apply(LabelImages(ids(project)[:14], "small"))
    report = read_report(project)
    assert report.balance is not None and report.balance.is_even
    project.apply(LabelImages(ids(project), "large"))
    report = read_report(project)
    assert report.balance is None and any(each[:1] == ["0"] for each in evidence(report, ""))
    assert report.check("quality").state == "never" and "quality" in stale_checks(project)
    assert any(each.view == "curate" and "Quality" in each.evidence for each in report.recommendations)
    project.apply(UnlabelImages((1, 2, 3)))
    assert read_report(project).recommendations[0].view == "label"
    assert evidence(read_report(project), "label") == [["3", "42"]]
    assert json.loads(json_text(report))["images"] == 42


@pytest.mark.slow
def test_without_splits_no_absence_of_leaks_is_claimed(project):
    Leaks().run(Inputs(project.path, project.snapshot()))
    assert not read_report(project).check("leaks").skipped
    project.apply(AssignSplits(dict.fromkeys(ids(project), None)))
    leaks = read_report(project).check("leaks")
    assert leaks.skipped


def test_issues_are_counted_by_class_until_they_are_judged_or_removed(checked):
    report = read_report(checked)
    quality = report.check("quality")
    assert quality.state == "current" and "quality" not in stale_checks(checked)
    assert (quality.flagged, quality.kinds) == (2, {"corrupt": 1, "blank": 1})
    assert [each.flagged.get("quality") for each in report.classes] == [1, 1]
    assert {path.name for path in report.paths.values()} == {"blank.png", "cut.png"}
    assert evidence(report, "quality")[0][:2] == ["2", "42"]
    blank, cut = (each.image_id for each in sorted(quality.worst, key=lambda issue: issue.kind))
    checked.apply(MarkFindingsFine("quality", ((blank, 0),)))
    assert read_report(checked).check("quality").kinds == {"corrupt": 1}
    checked.apply(RemoveImages((cut,)))
    quality = read_report(checked).check("quality")
    assert (quality.flagged, quality.state) == (0, "stale") and "quality" in stale_checks(checked)


def test_a_pair_is_listed_once(checked):
    result = read_result(checked.path, "quality")
    first, second = result.issues[:2]
    pair = (replace(first, related=(second.image_id,)), replace(second, related=(first.image_id,), kind=first.kind))
    write_result(checked.path, replace(result, issues=pair))
    quality = read_report(checked).check("quality")
    assert quality.flagged == 2 and [each.image_id for each in quality.worst] == [first.image_id]


def test_an_empty_project(tmp_path):
    with ProjectStore.create(tmp_path / "empty") as empty:
        report = read_report(empty)
        assert [each.view for each in report.recommendations] == ["home"]
        assert report.balance is None


def test_weak_and_confused_classes(project):
    report = read_report(project)
    weak = WeakClass(
        name="small", recall=0.4, interval=(0.3, 0.5), images=100, mistaken_for="large", mistaken=60, image_ids=(1,)
    )
    other = replace(weak, name="large", recall=0.9, interval=(0.85, 0.94), mistaken_for="small", mistaken=10)
    run = EvaluatedRun(
        run="001", title="First", split="test", images=200, top1=0.8, interval=(0.7, 0.9), classes=(weak, other)
    )
    report = replace(report, run=run)
    found = evidence(replace(report, recommendations=recommend_actions(report)), "results")
    assert found == [  # "large" is within chance of the whole
        ["40%", "100", "30%", "50%", "60"],
        ["70", "200"],
    ]
    few = replace(report, run=replace(run, classes=(replace(weak, images=5),)))
    (said,) = evidence(replace(few, recommendations=recommend_actions(few)), "results")
    assert said[:2] == ["2", "5"]
