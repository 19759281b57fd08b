"""Datasets and loaders: complete, in an order decided by the seed only, and robust to damaged files."""

import dataclasses
import pickle
import threading
from pathlib import Path

import pytest
import torch

from visionft.data.dataset import EpochSampler, ImageDataset, ImageLoader, SampleKey
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot

PLAIN = PreprocessConfig(height=32, width=32, crop_share=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3)


def dataset_of(snapshot: Snapshot, augmentation: str = "light", seed: int = 0) -> ImageDataset:
    return ImageDataset(snapshot.labelled("train"), PLAIN, classes=3, augmentation=augmentation, seed=seed)


def test_order_follows_seed_and_epoch_and_skip_continues_it() -> None:
    sampler = EpochSampler(30, 7, seed=3, shuffle=True)
    sampler.epoch = 2
    whole = list(sampler)
    sampler.skip = 2
    assert len(sampler) == 5 and list(sampler) == whole[2:]
    other = EpochSampler(30, 7, seed=3, shuffle=True)
    other.epoch = 2
    assert list(other) == whole
    other.epoch = 3
    assert [key.position for key in next(iter(other))] != [key.position for key in whole[0]]


def test_a_sample_depends_on_seed_epoch_and_image_alone(snapshot: Snapshot) -> None:
    data = dataset_of(snapshot)
    first = data[SampleKey(1, 4)].pixels
    copied = pickle.loads(pickle.dumps(data))
    assert torch.equal(copied[SampleKey(1, 4)].pixels, first)
    assert not torch.equal(data[SampleKey(2, 4)].pixels, first)
    assert not torch.equal(dataset_of(snapshot, seed=1)[SampleKey(1, 4)].pixels, first)


def test_damaged_images_are_named_and_left_out(snapshot: Snapshot, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    images = list(snapshot.images[:4])
    for place, name in ((1, "broken.png"), (2, "gone.png"), (3, "gone.png")):
        images[place] = dataclasses.replace(images[place], path=tmp_path / name)
    data = ImageDataset(images, PLAIN, classes=3)
    batches = list(ImageLoader(data, EpochSampler(4, 2, seed=0, shuffle=False), workers=0, device="cpu"))
    assert [len(batch.images) for batch in batches] == [1, 0]
    ((position, reason),) = batches[0].unreadable
    assert position == 1 and reason and len(batches[1].unreadable) == 2


def test_images_alone_need_no_label(snapshot: Snapshot) -> None:
    images = [dataclasses.replace(each, labels=each.labels if each.image_id % 2 else ()) for each in snapshot.images]
    data = ImageDataset(images, PLAIN, task=None)
    labelled = ImageDataset(snapshot.images, PLAIN, classes=3)
    sampler = EpochSampler(len(images), 32, seed=0, shuffle=False)
    batches, others = (list(ImageLoader(each, sampler, workers=0, device="cpu")) for each in (data, labelled))
    for batch, other in zip(batches, others, strict=True):
        assert torch.equal(batch.images, other.images) and torch.equal(batch.indices, other.indices)
        assert batch.targets.shape == (len(batch.images), 0)
    several = dataclasses.replace(snapshot.images[0], labels=(0, 2))
    sample = ImageDataset([several], PLAIN, task="multi", classes=3)[SampleKey(0, 0)]
    assert sample.target.tolist() == [1.0, 0.0, 1.0]


@pytest.mark.slow
def test_loader_processes_give_the_same_batches_from_a_background_thread(snapshot: Snapshot) -> None:
    def batches(workers: int) -> list[torch.Tensor]:
        sampler = EpochSampler(30, 8, seed=0, shuffle=True)
        return [batch.images for batch in ImageLoader(dataset_of(snapshot), sampler, workers=workers, device="cpu")]

    found: list[list[torch.Tensor]] = []
    thread = threading.Thread(target=lambda: found.append(batches(1)))
    thread.start()
    thread.join(120)
    assert all(torch.equal(a, b) for a, b in zip(found[0], batches(0), strict=True))
