"""The next step of an error as a command that can be run; one row per action, and a test that none is missing."""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from visionft.errors import Action, NextStep
from visionft.installation import packages_of, refusal
from visionft.weights.states import OFFLINE_VARIABLE, offline_variable

# A word in braces is a fact: the step's own, else what the command that failed was given, else a name to fill in.
COMMANDS: dict[Action, Sequence[str]] = {
    "create_project": ("new", "{project}"),
    "open_project": ("info", "{project}"),
    "import_images": ("import", "{project}", "{path}"),
    "import_unlabelled": ("import", "{project}", "{path}", "--without-labels"),
    "choose_columns": ("import", "{project}", "{path}", "--label-column", "NAME"),
    "take_marks": ("import", "{project}", "{path}", "--from-boxes"),
    "label": ("label", "{project}", "CLASS", "IMAGE..."),
    "embed": ("embed", "{project}"),
    "look_through": ("report", "{project}", "report.html"),
    "split": ("split", "{project}"),
    "split_without_test": ("split", "{project}", "--test", "0"),
    "train": ("train", "{project}", "--preset", "balanced"),
    "resume": ("train", "{project}", "--resume", "{run}"),
    "evaluate": ("evaluate", "{project}", "{run}", "--split", "{split}"),
    "combine": ("combine", "{project}", "RUN", "RUN"),
    "export": ("export", "{project}", "{run}", "OUT_DIR"),
    "restore": ("restore", "{project}"),
    "check": ("check", "{project}"),
    "relink": ("relink", "{project}", "FOLDER"),
    "fetch_weights": ("weights", "fetch", "{backbone}"),
    "import_weights": ("weights", "import", "{path}", "--as", "{backbone}"),
    "remove_weights": ("weights", "remove", "{backbone}"),
    "list_weights": ("weights", "list"),
    "list_settings": ("methods", "--json"),
    "allow_network": (),  # of the shell, see `command_for`
    "diagnose": ("doctor",),
    "install": (),  # of pip or uv
}
_BLANKS = {"project": "PROJECT", "run": "RUN", "split": "val", "backbone": "BACKBONE", "path": "FILE_OR_FOLDER"}
_GIVEN_AS = {"path": "source"}  # fact -> what commands call it


def next_words(step: NextStep, given: Mapping[str, Any] | None = None) -> str:
    """Return what to tell a person to do: the command for the step, or why there is none (arguments as below)."""
    return command_for(step, given) or str(refusal(step.requirement))


def command_for(step: NextStep, given: Mapping[str, Any] | None = None) -> str:
    """Return the command that takes a step; empty where there is none, because nothing can be added to this program.

    Args:
        step: What to do.
        given: The arguments of the command that failed, for facts that the step leaves open.
    """
    if step.action == "allow_network":
        name = offline_variable() or OFFLINE_VARIABLE
        return f"set {name}=" if os.name == "nt" else f"unset {name}"
    if step.action == "install":
        return "" if refusal(step.requirement) else joined(_installer() + packages_of(step.requirement))
    words = COMMANDS[step.action]
    if step.action == "import_weights" and not step.backbone:
        words = words[: words.index("--as")]  # the file itself tells what it is for
    return joined(["visionft", *(_filled(word, step, given or {}) for word in words)])


def _installer() -> list[str]:
    """Return what installs into this environment; one that uv made has no pip."""
    if importlib.util.find_spec("pip") is None:
        return ["uv", "pip", "install", "--python", sys.executable, "--upgrade"]
    return [sys.executable, "-m", "pip", "install", "--upgrade"]


def _filled(word: str, step: NextStep, given: Mapping[str, Any]) -> str:
    if not word.startswith("{"):
        return word
    name = word.strip("{}")
    return str(getattr(step, name) or given.get(_GIVEN_AS.get(name, name)) or _BLANKS[name])


def joined(words: Sequence[str]) -> str:
    """Return a command line, quoted for the shell that people have: spaces in the names of folders are usual."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
