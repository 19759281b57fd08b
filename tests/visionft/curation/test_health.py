"""What is told of a project's health, what it advises, and the report as one safe HTML file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.curation.check import Inputs, read_result, write_result
from visionft.curation.health.facts import Health, RunHealth, WeakClass
from visionft.curation.health.health import health_of, stale_checks
from visionft.curation.health.report_html import report_html, thumbnail, write_report
from visionft.curation.quality.check import Quality
from visionft.errors import StoppedError
from visionft.project.edits.changes import LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.verdicts import JudgeFine
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

EVIL = "<script>alert('x')</script> & “more”"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project of 40 noisy pictures in a large and a small class, one of them blank, one cut off."""
    rng = np.random.default_rng(0)
    for number in range(40):
        path = tmp_path / "pictures" / ("large" if number < 34 else "small") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    Image.new("RGB", (48, 40), (9, 90, 200)).save(tmp_path / "pictures" / "large" / "blank.png")
    (tmp_path / "pictures" / "small" / "cut.png").write_bytes(path.read_bytes()[:-900])
    with Project.create(tmp_path / "project") as created:
        import_source(created, tmp_path / "pictures")
        assign_splits(created)
        yield created


def look(project: Project) -> None:
    Quality().run(Inputs(project.path, project.snapshot()))


def words_of(health: Health) -> str:
    return "\n".join(f"{each.words} {each.evidence}" for each in health.advice)


class TestHealth:
    def test_counts_balance_files_and_splits(self, project):
        health = health_of(project)
        assert (health.pictures, health.labelled, health.conflicts) == (42, 42, 0)
        assert [(each.name, each.pictures) for each in health.classes] == [("large", 35), ("small", 7)]
        assert health.balance.ratio == 5 and 1 < health.balance.effective < 2
        assert health.inventory.formats == {"PNG": 42} and health.inventory.median == (48, 40)
        assert sum(health.splits.values()) == 42 and health.run is None

    def test_a_check_that_never_looked_says_so_and_is_advised(self, project):
        health = health_of(project)
        assert health.check("quality").state == "never" and "quality" in stale_checks(project)
        assert "Nothing has looked yet for: " in words_of(health) and "Quality" in words_of(health)

    def test_what_a_check_found_is_counted_by_class_and_named(self, project):
        look(project)
        health = health_of(project)
        quality = health.check("quality")
        assert quality.state == "current" and "quality" not in stale_checks(project)
        assert (quality.flagged, quality.kinds) == (2, {"damaged": 1, "blank": 1})
        assert [each.flagged.get("quality") for each in health.classes] == [1, 1]
        assert {path.name for path in health.paths.values()} == {"blank.png", "cut.png"}
        assert "Look at what “Quality” found. 2 of 42 pictures are flagged" in words_of(health)

    def test_what_was_judged_or_removed_since_counts_no_more_and_the_check_is_stale(self, project):
        look(project)
        blank, cut = (each.image_id for each in sorted(health_of(project).check("quality").worst, key=lambda f: f.kind))
        project.apply(JudgeFine("quality", ((blank, 0),)))
        assert health_of(project).check("quality").kinds == {"damaged": 1}
        project.apply(RemoveImages((cut,)))
        quality = health_of(project).check("quality")
        assert (quality.flagged, quality.state) == (0, "stale") and "quality" in stale_checks(project)

    def test_a_pair_is_named_once(self, project):
        look(project)
        result = read_result(project.path, "quality")
        first, second = result.findings[:2]
        pair = (replace(first, related=(second.image_id,)), replace(second, related=(first.image_id,), kind=first.kind))
        write_result(project.path, replace(result, findings=pair))
        quality = health_of(project).check("quality")
        assert quality.flagged == 2 and [each.image_id for each in quality.worst] == [first.image_id]

    def test_small_classes_are_to_be_collected_with_the_numbers(self, project):
        assert "Collect more pictures of “small”. It has 7, the class in the middle has 21." in words_of(
            health_of(project)
        )

    def test_pictures_without_a_label_come_first(self, project):
        project.apply(UnlabelImages((1, 2, 3)))
        assert health_of(project).advice[0].evidence == "3 of 42 pictures have none."

    def test_an_empty_project(self, tmp_path):
        with Project.create(tmp_path / "empty") as empty:
            health = health_of(empty)
            assert [each.words for each in health.advice] == ["Import pictures."]
            assert health.balance is None and health.inventory.median is None
            assert "There are no classes yet." in report_html(health, {})

    def test_one_class(self, project):
        project.apply(LabelImages(tuple(image.image_id for image in project.snapshot().images), "large"))
        health = health_of(project)
        assert health.balance is None and "“small”. It has 0" in words_of(health)

    def test_weak_classes_and_those_taken_for_each_other(self, project):
        health = health_of(project)
        weak = WeakClass(
            name="small",
            recall=0.4,
            interval=(0.3, 0.5),
            pictures=100,
            mistaken_for="large",
            mistaken=60,
            examples=(1,),
        )
        other = replace(weak, name="large", recall=0.9, interval=(0.85, 0.94), mistaken_for="small", mistaken=10)
        run = RunHealth(
            run="001", title="First", split="test", pictures=200, top1=0.8, interval=(0.7, 0.9), classes=(weak, other)
        )
        from visionft.curation.health.advice import advice_for

        words = words_of(replace(health, advice=advice_for(replace(health, run=run))))
        assert "Collect pictures of “small” like those that are not recognised. 40% of its 100 pictures" in words
        assert "“large” like those" not in words  # within chance of the whole
        assert "tells “large” from “small”, or merge them. 70 of their 200 pictures" in words
        html = report_html(replace(health, run=run), {})
        assert "40% of 100" in html and "large (60)" in html


