"""The files of an export: listed in its record with sizes and hashes, and published together. Torch-free.

The names in a record are not trusted: it may come from anywhere, and the next export replaces the listed files.

Publishing is atomic and leaves the user's other files alone. A new folder is renamed into place. In an existing folder,
the finished export is renamed to `READY_FOLDER` and is valid from then on; its files then replace the files listed in
the earlier export's record. If the process is killed, `READY_FOLDER` remains, and the next reader of the folder moves
the remaining files (`finish_publishing`). Labels never lie next to the model of another export, and a file outside the
earlier export is never overwritten. `adding_files` publishes further files in the same way, and all files of the
export stay in place meanwhile.
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
OPSET = 20  # default version of ONNX's operators
# Files of old exports, whose records did not list files.
_UNLISTED_FILES = (FLOAT_MODEL_FILE, INDEX_FILE, LABELS_FILE, SCRIPT_FILE)
_RECORD_HASH_KEY = "record_sha256"


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
    """Return the content of `export.json` in a folder; None if it is missing or another program wrote it."""
    try:
        record = read_json(folder / RECORD_FILE, max_bytes=MAX_RECORD_BYTES)
    except (OSError, ValueError):
        return None
    is_export = isinstance(record, dict) and isinstance(record.get("sha256"), str) and "parity" in record
    return _upgrade_record(record, folder) if is_export else None


def _upgrade_record(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a record in this version's format; earlier versions listed the model's hash alone, or omitted hashes."""
    upgraded = _with_current_names(record)
    if not isinstance(upgraded.get("files"), dict):
        upgraded["files"] = {MODEL_FILE: {name: record.get(name, "") for name in ("bytes", "sha256")}}
    for part in (upgraded, *upgraded.get("parts", ())):
        steps = part.get("preprocessing")
        if isinstance(steps, dict) and "size" in steps:  # before 0.2, inputs were squares of the whole image
            side = steps.pop("size")
            steps = part["preprocessing"] = {"height": side, "width": side, **steps, "region": list(WHOLE)}
        if isinstance(steps, dict):
            steps.setdefault("image_reading", AS_STORED.to_dict())
    for name, entry in upgraded["files"].items():
        if isinstance(entry, dict) and not (entry.get("bytes") and entry.get("sha256")):
            with suppress(OSError):
                entry |= {key: value for key, value in file_entry(folder / name).items() if not entry.get(key)}
    if upgraded != record and _RECORD_HASH_KEY in record and is_undamaged(record):
        upgraded[_RECORD_HASH_KEY] = _record_hash(upgraded)
    return upgraded


def _with_current_names(value: Any) -> Any:
    """Return a record's value with the key names of this version: before 0.1, `images` was `pictures`."""
    if isinstance(value, dict):
        items = {key: item for key, item in value.items() if key != "is_for_any_processor"}
        return {"images" if key == "pictures" else key: _with_current_names(item) for key, item in items.items()}
    return [_with_current_names(item) for item in value] if isinstance(value, list) else value


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `export.json` with a hash of its content, to detect damage."""
    record = finite_values(record)
    write_json(folder / RECORD_FILE, {**record, _RECORD_HASH_KEY: _record_hash(record)})


def is_undamaged(record: Mapping[str, Any]) -> bool:
    """Return whether a record matches the hash in it; records of earlier versions have no hash and pass."""
    return _RECORD_HASH_KEY not in record or record[_RECORD_HASH_KEY] == _record_hash(record)


def _record_hash(record: Mapping[str, Any]) -> str:
    content = {name: value for name, value in record.items() if name != _RECORD_HASH_KEY}
    read_back = parse_json(json.dumps(content))  # numeric keys are sorted as strings, as in JSON
    return hashlib.sha256(json.dumps(read_back, sort_keys=True).encode()).hexdigest()


def listed_files(record: dict[str, Any]) -> dict[str, FileEntry]:
    """Return {name: entry of the record}, without names outside the folder and invalid entries."""
    files = record.get("files")
    entries = dict[str, FileEntry]()
    for name, entry in files.items() if isinstance(files, dict) else ():
        parts = PurePosixPath(name).parts
        try:
            if parts and ".." not in parts and "\\" not in name and not PureWindowsPath(name).anchor:
                entries[name] = {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"])}
        except (TypeError, KeyError, ValueError, OverflowError):
            continue
    return entries


def find_exported_files(folder: Path) -> list[str]:
    """Return the files of an earlier export in a folder, its record last.

    A file that was edited since then belongs to the user. In a binary format it counts as damaged instead.
    """
    record = read_record(folder)
    if record is None:
        return []
    inside = {name: entry for name, entry in listed_files(record).items() if is_inside_folder(folder, name)}
    binary_suffixes = (".onnx", ".safetensors", ".ort", ".pt2")  # earlier versions wrote the last two
    names = [
        name for name, entry in inside.items() if name.endswith(binary_suffixes) or file_entry(folder / name) == entry
    ]
    if _RECORD_HASH_KEY not in record:
        names += [name for name in _UNLISTED_FILES if name not in names and is_inside_folder(folder, name)]
    return [*names, RECORD_FILE]


def update_file_entry(folder: Path, name: str, path: Path) -> None:
    """Update the entry of the file `name`, if an export's record lists it; its new content is still at `path`."""
    record = read_record(folder)
    if record is not None and name in listed_files(record):
        record["files"][name] = file_entry(path)
        write_record(folder, record)


