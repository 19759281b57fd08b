"""`visionft help`: of the program; `help agents`: the whole command line on one page, made from the commands."""

import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer
from typer import Argument

import visionft
from visionft.cli.arguments import Json
from visionft.cli.output import EXIT_CODES, print_result
from visionft.core.errors import VisionFTError

_WIDTH: Final = 118
CONVENTIONS: Final = (
    "No command asks a question. What is missing is an error with what to run next.",
    "With --json a command prints one JSON value on stdout and nothing else there; progress and notices go to stderr.",
    "In that value null stands for a number that is none: NaN, or an infinite one.",
    "With --json an error is the last line of stderr: {error: {message, hint, next, problems: [{field, message}]}}.",
    "Wrong usage of the command line is plain text.",
    "Every change of a project is one step of its history: `visionft project undo PROJECT` undoes it, also days later.",
    "Images are only read, wherever they lie; a project is a folder that holds labels, runs and what is computed.",
    "A run is PROJECT/runs/NNN-backbone-method and goes by its name or its number; an export is a folder by itself.",
    "`visionft train PROJECT --save FILE --estimate` writes every setting of a training with its range and meaning.",
    "Files that are written appear whole or not at all. Commands that take long stop well at the first Ctrl-C.",
    "Only what fetches weights, or uploads, uses the network; VISIONFT_OFFLINE=1 forbids it.",
    "One command at a time changes a project; others that only read may run beside it.",
)
WALK: Final = (
    ("visionft project new PROJECT", "an empty project"),
    ("visionft import PROJECT IMAGES --json", "class folders, a label file of another tool, or a zip"),
    ("visionft split PROJECT --json", "train, val and test"),
    ("visionft train PROJECT --preset balanced --json", "tells the run's name and its accuracy on val"),
    ("visionft model export PROJECT RUN OUT --json && visionft predict OUT IMAGES --json", "one verified ONNX file"),
)


def help_(
    context: typer.Context,
    topic: Annotated[str, Argument(metavar="[agents]", help="Everything on one page.")] = "",
    json: Json = False,
) -> None:
    """Show the help of the program; `help agents`: of all commands, for scripts."""
    program = typer.Context(context.find_root().command, info_name="visionft")
    if topic == "agents":
        value = program_value(program)
        print_result(value, lambda: page_text(value), as_json=json)
        return
    if topic:
        raise VisionFTError(
            f"There is no help on “{topic}”.", f"See: visionft {topic} --help, or visionft help agents."
        )
    text = program.command.get_help(program)
    print_result({"help": text}, text, as_json=json)


def program_value(program: typer.Context) -> dict[str, Any]:
    """Return the conventions, the exit codes and each command."""
    commands = [
        {
            "command": context.command_path.removeprefix("visionft "),
            "usage": " ".join([context.command_path, *context.command.collect_usage_pieces(context)]),
            "help": " ".join((context.command.help or "").split()),
            "parameters": [
                {"name": record[0], "help": record[1]}
                for each in context.command.params
                if each.name != "json" and (record := each.get_help_record(context))
            ],
        }
        for context in command_contexts(program)
    ]
    return {
        "program": "visionft",
        "version": visionft.__version__,
        "conventions": CONVENTIONS,
        "exit_codes": EXIT_CODES,
        "walk_through": [line for line, _ in WALK],
        "commands": commands,
    }


def command_contexts(parent: Any) -> Iterator[typer.Context]:
    """Yield the context of each command of the program or of a group."""
    for name in parent.command.list_commands(parent):
        command = parent.command.get_command(parent, name)
        context = typer.Context(command, info_name=name, parent=parent)
        if hasattr(command, "commands"):
            yield from command_contexts(context)
        else:
            yield context


def page_text(value: dict[str, Any]) -> str:
    """Return the value of `program_value` as one page of text, for a person or a language model."""
    lines = [f"# VisionFT {value['version']} for scripts and agents", ""]
    lines += [_wrapped(f"- {each}", "  ") for each in CONVENTIONS]
    lines += ["", "## Exit codes", "", *(f"{code:>4}  {words}" for code, words in EXIT_CODES.items())]
    lines += ["", "## The whole way", "", *(f"  {line}\n      # {words}" for line, words in WALK)]
    for command in value["commands"]:
        lines += ["", f"## {command['usage']}", "", _wrapped(command["help"], "")]
        lines += [_wrapped(f"  {each['name']}: {each['help']}", "      ") for each in command["parameters"]]
    return "\n".join(lines)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