class Page(HTMLParser):
    """Collects tags, and fails on one that is not closed."""

    VOID = frozenset({"meta", "img", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


class TestReport:
    def test_it_is_whole_and_has_all_pictures_in_it(self, project, tmp_path):
        look(project)
        target = tmp_path / "report.html"
        write_report(health_of(project), target)
        page = parsed(target.read_text(encoding="utf-8"))
        images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
        assert len(images) >= 1 and all(source.startswith("data:image/jpeg;base64,") for source in images)
        assert "cannot be shown" in page.words  # the one that is cut off
        assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
        targets = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
        ids = {f"#{attributes['id']}" for _, attributes in page.tags if attributes.get("id")}
        assert targets <= ids  # no link leads out of the page, or nowhere

    def test_nothing_in_it_comes_from_the_network(self, project, tmp_path):
        write_report(health_of(project), tmp_path / "report.html")
        html = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert "http:" not in html and "https:" not in html and "url(" not in html and "@import" not in html

    def test_names_are_escaped(self, project):
        project.apply(LabelImages((1, 2, 3), EVIL))
        look(project)
        health = health_of(project)
        health = replace(health, paths=dict.fromkeys(health.paths, Path(f"/{EVIL}.png")))
        page = parsed(report_html(health, {}))
        assert "script" not in {tag for tag, _ in page.tags} and EVIL in "".join(page.words)

    def test_only_the_worst_are_shown_of_many(self, project):
        look(project)
        health = health_of(project)
        quality = replace(health.check("quality"), flagged=5000)
        html = report_html(replace(health, checks=(quality,)), {})
        assert "4,998 more are flagged" in html

    def test_a_picture_that_is_gone_is_no_fault(self, tmp_path):
        assert thumbnail(tmp_path / "gone.png") == ""

    def test_stopping_writes_nothing(self, project, tmp_path):
        look(project)
        with pytest.raises(StoppedError):
            write_report(health_of(project), tmp_path / "report.html", should_stop=lambda: True)
        assert not (tmp_path / "report.html").exists()


def test_health_is_json(project):
    from visionft.cli.output import json_text

    look(project)
    assert json.loads(json_text(health_of(project)))["pictures"] == 42


def test_a_thousand_classes_are_told_in_a_short_report(project):
    health = health_of(project)
    (one, _) = health.classes
    classes = tuple(replace(one, name=f"class {number}", pictures=number) for number in range(1000))
    html = report_html(replace(health, classes=classes), {})
    assert "The 60 smallest of 1,000 classes are shown." in html and html.count("<tr>") < 80
