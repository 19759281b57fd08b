"""Shell completion by the Tab key: methods, backbones, projects, runs, classes ... (`--install-completion`).

It reads only names and loads no learning library, because the user is waiting. Any error offers nothing: the shell then
completes file names. Names with characters special to a shell are not offered.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from models.catalog import BACKBONES
from models.methods.table import METHODS
from models.timm_index import PREFIX, timm_names
from visionft.errors import VisionFTError
from visionft.export.options import TARGETS
from visionft.files import from_home, list_folder
from visionft.project.formats import registry
from visionft.project.safety.backups import list_backups
from visionft.project.store import DATABASE
from visionft.project.summary import peek_class_names
from visionft.public_sets import PUBLIC_SETS
from visionft.training.config.presets import PRESETS
from visionft.training.runs.run_folder import RUNS_FOLDER

if TYPE_CHECKING:
    from visionft.project.formats.listing import TableHead

Offer = list[tuple[str, str]]  # completion, and a short description
ASKED = "_VISIONFT_COMPLETE"  # the variable set by a shell for completion
_SHELL_CHARACTERS = frozenset("'\"`$\\!;&|<>(){}*?#\n")


def fixed(names: Callable[[], Iterable[tuple[str, str]]]) -> Callable[[str], Offer]:
    def complete(incomplete: str) -> Offer:
        return _offer(names(), incomplete)

    return complete


def words(*names: str) -> Callable[[str], Offer]:
    return fixed(lambda: ((name, "") for name in names))


methods = fixed(lambda: ((row.name, row.title) for row in METHODS.values()))
presets = fixed(lambda: ((name, preset.words) for name, preset in PRESETS.items()))
public_sets = fixed(lambda: ((each.name, each.title) for each in PUBLIC_SETS))
import_formats = words(*registry.IMPORT_FORMATS)
export_formats = words(*registry.EXPORT_FORMATS)
evaluated_splits = words("val", "test")
targets = fixed(lambda: ((each.name, each.about) for each in TARGETS.values()))
devices = words("auto", "cpu", "cuda", "mps")
tasks = words("single", "multi")


def topics(context: typer.Context, incomplete: str) -> Offer:
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
    """Complete the project folders in the typed folder; where none fits, the shell completes files."""
    typed = incomplete[: incomplete.rfind("/") + 1]
    folder = Path(os.path.expanduser(typed) or ".")  # noqa: PTH111  (keeps what pathlib would tidy)
    try:
        found = [each.name for each in folder.iterdir() if (each / DATABASE).is_file()]
    except OSError:
        return []
    return _offer(((typed + name, "") for name in sorted(found)), incomplete)


def runs(context: typer.Context, incomplete: str) -> Offer:
    folders = _of_project(context, lambda project: list_folder(project / RUNS_FOLDER))
    return _offer(((each.name, "") for each in folders if (each / "config.json").is_file()), incomplete)


def classes(context: typer.Context, incomplete: str) -> Offer:
    return _offer(((name, "") for name in _of_project(context, peek_class_names)), incomplete)


def tables(context: typer.Context, incomplete: str) -> Offer:
    return _offer(((head.name, "") for head in _tables_of_source(context)), incomplete)


def columns(context: typer.Context, incomplete: str) -> Offer:
    """Complete the columns of the source's tables, or of the one that `--table` names."""
    named = context.params.get("table")
    heads = [head for head in _tables_of_source(context) if not named or head.name == named]
    titles = dict.fromkeys(title for head in heads for title in head.titles)
    return _offer(((title, "") for title in titles), incomplete)


def _tables_of_source(context: typer.Context) -> "Sequence[TableHead]":
    from visionft.project.importing.sources import tables_in  # loads the formats of labels

    named = context.params.get("source") or next(iter(context.args[1:]), None)
    try:
        return tables_in(from_home(str(named)).absolute()) if named else ()
    except (VisionFTError, OSError):
        return ()


def backups(context: typer.Context, incomplete: str) -> Offer:
    return _offer(((each.name, each.reason) for each in _of_project(context, list_backups)), incomplete)


def _of_project(context: typer.Context, read: Callable[[Path], Iterable[Any]]) -> list[Any]:
    # After an option without its value (the completed word), the words are unparsed.
    named = context.params.get("project") or next(iter(context.args), None)
    try:
        return list(read(from_home(str(named)))) if named else []
    except (VisionFTError, OSError, sqlite3.Error):
        return []


def _offer(names: Iterable[tuple[str, str]], incomplete: str) -> Offer:
    is_bash = os.environ.get(ASKED) == "complete_bash"  # a space ends the word there
    return [
        (name.replace(" ", "\\ ") if is_bash else name, description)
        for name, description in names
        if name.startswith(incomplete) and name.isprintable() and not _SHELL_CHARACTERS & set(name) and name[:1] != "-"
    ]
