"""Rows that other installed packages add to the tables of the program, by entry points. Torch-free.

A table asks for its group when its module is first imported, so a package is loaded only where its rows are needed. A
row that cannot be used is logged and skipped, and `visionft doctor` names it. docs/extending.md describes each group.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final, TypeVar

logger = logging.getLogger(__name__)

_KINDS: Final = ("methods", "backbones", "formats", "checks", "exporters", "commands")
GROUPS: Final = tuple(f"visionft.{kind}" for kind in _KINDS)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    group: str
    name: str
    package: str
    value: str  # where its object is, as "module:name"
    error: str = ""


_loaded: dict[tuple[str, str, str], Extension] = {}


_installed = cache(entry_points)  # 13 ms: every installed package's metadata is read


def extension_rows(group: str, kind: type[T] | Callable[[Any], bool], *, taken: Collection[str] = ()) -> dict[str, T]:
    """Return the usable rows of a group by name.

    Args:
        group: The group of the entry points.
        kind: The class of the rows, or a test of one; an error that it raises says what is wrong.
        taken: Names that no row may have. Names that differ in `-` and `_` alone are equal, as in a keyword of Python.
    """
    rows: dict[str, Any] = {}
    spelled = {name.replace("-", "_") for name in taken}
    for entry in _installed().select(group=group):
        error = ""
        try:
            row = entry.load()
            if not (isinstance(row, kind) if isinstance(kind, type) else kind(row)):
                raise TypeError(f"{entry.value} is not a row of {entry.group}")
            if entry.name.replace("-", "_") in spelled:
                raise ValueError(f"the name {entry.name!r} is taken")
            if getattr(row, "name", entry.name) != entry.name:
                raise ValueError(f"its name is {row.name!r}, its entry point is called {entry.name!r}")
            rows[entry.name] = row
            spelled.add(entry.name.replace("-", "_"))
        except Exception as failure:  # code of others fails in any way, and the program goes on without it
            error = f"{type(failure).__name__}: {failure}"
            logger.warning("extension %s of %s is skipped: %s", entry.name, group, error)
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""
        found = Extension(group=group, name=entry.name, package=package, value=entry.value, error=error)
        _loaded[group, entry.name, package] = found
    return rows


def loaded_extensions() -> tuple[Extension, ...]:
    """Return the extensions of all tables loaded so far, by group and name."""
    return tuple(_loaded[key] for key in sorted(_loaded))
