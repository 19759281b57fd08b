"""The manifest of a checkpoint folder, each file's SHA-256, and the members of an ensemble. Torch-free.

An ensemble is a run folder with `combined.json` in its checkpoint `best/` instead of tensors; the networks stay in the
folders of its members.
"""

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.core.files import parse_json, read_json, sha256_file
from visionft.core.messages import Message
from visionft.core.typed_values import from_plain

BEST_FOLDER = "best"  # of a run: the checkpoint that evaluation and export read
MANIFEST = "manifest.json"
MODEL_FILE, STATE_FILE = "model.safetensors", "state.json"
COMBINED_FILE = "combined.json"  # in its place where the networks are those of other runs


def write_manifest(folder: Path) -> None:
    hashes = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, str]:
    """Return {file name: hash} of a folder (OSError: there is none; ValueError: it is damaged)."""
    values = from_plain(dict[str, str], read_json(folder / MANIFEST))
    if not values or not all(map(is_plain_name, values)):
        raise ValueError(Message("{MANIFEST} lists no files", MANIFEST=MANIFEST))
    return values


def is_plain_name(name: str) -> bool:
    """Return whether a text names a file or folder within another folder, on every system."""
    return name not in ("", ".", "..") and not any(sign in "/\\:\0" for sign in name)


def weights_hash(folder: Path) -> str:
    """Return the hash of a checkpoint's weights; empty where there are none."""
    with contextlib.suppress(OSError, ValueError):
        hashes = read_manifest(folder)
        return hashes.get(MODEL_FILE) or hashes.get(COMBINED_FILE, "")
    return ""


def fault_of(folder: Path, *, is_quick: bool = False) -> str:
    """Return the problem of a checkpoint folder, or nothing; `is_quick` checks lengths only, not every byte."""
    try:
        for name, digest in read_manifest(folder).items():
            if is_quick:
                _look_at(folder / name)
            elif sha256_file(folder / name) != digest:
                return Message("{name} has changed since it was written", name=name)
    except FileNotFoundError as error:
        return Message("{name} is missing", name=Path(error.filename).name) if folder.is_dir() else "it is missing"
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _look_at(path: Path) -> None:
    """Raise ValueError when a file is shorter or longer than its own header says, as a power cut leaves it."""
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        if not size:
            raise ValueError(Message("{name} is empty", name=path.name))
        return
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            tensors: dict[str, Any] = parse_json(handle.read(length)) if length < size else {}
            ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            ends = []
    if 8 + length + max(ends, default=0) != size or not ends:
        raise ValueError(Message("{name} is cut short or damaged", name=path.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    run: str
    weights: str  # hash of its weights at the fit
    share: float  # its weight in the ensemble; the sum over members is 1
    temperature: float  # divisor of its logits
    accuracy: float  # its own top-1 accuracy on the validation images of the fit
    loss: float  # its own log loss there, at its temperature


def write_parts(folder: Path, parts: Sequence[Part]) -> None:
    text = json.dumps([dataclasses.asdict(part) for part in parts], indent=2, ensure_ascii=False)
    (folder / COMBINED_FILE).write_text(f"{text}\n", encoding="utf-8")


def read_parts(folder: Path) -> tuple[Part, ...]:
    """Return the members of the ensemble in this checkpoint folder; empty where the file is missing."""
    try:
        parts = from_plain(tuple[Part, ...], read_json(folder / COMBINED_FILE), is_finite=True)
        if not all(is_plain_name(each.run) and each.temperature > 0 for each in parts):
            raise ValueError("a part is no run")
        return parts
    except FileNotFoundError:
        return ()
    except ValueError as error:
        raise ValueError(Message("{file} is damaged: {error}", file=COMBINED_FILE, error=error)) from error
