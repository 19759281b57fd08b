"""The cost of a run, of what training and exports recorded."""

import json
from dataclasses import astuple
from pathlib import Path

from run_files import write_run

from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.comparison import COST_FILE, cost_of_run
from visionft.training.runs.run_folder import read_run


def test_a_cost_that_version_0_2_measured_is_read(tmp_path: Path) -> None:
    write_run(tmp_path, "001", TrainConfig(backbone="test_resnet", method="linear"), accuracies=[0.8])
    folder = tmp_path / "runs" / "001"
    assert not any(cost_of_run(read_run(folder)).texts())
    time = {"median_ms": 7.5, "p95_ms": 8.0, "runs": 60, "images": 8, "device": "a processor", "computer": "abc"}
    head = {"run": "000", "classes": 3, "images": 9, "accuracy_before": 0.9, "accuracy": 0.8}
    manifest = json.loads((folder / "best" / "manifest.json").read_text())
    values = {"weights": manifest.get("model.safetensors", ""), "shipped_bytes": 4_000_000, "time": time}
    (folder / COST_FILE).write_text(json.dumps({**values, "earlier_head": head}))
    assert astuple(cost_of_run(read_run(folder)))[3:5] == (4_000_000, 7.5)
    (folder / COST_FILE).write_text("{")
    assert not any(cost_of_run(read_run(folder)).texts())
