"""A file of weights to fit and to spoil."""

from pathlib import Path

import pytest
from safetensors.torch import save_file


@pytest.fixture
def saved(tmp_path: Path, state_of) -> Path:
    """Return a file of test_vit's weights with a head for 1,000 classes, made for pictures of 64 px."""
    save_file(state_of("test_vit"), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"
