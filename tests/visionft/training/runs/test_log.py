"""The log's record of a run: its settings, its end, and no name of the user's."""

import dataclasses
import logging

from visionft.evaluation.report import evaluate_run
from visionft.export.exporter import export_run
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

TINY = TrainConfig(backbone="test_resnet", weights="random", image_size=32, batch_size=8, device="cpu", epochs=1)


def test_a_run_its_evaluation_and_its_export_are_logged_without_names(snapshot, tmp_path, caplog) -> None:
    caplog.set_level(logging.INFO)
    run_dir = tmp_path / "project" / "runs" / "001-test_resnet-lora"
    train(dataclasses.replace(TINY, seed=7), snapshot, run_dir)
    evaluate_run(run_dir, snapshot, "test")
    export_run(run_dir, snapshot, tmp_path / "out")
    told = [record.getMessage() for record in caplog.records if record.name.startswith("visionft")]
    (start,) = [line for line in told if "train_images=30" in line]
    assert "'seed': 7" in start and "'epochs': 1" in start
    assert "learning_rate" not in start.partition("settings")[2]  # it is the default's
    assert sum("001-test_resnet-lora" in line for line in told) >= 3  # start, end, evaluation
    assert any("top1_agreement" in line for line in told)
    for name in (str(tmp_path), str(snapshot.images[0].path.parent), *snapshot.class_names):
        assert not [line for line in told if name in line]


def test_weights_of_the_users_own_are_a_file(tmp_path, caplog) -> None:
    from visionft.events import RunStarted
    from visionft.training.runs.recording import log_start

    caplog.set_level(logging.INFO)
    numbers = dict.fromkeys(RunStarted.__dataclass_fields__, 1)
    log_start(RunStarted(**numbers), dataclasses.replace(TINY, weights=str(tmp_path / "grandma.pth")))  # type: ignore[arg-type]
    assert "'weights': 'a file'" in caplog.text and "grandma" not in caplog.text
