"""A recipe: all settings of a training, without its data, as one readable TOML file. Torch-free.

It holds the effective settings, the identity of the base weights, and the program's version. It holds nothing of its
run (number, accuracy), so a recipe and the recipe of a run trained with it are the same text. Each setting has a
comment from its field's metadata, each fault its line. The standard library reads TOML and does not write it; only
keys, texts, numbers and comments are written here.
"""

import dataclasses
import json
import re
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import visionft
from models.weights.locations import PRETRAINED, RANDOM, find_weights
from models.weights.records import bare_origin, checked_sha256
from visionft.core.amounts import size_text
from visionft.core.errors import ConfigError, NextStep, Problem, RunError, WeightsError
from visionft.core.files import expand_home, open_regular, write_text
from visionft.core.messages import Message
from visionft.core.settings import range_words
from visionft.training.base_weights import read_base_weights, stated_origin
from visionft.training.config.train_config import FORMAT_VERSION, METHODS_FIELD, NETWORK_FIELD, TrainConfig
from visionft.training.runs.run_folder import StoredRun

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
    """Return a value as a TOML literal.

    Raises:
        ConfigError: The text cannot be encoded: it has lone surrogates, as an undecodable file name has.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            hint = "Give the file a name of letters, digits and signs that can be written."
            message = Message("the name {value} cannot be written", value=repr(value))
            raise ConfigError((Problem("", message, hint),)) from error
        # JSON's escapes are valid in TOML, which also requires DEL to be escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Parse a TOML text; `name` is the file's name for messages."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else Message("it is nested too deeply")
        reason = re.sub(r" \(at (line \d+), column \d+\)$", r" (\1)", reason)
        hint = Message("Correct that line, or save the recipe again from its run.")
        raise ConfigError((Problem(name, Message("is not TOML: {reason}", reason=reason), hint),)) from error


def parse_settings(values: Any, version: int) -> TrainConfig:
    """Return the settings of a recipe's table; missing ones take the defaults (ConfigError: all faults at once)."""
    if not isinstance(values, dict):
        message = Message("is a group, under [{settings}], and not {values}", settings=SETTINGS, values=repr(values))
        raise ConfigError((Problem("", message),))
    if NETWORK_FIELD in values:
        raise ConfigError((Problem(NETWORK_FIELD, "is not a setting of this version"),))
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