def is_inside_folder(folder: Path, name: str) -> bool:
    """Return whether the file exists inside this folder; a link below the folder may point elsewhere."""
    path = folder / name
    return path.is_file() and path.parent.resolve() == folder.resolve() / Path(name).parent


READY_FOLDER = ".visionft-ready"
_EARLIER_FOLDER = "earlier"
_FULL_DISK_BYTES = 2**20


@contextmanager
def publishing(out_dir: Path, planned: Sequence[str] = ()) -> Generator[Path]:
    """Yield an empty folder for an export's files, and publish them into `out_dir` if the block ends without error.

    Files of an earlier export that are not written again are removed.

    Args:
        out_dir: Destination folder; created when missing.
        planned: Names of files that will be written, as far as known. Conflicts with them are reported before the
            block begins, conflicts with other files at its end.

    Raises:
        ExportError: It would overwrite a file that is outside the earlier export or was changed since then; `out_dir`
            is unchanged.
        VisionFTError: `out_dir` cannot be written; it is unchanged.
    """
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_folder(out_dir)
        if out_dir.is_dir() and (partial.exists() or partial.with_name(f"{partial.name}.lock").exists()):
            # Clean up after an export that was killed before `out_dir` existed: its partial folder is next to it.
            with suppress(OSError, VisionFTError), temporary_folder(out_dir):
                pass
        # A folder inside `out_dir` works even where `out_dir` is the root of a disk.
        with temporary_folder(out_dir, inside=out_dir.is_dir()) as folder:
            if (out_dir / READY_FOLDER).is_dir():
                _replace_earlier_files(out_dir)
            _refuse_foreign_files(out_dir, planned)
            with _errors_with_path(folder):
                yield folder
            fsync_tree(folder)
            _refuse_foreign_files(out_dir, files_in(folder))
            _publish(folder, out_dir)
    except OSError as error:
        if not _concerns_folder(error, out_dir):
            raise
        raise write_error(out_dir, error) from error


@contextmanager
def adding_files(out_dir: Path, sha256: str) -> Generator[Path]:
    """Yield a folder with the files of the export in `out_dir`, and publish it with the files added by the block.

    The record is not in the folder. Existing files are hard links where the disk supports them: replace such a file,
    never write into it.

    Args:
        out_dir: Folder of the export.
        sha256: Hash of its model.

    Raises:
        ExportError: Another export was published there meanwhile, or a file would be overwritten, as in `publishing`.
        VisionFTError: As `publishing`.
    """
    with publishing(out_dir) as folder:
        if (read_record(out_dir) or {}).get("sha256") != sha256:
            message = Message("{path} was replaced or removed while further files were made.", path=out_dir)
            raise ExportError(message, "Export into a folder of its own.")
        for name in find_exported_files(out_dir):
            if name != RECORD_FILE:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(out_dir / name, folder / name)
        yield folder


def finish_publishing(out_dir: Path) -> None:
    """Finish an export that was killed while it moved its files into `out_dir`; a read-only folder stays unchanged."""
    if not (out_dir / READY_FOLDER).is_dir():
        return
    with suppress(OSError, VisionFTError), temporary_folder(out_dir, inside=True):
        if (out_dir / READY_FOLDER).is_dir():
            _replace_earlier_files(out_dir)


