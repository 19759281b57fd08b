"""Settings as TOML with a comment for each, and TOML as settings, with the line of every fault. Torch-free.

The comments come from the fields' own metadata. The standard library reads TOML and does not write it; what is written
here are keys, texts, numbers and comments, nothing else of TOML.
"""

import dataclasses
import json
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from models.settings import range_words
from visionft.errors import ConfigError, NextStep, Problem
from visionft.training.config.train_config import NETWORK, TrainConfig

SETTINGS: Final = "settings"
_WIDTH: Final = 118
_CHOSEN = "# What was chosen: the rest is as the program has it by itself."
_USUAL = "# As the program has it by itself."
_LEADING = ("backbone", "method")
_TABLE = re.compile(r"\s*\[\s*([\w.\-]+)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"\s*([\w.\-]+)\s*=")


def settings_text(config: TrainConfig) -> str:
    """Return the settings that act in a run, those of its method with it, as tables of TOML."""
    usual = TrainConfig()
    groups = [(SETTINGS, config, usual), (f"{SETTINGS}.{config.method}", config.method_options, None)]
    return "\n".join(line for group in groups for line in _table(*group))


def _table(name: str, settings: Any, usual: Any) -> Iterator[str]:
    """Yield the lines of a group of settings, those first that differ from `usual` (None: the class's defaults)."""
    fields = [field for field in dataclasses.fields(settings) if field.metadata]  # others are groups of their own
    if not fields:
        return
    usual = usual or type(settings)()
    differing = [
        field
        for field in fields
        if field.name in _LEADING or getattr(settings, field.name) != getattr(usual, field.name)
    ]
    yield f"[{name}]"
    for heading, chosen in ((_CHOSEN, differing), (_USUAL, [each for each in fields if each not in differing])):
        if chosen:
            yield from ("", heading, "")
        for field in chosen:
            yield from comment(_words(field.metadata))
            yield f"{field.name} = {toml_value(getattr(settings, field.name))}"
    yield ""


def _words(metadata: Mapping[str, Any]) -> str:
    allowed = range_words(metadata)
    return f"{metadata['label']}{f', {allowed}' if allowed else ''}. {metadata['help']}"


def comment(text: str) -> list[str]:
    """Return a text as lines of comment."""
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def toml_value(value: str | float | bool) -> str:
    """Return a value as TOML writes it.

    Raises:
        ConfigError: A text is no Unicode, as the name of a file may be, or a number is none.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            hint = "Give the file a name of letters, digits and signs that can be written."
            raise ConfigError((Problem("", f"the name {value!r} cannot be written", hint),)) from error
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes as JSON does, and this
    return repr(value)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Return what a TOML text says; `name` is what words call its file.

    Raises:
        ConfigError: It is no TOML; the words tell the line.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        reason = re.sub(r" \(at (line \d+), column \d+\)$", r" (\1)", reason)
        hint = "Mend that line, or save the recipe again from its run."
        raise ConfigError((Problem(name, f"is no TOML: {reason}", hint),)) from error


def parse_settings(values: Any, version: int) -> TrainConfig:
    """Return the settings that a recipe's table holds; those that it leaves out are the program's own.

    Raises:
        ConfigError: Entries are unknown or mistyped; all at once, by the names of settings.
    """
    if not isinstance(values, dict):
        raise ConfigError((Problem("", f"is a group, under [{SETTINGS}], and not {values!r}"),))
    if NETWORK in values:
        raise ConfigError((Problem(NETWORK, "is not a setting of this version"),))
    return TrainConfig.from_dict({"format_version": version, **values})


def lines_of(text: str) -> dict[str, int]:
    """Return {key: line} of a TOML text, a key of a table as `settings.lora.rank`; only what is written plainly."""
    table, found = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            table = f"{match[1]}."
            found.setdefault(match[1], number)
        elif match := _KEY.match(line):
            found.setdefault(table + match[1], number)
    return found


def located(error: ConfigError, name: str, lines: Mapping[str, int], *, prefix: str = f"{SETTINGS}.") -> ConfigError:
    """Return an error whose problems name file and line of the settings that stand in the file.

    Args:
        error: What is wrong.
        name: Of the file.
        lines: Of `lines_of`, without those of settings that do not come from the file.
        prefix: The table that the problems' fields belong to.
    """
    return ConfigError(tuple(_located(each, name, lines, prefix) for each in error.problems))


def _located(problem: Problem, name: str, lines: Mapping[str, int], prefix: str) -> Problem:
    line = lines.get(f"{prefix}{problem.field}" if problem.field else prefix.rstrip("."))
    if line is None:
        return problem
    field = f"{name}, line {line}{f', {problem.field}' if problem.field else ''}"
    step = problem.next_step or NextStep("list_settings")
    return dataclasses.replace(problem, field=field, next_step=step)
