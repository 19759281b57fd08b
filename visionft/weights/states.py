"""What of the catalog is on this computer, what would be fetched, whether the network may be used; and removing."""

import os
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal

from models.catalog import BACKBONES, Backbone, get_backbone
from models.timm_index import timm_names
from visionft.amounts import size_text
from visionft.errors import NextStep, WeightsError
from visionft.files import write_error
from visionft.weights.locations import TOKENIZER_SUFFIX, WeightsLocation, folder_file, locate, weights_folder
from visionft.weights.records import record_path

OFFLINE_VARIABLE = "VISIONFT_OFFLINE"
_OFFLINE_VARIABLES = (OFFLINE_VARIABLE, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def offline_reason() -> str:
    """Return which setting forbids the network, as a sentence; empty when it may be used."""
    name = offline_variable()
    return f"VisionFT works offline ({name} is set)." if name else ""


def offline_variable() -> str:
    """Return the environment variable that forbids the network; empty when none does."""
    return next((each for each in _OFFLINE_VARIABLES if _is_on(os.environ.get(each, ""))), "")


def _is_on(value: str) -> bool:
    return value.strip().lower() in ("1", "on", "yes", "true")


def set_offline(is_offline: bool) -> None:
    """Forbid or allow the network for this process and those it starts; `HF_HUB_OFFLINE` set outside still forbids."""
    if is_offline:
        os.environ[OFFLINE_VARIABLE] = "1"
    else:
        os.environ.pop(OFFLINE_VARIABLE, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsState:
    """Where the pretrained weights of one backbone are.

    Attributes:
        backbone: Its catalog name.
        location: `hub` means that they would be fetched; `nowhere` that a file which ships with the program is missing.
        path: The file, where it is on this computer.
        bytes: Its size, or about what would be fetched.
        is_estimate: Whether `bytes` is computed from the parameter count.
        licence: Of the weights.
        origin: Hub repository; empty where there is none.
        partial_bytes: What is here of a broken download, which the next `fetch` continues.
    """

    backbone: str
    location: WeightsLocation | Literal["hub", "nowhere"]
    path: Path | None
    bytes: int
    is_estimate: bool
    licence: str
    origin: str
    partial_bytes: int

    @property
    def is_here(self) -> bool:
        """Tell whether training can start from them without a network."""
        return self.path is not None

    @property
    def size_text(self) -> str:
        """Return the size for a person, such as `about 47 MB`."""
        return f"{'about ' if self.is_estimate else ''}{size_text(self.bytes)}"


def weights_states() -> tuple[WeightsState, ...]:
    """Return the state of every backbone of the catalog, in its order, and of the others that are on this computer."""
    stems = {path.name.lstrip(".").removesuffix(".safetensors") for path in weights_folder().glob("*timm_*")}
    names = {name for stem in stems for name in timm_names() if stem.startswith(name.replace("/", "_"))}
    found = [get_backbone(name) for name in sorted(names)]
    others = [row for row in found if row.name not in BACKBONES and (locate(row) or partial_files(row))]
    return tuple(weights_state(backbone) for backbone in (*BACKBONES.values(), *others))


def weights_state(backbone: Backbone) -> WeightsState:
    """Look where the weights of a backbone are; opens no file and no connection."""
    found = locate(backbone)
    location, path = found or ("hub" if backbone.hub_id else "nowhere", None)
    return WeightsState(
        backbone=backbone.name,
        location=location,
        path=path,
        bytes=path.stat().st_size if path else backbone.hub_bytes,
        is_estimate=path is None and not backbone.pin.bytes,
        licence=backbone.licence,
        origin=backbone.hub_id,
        partial_bytes=sum(each.stat().st_size for each in partial_files(backbone)),
    )


def partial_files(backbone: Backbone) -> list[Path]:
    """Return what broken downloads of a backbone left in the weights folder; none of it can be loaded."""
    return sorted(weights_folder().glob(f".{escape(backbone.file_stem)}.*.part"))


def remove_weights(backbone: Backbone) -> tuple[Path, ...]:
    """Delete a backbone's file, its record and broken downloads from the weights folder; returns what was deleted.

    Raises:
        WeightsError: The folder has none of them, or they cannot be deleted.
    """
    weights = folder_file(backbone)
    vocabulary = weights.with_suffix(TOKENIZER_SUFFIX)
    found = [path for path in (weights, record_path(weights), vocabulary, *partial_files(backbone)) if path.exists()]
    if not found:
        raise WeightsError(f"The weights folder has no weights of {backbone.name}.", *_why_not(backbone))
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise write_error(path, error) from error
    return tuple(found)


def _why_not(backbone: Backbone) -> tuple[str, NextStep | None]:
    state = weights_state(backbone)
    if state.location == "bundled":
        return "They ship with the program and stay.", None
    if state.location == "hub cache":
        return f"They lie in the hub's cache, which other programs use too: {state.path}.", None
    return "", NextStep("list_weights")
