"""Exporting labels (and copies of images) to other programs, or to a new project.

Files list the images in place; folders contain copies. Importing an export restores the images, the labels and the
further fields of the format (JSONL and CSV: splits, tags, review states, notes). Partial output is removed.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from visionft.core.errors import ProjectError
from visionft.core.files import atomic_path, fsync_tree, is_stream, publish_folder, temporary_folder, write_error
from visionft.core.foreign_text import spreadsheet_cell
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.project.formats import labels_file
from visionft.project.formats.handing_out import Copier, LabelSet
from visionft.project.formats.registry import EXPORT_FORMATS, FORMATS, Format
from visionft.project.store import ProjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelExport:
    """The result of a label export."""

    path: Path
    images: int
    missing: tuple[str, ...] = ()  # images without a copy, because their files are gone
    left_out: int = 0  # number of images not supported by the format
    outside: int = 0  # images outside the file's folder, named with `../`: few other programs find them
    stopped: bool = False


def export_labels(
    project: ProjectStore,
    target: Path,
    *,
    export_format: str = "auto",
    for_spreadsheets: bool = False,
    job: JobContext = SILENT_JOB,
) -> LabelExport:
    """Export the labels of all images except removed ones; a cancelled export of class folders leaves no files.

    `target` is a file to replace, a pipe or a device; for formats with copies of the images, a new or empty
    folder. `for_spreadsheets` puts `'` before CSV cells with a formula; this program's import removes it again.

    Raises:
        ProjectError: The target exists, its parent does not, or the format is unknown or ambiguous.
        VisionFTError: The target cannot be written.
    """
    target = target.absolute()
    format_ = _format_for(target, export_format)
    if format_.write_folder is not None:
        return _export_into_folder(project, target, format_.write_folder, job)
    if target.is_dir():
        target = target / f"{'metadata' if format_.write is None else 'labels'}{format_.suffixes[0]}"
    if not target.parent.is_dir():
        raise ProjectError(Message("The folder {parent} does not exist.", parent=target.parent), "Create it first.")
    outside = 0
    if format_.write is not None:
        labels = _label_set(project, target)
        names = map(labels.name_of, labels.records)
        outside = sum(name.startswith("../") or Path(name).is_absolute() for name in names)
        format_.write(labels, target)
    elif format_.name == "jsonl":
        with project.reading() as connection:
            labels_file.write_labels(connection, project.path, target, seen_from=_seen_from(target))
    else:
        _write_csv(project, target, for_spreadsheets=for_spreadsheets)
    return LabelExport(path=target, images=project.summary().images, outside=outside)


def _format_for(target: Path, name: str) -> Format:
    """Return the format named by the user, or implied by the target's name; class folders by default."""
    if name not in EXPORT_FORMATS:
        message = Message("There is no format “{export_format}”.", export_format=name)
        hint = Message("Use {IMPORT_FORMATS}.", IMPORT_FORMATS=", ".join(EXPORT_FORMATS))
        raise ProjectError(message, hint)
    if name != "auto":
        return FORMATS[name]
    suffix = target.suffix.casefold()
    matching = [format_ for format_ in FORMATS.values() if format_.is_file and suffix in format_.suffixes]
    if len(matching) > 1:
        names = ", ".join(format_.name for format_ in matching)
        message = Message("Several formats are written into {suffix} files.", suffix=suffix)
        hint = Message("Say which: {names}.", names=names)
        raise ProjectError(message, hint)
    return matching[0] if matching else FORMATS["folders"]


def _write_csv(project: ProjectStore, target: Path, *, for_spreadsheets: bool) -> None:
    """Write one row per image. Lists are JSON arrays, to preserve any name."""
    label = "label" if project.task == "single" else "labels"
    columns = ["file_name", label, "split", "tags", "review", "note", "sha256"]
    with project.reading() as connection, atomic_path(target) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow([*columns, "escaped"] if for_spreadsheets else columns)
            chunks = labels_file.label_lines(connection, project.path, _seen_from(target))
            for line in (line for chunk in chunks for line in chunk.split("\n")):
                values: dict[str, str | list[str] | None] = json.loads(line)
                cells: list[str] = []
                for value in (values[column] or "" for column in columns):
                    cells.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
                writer.writerow([*map(spreadsheet_cell, cells), "yes"] if for_spreadsheets else cells)
        if not is_stream(target):
            labels_file.write_classes(labels_file.read_classes(connection), labels_file.classes_file(target))


def _seen_from(target: Path) -> Path:
    """Return the base folder of relative file names: the target's, or the current one for a pipe or a device."""
    return Path.cwd() if is_stream(target) else target.parent


def _label_set(project: ProjectStore, target: Path) -> LabelSet:
    with project.reading() as connection:
        return LabelSet(
            title=project.path.name,
            task=project.task,
            looks=labels_file.read_classes(connection),
            records=tuple(labels_file.read_records(connection, project.roots())),
            seen_from=_seen_from(target),
        )


def _export_into_folder(
    project: ProjectStore, target: Path, write: Callable[[LabelSet, Copier], None], job: JobContext
) -> LabelExport:
    """Write labels and copies of the images into a new folder; nothing is left on failure."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProjectError(Message("{target} exists already.", target=target), "Choose a new folder.")
    labels = _label_set(project, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target) as partial:
            copier = Copier(partial, job)
            write(labels, copier)
            if copier.stopped:
                return LabelExport(path=target, images=0, stopped=True)
            fsync_tree(partial)
            publish_folder(partial, target)
    except OSError as error:
        raise write_error(target, error) from error
    left_out = len(labels.records) - copier.copied - len(copier.missing)
    return LabelExport(path=target, images=copier.copied, missing=tuple(copier.missing), left_out=left_out)
