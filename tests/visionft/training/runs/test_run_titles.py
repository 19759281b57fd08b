"""Titles of runs in a list: the user's name, else their properties, each unique."""

import dataclasses
from pathlib import Path

from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunNotes, RunSummary
from visionft.training.runs.run_titles import config_title, titles_of_runs


def run(name: str, method: str = "lora", *, title: str = "") -> RunSummary:
    config = TrainConfig(backbone="test_resnet", method=method)
    made = RunSummary(name=name, path=Path(name), config=config, class_names=(), epochs=(), result=None)
    return dataclasses.replace(made, notes=RunNotes(title=title))


def test_a_title_says_what_it_is_and_its_number_where_several_are_alike() -> None:
    runs = [run("001-a"), run("002-b", "linear"), run("010-c"), run("004-d", title="Mine"), run("odd", title="Mine")]
    assert titles_of_runs(runs) == {
        "001-a": "LoRA 1, Test ResNet",
        "002-b": "Linear probe, Test ResNet",
        "010-c": "LoRA 10, Test ResNet",
        "004-d": "Mine (4)",
        "odd": "Mine (odd)",
    }


def test_a_backbone_that_is_not_known_keeps_its_name() -> None:
    assert config_title(TrainConfig(backbone="nothing", method="linear")) == "Linear probe, nothing"