@contextmanager
def _errors_with_path(folder: Path) -> Generator[None]:
    """Add the folder's path to disk-full errors, which have no file name when they occur in the middle of a file.

    Errors of safetensors always get the path: it deletes its partial file, so the disk has free space again.
    """
    try:
        yield
    except Exception as error:
        os_error = find_os_error(error)
        if os_error is None:
            raise
        is_nameless = os_error.errno == errno.ENOSPC and os_error.filename is None
        if os_error is not error or (is_nameless and shutil.disk_usage(folder).free < _FULL_DISK_BYTES):
            os_error.filename = str(folder)
        raise os_error from error.__cause__ if os_error is error else error


def _concerns_folder(error: OSError, out_dir: Path) -> bool:
    """Return whether an error occurred while writing `out_dir`, not while reading a file from elsewhere."""
    if error.filename is None:
        return False
    path, target = Path(error.filename).absolute(), out_dir.absolute()
    folders = (target, partial_folder(target))
    return target.is_relative_to(path) or any(path.is_relative_to(folder) for folder in folders)


def _refuse_foreign_files(out_dir: Path, names: Sequence[str]) -> None:
    """Raise an `ExportError` if `names` would overwrite a file that is outside the earlier export or was changed."""
    replaceable = {out_dir / name for name in find_exported_files(out_dir)}
    folders = {parent for path in replaceable for parent in path.parents}
    for name in names:
        for path in [out_dir / parent for parent in reversed(PurePosixPath(name).parents)][1:]:
            if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()) and path not in replaceable:
                raise _conflict_error(path)
        path = out_dir / name
        if os.path.lexists(path) and path not in replaceable and path not in folders:
            raise _conflict_error(path)


def _conflict_error(path: Path) -> ExportError:
    return ExportError(
        Message("{path} would be overwritten, but it was changed after its export.", path=path),
        "Rename it or move it away if you want to keep it, or export into another folder.",
    )


def _publish(folder: Path, out_dir: Path) -> None:
    if not out_dir.is_dir():
        folder.rename(out_dir)
        fsync_folder(out_dir.parent)
        return
    folder.rename(out_dir / READY_FOLDER)
    fsync_folder(out_dir)
    try:
        _replace_earlier_files(out_dir)
    except OSError:
        if (out_dir / READY_FOLDER / MODEL_FILE).is_file() and not _has_same_model(out_dir):
            # No file was moved yet. A folder in deletion must not look like a finished export.
            (out_dir / READY_FOLDER).rename(folder)
        raise


def _has_same_model(out_dir: Path) -> bool:
    """Return whether `READY_FOLDER` holds the model of `out_dir` as a hard link, so it adds files to that export."""
    model, ready = out_dir / MODEL_FILE, out_dir / READY_FOLDER / MODEL_FILE
    return model.is_file() and ready.is_file() and model.samefile(ready)


def _replace_earlier_files(out_dir: Path) -> None:
    """Replace the earlier export by the export in `READY_FOLDER`; also resumes after a killed process.

    The record of the earlier export is moved aside last and restored last: it lists the files to move. If files are
    only added, the earlier files stay in place.
    """
    ready, aside = out_dir / READY_FOLDER, out_dir / READY_FOLDER / _EARLIER_FOLDER
    if (ready / MODEL_FILE).is_file() and not _has_same_model(out_dir):
        try:
            aside.mkdir(exist_ok=True)
            for name in _record_last([name for name in find_exported_files(out_dir) if name != MODEL_FILE]):
                _move(out_dir, aside, name)
            _move(ready, out_dir, MODEL_FILE)  # an atomic replacement
        except OSError:
            for name in reversed(_record_last(files_in(aside) if aside.is_dir() else [])):
                with suppress(OSError):
                    _move(aside, out_dir, name)
            raise
    earlier_folders = sorted((path.relative_to(aside) for path in aside.rglob("*") if path.is_dir()), reverse=True)
    for folder in earlier_folders:
        with suppress(OSError):  # it has other files
            (out_dir / folder).rmdir()
    for name in _record_last([name for name in files_in(ready) if not name.startswith(f"{_EARLIER_FOLDER}/")]):
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
