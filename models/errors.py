"""The base of every error a user may meet, kept in the lowest layer so that all layers can raise it.

An error says what is wrong in words, and what to do next as data: a `NextStep`. The window words it as a button
(`gui.next_steps`), the command line as a command (`visionft.cli.next_steps`); no message names either.
`visionft.errors` re-exports these and adds the engine's own; code above `models` imports from there.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

Action = Literal[
    "create_project",
    "open_project",
    "import_images",
    "import_unlabelled",
    "choose_columns",
    "take_marks",
    "label",
    "embed",
    "look_through",
    "split",
    "split_without_test",
    "train",
    "resume",
    "evaluate",
    "combine",
    "export",
    "restore",
    "check",
    "relink",
    "fetch_weights",
    "import_weights",
    "remove_weights",
    "list_weights",
    "list_settings",
    "allow_network",
    "diagnose",
    "install",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    project: Path | None = None
    run: str = ""
    split: str = ""
    backbone: str = ""
    path: Path | None = None
    requirement: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NextStep(_Facts):
    """What the reader of an error can do about it.

    Attributes:
        action: What to do; whoever shows the error knows how it is done there.
        project: The project's folder; None where it is the one that the reader is working on.
        run: Name of a training run.
        split: `val` or `test`.
        backbone: Catalog name.
        path: The file or folder to take: pictures to import, a weights file, a label file.
        requirement: What pip is to install.
        columns: Of a table, for the reader to choose one.
    """

    action: Action

    def on(self, project: Path | None) -> Self:
        """Return the step with the project that it lacks; one that it names stays."""
        return self if self.project is not None or project is None else replace(self, project=project)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a set of settings, with the field to mark (empty: the whole form)."""

    field: str
    message: str
    hint: str = ""
    next_step: NextStep | None = None


class VisionFTError(Exception):
    """An expected failure: shown as a toast in the window, as one line on stderr (exit 2) on the command line.

    Args:
        message: What is wrong, in one sentence, with the offending value.
        hint: Advice that holds in the window and on the command line alike; empty only where there is none.
        next_step: What can be done about it right away.
    """

    def __init__(self, message: str, hint: str = "", next_step: NextStep | None = None) -> None:
        super().__init__(message, hint, next_step)
        self.message = message
        self.hint = hint
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(VisionFTError):
    """One or more settings are invalid; `problems` pairs each fault with the field it belongs to."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        text = "; ".join(
            f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in problems
        )
        hint = next((problem.hint for problem in problems if problem.hint), "")
        super().__init__(text, hint, next((problem.next_step for problem in problems if problem.next_step), None))
