"""What writers of labels are given: a project's records, and copies of its pictures under names that suit everybody."""

import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.errors import ProjectError
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.files import is_file
from visionft.project.formats.labels_file import LabelRecord, relative_name
from visionft.project.names import count_of

_UNSAFE_CHARACTERS = re.compile(r'[<>:"/\\|?*%\x00-\x1f]')
_BLANK_AT_EDGE = re.compile(r"^ | (?=\.[^.]*$)")  # of a name or its stem: lists of names lose it
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_HIDDEN = re.compile("^_(?=_)")  # Hugging Face's data sets pass over folders that begin with two
_MAX_FOLDER_BYTES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSet:
    """The labels of a project.

    Attributes:
        title: The project's name.
        task: "single" or "multi".
        classes: In their order, those without pictures included.
        seen_from: The folder that names of pictures are relative to.
    """

    title: str
    task: str
    classes: tuple[str, ...]
    records: tuple[LabelRecord, ...]
    seen_from: Path

    @property
    def has_splits(self) -> bool:
        """Whether any picture has a split."""
        return any(record.split for record in self.records)

    def name_of(self, record: LabelRecord) -> str:
        """Return a picture's name, with `/`."""
        return relative_name(record.path, self.seen_from)


@dataclass(slots=True)
class Copier:
    """Copies pictures into a new folder.

    Attributes:
        copied: How many were.
        missing: Pictures whose files are gone.
        stopped: Whether the user stopped it; what is there is not the whole.
    """

    folder: Path
    on_event: OnEvent
    should_stop: ShouldStop
    copied: int = 0
    missing: list[str] = field(default_factory=list[str])
    stopped: bool = False

    def copies(
        self, labels: LabelSet, place: Callable[[LabelRecord], str | None], *, has_own_stems: bool = False
    ) -> Iterator[tuple[LabelRecord, str]]:
        """Copy pictures one by one and yield each with its name below the folder; ends early when it is stopped.

        Args:
            labels: Which pictures.
            place: Gives the folder of a copy, "" for the topmost; None for a picture that is left out.
            has_own_stems: No two names in a folder are alike without their suffixes.
        """
        taken: set[str] = set()
        for done, record in enumerate(labels.records, 1):
            if self.should_stop():
                self.stopped = True
                return
            inner = place(record)
            if inner is not None:
                name = self._copy(record, inner, taken if has_own_stems else set())
                if name is None:
                    self.missing.append(str(record.path))
                else:
                    self.copied += 1
                    yield record, name
            if done % 100 == 0 or done == len(labels.records):
                self.on_event(Progress(stage="Export", done=done, total=len(labels.records)))

    def _copy(self, record: LabelRecord, inner: str, taken: set[str]) -> str | None:
        """Copy a picture under its own name, made unique in its folder. Return None when its file is gone."""
        if not is_file(record.path):
            return None
        folder = self.folder / inner
        folder.mkdir(parents=True, exist_ok=True)
        name = Path(safe_name(_with_suffix(Path(record.name).name, record.format)))
        if (folder / name).exists() or f"{inner}/{name.stem}".casefold() in taken:
            name = Path(f"{name.stem}-{record.sha256[:12]}{name.suffix}")
        taken.add(f"{inner}/{name.stem}".casefold())
        with record.path.open("rb") as source, (folder / name).open("xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        return (Path(inner) / name).as_posix()


def require_one_class(labels: LabelSet, title: str) -> None:
    """Return when no picture has several classes, of which a folder could hold one.

    Raises:
        ProjectError: Some do.
    """
    several = sum(len(record.labels) > 1 for record in labels.records)
    if several:
        raise ProjectError(
            f"{count_of(several, 'picture')} of this project have more than one class.",
            f"{title} cannot say that: export JSONL or CSV.",
        )


def _with_suffix(name: str, file_format: str) -> str:
    """Return a picture's name with the suffix of its format where it has none: other tools know pictures by it."""
    suffix = ".jpg" if file_format in ("JPEG", "MPO") else f".{file_format.lower()}"
    return name if Path(name).suffix.casefold() in IMAGE_SUFFIXES else f"{name}{suffix}"


def folder_names(class_names: list[str]) -> dict[str, str]:
    """Return a folder name per class that every system can store, and no two of which are the same anywhere."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in class_names:
        base = _HIDDEN.sub("%5F", safe_name(name))
        folder, number = base, 1
        while unicodedata.normalize("NFC", folder).casefold() in taken:
            number += 1
            folder = f"{base} ({number})"
        taken.add(unicodedata.normalize("NFC", folder).casefold())
        result[name] = folder
    return result


def safe_name(name: str) -> str:
    """Return a file name that every system can store: signs with a meaning there become %XX, long names are cut."""
    safe = _UNSAFE_CHARACTERS.sub(lambda match: f"%{ord(match[0]):02X}", name)
    stem, dot, suffix = safe.rpartition(".")
    room = _MAX_FOLDER_BYTES - len(suffix.encode()) - 1 if dot and len(suffix) <= 5 else 0
    if room > 0 and len(safe.encode()) > _MAX_FOLDER_BYTES:
        safe = stem.encode()[:room].decode("utf-8", "ignore") + dot + suffix
    safe = safe.encode()[:_MAX_FOLDER_BYTES].decode("utf-8", "ignore")
    safe = _BLANK_AT_EDGE.sub("%20", safe)
    if safe[-1:] in (".", " "):
        safe = f"{safe[:-1]}%{ord(safe[-1]):02X}"
    return f"_{safe}" if _RESERVED.fullmatch(safe) or safe.startswith(".") else safe


def xml_text(text: str, *, is_raw: bool = False) -> str:
    """Return text as it stands in XML (`is_raw`: with its signs as they are, for an attribute that is quoted later).

    Raises:
        ProjectError: XML has no way to write one of its characters.
    """
    if _NOT_IN_XML.search(text):
        raise ProjectError(f"XML cannot hold the name {text!a}.", "Rename it, or export to another format.")
    return text if is_raw else escape(text)
