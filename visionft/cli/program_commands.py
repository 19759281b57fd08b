"""Commands about the program itself: its health, its demonstration, its window."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from visionft.amounts import duration_text, size_text
from visionft.cli import completion
from visionft.cli.arguments import Json
from visionft.cli.next_steps import joined, next_words
from visionft.cli.output import print_result, running_job, table
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.project.names import count_of
from visionft.public_sets import PUBLIC_SETS, fetch_set, get_set

_NAMES = ", ".join(f"{each.name} ({size_text(each.bytes)}, {each.licence})" for each in PUBLIC_SETS)


@prints("visionft.doctor:Diagnosis", {"report": str})
def doctor(
    report: Annotated[
        bool, Option("--report", help="Print instead a report to send: versions, the newest lines of the log.")
    ] = False,
    names: Annotated[
        bool, Option("--names", help="For --report: keep the names of files, projects and classes in the log.")
    ] = False,
    json: Json = False,
) -> None:
    """Show versions, devices and problems, with advice."""
    from visionft.doctor import describe, diagnose

    if report:
        from visionft.support import report_text

        text = report_text(with_names=names)
        print_result({"report": text}, text, as_json=json)
        return
    diagnosis = diagnose()
    print_result(diagnosis, lambda: describe(diagnosis, word_step=next_words), as_json=json)


@prints({"folder": Path, "images": int, "bytes": int, "limit": int})
def cache(
    clear: Annotated[bool, Option("--clear", help="Delete the decoded images; they are made again.")] = False,
    json: Json = False,
) -> None:
    """Show or clear the cache of decoded images.

    VISIONFT_CACHE moves the folder, VISIONFT_CACHE_MB sets the limit (0 keeps none).
    """
    from visionft.data.cache_space import cache_folder, cache_limit, cache_use, clear_cache

    folder = cache_folder()
    use = clear_cache(folder) if clear else cache_use(folder)
    said = f"{use.files:,} decoded images take {size_text(use.bytes)} of at most {size_text(cache_limit())}"
    value = {"folder": folder, "images": use.files, "bytes": use.bytes, "limit": cache_limit()}
    print_result(value, f"{said} in {folder}", as_json=json)


@prints({"set": str, "list": Path | None})
def download(
    name: Annotated[str, Argument(metavar="SET", help=f"{_NAMES}.", autocompletion=completion.public_sets)],
    folder: Annotated[Path, Argument(metavar="FOLDER", help="Where its folder goes.")],
    json: Json = False,
) -> None:
    """Download a public image data set through torchvision.

    Then import the file that lists its images.
    """
    wanted = get_set(name)
    with running_job() as job:
        target = fetch_set(wanted, folder.absolute(), job=job)
        text = f"{wanted.title} is there. Import it with: visionft import PROJECT {target}" if target else "Stopped."
        print_result({"set": wanted.name, "list": target}, text, as_json=json)


@prints("visionft.demo:DemoResult")
def demo(
    out: Annotated[Path, Option(metavar="DIR", help="Where everything it makes goes.")] = Path("visionft-demo"),
    drawn: Annotated[bool, Option("--drawn", help="On images that it draws, in place of photographs.")] = False,
    json: Json = False,
) -> None:
    """Run the whole journey once on sample images.

    Import, split, train twice, evaluate, export, verify, predict.
    """
    from visionft.demo import run_demo

    with running_job() as job:
        result = run_demo(out, "drawn" if drawn else "photographs", job=job)
        rows = [
            (run.backbone, run.method, f"{run.top1:.1%}", f"{run.trainable_share:.2%}", duration_text(run.seconds))
            for run in result.runs
        ]
        parity, (low, high) = result.export.parity, result.test_interval
        lines = [
            table(("backbone", "method", "validation top-1", "trainable", "time"), rows),
            "",
            f"{result.exported_run} on {result.test_images} test images: top-1 {result.test_top1:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%})",
            f"Exported: {result.export.model} ({size_text(result.export.bytes)})",
            f"Verified against PyTorch on {count_of(parity.images, 'image')}: "
            f"largest difference {parity.max_abs_diff:.1e}, top-1 agreement {parity.top1_agreement:.0%}",
            f"Predicted with ONNX Runtime alone: {count_of(result.predicted, 'test image')}, "
            f"{result.predicted_right} right; the class is PyTorch's for {result.predicted_alike}",
            "",
            f"Everything is in {result.folder}. Open it in the window: "
            f"{joined(['visionft', 'app', str(result.project)])}",
        ]
        print_result(result, "\n".join(lines), as_json=json)


def window(
    project: Annotated[
        Path | None, Argument(metavar="[PROJECT]", help="A project to open.", autocompletion=completion.projects)
    ] = None,
) -> None:
    """Open the window."""
    # An entry point by name: the engine does not import the window.
    found = list(entry_points(group="visionft.apps", name="window"))
    if not found:
        hint = "Install VisionFT again: `python3 packaging/start.py app`, or `pip install --editable .` where it lies."
        raise VisionFTError("This installation of VisionFT names no window.", hint)
    try:
        open_window = found[0].load()
    except ModuleNotFoundError as error:
        message = f"The window cannot be opened: the package {error.name} is not installed."
        raise VisionFTError(message, "Install VisionFT again, or go on with the other commands.") from error
    raise typer.Exit(open_window(project))
