"""No module may take part in an import cycle, including imports for type checking: each can be read by itself."""

from collections.abc import Callable, Iterable
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("visionft", "gui", "models", "resources")


def circles(modules: Iterable[str], imports: Callable[[str], Iterable[str]]) -> set[frozenset[str]]:
    """Return the sets of modules in import cycles (Tarjan 1972)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: set[frozenset[str]] = set()

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        path.append(module)
        for other in imports(module):
            if other not in order:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in path:
                lowest[module] = min(lowest[module], order[other])
        if lowest[module] == order[module]:
            start = path.index(module)
            if len(path) - start > 1:
                found.add(frozenset(path[start:]))
            del path[start:]

    for module in modules:
        if module not in order:
            visit(module)
    return found


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return the import graph, including imports in functions and for type checking."""
    return grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)


def test_circles_are_found() -> None:
    imports = {"a": "bc", "b": "d", "c": "", "d": "b", "e": "af", "f": "g", "g": "e"}
    assert circles(imports, imports.__getitem__) == {frozenset("bd"), frozenset("efg")}


def test_no_file_is_in_a_circle_of_imports(graph: grimp.ImportGraph) -> None:
    assert circles(sorted(graph.modules), graph.find_modules_directly_imported_by) == set()


def test_every_file_is_looked_at(graph: grimp.ImportGraph) -> None:
    files = sum(1 for package in PACKAGES for _ in (ROOT / package).rglob("*.py"))
    assert len(graph.modules) == files


def test_the_engine_knows_no_screen(graph: grimp.ImportGraph) -> None:
    below = {module for module in graph.modules if not module.startswith("gui")}
    imported = {other for module in below for other in graph.find_modules_directly_imported_by(module)}
    assert imported <= below
