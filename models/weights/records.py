"""The weights folder: the record of each file beside it as JSON, its check, atomic writes by one process, its removal.

A flipped bit in a weights file loads silently, so every load compares the file's SHA-256 with a known one: the
catalog's for bundled weights, the record from its download or import, or the name of the hub cache's blob. A file put
there by hand has no known hash.
"""

import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from models.catalog import BACKBONES, Backbone, backbone_of_file, get_backbone
from models.timm_index import timm_names
from models.weights.locations import (
    TOKENIZER_SUFFIX,
    WeightsLocation,
    bundled_file,
    folder_file,
    hub_cached_file,
    locate,
    weights_folder,
)
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep, WeightsError
from visionft.core.events import Notice
from visionft.core.files import fsync_folder, read_json, sha256_file, write_error, write_json
from visionft.core.jobs import JobContext
from visionft.core.messages import Message

Advice = tuple[str, NextStep | None]
SPARE_BYTES = 50_000_000  # left free on the disk, for everything else that runs


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRecord:
    """The record of a downloaded or imported file; `NAME.json` beside `NAME.safetensors`."""

    backbone: str  # catalog name of its backbone
    sha256: str  # hash of the written file
    bytes: int
    licence: str  # as the catalog or the file itself states it; `not stated` otherwise
    origin: str  # hub repository, or the name of the imported file
    revision: str = ""  # the hub's commit, if any
    sha256_from: str = "first sight"  # source of the expected hash: `catalog`, `hub`, or `first sight` without one


def bare_origin(origin: str) -> str:
    """Return an origin without the folders of this computer (private)."""
    return Path(origin).name if Path(origin).is_absolute() else origin


def record_path(weights: Path) -> Path:
    return weights.with_suffix(".json")


def read_record(weights: Path) -> WeightsRecord | None:
    """Return the record of a weights file, or None if missing; a damaged one raises a `WeightsError`."""
    path = record_path(weights)
    if not path.is_file():
        return None
    try:
        record = WeightsRecord(**read_json(path))
        if not re.fullmatch(r"[0-9a-f]{64}", record.sha256):
            raise ValueError("its sha256 is none")
    except (OSError, ValueError, TypeError) as error:
        message = Message("{path} is damaged: {reason}.", path=path, reason=error)
        raise WeightsError(message, *_removing(weights.stem)) from error
    return record


def _removing(stem: str) -> Advice:
    """Return the suggested action for an untrusted file of the weights folder."""
    row = backbone_of_file(stem)
    return "Remove it, then fetch or import it again.", NextStep("remove_weights", backbone=row.name if row else stem)


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file; raise `WeightsError` where it cannot be read."""
    try:
        return sha256_file(path)
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> WeightsError:
    message = Message("{folder} cannot be read: {reason}.", folder=path, reason=error.strerror or error)
    return WeightsError(message, "Check its permissions.")


def checked_sha256(backbone: Backbone, path: Path) -> str:
    """Return the file's SHA-256; a `WeightsError` where it is not the known one."""
    found = sha256_of(path)
    expected = ""
    blob = path.resolve()
    advice: Advice = ("", None)
    if path == bundled_file(backbone):
        expected = backbone.sha256
        advice = (Message("Reinstall VisionFT."), None)
    elif path.parent == weights_folder():
        record = read_record(path)
        expected = record.sha256 if record else ""
        advice = _removing(path.stem)
    elif (is_hash := re.fullmatch(r"[0-9a-f]{64}", blob.name)) or path == hub_cached_file(backbone):
        # The hub cache names large files by their hash.
        expected = blob.name if is_hash else backbone.pin.sha256
        hint = Message("Delete {blob} and fetch it again.", blob=blob)
        advice = hint, NextStep("fetch_weights", backbone=backbone.name)
    if expected and found != expected:
        message = Message("{name} is damaged: its content has changed since it was saved here.", name=path.name)
        raise WeightsError(message, *advice)
    return found


@contextmanager
def sole_writer(backbone: Backbone, *, job: JobContext) -> Generator[bool]:
    """Make the weights folder, and keep other processes from writing the same file; yield False when cancelled."""
    folder = weights_folder()
    is_mine = is_told = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{backbone.file_stem}.lock")
        while not is_mine and not job.is_cancelled:
            try:
                lock.acquire(timeout=0.2)
                is_mine = True
            except Timeout:
                if not is_told:
                    text = Message("Another VisionFT is getting the weights of {name}; waiting for it.")
                    job.report(Notice(message=Message(text, name=backbone.name)))
                is_told = True
    except OSError as error:
        raise not_writable(error) from error
    try:
        yield is_mine
    finally:
        lock.release()  # the empty lock file stays: another process may be waiting on it


def not_writable(error: OSError) -> WeightsError:
    message = Message(
        "The weights folder {folder} cannot be written to: {reason}.",
        folder=weights_folder(),
        reason=error.strerror or error,
    )
    hint = "Set the environment variable VISIONFT_WEIGHTS to a folder that you may write to."
    return WeightsError(message, hint)


def check_room(needed: int) -> None:
    """Raise a `WeightsError` if the disk of the weights folder has less than `needed` + `SPARE_BYTES` bytes free."""
    folder = weights_folder()
    needed += SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        message = Message(
            "{folder} has {free} free; {value} are needed.",
            folder=folder,
            free=size_text(free),
            value=size_text(needed),
        )
        hint = "Free some space, or set VISIONFT_WEIGHTS to a folder on a larger disk."
        raise WeightsError(message, hint)


def install(checked: Path, backbone: Backbone, record: WeightsRecord) -> Path:
    """Rename a checked file to its name, its record first: after a crash in between, loading notices the old file."""
    target = folder_file(backbone)
    try:
        with checked.open("rb+") as handle:
            os.fsync(handle.fileno())
        write_json(record_path(target), asdict(record))
        checked.replace(target)
        fsync_folder(target.parent)
    except OSError as error:
        raise not_writable(error) from error
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsState:
    backbone: str  # its catalog name
    # `hub` means a download is needed; `nowhere` a missing bundled file.
    location: WeightsLocation | Literal["hub", "nowhere"]
    path: Path | None  # the local file, if any
    bytes: int  # its size, or about the size of the download
    is_estimate: bool  # whether `bytes` is computed from the parameter count
    licence: str
    origin: str  # hub repository, if any
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
    """Return partial downloads of a backbone in the weights folder."""
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
