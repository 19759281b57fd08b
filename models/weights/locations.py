"""Locations of weights on this computer. Looks at names and never opens, loads or connects."""

import os
from pathlib import Path
from typing import Literal

import platformdirs

import models
from models.backbone import NOT_STATED, Backbone
from models.catalog import BACKBONES
from visionft.core.errors import NextStep, WeightsError
from visionft.core.files import expand_home
from visionft.core.messages import Message, sentences

RANDOM = "random"
PRETRAINED = "pretrained"
TOKENIZER_SUFFIX = ".tokenizer.json"

WeightsLocation = Literal["bundled", "folder", "hub cache"]


def weights_folder() -> Path:
    """Return the folder of fetched and imported weights; `VISIONFT_WEIGHTS` moves it."""
    chosen = os.environ.get("VISIONFT_WEIGHTS")
    return expand_home(chosen) if chosen else platformdirs.user_data_path("visionft") / "weights"


def bundled_file(backbone: Backbone) -> Path | None:
    return Path(models.__path__[0]) / backbone.bundled if backbone.bundled else None


def folder_file(backbone: Backbone) -> Path:
    """Return where in the weights folder the backbone's file belongs; it may not be there."""
    return weights_folder() / f"{backbone.file_stem}.safetensors"


def hub_cached_file(backbone: Backbone) -> Path | None:
    """Return the file in the user's hub cache, or None."""
    if not backbone.hub_id:
        return None
    from huggingface_hub import try_to_load_from_cache

    for revision in filter(None, (backbone.pin.revision, "main")):  # another commit may hold the very same file
        found = try_to_load_from_cache(backbone.hub_id, backbone.hub_file, revision=revision)
        if isinstance(found, str):
            blob, sha256 = Path(found).resolve().name, backbone.pin.sha256
            if not (sha256 and len(blob) == 64) or blob == sha256:  # a blob is named by its hash
                return Path(found)
    return None


def locate(backbone: Backbone) -> tuple[WeightsLocation, Path] | None:
    """Return the local path of the pretrained weights, or None."""
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
    """Return local pretrained weights, hub cache included, or None."""
    found = locate(backbone)
    return found[1] if found else None


def local_backbones() -> list[str]:
    """Return the names of the catalog's backbones whose pretrained weights are on this computer."""
    return [name for name, backbone in BACKBONES.items() if local_file(backbone)]


def find_weights(backbone: Backbone, source: str = PRETRAINED) -> Path:
    """Return the file of `source`: `pretrained`, or the path of a file or its folder; or raise a `WeightsError`."""
    if source == PRETRAINED:
        found = local_file(backbone)
        if found is None:
            raise missing(backbone)
        return found
    path = expand_home(source)
    if (path / backbone.hub_file).is_file():  # a folder that was filled from the hub
        return path / backbone.hub_file
    if not path.is_file():
        message = Message("There is no weights file {path}.", path=path)
        raise WeightsError(message, "Give the path of a .safetensors or .pth file.")
    return path


def missing(backbone: Backbone) -> WeightsError:
    if not backbone.has_weights:
        hint = "Train from random weights or a file, or choose another backbone."
        return WeightsError(Message("There are no pretrained weights of {name}.", name=backbone.name), hint)
    if not backbone.hub_id:
        return WeightsError(
            Message("The file {bundled} of {name} is missing.", bundled=backbone.bundled, name=backbone.name),
            "Reinstall VisionFT.",
        )
    step = NextStep("fetch_weights", backbone=backbone.name)
    message = Message("The weights of {name} are not on this computer.", name=backbone.name)
    hint = Message("Fetch them, or import {file} of {hub_id}.", file=backbone.hub_file, hub_id=backbone.hub_id)
    return WeightsError(message, sentences(hint, substitutes(backbone)), step)


def substitutes(backbone: Backbone) -> str:
    """Return advice to do without a backbone's weights; empty where nothing else answers from prompts as it does."""
    return "" if backbone.text else Message("Or choose a starter backbone, or train from random weights.")


def licence_words(backbone: Backbone) -> tuple[str, str]:
    """Return message and hint for a licence to be accepted first."""
    values = {"name": backbone.name, "licence": backbone.licence}
    if backbone.licence == NOT_STATED:
        message = Message("the licence of {name}'s weights is not stated", name=backbone.name)
        hint = Message("Ask who made them; if you may use them, accept the licence by its name: {licence}.", **values)
        return message, hint
    message = Message("the licence of {name}'s weights, {licence}, forbids commercial use", **values)
    return message, Message("If your use is not commercial, accept the licence by its name: {licence}.", **values)
