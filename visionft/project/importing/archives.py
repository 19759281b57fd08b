"""Unpack untrusted archives of images: zip files, nested or several in a folder, and Parquet files with images.

Every name is checked, only regular files are written, and the number and size of files are limited.
"""

import json
import lzma
import os
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from visionft.core.amounts import size_text
from visionft.core.errors import ProjectError
from visionft.core.events import Progress
from visionft.core.files import open_regular, write_error
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Split
from visionft.project.formats.folders import holds_images, walk
from visionft.project.formats.hugging_face import has_images, images_within
from visionft.project.formats.registry import LABEL_FILES
from visionft.project.formats.split_names import is_split_name, split_of
from visionft.project.formats.whole_files import MAX_BYTES

MAX_FILES = 1_000_000
_TABLE_NAME = "metadata.jsonl"  # lists the images of Parquet files
MAX_RATIO = 200  # unpacked to packed size: images hardly compress, and deflate reaches about 1,000
MIN_BYTES_FOR_RATIO = 100 * 2**20  # drawings and images of a single colour compress well, but are small
_SUFFIXES = (".zip", ".tm", ".parquet")  # `.tm`: a Teachable Machine project
_RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789")}
_DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
_SHARD_NUMBER = re.compile(r"(?i)\d{3,}(-of-\d+)?|(part|shard|chunk)[\W_]*\d+")
_TEACHABLE_SEPARATOR = "-!-"  # between class and image number in a Teachable Machine project
_MAX_ARCHIVE_DEPTH = 3  # levels below a folder: `food101/data/train-00000-of-00008.parquet`
_MAGIC = {b"\x89PNG": ".png", b"RIFF": ".webp", b"GIF8": ".gif", b"II*\0": ".tif", b"MM\0*": ".tif", b"BM": ".bmp"}
_MAX_NAME_BYTES = 255  # on ext4, NTFS and APFS
_UNSAFE_HINT = "Unpack it yourself, look at it, and import the folder."


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive by its name, or a Parquet file with images."""
    return path.name.casefold().endswith(_SUFFIXES) and (path.suffix.casefold() != ".parquet" or has_images(path))


def archives_of(folder: Path) -> list[Path]:
    """Return the archives of a folder; empty if the folder has image files."""
    levels = len(folder.parts) + _MAX_ARCHIVE_DEPTH
    files = () if holds_images(folder) else walk(folder, [], [])
    return [path for path in files if is_archive(path) and len(path.parts) <= levels]


def unpack(source: Path, target: Path, *, job: JobContext = SILENT_JOB) -> bool:
    """Unpack an archive, or all archives of a folder, into the empty folder `target`; return False when cancelled.

    Nested archives are also unpacked if the outer archives contain no images.

    Raises:
        ProjectError: An archive is damaged, too large or unsafe.
    """
    packed = archives_of(source) if source.is_dir() else [source]
    unpacking = _Unpacking(target, sum(path.stat().st_size for path in packed), shutil.disk_usage(target).free, job)
    try:
        if source.is_dir():
            unpacking.unpack_all(packed, source)
            _copy_tables(source, target)
        else:
            unpacking.unpack(source, target)
        inner = archives_of(target)
        unpacking.unpack_all(inner, target)
        for archive in inner:
            archive.unlink()
    except JobCancelled:
        return False
    return True


def _copy_tables(source: Path, target: Path) -> None:
    """Copy files that may contain labels or class names from the folder of the archives."""
    suffixes = {suffix for format_ in LABEL_FILES for suffix in format_.suffixes} | {
        ".data",
        ".md",
        ".names",
        ".yaml",
        ".yml",
    }
    for path in walk(source, [], []):
        copy = target / path.relative_to(source)
        may_hold_labels = path.suffix.casefold() in suffixes and not is_archive(path)
        if may_hold_labels and not copy.exists() and path.stat().st_size <= MAX_BYTES:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


@dataclass
class _Unpacking:
    """Unpacks archives into a folder, with limits on their total."""

    target: Path
    packed_bytes: int  # size of the given archives
    free_bytes: int  # free disk space
    job: JobContext
    unpacked_bytes: int = 0  # so far
    # {normalised path: (name, archive)} of the files so far
    seen: dict[str, tuple[str, Path]] = field(default_factory=dict[str, tuple[str, Path]])

    def unpack_all(self, archives: list[Path], base: Path) -> None:
        """Unpack archives below `base` into folders named after them; numbered shards share a folder."""
        counts = Counter(map(_unnumbered, archives))
        for archive in archives:
            stem = _stem(archive)
            name = _SHARD_NUMBER.sub("", stem).strip(" .-_") or "images"
            is_shard = name != stem and (counts[_unnumbered(archive)] > 1 or _split_in(name) is not None)
            folder = self.target / archive.parent.relative_to(base) / (name if is_shard else stem)
            self.unpack(archive, folder, prefix=f"{stem}-" if is_shard else "")

    def unpack(self, archive: Path, folder: Path, *, prefix: str = "") -> None:
        """Unpack an archive into a folder; `prefix` is added to file names that an earlier archive has used."""
        try:
            if archive.suffix.casefold() == ".parquet":
                self._unpack_parquet(archive, folder, prefix)
                return
            with open_regular(archive) as handle, zipfile.ZipFile(handle) as opened:
                entries = [entry for entry in opened.infolist() if not entry.filename.endswith("/")]
                names = [entry.orig_filename for entry in entries]
                if "manifest.json" in names:
                    names = [name.replace(_TEACHABLE_SEPARATOR, "/", 1) for name in names]
                targets = [
                    self._target_of(archive, folder, prefix, name, entry.file_size, _type_problem(entry))
                    for name, entry in zip(names, entries, strict=True)
                ]
                for entry, target in zip(entries, targets, strict=True):
                    with opened.open(entry) as content:
                        self._write(target, entry.file_size, content, self.unpacked_bytes, self.unpacked_bytes)
                        if content.read(1):
                            name = f"{entry.filename!a}"
                            raise zipfile.BadZipFile(Message("{filename} is larger than it says", filename=name))
        except (*_DAMAGE_ERRORS, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise write_error(self.target, error) from error
            message = Message("{archive} cannot be unpacked: {reason}.", archive=archive, reason=error)
            raise ProjectError(message, "Make the archive again, without a password.") from error

    def _unpack_parquet(self, archive: Path, folder: Path, prefix: str) -> None:
        """Write the images of a Parquet file, and append their rows to the common table of all Parquet files."""
        split = _split_in(archive.stem, archive.parent.name)
        with (self.target / _TABLE_NAME).open("a", encoding="utf-8", newline="\n") as table:
            for number, (content, name, row) in enumerate(images_within(archive)):
                suffix = PurePosixPath(name).suffix.casefold()
                if suffix not in IMAGE_SUFFIXES:
                    suffixes = (known for start, known in _MAGIC.items() if content and content.startswith(start))
                    suffix = next(suffixes, ".jpg")
                if content is not None:
                    file_name = f"{number:07}{suffix}"
                    target = self._target_of(archive, folder, prefix, file_name, len(content), "")
                    self._write(target, len(content), BytesIO(content), self.unpacked_bytes, 0)
                    name = target.relative_to(self.target).as_posix()
                row |= {"file_name": name} | ({"split": split} if split else {})
                table.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def _target_of(self, archive: Path, folder: Path, prefix: str, name: str, size: int, problem: str) -> Path:
        """Return the target path of an entry, and count it; raises `ProjectError` if it is unsafe or over a limit."""
        problem = problem or _name_problem(name)
        target = folder.joinpath(*name.split("/"))
        if prefix and not problem and self.seen.get(self._key(target), ("", archive))[1] != archive:
            target = target.with_name(f"{prefix}{target.name}")
        if not problem and (earlier := self.seen.get(self._key(target))):
            problem = Message("has the same name as “{name}” on some systems", name=earlier[0])
        if problem:
            shown = f"{name[:100]!a}"
            message = Message("{archive}: the entry {name} {reason}.", archive=archive, name=shown, reason=problem)
            raise ProjectError(message, _UNSAFE_HINT)
        self.seen[self._key(target)] = name, archive
        self.unpacked_bytes += size
        if len(self.seen) > MAX_FILES:
            message = Message("{archive} holds {entries} files.", archive=archive, entries=f"{len(self.seen):,}")
            raise ProjectError(message, Message("At most {MAX_FILES} are taken.", MAX_FILES=f"{MAX_FILES:,}"))
        if self.unpacked_bytes > MIN_BYTES_FOR_RATIO and self.unpacked_bytes > MAX_RATIO * self.packed_bytes:
            growth = f"{self.unpacked_bytes // max(self.packed_bytes, 1):,}"
            raise ProjectError(
                Message("{archive} would grow {packed}-fold.", archive=archive, packed=growth), _UNSAFE_HINT
            )
        if self.unpacked_bytes > self.free_bytes:
            raise ProjectError(
                Message(
                    "{archive} needs {size}, {free} are free.",
                    archive=archive,
                    size=size_text(self.unpacked_bytes),
                    free=size_text(self.free_bytes),
                ),
                "Free some space.",
            )
        return target

    def _key(self, path: Path) -> str:
        return unicodedata.normalize("NFC", path.relative_to(self.target).as_posix()).casefold()

    def _write(self, path: Path, size: int, content: IO[bytes], done: int, total: int) -> None:
        self.job.check_cancelled()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as copy:
            while size:
                chunk = content.read(min(1 << 20, size))
                if not chunk:
                    raise EOFError(Message("its end is missing"))
                copy.write(chunk)
                size -= len(chunk)
        self.job.report(Progress(stage="Unpack", done=done, total=total, unit="bytes"))


def _stem(archive: Path) -> str:
    suffix = next(ending for ending in _SUFFIXES if archive.name.casefold().endswith(ending))
    return archive.name[: -len(suffix)].removesuffix("-samples")  # Teachable Machine's suffix


def _unnumbered(archive: Path) -> str:
    """Return the path of an archive with `#` in place of numbers."""
    return f"{archive.parent}/{re.sub(r'[0-9]+', '#', archive.name)}"


def _split_in(*names: str) -> Split | None:
    """Return the split named in names such as `cifar-train`, or None if they name no split or several."""
    words = [word for name in names for word in re.split(r"[\W_0-9]+", name) if is_split_name(word)]
    splits: set[Split | None] = {split_of(word) for word in words}
    return splits.pop() if len(splits) == 1 else None


def _type_problem(entry: zipfile.ZipInfo) -> str:
    """Return the reason to reject an archive entry by its type, or an empty string."""
    if entry.flag_bits & 1:
        return "is encrypted"
    return "is a link or a device" if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG) else ""


def _name_problem(name: str) -> str:
    """Return the reason to reject the path of an archive entry, or an empty string."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or PureWindowsPath(name).drive or ".." in parts:
        return "leads out of the folder"
    if not {"", "."}.isdisjoint(parts):
        return "has an empty name"
    if not _is_portable(name):
        return "has a name that not every system can store"
    if any(map(_is_reserved, parts)):
        return "has a name that Windows reserves"
    return "has too long a name" if any(len(part.encode()) > _MAX_NAME_BYTES for part in parts) else ""


def _is_portable(name: str) -> bool:
    """Return whether a name has no control characters, lone surrogates, or characters that this system forbids."""
    forbidden = '<>:"|?*' if os.name == "nt" else ""
    return not any(unicodedata.category(character) in ("Cc", "Cs") or character in forbidden for character in name)


def _is_reserved(part: str) -> bool:
    """Return whether Windows reserves a name or strips its end, such as `con.txt`, `a.` or `a `."""
    return part.partition(".")[0].strip().casefold() in _RESERVED_NAMES or part[-1] in ". "
