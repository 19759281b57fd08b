"""Labels of other tools that this program does not read: told by their shape, so that nobody imports without them.

Only a look: a few files of a folder and of those just below it, and of each no more than its beginning and end.
"""

from collections.abc import Iterator
from pathlib import Path

from visionft.project.formats.recognising import bears, glance

_MOST_FILES = 40
_SUFFIXES = (".json", ".xml", ".yaml", ".yml")
# What the text must hold, all of it, in the order in which the tools are told apart.
_SIGNS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    ((".json",), "VGG Image Annotator", (r'"regions"\s*:', r'"file_attributes"\s*:')),
    ((".json",), "Supervisely", (r'"classTitle"\s*:', r'"objects"\s*:')),
    ((".yaml", ".yml"), "YOLO (boxes)", (r"(?m)^names\s*:", r"(?m)^(train|val)\s*:")),
)


def foreign_labels(folder: Path) -> str:
    """Return the tool whose label files lie in `folder` or just below it; empty when none is known."""
    return next((tool for file in _candidates(folder) if (tool := _tool_of(file))), "")


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
    text, suffix = glance(file), file.suffix.casefold()
    return next((tool for suffixes, tool, signs in _SIGNS if suffix in suffixes and bears(text, signs)), "")
