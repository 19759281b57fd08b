from visionft.api import Model as Model
from visionft.api import Project as Project
from visionft.api import Run as Run
from visionft.api import create_project as create
from visionft.api import fetch_weights as fetch_weights
from visionft.api import import_weights as import_weights
from visionft.api import load_model as load
from visionft.api import open_project as open  # noqa: A004
from visionft.api import restore_project as restore

__version__: str
__all__ = [
    "Model", "Project", "Run", "__version__", "create", "fetch_weights", "import_weights", "load", "open", "restore",
]  # fmt: skip
