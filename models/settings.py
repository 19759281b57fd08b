"""Settings as frozen dataclasses whose field metadata feeds form, command line, docs and range checks. Torch-free."""

import dataclasses
from typing import Any

from models.errors import Problem


def setting(
    default: Any,
    *,
    label: str,
    help: str,  # noqa: A002
    minimum: float | None = None,
    maximum: float | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    advanced: bool = False,
    automatic: float | None = None,
) -> Any:
    """Declare a dataclass field together with all that a form, a command line and a validator need to know of it.

    Args:
        default: The value of an untouched field.
        label: What a form calls it.
        help: One sentence on what it does and when to change it.
        minimum: Smallest allowed number, inclusive.
        maximum: Largest allowed number, inclusive.
        unit: Unit shown behind the value.
        choices: The allowed words of a text field.
        advanced: True hides it in a form until the user asks for it.
        automatic: The number that leaves the choice to the program; a form says so in its place.
    """
    metadata = {
        "label": label,
        "help": help,
        "min": minimum,
        "max": maximum,
        "unit": unit,
        "choices": choices,
        "advanced": advanced,
        "automatic": automatic,
    }
    return dataclasses.field(default=default, metadata=metadata)


def range_words(metadata: Any) -> str:
    """Return what a field's metadata allow, in words: `1 to 10,000 epochs`, `one of adamw, sgd`; empty for anything."""
    if choices := metadata["choices"]:
        return f"one of {', '.join(each or '(nothing)' for each in choices)}"
    low, high, unit = metadata["min"], metadata["max"], metadata["unit"]
    if low is None or high is None:
        return ""
    return f"{_number(low)} to {_number(high)} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def range_problems(settings: Any, *, prefix: str = "") -> list[Problem]:
    """Check each field of a settings dataclass against its own metadata and return every fault."""
    problems: list[Problem] = []
    for field in dataclasses.fields(settings):
        if message := _range_fault(getattr(settings, field.name), field.metadata):
            problems.append(Problem(prefix + field.name, message))
    return problems


def _range_fault(value: Any, metadata: Any) -> str:
    choices, low, high = metadata.get("choices"), metadata.get("min"), metadata.get("max")
    if choices and value not in choices:
        return f"{value!r} is not one of {', '.join(choices)}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if value != value:
        return "must be a number"
    if low is not None and value < low:
        return f"must be at least {low:g}, got {value:g}"
    if high is not None and value > high:
        return f"must be at most {high:g}, got {value:g}"
    return ""
