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


def test_a_run_of_the_first_version_is_read_and_loaded(tmp_path) -> None:
    folder = Path(shutil.copytree(OLD_RUN, tmp_path / "runs" / OLD_RUN.name))
    run = read_run(folder)
    assert run.config.ridge_init and [epoch.val_accuracy for epoch in run.epochs] == [1.0, 1.0]
    assert run.result and run.result.best and run.result.best.val_accuracy == 1.0
    assert run.best and run.best.epoch == 2
    values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert not TrainConfig.from_dict({**values, "head_start": False}).ridge_init
    progress = RunProgress.from_state(load_newest(folder).state["progress"])
    assert (progress.epoch, progress.best_val_accuracy, progress.best_epoch) == (3, 1.0, 1)
    assert load_trained(run).classifier.head.out_features == 2
