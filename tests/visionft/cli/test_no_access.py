"""Without access or on a full disk, a command reports the problem with advice, never as a bug."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.runs.run_folder import new_run_dir

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts and capabilities of Linux")
RUN = "001-test_resnet-lora"
TRAIN = (
    "--backbone",
    "test_resnet",
    "--method",
    "lora",
    "--epochs",
    "1",
    "--set",
    "weights=random",
    "--set",
    "image_size=32",
    "--set",
    "batch_size=8",
    "--device",
    "cpu",
)
# Root is not bound by permissions while it has these two.
_BOUND = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")


@pytest.fixture(scope="module")
def trained(image_folder: Path) -> Iterator[Path]:
    """Return a folder readable by all users, with `images` and a `project` with one run."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        shutil.copytree(image_folder, folder / "images")
        with ProjectStore.create(folder / "project") as project:
            import_source(project, folder / "images")
            assign_splits(project)
            images = project.snapshot()
        config = TrainConfig(
            backbone="test_resnet", method="lora", weights="random", image_size=32, batch_size=8, epochs=1, device="cpu"
        )
        train(config, images, new_run_dir(folder / "project", config))
        yield folder


@pytest.fixture
def place(trained: Path) -> Iterator[Path]:
    """Return a copy of `trained` for tests to lock."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(shutil.copytree(trained, Path(made) / "place"))
        subprocess.run(["chmod", "-R", "u+rwX", made], check=True)


@pytest.fixture
def bound(run_elsewhere) -> Callable[..., list[tuple[int, str, str]]]:
    """Return `run_elsewhere`, subject to permissions also as root."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to become less")
    return functools.partial(run_elsewhere, inside=_BOUND if os.geteuid() == 0 else ())


def mounted(script: str, folder: Path) -> tuple[str, ...]:
    """Return a command prefix to mount something for its own process only."""
    inside = ("unshare", "--map-root-user", "--mount", "bash", "-c", f'set -e; {script}; exec "$@"', "bash")
    if subprocess.run([*inside, "true"], check=False, capture_output=True, cwd=folder).returncode:
        pytest.skip("this system does not let us mount")
    return inside


def assert_is_said(answer: tuple[int, str, str], *words: str) -> None:
    code, _, stderr = answer
    assert code == 2, stderr
    assert "Traceback" not in stderr and "bug" not in stderr
    assert all(word in stderr for word in words), stderr
    assert len(stderr.strip().splitlines()) >= 2  # the problem and the advice


@pytest.mark.slow
def test_a_read_only_file_system_is_said(place: Path, run_elsewhere) -> None:
    project = place / "project"
    inside = mounted(f"mount --bind {project} {project}; mount -o remount,ro,bind {project}", place)
    writing = (
        ("train", project, *TRAIN),
        ("evaluate", project, RUN, "--split", "test"),
        ("label", "suggest", project, RUN),
        ("model", "export", project, RUN, project / "out"),
        ("label", "export", project, project / "labels.csv"),
        ("project", "check", project),
    )
    reading = (("project", "info", project), ("run", "list", project))
    answers = run_elsewhere(*writing, *reading, inside=inside)
    for answer in answers[: len(writing)]:
        assert_is_said(answer, "Read-only file system")
    assert [code for code, *_ in answers[len(writing) :]] == [0, 0]


@pytest.mark.slow
def test_a_project_without_write_permission_is_said(place: Path, bound) -> None:
    project = place / "project"
    subprocess.run(["chmod", "-R", "a-w", str(project)], check=True)
    train, export = bound(("train", project, *TRAIN), ("model", "export", project, RUN, project / "out"))
    assert_is_said(train, str(project / "runs"), "Permission denied")
    assert_is_said(export, "Permission denied")


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["runs", "project.db"])
def test_what_cannot_be_read_is_named(place: Path, bound, closed: str) -> None:
    project = place / "project"
    (project / closed).chmod(0)
    for answer in bound(("project", "info", project), ("run", "list", project), ("train", project, *TRAIN)):
        assert_is_said(answer, str(project / closed), "Permission denied")


def test_a_run_that_cannot_be_read_does_not_hide_the_others(place: Path, bound) -> None:
    project = place / "project"
    shutil.copytree(project / "runs" / RUN, project / "runs" / "002-closed")
    (project / "runs" / "002-closed").chmod(0)
    ((code, stdout, stderr),) = bound(("run", "list", project))
    assert code == 0, stderr
    assert RUN in stdout and str(project / "runs" / "002-closed") in stdout and "Permission denied" in stdout


@pytest.mark.slow
def test_check_names_a_folder_that_cannot_be_entered(place: Path, bound) -> None:
    (place / "images" / "red").chmod(0)
    commands = (("project", "check", place / "project"), ("import", place / "project", place / "images"))
    (code, stdout, stderr), imported = bound(*commands)
    assert code == 0, stderr
    assert len(stdout.splitlines()) == 1 and stdout.strip().endswith(str(place / "images" / "red"))
    code, stdout, stderr = imported
    assert code == 0 and "Permission denied" in stdout, stderr
