"""The settings of runs side by side, as people read them."""

from pathlib import Path

from gui.results.evaluations import setting_rows
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary


def test_what_is_left_to_the_program_is_called_automatic():
    config = TrainConfig(method="full")
    run = RunSummary(name="001", path=Path(), config=config, class_names=(), epochs=(), result=None)
    rows, _ = setting_rows([run], only_differing=False)
    values = {name: value for (name, _), (value, _) in rows}
    assert values["Learning rate"] == values["Picture size"] == values["Loader processes"] == "automatic"
    assert values["Epochs"] == "20"
