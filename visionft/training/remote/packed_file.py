"""A file for carrying others between computers: a zip with a manifest of their sizes and hashes.

It is read as a stranger's: only names of the manifest are unpacked, each must be a plain relative path of ASCII, and
nothing is larger than the manifest says. Nothing in it runs.
"""

import hashlib
import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import visionft
from visionft.core.amounts import size_text
from visionft.core.events import Progress
from visionft.core.files import MOST_RECORD, atomic_path, open_regular, parse_json
from visionft.core.jobs import SILENT, JobContext
from visionft.core.messages import Message
from visionft.training.remote.contents import FORMAT, Manifest, PackedFileError, read_manifest_values

MANIFEST: Final = "manifest.json"
MOST_MANIFEST: Final = MOST_RECORD * 20  # bytes; that of a job with ImageNet's 1.3 million images takes 150 MB
_CHUNK = 1 << 20  # bytes copied between two looks whether the job was cancelled
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError),
    *(NotImplementedError, RuntimeError, ValueError, KeyError),
)


@dataclass(frozen=True, slots=True)
class Content:
    """One file to pack: its name there, and its bytes or where they are."""

    name: str
    source: bytes | Path


def pack(target: Path, kind: str, facts: dict[str, Any], contents: Iterable[Content]) -> Manifest:
    """Write a packed file (VisionFTError: it cannot be written; an earlier file at its place stays).

    Args:
        target: The file to write.
        kind: Kind of the file, such as `job`; `read_manifest` refuses another.
        facts: Values of this kind: plain JSON.
        contents: Files, read one after the other; images are compressed already, so they are stored.
    """
    files: dict[str, tuple[int, str]] = {}
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for content in contents:
            digest = hashlib.sha256()
            size = 0
            with archive.open(zipfile.ZipInfo(content.name), "w", force_zip64=True) as entry:
                for part in _parts(content.source):
                    entry.write(part)
                    digest.update(part)
                    size += len(part)
            files[content.name] = (size, digest.hexdigest())
        values = {"kind": kind, "format": FORMAT, "program": visionft.__version__, "facts": facts, "files": files}
        archive.writestr(zipfile.ZipInfo(MANIFEST), json.dumps(values, ensure_ascii=False))
    return Manifest(facts, files, visionft.__version__)


def _parts(source: bytes | Path) -> Iterable[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with open_regular(source) as handle:
        while part := handle.read(_CHUNK):
            yield part


def read_manifest(path: Path, kind: str) -> Manifest:
    """Return the manifest of a packed file of this kind.

    Raises:
        PackedFileError: It is missing, damaged, of another kind, of a newer program, or unsafe.
    """
    try:
        with open_regular(path) as handle, zipfile.ZipFile(handle) as archive:
            entry = _stored(archive, MANIFEST)
            if entry.file_size > MOST_MANIFEST:
                raise ValueError("its manifest is too large")
            values: Any = parse_json(archive.read(entry), most=max(1000, entry.file_size))
        return read_manifest_values(values, kind, path.name)
    except OSError as error:
        message = Message("{path} cannot be read: {reason}.", path=path, reason=error.strerror or str(error))
        raise PackedFileError(message, "Check the path, or copy the file again.") from error
    except _DAMAGE as error:
        message = Message("{name} is no file of VisionFT, or it is damaged: {reason}.", name=path.name, reason=error)
        raise PackedFileError(message, "Copy it again from where it was written.") from error


def _stored(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return an entry as `pack` writes it (KeyError, ValueError: there is none, or it is compressed)."""
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > entry.compress_size:
        raise ValueError(Message("{name} is compressed", name=name))
    return entry


def unpack(path: Path, manifest: Manifest, folder: Path, *, job: JobContext = SILENT) -> None:
    """Unpack every file of the manifest into an existing folder, and check it.

    Raises:
        PackedFileError: A file is missing, differs from the manifest, or there is no room for all.
        JobCancelled: The user cancelled.
    """
    free = shutil.disk_usage(folder).free
    if manifest.bytes > free:
        message = Message("{folder} has room for {free}, and {name} holds {size}.", folder=folder, name=path.name)
        message = Message(message, free=size_text(free), size=size_text(manifest.bytes))
        raise PackedFileError(message, "Make room, or choose another folder.")
    try:
        with open_regular(path) as handle, zipfile.ZipFile(handle) as archive:
            for done, (name, (size, digest)) in enumerate(manifest.files.items()):
                job.check_cancelled()
                job.report(Progress(stage="Unpacking", done=done, total=len(manifest.files)))
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(_stored(archive, name)) as source, (folder / name).open("wb") as target:
                    _copy(source, target, size, digest)
    except _DAMAGE as error:
        message = Message("{name} is damaged: {reason}.", name=path.name, reason=error)
        raise PackedFileError(message, "Copy it again from where it was written.") from error
    except OSError as error:
        message = Message("{name} cannot be unpacked: {reason}.", name=path.name, reason=error.strerror or str(error))
        raise PackedFileError(message, "Make room, or choose another folder.") from error


def _copy(source: Any, target: Any, size: int, wanted: str) -> None:
    digest = hashlib.sha256()
    left = size
    while part := source.read(min(_CHUNK, left + 1)):
        left -= len(part)
        if left < 0:
            break
        digest.update(part)
        target.write(part)
    if left or digest.hexdigest() != wanted:
        raise ValueError(Message("a file in it differs from its manifest"))
