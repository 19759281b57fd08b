"""The bundled networks are the files of their rows, and work as the published ones; metadata says how to use them."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import models
from models.catalog import BACKBONES
from models.networks import build_network


@pytest.mark.parametrize("row", [row for row in BACKBONES.values() if row.bundled], ids=lambda row: row.name)
def test_every_file_that_ships_is_the_one_of_its_row(row) -> None:
    from safetensors import safe_open

    path = Path(models.__path__[0]) / row.bundled
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert (tuple(json.loads(metadata["mean"])), tuple(json.loads(metadata["std"]))) == row.normalisation


@pytest.mark.parametrize(
    ("name", "matrix"),
    [("resnet18_in1k", "layer4.2.conv2.weight"), ("efficientnet_lite2_in1k", "blocks.5.4.conv_pwl.weight")],
)
def test_half_precision_in_the_file_is_single_in_the_network_and_nothing_is_left_over(name, matrix) -> None:
    from safetensors.torch import load_file

    from models.weights.weights_loading import load_weights

    row = BACKBONES[name]
    file = Path(models.__path__[0]) / row.bundled
    network = build_network(row, classes=3, shape=row.input_shape())
    report = load_weights(network, row, file)
    stored = load_file(file)
    assert report.left_out == () and report.head_classes == 0 and report.sha256 == row.sha256
    assert stored[matrix].dtype == torch.float16
    loaded = network.state_dict()
    assert loaded[matrix].dtype == torch.float32
    assert all(torch.equal(loaded[name], value.float()) for name, value in stored.items())


ROWS = {name: row for name, row in BACKBONES.items() if row.bundled.startswith("starter/")}


def fill(network: Any, name: str) -> Any:
    from safetensors.torch import load_file

    state = {key: value.float() for key, value in load_file(Path(models.__path__[0]) / ROWS[name].bundled).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing)
    return network.eval()


def test_timm_alone_rebuilds_the_hybrid_from_the_construction_in_runs_and_exports() -> None:
    import timm
    from timm.layers.hybrid_embed import HybridEmbed

    recorded = json.loads(json.dumps(ROWS["hybrid_vit"].construction))
    layer = partial(HybridEmbed, backbone=timm.create_model(**recorded["hybrid_embedding"]))
    network = timm.create_model(recorded["architecture"], num_classes=0, embed_layer=layer, **recorded["model_args"])
    fill(network, "hybrid_vit")
