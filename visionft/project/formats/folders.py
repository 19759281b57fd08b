"""Scan of a folder for import: every file with the class and split of its path, or the reason for skipping it.

Never writes, and never follows a link to a folder, to exclude loops and ways out of the folder.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.events import Progress
from visionft.files import is_file
from visionft.foreign_text import printable
from visionft.jobs import SILENT, JobContext
from visionft.project.formats.labels_file import CLASSES_FILE, read_classes_file
from visionft.project.formats.listing import Interpretation, Listing, RejectedFile, SourceFile
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.whole_files import unsupported_tool
from visionft.project.names import natural_key

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet", "labels.jsonl", "labels.csv")
# Names of image folders without a class meaning.
CONTAINERS = (
    "all", "data", "dataset", "default", "image", "images", "img", "imgs", "jpegimages", "photos", "pics", "pictures",
    "raw",
)  # fmt: skip
# as datumaro (and CVAT), FiftyOne and Roboflow call them
_UNLABELLED = ("no_label", "_unlabeled", "unlabeled", "unlabelled")


@dataclass(frozen=True, slots=True)
class _Layout:
    """The layout of a source's folders."""

    base: Path  # parent of the class folders, or of the splits
    splits: dict[Path, Path] = field(default_factory=dict[Path, Path])  # {folder of a split: parent of its classes}
    ignored: tuple[Path, ...] = ()  # folders next to the splits without the name of a split


def scan_folder(source: Path, *, job: JobContext = SILENT) -> Listing:
    """List a folder of class folders: `<class>/**`, `<train|val|test>/<class>/**`, or images without a class.

    The class is the first folder below the source (or below the split), at any depth of the file. A lone folder called
    `images`, `data` or the like is not a class, nor is `no_label`. A cancelled scan returns the files listed so far.
    """
    unreadable: list[RejectedFile] = []
    layout = _layout_of(unwrap(source))
    reason = "lies beside the folders of the splits and is none"
    skipped = [RejectedFile(printable(folder), reason) for folder in layout.ignored]
    classes = read_classes_file(layout.base / CLASSES_FILE)
    names = {look.folder: look.name for look in classes if look.folder}
    files: list[SourceFile] = []
    found: dict[str, None] = {}
    unlabelled: dict[str, None] = {}
    start, base_start = len(str(source / "x")) - 1, len(str(layout.base / "x")) - 1
    below_split = {
        folder.name: classes_in.relative_to(layout.base).parts for folder, classes_in in layout.splits.items()
    }
    for path in walk(layout.base, skipped, unreadable, without=layout.ignored):
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
            job.report(Progress(stage="Look for images", done=len(files) + 1, total=0))
            if job.is_cancelled:
                break
        if path != layout.base / CLASSES_FILE or not classes:
            files.append(SourceFile(path, text[start:].replace(os.sep, "/"), labels, split))
    interpretation = Interpretation(
        file=source,
        class_folders=tuple(found),
        unlabelled_folders=tuple(unlabelled),
        split_folders=tuple(folder.name for folder in layout.splits),
        ignored_folders=tuple(folder.name for folder in layout.ignored),
        foreign="" if found else unsupported_tool(unwrap(source)),
    )
    return Listing(tuple(files), tuple(skipped), tuple(unreadable), classes, (interpretation,))


def split_folders(base: Path) -> dict[Path, Path]:
    """Return {folder of a split below `base`: parent of its class folders}; empty for no splits."""
    return _layout_of(base).splits


def _layout_of(base: Path) -> _Layout:
    folders = _visible_folders(base)
    named = [folder for folder in folders if is_split_name(folder.name)]
    others = tuple(folder for folder in folders if folder not in named)
    kinds = {split_of(folder.name) for folder in named} - {None}
    if named and (not others or ("train" in kinds and (len(kinds) > 1 or not any(map(holds_images, others))))):
        return _Layout(base, {folder: _class_base(folder) for folder in named}, others)
    holding = [folder for folder in folders if holds_images(folder)]
    is_container = len(holding) == 1 and holding[0].name.casefold() in CONTAINERS and not _has_images(base)
    if is_container and not any(look.folder == holding[0].name for look in read_classes_file(base / CLASSES_FILE)):
        return _layout_of(holding[0])
    return _Layout(base)


def _class_base(split_folder: Path) -> Path:
    """Return the parent of a split's class folders: `train`, `train/images`, `seg_train/seg_train`."""
    holding = [folder for folder in _visible_folders(split_folder) if holds_images(folder)]
    if len(holding) != 1 or _has_images(split_folder):
        return split_folder
    name = holding[0].name
    is_same = is_split_name(name) and split_of(name) == split_of(split_folder.name)
    is_wrapper = is_same or name.casefold() in CONTAINERS
    return _class_base(holding[0]) if is_wrapper else split_folder


def holds_images(folder: Path) -> bool:
    """Return whether a folder holds a possible image file at any depth; stops at the first."""
    return any(path.suffix.casefold() in IMAGE_SUFFIXES for path in walk(folder, [], []))


def _has_images(folder: Path) -> bool:
    return any(entry.is_file() and Path(entry.name).suffix.casefold() in IMAGE_SUFFIXES for entry in _visible(folder))


def _visible_folders(folder: Path) -> list[Path]:
    return [folder / entry.name for entry in _visible(folder) if entry.is_dir()]


def walk(
    base: Path, skipped: list[RejectedFile], unreadable: list[RejectedFile], *, without: Sequence[Path] = ()
) -> Iterator[Path]:
    """Yield the files below `base` in natural order, not those in `without`, and record the skipped entries."""
    pending = [base]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
        except OSError as error:
            unreadable.append(
                RejectedFile(printable(folder), Message("the folder cannot be listed: {reason}", reason=error.strerror))
            )
            continue
        folders: list[Path] = []
        for entry in entries:
            path = folder / entry.name
            reason = _reason_to_skip(entry)
            if reason:
                skipped.append(RejectedFile(printable(path), reason))
            elif entry.is_dir(follow_symlinks=False):
                folders += [path] if path not in without else []
            else:
                yield path
        pending.extend(reversed(folders))


def _reason_to_skip(entry: os.DirEntry[str]) -> str:
    """Return the reason for skipping a folder entry, "" for none."""
    if entry.name.startswith(".") or entry.name in ("__MACOSX", "Thumbs.db", "desktop.ini"):
        return "hidden or made by the operating system"
    try:
        if entry.is_symlink() and not entry.is_file():
            return "a link to a folder is not followed" if entry.is_dir() else "the link leads nowhere"
        if entry.is_dir():
            return "a VisionFT project" if is_file(Path(entry.path, "project.db")) else ""
        return "" if entry.is_file() else Message("not a regular file")
    except OSError as error:  # a link to itself
        what = "the link cannot be followed" if entry.is_symlink() else "it cannot be read"
        return f"{what}: {error.strerror}"


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in os.scandir(folder) if not _reason_to_skip(entry)]
    except OSError:
        return []


def unwrap(source: Path) -> Path:
    """Step into wrapper folders: a lone folder with a label file, or with sub-folders and no images."""
    base = source
    while not _has_images(base) and len(folders := _visible_folders(base)) == 1:
        inner = folders[0]
        if is_split_name(inner.name) or _has_metadata(base):
            break
        if not _has_metadata(inner) and (_has_images(inner) or not _visible_folders(inner)):
            break
        base = inner
    return base


def _has_metadata(folder: Path) -> bool:
    return any(is_file(folder / name) for name in METADATA_FILES)
