"""Findings of a check are stored, and stay valid while images and judgements allow."""

import dataclasses
import json

import pytest

from visionft.analysis import scan
from visionft.analysis.check import Check, CheckResult, Inputs, Issue, open_issues, read_result, write_result
from visionft.core.errors import ProjectError
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot


def finding(image_id: int, snapshot: Snapshot, score: float = 0.5, **facts) -> Issue:
    sha256 = next(image.sha256 for image in snapshot.images if image.image_id == image_id)
    return Issue(image_id=image_id, sha256=sha256, score=score, kind="odd", reason="It is odd.", **facts)


class Odd(Check):
    name, title, summary = "odd", "Odd", "Finds odd images."

    def find_issues(self, inputs: Inputs) -> CheckResult:
        found = tuple(finding(image.image_id, inputs.images) for image in inputs.images.images if image.image_id % 2)
        return CheckResult(check=self.name, issues=found, threshold=0.5, checked=len(inputs.images.images))


def test_a_result_is_read_as_it_was_written(tmp_path, snapshot):
    result = CheckResult(
        check="odd",
        issues=(
            finding(1, snapshot, 0.9, related=(2, 3), group=1, suggested="red", values={"sharpness": 1.5}),
            finding(2, snapshot, 0.2),
        ),
        threshold=0.5,
        checked=48,
        unreadable=((7, "it is cut off"),),
        data=snapshot.digest,
        facts={"why": "measured", "rows": [["a", 1]]},
    )
    write_result(tmp_path, result)
    assert read_result(tmp_path, "odd") == result
    assert [each.image_id for each in result.flagged()] == [1]
    assert len(result.flagged(0.1)) == 2


def test_running_keeps_the_result_unless_there_are_no_images(tmp_path, snapshot):
    with pytest.raises(ProjectError):
        Odd().run(Inputs(tmp_path, Snapshot("single", (), ())))
    assert read_result(tmp_path, "odd") is None
    result = Odd().run(Inputs(tmp_path, snapshot))
    assert read_result(tmp_path, "odd") == result and len(result.issues) == 24


def test_findings_end_with_what_they_are_about(tmp_path, snapshot):
    alone, pair, trio = finding(1, snapshot), finding(2, snapshot, related=(3,)), finding(4, snapshot, related=(5, 6))
    result = CheckResult(check="odd", issues=(alone, pair, trio), threshold=0.5, checked=48)
    assert open_issues(result, snapshot, frozenset()) == (alone, pair, trio)
    assert open_issues(result, snapshot, frozenset({(1, 0), (2, 3), (4, 6)})) == (trio,)
    assert open_issues(result, snapshot, frozenset({(4, 5), (4, 6)})) == (alone, pair)
    edited = dataclasses.replace(snapshot.images[0], sha256="edited")
    left = tuple(image for image in snapshot.images[1:] if image.image_id != 3)
    assert open_issues(result, dataclasses.replace(snapshot, images=(edited, *left)), frozenset()) == (trio,)


def test_a_finding_about_a_label_goes_with_the_label(snapshot):
    image = next(image for image in snapshot.images if image.labels)
    label = snapshot.class_names[image.labels[0]]
    doubted = finding(image.image_id, snapshot, doubted=label)
    result = CheckResult(check="odd", issues=(doubted,), threshold=0.5, checked=1)
    assert open_issues(result, snapshot, frozenset()) == (doubted,)
    other = dataclasses.replace(image, labels=((image.labels[0] + 1) % len(snapshot.class_names),))
    images = tuple(other if each.image_id == image.image_id else each for each in snapshot.images)
    assert open_issues(result, dataclasses.replace(snapshot, images=images), frozenset()) == ()


def test_settings_that_version_0_2_stored_are_ignored(tmp_path, snapshot):
    result = Odd().run(Inputs(tmp_path, snapshot))
    file = tmp_path / "curation" / "odd.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"settings": {"most": 3}}))
    assert read_result(tmp_path, "odd") == result


def test_issues_are_stored_by_falling_score(tmp_path, snapshot):
    class Unsorted(Odd):
        def find_issues(self, inputs: Inputs) -> CheckResult:
            scores = {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.9}
            issues = tuple(finding(image_id, inputs.images, score) for image_id, score in scores.items())
            return CheckResult(check=self.name, issues=issues, threshold=0.5, checked=4)

    result = Unsorted().run(Inputs(tmp_path, snapshot))
    assert [each.image_id for each in result.issues] == [2, 4, 3, 1]
    assert read_result(tmp_path, "odd") == result


def test_the_share_of_a_check_follows_from_the_time_that_it_took_before(tmp_path, snapshot, monkeypatch):
    class Slow(Odd):
        name = "slow"

        def find_issues(self, inputs: Inputs) -> CheckResult:
            inputs.job.report(Progress(stage="Looking", done=0, total=1))
            return super().find_issues(inputs)

    class Quick(Slow):
        name = "quick"

    for check in (Slow(), Quick()):
        monkeypatch.setitem(scan.CHECKS, check.name, check)
    monkeypatch.setattr(Slow, "weight", 8000 / len(snapshot.images))  # 9 s, the fixed one of each check included
    monkeypatch.setattr(Quick, "weight", 0.0)
    heard: list[float | None] = []
    job = JobContext(lambda event: heard.append(event.share) if isinstance(event, Progress) else None)
    scan.run_checks(tmp_path, snapshot, ["slow", "quick"], job=job)
    assert heard == pytest.approx([0, 0.9])
