"""What the shell offers after the Tab key: methods, backbones, projects, runs, classes ... (`--install-completion`).

It reads names alone and loads no learning library, because the user waits. Whatever goes wrong offers nothing: the
shell then completes file names. A name that a shell could take for more than a name is not offered.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import typer

from models.catalog import BACKBONES
from models.methods.table import METHODS
from models.timm_index import PREFIX, timm_names
from visionft.errors import VisionFTError
from visionft.files import from_home, list_folder
from visionft.project.formats import registry
from visionft.project.safety.backups import list_backups
from visionft.project.store import DATABASE
from visionft.project.summary import peek_class_names
from visionft.public_sets import PUBLIC_SETS
from visionft.training.config.presets import PRESETS
from visionft.training.runs.run_folder import RUNS_FOLDER

Offer = list[tuple[str, str]]  # what is completed, and a word about it
_T = TypeVar("_T")
ASKED = "_VISIONFT_COMPLETE"  # the variable by which a shell asks
_SPEAKS_TO_SHELLS = frozenset("'\"`$\\!;&|<>(){}*?#\n")


def fixed(names: Callable[[], Iterable[tuple[str, str]]]) -> Callable[[str], Offer]:
    """Return a completion among names that are the same everywhere."""

    def complete(incomplete: str) -> Offer:
        return _offer(names(), incomplete)

    return complete


def words(*names: str) -> Callable[[str], Offer]:
    """Return a completion among a few words."""
    return fixed(lambda: ((name, "") for name in names))


methods = fixed(lambda: ((row.name, row.title) for row in METHODS.values()))
presets = fixed(lambda: ((preset.name, preset.words) for preset in PRESETS.values()))
public_sets = fixed(lambda: ((each.name, each.title) for each in PUBLIC_SETS))
import_formats = words(*registry.IMPORT_FORMATS)
export_formats = words(*registry.EXPORT_FORMATS)
evaluated_splits = words("val", "test")
devices = words("auto", "cpu", "cuda", "mps")
tasks = words("single", "multi")


def topics(context: typer.Context, incomplete: str) -> Offer:
    """Complete what there is help on."""
    commands: dict[str, Any] = getattr(context.find_root().command, "commands", {})
    found = [(name, command.get_short_help_str()) for name, command in commands.items()]
    return _offer([("agents", "everything on one page"), *found], incomplete)


def backbones(incomplete: str) -> Offer:
    """Complete the catalog's names; timm's hundreds only where the beginning of `timm/` is typed."""
    is_timm = bool(incomplete) and (PREFIX.startswith(incomplete) or incomplete.startswith(PREFIX))
    others = timm_names() if is_timm else ()
    return _offer(
        [*((row.name, row.title) for row in BACKBONES.values()), *((name, "") for name in others)], incomplete
    )


def projects(incomplete: str) -> Offer:
    """Complete the project folders in the folder that is typed; where none fits, the shell completes files."""
    typed = incomplete[: incomplete.rfind("/") + 1]
    folder = Path(os.path.expanduser(typed) or ".")  # noqa: PTH111  (keeps what pathlib would tidy)
    try:
        found = [each.name for each in folder.iterdir() if (each / DATABASE).is_file()]
    except OSError:
        return []
    return _offer(((typed + name, "") for name in sorted(found)), incomplete)


def runs(context: typer.Context, incomplete: str) -> Offer:
    """Complete the runs of the project that is named before."""
    folders = _of_project(context, lambda project: list_folder(project / RUNS_FOLDER))
    return _offer(((each.name, "") for each in folders if (each / "config.json").is_file()), incomplete)


def classes(context: typer.Context, incomplete: str) -> Offer:
    """Complete the classes of the project that is named before."""
    return _offer(((name, "") for name in _of_project(context, peek_class_names)), incomplete)


def backups(context: typer.Context, incomplete: str) -> Offer:
    """Complete the backups of the project that is named before."""
    return _offer(((each.name, each.reason) for each in _of_project(context, list_backups)), incomplete)


def _of_project(context: typer.Context, ask: Callable[[Path], Iterable[_T]]) -> list[_T]:
    # After an option without its value, which is what is asked for here, the words are left as they were typed.
    named = context.params.get("project") or next(iter(context.args), None)
    try:
        return list(ask(from_home(str(named)))) if named else []
    except (VisionFTError, OSError, sqlite3.Error):
        return []


def _offer(names: Iterable[tuple[str, str]], incomplete: str) -> Offer:
    fitting = [(name, said) for name, said in names if name.startswith(incomplete) and _is_harmless(name)]
    is_bash = os.environ.get(ASKED) == "complete_bash"  # it takes a blank for the end of the word
    return [(name.replace(" ", "\\ ") if is_bash else name, said) for name, said in fitting]


def _is_harmless(name: str) -> bool:
    return name.isprintable() and not _SPEAKS_TO_SHELLS & set(name) and not name.startswith("-")
