"""The vocabulary beside the weights: downloaded once, verified, imported from file or folder, removed with them."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from models.catalog import BACKBONES
from models.pins import Pin
from models.weights.fetching import fetch, find_tokenizer, local_tokenizer
from models.weights.importing import import_weights
from models.weights.records import remove_weights
from models.weights.weights_loading import image_side
from visionft.core.errors import WeightsError
from visionft.core.files import sha256_file


@pytest.fixture
def vocabulary(tiny_siglip: str, weights_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The vocabulary of tiny_siglip somewhere else, pinned in the catalog; the weights folder has the weights alone."""
    carried = tmp_path / "carried" / "tokenizer.json"
    carried.parent.mkdir()
    (weights_home / f"{tiny_siglip}.tokenizer.json").rename(carried)
    row = BACKBONES[tiny_siglip]
    assert row.text
    pin = Pin(revision="a" * 40, sha256=sha256_file(carried), bytes=carried.stat().st_size)
    monkeypatch.setitem(BACKBONES, tiny_siglip, replace(row, text=replace(row.text, tokenizer_pin=pin)))
    return carried


def test_fetching_weights_fetches_the_vocabulary_too(vocabulary: Path, hub_server, tiny_siglip: str) -> None:
    row, hub_server.content = BACKBONES[tiny_siglip], vocabulary.read_bytes()
    fetch(row, with_text=False)
    assert local_tokenizer(row) is None and not hub_server.requests
    fetch(row)
    assert find_tokenizer(row).read_bytes() == vocabulary.read_bytes()
    assert all(f"/{'a' * 40}/tokenizer.json" in path for _, path, _ in hub_server.requests)
    before = len(hub_server.requests)
    fetch(row)
    assert len(hub_server.requests) == before


def test_a_file_and_a_folder_that_were_carried_here_are_taken_in(vocabulary, tiny_siglip: str, weights_home) -> None:
    row = BACKBONES[tiny_siglip]
    (imported,) = import_weights(vocabulary).imported
    assert imported.backbone == tiny_siglip and find_tokenizer(row) == weights_home / f"{tiny_siglip}.tokenizer.json"
    find_tokenizer(row).unlink()
    (weights_home / f"{tiny_siglip}.safetensors").rename(vocabulary.with_name("open_clip_model.safetensors"))
    result = import_weights(vocabulary.parent)
    assert [each.backbone for each in result.imported] == [tiny_siglip] * 2 and not result.refused
    assert find_tokenizer(row)
    removed = remove_weights(row)
    assert len(removed) == 3 and local_tokenizer(row) is None


def test_a_file_of_both_sides_is_known_by_its_tensors_and_the_image_side_alone_refused(
    tiny_clip: str, weights_home: Path, tmp_path: Path
) -> None:
    both, image = tmp_path / "some.safetensors", tmp_path / "model.safetensors"
    (weights_home / f"{tiny_clip}.safetensors").rename(both)
    save_file(image_side(load_file(both)), image)
    (imported,) = import_weights(both).imported
    assert imported.backbone == tiny_clip
    with pytest.raises(WeightsError, match=r"open_clip_model\.safetensors.*timm/tiny_clip"):
        import_weights(image, backbone=tiny_clip)