SUFFIX: Final = ".toml"
MAX_RECIPE_BYTES: Final = 10**6
_VERSION, _PROGRAM, _WEIGHTS = "format_version", "visionft", "weights"
_HEAD = """\
# A recipe of VisionFT: what decides a training besides the images, their labels, splits and prompts.
# To train with it, give it to the command that trains, or open it on the Train page. What is chosen there besides wins;
# a line that is taken out takes the program's own value.
"""
_OF_WEIGHTS = (
    "What training begins with. Another file than this one is refused; without this table, any that the setting "
    "weights leads to is taken."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWeights:
    file: str
    sha256: str
    licence: str = ""
    origin: str = ""  # the hub's repository, the authors, or the name of the imported file
    revision: str = ""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    config: TrainConfig
    weights: StartWeights | None = None  # its base weights; None for random or unknown ones
    program: str = visionft.__version__
    name: str = field(default="", compare=False)  # of its file, for messages; empty without one
    lines: Mapping[str, int] = field(default_factory=dict[str, int], compare=False)  # {key: line} in that file

    @classmethod
    def of_run(cls, run: StoredRun) -> Self:
        """Return the recipe of a run (RunError: it is an ensemble, or its `weights.json` is damaged)."""
        if run.parts:
            parts = ", ".join(part.run for part in run.parts)
            hint = Message("Take the recipe of one of its parts: {parts}.", parts=parts)
            raise RunError(Message("{run} is a combination of runs, and was not trained.", run=run.title), hint)
        kept = read_base_weights(run.path)
        weights = None
        if kept is not None and kept.sha256:
            stated = {each.name: getattr(kept, each.name) for each in dataclasses.fields(StartWeights)}
            weights = StartWeights(**stated | {"origin": bare_origin(kept.origin)})
        return cls(config=run.config, weights=weights)

    @classmethod
    def of_settings(cls, config: TrainConfig) -> Self:
        """Return the recipe of a future run (WeightsError: its base weights are missing or differ)."""
        if config.weights == RANDOM:
            return cls(config=config)
        path = find_weights(config.backbone_row, config.weights)
        sha256 = checked_sha256(config.backbone_row, path)
        licence, origin, revision = stated_origin(config, path, sha256)
        stated = {"licence": licence, "origin": bare_origin(origin), "revision": revision}
        return cls(config=config, weights=StartWeights(file=path.name, sha256=sha256, **stated))

    def text(self) -> str:
        """Return it as TOML (ConfigError: the name of its weights file cannot be written)."""
        config = self.config
        path = Path(self.config.weights)
        if path.is_absolute() and path.is_relative_to(Path.home()):  # another computer may have it there too
            config = dataclasses.replace(config, weights=f"~/{path.relative_to(Path.home()).as_posix()}")
        lines = [f"{_VERSION} = {FORMAT_VERSION}", f"{_PROGRAM} = {toml_value(self.program)}"]
        parts = [_HEAD, "\n".join(lines), "", settings_text(config)]
        if self.weights is not None:
            values = dataclasses.asdict(self.weights)
            pairs = [f"{key} = {toml_value(value)}" for key, value in values.items() if value]
            parts += [f"[{_WEIGHTS}]", *comment(_OF_WEIGHTS), *pairs, ""]
        return "\n".join(parts)

    def located(self, error: ConfigError, *, given: tuple[str, ...] = ()) -> ConfigError:
        """Return an error with the lines of the file, but for the `given` settings, which come from elsewhere."""
        lines = {key: line for key, line in self.lines.items() if key.removeprefix(f"{SETTINGS}.") not in given}
        return located(error, self.name, lines)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe, whole or not at all (VisionFTError: the disk is full, or the place cannot be written)."""
    write_text(path, recipe.text())


def read_recipe(path: Path) -> Recipe:
    """Read a recipe (ConfigError: not a recipe, or with unknown or mistyped settings); ranges are not checked."""
    text = _read(path)
    values = parse_toml(text, path.name)
    lines = lines_of(text)
    _check_parts(values, path.name, lines)
    try:
        config = parse_settings(values.get(SETTINGS, {}), values.get(_VERSION, FORMAT_VERSION))
    except ConfigError as error:
        raise located(error, path.name, lines) from error
    weights = _parse_weights(values.get(_WEIGHTS), path.name, lines)
    if config.weights not in (PRETRAINED, RANDOM):  # a path is relative to the recipe's own folder
        found = (path.parent / expand_home(config.weights)).absolute()
        config = dataclasses.replace(config, weights=str(found))
    program = values.get(_PROGRAM, visionft.__version__)
    return Recipe(config=config, weights=weights, program=program, name=path.name, lines=lines)


def _read(path: Path) -> str:
    hint = Message("Give a recipe that VisionFT saved.")
    try:
        with open_regular(path) as handle:
            content = handle.read(MAX_RECIPE_BYTES + 1)
        if len(content) > MAX_RECIPE_BYTES:
            reason = Message("is larger than {limit}, the limit of recipes", limit=size_text(MAX_RECIPE_BYTES))
            raise ConfigError((Problem(path.name, reason, hint),))
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = Message("cannot be read: {reason}", reason=error.strerror or error)
        raise ConfigError((Problem(str(path), reason, "Check the path and its permissions."),)) from error
    except UnicodeDecodeError as error:
        reason = Message("is not UTF-8 text: byte {value}", value=f"{error.start + 1:,}")
        raise ConfigError((Problem(path.name, reason, hint),)) from error


def _check_parts(values: dict[str, Any], name: str, lines: Mapping[str, int]) -> None:
    version = values.get(_VERSION, FORMAT_VERSION)
    program = values.get(_PROGRAM, "")
    found = list[Problem]()
    if type(version) is not int or version < 1:
        found.append(Problem(_VERSION, Message("must be a whole number from 1, got {version}", version=repr(version))))
    elif version > FORMAT_VERSION:
        by = f" ({program})" if isinstance(program, str) and program else ""
        message = Message("the recipe was written by a newer VisionFT{by}", by=by)
        found.append(Problem(_VERSION, message, "Update this program."))
    if not isinstance(program, str):
        found.append(Problem(_PROGRAM, Message("must be text, got {program}", program=repr(program))))
    if not isinstance(values.get(_WEIGHTS, {}), dict):
        hint = Message("This setting belongs under [{settings}].", settings=SETTINGS)
        found.append(Problem(_WEIGHTS, "must be a table", hint))
    known = {_VERSION, _PROGRAM, SETTINGS, _WEIGHTS}
    hint = Message("Settings stand under [{settings}], those of a method under [{settings}.{methods}.METHOD].")
    hint = Message(hint, settings=SETTINGS, methods=METHODS_FIELD)
    found += [Problem(key, "is not part of a recipe", hint) for key in values if key not in known]
    if not found and not values.get(SETTINGS):
        message = Message("holds no settings: there is no [{SETTINGS}]", SETTINGS=SETTINGS)
        found.append(Problem(name, message, "Give a recipe that VisionFT saved."))
    if found:
        raise located(ConfigError(tuple(found)), name, lines, prefix="")


def _parse_weights(values: dict[str, Any] | None, name: str, lines: Mapping[str, int]) -> StartWeights | None:
    if values is None:
        return None
    known = {each.name for each in dataclasses.fields(StartWeights)}
    odd = [key for key, value in values.items() if key not in known or not isinstance(value, str)]
    found = [Problem(key, Message("must be one of {names}, as text", names=", ".join(sorted(known)))) for key in odd]
    if not found and not re.fullmatch("[0-9a-f]{64}", values.get("sha256", "")):
        hint = "Save the recipe again from its run, or take this table out to begin with the weights that are here."
        reason = "must be the SHA-256 of the file: 64 digits and letters from a to f"
        found.append(Problem("sha256" if "sha256" in values else "", reason, hint))
    if found:
        raise located(ConfigError(tuple(found)), name, lines, prefix=f"{_WEIGHTS}.")
    return StartWeights(**{"file": "the weights", **values})


def require_same_weights(recipe: Recipe, config: TrainConfig) -> None:
    """Raise WeightsError where a recipe would begin with other weights than its own, unless settings name others."""
    begun, own = recipe.weights, recipe.config
    if begun is None or (config.backbone_row, config.weights) != (own.backbone_row, own.weights):
        return
    hint = Message(
        "Copy {file} (SHA-256 {sha256}...) to this computer and give its path as the setting weights, or remove the "
        "table [{weights}] from the recipe.",
        file=begun.file,
        sha256=begun.sha256[:12],
        weights=_WEIGHTS,
    )
    if config.weights != PRETRAINED and not Path(config.weights).exists():
        message = Message("The recipe starts from {file}, which is not at {weights}.", file=begun.file)
        raise WeightsError(Message(message, weights=config.weights), hint)
    path = find_weights(config.backbone_row, config.weights)
    if checked_sha256(config.backbone_row, path) != begun.sha256:
        message = Message("The recipe starts from other weights than the {name} on this computer.", name=path.name)
        raise WeightsError(message, hint, NextStep("list_weights"))
