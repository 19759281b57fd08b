"""The runs to resume on the disk: state after a restart, damaged files, and which run is offered."""

import dataclasses
import json
import shutil
from pathlib import Path

import run_events

from gui.runner import UNFINISHED_FILE, UnfinishedRuns
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.metrics_file import append_metrics
from visionft.training.runs.run_folder import read_run


def offered(project: Path) -> str:
    run = UnfinishedRuns(project).newest()
    return run.name if run else ""


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


def test_a_restart_finds_everything_but_what_is_damaged(tmp_path):
    runs = UnfinishedRuns(tmp_path)
    runs.set_paused("001-x")
    runs.dismiss("000-y")
    again = UnfinishedRuns(tmp_path)
    assert again.paused == "001-x" and again.dismissed == {"000-y"}
    stored = json.loads((tmp_path / UNFINISHED_FILE).read_text())
    (tmp_path / UNFINISHED_FILE).write_text(json.dumps(stored | {"paused": 7, "runs": ["of an earlier version"]}))
    again = UnfinishedRuns(tmp_path)
    assert again.paused == "" and again.dismissed == {"000-y"}
    (tmp_path / UNFINISHED_FILE).write_text("{half")
    assert UnfinishedRuns(tmp_path).dismissed == frozenset()


def test_a_folder_that_cannot_be_written_is_remembered_until_the_end(tmp_path):
    runs = UnfinishedRuns(tmp_path)
    shutil.rmtree(tmp_path)
    runs.set_paused("001-x")
    assert runs.paused == "001-x"


def test_only_the_newest_run_is_offered_and_only_if_it_did_not_end(tmp_path):
    write_run(tmp_path, "001-a", done=4, stopped=None)
    assert offered(tmp_path) == "001-a" and read_run(tmp_path / "runs" / "001-a").is_unfinished
    write_run(tmp_path, "002-b", done=10, stopped=False)
    assert offered(tmp_path) == ""
    write_run(tmp_path, "003-c", done=2, stopped=True)
    (tmp_path / "runs" / "004-d").mkdir()
    (tmp_path / "runs" / "004-d" / "config.json").write_text("{")
    runs = UnfinishedRuns(tmp_path)
    assert offered(tmp_path) == "003-c"  # a damaged folder is passed over
    runs.set_paused("001-a")
    assert offered(tmp_path) == "001-a"
    runs.dismiss("001-a")
    runs.dismiss("003-c")
    assert runs.newest() is None and offered(tmp_path) == ""
