from visionft.api import Model as Model
from visionft.api import Project as Project
from visionft.api import Run as Run
from visionft.api import create_project as create
from visionft.api import load_model as load
from visionft.api import open_project as open  # noqa: A004

__version__: str
__all__ = ["Model", "Project", "Run", "__version__", "create", "load", "open"]
