"""The catalog's arithmetic against the real modules, and its refusals."""

import subprocess
import sys

import pytest

from models.catalog import BACKBONES, get_backbone
from models.errors import ConfigError
from models.methods.adapter import AdapterOptions
from models.methods.knn import KnnOptions
from models.methods.lora import LoraOptions
from models.methods.prefix import PrefixOptions
from models.methods.prototype import PrototypeOptions
from models.methods.table import METHODS, get_method
from models.parameters import count_parameters

OPTIONS = {
    "full": [None],
    "linear": [None],
    "lora": [None, LoraOptions(rank=3, targets="all"), LoraOptions(targets="attention", variant="dora")],
    "adapter": [
        None,
        AdapterOptions(bottleneck=5, placement="houlsby"),
        AdapterOptions(bottleneck=5, placement="pfeiffer"),
        AdapterOptions(bottleneck=5, placement="parallel"),
    ],
    "zero_shot": [None],
    "prefix": [None, PrefixOptions(length=2, reparameterise=True)],
    "prototype": [None, PrototypeOptions(layers="last")],
    "knn": [None, KnnOptions(layers="last")],
}


SMALL = (
    "resnet18_in1k",
    "starter_resnet",
    "starter_vit",
    "hybrid_vit",
    "test_resnet",
    "test_vit",
    "resnet18",
    "resnet50",
    "dinov2_small",
)
PAIRS = [
    (backbone, method)
    for backbone in BACKBONES
    for method in (METHODS if backbone in SMALL else ["lora"])
    if not METHODS[method].refusal(BACKBONES[backbone])
]


@pytest.mark.parametrize(("backbone", "method"), PAIRS)
def test_counts_equal_the_modules(backbone: str, method: str) -> None:
    import torch

    from models.classifier import build_classifier

    row, kind = BACKBONES[backbone], METHODS[method]
    for options in OPTIONS[method]:
        with torch.device("meta"):
            built = build_classifier(row, kind, classes=7, options=options, weights=None)
        counted = count_parameters(row, kind, classes=7, options=options)
        assert (counted.trainable, counted.total) == built.parameter_counts()


def test_counts_follow_the_picture_size() -> None:
    from models.classifier import build_classifier

    method = METHODS["full"]
    for row in (BACKBONES["test_vit"], BACKBONES["hybrid_vit"]):
        built = build_classifier(row, method, classes=2, weights=None, image_size=96)
        assert count_parameters(row, method, classes=2, image_size=96).total == built.parameter_counts()[1]


@pytest.mark.parametrize(
    ("method", "options", "least", "most"),
    [
        ("lora", LoraOptions(rank=16), 0.002, 0.01),
        ("adapter", AdapterOptions(), 0.005, 0.08),
        ("adapter", AdapterOptions(bottleneck=64, placement="houlsby"), 0.005, 0.08),
        ("prefix", PrefixOptions(), 0.0005, 0.0015),
    ],
)
def test_small_methods_are_small_on_a_vit_b(method: str, options, least: float, most: float) -> None:
    count = count_parameters(BACKBONES["vit_base"], METHODS[method], classes=10, options=options)
    assert least < count.trainable / count.total < most


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(ConfigError, match="no backbone 'vgg'.*resnet18"):
        get_backbone("vgg")
    with pytest.raises(ConfigError, match="no method 'dream'.*lora"):
        get_method("dream")


def test_catalog_needs_no_torch() -> None:
    modules = "models.catalog, visionft.training.config.train_config, visionft.training.runs.run_folder"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"
