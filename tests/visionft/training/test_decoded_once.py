"""Pictures are decoded once for all that a project does with them, and what is learnt does not depend on the cache."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionft.data import picture_cache
from visionft.data.cache_space import cache_folder, cache_use, clear_cache
from visionft.data.dataset import PictureDataset, choose_workers
from visionft.data.picture_cache import PictureCache
from visionft.data.preprocess import Preprocessing
from visionft.data.types import Snapshot
from visionft.evaluation.report import evaluate_run
from visionft.events import EpochDone, Event, Notice
from visionft.suggest.suggestions import suggest_labels
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts, StepCost, estimate_run, extrapolate
from visionft.training.loop.train import resume, train

CONFIG = TrainConfig(
    backbone="test_resnet", method="full", weights="random", image_size=32, batch_size=8, device="cpu", epochs=3,
    precision="fp32",
)  # fmt: skip


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with the name of each file that is decoded in this process."""
    found: list[str] = []

    def counted(handle, **given):
        found.append(handle.name)
        return decode_open(handle, **given)

    decode_open = picture_cache.decode_open
    monkeypatch.setattr(picture_cache, "decode_open", counted)
    return found


@pytest.fixture
def photographs(snapshot: Snapshot, tmp_path: Path) -> Snapshot:
    """Return the pictures as JPEGs of their own that are larger than what the network looks at."""
    images = []
    for image in snapshot.images:
        path = tmp_path / "pictures" / f"{image.image_id}.jpg"
        path.parent.mkdir(exist_ok=True)
        with Image.open(image.path) as picture:
            picture.resize((480, 400)).save(path)
        images.append(dataclasses.replace(image, path=path))
    return dataclasses.replace(snapshot, images=tuple(images))


def weights(run_dir: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((run_dir / "last").glob("*.safetensors")))


def after_first_epoch(act: Callable[[], None]) -> Callable[[Event], None]:
    def on_event(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 1:
            act()

    return on_event


def garble() -> None:
    for path in [each for each in cache_folder().rglob("*") if each.is_file()][::3]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)


