"""Commands about the program itself: its health, its demonstration, its window."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visionft.amounts import duration_text, size_text
from visionft.cli import completion
from visionft.cli.next_steps import joined, next_words
from visionft.cli.output import Json, job, print_result, table
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.demo import DemoResult

APPS = "visionft.apps"  # group of entry points


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(doctor)
    app.command()(support)
    app.command()(cache)
    app.command()(demo)
    app.command("app")(window)


@prints("visionft.doctor:Diagnosis")
def doctor(json: Json = False) -> None:
    """Show versions, devices and whatever is wrong on this computer, with advice."""
    from visionft.doctor import describe, diagnose

    diagnosis = diagnose()
    print_result(diagnosis, lambda: describe(diagnosis, word_step=next_words), as_json=json)


@prints({"folder": Path, "pictures": int, "bytes": int, "limit": int})
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete the decoded pictures; they are made again.")] = False,
    json: Json = False,
) -> None:
    """Show what decoded pictures take on disk and may take, or delete them; no project needs them.

    VISIONFT_CACHE moves the folder, VISIONFT_CACHE_MB sets the limit (0 keeps none).
    """
    from visionft.data.cache_space import cache_folder, cache_limit, cache_use, clear_cache

    folder = cache_folder()
    use = clear_cache(folder) if clear else cache_use(folder)
    said = f"{use.files:,} decoded pictures take {size_text(use.bytes)} of at most {size_text(cache_limit())}"
    value = {"folder": folder, "pictures": use.files, "bytes": use.bytes, "limit": cache_limit()}
    print_result(value, f"{said} in {folder}", as_json=json)


@prints({"report": str})
def support(
    names: Annotated[
        bool, typer.Option("--names", help="With the names of files, projects and classes that are in the log.")
    ] = False,
    json: Json = False,
) -> None:
    """Print what helps whoever helps you: versions, this computer, the newest lines of the log. Nothing is sent."""
    from visionft.support import report_text

    told = report_text(with_names=names)
    print_result({"report": told}, told, as_json=json)


@prints("visionft.demo:DemoResult")
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything it makes goes.")] = Path("visionft-demo"),
    drawn: Annotated[bool, typer.Option("--drawn", help="On pictures that it draws, in place of photographs.")] = False,
    json: Json = False,
) -> None:
    """Run the whole path once on sample pictures: import, split, train twice, evaluate, export, verify, predict."""
    from visionft.demo import run_demo

    with job() as (on_event, should_stop):
        result = run_demo(out, "drawn" if drawn else "photographs", on_event=on_event, should_stop=should_stop)
        print_result(result, lambda: _demo_text(result), as_json=json)


def _demo_text(result: "DemoResult") -> str:
    rows = [
        (run.backbone, run.method, f"{run.top1:.1%}", f"{run.trainable_share:.2%}", duration_text(run.seconds))
        for run in result.runs
    ]
    parity, (low, high) = result.export.parity, result.test_interval
    command = joined(["visionft", "app", str(result.project)])
    return "\n".join(
        [
            table(("backbone", "method", "validation top-1", "trainable", "time"), rows),
            "",
            f"{result.exported_run} on {result.test_images} test pictures: top-1 {result.test_top1:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%})",
            f"Exported: {result.export.model} ({size_text(result.export.bytes)})",
            f"Verified against PyTorch on {count_of(parity.images, 'picture')}: "
            f"largest difference {parity.max_abs_diff:.1e}, top-1 agreement {parity.top1_agreement:.0%}",
            f"Predicted with ONNX Runtime alone: {count_of(result.predicted, 'test picture')}, "
            f"{result.predicted_right} right; the class is PyTorch's for {result.predicted_alike}",
            "",
            f"Everything is in {result.folder}. Open it in the window: {command}",
        ]
    )


def window(
    project: Annotated[
        Path | None,
        typer.Argument(metavar="[PROJECT]", help="A project to open.", autocompletion=completion.projects),
    ] = None,
) -> None:
    """Open the window."""
    raise typer.Exit(_installed_window()(project))


def _installed_window() -> Callable[[Path | None], int]:
    """Return what opens the window: the entry point of that name, for the engine knows no screen."""
    found = list(entry_points(group=APPS, name="window"))
    if not found:
        hint = "Install VisionFT again: `python3 packaging/start.py app`, or `pip install --editable .` where it lies."
        raise VisionFTError("This installation of VisionFT names no window.", hint)
    try:
        return found[0].load()
    except ModuleNotFoundError as error:
        message = f"The window cannot be opened: the package {error.name} is not installed."
        raise VisionFTError(message, "Install VisionFT again, or go on with the other commands.") from error
