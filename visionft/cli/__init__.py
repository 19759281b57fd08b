"""The command line: one command per verb, thin over the same functions that the window calls. Only this package prints.

Exit codes: 0; 2 for an expected error (one line and a hint on stderr); 1 for a bug; 130 after Ctrl-C. Every command
takes `--json` for one JSON value on stdout; everything else goes to stderr.
"""

import logging
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

import visionft
from visionft.cli import (
    history_commands,
    model_commands,
    program_commands,
    project_commands,
    public_command,
    run_commands,
    suggest_command,
    weights_commands,
)
from visionft.cli.output import print_error
from visionft.errors import VisionFTError, as_expected

app = typer.Typer(
    name="visionft",
    help="Label pictures, fine-tune a pretrained ResNet or ViT, and export one verified ONNX file.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for module in (
    project_commands,
    model_commands,
    run_commands,
    suggest_command,
    public_command,
    weights_commands,
    history_commands,
    program_commands,
):
    module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"visionft {visionft.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what goes on to stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if not verbose:
        warnings.simplefilter("ignore")  # libraries warn developers; a user can do nothing about it
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")


def _usage_error(error: Any) -> int:
    error.show()  # the parser's own words, with the usage line of the command
    return error.exit_code


def main() -> int:
    """Run the command line and return its exit code; never lets a traceback out but for a bug."""
    try:
        return app(standalone_mode=False) or 0
    except VisionFTError as error:
        print_error(error)
        return 2
    except TyperException as error:
        return _usage_error(error)
    except (KeyboardInterrupt, typer.Abort):
        print("Stopped.", file=sys.stderr)
        return 130
    except Exception as error:
        if (expected := as_expected(error)) is not None:
            print_error(expected)
            return 2
        logging.getLogger(__name__).exception("This is a bug in VisionFT; please report it with the lines below.")
        return 1
