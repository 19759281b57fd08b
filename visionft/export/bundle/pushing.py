"""List the files of an export for the Hugging Face hub with their names there: `huggingface/` becomes the top folder.

`timm.create_model("hf-hub:OWNER/NAME", pretrained=True)` expects this layout. Only files listed in the record are sent,
and only while they are unchanged since the export.
"""

from dataclasses import dataclass
from pathlib import Path

from models.messages import Message
from visionft.errors import ExportError, NextStep
from visionft.export.bundle.card.markdown import TIMM_FOLDER
from visionft.export.contents import (
    RECORD_FILE,
    is_inside_folder,
    is_undamaged,
    listed_file,
    listed_files,
    read_record,
)
from visionft.export.publishing import settle


@dataclass(frozen=True, kw_only=True)
class UploadFile:
    """A file to upload, and its name in the repository."""

    name: str
    path: Path
    bytes: int


def files_to_send(folder: Path) -> tuple[UploadFile, ...]:
    """Return the files of an export to upload.

    Raises:
        ExportError: There is no export, or one of its files is missing or was changed.
    """
    settle(folder)
    record = read_record(folder) or {}
    listed, step = listed_files(record), NextStep("export")
    if not listed:
        message = Message("{folder} holds no export that can be sent.", folder=folder)
        raise ExportError(message, "Export the run again.", step)
    changed = [
        name
        for name, entry in listed.items()
        if not is_inside_folder(folder, name) or listed_file(folder / name) != entry
    ]
    if changed or not is_undamaged(record):
        path = folder / (changed or [RECORD_FILE])[0]
        message = Message("{value} is not as it was exported, so nothing is sent.", value=path)
        raise ExportError(message, "Export the run again.", step)
    files = [
        UploadFile(name=name_on_hub(name), path=folder / name, bytes=(folder / name).stat().st_size)
        for name in (*listed, RECORD_FILE)
    ]
    return tuple(sorted(files, key=lambda each: each.name))


def name_on_hub(name: str) -> str:
    """Return the name of an export's file in a hub repository."""
    return name.removeprefix(f"{TIMM_FOLDER}/")
