"""Settings as TOML with a comment for each, and TOML as settings, with the line of every fault. Torch-free.

The comments come from the fields' metadata. The standard library reads TOML and does not write it; only keys, texts,
numbers and comments are written here.
"""

import dataclasses
import json
import re
import textwrap
import tomllib
from collections.abc import Mapping
from typing import Any, Final

from models.messages import Message
from models.settings import range_words
from visionft.errors import ConfigError, NextStep, Problem
from visionft.training.config.train_config import METHODS_FIELD, NETWORK, TrainConfig

SETTINGS: Final = "settings"
_CHOSEN = "# What was chosen: the rest is as the program has it by itself."
_USUAL = "# As the program has it by itself."
_TABLE = re.compile(r"\s*\[\s*([\w.\-]+)\s*\]\s*(#.*)?$")
_KEY = re.compile(r"\s*([\w.\-]+)\s*=")


def settings_text(config: TrainConfig) -> str:
    """Return the effective settings of a run, its method's included, as TOML tables; non-default ones first."""
    method_options = config.method_options
    lines = list[str]()
    for name, settings, usual in (
        (SETTINGS, config, TrainConfig()),
        (f"{SETTINGS}.{METHODS_FIELD}.{config.method}", method_options, type(method_options)()),
    ):
        fields: list[dataclasses.Field[Any]] = [
            each  # those without metadata are no settings of the user
            for each in dataclasses.fields(settings)
            if each.metadata and each.name not in config.unused_settings
        ]
        differing = [
            each
            for each in fields
            if each.name in ("backbone", "method") or getattr(settings, each.name) != getattr(usual, each.name)
        ]
        if fields:
            lines.append(f"[{name}]")
        for heading, chosen in ((_CHOSEN, differing), (_USUAL, [each for each in fields if each not in differing])):
            if chosen:
                lines += ["", heading, ""]
            for each in chosen:
                allowed = range_words(each.metadata)
                label = f"{each.metadata['label']}{f', {allowed}' if allowed else ''}"
                lines += comment(f"{label}. {each.metadata['help']}")
                lines.append(f"{each.name} = {toml_value(getattr(settings, each.name))}")
        if fields:
            lines.append("")
    return "\n".join(lines)


def comment(text: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="# ")


def toml_value(value: str | float | bool) -> str:
    """Return a value as TOML writes it (ConfigError: a text is no Unicode, as the name of a file may be)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            hint = "Give the file a name of letters, digits and signs that can be written."
            message = Message("the name {value} cannot be written", value=repr(value))
            raise ConfigError((Problem("", message, hint),)) from error
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes as JSON does, and this
    return repr(value)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Parse a TOML text; `name` is the file's name for messages."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else Message("it is nested too deeply")
        reason = re.sub(r" \(at (line \d+), column \d+\)$", r" (\1)", reason)
        hint = Message("Correct that line, or save the recipe again from its run.")
        raise ConfigError((Problem(name, Message("is no TOML: {reason}", reason=reason), hint),)) from error


def parse_settings(values: Any, version: int) -> TrainConfig:
    """Return the settings of a recipe's table; missing ones take the defaults (ConfigError: all faults at once)."""
    if not isinstance(values, dict):
        message = Message("is a group, under [{settings}], and not {values}", settings=SETTINGS, values=repr(values))
        raise ConfigError((Problem("", message),))
    if NETWORK in values:
        raise ConfigError((Problem(NETWORK, "is not a setting of this version"),))
    return TrainConfig.from_dict({"format_version": version, **values})


def lines_of(text: str) -> dict[str, int]:
    """Return {key: line} of a TOML text, with keys such as `settings.lora.rank`; plain syntax only.

    Options are called as everywhere else, wherever they stand: `rank` below `[settings.methods.lora]` is `lora.rank`.
    """
    table = ""
    found = dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _TABLE.match(line):
            heading = match[1].replace(f"{SETTINGS}.{METHODS_FIELD}.", f"{SETTINGS}.")
            table = f"{heading}."
            found.setdefault(heading, number)
        elif match := _KEY.match(line):
            found.setdefault(table + match[1], number)
    return found


def located(error: ConfigError, name: str, lines: Mapping[str, int], *, prefix: str = f"{SETTINGS}.") -> ConfigError:
    """Return an error with file and line in its problems; their fields are in the table `prefix` of `lines`."""
    found = list[Problem]()
    for problem in error.problems:
        line = lines.get(f"{prefix}{problem.field}" if problem.field else prefix.rstrip("."))
        if line is not None:
            field = f"{name}, line {line}{f', {problem.field}' if problem.field else ''}"
            step = problem.next_step or NextStep("list_settings")
            problem = dataclasses.replace(problem, field=field, next_step=step)
        found.append(problem)
    return ConfigError(tuple(found))
