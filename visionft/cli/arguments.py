"""Arguments and options that several commands take, and the arguments of the running command."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Option

from visionft.core.errors import VisionFTError

MAX_COUNT = 10**9  # of counts; bounds of a number option exclude nan and infinity too
MAX_SEED = 2**31 - 1


@dataclass
class CommandArguments:
    """The arguments of the running command by name; filled in by typer."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


def seconds_of(text: str) -> float:
    """Return the seconds of a time span such as `90s`, `5m`, `1h` or `90` (VisionFTError: not a time span)."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) *(s|m|min|h|)", text.strip())
    if match is None or not (seconds := float(match[1]) * {"h": 3600, "m": 60, "min": 60}.get(match[2], 1)):
        raise VisionFTError(f"“{text}” is no time span.", "Give a number with s, m or h, such as 90s, 5m or 1h.")
    return seconds


def _keep_arguments(context: Context, as_json: bool) -> bool:
    """Store the command's arguments, for the form and the next step of a possible error."""
    if isinstance(context.obj, CommandArguments):
        context.obj.values = context.params
    return as_json


Json = Annotated[bool, Option("--json", help="Print one JSON value on stdout.", callback=_keep_arguments)]
ProjectDir = Annotated[Path, Argument(metavar="PROJECT", help="The project folder.")]
RunName = Annotated[str, Argument(metavar="RUN", help="The run's name, or its number.")]
SplitName = Annotated[str, Option(help="val or test.")]
Images = Annotated[list[Path], Argument(metavar="IMAGE...", help="Images, or folders of them.")]
ModelPath = Annotated[Path, Argument(metavar="MODEL_OR_DIR", help="An exported model.onnx or its folder.")]
Device = Annotated[str, Option(help="auto, cpu, cuda or mps.")]
BackboneName = Annotated[str, Option(help="See `visionft weights list`.")]
Seed = Annotated[int, Option(min=0, max=MAX_SEED, help="Seed of random choices.")]


def share_option(help_text: str) -> Any:
    return Option(metavar="SHARE", min=0, max=1, help=help_text)
