"""The Python interface: projects, runs and models in notebooks and scripts, by the functions of window and commands.

`import visionft` offers what this package exports, and loads it at the first use. It knows no window and no command,
and loads torch only when work needs it. `docs/python.md` shows it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from models.catalog import get_backbone
from visionft.api.console import Callback, in_python_terms, running_job
from visionft.api.python_project import Project
from visionft.api.python_run import Model, Run
from visionft.core.files import expand_home
from visionft.core.jobs import JobCancelled
from visionft.data.types import Task
from visionft.project.safety.backup_restore import restore_backup

if TYPE_CHECKING:
    from models.weights.importing import ImportResult

__all__ = [
    "Model",
    "Project",
    "Run",
    "create_project",
    "fetch_weights",
    "import_weights",
    "load_model",
    "open_project",
    "restore_project",
]


def create_project(path: str | Path, *, task: Task = "single") -> Project:
    """Create a project in a new or empty folder, and open it.

    Args:
        task: `single`: one class an image; `multi`: any number.

    Raises:
        ProjectError: The folder is in use, or cannot be written.
    """
    with in_python_terms():
        return Project.create(expand_home(path), task=task)


def open_project(path: str | Path, *, read_only: bool = False) -> Project:
    """Open a project; for reading where another process has it open for writing (`is_read_only`).

    Raises:
        ProjectError: The project is missing, damaged, or of a newer version.
    """
    with in_python_terms():
        return Project.open(expand_home(path), read_only=read_only)


def restore_project(path: str | Path, backup: str | None = None) -> Project:
    """Restore a backup of a project that is not open, also of a damaged one, and open it.

    The replaced database is kept in `backups`.

    Args:
        backup: Its name in `backups`; None for the newest intact one.

    Raises:
        ProjectError: There is no intact backup, or the project is open.
    """
    with in_python_terms():
        restore_backup(expand_home(path), backup)
    return open_project(path)


def fetch_weights(backbone: str, *, accept_licence: str = "", callback: Callback | None = None) -> Path:
    """Download the pretrained weights of a backbone where they are missing, and return their file.

    Args:
        backbone: A name of `models.catalog.BACKBONES`, or `timm/NAME`.
        accept_licence: The name of a licence that forbids commercial use, to accept it.

    Raises:
        WeightsError: There is no network, or the licence has to be accepted.
        JobCancelled: The user interrupted it; the next call continues.
    """
    from models.weights.fetching import fetch

    with running_job(callback) as job:
        file = fetch(get_backbone(backbone), accepted=accept_licence, job=job)
        if file is None:
            raise JobCancelled
        return file


def import_weights(
    source: str | Path, backbone: str | None = None, *, callback: Callback | None = None
) -> "ImportResult":
    """Copy a weights file, or all of a folder, into the folder of pretrained weights, after checking their fit.

    Args:
        source: A .safetensors or .pth file, or a folder of them.
        backbone: What the file is for; None to recognise it.

    Raises:
        WeightsError: The file does not fit, or nothing in the folder is a weights file.
    """
    from models.weights.importing import import_weights

    with running_job(callback) as job:
        return import_weights(expand_home(source), backbone=backbone, job=job)


def load_model(path: str | Path, *, device: str = "auto") -> Model:
    """Load an exported model from its folder or file; as `Model`."""
    return Model(path, device=device)
