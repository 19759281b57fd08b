"""The base of every error a user may meet, kept in the lowest layer so that all layers can raise it.

An error has a message in words and the next step as data: a `NextStep`. The window shows it as a button
(`gui.next_steps`), the command line as a command (`visionft.cli.next_steps`); no message names either.
`visionft.errors` re-exports these and adds the engine's own; code above `models` imports from there.
"""

from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Literal, Self

from models.messages import Message, sentences

Action = Literal[
    "create_project", "open_project", "import_images", "import_unlabelled", "choose_columns", "take_marks",
    "label", "find_issues", "keep_best", "mend", "decide_conflicts", "split",
    "split_without_test", "train", "resume",
    "evaluate", "combine", "export", "restore", "check", "relink", "fetch_weights", "import_weights",
    "remove_weights", "list_weights", "list_settings", "allow_network", "diagnose", "install",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class NextStep:
    """A suggested action for the reader of an error; window and command line word it."""

    action: Action
    _: KW_ONLY
    project: Path | None = None
    run: str = ""
    split: str = ""
    backbone: str = ""
    path: Path | None = None  # the file or folder to take: images to import, a weights file, a label file
    requirement: str = ""  # for pip
    columns: tuple[str, ...] = ()  # of a table, for the reader to choose one

    def on(self, project: Path | None) -> Self:
        """Return the step with the project filled in where it names none."""
        return self if self.project is not None or project is None else replace(self, project=project)


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a set of settings, with the field to mark (empty: the whole form)."""

    field: str
    message: str
    hint: str = ""
    next_step: NextStep | None = None


class VisionFTError(Exception):
    """An expected failure; the hint is advice for window and command line alike, and names no button or command.

    `values` fill the placeholders of the message and of the hint.
    """

    def __init__(self, message: str, hint: str = "", next_step: NextStep | None = None, **values: object) -> None:
        if values:
            message, hint = Message(message, **values), Message(hint, **values)
        super().__init__(message, hint, next_step)
        self.message = message
        self.hint = hint
        self.next_step = next_step

    def __str__(self) -> str:
        return sentences(self.message, self.hint)


class ConfigError(VisionFTError):
    """One or more settings are invalid; `problems` pairs each fault with the field it belongs to."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        parts = [
            Message("{field}: {message}", field=each.field, message=Message(each.message))
            if each.field
            else each.message
            for each in problems
        ]
        text = sentences(*parts, joint="; ")
        hint = next((problem.hint for problem in problems if problem.hint), "")
        super().__init__(text, hint, next((problem.next_step for problem in problems if problem.next_step), None))
