"""A project with a packed job and its result, for the tests of training elsewhere."""

import shutil
from pathlib import Path

import pytest
from changed_jobs import CONFIG
from projects import project_of

from visionft.data.types import Snapshot
from visionft.project.store import ProjectStore
from visionft.training.remote.job_file import pack_job
from visionft.training.remote.running import run_job


@pytest.fixture(scope="session")
def packed(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project and, in `there`, the job `a` of it with its result; tests copy it."""
    folder = tmp_path_factory.mktemp("packed")
    project = project_of(folder / "Secret name", image_folder, has_splits=True)
    with ProjectStore.open(project, read_only=True) as opened:
        images = opened.snapshot()
    (folder / "there").mkdir()
    pack_job(project, images, CONFIG, folder / "there" / "a.vftjob", lossless=True)
    run_job(folder / "there" / "a.vftjob")
    return folder


@pytest.fixture
def project(packed: Path, tmp_path: Path) -> Path:
    """Return the project that packed the job."""
    return Path(shutil.copytree(packed / "Secret name", tmp_path / "Secret name"))


@pytest.fixture
def images(project: Path) -> Snapshot:
    with ProjectStore.open(project, read_only=True) as opened:
        return opened.snapshot()


@pytest.fixture
def there(packed: Path, tmp_path: Path) -> Path:
    """Return a folder that stands for another computer, with the job `a` and its result."""
    return Path(shutil.copytree(packed / "there", tmp_path / "there"))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return another such folder, empty."""
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"
