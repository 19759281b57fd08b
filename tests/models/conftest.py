"""The script for the index of timm, as a module: it lies outside of the packages."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "packaging" / "make_timm_index.py"


@pytest.fixture(scope="session")
def index_script():
    """Return the module `packaging/make_timm_index.py`."""
    spec = importlib.util.spec_from_file_location("make_timm_index", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
