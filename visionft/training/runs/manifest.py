"""Whether a checkpoint folder is whole: its manifest holds each file's SHA-256. Torch-free, so that lists can tell."""

import contextlib
import json
from pathlib import Path
from typing import Any

from visionft.files import parse_json, read_json, sha256_file

MANIFEST = "manifest.json"
MODEL_FILE, STATE_FILE = "model.safetensors", "state.json"
COMBINED_FILE = "combined.json"  # in its place where the networks are those of other runs


def write_manifest(folder: Path) -> None:
    """Write the hashes of a folder's files beside them."""
    hashes = {path.name: sha256_file(path) for path in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, str]:
    """Return {file name: hash} of a folder.

    Raises:
        OSError: There is none.
        ValueError: It is damaged.
    """
    values: Any = read_json(folder / MANIFEST)
    if not isinstance(values, dict) or not values:
        raise ValueError(f"{MANIFEST} lists no files")
    return values


def weights_hash(folder: Path) -> str:
    """Return what tells a checkpoint's weights from any others; empty where there are none."""
    with contextlib.suppress(OSError, ValueError):
        hashes = read_manifest(folder)
        return hashes.get(MODEL_FILE) or hashes.get(COMBINED_FILE, "")
    return ""


def fault_of(folder: Path, *, is_quick: bool = False) -> str:
    """Return what is wrong with a checkpoint folder, or nothing.

    Args:
        is_quick: Look at what costs nothing: that each file is there, and as long as it says. Else every byte is read.
    """
    try:
        for name, digest in read_manifest(folder).items():
            if is_quick:
                _look_at(folder / name)
            elif sha256_file(folder / name) != digest:
                return f"{name} has changed since it was written"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing" if folder.is_dir() else "it is missing"
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _look_at(path: Path) -> None:
    """Raise ValueError when a file is shorter or longer than its own header says, as a power cut leaves it."""
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        if not size:
            raise ValueError(f"{path.name} is empty")
        return
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            tensors: dict[str, Any] = parse_json(handle.read(length)) if length < size else {}
            ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            ends = []
    if 8 + length + max(ends, default=0) != size or not ends:
        raise ValueError(f"{path.name} is cut short or damaged")
