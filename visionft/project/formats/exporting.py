"""Handing labels (and copies of pictures) to other programs, and to a new project of this one.

Files list the pictures where they lie; folders hold copies. Importing what was exported gives the same pictures and
labels, and what else the format holds (JSONL and CSV: splits, tags, review states, notes). Nothing half-written stays.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from visionft.errors import ProjectError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop
from visionft.files import atomic_path, fsync_tree, is_stream, publish_folder, temporary_folder, write_error
from visionft.foreign_text import spreadsheet_cell
from visionft.project.formats.handing_out import Copier, LabelSet, folder_names, require_one_class
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
from visionft.project.formats.registry import EXPORT_FORMATS, FORMATS, Format
from visionft.project.store import Project

ExportFormat = str  # a name of `registry.FORMATS`, or "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExport:
    """What was exported where.

    Attributes:
        missing: Pictures whose files are gone, so that there is no copy of them.
        left_out: How many the format has no place for.
        outside: How many lie outside the folder of the file, which names them by `../`: ours finds them, and hardly
            any other program does.
    """

    path: Path
    pictures: int
    missing: tuple[str, ...] = ()
    left_out: int = 0
    outside: int = 0
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
        target: A file, which is replaced; a pipe or a device, which is written into; or, for formats that hold copies
            of the pictures, a new (or empty) folder.
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
    wanted = _format_for(target, export_format)
    if wanted.name == "folders":
        write = partial(_write_class_folders, project)
        return _export_into_folder(project, target, write, on_event, should_stop)
    if wanted.write_folder is not None:
        return _export_into_folder(project, target, wanted.write_folder, on_event, should_stop)
    if target.is_dir():
        target = target / f"{'metadata' if wanted.write is None else 'labels'}{wanted.suffixes[0]}"
    if not target.parent.is_dir():
        raise ProjectError(f"The folder {target.parent} does not exist.", "Create it first.")
    outside = 0
    if wanted.write is not None:
        labels = _label_set(project, target)
        names = map(labels.name_of, labels.records)
        outside = sum(name.startswith("../") or Path(name).is_absolute() for name in names)
        wanted.write(labels, target)
    elif wanted.name == "jsonl":
        with project.reading() as connection:
            write_labels(connection, project.path, target, seen_from=_seen_from(target))
    else:
        _write_csv(project, target, for_spreadsheets=for_spreadsheets)
    return LabelExport(path=target, pictures=project.summary().images, outside=outside)


def _format_for(target: Path, name: str) -> Format:
    """Return the format that the user named, or that the target's name says; class folders where nothing says one.

    Raises:
        ProjectError: There is no such format, or the name fits several.
    """
    if name not in EXPORT_FORMATS:
        raise ProjectError(f"There is no format “{name}”.", f"Use {', '.join(EXPORT_FORMATS)}.")
    if name != "auto":
        return FORMATS[name]
    suffix = target.suffix.casefold()
    fitting = [each for each in FORMATS.values() if each.is_file and suffix in each.suffixes]
    if len(fitting) > 1:
        names = ", ".join(each.name for each in fitting)
        raise ProjectError(f"Several formats are written into {suffix} files.", f"Say which: {names}.")
    return fitting[0] if fitting else FORMATS["folders"]


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


def _label_set(project: Project, target: Path) -> LabelSet:
    with project.reading() as connection:
        names = connection.execute("SELECT name FROM class ORDER BY position, id").fetchall()
        records = tuple(read_records(connection, project.roots()))
    return LabelSet(
        title=project.path.name,
        task=project.task,
        classes=tuple(row[0] for row in names),
        records=records,
        seen_from=_seen_from(target),
    )


def _export_into_folder(
    project: Project,
    target: Path,
    write: Callable[[LabelSet, Copier], None],
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> LabelExport:
    """Write labels and copies of the pictures into a new folder, which appears whole or not at all."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProjectError(f"{target} exists already.", "Choose a new folder.")
    labels = _label_set(project, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target) as partial:
            copier = Copier(partial, on_event, should_stop)
            write(labels, copier)
            if copier.stopped:
                return LabelExport(path=target, pictures=0, stopped=True)
            fsync_tree(partial)
            publish_folder(partial, target)
    except OSError as error:
        raise write_error(target, error) from error
    left_out = len(labels.records) - copier.copied - len(copier.missing)
    return LabelExport(path=target, pictures=copier.copied, missing=tuple(copier.missing), left_out=left_out)


def _write_class_folders(project: Project, labels: LabelSet, copier: Copier) -> None:
    """Copy the pictures into `<split>/<class>/`, or `<class>/` when no picture has a split."""
    require_one_class(labels, FORMATS["folders"].title)
    folders = folder_names(list(labels.classes))
    has_splits = labels.has_splits or any(is_split_name(name) for name in folders.values())

    def place(record: LabelRecord) -> str:
        outer = (record.split or UNASSIGNED_FOLDER) if has_splits else ""
        inner = folders[record.labels[0]] if record.labels else ""
        return "/".join(filter(None, (outer, inner)))

    for _ in copier.copies(labels, place):
        pass
    if not copier.stopped:
        with project.reading() as connection:
            write_classes(connection, copier.folder / CLASSES_FILE, folders)
