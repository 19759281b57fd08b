"""No module may take part in an import cycle, including imports for type checking: each can be read by itself."""

from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("visionft", "gui", "models", "resources")


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Return the modules that each module imports, also in functions and for type checking."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def test_no_file_is_in_a_circle_of_imports(imports: dict[str, set[str]]) -> None:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(imports) == sum((path.parent / "__init__.py").exists() for path in files)  # else samples for exports
    TopologicalSorter(imports).prepare()  # raises a CycleError that names one


def test_the_engine_knows_no_screen(imports: dict[str, set[str]]) -> None:
    below = [others for module, others in imports.items() if not module.startswith("gui")]
    assert not [other for others in below for other in others if other.startswith("gui")]
