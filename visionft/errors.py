"""What a user may meet as "expected": a message for a person and a hint that names the next step.

Anything that is not a `VisionFTError` is a bug: it is logged with its traceback and never dressed up as advice.
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


class ProjectError(VisionFTError):
    """The project folder, its database or a change to it is at fault."""


class ImageError(VisionFTError):
    """A picture cannot be used; `message` is the reason that lists show beside its path."""


class ConfigError(VisionFTError):
    """One or more settings are invalid; `problems` pairs each fault with the field it belongs to."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems), problems[0].hint)


class WeightsError(VisionFTError):
    """Pretrained weights cannot be had, read or fitted."""


class RunError(VisionFTError):
    """A training run's folder or checkpoint is missing, damaged or of another make."""


class ExportError(VisionFTError):
    """An export failed or differs from PyTorch; nothing was left behind."""
