"""What a folder offers for import: every file in it, with the class and split its place says, or why it is left out.

Never writes, and never follows a link to a folder, so that no loop and no way out of the folder exists.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import is_file
from visionft.foreign_text import printable
from visionft.project.formats.foreign import foreign_labels
from visionft.project.formats.labels_file import CLASSES_FILE, read_classes_file
from visionft.project.formats.listing import (
    Interpretation,
    Listing,
    Rejected,
    SourceFile,
    is_split_name,
    split_of,
)
from visionft.project.names import natural_key

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet", "labels.jsonl", "labels.csv")
# Names of folders that hold pictures and say nothing of them.
CONTAINERS = (
    "all", "data", "dataset", "default", "image", "images", "img", "imgs", "jpegimages", "photos", "pics", "pictures",
    "raw",
)  # fmt: skip
# Folders of pictures without a class, as datumaro (and CVAT), FiftyOne and Roboflow call them.
_UNLABELLED = ("no_label", "_unlabeled", "unlabeled", "unlabelled")


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the folders of a source mean.

    Attributes:
        base: The folder whose sub-folders are classes, or splits.
        splits: {folder of a split: the folder whose sub-folders are its classes}.
        beside: Folders next to the splits that name none; nothing is taken from them.
    """

    base: Path
    splits: dict[Path, Path] = field(default_factory=dict[Path, Path])
    beside: tuple[Path, ...] = ()


def scan_folder(source: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop) -> Listing:
    """List a folder of class folders: `<class>/**`, `<train|val|test>/<class>/**`, or pictures without a class.

    The class is the first folder below the source (or below the split), however deep a file lies in it. A lone folder
    called `images`, `data` or the like is no class, nor is `no_label`. When `should_stop` says so, what was listed
    until then is returned.
    """
    skipped: list[Rejected] = []
    unreadable: list[Rejected] = []
    layout = _layout_of(unwrap(source))
    classes = read_classes_file(layout.base / CLASSES_FILE)
    names = {look.folder: look.name for look in classes if look.folder}
    files: list[SourceFile] = []
    found: dict[str, None] = {}
    unlabelled: dict[str, None] = {}
    for folder in layout.beside:
        skipped.append(Rejected(printable(folder), "lies beside the folders of the splits and is none"))
    start, base_start = len(str(source / "x")) - 1, len(str(layout.base / "x")) - 1
    below_split = {
        folder.name: classes_in.relative_to(layout.base).parts for folder, classes_in in layout.splits.items()
    }
    for path in walk(layout.base, skipped, unreadable, without=layout.beside):
        text = str(path)
        parts = tuple(text[base_start:].replace(os.sep, "/").split("/")[:-1])
        leading = below_split.get(parts[0], ()) if parts else ()
        split = split_of(leading[0]) if leading else None
        within = parts[len(leading) :] if parts[: len(leading)] == leading else ()
        is_unlabelled = bool(within) and within[0].casefold() in _UNLABELLED and within[0] not in names
        unlabelled |= dict.fromkeys(within[:1] if is_unlabelled else ())
        labels = () if is_unlabelled else tuple(names.get(part, part) for part in within[:1])
        found |= dict.fromkeys(labels)
        if len(files) % 1000 == 999:
            on_event(Progress(stage="Look for pictures", done=len(files) + 1, total=0))
            if should_stop():
                break
        if path != layout.base / CLASSES_FILE or not classes:
            files.append(SourceFile(path, text[start:].replace(os.sep, "/"), labels, split))
    interpretation = Interpretation(
        file=source,
        class_folders=tuple(found),
        unlabelled_folders=tuple(unlabelled),
        split_folders=tuple(folder.name for folder in layout.splits),
        ignored_folders=tuple(folder.name for folder in layout.beside),
        foreign="" if found else foreign_labels(unwrap(source)),
    )
    return Listing(tuple(files), tuple(skipped), tuple(unreadable), classes, (interpretation,))


def split_folders(base: Path) -> dict[Path, Path]:
    """Return {folder of a split below `base`: the folder whose sub-folders are its classes}; empty for no splits."""
    return _layout_of(base).splits


def _layout_of(base: Path) -> _Layout:
    folders = [base / entry.name for entry in _visible(base) if entry.is_dir()]
    named = [folder for folder in folders if is_split_name(folder.name)]
    others = tuple(folder for folder in folders if folder not in named)
    kinds = {split_of(folder.name) for folder in named} - {None}
    if named and (not others or ("train" in kinds and (len(kinds) > 1 or not any(map(holds_pictures, others))))):
        return _Layout(base, {folder: _class_base(folder) for folder in named}, others)
    holding = [folder for folder in folders if holds_pictures(folder)]
    is_container = len(holding) == 1 and holding[0].name.casefold() in CONTAINERS and not _has_pictures(base)
    if is_container and not any(look.folder == holding[0].name for look in read_classes_file(base / CLASSES_FILE)):
        return _layout_of(holding[0])
    return _Layout(base)


def _class_base(split_folder: Path) -> Path:
    """Return the folder below a split whose sub-folders are classes: `train`, `train/images`, `seg_train/seg_train`."""
    folders = [split_folder / entry.name for entry in _visible(split_folder) if entry.is_dir()]
    holding = [folder for folder in folders if holds_pictures(folder)]
    if len(holding) != 1 or _has_pictures(split_folder):
        return split_folder
    name = holding[0].name
    is_same = is_split_name(name) and split_of(name) == split_of(split_folder.name)
    is_wrapper = is_same or name.casefold() in CONTAINERS
    return _class_base(holding[0]) if is_wrapper else split_folder


def holds_pictures(folder: Path) -> bool:
    """Say whether a file that may be a picture lies anywhere below a folder; stops at the first."""
    return any(path.suffix.casefold() in IMAGE_SUFFIXES for path in walk(folder, [], []))


def _has_pictures(folder: Path) -> bool:
    return any(entry.is_file() and Path(entry.name).suffix.casefold() in IMAGE_SUFFIXES for entry in _visible(folder))


def walk(
    base: Path, skipped: list[Rejected], unreadable: list[Rejected], *, without: Sequence[Path] = ()
) -> Iterator[Path]:
    """Yield the files below `base` in natural order, folder by folder, and note what is passed over.

    Folders in `without` are left out, and not noted.
    """
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
                folders += [path] if path not in without else []
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
        is_split = is_split_name(folders[0])
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
