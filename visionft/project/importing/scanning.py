"""What a folder offers for import: every file in it, with the class and split its place says, or why it is left out.

Never writes, and never follows a link to a folder, so that no loop and no way out of the folder exists.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Split
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import is_file
from visionft.foreign_text import printable
from visionft.project.formats.labels_file import CLASSES_FILE, ClassLook, read_classes_file
from visionft.project.names import natural_key

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "labels.jsonl", "labels.csv")
UNASSIGNED_FOLDER = "unassigned"
SPLIT_FOLDERS: dict[str, Split | None] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    UNASSIGNED_FOLDER: None,
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file or folder that was not imported, and why. `path` can be printed as it is."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may be a picture, and what its source says of it.

    Attributes:
        name: Its POSIX path within the source.
        sha256: The content the source claims, which finds the picture in the project when the file is not there.
    """

    path: Path
    name: str
    labels: tuple[str, ...] = ()
    split: Split | None = None
    tags: tuple[str, ...] = ()
    review: str | None = None
    note: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything found in a source: what may be pictures, what was passed over, what could not be listed."""

    files: tuple[SourceFile, ...]
    skipped: tuple[Rejected, ...] = ()
    unreadable: tuple[Rejected, ...] = ()
    classes: tuple[ClassLook, ...] = ()


def scan_folder(source: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop) -> Listing:
    """List a folder of class folders: `<class>/**`, `<train|val|test>/<class>/**`, or pictures without a class.

    The class is the first folder below the source (or below the split), however deep a file lies in it. When
    `should_stop` says so, what was listed until then is returned.
    """
    skipped: list[Rejected] = []
    unreadable: list[Rejected] = []
    base = unwrap(source)
    has_splits = _has_split_layout(base)
    classes = read_classes_file(base / CLASSES_FILE)
    names = {look.folder: look.name for look in classes if look.folder}
    files: list[SourceFile] = []
    start, base_start = len(str(source / "x")) - 1, len(str(base / "x")) - 1
    for path in walk(base, skipped, unreadable):
        text = str(path)
        parts = text[base_start:].replace(os.sep, "/").split("/")[:-1]
        split = SPLIT_FOLDERS.get(parts[0].casefold()) if has_splits and parts else None
        if has_splits:
            parts = parts[1:]
        labels = tuple(names.get(part, part) for part in parts[:1])
        if len(files) % 1000 == 999:
            on_event(Progress(stage="Look for pictures", done=len(files) + 1, total=0))
            if should_stop():
                break
        if path != base / CLASSES_FILE or not classes:
            files.append(SourceFile(path, text[start:].replace(os.sep, "/"), labels, split))
    return Listing(tuple(files), tuple(skipped), tuple(unreadable), classes)


def walk(base: Path, skipped: list[Rejected], unreadable: list[Rejected]) -> Iterator[Path]:
    """Yield the files below `base` in natural order, folder by folder, and note what is passed over."""
    pending = [base]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
        except OSError as error:
            unreadable.append(Rejected(printable(folder), f"the folder cannot be listed: {error.strerror}"))
            continue
        folders: list[Path] = []
        for entry in entries:
            path = folder / entry.name
            reason = _reason_to_skip(entry)
            if reason:
                skipped.append(Rejected(printable(path), reason))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            else:
                yield path
        pending.extend(reversed(folders))


def _reason_to_skip(entry: os.DirEntry[str]) -> str:
    """Return why a folder entry is passed over, "" when it is not."""
    if entry.name.startswith(".") or entry.name in ("__MACOSX", "Thumbs.db", "desktop.ini"):
        return "hidden or made by the operating system"
    try:
        if entry.is_symlink() and not entry.is_file():
            return "a link to a folder is not followed" if entry.is_dir() else "the link leads nowhere"
        if entry.is_dir():
            return "a VisionFT project" if is_file(Path(entry.path, "project.db")) else ""
        return "" if entry.is_file() else "not a regular file"
    except OSError as error:  # a link that leads to itself
        what = "the link cannot be followed" if entry.is_symlink() else "it cannot be read"
        return f"{what}: {error.strerror}"


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in os.scandir(folder) if not _reason_to_skip(entry)]
    except OSError:
        return []


def unwrap(source: Path) -> Path:
    """Step into folders that only wrap another: a lone folder that holds a label file, or folders and no pictures."""
    base = source
    while len(folders := _folders_if_no_pictures(base)) == 1:
        inner = base / folders[0]
        has_labels = any(is_file(inner / name) for name in METADATA_FILES)
        is_split = folders[0].casefold() in SPLIT_FOLDERS
        if is_split or any(is_file(base / name) for name in METADATA_FILES):
            break
        if not has_labels and not _folders_if_no_pictures(inner):
            break
        base = inner
    return base


def _folders_if_no_pictures(folder: Path) -> list[str]:
    """Return the names of the folders in `folder`, none when pictures lie beside them."""
    entries = _visible(folder)
    if any(entry.is_file() and Path(entry.name).suffix.casefold() in IMAGE_SUFFIXES for entry in entries):
        return []
    return [entry.name for entry in entries if entry.is_dir()]


def _has_split_layout(base: Path) -> bool:
    """Say whether every folder in `base` is named like a split."""
    names = [entry.name.casefold() for entry in _visible(base) if entry.is_dir()]
    return bool(names) and all(name in SPLIT_FOLDERS for name in names)
