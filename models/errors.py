"""The base of every error a user may meet, kept in the lowest layer so that all layers can raise it.

`visionft.errors` re-exports these and adds the engine's own; code above `models` imports from there.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a set of settings, with the field to mark (empty: the whole form)."""

    field: str
    message: str
    hint: str = ""


class VisionFTError(Exception):
    """An expected failure: shown as a banner in the window, as one line on stderr (exit 2) on the command line.

    Args:
        message: What is wrong, in one sentence, with the offending value.
        hint: The next step the user can take; empty only where there is none.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(VisionFTError):
    """One or more settings are invalid; `problems` pairs each fault with the field it belongs to."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        text = "; ".join(
            f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in problems
        )
        super().__init__(text, next((problem.hint for problem in problems if problem.hint), ""))
