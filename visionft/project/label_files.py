"""Fingerprints of imported label files (`label_files.json`), so that files changed since can be imported again."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from visionft.core.files import read_json, sha256_file, write_error, write_json
from visionft.core.records import none_if_unreadable

LABEL_FILES_JSON = "label_files.json"
_MAX_RECORD_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A label file at the time of its import; `source` is the path that the user imported: the file or its folder."""

    path: str
    source: str
    bytes: int
    modified_ns: int
    sha256: str


def record_label_files(project_dir: Path, source: Path, files: Iterable[Path]) -> None:
    """Record size, modification time and hash of the label files of an imported source, to detect later changes.

    Raises:
        VisionFTError: The record cannot be written.
    """
    records = {file.path: file for file in _read(project_dir) or ()}
    for path in files:
        if path.is_file():
            status = path.stat()
            hash_ = sha256_file(path)
            records[str(path)] = LabelFile(str(path), str(source), status.st_size, status.st_mtime_ns, hash_)
    try:
        write_json(project_dir / LABEL_FILES_JSON, [asdict(file) for file in records.values()])
    except OSError as error:
        raise write_error(project_dir / LABEL_FILES_JSON, error) from error


def changed_label_files(project_dir: Path) -> tuple[LabelFile, ...]:
    """Return the label files whose content has changed since their last import; missing files are left out."""
    return tuple(file for file in _read(project_dir) or () if _has_changed(file))


def _has_changed(file: LabelFile) -> bool:
    try:
        status = Path(file.path).stat()
        if (status.st_size, status.st_mtime_ns) == (file.bytes, file.modified_ns):
            return False
        return sha256_file(Path(file.path)) != file.sha256
    except OSError:
        return False


@none_if_unreadable
def _read(project_dir: Path) -> tuple[LabelFile, ...] | None:
    records = read_json(project_dir / LABEL_FILES_JSON, max_bytes=_MAX_RECORD_BYTES)
    return tuple(LabelFile(**record) for record in records)
