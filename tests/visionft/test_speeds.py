"""The expected time of a stage: learned from earlier ones on this computer, whatever happened to the file of them."""

import contextlib
import errno
import json

import pytest

from visionft import speeds
from visionft.errors import VisionFTError
from visionft.events import Progress
from visionft.jobs import JobContext
from visionft.speeds import StageTime, keep_speed, read_speed, speeds_file


def a_pass(units: float) -> StageTime:
    return StageTime.of("a pass", units, fixed_s=2, unit_s=0.05)


def expected(units: float) -> float:
    return a_pass(units).seconds


def test_nothing_measured_gives_the_usual_time() -> None:
    assert expected(100) == 7 and read_speed("a pass") is None


def test_measurements_of_one_amount_scale_the_usual_time_and_those_of_several_tell_the_fixed_part() -> None:
    a_pass(100).remember(14)
    assert [expected(units) for units in (0, 100, 400)] == pytest.approx([4, 14, 44])
    a_pass(200).remember(22)
    assert [expected(units) for units in (50, 100, 400)] == pytest.approx([10, 14, 38])
    assert StageTime.of("another pass", 100, fixed_s=7).seconds == 7


@pytest.mark.parametrize("pairs", [[(100, 20), (200, 10)], [(0, 3), (0, 5)], [(0, 3), (100, 3)], [(10, 1), (20, 100)]])
def test_a_forecast_lies_among_what_was_measured_and_never_falls_with_more_work(pairs) -> None:
    for units, seconds in pairs:
        a_pass(units).remember(seconds)
    found = [expected(units) for units in (0, 50, 100, 200)]
    assert found == sorted(found) and found[0] >= 0
    least, most = sorted(seconds for _, seconds in pairs)
    middle = sum(units for units, _ in pairs) / len(pairs)
    assert least <= expected(middle) <= most


def test_the_latest_measurements_count() -> None:
    for _ in range(10):
        a_pass(100).remember(20)
    for _ in range(10):
        a_pass(100).remember(2)  # a new graphics card
    assert expected(100) == pytest.approx(2)


def test_a_stage_is_remembered_when_it_ends_and_neither_when_it_fails_nor_when_it_is_cancelled(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    shares: list[float | None] = []
    job = JobContext(lambda event: shares.append(event.share) if isinstance(event, Progress) else None)
    reading, writing = (StageTime.of(name, 10, fixed_s=usual) for name, usual in (("read", 1), ("write", 3)))
    job = job.in_stages(reading.seconds + writing.seconds)
    with reading.stage(job, "Reading"):
        now[0] += 5
    with writing.stage(job, "Writing"):
        job.report(Progress(stage="Writing", done=1, total=2))
    assert shares == pytest.approx([0, 0.25, 0.625])
    assert StageTime.of("read", 20, fixed_s=1).seconds == pytest.approx(5)
    with contextlib.suppress(VisionFTError), StageTime.of("fail", fixed_s=1).stage(job):
        raise VisionFTError("no")
    with StageTime.of("cancel", fixed_s=1).stage(JobContext(cancelled=lambda: True)):
        pass
    assert read_speed("fail") is None and read_speed("cancel") is None


@pytest.mark.parametrize(
    "text", ["{broken", "[]", '{"a pass": {"unknown": 1}}', '{"a pass": [[1, "x"]]}', '{"a pass": [[1, NaN]]}']
)
def test_a_damaged_file_or_one_of_another_version_is_made_anew(text) -> None:
    speeds_file().parent.mkdir(parents=True, exist_ok=True)
    speeds_file().write_text(text)
    assert expected(100) == 7
    a_pass(100).remember(20)
    assert expected(100) == 20
    speeds_file().unlink()
    assert expected(100) == 7


def test_a_full_disk_costs_only_the_measurement(monkeypatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(speeds, "write_json", full)
    keep_speed("a pass", [[1, 2]])
    assert read_speed("a pass") is None


def test_the_file_stays_small() -> None:
    for number in range(500):
        keep_speed(f"kind {number}", number)
    assert read_speed("kind 499") == 499 and read_speed("kind 0") is None
    assert len(json.loads(speeds_file().read_text())) < 500
