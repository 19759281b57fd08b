"""The catalog's arithmetic against the real modules, and its refusals."""

import re
import subprocess
import sys

import pytest

from models.catalog import BACKBONES, get_backbone
from models.methods.adapter import AdapterOptions
from models.methods.frozen import KnnOptions, PrototypeOptions
from models.methods.lora import LoraOptions
from models.methods.method import count_parameters
from models.methods.prefix import PrefixOptions
from models.methods.table import METHODS, get_method
from models.pins import PINS
from visionft.core.errors import ConfigError

OPTIONS = {
    "lora": [None, LoraOptions(rank=3)],
    "adapter": [None, AdapterOptions(bottleneck=5)],
    "prefix": [None, PrefixOptions(length=2)],
    "prototype": [None, PrototypeOptions(layers="last")],
    "knn": [None, KnnOptions(layers="last")],
}
SMALL = [
    "resnet18_in1k",
    "efficientnet_lite2_in1k",
    "starter_resnet",
    "starter_vit",
    "hybrid_vit",
    "test_resnet",
    "test_vit",
    "resnet18",
    "resnet50",
    "dinov2_small",
    "pe_core_s",
    "siglip2_b",
]
PAIRS = [
    (backbone, method)
    for backbone in BACKBONES
    for method in (METHODS if backbone in SMALL else ["lora"])
    if not METHODS[method].refusal(BACKBONES[backbone])
]


@pytest.mark.parametrize(("backbone", "method"), PAIRS)
def test_counts_equal_the_modules(backbone, method) -> None:
    import torch

    from models.classifier import build_classifier

    row, kind = BACKBONES[backbone], METHODS[method]
    for options in OPTIONS.get(method, [None]):
        with torch.device("meta"):
            built = build_classifier(row, kind, classes=7, options=options, weights=None)
        counted = count_parameters(row, kind, classes=7, options=options)
        assert (counted.trainable, counted.total) == built.parameter_counts()


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(ConfigError, match="'vgg'.*resnet18"):
        get_backbone("vgg")
    with pytest.raises(ConfigError, match="'dream'.*lora"):
        get_method("dream")


def test_every_pin_is_whole_and_used() -> None:
    rows = {row.hub_id: row for row in BACKBONES.values() if row.hub_id}
    assert PINS.keys() <= rows.keys()
    for hub_id, pin in PINS.items():
        assert re.fullmatch(r"[0-9a-f]{40}", pin.revision) and rows[hub_id].pin == pin
        assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256) or rows[hub_id].text
    hashes = [pin.sha256 for pin in PINS.values() if pin.sha256]
    assert len(set(hashes)) == len(hashes)


def test_settings_runs_and_estimates_load_no_learning_library() -> None:
    code = """
import sys
from models.catalog import get_backbone
from visionft.data.types import Snapshot
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts, known_estimate
import visionft.training.runs.run_folder
get_backbone("timm/resnet50d")
preset_config("best", Circumstances.of(None))
known_estimate(TrainConfig(), SetFacts.of(Snapshot("single", (), ())))
print([name for name in ("torch", "timm") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
