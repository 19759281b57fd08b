"""What is known of a weights file, kept beside it as JSON, and holding the file against it.

A flipped bit in a weights file loads silently, so every load compares the file's SHA-256 with what is known: the
catalog's for weights that ship with the program, the record written when a file was fetched or imported, the name of
the hub cache's blob. Where nothing is known (a file put there by hand) nothing can be compared.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from models.catalog import Backbone, backbone_of_file
from visionft.errors import NextStep, WeightsError
from visionft.files import read_json, sha256_file
from visionft.weights.locations import bundled_file, hub_cached_file, weights_folder

Advice = tuple[str, NextStep | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRecord:
    """What was known of a file when it was fetched or imported; `NAME.json` beside `NAME.safetensors`.

    Attributes:
        backbone: Catalog name of the backbone it is for.
        sha256: Hash of the file as it was written.
        bytes: Its size.
        licence: As the catalog or the file itself states it; `not stated` otherwise.
        origin: Hub repository, or the name of the file that was imported.
        revision: The hub's commit; empty where there is none.
        sha256_from: Who vouched for the hash: `catalog`, `hub`, or `first sight` where nobody could.
    """

    backbone: str
    sha256: str
    bytes: int
    licence: str
    origin: str
    revision: str = ""
    sha256_from: str = "first sight"


def bare_origin(origin: str) -> str:
    """Return an origin without the folders of this computer, which are told nobody."""
    return Path(origin).name if Path(origin).is_absolute() else origin


def record_path(weights: Path) -> Path:
    """Return where the record of a weights file lies."""
    return weights.with_suffix(".json")


def read_record(weights: Path) -> WeightsRecord | None:
    """Return the record of a weights file, or None where there is none.

    Raises:
        WeightsError: The record is damaged.
    """
    path = record_path(weights)
    if not path.is_file():
        return None
    try:
        record = WeightsRecord(**read_json(path))
        if not re.fullmatch(r"[0-9a-f]{64}", record.sha256):
            raise ValueError("its sha256 is none")
    except (OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is damaged: {error}.", *_removing(weights.stem)) from error
    return record


def _removing(stem: str) -> Advice:
    """Return what to do about a file of the weights folder that cannot be trusted."""
    row = backbone_of_file(stem)
    return "Remove it, then fetch or import it again.", NextStep("remove_weights", backbone=row.name if row else stem)


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file.

    Raises:
        WeightsError: It cannot be read.
    """
    try:
        return sha256_file(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.") from error


def checked_sha256(backbone: Backbone, path: Path) -> str:
    """Return the file's SHA-256 after holding it against whatever is known of the file.

    Raises:
        WeightsError: It is not the file that it was.
    """
    found = sha256_of(path)
    expected, advice = _known(backbone, path)
    if expected and found != expected:
        raise WeightsError(f"{path.name} is damaged: it is not the file that it was when it came here.", *advice)
    return found


def _known(backbone: Backbone, path: Path) -> tuple[str, Advice]:
    """Return the SHA-256 that the file must have, empty where nobody knows, and what to do when it has another."""
    if path == bundled_file(backbone):
        return backbone.sha256, ("Reinstall VisionFT.", None)
    if path.parent == weights_folder():
        record = read_record(path)
        return (record.sha256 if record else ""), _removing(path.stem)
    blob = path.resolve()
    advice = f"Delete {blob} and fetch it again.", NextStep("fetch_weights", backbone=backbone.name)
    if re.fullmatch(r"[0-9a-f]{64}", blob.name):  # the hub cache names large files by their hash
        return blob.name, advice
    return (backbone.pin.sha256, advice) if path == hub_cached_file(backbone) else ("", ("", None))
