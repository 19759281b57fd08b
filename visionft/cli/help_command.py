"""`visionft help`: of a command, or `agents`: the whole command line on one page."""

from typing import Annotated, Any

import typer

from visionft.cli import completion
from visionft.cli.agents_page import command_named, page_text, program_value
from visionft.cli.output import Json, print_result
from visionft.cli.schemas import prints

_PARAMETER = {
    "name": str,
    "names": [str],
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


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("help")(help_)


@prints(
    {
        "program": str,
        "version": str,
        "conventions": [str],
        "exit_codes": dict[str, str],
        "error": Any,
        "walk_through": [str],
        "commands": [_COMMAND],
        "settings": [{"name": str, "default": Any, "allowed": str, "help": str}],
    },
    {"help": str},
)
def help_(
    context: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND]", help="A command, or agents: everything on one page.", autocompletion=completion.topics
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show what a command does and takes; `visionft help agents` tells all of it to scripts, with JSON Schemas."""
    if topic == ["agents"]:
        value = program_value(context.find_root().command)
        print_result(value, lambda: page_text(value), as_json=json)
        return
    asked = command_named(context.find_root().command, topic or [])
    text = asked.command.get_help(asked)
    print_result({"help": text}, text, as_json=json)
