"""Search order for weights, and the identity check of a file."""

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.table import METHODS
from models.pins import Pin
from models.weights.locations import bundled_file, find_weights, local_file, locate
from models.weights.records import WeightsRecord, checked_sha256, record_path
from models.weights.weights_loading import weights_loader
from visionft.core.errors import NextStep, WeightsError

ROW = BACKBONES["test_vit"]


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function to lay content into the hub's cache as huggingface_hub does: a blob, and a link to it."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def cached(content: bytes, blob: str) -> Path:
        repository = tmp_path / "hub" / f"models--{ROW.hub_id.replace('/', '--')}"
        link = repository / "snapshots" / ("a" * 40) / "model.safetensors"
        for folder in (repository / "blobs", repository / "refs", link.parent):
            folder.mkdir(parents=True)
        (repository / "refs" / "main").write_text("a" * 40)
        (repository / "blobs" / blob).write_bytes(content)
        link.symlink_to(repository / "blobs" / blob)
        return link

    return cached


def test_the_order_is_given_file_bundled_folder_hub_cache(saved: Path, weights_home: Path, cached) -> None:
    with pytest.raises(WeightsError, match="test_vit") as caught:
        find_weights(ROW)
    assert caught.value.next_step == NextStep("fetch_weights", backbone="test_vit")
    link = cached(saved.read_bytes(), "b" * 64)
    assert locate(ROW) == ("hub cache", link)
    ours = weights_home / "test_vit.safetensors"
    shutil.copy(saved, ours)
    assert locate(ROW) == ("folder", ours) and find_weights(ROW) == ours
    assert find_weights(ROW, str(saved)) == saved
    shutil.copy(saved, weights_home / "starter_vit.safetensors")
    starter = BACKBONES["starter_vit"]  # bundled
    assert local_file(starter) == bundled_file(starter) and bundled_file(starter).stat().st_size <= 8e6


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def test_a_bundled_file_that_is_missing_or_has_a_flipped_bit_is_never_random(tmp_path: Path, monkeypatch) -> None:
    row = BACKBONES["starter_vit"]
    whole, copy = bundled_file(row), tmp_path / Path(row.bundled).name
    for module in ("locations", "records"):
        monkeypatch.setattr(f"models.weights.{module}.bundled_file", lambda backbone: copy)
    for is_here in (False, True):
        if is_here:
            shutil.copy(whole, copy)
            flip(copy)
        with pytest.raises(WeightsError, match=r"starter_vit\.safetensors"):
            build_classifier(row, METHODS["linear"], classes=2, weights=weights_loader())


def test_a_flipped_bit_in_a_recorded_file_and_a_damaged_record_are_noticed(saved: Path, weights_home: Path) -> None:
    ours = weights_home / "test_vit.safetensors"
    shutil.copy(saved, ours)
    sha256 = hashlib.sha256(ours.read_bytes()).hexdigest()
    facts = {"backbone": "test_vit", "sha256": sha256, "bytes": 1, "licence": "MIT", "origin": "a friend"}
    record_path(ours).write_text(json.dumps(asdict(WeightsRecord(**facts))))
    assert checked_sha256(ROW, ours) == sha256
    flip(ours)
    with pytest.raises(WeightsError, match=r"test_vit\.safetensors") as caught:
        build_classifier(ROW, METHODS["linear"], classes=2, shape=(64, 64), weights=weights_loader())
    assert caught.value.next_step == NextStep("remove_weights", backbone="test_vit")
    for text in ("", "{", "[]", '{"sha256": "x"}', '{"colour": "blue"}'):
        record_path(ours).write_text(text)
        with pytest.raises(WeightsError, match=r"test_vit\.json") as caught:
            checked_sha256(ROW, ours)
        assert caught.value.next_step == NextStep("remove_weights", backbone="test_vit")


def test_a_file_of_the_hub_cache_counts_only_where_it_is_the_one_that_is_meant(saved, weights_home, cached) -> None:
    sha256 = hashlib.sha256(saved.read_bytes()).hexdigest()
    link = cached(saved.read_bytes(), sha256)
    assert locate(replace(ROW, pin=Pin(revision="a" * 40, sha256=sha256))) == ("hub cache", link)
    assert locate(replace(ROW, pin=Pin(revision="f" * 40, sha256=sha256))) == ("hub cache", link)  # found by `main`
    assert locate(replace(ROW, pin=Pin(revision="a" * 40, sha256="b" * 64))) is None
    assert checked_sha256(ROW, link)
    flip(link.resolve())
    with pytest.raises(WeightsError, match=link.name) as caught:
        checked_sha256(ROW, link)
    assert caught.value.next_step == NextStep("fetch_weights", backbone="test_vit")
