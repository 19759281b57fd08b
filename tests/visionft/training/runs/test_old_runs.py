"""Runs of an earlier version still open: read, loaded and, if cancelled, resumed."""

import json
import shutil
from pathlib import Path

from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.progress import RunProgress
from visionft.training.runs.checkpoint import load_newest
from visionft.training.runs.run_folder import read_run
from visionft.training.runs.run_model import load_trained

OLD_RUN = Path(__file__).parents[3] / "fixtures" / "run_v2" / "001-starter_resnet-linear"


def test_a_run_of_the_first_version_reads_with_its_figures() -> None:
    run = read_run(OLD_RUN)
    assert run.config.ridge_init
    assert [epoch.val_accuracy for epoch in run.epochs] == [1.0, 1.0]
    assert run.result is not None and run.result.best is not None
    assert run.result.best.val_accuracy == 1.0
    assert run.best is not None and run.best.epoch == 2


def test_its_setting_without_a_head_start_stays_without(tmp_path) -> None:
    values = json.loads((OLD_RUN / "config.json").read_text(encoding="utf-8"))
    assert "head_start" in values
    assert not TrainConfig.from_dict({**values, "head_start": False}).ridge_init


def test_its_checkpoint_says_where_it_was_and_its_network_loads(tmp_path) -> None:
    folder = tmp_path / "runs" / OLD_RUN.name
    shutil.copytree(OLD_RUN, folder)
    found = load_newest(folder)
    assert found is not None
    progress = RunProgress.from_state(found.state["progress"])
    assert (progress.epoch, progress.best_val_accuracy, progress.best_epoch) == (3, 1.0, 1)
    loaded = load_trained(read_run(folder))
    assert loaded.classifier.head.out_features == 2
