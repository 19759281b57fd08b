"""Input of label writers: the labels of a project and portable image copies; writers of class folders."""

import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from visionft.core.errors import NextStep, ProjectError
from visionft.core.events import Progress
from visionft.core.files import is_file
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.project.formats.labels_file import CLASSES_FILE, ClassLook, LabelRecord, relative_name, write_classes
from visionft.project.formats.split_names import UNASSIGNED_FOLDER, is_split_name

_UNSAFE_CHARACTERS = re.compile(r'[<>:"/\\|?*%\x00-\x1f]')
_BLANK_AT_EDGE = re.compile(r"^ | (?=\.[^.]*$)")  # of a name or its stem; lists of names lose it
_RESERVED_NAME = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SKIPPED_PREFIX = re.compile("^_(?=_)")  # Hugging Face's `datasets` skips folders with this prefix
_MAX_NAME_BYTES = 120  # leaves half of the 260 characters of a Windows path to the rest


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """The labels of a project."""

    title: str  # the project's name
    task: str  # "single" or "multi"
    looks: tuple[ClassLook, ...]  # the classes in their order, including those without images
    records: tuple[LabelRecord, ...]
    seen_from: Path  # base folder of relative image names

    @cached_property
    def classes(self) -> list[str]:
        return [look.name for look in self.looks]

    @cached_property
    def has_splits(self) -> bool:
        return any(record.split for record in self.records)

    def name_of(self, record: LabelRecord) -> str:
        return relative_name(record.path, self.seen_from)


@dataclass(slots=True)
class Copier:
    """Copies images into a new folder."""

    folder: Path
    job: JobContext
    copied: int = 0
    missing: list[str] = field(default_factory=list[str])  # images without a file
    stopped: bool = False  # cancelled by the user; the folder is incomplete

    def copies(self, labels: LabelSet, place: Callable[[LabelRecord], str | None]) -> Iterator[tuple[LabelRecord, str]]:
        """Copy the images and yield (record, name of the copy, relative to the folder); ends early when cancelled.

        `place` returns the subfolder of a copy, "" for the folder itself, None to leave the image out.
        """
        for done, record in enumerate(labels.records, 1):
            if self.job.is_cancelled:
                self.stopped = True
                return
            subfolder = place(record)
            if subfolder is not None:
                name = self._copy(record, subfolder)
                if name is None:
                    self.missing.append(str(record.path))
                else:
                    self.copied += 1
                    yield record, name
            if done % 100 == 0 or done == len(labels.records):
                self.job.report(Progress(stage="Export", done=done, total=len(labels.records)))

    def _copy(self, record: LabelRecord, subfolder: str) -> str | None:
        """Copy an image under its own name, made unique in its folder. Return None when its file is gone."""
        if not is_file(record.path):
            return None
        folder = self.folder / subfolder
        folder.mkdir(parents=True, exist_ok=True)
        name = Path(record.name).name
        if Path(name).suffix.casefold() not in IMAGE_SUFFIXES:  # other tools recognise images by their suffix
            name += ".jpg" if record.format in ("JPEG", "MPO") else f".{record.format.lower()}"
        name = Path(safe_name(name))
        if (folder / name).exists():
            name = Path(f"{name.stem}-{record.sha256[:12]}{name.suffix}")
        with record.path.open("rb") as source, (folder / name).open("xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        return (Path(subfolder) / name).as_posix()


def folder_names(class_names: list[str]) -> dict[str, str]:
    """Return a portable folder name per class, unique on every file system."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in class_names:
        base = _SKIPPED_PREFIX.sub("%5F", safe_name(name))
        folder, number = base, 1
        while unicodedata.normalize("NFC", folder).casefold() in taken:
            number += 1
            folder = f"{base} ({number})"
        taken.add(unicodedata.normalize("NFC", folder).casefold())
        result[name] = folder
    return result


def safe_name(name: str) -> str:
    """Return a portable file name: special characters become %XX, long names are cut."""
    safe = _UNSAFE_CHARACTERS.sub(lambda match: f"%{ord(match[0]):02X}", name)
    stem, dot, suffix = safe.rpartition(".")
    max_stem_bytes = _MAX_NAME_BYTES - len(suffix.encode()) - 1 if dot and len(suffix) <= 5 else 0
    if max_stem_bytes > 0 and len(safe.encode()) > _MAX_NAME_BYTES:
        safe = stem.encode()[:max_stem_bytes].decode("utf-8", "ignore") + dot + suffix
    safe = safe.encode()[:_MAX_NAME_BYTES].decode("utf-8", "ignore")
    safe = _BLANK_AT_EDGE.sub("%20", safe)
    if safe[-1:] in (".", " "):
        safe = f"{safe[:-1]}%{ord(safe[-1]):02X}"
    return f"_{safe}" if _RESERVED_NAME.fullmatch(safe) or safe.startswith(".") else safe


def write_class_folders(labels: LabelSet, copier: Copier) -> None:
    """Copy the images into `<split>/<class>/`, or `<class>/` when no image has a split."""
    _write(labels, copier, Message("Class folders"), takes_all=True)


def write_yolo(labels: LabelSet, copier: Copier) -> None:
    """Copy the images with a class and a split into `<split>/<class>/`; the format does not support the others."""
    if not any(record.split == "train" and record.labels for record in labels.records):
        message = Message("No image with a class is for training, and YOLO has no place for the others.")
        raise ProjectError(message, "Divide the images first.", NextStep("split"))
    _write(labels, copier, Message("YOLO classification"), takes_all=False)


def _write(labels: LabelSet, copier: Copier, title: str, *, takes_all: bool) -> None:
    multi_label = sum(len(record.labels) > 1 for record in labels.records)
    if multi_label:
        message = Message("{counted} of this project have more than one class.", counted=count_of(multi_label, "image"))
        hint = Message("{title} cannot store this: export JSONL or CSV.", title=title)
        raise ProjectError(message, hint)
    folders = folder_names(labels.classes)
    has_splits = labels.has_splits or any(is_split_name(name) for name in folders.values())

    def place(record: LabelRecord) -> str | None:
        if not takes_all and not (record.split and record.labels):
            return None
        outer = (record.split or UNASSIGNED_FOLDER) if has_splits else ""
        inner = folders[record.labels[0]] if record.labels else ""
        return "/".join(filter(None, (outer, inner)))

    for _ in copier.copies(labels, place):
        pass
    if not copier.stopped:
        write_classes(labels.looks, copier.folder / CLASSES_FILE, folders)
