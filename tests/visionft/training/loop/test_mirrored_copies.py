"""Mirrored copies of the images of a solved head: learned from where they help, never where mirroring is a class."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from models.methods.frozen import LinearOptions
from visionft.core.files import sha256_file
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config import train_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run
from visionft.training.loop.train import train
from visionft.training.runs.manifest import read_held_out


@pytest.fixture
def config(tiny) -> TrainConfig:
    return tiny(
        "linear", "starter_resnet", weights="pretrained", workers=0, methods={"linear": LinearOptions(layers="last")}
    )


@pytest.fixture
def marked(tmp_path: Path) -> Snapshot:
    """Return images with a bright mark on the left or on the right; the class says where."""
    random, images = np.random.default_rng(0), []
    for number in range(60):
        pixels = random.integers(0, 120, (32, 32, 3)).astype(np.uint8)
        left = 3 + 18 * (number % 2)
        pixels[10:22, left : left + 8] = 255
        Image.fromarray(pixels).save(path := tmp_path / f"{number}.png")
        split = "train" if number < 24 else "val" if number < 34 else "test"
        images.append(SnapshotImage(number + 1, path, sha256_file(path), (number % 2,), split))
    return Snapshot("single", ("left", "right"), tuple(images))


@pytest.fixture
def upright(marked: Snapshot) -> Snapshot:
    """Return images with a mark anywhere, upright or lying: mirroring changes no class."""
    random, images = np.random.default_rng(0), []
    for number, each in enumerate(marked.images):
        pixels = random.integers(0, 255, (32, 32, 3)).astype(np.uint8)
        height, width = ((16, 6), (6, 16))[number % 2]
        top, left = random.integers(0, 32 - height), random.integers(0, 32 - width)
        pixels[top : top + height, left : left + width] = 200
        Image.fromarray(pixels).save(each.path)
        images.append(dataclasses.replace(each, sha256=sha256_file(each.path)))
    return dataclasses.replace(marked, images=tuple(images))


def weights(run_dir: Path) -> torch.Tensor:
    return load_file(run_dir / "best" / "model.safetensors")["fc.weight"]


def test_left_and_right_stay_apart(config, marked, tmp_path) -> None:
    train(config, marked, tmp_path / "run")
    assert evaluate_run(tmp_path / "run", marked, "test").top1 > 0.9


@pytest.mark.slow
def test_copies_help_where_classes_are_symmetric(config, upright, tmp_path, monkeypatch, decoded) -> None:
    upright.images[3].path.write_bytes(b"damaged")
    train(config, upright, tmp_path / "run")
    assert len(decoded) == 34  # a mirrored look decodes nothing
    held_out = read_held_out(tmp_path / "run")
    assert held_out is not None and set(held_out.image_ids.tolist()) == set(range(1, 35)) - {4}
    monkeypatch.setattr(train_config, "MAX_MIRRORED_IMAGES", 33)
    train(config, upright, tmp_path / "plain")
    assert not torch.equal(weights(tmp_path / "run"), weights(tmp_path / "plain"))
    run, plain = (evaluate_run(tmp_path / name, upright, "test") for name in ("run", "plain"))
    assert run.top1 >= plain.top1
