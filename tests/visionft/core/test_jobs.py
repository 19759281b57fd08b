"""Events of jobs: the throttle, and the share of the whole job."""

import contextlib

import pytest

from visionft.core.errors import VisionFTError
from visionft.core.events import Notice, Progress
from visionft.core.jobs import EventThrottle, JobContext


def test_the_throttle_keeps_the_newest_progress_and_every_other_event_in_order():
    heard = []
    throttle = EventThrottle(heard.append, interval_s=60)
    for done in range(1, 1001):
        throttle(Progress(stage="Import", done=done, total=1000))
    throttle(Notice(message="almost"))
    throttle(Progress(stage="Import", done=1000, total=1000))
    throttle.flush()
    assert [getattr(event, "done", "notice") for event in heard] == [1, 1000, "notice", 1000]


def test_the_throttle_lets_a_new_stage_and_every_other_event_through_at_once():
    heard = []
    throttle = EventThrottle(heard.append, interval_s=60)
    for stage in ("Reading", "Writing"):
        for done in (1, 2):
            throttle(Progress(stage=stage, done=done, total=2))
    notices = [Notice(message=str(number)) for number in range(29)]
    for each in notices:
        throttle(each)
    stages = [(event.stage, event.done) for event in heard[:4]]
    assert stages == [("Reading", 1), ("Reading", 2), ("Writing", 1), ("Writing", 2)] and heard[4:] == notices


def shares_of(work) -> list[float | None]:
    """Return the shares of the whole job that `work(job)` reports."""
    heard: list[float | None] = []

    def hear(event) -> None:
        if isinstance(event, Progress):
            heard.append(event.share)

    work(JobContext(hear))
    return heard


def test_stages_tell_the_share_of_the_whole_job_by_their_weights():
    def work(job: JobContext) -> None:
        job = job.in_stages(10)
        with job.stage("Reading", weight=2):
            job.report(Progress(stage="Reading", done=1, total=2))
            job.report(Progress(stage="Checking", done=0, total=9))  # the share never falls
        with job.stage(weight=8):
            job.report(Progress(stage="Measuring", done=3, total=4))

    assert shares_of(work) == pytest.approx([0, 0.1, 0.1, 0.8])


def test_a_stage_is_divided_like_the_job_and_one_that_fails_counts_as_over():
    def inner(job: JobContext) -> None:
        job = job.in_stages(2)
        with job.stage("First", weight=1):
            pass
        with job.stage("Second", weight=1):
            raise VisionFTError("It is gone.")

    def work(job: JobContext) -> None:
        job = job.in_stages(4)
        for _ in range(2):
            with contextlib.suppress(VisionFTError), job.stage(weight=1):
                inner(job)
        with job.stage("Last", weight=2):
            pass
        with job.stage("One more than expected", weight=9):
            job.report(Progress(stage="More", done=1, total=2))

    assert shares_of(work) == pytest.approx([0, 0.125, 0.25, 0.375, 0.5, 1, 1])


def test_a_job_without_a_plan_only_names_its_stages():
    def work(job: JobContext) -> None:
        with job.stage("Backing up"):
            job.report(Progress(stage="Backing up", done=1, total=2))

    assert shares_of(work) == [None, None]
