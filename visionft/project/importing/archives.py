"""Unpacking a zip that anybody may have made: nothing leaves the target folder, nothing fills the disk unasked.

Only zip: the tar reader of the Python versions we support can be led out of its folder (CVE-2025-4517).
"""

import lzma
import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

from visionft.amounts import size_text
from visionft.errors import ProjectError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import write_error

MAX_FILES = 1_000_000
MAX_RATIO = 200  # pictures hardly shrink; the densest that deflate can do is about 1,000
RATIO_MATTERS_ABOVE = 100 * 2**20
MAX_NAME_BYTES = 255
_CHUNK = 1 << 20
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789")}
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError)


def extract_zip(
    archive: Path, target: Path, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> bool:
    """Unpack `archive` into the empty folder `target`; every entry is checked before the first byte is written.

    Returns:
        Whether all was unpacked; False when `should_stop` said so.

    Raises:
        ProjectError: It is no zip, is damaged or encrypted, an entry is unsafe, or there is not enough room.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            _check(archive, entries, shutil.disk_usage(target).free)
            done, total = 0, sum(entry.file_size for entry in entries)
            for entry in entries:
                if should_stop():
                    return False
                _extract(opened, entry, target)
                done += entry.file_size
                on_event(Progress(stage="Unpack", done=done, total=total, unit="bytes"))
    except _DAMAGE as error:
        raise ProjectError(
            f"{archive} cannot be unpacked: {error}.", "Make the zip again, without a password."
        ) from error
    except OSError as error:
        raise write_error(target, error) from error
    return True


def _check(archive: Path, entries: list[zipfile.ZipInfo], free: int) -> None:
    """Refuse the archive when any entry is unsafe or the whole is too much."""
    hint = "Unpack it yourself, look at it, and import the folder."
    seen: dict[str, str] = {}
    for entry in entries:
        reason = _fault(entry)
        key = unicodedata.normalize("NFC", entry.filename).casefold()
        if key in seen:
            reason = f"has the same name as “{seen[key]}” on some systems"
        seen[key] = entry.filename
        if reason:
            raise ProjectError(f"{archive}: the entry {entry.filename[:100]!a} {reason}.", hint)
    if len(entries) > MAX_FILES:
        raise ProjectError(f"{archive} holds {len(entries):,} files.", f"At most {MAX_FILES:,} are taken.")
    size, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if size > RATIO_MATTERS_ABOVE and size > MAX_RATIO * max(packed, 1):
        raise ProjectError(f"{archive} would grow {size // max(packed, 1):,}-fold.", hint)
    if size > free:
        raise ProjectError(f"{archive} needs {size_text(size)}, {size_text(free)} are free.", "Free some space.")


def _fault(entry: zipfile.ZipInfo) -> str:
    """Return what is wrong with an entry's name or kind, "" when nothing is."""
    name = entry.orig_filename
    parts = name.split("/")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.flag_bits & 1:
        return "is encrypted"
    if kind not in (0, stat.S_IFREG):
        return "is a link or a device"
    if name.startswith("/") or "\\" in name or PureWindowsPath(name).drive or ".." in parts:
        return "leads out of the folder"
    if any(not part or part == "." for part in parts):
        return "has an empty name"
    if any(
        unicodedata.category(character) in ("Cc", "Cs") or (os.name == "nt" and character in '<>:"|?*')
        for character in name
    ):
        return "has a name that not every system can store"
    if any(part.split(".")[0].strip().casefold() in _RESERVED or part[-1] in ". " for part in parts):
        return "has a name that Windows reserves"
    return "has too long a name" if any(len(part.encode()) > MAX_NAME_BYTES for part in parts) else ""


def _extract(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    """Write one entry; no more bytes than it declares are ever written."""
    path = target.joinpath(*entry.filename.split("/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with opened.open(entry) as source, path.open("xb") as handle:
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise zipfile.BadZipFile(f"{entry.filename!a} is larger than it says")
            handle.write(chunk)
