"""A method is one file and one row: the one of `sample_extension` is trained, merged, saved and measured."""

import json
import os
import subprocess
import sys

import pytest

from models.catalog import BACKBONES
from visionft.training.runs.run_snapshot import write_snapshot

STORY = """
import dataclasses, json, sys
from pathlib import Path

folder = Path(sys.argv[1])
assert "torch" not in sys.modules
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
config = TrainConfig(
    backbone="test_resnet", method="scale", weights="random", image_size=32, batch_size=8, device="cpu", epochs=2
).with_settings(["scale.first=1.25"])
facts = {"options": dataclasses.asdict(config.method_options)}
facts["round_trip"] = TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
faulty = dataclasses.replace(config, batch_size=2).with_settings(["scale.first=2"])
facts["problems"] = [problem.field for problem in config_problems(faulty)]
facts["refused"] = [problem.field for problem in config_problems(dataclasses.replace(config, backbone="test_vit"))]
facts["range"] = [problem.field for problem in config_problems(config.with_settings(["scale.first=9"]))]
from gui.train.train_choices import method_choices
facts["cards"] = [choice.title for choice in method_choices(config, classes=3)]
assert "torch" not in sys.modules

import torch
from models.parameters import count_parameters
from visionft.cli import main
from visionft.training.estimate import estimate_run
from visionft.training.loop.train import train
from visionft.training.runs.run_model import load_run_model
from visionft.training.runs.run_snapshot import read_snapshot
from visionft.training.runs.run_folder import delete_weights, read_run

images = read_snapshot(folder)
facts["seconds"] = estimate_run(config, images).seconds
result = train(config, images, folder / "001-scale")
count = count_parameters(config.backbone_row, config.method_row, classes=3, shape=(32, 32))
facts["counted"] = [count.trainable, count.total]
facts["trained"] = [result.trainable_parameters, result.total_parameters]
classifier = load_run_model(read_run(folder / "001-scale")).classifier
facts["state"] = sorted(classifier.trainable_state())
factors = classifier.network.conv1[-1].factors
facts["moved"] = not torch.equal(factors, torch.full_like(factors, 1.25))
pixels = torch.randn(2, 3, 32, 32)
merged = classifier.merged()
facts["plain"] = type(merged.conv1[-1]).__name__
facts["difference"] = float((merged(pixels) - classifier(pixels)).abs().max())
facts["exchange"] = len(json.loads((folder / "001-scale" / "factors" / "factors.json").read_text()))
delete_weights(read_run(folder / "001-scale"))
facts["deleted"] = not (folder / "001-scale" / "factors").exists()
print(json.dumps(facts))
sys.argv = ["visionft", "methods", "--backbone", "test_resnet", "--json"]
main()
"""


@pytest.mark.slow
def test_a_method_of_another_package_is_one_file_and_one_row(snapshot, sample_extension, tmp_path) -> None:
    write_snapshot(tmp_path, snapshot)
    environment = {**os.environ, "PYTHONPATH": str(sample_extension)}
    done = subprocess.run(
        [sys.executable, "-c", STORY, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, _, rest = done.stdout.partition("\n")
    facts, listed = json.loads(first), json.loads(rest)
    stem = BACKBONES["test_resnet"].shape.stem
    assert facts["options"] == {"first": 1.25} and facts["round_trip"]
    assert (facts["problems"], facts["refused"], facts["range"]) == (["scale.first"], ["method"], ["scale.first"])
    assert facts["cards"][-1] == "Scale" and facts["seconds"] > 0
    assert facts["counted"] == facts["trained"]
    assert facts["state"] == ["conv1.6.factors", "fc.bias", "fc.weight"] and facts["moved"]
    assert facts["plain"] == "Conv2d" and facts["difference"] < 1e-4
    assert facts["exchange"] == stem and facts["deleted"]
    assert [row["method"] for row in listed if row["settings"] == {"first": 1.0}] == ["scale"]
