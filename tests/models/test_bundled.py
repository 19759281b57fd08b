"""The network that ships with the program is the very file its row describes, and works as the published one."""

import hashlib
import json
from pathlib import Path

import pytest

import models
from models.catalog import BACKBONES, DEFAULT_BACKBONE
from models.networks import build_network

ROW = BACKBONES[DEFAULT_BACKBONE]
FILE = Path(models.__path__[0]) / ROW.bundled


@pytest.mark.parametrize("row", [row for row in BACKBONES.values() if row.bundled], ids=lambda row: row.name)
def test_every_file_that_ships_is_the_one_of_its_row(row) -> None:
    path = Path(models.__path__[0]) / row.bundled
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256


def test_its_own_metadata_says_what_the_row_says() -> None:
    from safetensors import safe_open

    with safe_open(FILE, framework="np") as opened:
        said = opened.metadata()
    assert tuple(json.loads(said["mean"])) == ROW.normalisation.mean
    assert tuple(json.loads(said["std"])) == ROW.normalisation.std
    assert said["licence"] == ROW.licence == "MIT"
    assert str(list(ROW.model_args["layers"])) in said["architecture"]
    assert ROW.input_size % ROW.size_step == 0


def test_half_precision_in_the_file_is_single_in_the_network_and_nothing_is_left_over() -> None:
    import torch
    from safetensors.torch import load_file

    from visionft.weights.fitting import load_weights

    network = build_network(ROW, classes=3, image_size=ROW.input_size)
    report = load_weights(network, ROW, FILE)
    stored = load_file(FILE)
    assert report.left_out == () and report.head_classes == 0 and report.sha256 == ROW.sha256
    assert stored["layer4.2.conv2.weight"].dtype == torch.float16
    loaded = network.state_dict()
    assert loaded["layer4.2.conv2.weight"].dtype == torch.float32
    assert all(torch.equal(loaded[name], value.float()) for name, value in stored.items())


@pytest.mark.shared_data
def test_its_frozen_features_know_waste_apart(shared_data: Path) -> None:
    """Nearest class mean of the last stage on 20 + 10 pictures a class: chance is one in six."""
    import torch

    from visionft.data.decode import decode
    from visionft.data.preprocess import Preprocessing
    from visionft.weights.fitting import load_weights

    network = build_network(ROW, classes=0, image_size=ROW.input_size).eval()
    load_weights(network, ROW, FILE)
    prepare = Preprocessing.for_backbone(ROW, ROW.input_size)
    means, tested = [], []
    for folder in sorted(path for path in (shared_data / "trashnet").iterdir() if path.is_dir()):
        files = sorted(folder.glob("*.jpg"))[:150:5]
        with torch.inference_mode():
            features = network(torch.stack([prepare.apply(decode(path)) for path in files])).sqrt()
        means.append(features[:20].mean(0))
        tested.append(features[20:])
    found = [
        (features @ torch.stack(means).T - torch.stack(means).square().sum(1) / 2).argmax(1) for features in tested
    ]
    right = sum(int((answers == index).sum()) for index, answers in enumerate(found))
    assert right / sum(map(len, found)) > 0.55
