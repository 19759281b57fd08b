"""Which weights are on this computer, and where. Looks at names and never opens, loads or connects."""

import os
from pathlib import Path
from typing import Literal

import platformdirs

import models
from models.backbone import NOT_STATED, Backbone
from visionft.errors import NextStep, WeightsError
from visionft.files import from_home

RANDOM = "random"
PRETRAINED = "pretrained"
TOKENIZER_SUFFIX = ".tokenizer.json"

WeightsLocation = Literal["bundled", "folder", "hub cache"]


def weights_folder() -> Path:
    """Return the folder of weights that were fetched, imported or carried here; `VISIONFT_WEIGHTS` moves it."""
    chosen = os.environ.get("VISIONFT_WEIGHTS")
    return from_home(chosen) if chosen else platformdirs.user_data_path("visionft") / "weights"


def bundled_file(backbone: Backbone) -> Path | None:
    """Return the weights that ship with the program, or None where none do."""
    return Path(models.__path__[0]) / backbone.bundled if backbone.bundled else None


def folder_file(backbone: Backbone) -> Path:
    """Return where in the weights folder the backbone's file belongs; it may not be there."""
    return weights_folder() / f"{backbone.file_stem}.safetensors"


def hub_cached_file(backbone: Backbone) -> Path | None:
    """Return the file that another program of this user fetched from the hub, or None."""
    if not backbone.hub_id:
        return None
    from huggingface_hub import try_to_load_from_cache

    for revision in (backbone.pin.revision, "main"):  # another commit may hold the very same file
        found = try_to_load_from_cache(backbone.hub_id, backbone.hub_file, revision=revision) if revision else None
        if isinstance(found, str) and _may_be_meant(backbone, Path(found)):
            return Path(found)
    return None


def _may_be_meant(backbone: Backbone, cached: Path) -> bool:
    """Tell whether a file of the cache, which names its blobs by their hash, may be the one that the catalog means."""
    blob = cached.resolve().name
    return not (backbone.pin.sha256 and len(blob) == 64) or blob == backbone.pin.sha256


def locate(backbone: Backbone) -> tuple[WeightsLocation, Path] | None:
    """Return where the weights that `pretrained` means lie on this computer, or None."""
    bundled, ours = bundled_file(backbone), folder_file(backbone)
    if bundled and _is_file(bundled):
        return "bundled", bundled
    if _is_file(ours):
        return "folder", ours
    cached = hub_cached_file(backbone)
    return ("hub cache", cached) if cached and _is_file(cached) else None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:  # a folder that may not be looked into holds nothing for this user
        return False


def local_file(backbone: Backbone) -> Path | None:
    """Return the weights that are already on this computer, hub cache included, or None."""
    found = locate(backbone)
    return found[1] if found else None


def find_weights(backbone: Backbone, source: str = PRETRAINED) -> Path:
    """Return the file to load for `source`: `pretrained`, or the path of a file or of a folder that holds the hub's.

    Raises:
        WeightsError: It is not on this computer.
    """
    if source != PRETRAINED:
        return _given_file(from_home(source), backbone)
    found = local_file(backbone)
    if found is None:
        raise missing(backbone)
    return found


def _given_file(path: Path, backbone: Backbone) -> Path:
    if (path / backbone.hub_file).is_file():  # a folder that was filled from the hub
        return path / backbone.hub_file
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        hint = "Give the path of a .safetensors or .pth file."
        raise WeightsError(f"There is no weights file {path}: it {what}.", hint)
    return path


def missing(backbone: Backbone) -> WeightsError:
    """Return the error for pretrained weights that are not on this computer."""
    if not backbone.has_weights:
        hint = "Train from random weights or a file, or choose another backbone."
        return WeightsError(f"There are no pretrained weights of {backbone.name}.", hint)
    if not backbone.hub_id:
        return WeightsError(f"The file {backbone.bundled} of {backbone.name} is missing.", "Reinstall VisionFT.")
    hint = (
        f"Fetch them, or import {backbone.hub_file} of {backbone.hub_id}; or choose a starter backbone, or train from "
        "random weights."
    )
    step = NextStep("fetch_weights", backbone=backbone.name)
    return WeightsError(f"The weights of {backbone.name} are not on this computer.", hint, step)


def licence_words(backbone: Backbone) -> tuple[str, str]:
    """Return what is said, and advised, where the licence of the weights has to be accepted first."""
    if backbone.licence == NOT_STATED:
        said = f"nobody states the licence of {backbone.name}'s weights"
        return said, f"Ask who made them; if you may use them, accept the licence by its name: {NOT_STATED}."
    said = f"the licence of {backbone.name}'s weights, {backbone.licence}, forbids commercial use"
    return said, f"If your use is not commercial, accept the licence by its name: {backbone.licence}."
