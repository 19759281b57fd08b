"""What the export tests share: one small trained run of each family, and the JavaScript runtimes where they are."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

import resources
from visionft.data.types import Snapshot
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

ROOT = Path(__file__).parents[3]
# Where `packaging/make_runtimes.py` puts them.
JAVASCRIPT = Path(os.environ.get("VISIONFT_RUNTIMES", ROOT / "build" / "runtimes"))


@pytest.fixture(scope="session")
def javascript_packages() -> Path:
    """Return the folder of JavaScript packages, or skip."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (JAVASCRIPT / "node_modules").is_dir():
        pytest.skip("no JavaScript runtimes: run `python packaging/make_runtimes.py`, or set VISIONFT_RUNTIMES")
    return JAVASCRIPT / "node_modules"


@pytest.fixture(scope="session")
def install_samples(javascript_packages: Path) -> Callable[[Path], None]:
    """Return a function that puts samples and their packages into an export's folder, as `npm install` would."""

    def install(folder: Path) -> None:
        shutil.copytree(Path(resources.__file__).parent / "samples", folder / "samples", dirs_exist_ok=True)
        for place in ("node", "web"):
            (folder / "samples" / place / "node_modules").symlink_to(javascript_packages, target_is_directory=True)

    return install


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
