"""Findings of a check are stored, and stay valid while images and judgements allow."""

import dataclasses
import json
from dataclasses import dataclass

import pytest

from models.settings import setting
from visionft.curation import scan
from visionft.curation.check import Check, CheckResult, Inputs, Issue, open_issues, read_result, write_result
from visionft.data.types import Snapshot
from visionft.errors import ConfigError, ProjectError
from visionft.events import Progress
from visionft.jobs import JobContext


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


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 2, "check": "odd"}', "null"])
def test_a_damaged_result_is_none(tmp_path, text):
    (tmp_path / "curation").mkdir()
    (tmp_path / "curation" / "odd.json").write_text(text)
    assert read_result(tmp_path, "odd") is None


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


@dataclass(frozen=True)
class Low(Check):
    """Flags each image whose number is below a setting."""

    name, title, summary = "low", "Low", "Finds images with low numbers."

    most: int = setting(10, label="Most", help="Highest number.", limits=(0, 100))
    share: float = setting(0.5, label="Share", help="Their score.", limits=(0, 1))
    reverse: bool = setting(False, label="Reverse", help="Flag the others.")

    def find_issues(self, inputs: Inputs) -> CheckResult:
        ids = [image.image_id for image in inputs.images.images if (image.image_id <= self.most) != self.reverse]
        found = tuple(finding(image_id, inputs.images, self.share) for image_id in ids)
        return CheckResult(check=self.name, issues=found, threshold=0.5, checked=len(inputs.images.images))


def test_settings_act_and_are_stored_with_the_result(tmp_path, snapshot):
    usual = Low().run(Inputs(tmp_path, snapshot))
    check = Low().with_settings(["most = 3", "share=0.9", "reverse=yes"])
    assert check.settings == {"most": 3, "share": 0.9, "reverse": True}
    result = check.run(Inputs(tmp_path, snapshot))
    assert (len(usual.issues), len(result.issues)) == (10, 45) and result.issues[0].score == 0.9
    stored = read_result(tmp_path, "low")
    assert stored == result and stored.settings == check.settings
    assert Low().with_settings_of(stored) == check


def test_issues_are_stored_by_falling_score(tmp_path, snapshot):
    class Unsorted(Odd):
        def find_issues(self, inputs: Inputs) -> CheckResult:
            scores = {1: 0.2, 2: 0.9, 3: 0.5, 4: 0.9}
            issues = tuple(finding(image_id, inputs.images, score) for image_id, score in scores.items())
            return CheckResult(check=self.name, issues=issues, threshold=0.5, checked=4)

    result = Unsorted().run(Inputs(tmp_path, snapshot))
    assert [each.image_id for each in result.issues] == [2, 4, 3, 1]
    assert read_result(tmp_path, "odd") == result


def test_every_invalid_setting_is_named(tmp_path):
    with pytest.raises(ConfigError) as raised:
        Low().with_settings(["least=1", "most=many", "share"])
    assert [each.field for each in raised.value.problems] == ["least", "most", "share"]
    with pytest.raises(ConfigError) as raised:
        Low().with_settings(["most=101", "share=-1"])
    assert [each.field for each in raised.value.problems] == ["most", "share"]
    with pytest.raises(ConfigError) as raised:
        Odd().with_settings(["most=1"])
    assert [each.field for each in raised.value.problems] == ["most"]


@pytest.mark.parametrize("settings", [{"most": 101}, {"most": "3"}, {"gone": 1}, {"most": None}, ["most"], 7])
def test_settings_of_a_file_that_are_not_valid_are_not_used(tmp_path, snapshot, settings):
    write_result(tmp_path, Low().run(Inputs(tmp_path, snapshot)))
    file = tmp_path / "curation" / "low.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"settings": settings}))
    assert Low().with_settings_of(read_result(tmp_path, "low")) == Low()


def test_a_check_without_settings_writes_what_earlier_versions_wrote(tmp_path, snapshot):
    Odd().run(Inputs(tmp_path, snapshot))
    assert "settings" not in json.loads((tmp_path / "curation" / "odd.json").read_text())


def test_checks_together_keep_the_settings_of_the_last_result(tmp_path, snapshot, monkeypatch):
    monkeypatch.setitem(scan.CHECKS, "low", Low())
    Low().with_settings(["most=3"]).run(Inputs(tmp_path, snapshot))
    assert len(scan.run_checks(tmp_path, snapshot, ["low"]).results["low"].issues) == 3
    own = {"low": Low().with_settings(["most=4"])}
    assert len(scan.run_checks(tmp_path, snapshot, ["low"], configured=own).results["low"].issues) == 4


def test_a_class_whose_settings_could_not_be_set_is_refused():
    class Undecorated(Low):
        least: int = setting(1, label="Least", help="Lowest number.")

    @dataclass(frozen=True)
    class Clashing(Low):
        threshold: float = setting(0.5, label="Threshold", help="The same name as an argument.")

    for kind in (Undecorated, Clashing):
        with pytest.raises(TypeError):
            kind()


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
