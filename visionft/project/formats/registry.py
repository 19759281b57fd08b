"""The formats that labelled pictures come in and go out in: one table for import, export, drops, dialogs, commands.

Adding one is a row here, with the functions that read and write it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from visionft.project.formats.listing import Listing
from visionft.project.formats.readers import read_csv, read_jsonl

SourceFormat = str  # a name of `FORMATS`, or "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        name: What commands call it.
        title: What people call it.
        suffixes: Of its files, lower case; empty for a folder.
        read: Lists the pictures of a label file (see `readers.read_csv`); None for what `importing.sources` opens
            itself: folders, and archives of any of these.
        is_import: Whether pictures come in in it.
        is_export: Whether labels go out in it (`exporting.export_labels`).
    """

    name: str
    title: str
    suffixes: tuple[str, ...] = ()
    read: Callable[..., Listing] | None = None
    is_import: bool = True
    is_export: bool = True


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(name="folders", title="Class folders"),
        Format(name="csv", title="CSV table", suffixes=(".csv", ".tsv"), read=read_csv),
        Format(name="jsonl", title="JSON Lines", suffixes=(".jsonl", ".ndjson"), read=read_jsonl),
        Format(name="zip", title="Zip archive", suffixes=(".zip",), is_export=False),
    )
}
LABEL_FILES = tuple(each for each in FORMATS.values() if each.read)
IMPORT_FORMATS = ("auto", *(each.name for each in FORMATS.values() if each.is_import))
EXPORT_FORMATS = ("auto", *(each.name for each in FORMATS.values() if each.is_export))
SOURCE_SUFFIXES = tuple(suffix for each in FORMATS.values() if each.is_import for suffix in each.suffixes)


def format_of(path: Path) -> Format | None:
    """Return the format that a file's name says; None for no known one."""
    suffix = path.suffix.casefold()
    return next((each for each in FORMATS.values() if suffix in each.suffixes), None)
