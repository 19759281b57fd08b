"""The command line: one row of `COMMANDS` per command, thin over the functions used by the window. Only this prints.

Exit codes: `output.EXIT_CODES`. Every command takes `--json` for one JSON value on stdout; everything else goes to
stderr. The module of a command is imported when it is run: the help of the program shows `ABOUT` alone.
"""

import importlib
import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command, get_group

import visionft
from visionft.cli.arguments import CommandArguments
from visionft.cli.output import NO_READER, open_closed_streams, print_error, write_err, write_out
from visionft.core.errors import as_visionft_error
from visionft.core.log import LineFormatter, log_visionft_error, start_log

logger = logging.getLogger(__name__)

# First help lines of command groups, and of commands outside groups.
ABOUT: Final = {
    "project": "Create, inspect, check, back up, copy; undo.",
    "import": "Import images and their labels; the originals are only read.",
    "split": "Divide labelled images into train, val and test.",
    "label": "Set, suggest and export labels.",
    "curate": "Duplicates, image quality, label errors, leaks, report.",
    "recommend": "Say whether training is worth it.",
    "train": "Fine-tune a backbone on the project's training images.",
    "evaluate": "Measure a run's best checkpoint on a split.",
    "run": "List, compare and combine training runs.",
    "job": "Train on another computer: pack, run, take the result back.",
    "model": "Export a run; verify, extend or publish an export.",
    "predict": "Classify images with an exported model, by ONNX Runtime alone.",
    "weights": "Pretrained weights: list, fetch, import, remove.",
    "doctor": "Show versions, devices and problems, with advice.",
    "demo": "Run the whole journey once on sample images.",
    "app": "Open the window.",
    "help": "Show the help of the program; `help agents`: of all commands, for scripts.",
}
COMMANDS: Final[dict[str, str]] = {  # the name of a command, and its function
    "project new": "project_commands.new",
    "project info": "project_commands.info",
    "project undo": "history_commands.undo",
    "project history": "history_commands.history",
    "project check": "history_commands.check",
    "project backup": "history_commands.backup",
    "project restore": "history_commands.restore",
    "project relink": "history_commands.relink",
    "project copy": "history_commands.copy",
    "project set": "project_settings.set_",
    "import": "project_commands.import_images",
    "split": "project_commands.split",
    "label set": "project_commands.label",
    "label suggest": "label_commands.suggest",
    "label prompts": "label_commands.prompts",
    "label export": "history_commands.export_project_labels",
    "curate check": "check_commands.check",
    "curate report": "check_commands.report",
    "recommend": "advice_commands.recommend",
    "train": "train_commands.train",
    "evaluate": "evaluation_commands.evaluate",
    "run list": "run_commands.runs",
    "run compare": "evaluation_commands.compare",
    "run combine": "run_commands.combine",
    "job pack": "job_commands.pack",
    "job run": "job_commands.run",
    "job import": "job_commands.import_result",
    "model export": "export_commands.export",
    "model index": "export_commands.index",
    "model verify": "export_commands.verify",
    "model push": "export_commands.push",
    "predict": "predict_commands.predict",
    "weights list": "program_commands.list_weights",
    "weights fetch": "program_commands.fetch",
    "weights import": "program_commands.import_files",
    "weights remove": "program_commands.remove",
    "doctor": "program_commands.doctor",
    "demo": "program_commands.demo",
    "app": "program_commands.window",
    "help": "help_command.help_",
}


def command_function(name: str) -> Callable[..., Any]:
    """Return the function of a command, after importing its module."""
    module, _, function = COMMANDS[name].partition(".")
    return getattr(importlib.import_module(f"visionft.cli.{module}"), function)


class _Program(TyperGroup):
    """The program's groups and commands, each made when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(dict.fromkeys(name.split()[0] for name in COMMANDS))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        names = [name for name in COMMANDS if name.split()[0] == cmd_name]
        if cmd_name not in self.commands and names:
            is_group = names != [cmd_name]
            group = typer.Typer(
                help=ABOUT.get(cmd_name), no_args_is_help=is_group, rich_markup_mode=None, add_completion=False
            )
            for name in names:
                group.command(name.rpartition(" ")[2])(command_function(name))
            self.commands[cmd_name] = get_group(group) if is_group else get_command(group)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.list_commands(ctx):
            for name in self.list_commands(ctx):  # for the suggestions of similar names
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, ABOUT.get(name) or self.get_command(ctx, name).get_short_help_str())
                    for name in self.list_commands(ctx)
                ]
            )


app = typer.Typer(
    name="visionft",
    cls=_Program,
    help="Label images, fine-tune a pretrained ResNet or ViT, export verified ONNX.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        write_out(f"visionft {visionft.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what goes on to stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if not verbose:
        warnings.simplefilter("ignore")  # warnings of libraries are for developers; a user cannot act on them
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(name)s: %(message)s"))
    handler.setLevel(logging.INFO if verbose else logging.ERROR)
    handler.addFilter(lambda record: verbose or not record.name.startswith("PIL."))  # reported as the image's error
    logging.basicConfig(handlers=[handler])
    start_log(f"command {context.invoked_subcommand}")


def main() -> int:
    """Run the command line and return its exit code; never lets a traceback out but for a bug."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 lacks characters
    if "_VISIONFT_COMPLETE" in os.environ:  # a shell asks for names, and would show messages in the typed line
        logging.disable()
    code = _run()
    logger.info("ends with %d", code)
    return code


def _run() -> int:
    given = CommandArguments()
    try:
        return app(standalone_mode=False, obj=given) or 0
    except TyperException as error:
        usage_text = io.StringIO()
        usage_error = cast(Any, error)
        usage_error.show(usage_text)  # Typer's message, with the usage line of the command
        write_err(usage_text.getvalue(), end="")
        return usage_error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        write_err("Stopped.")
        return 130
    except SystemExit as error:
        # Typer turns a broken pipe into SystemExit. It is expected for Typer's own output, such as a help text whose
        # reader has quit; any other broken pipe, such as one to a child process, is a bug.
        cause = error.__context__
        if not isinstance(cause, OSError):
            return error.code if isinstance(error.code, int) else 1
        source_file = traceback.extract_tb(cause.__traceback__)[-1].filename
        return NO_READER if Path(source_file).is_relative_to(Path(typer.__file__).parent) else _bug(cause)
    except Exception as error:
        if (expected := as_visionft_error(error)) is not None:
            print_error(expected, given.values)
            log_visionft_error(logger, error)
            return 2
        return _bug(error)


def _bug(error: BaseException) -> int:
    logger.error("This is a bug in VisionFT; please report it with the lines below.", exc_info=error)
    return 1
