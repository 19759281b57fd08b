"""The label files of a project's imports, kept as `label_files.json`: a file that changed since is offered again."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from visionft.core.files import read_json, sha256_file, write_error, write_json
from visionft.core.records import none_if_unreadable

FILE = "label_files.json"
_MAX_RECORD_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A label file as it was imported; `source` is what the user imported: the file, or a folder around it."""

    path: str
    source: str
    bytes: int
    modified_ns: int
    sha256: str


def keep_label_files(project_dir: Path, source: Path, files: Iterable[Path]) -> None:
    """Keep the present state of these files of a source (VisionFTError: it cannot be written)."""
    kept = {each.path: each for each in _read(project_dir) or ()}
    for path in files:
        if path.is_file():
            facts = path.stat()
            kept[str(path)] = LabelFile(str(path), str(source), facts.st_size, facts.st_mtime_ns, sha256_file(path))
    try:
        write_json(project_dir / FILE, [asdict(each) for each in kept.values()])
    except OSError as error:
        raise write_error(project_dir / FILE, error) from error


def changed_label_files(project_dir: Path) -> tuple[LabelFile, ...]:
    """Return the files with other contents than at their last import; missing files are left out."""
    return tuple(each for each in _read(project_dir) or () if _has_changed(each))


def _has_changed(file: LabelFile) -> bool:
    try:
        facts = Path(file.path).stat()
        if (facts.st_size, facts.st_mtime_ns) == (file.bytes, file.modified_ns):
            return False
        return sha256_file(Path(file.path)) != file.sha256
    except OSError:
        return False


@none_if_unreadable
def _read(project_dir: Path) -> tuple[LabelFile, ...] | None:
    return tuple(LabelFile(**each) for each in read_json(project_dir / FILE, max_bytes=_MAX_RECORD_BYTES))
