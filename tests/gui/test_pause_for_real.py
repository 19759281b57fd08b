"""Pause and Resume with the real engine: the memory is free in between, and the run is one run."""

import dataclasses
import gc
import json

import pytest

from gui.shell.window import MainWindow
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import read_run

TINY = TrainConfig(
    backbone="test_resnet",
    method="lora",
    weights="random",
    image_size=32,
    batch_size=4,
    epochs=200,
    device="cpu",
    augmentation="none",
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_a_paused_run_frees_its_memory_and_goes_on_where_it_was(qtbot, window: MainWindow, project_dir, open_page):
    import torch

    def live_numbers() -> int:
        found = (thing for thing in gc.get_objects() if issubclass(type(thing), torch.nn.Parameter))
        return sum(tensor.numel() for tensor in found)

    page = open_page("train")
    before = live_numbers()
    page.draft.take(TINY)
    page.start()
    qtbot.waitUntil(lambda: len(page.monitor.chart.epochs) >= 2, timeout=200_000)
    assert live_numbers() > before
    page.pause()
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=60_000)
    assert live_numbers() == before
    run_dir = project_dir / "runs" / window.state.session.runner.unfinished.paused
    place = json.loads((run_dir / "last" / "state.json").read_text())["progress"]
    done = read_run(run_dir).last_epoch
    assert place["epoch"] == done + 1

    page.resume()
    qtbot.waitUntil(lambda: len(page.monitor.chart.epochs) >= done + 2, timeout=200_000)
    page.stop()
    qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=60_000)
    run = read_run(run_dir)
    numbers = [epoch.epoch for epoch in run.epochs]
    assert numbers == list(range(len(numbers))) and len(numbers) >= done + 2
    assert len(page.monitor.chart.epochs) == len(numbers)
    assert len(list((project_dir / "runs").glob("0*"))) == 1
    assert dataclasses.replace(run.config, epochs=0) == dataclasses.replace(TINY, epochs=0)
