"""Commands about the program itself: its pretrained weights, health, demonstration and window."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from models.catalog import Backbone, get_backbone
from models.timm_index import timm_names
from models.weights.locations import weights_folder
from models.weights.records import WeightsState, remove_weights, weights_state, weights_states
from visionft.cli.arguments import Json
from visionft.cli.next_steps import next_words, own_command
from visionft.cli.output import print_result, running_job, table
from visionft.core.amounts import count_text, size_text
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.names import count_of
from visionft.core.offline import offline_reason

Names = Annotated[list[str], Argument(metavar="BACKBONE...", help="See `visionft weights list`.")]


def doctor(
    report: Annotated[
        bool,
        Option(
            "--report",
            help="Print instead a report to send: versions, the newest lines of the log; read it first.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Show versions, devices and problems, with advice."""
    from visionft.core.doctor import describe, diagnose

    if report:
        from visionft.core.doctor import report_text

        text = report_text()
        print_result({"report": text}, text, as_json=json)
        return
    diagnosis = diagnose()
    print_result(diagnosis, lambda: describe(diagnosis, word_step=next_words), as_json=json)


def demo(
    out: Annotated[Path, Option(metavar="DIR", help="Where everything it makes goes.")] = Path("visionft-demo"),
    json: Json = False,
) -> None:
    """Run the whole journey once on sample images.

    Import, split, train, evaluate, export, verify, predict.
    """
    from visionft.cli.demo import run_demo

    with running_job() as job:
        result = run_demo(out, job=job)
        low, high = result.test_interval
        lines = [
            f"{result.run} on {result.test_images} test images: top-1 {result.test_top1:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%})",
            f"Exported: {result.export.model} ({size_text(result.export.bytes)})",
            f"Predicted with ONNX Runtime alone: {count_of(result.predicted, 'test image')}, "
            f"{result.predicted_right} right; the class is PyTorch's for {result.predicted_alike}",
            f"Everything is in {result.folder}. Open it in the window: {own_command('app', str(result.project))}",
        ]
        print_result(result, "\n".join(lines), as_json=json)


def window(
    project: Annotated[Path | None, Argument(metavar="[PROJECT]", help="A project to open.")] = None,
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
    except ImportError as error:
        if ".so" not in str(error):  # a library of the system is missing
            raise
        raise VisionFTError(f"The window cannot be opened: {error}.", "", NextStep("diagnose")) from error
    raise typer.Exit(open_window(project))


def list_weights(
    here: Annotated[bool, Option("--here", help="Only those on this computer, or partly downloaded.")] = False,
    timm: Annotated[
        str | None,
        Option(metavar="WORD", help="List instead timm's networks whose names hold this word; '' lists all."),
    ] = None,
    json: Json = False,
) -> None:
    """List the pretrained backbones and where their weights are.

    The weights folder can be copied to a computer without a network; VISIONFT_WEIGHTS moves it.
    """
    if timm is None:
        states = list(weights_states())
    else:
        states = [weights_state(get_backbone(name)) for name in timm_names() if timm.lower() in name]
    pairs = [
        (get_backbone(state.backbone), state) for state in states if not here or state.is_here or state.partial_bytes
    ]
    backbones = [_described(row, state) for row, state in pairs]
    rows = [
        (
            row.name,
            count_text(row.parameters),
            f"{row.input_size} px",
            _where(state),
            row.licence,
            state.path if here else row.summary,
        )
        for row, state in pairs
    ]
    header = ("backbone", "parameters", "image", "weights", "licence", "file" if here else "")
    reason = offline_reason()
    lines = [table(header, rows), "", f"Weights folder: {weights_folder()}", *([reason] if reason else [])]
    value = {"folder": weights_folder(), "offline": reason, "backbones": backbones}
    print_result(value, "\n".join(lines), as_json=json)


def _described(row: Backbone, state: WeightsState) -> dict[str, Any]:
    return {
        "backbone": row.name,
        "title": row.title,
        "family": row.shape.family.lower(),
        "parameters": row.parameters,
        "input_size": row.input_size,
        "summary": row.summary,
        "weights": state,
    }


def _where(state: WeightsState) -> str:
    """Return in a few words whether the weights are on this computer, or the size of the download."""
    if state.location == "bundled":
        return f"here, ships with VisionFT ({state.size_text})"
    if state.is_here:
        return f"here ({state.size_text})"
    if state.location == "nowhere":
        return "missing: reinstall VisionFT"
    begun = f", {size_text(state.partial_bytes)} of it here" if state.partial_bytes else ""
    return f"to download ({state.size_text}{begun})"


def fetch(
    names: Names,
    accept_licence: Annotated[
        str, Option(metavar="LICENCE", help="Accept a licence that forbids commercial use, by its name.")
    ] = "",
    json: Json = False,
) -> None:
    """Download weights; a partial download continues."""
    from models.weights.fetching import fetch as fetch_weights

    chosen = [*map(get_backbone, names)]
    with running_job() as job:
        for backbone in chosen:
            if job.is_cancelled or fetch_weights(backbone, accepted=accept_licence, job=job) is None:
                break
        states = [weights_state(backbone) for backbone in chosen]
        rows = [(state.backbone, _where(state), state.licence, state.path or "") for state in states]
        print_result(states, table(("backbone", "weights", "licence", "file"), rows), as_json=json)


def import_files(
    source: Annotated[
        Path, Argument(metavar="FILE_OR_FOLDER", help="A .safetensors or .pth file, or a folder of them.")
    ],
    name: Annotated[
        str | None,
        Option("--as", metavar="BACKBONE", help="What the file is for."),
    ] = None,
    json: Json = False,
) -> None:
    """Import weights from a file or folder, after checking their fit."""
    from models.weights.importing import import_weights

    with running_job() as job:
        result = import_weights(source, backbone=name, job=job)
        lines = [f"{each.source} -> {each.backbone} ({size_text(each.bytes)})" for each in result.imported]
        lines += [f"Left out {each.source}: {each.reason} {each.hint}" for each in result.refused]
        print_result(result, "\n".join(lines) or "Nothing was imported.", as_json=json)
    if result.refused and not result.imported:
        first = result.refused[0]
        raise VisionFTError(f"Nothing in {source} could be imported.", first.hint, first.next_step)


def remove(names: Names, json: Json = False) -> None:
    """Delete weights and partial downloads."""
    removed = [path for backbone in [*map(get_backbone, names)] for path in remove_weights(backbone)]
    print_result(removed, "\n".join(f"Removed {path}" for path in removed), as_json=json)
