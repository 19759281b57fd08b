"""`visionft help`: the help of a command; `help agents`: the whole command line on one page, made from the commands.

One value (`program_value`) and its text (`page_text`); no list of commands is kept anywhere else.
"""

import dataclasses
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer import Argument

import visionft
from models.methods.table import METHODS
from models.settings import range_words
from visionft.cli import completion
from visionft.cli.arguments import Json
from visionft.cli.output import ERROR, EXIT_CODES, print_result
from visionft.cli.schemas import in_short, prints, schema_of, to_schema
from visionft.errors import VisionFTError
from visionft.training.config.train_config import TrainConfig

_WIDTH: Final = 118
CONVENTIONS: Final = (
    "No command asks a question (`push` does, at a terminal). What is missing is an error with what to run next.",
    "With --json a command prints one JSON value on stdout and nothing else there; progress and notices go to stderr.",
    "In that value null stands for a number that is none: NaN, or an infinite one.",
    "With --json an error is the last line of stderr, as JSON; wrong usage of the command line is plain text.",
    "Every change of a project is one step of its history: `visionft project undo PROJECT` undoes it, also days later.",
    "Images are only read, wherever they lie; a project is a folder that holds labels, runs and what is computed.",
    "A run is PROJECT/runs/NNN-backbone-method and goes by its name or its number; an export is a folder by itself.",
    "Files that are written appear whole or not at all. Commands that take long stop well at the first Ctrl-C.",
    "Only what fetches weights or public sets, or uploads, uses the network; VISIONFT_OFFLINE=1 forbids it.",
    "One command at a time changes a project; others that only read may run beside it.",
)
WALK: Final = (
    ("visionft project new PROJECT", "an empty project"),
    ("visionft import PROJECT IMAGES --json", "class folders, a label file of another tool, or a zip"),
    ("visionft split PROJECT --json", "train, val and test"),
    ("visionft train PROJECT --preset balanced --json", "tells the run's name and its accuracy on val"),
    ("visionft model export PROJECT RUN OUT --json && visionft predict OUT IMAGES --json", "one verified ONNX file"),
)

_PARAMETER = {  # an argument (without `names`) or option
    "name": str,
    "names": list[str],
    "value": str | None,
    "type": str,
    "required": bool,
    "repeated": bool,
    "default": Any,
    "minimum": float | None,
    "maximum": float | None,
    "help": str,
}
_COMMAND = {
    "command": str,
    "usage": str,
    "help": str,
    "arguments": [_PARAMETER],
    "options": [_PARAMETER],
    "prints": Any,
}
_PROGRAM = {
    "program": str,
    "version": str,
    "conventions": tuple[str, ...],
    "exit_codes": dict[str, str],
    "error": Any,
    "walk_through": list[str],
    "commands": [_COMMAND],
    "settings": [{"name": str, "default": Any, "allowed": str, "help": str}],
}


