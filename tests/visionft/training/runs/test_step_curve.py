"""The loss between epochs, stored for display: thinned, repaired after a crash, and never a reason for failure."""

from pathlib import Path

import pytest
import run_events

from visionft.events import Event, StepDone
from visionft.jobs import JobContext
from visionft.training.runs import metrics_file
from visionft.training.runs.metrics_file import StepRecorder, read_steps

STARTED = run_events.started()


def step(number: int, loss: float, *, epoch: int = 1) -> StepDone:
    return run_events.step(epoch=epoch, step=number, loss=loss)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(metrics_file.time, "monotonic", lambda: now[0])
    return now


def record(runs: Path, clock: list[float], events: list[Event], *, seconds: float = 1.0) -> list[Event]:
    """Let a run report these events, a step each so many seconds."""
    passed: list[Event] = []
    recorder = StepRecorder(runs, JobContext(passed.append))
    for event in [STARTED, *events]:
        clock[0] += seconds
        recorder(event)
    return passed


def test_steps_come_back_and_every_event_is_passed_on(tmp_path, clock) -> None:
    events: list[Event] = [step(1, 2.0), step(2, 1.5), step(1, 1.0, epoch=2)]
    assert record(tmp_path, clock, events) == [STARTED, *events]  # without a folder: it costs the run nothing
    assert read_steps(tmp_path / "001-run") == ()
    (tmp_path / "001-run").mkdir()
    record(tmp_path, clock, events)
    assert read_steps(tmp_path / "001-run") == ((0.25, 2.0), (0.5, 1.5), (1.25, 1.0))
    record(tmp_path, clock, [step(number, 1.0) for number in range(1, 5)], seconds=0.4)  # one a second is enough
    assert [place for place, _ in read_steps(tmp_path / "001-run")] == [0.25, 1.0]


def test_what_a_killed_run_does_again_replaces_what_was_there(tmp_path, clock) -> None:
    folder = tmp_path / "001-run"
    folder.mkdir()
    record(tmp_path, clock, [step(1, 2.0), step(2, 1.5), step(3, 1.2)])
    with (folder / "steps.jsonl").open("a") as file:
        file.write("[0.9, 1\n")  # cut short by the kill
    record(tmp_path, clock, [step(2, 1.6), step(3, 1.3)])
    assert read_steps(folder) == ((0.25, 2.0), (0.5, 1.6), (0.75, 1.3))
