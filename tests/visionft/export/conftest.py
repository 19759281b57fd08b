"""One small trained run of each family for the export tests."""

from pathlib import Path

import pytest
from safetensors.torch import save_file

from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train


@pytest.fixture(scope="session")
def run_of(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory):
    """Return a function (backbone, method) -> run folder, trained once per pair."""
    folder, made = tmp_path_factory.mktemp("runs"), {}

    def run(backbone: str, method: str) -> Path:
        name = f"001-{backbone}-{method}"
        if name not in made:
            config = TrainConfig(
                backbone=backbone, method=method, weights="random", image_size=64, batch_size=8, epochs=2, device="cpu"
            )
            train(config, snapshot, folder / name)
            made[name] = folder / name
        return made[name]

    return run


@pytest.fixture
def saved_weights(state_of, tmp_path: Path) -> Path:
    """Return a weights file of the user's own for `test_resnet`."""
    path = tmp_path / "mine.safetensors"
    save_file(state_of("test_resnet"), path)
    return path
