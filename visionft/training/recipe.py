"""A recipe: what decides a training besides pictures, labels, splits and prompts, as one readable TOML file.

It holds the settings that act, the identity of the weights that the run began with, and the program's version. Nothing
of the run it comes from stands in it (its number, its accuracy), so that a recipe, the run trained with it and that
run's recipe are the same text. Torch-free.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import visionft
from visionft.amounts import size_text
from visionft.errors import ConfigError, NextStep, Problem, RunError, WeightsError
from visionft.files import from_home, write_text
from visionft.training.base_weights import read_base_weights, stated_origin
from visionft.training.config.recipe_text import (
    SETTINGS,
    comment,
    lines_of,
    located,
    parse_settings,
    parse_toml,
    settings_text,
    toml_value,
)
from visionft.training.config.train_config import FORMAT_VERSION, TrainConfig
from visionft.training.runs.run_folder import RunSummary
from visionft.weights.locations import PRETRAINED, RANDOM, find_weights
from visionft.weights.records import bare_origin, checked_sha256

SUFFIX: Final = ".toml"
MOST_BYTES: Final = 10**6
_VERSION, _PROGRAM, _WEIGHTS = "format_version", "visionft", "weights"
_HEAD = """\
# A recipe of VisionFT: what decides a training besides the pictures, their labels, splits and prompts.
# To train with it, give it to the command that trains, or open it on the Train page. What is chosen there besides wins;
# a line that is taken out takes the program's own value.
"""
_OF_WEIGHTS = (
    "What training begins with. Another file than this one is refused; without this table, any that the setting "
    "weights leads to is taken."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWeights:
    """The identity of the weights that a run begins with.

    Attributes:
        file: Name of the file, without folders.
        sha256: Its hash.
        licence: As far as anybody states it.
        origin: The hub's repository, who made it, or the name of the file that was imported.
        revision: The hub's commit, where it is known.
    """

    file: str
    sha256: str
    licence: str = ""
    origin: str = ""
    revision: str = ""

    @property
    def short_hash(self) -> str:
        """Return enough of the hash to tell files apart."""
        return f"{self.sha256[:12]}..."


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training to be repeated.

    Attributes:
        config: The settings.
        weights: What it begins with; None for random weights, and where nobody says.
        program: Version of the program that wrote it.
        name: Of the file that it was read from, for words; empty for one that was not.
        lines: {key: line} in that file.
    """

    config: TrainConfig
    weights: StartWeights | None = None
    program: str = visionft.__version__
    name: str = field(default="", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict[str, int], compare=False)

    @classmethod
    def of_run(cls, run: RunSummary) -> Self:
        """Return the recipe of a run.

        Raises:
            RunError: It was not trained, but is made of other runs; or its `weights.json` is damaged.
            ConfigError: The name of its weights file cannot be written.
        """
        if run.parts:
            hint = f"Take the recipe of one of its parts: {', '.join(part.run for part in run.parts)}."
            raise RunError(f"{run.title} is a combination of runs, and was not trained.", hint)
        kept = read_base_weights(run.path)
        weights = None
        if kept is not None and kept.sha256:
            stated = {each.name: getattr(kept, each.name) for each in dataclasses.fields(StartWeights)}
            weights = StartWeights(**stated | {"origin": bare_origin(kept.origin)})
        return cls(config=run.config, weights=weights)

    @classmethod
    def of_settings(cls, config: TrainConfig) -> Self:
        """Return the recipe of a run to come, with the weights that it would begin with.

        Raises:
            WeightsError: They are not at hand, or not what their catalog says.
        """
        if config.weights == RANDOM:
            return cls(config=config)
        path = find_weights(config.backbone_row, config.weights)
        sha256 = checked_sha256(config.backbone_row, path)
        licence, origin, revision = stated_origin(config, path, sha256)
        stated = {"licence": licence, "origin": bare_origin(origin), "revision": revision}
        return cls(config=config, weights=StartWeights(file=path.name, sha256=sha256, **stated))

    def text(self) -> str:
        """Return it as TOML.

        Raises:
            ConfigError: The name of its weights file cannot be written.
        """
        config = dataclasses.replace(self.config, weights=_portable(self.config.weights))
        lines = [f"{_VERSION} = {FORMAT_VERSION}", f"{_PROGRAM} = {toml_value(self.program)}"]
        parts = [_HEAD, "\n".join(lines), "", settings_text(config)]
        if self.weights is not None:
            values = dataclasses.asdict(self.weights)
            parts += [
                f"[{_WEIGHTS}]",
                *comment(_OF_WEIGHTS),
                *(f"{key} = {toml_value(value)}" for key, value in values.items() if value),
                "",
            ]
        return "\n".join(parts)

    def located(self, error: ConfigError, *, given: tuple[str, ...] = ()) -> ConfigError:
        """Return an error of the settings with the lines of the file they come from.

        Args:
            error: What is wrong with them.
            given: Names of settings that came from elsewhere since, such as the options of a command.
        """
        lines = {key: line for key, line in self.lines.items() if key.removeprefix(f"{SETTINGS}.") not in given}
        return located(error, self.name, lines)


