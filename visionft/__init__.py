"""The VisionFT engine: projects, images, training, evaluation and deployment. No Qt in here.

In Python, `visionft.create`, `open` and `load` are the way in (docs/python.md); `visionft.api` is loaded at their first
use. `__init__.pyi` gives their types: an import here, even for type checkers, would be one in a circle.
"""

import importlib
import os
from typing import Any

from visionft.core.allocator import keep_freed_memory

__version__ = "0.2.0"
# The names come from `visionft.api` on their first use, which a type checker does not follow.
# pyright: reportUnsupportedDunderAll=false
__all__ = [
    "Model",
    "Project",
    "Run",
    "__version__",
    "create",
    "fetch_weights",
    "import_weights",
    "load",
    "open",
    "restore",
]

# {name here: name in visionft.api}
_API = {
    "Model": "Model",
    "Project": "Project",
    "Run": "Run",
    "create": "create_project",
    "load": "load_model",
    "open": "open_project",
    "restore": "restore_project",
    "fetch_weights": "fetch_weights",
    "import_weights": "import_weights",
}

# These libraries would otherwise reach the network when imported or used; a user's images are their own business.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# ONNX Runtime, when imported, would write a number that names this computer into the user's cache and send events.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Processes that are started from here (loaders) would import what lies in the current folder.
os.environ["PYTHONSAFEPATH"] = "1"
# torch's OpenMP threads spin while they wait; beside other programs that made a training step ten times slower here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
keep_freed_memory()


def __getattr__(name: str) -> Any:
    """Return a name of the Python interface, which is loaded now."""
    if name not in _API:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("visionft.api"), _API[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
