"""Commands about pretrained weights: what is here, fetching, importing, removing."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.catalog import BACKBONES, get_backbone
from models.timm_index import timm_names
from visionft.amounts import count_text, size_text
from visionft.cli import completion
from visionft.cli.output import Json, job, print_result, table
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError

if TYPE_CHECKING:
    from visionft.weights import ImportResult, WeightsState

Names = Annotated[
    list[str],
    typer.Argument(metavar="BACKBONE...", help="See `visionft backbones`.", autocompletion=completion.backbones),
]

weights = typer.Typer(
    help="Pretrained weights: what is here, fetch, import, remove. VISIONFT_OFFLINE=1 forbids the network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(backbones)
    app.add_typer(weights, name="weights")
    for name, command in (
        ("list", list_weights),
        ("fetch", fetch),
        ("import", import_files),
        ("remove", remove),
        ("folder", folder),
    ):
        weights.command(name)(command)


@prints(
    [
        {
            "backbone": str,
            "title": str,
            "family": str,
            "parameters": int,
            "input_size": int,
            "licence": str,
            "weights": str,
            "location": str,
            "bytes": int,
            "bytes_are_estimated": bool,
            "summary": str,
        }
    ]
)
def backbones(
    timm: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="List instead timm's networks whose names hold this word; '' lists all."),
    ] = None,
    json: Json = False,
) -> None:
    """List the pretrained networks, which are on this computer, and what would be downloaded."""
    from visionft.weights import weights_state

    names = BACKBONES if timm is None else [name for name in timm_names() if timm.lower() in name]
    pairs = [(row, weights_state(row)) for row in map(get_backbone, names)]
    value = [
        {
            "backbone": row.name,
            "title": row.title,
            "family": row.family,
            "parameters": row.parameters,
            "input_size": row.input_size,
            "licence": row.licence,
            "weights": str(state.path or ""),
            "location": state.location,
            "bytes": state.bytes,
            "bytes_are_estimated": state.is_estimate,
            "summary": row.summary,
        }
        for row, state in pairs
    ]
    rows = [
        (row.name, count_text(row.parameters), f"{row.input_size} px", _where(state), row.licence, row.summary)
        for row, state in pairs
    ]
    header = ("backbone", "parameters", "picture", "weights", "licence", "")
    print_result(value, lambda: table(header, rows), as_json=json)


def _where(state: "WeightsState") -> str:
    """Say in a few words whether training can start at once, or what it would download."""
    if state.location == "bundled":
        return f"here, ships with VisionFT ({state.size_text})"
    if state.is_here:
        return f"here ({state.size_text})"
    if state.location == "nowhere":
        return "missing: reinstall VisionFT"
    begun = f", {size_text(state.partial_bytes)} of it here" if state.partial_bytes else ""
    return f"to download ({state.size_text}{begun})"


@prints({"folder": Path, "offline": str, "weights": ["visionft.weights.states:WeightsState"]})
def list_weights(json: Json = False) -> None:
    """List the weights on this computer and where they lie; `visionft backbones` lists all there are."""
    from visionft.weights import offline_reason, weights_folder, weights_states

    here = [state for state in weights_states() if state.is_here or state.partial_bytes]
    rows = [(state.backbone, _location(state), state.size_text, state.licence, state.path or "") for state in here]
    text = "\n".join(
        [
            table(("backbone", "location", "size", "licence", "file"), rows),
            "",
            f"Weights folder: {weights_folder()}",
            *([offline_reason()] if offline_reason() else []),
        ]
    )
    print_result({"folder": weights_folder(), "offline": offline_reason(), "weights": here}, text, as_json=json)


def _location(state: "WeightsState") -> str:
    return state.location if state.is_here else f"broken off at {size_text(state.partial_bytes)}"


@prints(["visionft.weights.states:WeightsState"])
def fetch(
    names: Names,
    accept_licence: Annotated[
        str, typer.Option(metavar="LICENCE", help="Accept a licence that forbids commercial use, by its name.")
    ] = "",
    json: Json = False,
) -> None:
    """Download weights into the weights folder; a download that broke off or was stopped goes on where it was."""
    from visionft.weights import fetch as fetch_weights
    from visionft.weights import weights_state

    chosen = [get_backbone(name) for name in names]
    with job() as (on_event, should_stop):
        for backbone in chosen:
            options = {"on_event": on_event, "should_stop": should_stop, "accepted": accept_licence}
            if should_stop() or fetch_weights(backbone, **options) is None:
                break
        states = [weights_state(backbone) for backbone in chosen]
        rows = [(state.backbone, _where(state), state.licence, state.path or "") for state in states]
        print_result(states, lambda: table(("backbone", "weights", "licence", "file"), rows), as_json=json)


@prints("visionft.weights.importing:ImportResult")
def import_files(
    source: Annotated[
        Path, typer.Argument(metavar="FILE_OR_FOLDER", help="A .safetensors or .pth file, or a folder of them.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="BACKBONE", help="What the file is for.", autocompletion=completion.backbones),
    ] = None,
    json: Json = False,
) -> None:
    """Copy weights from a file, or all from a folder carried here, after checking what they fit."""
    from visionft.weights import import_weights

    with job() as (on_event, should_stop):
        result = import_weights(source, backbone=name, on_event=on_event, should_stop=should_stop)
        print_result(result, lambda: _import_text(result), as_json=json)
    if result.refused and not result.imported:
        first = result.refused[0]
        raise VisionFTError(f"Nothing in {source} could be imported.", first.hint, first.next_step)


def _import_text(result: "ImportResult") -> str:
    lines = [f"{each.source} -> {each.backbone} ({size_text(each.bytes)})" for each in result.imported]
    lines += [f"Left out {each.source}: {each.reason} {each.hint}" for each in result.refused]
    return "\n".join(lines) or "Nothing was imported."


@prints([Path])
def remove(names: Names, json: Json = False) -> None:
    """Delete weights from the weights folder, broken downloads included."""
    from visionft.weights import remove_weights

    removed = [path for backbone in [get_backbone(name) for name in names] for path in remove_weights(backbone)]
    print_result(removed, lambda: "\n".join(f"Removed {path}" for path in removed), as_json=json)


@prints({"folder": Path, "exists": bool})
def folder(json: Json = False) -> None:
    """Print the weights folder, which can be copied to a computer without a network; VISIONFT_WEIGHTS moves it."""
    from visionft.weights import weights_folder

    print_result({"folder": weights_folder(), "exists": weights_folder().is_dir()}, str(weights_folder()), as_json=json)
