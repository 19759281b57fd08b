"""The next step of an error as a command to run: one row per action, which a test compares with all actions."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from visionft.core.errors import Action, NextStep
from visionft.core.installation import install_command, is_frozen, refusal, shell_command
from visionft.core.offline import OFFLINE_VARIABLE, offline_variable

# A word in braces is replaced by a value of the step, an argument of the failed command, or a placeholder.
COMMANDS: dict[Action, Sequence[str]] = {
    "create_project": ("project", "new", "{project}"),
    "open_project": ("project", "info", "{project}"),
    "import_images": ("import", "{project}", "{path}"),
    "import_unlabelled": ("import", "{project}", "{path}", "--without-labels"),
    "choose_columns": ("import", "{project}", "{path}", "--label-column", "NAME"),
    "take_marks": ("import", "{project}", "{path}", "--from-boxes"),
    "label": ("label", "set", "{project}", "CLASS", "IMAGE..."),
    "find_issues": ("curate", "check", "{project}"),
    "keep_best": ("curate", "check", "{project}", "duplicates", "--keep-best", "--yes"),
    "mend": ("curate", "check", "{project}", "leaks", "--mend", "--yes"),
    "decide_conflicts": ("project", "info", "{project}"),
    "split": ("split", "{project}"),
    "split_without_test": ("split", "{project}", "--test", "0"),
    "train": ("train", "{project}", "--preset", "balanced"),
    "resume": ("train", "{project}", "--resume", "{run}"),
    "evaluate": ("evaluate", "{project}", "{run}", "--split", "{split}"),
    "combine": ("run", "combine", "{project}", "RUN", "RUN"),
    "export": ("model", "export", "{project}", "{run}", "OUT_DIR"),
    "restore": ("project", "restore", "{project}"),
    "check": ("project", "check", "{project}"),
    "relink": ("project", "relink", "{project}", "FOLDER"),
    "fetch_weights": ("weights", "fetch", "{backbone}"),
    "import_weights": ("weights", "import", "{path}", "--as", "{backbone}"),
    "remove_weights": ("weights", "remove", "{backbone}"),
    "list_weights": ("weights", "list", "--here"),
    "list_settings": ("train", "{project}", "--save", "FILE", "--estimate"),
    "allow_network": (),  # a shell command, see `command_for`
    "diagnose": ("doctor",),
    "install": (),  # a command of pip or uv
}
_PLACEHOLDERS = {
    "project": "PROJECT",
    "run": "RUN",
    "split": "val",
    "backbone": "BACKBONE",
    "path": "FILE_OR_FOLDER",
}


def next_words(step: NextStep, given: Mapping[str, Any] | None = None) -> str:
    """Return the command for a step, or the reason why it is missing; arguments as in `command_for`."""
    return command_for(step, given) or str(refusal(step.requirement))


def command_for(step: NextStep, given: Mapping[str, Any] | None = None) -> str:
    """Return the command for a step, or an empty string for a package that cannot be installed.

    Values that the step lacks are taken from `given`, the arguments of the failed command.
    """
    if step.action == "allow_network":
        name = offline_variable() or OFFLINE_VARIABLE
        return f"set {name}=" if os.name == "nt" else f"unset {name}"
    if step.action == "install":
        return install_command(step.requirement)
    words = COMMANDS[step.action]
    if step.action == "import_weights" and not step.backbone:
        words = words[: words.index("--as")]  # the backbone is then read from the weights file
    arguments = given or {}

    def value_of(name: str) -> str:
        argument = "source" if name == "path" else name  # the name in `visionft import`
        return str(getattr(step, name) or arguments.get(argument) or _PLACEHOLDERS[name])

    filled = (value_of(word.strip("{}")) if word.startswith("{") else word for word in words)
    return shell_command(["visionft", *filled])


def own_command(*words: str) -> str:
    """Return a command of this program that works in the current shell, where `visionft` may not be on the path."""
    is_found = is_frozen() or shutil.which("visionft")
    return shell_command([*(["visionft"] if is_found else [sys.executable, "-m", "visionft"]), *words])
