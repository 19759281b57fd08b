"""A look at a label file: its beginning and its end, enough to tell whose it is."""

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

from visionft.errors import ProjectError

_LOOK_BYTES = 1 << 20
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def glance(file: Path) -> str:
    """Return the beginning and the end of a file as text; empty where it cannot be read."""
    try:
        with file.open("rb") as handle:
            data = handle.read(_LOOK_BYTES)
            size = file.stat().st_size
            if size > len(data):
                handle.seek(max(len(data), size - _LOOK_BYTES))
                data += handle.read(_LOOK_BYTES)
    except OSError:
        return ""
    return data.decode(_encoding_of(data), "replace").removeprefix("\ufeff")


def text_encoding(file: Path) -> str:
    """Return how a file's text is stored: UTF-16 where its first bytes say so, as in Excel's “Unicode text”, or UTF-8.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as handle:
        return _encoding_of(handle.read(2))


def _encoding_of(data: bytes) -> str:
    return "utf-16" if data.startswith(_UTF_16) else "utf-8-sig"


def not_utf_8(file: Path) -> ProjectError:
    """Return the error for a label file whose text is stored in another way."""
    return ProjectError(f"{file} is not UTF-8 text.", "Save it again as UTF-8; in Excel as “CSV UTF-8”.")


def bears(text: str, signs: Sequence[str]) -> bool:
    """Say whether a text holds all of some signs (regular expressions), of which there is at least one."""
    return bool(signs) and all(re.search(sign, text) for sign in signs)
