"""Fixtures of the command tests: running a command, in this process or another."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visionft.cli import main
from visionft.data.types import Snapshot
from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.edits.changes import LabelImages
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


# Runs commands one after another: libraries load once.
_PROGRAM = """
import contextlib, io, json, sys
from visionft.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["visionft", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main()
    print(json.dumps((code, out.getvalue(), err.getvalue())), flush=True)
"""


@pytest.fixture(scope="session")
def run_elsewhere() -> Callable[..., list[tuple[int, str, str]]]:
    """Return a function: commands -> (exit code, stdout, stderr) of each, all run in one new process.

    Its `inside` is a command that starts the process, its `variables` are added to the environment.
    """

    def run_elsewhere(
        *commands: Sequence[object], inside: tuple[str, ...] = (), **variables: str
    ) -> list[tuple[int, str, str]]:
        words = json.dumps([list(map(str, command)) for command in commands])
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | variables
        call = [*inside, sys.executable, "-c", _PROGRAM, words]
        done = subprocess.run(call, env=environment, check=False, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    return run_elsewhere


@pytest.fixture
def value(run) -> Callable[..., Any]:
    """Return a function: arguments -> the JSON of a command that succeeds."""

    def value(*arguments: object) -> Any:
        code, stdout, stderr = run(*arguments, "--json")
        assert code == 0, stderr
        return json.loads(stdout)

    return value


@pytest.fixture
def refused(run) -> Callable[..., str]:
    """Return a function: arguments -> the messages of a command that is refused, with exit code 2 and no result."""

    def refused(*arguments: object) -> str:
        code, stdout, stderr = run(*arguments)
        assert code == 2 and not stdout and "Traceback" not in stderr, (arguments, stdout, stderr)
        return stderr

    return refused


@pytest.fixture
def tiny() -> list[str]:
    """Return the options of a quick training on random weights."""
    return ["--set", "weights=random", "--set", "image_size=32", "--set", "batch_size=8", "--device", "cpu"]


@pytest.fixture
def train(value, tiny: list[str]) -> Callable[..., str]:
    """Return a function: project, method, more options -> the name of a new run."""

    def train(project: Path, method: str, *options: object) -> str:
        return value("train", project, "--backbone", "test_resnet", "--method", method, *tiny, *options)["run"]

    return train


@pytest.fixture(scope="session")
def split_project(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of the labelled images, with splits; tests copy it (`project`)."""
    with ProjectStore.create(tmp_path_factory.mktemp("split") / "project") as project:
        import_source(project, image_folder)
        assign_splits(project)
        return project.path


@pytest.fixture
def project(split_project: Path, tmp_path: Path) -> Path:
    """Return a project of the labelled images, with splits."""
    return Path(shutil.copytree(split_project, tmp_path / "project"))


@pytest.fixture
def noisy_images(tmp_path: Path) -> Path:
    """Return a folder of 20 noisy images and a blank one."""
    rng, folder = np.random.default_rng(0), tmp_path / "images" / "noise"
    folder.mkdir(parents=True)
    for number in range(20):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(folder / f"{number:02d}.png")
    Image.new("RGB", (48, 40), (9, 90, 200)).save(folder / "blank.png")
    return folder


@pytest.fixture(scope="session")
def model(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an export."""
    from visionft.export.exporter import export_run
    from visionft.training.loop.train import train

    folder = tmp_path_factory.mktemp("model")
    config = TrainConfig(
        backbone="test_resnet", method="linear", weights="random", image_size=32, epochs=1, device="cpu"
    )
    train(config, snapshot, folder / "001-run")
    return export_run(folder / "001-run", snapshot, folder / "out").model.parent


@pytest.fixture
def embedded_project(tmp_path: Path) -> Callable[..., Path]:
    """Return a function: images, labelled ones, noise -> a project of three classes with generated features."""

    def embedded_project(count: int, labelled: int, noise: float) -> Path:
        generator, folder, classes = np.random.default_rng(0), tmp_path / "images", ("ant", "bee", "cat")
        kind = FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(4, 20))
        folder.mkdir()
        for number in range(count):
            pixels = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:02}-{classes[number % 3]}.png")
        with ProjectStore.create(tmp_path / "embedded") as project:
            import_source(project, folder)
            images = project.snapshot().images
            rows = np.eye(3, 24)[np.arange(count) % 3] * 4 + noise * generator.normal(size=(count, 24))
            kind.store(project.path).append([image.sha256 for image in images], rows.astype(np.float16))
            make_current(project.path, kind)
            for place, name in enumerate(classes):
                project.apply(LabelImages(tuple(image.image_id for image in images[place:labelled:3]), name))
            return project.path

    return embedded_project
