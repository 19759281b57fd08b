"""Local and downloadable weights of the catalog, and their removal."""

from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal

from models.catalog import BACKBONES, Backbone, get_backbone
from models.timm_index import timm_names
from models.weights.locations import TOKENIZER_SUFFIX, WeightsLocation, folder_file, locate, weights_folder
from models.weights.records import record_path
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep, WeightsError
from visionft.core.files import write_error
from visionft.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsState:
    backbone: str  # its catalog name
    # `hub` means a download is needed; `nowhere` a missing bundled file.
    location: WeightsLocation | Literal["hub", "nowhere"]
    path: Path | None  # the local file, if any
    bytes: int  # its size, or about the size of the download
    is_estimate: bool  # whether `bytes` is computed from the parameter count
    licence: str
    origin: str  # hub repository; empty where there is none
    partial_bytes: int  # size of a partial download; the next `fetch` continues it

    @property
    def is_here(self) -> bool:
        """Tell whether training can start from them without a network."""
        return self.path is not None

    @property
    def size_text(self) -> str:
        size = size_text(self.bytes)
        return Message("about {size}", size=size) if self.is_estimate else size


def weights_states() -> tuple[WeightsState, ...]:
    """Return the state of every backbone of the catalog, in its order, and of other local ones."""
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
    """Return partial downloads of a backbone in the weights folder; none of them can be loaded."""
    return sorted(weights_folder().glob(f".{escape(backbone.file_stem)}.*.part"))


def remove_weights(backbone: Backbone) -> tuple[Path, ...]:
    """Delete a backbone's file, record and partial downloads; return the deleted files, or raise a `WeightsError`."""
    weights = folder_file(backbone)
    vocabulary = weights.with_suffix(TOKENIZER_SUFFIX)
    found = [path for path in (weights, record_path(weights), vocabulary, *partial_files(backbone)) if path.exists()]
    if not found:
        message = Message("The weights folder has no weights of {name}.", name=backbone.name)
        state = weights_state(backbone)
        hints = {
            "bundled": "They ship with the program and stay.",
            "hub cache": Message("They lie in the hub's cache, which other programs use too: {path}.", path=state.path),
        }
        step = None if state.location in hints else NextStep("list_weights")
        raise WeightsError(message, hints.get(state.location, ""), step)
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise write_error(path, error) from error
    return tuple(found)
