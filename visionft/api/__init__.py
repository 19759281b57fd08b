"""The Python interface: projects, runs and models in notebooks and scripts, by the functions of window and commands.

`import visionft` offers what this package exports, and loads it at the first use. It knows no window and no command,
and loads torch only when work needs it. `docs/python.md` shows it.
"""

from pathlib import Path

from visionft.api.console import in_python_terms
from visionft.api.python_project import Project
from visionft.api.python_run import Model, Run
from visionft.data.types import Task
from visionft.files import from_home

__all__ = ["Model", "Project", "Run", "create_project", "load_model", "open_project"]


def create_project(path: str | Path, *, task: Task = "single") -> Project:
    """Create a project in a new or empty folder, and open it.

    Args:
        task: `single`: one class an image; `multi`: any number.

    Raises:
        ProjectError: The folder is in use, or cannot be written.
    """
    with in_python_terms():
        return Project.create(from_home(path), task=task)


def open_project(path: str | Path, *, read_only: bool = False) -> Project:
    """Open a project; for reading where another process has it open for writing (`is_read_only`).

    Raises:
        ProjectError: There is none, it is damaged, or a newer version wrote it.
    """
    with in_python_terms():
        return Project.open(from_home(path), read_only=read_only)


def load_model(path: str | Path, *, device: str = "auto") -> Model:
    """Load an exported model from its folder or file; as `Model`."""
    return Model(path, device=device)
