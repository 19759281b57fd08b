"""The dataset report: its contents, its recommendations, and its export as one safe HTML file."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.cli.output import json_text
from visionft.curation.check import Inputs, read_result, write_result
from visionft.curation.leaks.leak_check import Leaks
from visionft.curation.quality.quality_check import Quality
from visionft.curation.report.dataset_report import DatasetReport, EvaluatedRun, WeakClass
from visionft.curation.report.recommendations import recommend_actions
from visionft.curation.report.report_html import report_html, save_report, write_report
from visionft.curation.report.report_reader import read_report, stale_checks
from visionft.html_parts import thumbnail
from visionft.jobs import JobCancelled, JobContext
from visionft.project.edits.changes import AssignSplits, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.verdicts import JudgeFine
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

EVIL = "<script>alert('x')</script> & “more”"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project of 40 noisy images in a large and a small class, one of them blank, one cut off."""
    rng = np.random.default_rng(0)
    path = tmp_path
    for number in range(40):
        path = tmp_path / "images" / ("large" if number < 34 else "small") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    Image.new("RGB", (48, 40), (9, 90, 200)).save(tmp_path / "images" / "large" / "blank.png")
    (tmp_path / "images" / "small" / "cut.png").write_bytes(path.read_bytes()[:-900])
    with Project.create(tmp_path / "project") as created:
        import_source(created, tmp_path / "images")
        assign_splits(created)
        yield created


@pytest.fixture
def checked(project: Project) -> Project:
    Quality().run(Inputs(project.path, project.snapshot()))
    return project


def ids(project: Project) -> tuple[int, ...]:
    return tuple(image.image_id for image in project.snapshot().images)


def evidence(report: DatasetReport, view: str) -> list[list[str]]:
    """Return the numbers in the evidence of a view's recommendations."""
    return [re.findall(r"\d+%?", each.evidence) for each in report.recommendations if each.view == view]


def test_counts_balance_files_splits_and_what_to_do_first(project):
    report = read_report(project)
    assert (report.images, report.labelled, report.conflicts) == (42, 42, 0)
    assert [(each.name, each.images) for each in report.classes] == [("large", 35), ("small", 7)]
    assert report.balance is not None and report.balance.ratio == 5 and 1 < report.balance.effective < 2
    assert report.inventory.formats == {"PNG": 42} and report.inventory.median == (48, 40)
    assert sum(report.splits.values()) == 42 and report.run is None
    assert ["7", "21"] in evidence(report, "")
    project.apply(LabelImages(ids(project)[:14], "small"))
    report = read_report(project)
    assert report.balance is not None and report.balance.is_even
    assert report_html(report, {}).count("21 images") == 1
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
    assert leaks.skipped and leaks.skipped in report_html(read_report(project), {})


def test_issues_are_counted_by_class_until_they_are_judged_or_removed(checked):
    report = read_report(checked)
    quality = report.check("quality")
    assert quality.state == "current" and "quality" not in stale_checks(checked)
    assert (quality.flagged, quality.kinds) == (2, {"corrupt": 1, "blank": 1})
    assert [each.flagged.get("quality") for each in report.classes] == [1, 1]
    assert {path.name for path in report.paths.values()} == {"blank.png", "cut.png"}
    assert evidence(report, "quality")[0][:2] == ["2", "42"]
    blank, cut = (each.image_id for each in sorted(quality.worst, key=lambda issue: issue.kind))
    checked.apply(JudgeFine("quality", ((blank, 0),)))
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
    with Project.create(tmp_path / "empty") as empty:
        report = read_report(empty)
        assert [each.view for each in report.recommendations] == ["home"]
        assert report.balance is None and report.inventory.median is None
        assert Page(report_html(report, {})).words


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
    html = report_html(report, {})
    assert "40% of 100" in html and "large (60)" in html


class Page(HTMLParser):
    """Collects tags, and fails on an unclosed one."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_file_is_complete_and_needs_no_network(checked, tmp_path):
    target = tmp_path / "report.html"
    with pytest.raises(JobCancelled):
        write_report(read_report(checked), target, job=JobContext(cancelled=lambda: True))
    assert not target.exists()
    write_report(read_report(checked), target)
    html = target.read_text(encoding="utf-8")
    page = Page(html)
    images = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    assert len(images) >= 1 and all(source.startswith("data:image/jpeg;base64,") for source in images)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    targets = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert targets <= {f"#{attributes['id']}" for _, attributes in page.tags if attributes.get("id")}
    assert not any(word in html for word in ("http:", "https:", "url(", "@import"))
    assert thumbnail(tmp_path / "gone.png") == ""


def test_a_report_of_a_closed_project_leaves_its_folder_as_it_was(checked: Project, tmp_path: Path) -> None:
    checked.close()
    files = sorted(checked.path.iterdir())
    assert save_report(checked.path, tmp_path / "report.html").exists()
    assert sorted(checked.path.iterdir()) == files  # no log beside the sealed file


def test_names_are_escaped_and_of_many_issues_and_classes_only_some_are_shown(checked):
    checked.apply(LabelImages((1, 2, 3), EVIL))
    report = read_report(checked)
    page = Page(report_html(replace(report, paths=dict.fromkeys(report.paths, Path(f"/{EVIL}.png"))), {}))
    assert "script" not in {tag for tag, _ in page.tags} and EVIL in "".join(page.words)
    quality = replace(report.check("quality"), flagged=5000)
    classes = tuple(replace(report.classes[0], name=f"class {number}", images=number) for number in range(1000))
    html = report_html(replace(report, checks=(quality,), classes=classes), {})
    assert "4,998" in html and "1,000" in html and html.count("<tr>") < 80
