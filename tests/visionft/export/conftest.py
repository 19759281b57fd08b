"""Fixtures of the export tests: one small trained run of each family, and the JavaScript runtimes if available."""

import dataclasses
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

import resources
from visionft.data.types import Snapshot
from visionft.export.export_result import ExportResult
from visionft.export.exporter import export_run
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
    """Return a function to put samples and their packages into an export's folder, as `npm install` would."""

    def install(folder: Path) -> None:
        shutil.copytree(Path(resources.__file__).parent / "samples", folder / "samples", dirs_exist_ok=True)
        for place in ("node", "web"):
            (folder / "samples" / place / "node_modules").symlink_to(javascript_packages, target_is_directory=True)

    return install


@pytest.fixture(scope="session")
def trained() -> Callable[..., Path]:
    """Return a function: images, folder, settings -> the folder of a run on small random weights."""

    def trained(images: Snapshot, folder: Path, **settings: Any) -> Path:
        usual = {"weights": "random", "image_size": 64, "batch_size": 8, "epochs": 1, "device": "cpu", "workers": 0}
        assignments = [f"{name}={value}" for name, value in (usual | settings).items()]
        train(TrainConfig().with_settings(assignments), images, folder)
        return folder

    return trained


@pytest.fixture(scope="session")
def run_of(snapshot: Snapshot, trained, tmp_path_factory: pytest.TempPathFactory):
    """Return a function (backbone, method) -> run folder, trained once per pair."""
    folder = tmp_path_factory.mktemp("runs")

    @functools.cache
    def run(backbone: str, method: str) -> Path:
        return trained(snapshot, folder / f"001-{backbone}-{method}", backbone=backbone, method=method, epochs=2)

    return run


@pytest.fixture(scope="session")
def several(snapshot: Snapshot) -> Snapshot:
    """Return the images with a second label on every other one."""
    images = tuple(
        dataclasses.replace(image, labels=tuple(sorted({image.labels[0], (image.labels[0] + image.image_id % 2) % 3})))
        for image in snapshot.images
    )
    return dataclasses.replace(snapshot, task="multi", images=images)


@pytest.fixture(scope="session")
def export_of(run_of, snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory):
    """Return a function (backbone, method) -> usual export, made once per pair; tests copy it before changing it."""
    folder = tmp_path_factory.mktemp("exports")

    @functools.cache
    def export(backbone: str, method: str) -> ExportResult:
        return export_run(run_of(backbone, method), snapshot, folder / f"{backbone}-{method}")

    return export


@pytest.fixture
def saved_weights(state_of, tmp_path: Path) -> Path:
    """Return a weights file of the user's own for `test_resnet`."""
    path = tmp_path / "mine.safetensors"
    save_file(state_of("test_resnet"), path)
    return path
