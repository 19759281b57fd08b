"""Presets: whole, valid settings by the project's size, the device and the weights at hand; no download."""

import itertools
from dataclasses import replace

import pytest

from models.catalog import BACKBONES
from visionft.data.types import Snapshot
from visionft.training.config.checks import config_problems
from visionft.training.config.presets import PRESETS, Circumstances, preset_config, suited_backbones
from visionft.training.config.train_config import Framing

STARTERS = frozenset(name for name, row in BACKBONES.items() if row.bundled)


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_valid_and_needs_no_download(name) -> None:
    for device, images in itertools.product(("cpu", "cuda", "mps"), (0, 3, 12, 90, 900, 5000, 200_000)):
        config = preset_config(name, Circumstances(images=images, device=device, local_backbones=STARTERS))
        assert config_problems(config) == () and config.backbone in STARTERS


def test_a_preset_follows_the_number_of_images_and_the_size_of_the_network() -> None:
    here = Circumstances(images=900, local_backbones=STARTERS)
    quick, balanced, best = (preset_config(name, here) for name in ("quick", "balanced", "best"))
    assert (quick.method, balanced.method, best.method) == ("linear", "lora", "full")
    assert best.epochs > balanced.epochs and quick.augmentation == "none" and best.augmentation == "medium"
    sizes = [Circumstances(images=count, local_backbones=STARTERS) for count in (150, 250, 20_000)]
    tiny, few, many = (preset_config("balanced", each) for each in sizes)
    assert (tiny.method, few.method) == ("linear", "lora")
    assert few.epochs > many.epochs and few.batch_size == many.batch_size
    larger = Circumstances(images=900, local_backbones=STARTERS, framing=Framing(image_size=320))
    assert preset_config("balanced", larger).epochs < balanced.epochs and balanced.framing == "auto"
    large = Circumstances(images=900, device="cuda", local_backbones=STARTERS | {"vit_base"})
    assert preset_config("best", large, backbone="vit_base").method == "lora"
    assert preset_config("balanced", here, backbone="timm/resnext50_32x4d").method == "full"  # grouped: no LoRA


def test_a_gpu_takes_the_large_backbones_whose_weights_are_here_or_the_measured_one() -> None:
    here = Circumstances(images=500, device="cuda", local_backbones=STARTERS | {"dinov2_base", "resnet50"})
    best = preset_config("best", here)
    assert (best.backbone, best.method) == ("dinov2_base", "lora")
    assert suited_backbones(here)[:2] == ("dinov2_base", "resnet50") and best.try_networks
    named = preset_config("balanced", here, backbone="resnet18_in1k")
    assert named.backbone == "resnet18_in1k" and not named.try_networks
    measured = preset_config("balanced", replace(here, backbone="resnet50"))
    assert measured.backbone == "resnet50" and measured.try_networks  # another one may have come since
    elsewhere = preset_config("balanced", replace(here, backbone="vit_base"))
    assert elsewhere.backbone == "dinov2_base"  # measured on a computer that has other weights


def test_uneven_classes_are_weighted_up(snapshot) -> None:
    images = tuple(image for image in snapshot.images if image.labels != (0,) or image.image_id % 5 == 1)
    uneven = Snapshot(snapshot.task, snapshot.class_names, images)
    found = Circumstances.of(uneven, device="cpu")
    assert found.images == 22 and found.unevenness == 5.0
    assert preset_config("balanced", found).balance == "weights"
    assert preset_config("balanced", Circumstances.of(snapshot, device="cpu")).balance == "none"
