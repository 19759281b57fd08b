"""Which files belong to an export: its record lists them with their sizes and hashes. Torch-free.

The names of a record are not trusted: it may come from anywhere, and what it lists is replaced by the next export.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from visionft.files import parse_json, read_json, sha256_file, write_json

MODEL_FILE, FLOAT_MODEL_FILE, RECORD_FILE = "model.onnx", "model_float.onnx", "export.json"
LABELS_FILE, SCRIPT_FILE, INDEX_FILE = "labels.txt", "predict.py", "index.safetensors"
# What exports wrote before their records listed it.
_FIRST_FILES = (MODEL_FILE, FLOAT_MODEL_FILE, INDEX_FILE, LABELS_FILE, SCRIPT_FILE)
_NOT_FOR_HANDS = frozenset({".onnx", ".safetensors"})
_OWN_HASH = "record_sha256"


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """What a record says of a file beside it.

    Attributes:
        sha256: Of its bytes; empty in the records of earlier versions.
    """

    bytes: int
    sha256: str


def files_in(folder: Path) -> list[str]:
    """Return all files below a folder, as relative names with `/`, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def list_contents(folder: Path) -> dict[str, ListedFile]:
    """Return size and hash of everything that an export wrote into `folder`, but for its record."""
    return {name: listed_file(folder / name) for name in files_in(folder) if name != RECORD_FILE}


def listed_file(path: Path) -> ListedFile:
    """Return size and hash of a file."""
    return ListedFile(bytes=path.stat().st_size, sha256=sha256_file(path))


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return what `export.json` in a folder holds; None where there is none, or another program's."""
    try:
        record = read_json(folder / RECORD_FILE)
    except (OSError, ValueError):
        return None
    is_ours = isinstance(record, dict) and isinstance(record.get("sha256"), str) and "parity" in record
    return record if is_ours else None


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `export.json`, with the hash of what it says: nothing else could tell that it was damaged."""
    write_json(folder / RECORD_FILE, {**record, _OWN_HASH: _own_hash(record)})


def is_undamaged(record: Mapping[str, Any]) -> bool:
    """Tell whether a record says what was written; of those of earlier versions nobody can tell."""
    return _OWN_HASH not in record or record[_OWN_HASH] == _own_hash(record)


def _own_hash(record: Mapping[str, Any]) -> str:
    said = {name: value for name, value in record.items() if name != _OWN_HASH}
    read_back = parse_json(json.dumps(said))  # names that are numbers are sorted as the text that they become
    return hashlib.sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()


def listed_files(record: dict[str, Any]) -> dict[str, ListedFile] | None:
    """Return {name: what a record says of it}, without names that lead elsewhere; None where it lists no files."""
    files = record.get("files")
    if not isinstance(files, dict):
        return None
    found: dict[str, ListedFile] = {}
    for name, said in files.items():
        try:
            if _is_inside(name):
                found[name] = ListedFile(bytes=int(said["bytes"]), sha256=str(said["sha256"]))
        except (TypeError, KeyError, ValueError, OverflowError):
            continue
    return found


def own_files(folder: Path) -> list[str]:
    """Return the files in a folder that an earlier export wrote there, its record last.

    What somebody has written into since is theirs, unless no hand writes such files: then it is damaged.
    """
    record = read_record(folder)
    if record is None:
        return []
    listed = listed_files(record)
    names = [name for name in listed or _FIRST_FILES if is_inside_folder(folder, name)]
    if listed is not None:
        names = [name for name in names if _is_still_ours(folder / name, listed[name])]
    return [*names, RECORD_FILE]


def note_change(folder: Path, name: str, path: Path) -> None:
    """Write into the record of an export what its file `name` will be, where it lists that; it is at `path` yet."""
    record = read_record(folder)
    if record is None or name not in (listed_files(record) or {}):
        return
    record["files"][name] = asdict(listed_file(path))
    write_record(folder, record)


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and "\\" not in name and not PureWindowsPath(name).anchor


def is_inside_folder(folder: Path, name: str) -> bool:
    """Tell whether the file is there, and in this folder: a link below it may lead anywhere."""
    path = folder / name
    return path.is_file() and path.parent.resolve() == folder.resolve() / Path(name).parent


def _is_still_ours(path: Path, said: ListedFile) -> bool:
    return path.suffix in _NOT_FOR_HANDS or listed_file(path) == said
