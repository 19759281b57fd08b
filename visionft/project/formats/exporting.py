"""Handing labels (and pictures, sorted into class folders) to other programs, and to a new project of this one.

JSONL and CSV list the pictures where they lie; class folders are copies. Importing what was exported gives the same
pictures, labels, splits, tags, review states and notes (class folders: labels and splits). Nothing half-written stays.
"""

import csv
import json
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from visionft.errors import ProjectError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import atomic_path, fsync_tree, is_file, is_stream, publish_folder, temporary_folder, write_error
from visionft.foreign_text import spreadsheet_cell
from visionft.project.formats.labels_file import (
    CLASSES_FILE,
    LabelRecord,
    as_json,
    classes_file,
    read_records,
    write_classes,
    write_labels,
)
from visionft.project.formats.listing import UNASSIGNED_FOLDER, is_split_name
from visionft.project.names import count_of
from visionft.project.store import Project

ExportFormat = Literal["auto", "folders", "csv", "jsonl"]
_UNSAFE_CHARACTERS = re.compile(r'[<>:"/\\|?*%\x00-\x1f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MAX_FOLDER_BYTES = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExport:
    """What was exported where. `missing` are pictures whose files are gone; they are in no class folder."""

    path: Path
    pictures: int
    missing: tuple[str, ...] = ()
    stopped: bool = False


def export_labels(
    project: Project,
    target: Path,
    *,
    export_format: ExportFormat = "auto",
    for_spreadsheets: bool = False,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> LabelExport:
    """Export the pictures' labels. Removed pictures are left out.

    Args:
        project: What to export.
        target: A `.jsonl` or `.csv` file, which is replaced; a pipe or a device, which is written into; or a new (or
            empty) folder for class folders.
        export_format: What to write, where the target's name does not say.
        for_spreadsheets: Put `'` before cells of a CSV that a spreadsheet would run as a formula. Our own import takes
            it off again; other programs see it.
        on_event: Receives `Progress`.
        should_stop: Asked between copies; a stopped export of class folders leaves nothing.

    Raises:
        ProjectError: The target or the format does not fit.
        VisionFTError: The target cannot be written.
    """
    target = target.absolute()
    if export_format not in get_args(ExportFormat):
        raise ProjectError(f"There is no format “{export_format}”.", "Use folders, csv or jsonl.")
    suffixes = {".jsonl": "jsonl", ".csv": "csv", "": "folders"}
    kind = suffixes.get(target.suffix.casefold(), "folders") if export_format == "auto" else export_format
    if kind == "folders":
        return _export_folders(project, target, on_event, should_stop)
    if target.is_dir():
        target = target / f"metadata.{kind}"
    if not target.parent.is_dir():
        raise ProjectError(f"The folder {target.parent} does not exist.", "Create it first.")
    if kind == "jsonl":
        with project.reading() as connection:
            write_labels(connection, project.path, target, seen_from=_seen_from(target))
    else:
        _write_csv(project, target, for_spreadsheets=for_spreadsheets)
    return LabelExport(path=target, pictures=project.summary().images)


def _write_csv(project: Project, target: Path, *, for_spreadsheets: bool) -> None:
    """Write one row per picture. Lists are JSON arrays, so that any name survives."""
    label = "label" if project.task == "single" else "labels"
    columns = ["file_name", label, "split", "tags", "review", "note", "sha256"]
    with project.reading() as connection, atomic_path(target) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow([*columns, "escaped"] if for_spreadsheets else columns)
            for record in read_records(connection, project.roots()):
                cells = [_cell(value) for value in as_json(record, _seen_from(target), project.task).values()]
                if for_spreadsheets:
                    cells = [*map(spreadsheet_cell, cells), "yes"]
                writer.writerow(cells)
        if not is_stream(target):
            write_classes(connection, classes_file(target))


def _seen_from(target: Path) -> Path:
    """Return the folder that file names are relative to: the target's, or where the user is for a pipe or a device."""
    return Path.cwd() if is_stream(target) else target.parent


def _cell(value: object) -> str:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return "" if value is None else str(value)


def _export_folders(project: Project, target: Path, on_event: OnEvent, should_stop: ShouldStop) -> LabelExport:
    """Copy the pictures into `<split>/<class>/`, or `<class>/` when no picture has a split."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProjectError(f"{target} exists already.", "Choose a new folder.")
    with project.reading() as connection:
        records = list(read_records(connection, project.roots()))
        class_names = [row[0] for row in connection.execute("SELECT name FROM class ORDER BY position, id")]
        several = sum(len(record.labels) > 1 for record in records)
        if several:
            raise ProjectError(
                f"{count_of(several, 'picture')} of this project have more than one class.",
                "Class folders cannot say that: export JSONL or CSV.",
            )
        folders = folder_names(class_names)
        has_splits = any(record.split for record in records) or any(is_split_name(name) for name in folders.values())
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(target) as partial:
                missing: list[str] = []
                for done, record in enumerate(records, 1):
                    if should_stop():
                        return LabelExport(path=target, pictures=0, stopped=True)
                    folder = partial / ((record.split or UNASSIGNED_FOLDER) if has_splits else "")
                    folder = folder / folders[record.labels[0]] if record.labels else folder
                    if not _copy(record, folder):
                        missing.append(str(record.path))
                    if done % 100 == 0 or done == len(records):
                        on_event(Progress(stage="Export", done=done, total=len(records)))
                write_classes(connection, partial / CLASSES_FILE, folders)
                fsync_tree(partial)
                publish_folder(partial, target)
        except OSError as error:
            raise write_error(target, error) from error
    return LabelExport(path=target, pictures=len(records) - len(missing), missing=tuple(missing))


def _copy(record: LabelRecord, folder: Path) -> bool:
    """Copy a picture under its own name, made unique in the folder. Return False when its file is gone."""
    if not is_file(record.path):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(safe_name(Path(record.name).name))
    target = folder / name
    if target.exists():
        target = folder / f"{name.stem}-{record.sha256[:12]}{name.suffix}"
    with record.path.open("rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    return True


def folder_names(class_names: list[str]) -> dict[str, str]:
    """Return a folder name per class that every system can store, and no two of which are the same anywhere."""
    result: dict[str, str] = {}
    taken: set[str] = set()
    for name in class_names:
        base = safe_name(name)
        folder, number = base, 1
        while unicodedata.normalize("NFC", folder).casefold() in taken:
            number += 1
            folder = f"{base} ({number})"
        taken.add(unicodedata.normalize("NFC", folder).casefold())
        result[name] = folder
    return result


def safe_name(name: str) -> str:
    """Return a file name that every system can store: signs with a meaning there become %XX, long names are cut."""
    safe = _UNSAFE_CHARACTERS.sub(lambda match: f"%{ord(match[0]):02X}", name)
    stem, dot, suffix = safe.rpartition(".")
    room = _MAX_FOLDER_BYTES - len(suffix.encode()) - 1 if dot and len(suffix) <= 5 else 0
    if room > 0 and len(safe.encode()) > _MAX_FOLDER_BYTES:
        safe = stem.encode()[:room].decode("utf-8", "ignore") + dot + suffix
    safe = safe.encode()[:_MAX_FOLDER_BYTES].decode("utf-8", "ignore")
    if safe[-1:] in (".", " "):
        safe = f"{safe[:-1]}%{ord(safe[-1]):02X}"
    return f"_{safe}" if _RESERVED.fullmatch(safe) or safe.startswith(".") else safe
