"""The files of an export: listed in its record with sizes and hashes, and published together. Torch-free.

The names in a record are not trusted: it may come from anywhere, and the next export replaces the listed files.

Publishing is atomic and leaves the user's other files alone. A new folder is renamed into place. In an existing folder,
the finished export is renamed to `READY` and is valid from then on; its files then replace those of the earlier export,
listed in the earlier record. A process killed meanwhile leaves `READY`, and the next reader of the folder (`settle`)
moves the rest. Labels are never beside a model of another export, and a file outside the earlier export is never
overwritten. Files that join a published export (`adding`) take the same way, and none of its files is missing
meanwhile.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from visionft.core.errors import ExportError, VisionFTError, find_os_error
from visionft.core.files import (
    MAX_RECORD_BYTES,
    fsync_folder,
    fsync_tree,
    link_or_copy,
    parse_json,
    partial_folder,
    read_json,
    sha256_file,
    temporary_folder,
    write_error,
    write_json,
)
from visionft.core.messages import Message
from visionft.core.records import finite_values
from visionft.data.image_reading import AS_STORED
from visionft.data.preprocess import WHOLE

MODEL_FILE, RECORD_FILE = "model.onnx", "export.json"
FIXED_MODEL_FILE, FLOAT_MODEL_FILE = "model_fixed.onnx", "model_float.onnx"
PYTORCH_FOLDER, CLASSIFIER_FILE = "pytorch", "classifier.py"
TIMM_FOLDER, RUNTIME_FOLDER = "huggingface", "samples/web/runtime"
LABELS_FILE, SCRIPT_FILE, INDEX_FILE = "labels.txt", "predict.py", "index.safetensors"
LICENCE_FILE = "LICENSE"
FileEntry = dict[str, Any]
OPSET = 20  # the usual version of ONNX's operators in the files
# Files of the exports before records listed files.
_FIRST_FILES = (FLOAT_MODEL_FILE, INDEX_FILE, LABELS_FILE, SCRIPT_FILE)
_OWN_HASH = "record_sha256"


def files_in(folder: Path) -> list[str]:
    """Return all files below a folder, as relative names with `/`, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def list_contents(folder: Path) -> dict[str, FileEntry]:
    """Return size and hash of every file of an export in `folder`, except its record."""
    return {name: file_entry(folder / name) for name in files_in(folder) if name != RECORD_FILE}


def file_entry(path: Path) -> FileEntry:
    """Return the size (`bytes`) and `sha256` of a file, as the record lists them."""
    return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the content of `export.json` in a folder; None where there is none, or it is another program's."""
    try:
        record = read_json(folder / RECORD_FILE, max_bytes=MAX_RECORD_BYTES)
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
                entry |= {key: value for key, value in file_entry(folder / name).items() if not entry.get(key)}
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


