"""A file of weights to fit and to damage; a hub on loopback with every failure of a real one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import save, save_file
from weights_hub import Hub, served_weights


@pytest.fixture
def hub_server(state_of, weights_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a hub on loopback with test_vit; the client points at it and may connect."""
    with served_weights(save(state_of("test_vit", image_size=160)), monkeypatch) as served:
        yield served


@pytest.fixture
def saved(tmp_path: Path, state_of) -> Path:
    """Return a file of test_vit's weights with a head for 1,000 classes, for images of 64 px."""
    save_file(state_of("test_vit"), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"
