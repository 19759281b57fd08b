"""A look at a label file: its beginning and its end, enough to tell whose it is."""

import re
from collections.abc import Sequence
from pathlib import Path

_LOOK_BYTES = 1 << 20


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
    return data.decode("utf-8", "replace").removeprefix("\ufeff")


def bears(text: str, signs: Sequence[str]) -> bool:
    """Say whether a text holds all of some signs (regular expressions), of which there is at least one."""
    return bool(signs) and all(re.search(sign, text) for sign in signs)
