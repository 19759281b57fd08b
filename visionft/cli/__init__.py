"""The command line: one row of `COMMANDS` per command, thin over the functions used by the window. Only this prints.

Exit codes: `output.EXIT_CODES`. Every command takes `--json` for one JSON value on stdout, declared by `prints`
(`schemas.py`); everything else goes to stderr.
"""

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

import visionft
from models.extensions import extension_rows
from visionft.cli import (
    advice_commands,
    check_commands,
    completion,
    evaluation_commands,
    export_commands,
    feature_commands,
    framing_command,
    group_commands,
    help_command,
    history_commands,
    job_commands,
    label_commands,
    predict_commands,
    program_commands,
    project_commands,
    run_commands,
    train_commands,
    window_command,
)
from visionft.cli.arguments import CommandArguments
from visionft.cli.output import NO_READER, open_closed_streams, print_error, write_err, write_out
from visionft.errors import as_expected
from visionft.log import LineFormatter, log_expected, start_log

logger = logging.getLogger(__name__)

GROUPS: Final = {
    "project": "Create, inspect, check, back up, copy; undo.",
    "label": "Set, suggest and export labels; what more labels would add.",
    "curate": "Duplicates, image quality, label errors, leaks, report, map.",
    "run": "List, rank, compare, explain and combine training runs.",
    "job": "Train on another computer: pack, run, take the result back.",
    "model": "Export a run; verify, time, extend or publish an export.",
    "weights": "Pretrained weights: list, fetch, import, remove.",
}
COMMANDS: Final[dict[str, Callable[..., Any]]] = {
    "project new": project_commands.new,
    "project info": project_commands.info,
    "project undo": history_commands.undo,
    "project redo": history_commands.redo,
    "project history": history_commands.history,
    "project check": history_commands.check,
    "project backup": history_commands.backup,
    "project restore": history_commands.restore,
    "project relink": history_commands.relink,
    "project copy": history_commands.copy,
    "project framing": framing_command.framing,
    "project window": window_command.window,
    "import": project_commands.import_images,
    "split": project_commands.split,
    "label set": project_commands.label,
    "label suggest": label_commands.suggest,
    "label queue": label_commands.queue,
    "label evidence": predict_commands.evidence,
    "label learning-curve": advice_commands.curve,
    "label prompts": label_commands.prompts,
    "label export": history_commands.export_project_labels,
    "curate report": check_commands.report,
    "curate duplicates": group_commands.duplicates,
    "curate quality": check_commands.quality,
    "curate label-errors": check_commands.label_errors,
    "curate leaks": group_commands.leaks,
    "curate similar": feature_commands.similar,
    "curate map": feature_commands.map_,
    "curate check": check_commands.check,
    "curate embed": feature_commands.embed,
    "recommend": advice_commands.recommend,
    "train": train_commands.train,
    "evaluate": evaluation_commands.evaluate,
    "run list": run_commands.runs,
    "run leaderboard": evaluation_commands.leaderboard,
    "run compare": evaluation_commands.compare,
    "run explain": run_commands.explain,
    "run recipe": train_commands.recipe_of_run,
    "run combine": run_commands.combine,
    "job pack": job_commands.pack,
    "job run": job_commands.run,
    "job import": job_commands.import_result,
    "model export": export_commands.export,
    "model verify": export_commands.verify,
    "model bench": export_commands.bench_model,
    "model index": export_commands.index,
    "model push": export_commands.push,
    "predict": predict_commands.predict,
    "methods": train_commands.methods,
    "weights list": program_commands.list_weights,
    "weights fetch": program_commands.fetch,
    "weights import": program_commands.import_files,
    "weights remove": program_commands.remove,
    "weights folder": program_commands.weights_place,
    "download": program_commands.download,
    "cache": program_commands.cache,
    "doctor": program_commands.doctor,
    "demo": program_commands.demo,
    "app": program_commands.window,
    "help": help_command.help_,
}
_TAKEN = [name.replace(" ", ".") for name in (*COMMANDS, *GROUPS)]
_ADDED = extension_rows("visionft.commands", callable, taken=_TAKEN)  # the entry point `curate.mine` is `curate mine`
COMMANDS.update({name.replace(".", " "): command for name, command in _ADDED.items()})


class _Program(TyperGroup):
    """The program's options; `--show-completion` works, and is not worth a line of the help."""

    def get_params(self, ctx: Any) -> list[Any]:
        found: list[Any] = super().get_params(ctx)
        for parameter in found:
            parameter.hidden = parameter.hidden or parameter.name == "show_completion"
        return found

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for name in dict.fromkeys(each.split()[0] for each in COMMANDS) if name in self.commands]


app = typer.Typer(
    name="visionft",
    cls=_Program,
    help="Label images, fine-tune a pretrained ResNet or ViT, export verified ONNX.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_groups: dict[str, typer.Typer] = {"": app}
for _name, _command in COMMANDS.items():
    _group, _, _verb = _name.rpartition(" ")
    if _group not in _groups:
        _groups[_group] = typer.Typer(help=GROUPS.get(_group), no_args_is_help=True, rich_markup_mode=None)
        app.add_typer(_groups[_group], name=_group)
    _groups[_group].command(_verb)(_command)


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
    if completion.ASKED in os.environ:
        logging.disable()  # the shell would show it in the typed line
    code = _run()
    logger.info("ends with %d", code)
    return code


def _run() -> int:
    given = CommandArguments()
    try:
        return app(standalone_mode=False, obj=given) or 0
    except TyperException as error:
        words = io.StringIO()
        usage = cast(Any, error)
        usage.show(words)  # the parser's own, with the usage line of the command
        write_err(words.getvalue(), end="")
        return usage.exit_code
    except (KeyboardInterrupt, typer.Abort):
        write_err("Stopped.")
        return 130
    except SystemExit as error:
        # Typer exits so for a broken pipe. One of its own output, such as a help text without a reader, is expected;
        # any other, such as one to a child process, is a bug.
        met = error.__context__
        if not isinstance(met, OSError):
            return error.code if isinstance(error.code, int) else 1
        place = traceback.extract_tb(met.__traceback__)[-1].filename
        return NO_READER if Path(place).is_relative_to(Path(typer.__file__).parent) else _bug(met)
    except Exception as error:
        if (expected := as_expected(error)) is not None:
            print_error(expected, given.values)
            log_expected(logger, error)
            return 2
        return _bug(error)


def _bug(error: BaseException) -> int:
    logger.error("This is a bug in VisionFT; please report it with the lines below.", exc_info=error)
    return 1