def listed_files(record: dict[str, Any]) -> dict[str, FileEntry]:
    """Return {name: entry of the record}, without names outside the folder and invalid entries."""
    files = record.get("files")
    found = dict[str, FileEntry]()
    for name, entry in files.items() if isinstance(files, dict) else ():
        parts = PurePosixPath(name).parts
        try:
            if parts and ".." not in parts and "\\" not in name and not PureWindowsPath(name).anchor:
                found[name] = {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"])}
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
    names = [name for name, entry in inside.items() if name.endswith(binary) or file_entry(folder / name) == entry]
    if _OWN_HASH not in record:
        names += [name for name in _FIRST_FILES if name not in names and is_inside_folder(folder, name)]
    return [*names, RECORD_FILE]


def note_change(folder: Path, name: str, path: Path) -> None:
    """Update the entry of the file `name` in an export's record, if listed; its new content is still at `path`."""
    record = read_record(folder)
    if record is not None and name in listed_files(record):
        record["files"][name] = file_entry(path)
        write_record(folder, record)


def is_inside_folder(folder: Path, name: str) -> bool:
    """Return whether the file exists inside this folder; a link below the folder may point elsewhere."""
    path = folder / name
    return path.is_file() and path.parent.resolve() == folder.resolve() / Path(name).parent


READY = ".visionft-ready"
_ASIDE = "earlier"
_ALL_BUT_FULL = 2**20


@contextmanager
def publishing(out_dir: Path, planned: Sequence[str] = ()) -> Generator[Path]:
    """Yield an empty folder for an export's files, and publish them into `out_dir` if the block ends without error.

    Files of an earlier export that are not written again are removed.

    Args:
        out_dir: Destination folder; created when missing.
        planned: The files to be written, as far as known: existing files in their way are refused before the block
            begins, and files in the way of others at its end.

    Raises:
        ExportError: A file is in the way that is outside the earlier export or was changed since; `out_dir` is
            unchanged.
        VisionFTError: `out_dir` cannot be written; it is unchanged.
    """
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_folder(out_dir)
        if out_dir.is_dir() and (partial.exists() or partial.with_name(f"{partial.name}.lock").exists()):
            # An export killed before `out_dir` existed left it beside `out_dir`.
            with suppress(OSError, VisionFTError), temporary_folder(out_dir):
                pass
        # Inside where possible: `out_dir` may be the root of a disk.
        with temporary_folder(out_dir, inside=out_dir.is_dir()) as folder:
            if (out_dir / READY).is_dir():
                _move_in(out_dir)
            _refuse_others(out_dir, planned)
            with _naming_the_full_disk(folder):
                yield folder
            fsync_tree(folder)
            _refuse_others(out_dir, files_in(folder))
            _publish(folder, out_dir)
    except OSError as error:
        if not _is_about(error, out_dir):
            raise
        raise write_error(out_dir, error) from error


@contextmanager
def adding(out_dir: Path, sha256: str) -> Generator[Path]:
    """Yield a folder with the files of the export in `out_dir` but its record, and publish it with what is added.

    The files are hard links where the disk has such: one that is changed is replaced, never written into.

    Args:
        out_dir: Folder of the export.
        sha256: Hash of its model.

    Raises:
        ExportError: Another export was published there meanwhile, or a file is in the way as for `publishing`.
        VisionFTError: As `publishing`.
    """
    with publishing(out_dir) as folder:
        if (read_record(out_dir) or {}).get("sha256") != sha256:
            message = Message("{path} was replaced or removed while further files were made.", path=out_dir)
            raise ExportError(message, "Export into a folder of its own.")
        for name in own_files(out_dir):
            if name != RECORD_FILE:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(out_dir / name, folder / name)
        yield folder


def settle(out_dir: Path) -> None:
    """Finish publishing an export killed at its very end in `out_dir`; leave a read-only folder as it is."""
    if not (out_dir / READY).is_dir():
        return
    with suppress(OSError, VisionFTError), temporary_folder(out_dir, inside=True):
        if (out_dir / READY).is_dir():
            _move_in(out_dir)


@contextmanager
def _naming_the_full_disk(folder: Path) -> Generator[None]:
    """Add the folder to an error of a full disk: an error in the middle of a file has no file name.

    safetensors deletes its partial file, so the disk is no longer full; during an export it writes only here.
    """
    try:
        yield
    except Exception as error:
        fault = find_os_error(error)
        if fault is None:
            raise
        is_nameless = fault.errno == errno.ENOSPC and fault.filename is None
        if fault is not error or (is_nameless and shutil.disk_usage(folder).free < _ALL_BUT_FULL):
            fault.filename = str(folder)
        raise fault from error.__cause__ if fault is error else error


def _is_about(error: OSError, out_dir: Path) -> bool:
    """Return whether the error is about writing `out_dir`; other files of an export have their own messages."""
    if error.filename is None:
        return False
    path, target = Path(error.filename).absolute(), out_dir.absolute()
    return target.is_relative_to(path) or any(path.is_relative_to(each) for each in (target, partial_folder(target)))


def _refuse_others(out_dir: Path, names: Sequence[str]) -> None:
    """Refuse to overwrite a file that is outside the earlier export, or was changed since."""
    own = {out_dir / name for name in own_files(out_dir)}
    folders = {parent for path in own for parent in path.parents}
    for name in names:
        for path in [out_dir / parent for parent in reversed(PurePosixPath(name).parents)][1:]:
            if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()) and path not in own:
                raise _in_the_way(path)
        path = out_dir / name
        if os.path.lexists(path) and path not in own and path not in folders:
            raise _in_the_way(path)


def _in_the_way(path: Path) -> ExportError:
    return ExportError(
        Message("{path} would be overwritten, but it was changed after its export.", path=path),
        "Rename it or move it away if you want to keep it, or export into another folder.",
    )


def _publish(folder: Path, out_dir: Path) -> None:
    if not out_dir.is_dir():
        folder.rename(out_dir)
        fsync_folder(out_dir.parent)
        return
    folder.rename(out_dir / READY)
    fsync_folder(out_dir)
    try:
        _move_in(out_dir)
    except OSError:
        if (out_dir / READY / MODEL_FILE).is_file() and not _has_same_model(out_dir):  # nothing was moved yet
            (out_dir / READY).rename(folder)  # a half-deleted folder must not look finished
        raise


def _has_same_model(out_dir: Path) -> bool:
    """Tell whether the model in `READY` is a hard link of that in `out_dir`: files join the same export."""
    model, ready = out_dir / MODEL_FILE, out_dir / READY / MODEL_FILE
    return model.is_file() and ready.is_file() and model.samefile(ready)


def _move_in(out_dir: Path) -> None:
    """Replace the earlier export by the one in `READY`; also resumes after a killed process.

    The record of the earlier export is moved aside last and restored last: it marks the other files as parts of it.
    Where files only join the earlier export, none is moved aside.
    """
    ready, aside = out_dir / READY, out_dir / READY / _ASIDE
    if (ready / MODEL_FILE).is_file() and not _has_same_model(out_dir):
        try:
            aside.mkdir(exist_ok=True)
            for name in _record_last([name for name in own_files(out_dir) if name != MODEL_FILE]):
                _move(out_dir, aside, name)
            _move(ready, out_dir, MODEL_FILE)  # replaced in one step
        except OSError:
            for name in reversed(_record_last(files_in(aside) if aside.is_dir() else [])):
                with suppress(OSError):
                    _move(aside, out_dir, name)
            raise
    emptied = sorted((path.relative_to(aside) for path in aside.rglob("*") if path.is_dir()), reverse=True)
    for folder in emptied:  # those with files of the earlier export alone
        with suppress(OSError):
            (out_dir / folder).rmdir()
    for name in _record_last([name for name in files_in(ready) if not name.startswith(f"{_ASIDE}/")]):
        _move(ready, out_dir, name)
    fsync_folder(out_dir)
    shutil.rmtree(ready)


def _record_last(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: (name == RECORD_FILE, name))


def _move(source: Path, target: Path, name: str) -> None:
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (source / name).replace(path)
    if path.parent != target:
        fsync_folder(path.parent)