def _portable(weights: str) -> str:
    """Return the place of a weights file as another computer may have it too: below the user's own folder."""
    path = Path(weights)
    if weights in (PRETRAINED, RANDOM) or not path.is_absolute() or not path.is_relative_to(Path.home()):
        return weights
    return f"~/{path.relative_to(Path.home()).as_posix()}"


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe, whole or not at all.

    Raises:
        VisionFTError: The disk is full, or the place cannot be written.
        ConfigError: The name of its weights file cannot be written.
    """
    write_text(path, recipe.text())


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; whether the settings are in range and go together is asked when they are used.

    Raises:
        ConfigError: It is none, or a newer program's; unknown and mistyped settings, all at once, by their lines.
    """
    text = _read(path)
    values, lines = parse_toml(text, path.name), lines_of(text)
    _check_parts(values, path.name, lines)
    try:
        config = parse_settings(values.get(SETTINGS, {}), values.get(_VERSION, FORMAT_VERSION))
    except ConfigError as error:
        raise located(error, path.name, lines) from error
    weights = _parse_weights(values.get(_WEIGHTS), path.name, lines)
    config = dataclasses.replace(config, weights=_found_from(config.weights, path.parent))
    program = values.get(_PROGRAM, visionft.__version__)
    return Recipe(config=config, weights=weights, program=program, name=path.name, lines=lines)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            content = handle.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            reason = f"is larger than {size_text(MOST_BYTES)}, which no recipe is"
            raise ConfigError((Problem(path.name, reason, "Give a recipe that VisionFT saved."),))
        return content.decode("utf-8-sig")
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        raise ConfigError((Problem(str(path), reason, "Check the path and its permissions."),)) from error
    except UnicodeDecodeError as error:
        reason = f"is no text (UTF-8): byte {error.start + 1:,}"
        raise ConfigError((Problem(path.name, reason, "Give a recipe that VisionFT saved."),)) from error


def _check_parts(values: dict[str, Any], name: str, lines: Mapping[str, int]) -> None:
    """Refuse what no recipe has at its top, and what a newer program wrote.

    Raises:
        ConfigError: There is such a thing.
    """
    version, program, found = values.get(_VERSION, FORMAT_VERSION), values.get(_PROGRAM, ""), list[Problem]()
    if type(version) is not int or version < 1:
        found.append(Problem(_VERSION, f"must be a whole number from 1, got {version!r}"))
    elif version > FORMAT_VERSION:
        by = f" ({program})" if isinstance(program, str) and program else ""
        found.append(Problem(_VERSION, f"the recipe was written by a newer VisionFT{by}", "Update this program."))
    if not isinstance(program, str):
        found.append(Problem(_PROGRAM, f"must be text, got {program!r}"))
    if not isinstance(values.get(_WEIGHTS, {}), dict):
        found.append(Problem(_WEIGHTS, "must be a table", f"A setting of that name stands under [{SETTINGS}]."))
    known = {_VERSION, _PROGRAM, SETTINGS, _WEIGHTS}
    hint = f"Settings stand under [{SETTINGS}], those of a method under [{SETTINGS}.METHOD]."
    found += [Problem(key, "is no part of a recipe", hint) for key in values if key not in known]
    if not found and not values.get(SETTINGS):
        found.append(
            Problem(name, f"holds no settings: there is no [{SETTINGS}]", "Give a recipe that VisionFT saved.")
        )
    if found:
        raise located(ConfigError(tuple(found)), name, lines, prefix="")


def _parse_weights(values: dict[str, Any] | None, name: str, lines: Mapping[str, int]) -> StartWeights | None:
    if values is None:
        return None
    known = {each.name for each in dataclasses.fields(StartWeights)}
    odd = [key for key, value in values.items() if key not in known or not isinstance(value, str)]
    found = [Problem(key, f"must be one of {', '.join(sorted(known))}, as text") for key in odd]
    if not found and not re.fullmatch("[0-9a-f]{64}", values.get("sha256", "")):
        hint = "Save the recipe again from its run, or take this table out to begin with the weights that are here."
        reason = "must be the SHA-256 of the file: 64 digits and letters from a to f"
        found.append(Problem("sha256" if "sha256" in values else "", reason, hint))
    if found:
        raise located(ConfigError(tuple(found)), name, lines, prefix=f"{_WEIGHTS}.")
    return StartWeights(**{"file": "the weights", **values})


def _found_from(weights: str, folder: Path) -> str:
    """Return a setting's path as it is meant in a recipe: from the recipe's own folder."""
    return weights if weights in (PRETRAINED, RANDOM) else str((folder / from_home(weights)).absolute())


def require_same_weights(recipe: Recipe, config: TrainConfig) -> None:
    """Refuse to train with a recipe on other weights than its own; where settings name others on purpose, all is well.

    Args:
        recipe: What is trained with.
        config: Its settings, with whatever came from elsewhere.

    Raises:
        WeightsError: They are not on this computer, or are others.
    """
    begun, own = recipe.weights, recipe.config
    if begun is None or (config.backbone_row, config.weights) != (own.backbone_row, own.weights):
        return
    hint = (
        f"Bring {begun.file} with SHA-256 {begun.short_hash} here and name its place in the setting weights, or take "
        f"the table [{_WEIGHTS}] out of the recipe."
    )
    if config.weights != PRETRAINED and not Path(config.weights).exists():
        raise WeightsError(f"The recipe begins with {begun.file}, which is not at {config.weights}.", hint)
    path = find_weights(config.backbone_row, config.weights)
    if checked_sha256(config.backbone_row, path) != begun.sha256:
        step = NextStep("list_weights")
        raise WeightsError(f"The recipe begins with other weights than the {path.name} that is here.", hint, step)
