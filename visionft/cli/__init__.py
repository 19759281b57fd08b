"""The command line: one command per verb, thin over the same functions that the window calls. Only this package prints.

Exit codes: `output.EXIT_CODES`. Every command takes `--json` for one JSON value on stdout, which `prints` declares
(`schemas.py`); everything else goes to stderr.
"""

import io
import logging
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

import visionft
from visionft.cli import (
    advice_commands,
    bundle_commands,
    combine_command,
    completion,
    curation,
    evidence_command,
    export_command,
    help_command,
    history_commands,
    model_commands,
    program_commands,
    project_commands,
    prompts_command,
    public_command,
    run_commands,
    scoreboard_command,
    suggest_command,
    train_command,
    weights_commands,
)
from visionft.cli.output import NO_READER, Given, print_error, write_err, write_out
from visionft.errors import as_expected
from visionft.foreign_text import printable
from visionft.log import log_expected, start_log

logger = logging.getLogger(__name__)

app = typer.Typer(
    name="visionft",
    help="Label pictures, fine-tune a pretrained ResNet or ViT, and export one verified ONNX file.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in (
    project_commands,
    train_command,
    model_commands,
    export_command,
    bundle_commands,
    run_commands,
    prompts_command,
    scoreboard_command,
    combine_command,
    suggest_command,
    evidence_command,
    advice_commands,
    curation,
    public_command,
    weights_commands,
    history_commands,
    program_commands,
    help_command,
):
    module.register(app)


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
        warnings.simplefilter("ignore")  # libraries warn developers; a user can do nothing about it
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("%(name)s: %(message)s"))
    handler.setLevel(logging.INFO if verbose else logging.ERROR)
    logging.basicConfig(handlers=[handler])
    start_log(f"command {context.invoked_subcommand}")


def _usage_error(error: Any) -> int:
    words = io.StringIO()
    error.show(words)  # the parser's own, with the usage line of the command
    write_err(words.getvalue(), end="")
    return error.exit_code


class _Lines(logging.Formatter):
    """Log lines and tracebacks quote names that others gave."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


def main() -> int:
    """Run the command line and return its exit code; never lets a traceback out but for a bug."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 lacks signs
    if completion.ASKED in os.environ:
        logging.disable()  # the shell would show it in the line that is typed
    code = _run()
    logger.info("ends with %d", code)
    return code


def _run() -> int:
    given = Given()
    try:
        return app(standalone_mode=False, obj=given) or 0
    except TyperException as error:
        return _usage_error(error)
    except (KeyboardInterrupt, typer.Abort):
        write_err("Stopped.")
        return 130
    except SystemExit as error:
        return _broken_pipe(error)
    except Exception as error:
        if (expected := as_expected(error)) is not None:
            print_error(expected, given)
            log_expected(logger, error)
            return 2
        return _bug(error)


def _broken_pipe(error: SystemExit) -> int:
    """Return the exit code where typer has met a broken pipe, for which it leaves without a word.

    It may have been its own, of a help text that nobody reads; any other, such as one to a process of ours, is a bug.
    """
    met = error.__context__
    if not isinstance(met, OSError):
        return error.code if isinstance(error.code, int) else 1
    place = traceback.extract_tb(met.__traceback__)[-1].filename
    return NO_READER if Path(place).is_relative_to(Path(typer.__file__).parent) else _bug(met)


def _bug(error: BaseException) -> int:
    words = "This is a bug in VisionFT; please report it with the lines below."
    logger.error(words, exc_info=error)
    return 1
