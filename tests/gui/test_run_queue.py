"""The queue on the disk: order, failures, state after a restart, and damaged files."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import run_events

from gui.run_queue import FILE_NAME, RunQueue
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.metrics_file import append_metrics
from visionft.training.runs.run_folder import read_run

A, B, C = (TrainConfig(epochs=number) for number in (1, 2, 3))


def offered(project: Path) -> str:
    run = RunQueue(project).unfinished_run()
    return run.name if run else ""


def epochs(queue: RunQueue) -> list[int]:
    return [run.config.epochs for run in queue.runs]


@pytest.fixture
def queue(tmp_path: Path) -> RunQueue:
    queue = RunQueue(tmp_path)
    for config in (A, B, C):
        queue.add(config)
    return queue


def write_run(project: Path, name: str, *, done: int, stopped: bool | None) -> Path:
    """Write a run of 10 epochs as the engine does; without `stopped` (None) it has no result, as after a crash."""
    folder = project / "runs" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(TrainConfig(epochs=10).to_dict()))
    (folder / "classes.json").write_text('["a", "b"]')
    for number in range(1, done + 1):
        append_metrics(folder, run_events.epoch_done(epoch=number, epochs=10))
    if stopped is not None:
        result = run_events.result(run=name, best=read_run(folder).epochs[-1], stopped=stopped)
        (folder / "result.json").write_text(json.dumps(dataclasses.asdict(result)))
    return folder


def test_a_restart_finds_everything(queue, tmp_path):
    queue.put_back(queue.take_next(), "no memory")
    queue.set_paused("001-x")
    queue.dismiss("000-y")
    again = RunQueue(tmp_path)
    assert again.runs == queue.runs and again.paused == "001-x" and again.dismissed == {"000-y"}
    assert [run.failure for run in again.runs] == ["", "", "no memory"]
    again.move(again.runs[2].number, 99)
    assert [again.take_next().config for _ in range(2)] == [B, C] and again.take_next() is None
    again.retry(again.runs[0].number)
    again.add(B, is_first=True)
    assert epochs(again) == [2, 1] and again.remove(99) is None and again.take_next().config == B


def test_damaged_entries_cost_only_themselves(queue, tmp_path):
    stored = json.loads((tmp_path / FILE_NAME).read_text())
    stored["runs"][1]["config"]["backbone"] = "no_such"
    stored["runs"].append("nonsense")
    stored["paused"] = 7
    (tmp_path / FILE_NAME).write_text(json.dumps(stored))
    again = RunQueue(tmp_path)
    assert epochs(again) == [1, 3] and again.paused == ""
    (tmp_path / FILE_NAME).write_text("{half")
    assert RunQueue(tmp_path).runs == ()


def test_a_folder_that_cannot_be_written_keeps_the_queue_in_memory(queue, tmp_path):
    shutil.rmtree(tmp_path)
    queue.add(A)
    assert epochs(queue) == [1, 2, 3, 1]


def test_only_the_newest_run_is_offered_and_only_if_it_did_not_end(tmp_path):
    write_run(tmp_path, "001-a", done=4, stopped=None)
    assert offered(tmp_path) == "001-a" and read_run(tmp_path / "runs" / "001-a").is_unfinished
    write_run(tmp_path, "002-b", done=10, stopped=False)
    assert offered(tmp_path) == ""
    write_run(tmp_path, "003-c", done=2, stopped=True)
    (tmp_path / "runs" / "004-d").mkdir()
    (tmp_path / "runs" / "004-d" / "config.json").write_text("{")
    queue = RunQueue(tmp_path)
    assert offered(tmp_path) == "003-c"  # a damaged folder is passed over
    queue.set_paused("001-a")
    assert offered(tmp_path) == "001-a"
    queue.dismiss("001-a")
    queue.dismiss("003-c")
    assert queue.unfinished_run() is None and offered(tmp_path) == ""