@prints(_PROGRAM, {"help": str})
def help_(
    context: typer.Context,
    topic: Annotated[
        list[str] | None,
        Argument(
            metavar="[COMMAND]", help="A command, or agents: everything on one page.", autocompletion=completion.topics
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the help of a command; `help agents`: of all, for scripts.

    `visionft help agents --json` includes the JSON Schema of each command's output.
    """
    if topic == ["agents"]:
        value = program_value(context.find_root().command)
        print_result(value, lambda: page_text(value), as_json=json)
        return
    found = command_named(context.find_root().command, topic or [])
    text = found.command.get_help(found)
    print_result({"help": text}, text, as_json=json)


def program_value(program: Any) -> dict[str, Any]:
    """Return conventions, exit codes, the form of errors, each command and setting (of a method as `lora.rank`)."""
    settings: list[dict[str, Any]] = []
    for prefix, kind in [("", TrainConfig), *((f"{name}.", method.options) for name, method in METHODS.items())]:
        for field in dataclasses.fields(kind):
            if field.metadata:
                settings.append(
                    {
                        "name": f"{prefix}{field.name}",
                        "default": field.default,
                        "allowed": range_words(field.metadata),
                        "help": field.metadata["help"],
                    }
                )
    values: list[dict[str, Any]] = []
    for name, command in commands(program):
        parameters = [(each, _parameter_value(each)) for each in command.params if not each.hidden]
        arguments = [value for each, value in parameters if _is_argument(each)]
        places = [_place(each) for each, _ in parameters if _is_argument(each)]
        values.append(
            {
                "command": name,
                "usage": " ".join(["visionft", name, *places, "[OPTIONS]"]),
                "help": " ".join((command.help or "").split()),
                "arguments": arguments,
                "options": [value for each, value in parameters if not _is_argument(each)],
                "prints": schema_of(command.callback),
            }
        )
    return {
        "program": "visionft",
        "version": visionft.__version__,
        "conventions": CONVENTIONS,
        "exit_codes": {str(code): words for code, words in EXIT_CODES.items()},
        "error": to_schema(ERROR),
        "walk_through": [line for line, _ in WALK],
        "commands": values,
        "settings": settings,
    }


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each command with its name, those of a group inside as `weights fetch`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _is_argument(parameter: Any) -> bool:
    return parameter.param_type_name == "argument"


def _place(argument: Any) -> str:
    return argument.metavar or argument.name.upper()


def _parameter_value(parameter: Any) -> dict[str, Any]:
    default = parameter.default() if callable(parameter.default) else parameter.default
    is_argument = _is_argument(parameter)
    is_flag = getattr(parameter, "is_flag", False)
    annotation = parameter.type_descriptor.annotation
    while arguments := typing.get_args(annotation):  # of a list, or of what may be missing
        is_either = typing.get_origin(annotation) in (typing.Union, types.UnionType)
        annotation = next(each for each in arguments if not is_either or each is not type(None))
    kind = {Path: "path", int: "integer", float: "number", bool: "flag"}.get(annotation, "text")
    return {
        "name": _place(parameter).strip("[]") if is_argument else parameter.opts[0],
        "names": [] if is_argument else [*parameter.opts, *parameter.secondary_opts],
        "value": None if is_flag else parameter.metavar or kind.upper(),
        "type": "flag" if is_flag else kind,
        "required": parameter.required,
        "repeated": parameter.multiple or parameter.nargs != 1,
        "default": str(default) if isinstance(default, Path) else default,
        "minimum": parameter.min,
        "maximum": parameter.max,
        "help": parameter.help or "",
    }


def page_text(value: dict[str, Any]) -> str:
    """Return the value of `program_value` as one page of text, for a person or a language model."""
    lines = [f"# VisionFT {value['version']} for scripts and agents", ""]
    lines += [*(_wrapped(f"- {each}", "  ") for each in CONVENTIONS), "", "## Exit codes", ""]
    lines += [f"{code:>4}  {words}" for code, words in value["exit_codes"].items()]
    lines += ["", "## An error, with --json", "", _wrapped(in_short(value["error"]), "  ")]
    lines += ["", "## The whole way", ""]
    lines += [f"  {line}\n      # {words}" for line, words in WALK]
    for command in value["commands"]:
        lines += ["", f"## {command['usage']}", "", _wrapped(command["help"], "")]
        shown = [each for each in command["arguments"] + command["options"] if each["name"] != "--json"]
        lines += [_wrapped(_parameter_text(each), "      ") for each in shown]
        if command["prints"] is not None:
            lines.append(_wrapped(f"  --json prints {in_short(command['prints'])}", "      "))
    lines += ["", "## Settings of a training: --set KEY=VALUE, and recipes", ""]
    for each in value["settings"]:
        default = str(each["default"]).lower() if isinstance(each["default"], bool) else each["default"]
        facts = ", ".join(filter(None, (each["allowed"], f"default {default}" if default != "" else "")))
        lines.append(_wrapped(f"  {each['name']} ({facts}): {each['help']}", "      "))
    lines += ["", "JSON Schema of all this: visionft help agents --json"]
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _parameter_text(parameter: dict[str, Any]) -> str:
    named = "/".join(parameter["names"]) or parameter["name"]
    value = f" {parameter['value']}" if parameter["names"] and parameter["value"] else ""
    is_obvious = parameter["type"] in ("flag", "text") or parameter["value"] == parameter["type"].upper()
    facts = [] if is_obvious else [parameter["type"]]
    if parameter["minimum"] is not None:
        facts.append(f"at least {parameter['minimum']}")
    if parameter["maximum"] is not None:
        facts.append(f"at most {parameter['maximum']}")
    if parameter["repeated"]:
        facts.append("repeatable")
    if parameter["default"] not in (None, False, "", []):
        facts.append(f"default {parameter['default']}")
    limits = f" ({', '.join(facts)})" if facts else ""
    return f"  {named}{value}{limits}: {parameter['help']}"


def command_named(program: Any, words: list[str]) -> typer.Context:
    """Return the context of the command or group of that name, to get its help; a `VisionFTError` for none."""
    command = program
    context = typer.Context(program, info_name="visionft")
    for word in words:
        inside = getattr(command, "commands", {})
        if word not in inside:
            known = ", ".join(sorted(inside)) or "none"
            raise VisionFTError(f"There is no command “{' '.join(words)}”.", f"There are: {known}, and agents.")
        command = inside[word]
        context = typer.Context(command, info_name=word, parent=context)
    return context
