"""Images are decoded once for all uses in a project, and the trained weights do not depend on the cache."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from visionft.analysis.suggestions import suggest_labels
from visionft.core.events import EpochDone, Event
from visionft.core.files import sha256_file
from visionft.core.jobs import JobContext
from visionft.data.dataset import ImageDataset, choose_workers
from visionft.data.image_cache import ImageCache, cache_folder, cache_use
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import estimate_run
from visionft.training.evaluation.report import evaluate_run
from visionft.training.loop.train import train

CONFIG = TrainConfig(
    backbone="test_resnet",
    method="full",
    weights="random",
    image_size=32,
    batch_size=8,
    device="cpu",
    epochs=3,
    precision="fp32",
)


@pytest.fixture
def photographs(snapshot: Snapshot, tmp_path: Path) -> Snapshot:
    """Return the images as separate JPEGs, larger than the network's input."""
    images = []
    for image in snapshot.images:
        path = tmp_path / "images" / f"{image.image_id}.jpg"
        path.parent.mkdir(exist_ok=True)
        with Image.open(image.path) as opened:
            opened.resize((480, 400)).save(path)
        images.append(dataclasses.replace(image, path=path, sha256=sha256_file(path)))
    return dataclasses.replace(snapshot, images=tuple(images))


def weights(run_dir: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((run_dir / "last").glob("*.safetensors")))


@pytest.mark.slow
def test_a_run_ends_with_the_same_bits_whatever_happens_to_the_cache(photographs, tmp_path, monkeypatch) -> None:
    train(CONFIG, photographs, tmp_path / "cold")
    assert cache_use(cache_folder()).files == 39
    train(CONFIG, photographs, tmp_path / "warm")

    def delete(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 1:
            shutil.rmtree(cache_folder())

    train(CONFIG, photographs, tmp_path / "deleted", job=JobContext(delete))
    assert cache_use(cache_folder()).files == 39
    monkeypatch.setenv("VISIONFT_CACHE_MB", "0")
    train(CONFIG, photographs, tmp_path / "off")
    for name in ("warm", "deleted", "off"):
        assert weights(tmp_path / name) == weights(tmp_path / "cold") != b"", name


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "linear"])
def test_nothing_decodes_what_is_kept(method, photographs, tmp_path, decoded) -> None:
    config = dataclasses.replace(CONFIG, method=method, weights="pretrained", backbone="starter_resnet", epochs=1)
    train(config, photographs, tmp_path / "run")  # ridge initialisation, drift, an epoch, validation
    assert sorted(decoded) == sorted(str(image.path) for image in photographs.images if image.split != "test")
    evaluate_run(tmp_path / "run", photographs, "val")
    estimate_run(config, photographs)
    train(config, photographs, tmp_path / "again")
    assert len(decoded) == 39
    images = [each if each.split != "test" else dataclasses.replace(each, labels=()) for each in photographs.images]
    suggest_labels(tmp_path / "run", dataclasses.replace(photographs, images=tuple(images)))
    evaluate_run(tmp_path / "run", photographs, "test")
    assert len(decoded) == 48 and len(set(decoded)) == 48


def test_loader_processes_are_started_where_much_is_to_be_decoded(photographs, tmp_path, monkeypatch) -> None:
    plain = PreprocessConfig(
        height=32, width=32, crop_share=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3
    )
    data = ImageDataset(photographs.images, plain, classes=3, cache=ImageCache(tmp_path / "cache", limit=10**9))
    assert choose_workers(-1, data, device="cpu") == 0  # read before processes have started
    assert choose_workers(3, data, device="cpu") == 3
    monkeypatch.setattr("visionft.data.dataset.WORKER_START_S", 0.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert data.seconds_to_decode() > 0
    assert choose_workers(-1, data, device="cpu") == 4
    for image in photographs.images:
        ImageCache(tmp_path / "cache", limit=10**9).load(image.path, 64)
    assert data.seconds_to_decode() == 0 and choose_workers(-1, data, device="cpu") == 0
