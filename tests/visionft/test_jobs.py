"""Events of jobs: the throttle, and the share of the whole job."""

from visionft.events import Notice, Progress
from visionft.jobs import EventThrottle


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
