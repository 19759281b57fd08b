"""Commands about pretrained weights: list, fetch, import, remove."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from models.catalog import get_backbone
from models.timm_index import timm_names
from visionft.amounts import count_text, size_text
from visionft.cli import completion
from visionft.cli.arguments import Json
from visionft.cli.output import print_result, running_job, table
from visionft.cli.schemas import output_of, prints
from visionft.errors import VisionFTError
from visionft.weights.locations import weights_folder
from visionft.weights.offline import offline_reason
from visionft.weights.states import WeightsState, remove_weights, weights_state, weights_states

Names = Annotated[
    list[str], Argument(metavar="BACKBONE...", help="See `visionft weights list`.", autocompletion=completion.backbones)
]

_BACKBONE = {
    "backbone": str, "title": str, "family": str, "parameters": int, "input_size": int, "summary": str,
    "weights": WeightsState,
}  # fmt: skip


@prints({"folder": Path, "offline": str, "backbones": [_BACKBONE]})
def list_weights(
    here: Annotated[bool, Option("--here", help="Only those on this computer, or partly downloaded.")] = False,
    timm: Annotated[
        str | None,
        Option(metavar="WORD", help="List instead timm's networks whose names hold this word; '' lists all."),
    ] = None,
    json: Json = False,
) -> None:
    """List the pretrained backbones and where their weights are."""
    if timm is None:
        states = list(weights_states())
    else:
        states = [weights_state(get_backbone(name)) for name in timm_names() if timm.lower() in name]
    pairs = [
        (get_backbone(state.backbone), state) for state in states if not here or state.is_here or state.partial_bytes
    ]
    backbones = [output_of(_BACKBONE, row, backbone=row.name, weights=state) for row, state in pairs]
    rows = [
        (row.name, count_text(row.parameters), f"{row.input_size} px", _where(state), row.licence,
         state.path if here else row.summary)
        for row, state in pairs
    ]  # fmt: skip
    header = ("backbone", "parameters", "image", "weights", "licence", "file" if here else "")
    reason = offline_reason()
    lines = [table(header, rows), "", f"Weights folder: {weights_folder()}", *([reason] if reason else [])]
    value = {"folder": weights_folder(), "offline": reason, "backbones": backbones}
    print_result(value, "\n".join(lines), as_json=json)


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


@prints(list[WeightsState])
def fetch(
    names: Names,
    accept_licence: Annotated[
        str, Option(metavar="LICENCE", help="Accept a licence that forbids commercial use, by its name.")
    ] = "",
    json: Json = False,
) -> None:
    """Download weights; a partial download continues."""
    from visionft.weights.fetching import fetch as fetch_weights

    chosen = [*map(get_backbone, names)]
    with running_job() as job:
        for backbone in chosen:
            if job.is_cancelled or fetch_weights(backbone, accepted=accept_licence, job=job) is None:
                break
        states = [weights_state(backbone) for backbone in chosen]
        rows = [(state.backbone, _where(state), state.licence, state.path or "") for state in states]
        print_result(states, table(("backbone", "weights", "licence", "file"), rows), as_json=json)


@prints("visionft.weights.importing:ImportResult")
def import_files(
    source: Annotated[
        Path, Argument(metavar="FILE_OR_FOLDER", help="A .safetensors or .pth file, or a folder of them.")
    ],
    name: Annotated[
        str | None,
        Option("--as", metavar="BACKBONE", help="What the file is for.", autocompletion=completion.backbones),
    ] = None,
    json: Json = False,
) -> None:
    """Import weights from a file or folder, after checking their fit."""
    from visionft.weights.importing import import_weights

    with running_job() as job:
        result = import_weights(source, backbone=name, job=job)
        lines = [f"{each.source} -> {each.backbone} ({size_text(each.bytes)})" for each in result.imported]
        lines += [f"Left out {each.source}: {each.reason} {each.hint}" for each in result.refused]
        print_result(result, "\n".join(lines) or "Nothing was imported.", as_json=json)
    if result.refused and not result.imported:
        first = result.refused[0]
        raise VisionFTError(f"Nothing in {source} could be imported.", first.hint, first.next_step)


@prints(list[Path])
def remove(names: Names, json: Json = False) -> None:
    """Delete weights and partial downloads."""
    removed = [path for backbone in [*map(get_backbone, names)] for path in remove_weights(backbone)]
    print_result(removed, "\n".join(f"Removed {path}" for path in removed), as_json=json)


@prints({"folder": Path, "exists": bool})
def folder(json: Json = False) -> None:
    """Print the weights folder.

    It can be copied to a computer without a network; VISIONFT_WEIGHTS moves it.
    """
    print_result({"folder": weights_folder(), "exists": weights_folder().is_dir()}, str(weights_folder()), as_json=json)
