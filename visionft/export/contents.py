"""The files of an export, listed in its record with their sizes and hashes. Torch-free.

The names in a record are not trusted: it may come from anywhere, and the next export replaces the listed files.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from visionft.core.files import MOST_RECORD, parse_json, read_json, sha256_file, write_json
from visionft.core.records import finite_values
from visionft.data.image_reading import AS_STORED
from visionft.data.preprocess import WHOLE

MODEL_FILE, RECORD_FILE = "model.onnx", "export.json"
FIXED_MODEL_FILE, FLOAT_MODEL_FILE = "model_fixed.onnx", "model_float.onnx"
PYTORCH_FOLDER, CLASSIFIER_FILE = "pytorch", "classifier.py"
TIMM_FOLDER, RUNTIME_FOLDER = "huggingface", "samples/web/runtime"
LABELS_FILE, SCRIPT_FILE, INDEX_FILE = "labels.txt", "predict.py", "index.safetensors"
LICENCE_FILE = "LICENSE"
OPSET = 20  # the usual version of ONNX's operators in the files
# Files of the exports before records listed files.
_FIRST_FILES = (FLOAT_MODEL_FILE, INDEX_FILE, LABELS_FILE, SCRIPT_FILE)
_OWN_HASH = "record_sha256"


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """Entry of a file in a record: its size and SHA-256."""

    bytes: int
    sha256: str


def files_in(folder: Path) -> list[str]:
    """Return all files below a folder, as relative names with `/`, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def list_contents(folder: Path) -> dict[str, ListedFile]:
    """Return size and hash of every file of an export in `folder`, except its record."""
    return {name: listed_file(folder / name) for name in files_in(folder) if name != RECORD_FILE}


def listed_file(path: Path) -> ListedFile:
    return ListedFile(bytes=path.stat().st_size, sha256=sha256_file(path))


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the content of `export.json` in a folder; None where there is none, or it is another program's."""
    try:
        record = read_json(folder / RECORD_FILE, most=MOST_RECORD)
    except (OSError, ValueError):
        return None
    is_own = isinstance(record, dict) and isinstance(record.get("sha256"), str) and "parity" in record
    return _upgraded(record, folder) if is_own else None


def _upgraded(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a record as this version writes it; that of an earlier one lists its model's hash alone, or lacks some."""
    upgraded = _renamed(record)
    if not isinstance(upgraded.get("files"), dict):
        upgraded["files"] = {MODEL_FILE: {name: record.get(name, "") for name in ("bytes", "sha256")}}
    for part in (upgraded, *upgraded.get("parts", ())):
        steps = part.get("preprocessing")
        if isinstance(steps, dict) and "size" in steps:  # before 0.2 all inputs were squares of the whole image
            side = steps.pop("size")
            steps = part["preprocessing"] = {"height": side, "width": side, **steps, "region": list(WHOLE)}
        if isinstance(steps, dict):
            steps.setdefault("image_reading", AS_STORED.to_dict())
    for name, entry in upgraded["files"].items():
        if isinstance(entry, dict) and not (entry.get("bytes") and entry.get("sha256")):
            with suppress(OSError):
                entry |= {key: value for key, value in asdict(listed_file(folder / name)).items() if not entry.get(key)}
    if upgraded != record and _OWN_HASH in record and is_undamaged(record):
        upgraded[_OWN_HASH] = _own_hash(upgraded)
    return upgraded


def _renamed(value: Any) -> Any:
    """Return a value of a record with the names of this version: `images` were `pictures` before 0.1."""
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if name != "is_for_any_processor"}
        return {"images" if name == "pictures" else name: _renamed(each) for name, each in kept.items()}
    return [_renamed(each) for each in value] if isinstance(value, list) else value


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `export.json` with a hash of its content, to detect damage."""
    record = finite_values(record)
    write_json(folder / RECORD_FILE, {**record, _OWN_HASH: _own_hash(record)})


def is_undamaged(record: Mapping[str, Any]) -> bool:
    """Return whether a record matches its own hash; records of earlier versions have no hash and pass."""
    return _OWN_HASH not in record or record[_OWN_HASH] == _own_hash(record)


def _own_hash(record: Mapping[str, Any]) -> str:
    content = {name: value for name, value in record.items() if name != _OWN_HASH}
    read_back = parse_json(json.dumps(content))  # numeric keys are sorted as strings, as in JSON
    return hashlib.sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()


def listed_files(record: dict[str, Any]) -> dict[str, ListedFile]:
    """Return {name: entry of the record}, without names outside the folder and invalid entries."""
    files = record.get("files")
    found = dict[str, ListedFile]()
    for name, entry in files.items() if isinstance(files, dict) else ():
        parts = PurePosixPath(name).parts
        try:
            if parts and ".." not in parts and "\\" not in name and not PureWindowsPath(name).anchor:
                found[name] = ListedFile(bytes=int(entry["bytes"]), sha256=str(entry["sha256"]))
        except (TypeError, KeyError, ValueError, OverflowError):
            continue
    return found


def own_files(folder: Path) -> list[str]:
    """Return the files of an earlier export in a folder, its record last.

    A file edited since then belongs to the user, unless it is a binary format: a changed binary file is damaged.
    """
    record = read_record(folder)
    if record is None:
        return []
    inside = {name: entry for name, entry in listed_files(record).items() if is_inside_folder(folder, name)}
    binary = (".onnx", ".safetensors", ".ort", ".pt2")  # the last two are of earlier versions
    names = [name for name, entry in inside.items() if name.endswith(binary) or listed_file(folder / name) == entry]
    if _OWN_HASH not in record:
        names += [name for name in _FIRST_FILES if name not in names and is_inside_folder(folder, name)]
    return [*names, RECORD_FILE]


def note_change(folder: Path, name: str, path: Path) -> None:
    """Update the entry of the file `name` in an export's record, if listed; its new content is still at `path`."""
    record = read_record(folder)
    if record is not None and name in listed_files(record):
        record["files"][name] = asdict(listed_file(path))
        write_record(folder, record)


def is_inside_folder(folder: Path, name: str) -> bool:
    """Return whether the file exists inside this folder; a link below the folder may point elsewhere."""
    path = folder / name
    return path.is_file() and path.parent.resolve() == folder.resolve() / Path(name).parent
