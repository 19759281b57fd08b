"""Label files of other tools that this program does not read: told by their shape, so that nobody imports without them.

Only a look: a few files of a folder and of those just below it, and of each no more than its beginning and end.
"""

import re
from collections.abc import Iterator
from pathlib import Path

_LOOK_BYTES = 1 << 20
_MOST_FILES = 40
_SUFFIXES = (".json", ".xml")
# What the text must hold, all of it, in the order in which the tools are told apart.
_SIGNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (".json", "COCO", (r'"categories"\s*:', r'"annotations"\s*:', r'"images"\s*:')),
    (".json", "Label Studio", (r"^\s*\[", r'"annotations"\s*:', r'"data"\s*:', r'"result"\s*:')),
    (".json", "FiftyOne", (r'"classes"\s*:\s*\[', r'"labels"\s*:\s*\{')),
    (".json", "FiftyOne", (r'"samples"\s*:\s*\[', r'"filepath"\s*:')),
    (".json", "labelme", (r'"shapes"\s*:', r'"imagePath"\s*:')),
    (".json", "Create ML", (r"^\s*\[", r'"image(?:filename)?"\s*:', r'"annotations?"\s*:')),
    (".xml", "CVAT", (r"<annotations>", r"<image\s")),
    (".xml", "Pascal VOC", (r"<annotation\b", r"<filename>")),
)


def foreign_labels(folder: Path) -> str:
    """Return the tool whose label files lie in `folder` or just below it; empty when none is known."""
    for file in _candidates(folder):
        if tool := _tool_of(file):
            return tool
    return ""


def _candidates(folder: Path) -> Iterator[Path]:
    count = 0
    for place in (folder, *_folders(folder)):
        try:
            files = sorted(path for path in place.iterdir() if path.suffix.casefold() in _SUFFIXES)
        except OSError:
            continue
        for file in files[:3]:
            count += 1
            if count > _MOST_FILES:
                return
            yield file


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _tool_of(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            data = handle.read(_LOOK_BYTES)
            size = file.stat().st_size
            if size > len(data):
                handle.seek(max(len(data), size - _LOOK_BYTES))
                data += handle.read(_LOOK_BYTES)
    except OSError:
        return ""
    text = data.decode("utf-8", "replace")
    suffix = file.suffix.casefold()
    return next((tool for kind, tool, signs in _SIGNS if kind == suffix and all(re.search(s, text) for s in signs)), "")
