"""Titles of runs in a list: the user's name, else their properties, each unique."""

import dataclasses
from pathlib import Path

from models.catalog import BACKBONES
from models.methods.table import METHODS
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunNotes, RunSummary
from visionft.training.runs.run_titles import config_title, titles_of_runs


def run(name: str, method: str = "lora", *, title: str = "") -> RunSummary:
    config = TrainConfig(backbone="test_resnet", method=method)
    made = RunSummary(name=name, path=Path(name), config=config, class_names=(), epochs=(), result=None)
    return dataclasses.replace(made, notes=RunNotes(title=title))


def test_a_title_says_what_it_is_and_its_number_where_several_are_alike() -> None:
    runs = [run("001-a"), run("002-b", "linear"), run("010-c"), run("004-d", title="Mine"), run("odd", title="Mine")]
    backbone, probe = BACKBONES["test_resnet"].title, METHODS["linear"].title
    assert titles_of_runs(runs) == {
        "001-a": f"LoRA 1, {backbone}",
        "002-b": f"{probe}, {backbone}",
        "010-c": f"LoRA 10, {backbone}",
        "004-d": "Mine (4)",
        "odd": "Mine (odd)",
    }
    assert config_title(TrainConfig(backbone="nothing", method="linear")) == f"{probe}, nothing"
