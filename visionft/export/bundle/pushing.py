"""Which files of an export go to the Hugging Face hub, and under which names: `huggingface/` is its top there.

So `timm.create_model("hf-hub:OWNER/NAME", pretrained=True)` finds what it looks for. Nothing but what the record lists
is sent, and only while it is as it was exported.
"""

from dataclasses import dataclass
from pathlib import Path

from visionft.errors import ExportError, NextStep
from visionft.export.bundle.card.front_matter import TIMM_FOLDER
from visionft.export.contents import (
    RECORD_FILE,
    ListedFile,
    is_inside_folder,
    is_undamaged,
    listed_file,
    listed_files,
    read_record,
)
from visionft.export.publishing import settle


@dataclass(frozen=True, kw_only=True)
class Sending:
    """A file to be sent.

    Attributes:
        name: In the repository.
    """

    name: str
    path: Path
    bytes: int


def files_to_send(folder: Path) -> tuple[Sending, ...]:
    """Return what would be sent of an export.

    Raises:
        ExportError: There is no export, or a file of it is missing or was changed.
    """
    settle(folder)
    record = read_record(folder)
    listed = listed_files(record) if record is not None else None
    if not listed:
        raise ExportError(f"{folder} holds no export that can be sent.", "Export the run again.", NextStep("export"))
    changed = [name for name, said in listed.items() if not _is_as_it_was(folder, name, said)]
    if changed or not is_undamaged(record or {}):
        message = f"{folder / (changed or [RECORD_FILE])[0]} is not as it was exported, so nothing is sent."
        raise ExportError(message, "Export the run again.", NextStep("export"))
    names = {name_on_hub(name): name for name in (*listed, RECORD_FILE)}
    sendings = [
        Sending(name=name, path=folder / own, bytes=(folder / own).stat().st_size) for name, own in names.items()
    ]
    return tuple(sorted(sendings, key=lambda each: each.name))


def name_on_hub(name: str) -> str:
    """Return what a file of an export is called in a repository."""
    return name.removeprefix(f"{TIMM_FOLDER}/")


def _is_as_it_was(folder: Path, name: str, said: ListedFile) -> bool:
    return is_inside_folder(folder, name) and listed_file(folder / name) == said