def test_a_run_ends_with_the_same_bits_whatever_happens_to_the_cache(
    photographs: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(CONFIG, photographs, tmp_path / "cold")
    assert cache_use(cache_folder()).files == 39
    train(CONFIG, photographs, tmp_path / "warm")
    train(CONFIG, photographs, tmp_path / "deleted", on_event=after_first_epoch(lambda: shutil.rmtree(cache_folder())))
    assert cache_use(cache_folder()).files == 39
    train(CONFIG, photographs, tmp_path / "garbled", on_event=after_first_epoch(garble))
    monkeypatch.setenv("VISIONFT_CACHE_MB", "0")
    train(CONFIG, photographs, tmp_path / "off")
    expected = weights(tmp_path / "cold")
    assert expected
    for name in ("warm", "deleted", "garbled", "off"):
        assert weights(tmp_path / name) == expected, name


def test_a_run_that_is_continued_without_its_cache_ends_with_the_same_bits(
    photographs: Snapshot, tmp_path: Path
) -> None:
    train(CONFIG, photographs, tmp_path / "whole")
    seen: list[Event] = []

    def stop() -> bool:
        return any(isinstance(event, EpochDone) for event in seen)

    train(CONFIG, photographs, tmp_path / "parts", on_event=seen.append, should_stop=stop)
    clear_cache(cache_folder())
    resume(tmp_path / "parts")
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


@pytest.mark.parametrize("method", ["full", "linear"])
def test_nothing_decodes_what_is_kept(method: str, photographs: Snapshot, tmp_path: Path, decoded: list[str]) -> None:
    config = dataclasses.replace(CONFIG, method=method, weights="pretrained", backbone="starter_resnet")
    train(config, photographs, tmp_path / "run")  # ridge initialisation, drift, three epochs, validation
    assert sorted(decoded) == sorted(str(image.path) for image in photographs.images if image.split != "test")
    evaluate_run(tmp_path / "run", photographs, "val")
    estimate_run(config, photographs)
    train(config, photographs, tmp_path / "again")
    assert len(decoded) == 39
    unlabelled = [
        dataclasses.replace(image, labels=()) if image.split == "test" else image for image in photographs.images
    ]
    suggest_labels(tmp_path / "run", dataclasses.replace(photographs, images=tuple(unlabelled)))
    evaluate_run(tmp_path / "run", photographs, "test")
    assert len(decoded) == 48 and len(set(decoded)) == 48


def test_a_picture_that_is_replaced_between_epochs_is_seen(
    photographs: Snapshot, tmp_path: Path, decoded: list[str]
) -> None:
    first = photographs.images[0].path

    def replace() -> None:
        Image.fromarray(np.random.default_rng(9).integers(0, 256, (400, 480, 3), np.uint8)).save(first)

    train(CONFIG, photographs, tmp_path / "run", on_event=after_first_epoch(replace))
    assert decoded.count(str(first)) == 2 and len(decoded) == 40


def test_a_cache_that_cannot_be_written_is_said_once(
    photographs: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("VISIONFT_CACHE", str(tmp_path / "file"))
    seen: list[Event] = []
    result = train(CONFIG, photographs, tmp_path / "run", on_event=seen.append)
    evaluate_run(tmp_path / "run", photographs, "val", on_event=seen.append)
    told = [event.message for event in seen if isinstance(event, Notice) and "not kept" in event.message]
    assert result.best and len(told) == 2 and "Not a directory" in told[0]  # the run's, the evaluation's


def test_a_full_cache_keeps_a_part_and_is_said(
    photographs: Snapshot, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_cache, "_SHARE", 8)
    monkeypatch.setenv("VISIONFT_CACHE_MB", "0.4")  # 11 pictures of 36 kB
    seen: list[Event] = []
    train(CONFIG, photographs, tmp_path / "run", on_event=seen.append)
    use = cache_use(cache_folder())
    assert 0 < use.files < 39 and use.bytes <= 400_000
    assert sum(isinstance(event, Notice) and "not kept" in event.message for event in seen) == 1
    assert 39 < len(decoded) < 3 * 39 + 20


def test_loader_processes_are_started_where_much_is_to_be_decoded(
    photographs: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Preprocessing(size=32, crop_share=1.0, interpolation="bilinear", mean=(0.5,) * 3, std=(0.5,) * 3)
    data = PictureDataset(photographs.images, plain, classes=3, cache=PictureCache(tmp_path / "cache", limit=10**9))
    assert choose_workers(-1, data, device="cpu") == 0  # read before processes have started
    assert choose_workers(3, data, device="cpu") == 3
    monkeypatch.setattr("visionft.data.dataset.START_S", 0.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert data.seconds_to_decode() > 0
    assert choose_workers(-1, data, device="cpu") == 4
    monkeypatch.setattr(picture_cache, "_SETTLED_NS", -1)
    for image in photographs.images:
        PictureCache(tmp_path / "cache", limit=10**9).load(image.path, 64)
    assert data.seconds_to_decode() == 0 and choose_workers(-1, data, device="cpu") == 0


@pytest.mark.parametrize("method", ["lora", "linear"])
def test_what_a_run_costs_includes_decoding_what_is_not_kept(
    method: str, photographs: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_cache, "_SETTLED_NS", -1)
    config = dataclasses.replace(CONFIG, method=method, backbone="test_vit")
    cost = StepCost(setup_s=0, step_s=0, look_s=0, decode_s=0.1, memory_mb=1, device="CPU", micro_batch=8)
    facts = SetFacts.of(photographs)
    assert extrapolate(cost, config, facts).seconds == pytest.approx(3.9, rel=0.05)
    for image in photographs.images[:16]:
        PictureCache.usual().load(image.path, config.near_side)
    assert 2 < extrapolate(cost, config, facts).seconds < 3.5
    estimate_run(config, photographs)  # reads all of so few
    assert extrapolate(cost, config, facts).seconds == 0
    clear_cache(cache_folder())
    monkeypatch.setenv("VISIONFT_CACHE_MB", "0")
    assert extrapolate(cost, config, facts).seconds == 0  # every look decodes, and was measured so
