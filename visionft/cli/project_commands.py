"""Commands about a project's images and labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from visionft.api import create_project
from visionft.cli.arguments import MAX_COUNT, MAX_SEED, Json, ProjectDir
from visionft.cli.label_options import option_of, option_words
from visionft.cli.output import opened_project, print_notices, print_result, running_job
from visionft.cli.output import table as text_table
from visionft.core.amounts import size_text
from visionft.core.errors import VisionFTError
from visionft.core.installation import shell_command
from visionft.core.names import count_of
from visionft.data.image_reading import AS_STORED
from visionft.data.types import Task
from visionft.project.formats.image_table import AUTOMATIC_CHOICE, Interpretation, label_choice, notes_on
from visionft.project.formats.registry import IMPORT_FORMATS
from visionft.project.image_window import reading_text
from visionft.project.importing.importer import ImportReport, NothingImportedError
from visionft.project.importing.preview import ImportPreview, preview_source
from visionft.project.label_files import LabelFile, changed_label_files
from visionft.project.queries import Conflict, files_in_conflict, find_conflicts
from visionft.project.summary import ProjectSummary

_MAX_NAMES = 20  # per line
_LABEL_OPTIONS = ("--class-folder LEVEL", "--name-part N", "--label-column NAME")


@dataclass(frozen=True, kw_only=True)
class ProjectInfo(ProjectSummary):
    """The counts of a project, and its label conflicts."""

    label_conflicts: tuple[Conflict, ...]


def new(
    project: ProjectDir,
    task: Annotated[str, Option(help="single: one class per image; multi: any number.")] = "single",
    json: Json = False,
) -> None:
    """Create an empty project."""
    kind: Task = task  # type: ignore[assignment]  # create_project refuses any other word
    with create_project(project, task=kind) as created:
        print_notices(created)
        value = {"project": created.path, "task": created.task}
    print_result(value, f"Created {value['project']} ({task}-label).", as_json=json)


def import_images(
    project: ProjectDir,
    source: Annotated[Path, Argument(metavar="SOURCE", help="Class folders, a list of images, an archive, a project.")],
    copy: Annotated[bool, Option("--copy", help="Copy the images into the project.")] = False,
    source_format: Annotated[str, Option("--format", help=f"{', '.join(IMPORT_FORMATS)}.")] = "auto",
    class_folder: Annotated[
        int | None,
        Option(
            min=-MAX_COUNT,
            max=MAX_COUNT,
            metavar="LEVEL",
            help="Take the folders of a level as classes: 1 lies in SOURCE, -1 holds the images.",
        ),
    ] = None,
    name_part: Annotated[
        int | None,
        Option(
            min=-MAX_COUNT,
            max=MAX_COUNT,
            metavar="N",
            help="Take a part of each file name as class: from 1 on, -1 the last, 0 the words beside the numbers.",
        ),
    ] = None,
    table: Annotated[str, Option(metavar="PATH", help="Table in SOURCE, if there are several.")] = "",
    file_column: Annotated[str, Option(metavar="NAME", help="Column of a table that names the images.")] = "",
    label_column: Annotated[str, Option(metavar="NAME", help="Column of a table that gives the class.")] = "",
    separator: Annotated[
        str, Option(metavar="SIGN", help="What separates several classes in a cell, a part or the name of a folder.")
    ] = "",
    from_boxes: Annotated[
        bool, Option("--from-boxes", help="Take each class that is marked with a box or shape as a label.")
    ] = False,
    without_labels: Annotated[
        bool, Option("--without-labels", help="Take the images alone, whatever labels lie beside them.")
    ] = False,
    reading: Annotated[
        int,
        Option(
            min=0,
            max=MAX_COUNT,
            metavar="N",
            help="Take the N-th way to understand the source, as listed by --dry-run.",
        ),
    ] = 0,
    rename: Annotated[
        list[str], Option("--class", metavar="OLD=NEW", help="Take a class in as another; `OLD=` leaves it out.")
    ] = [],  # noqa: B006  (typer wants a list)
    replace_labels: Annotated[
        bool, Option("--replace-labels", help="Let the source's classes take the place of imported ones.")
    ] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Only show what would come in.")] = False,
    json: Json = False,
) -> None:
    """Import images and their labels; the originals are only read."""
    options: dict[str, Any] = {
        "class_folder": class_folder,
        "name_part": name_part,
        "table": table,
        "file_column": file_column,
        "label_column": label_column,
        "separator": separator,
        "from_boxes": from_boxes,
        "without_labels": without_labels,
    }
    choice = label_choice(**options, spelled=option_of)
    names = _class_map_of(rename)
    with opened_project(project, read_only=dry_run) as opened, running_job() as job:
        if dry_run:
            preview = preview_source(
                source, opened, source_format=source_format, class_map=names, choice=choice, reading=reading, job=job
            )
            lists_all = choice == AUTOMATIC_CHOICE  # otherwise the user gave the options
            text = partial(_preview_text, preview, replaces_labels=replace_labels, lists_all=lists_all)
            print_result(preview, text, as_json=json)
            return
        try:
            report = opened.add(
                source,
                **options,
                copy=copy,
                source_format=source_format,
                reading=reading,
                replace_labels=replace_labels,
                classes=names,
                callback=job,
            )
        except NothingImportedError as error:
            print_result(error.report, _report_text(error.report, project, source), as_json=json)
            raise
        print_result(report, lambda: _report_text(report, project, source), as_json=json)


def _class_map_of(pairs: Sequence[str]) -> dict[str, str | None]:
    """Return {class in the source: its name in the project, or None} of OLD=NEW options."""
    names: dict[str, str | None] = {}
    for pair in pairs:
        old, sign, new = pair.rpartition("=")
        if not sign or not old.strip():
            raise VisionFTError(f"“{pair}” is not OLD=NEW.", "Write for example --class cats=cat.")
        names[old.strip()] = new.strip() or None
    return names


def _diff_command(project: Path, file: LabelFile) -> str:
    return shell_command(["visionft", "import", str(project), file.source, "--replace-labels", "--dry-run"])


def _preview_text(preview: ImportPreview, *, replaces_labels: bool, lists_all: bool) -> str:
    sizes = ""
    if preview.smallest and preview.largest:
        smallest, largest = ("{} x {}".format(*size) for size in (preview.smallest, preview.largest))
        sizes = f", {size_text(preview.bytes)}, {smallest} to {largest} pixels"
    lines = [f"Would add {count_of(preview.new, 'image')}{sizes}. Nothing was written."]
    lines += [f"  {name}  {count}{_split_words(preview, name)}" for name, count in preview.classes.items()]
    if preview.unlabelled:
        lines.append(f"  (no class)  {preview.unlabelled}{_split_words(preview, '')}")
    if preview.image_reading != AS_STORED:
        lines.append(f"  {reading_text(preview.image_reading)}")
    lines += _interpretation_lines(preview.interpretations) + _alternative_lines(preview, lists_all=lists_all)
    advice = "They would have no label until you decide; --replace-labels takes the class of this source."
    lines += _conflict_lines(preview.conflicts, "They get the class of this source." if replaces_labels else advice)
    return "\n".join(lines + _left_out_lines(preview))


def _split_words(preview: ImportPreview, name: str) -> str:
    counts = preview.class_splits.get(name, {})
    return f"  ({', '.join(f'{split} {count}' for split, count in counts.items())})" if counts else ""


def _report_text(report: ImportReport, project: Path, source: Path) -> str:
    classes = ", ".join(f"{name} {count}" for name, count in report.classes.items())
    lines = [f"Added {count_of(report.added, 'image')}{f': {classes}' if classes else ''}."]
    if report.added and len(report.classes) < 2:
        classes = f"one class, “{next(iter(report.classes))}”" if report.classes else "no classes"
        lines.append(f"The source gave {classes}.")
    if report.added and not report.classes:
        command = shell_command(["visionft", "import", str(project), str(source)])
        lines += [
            "Where they have labels, import them again with what gives the class:",
            *(f"  {command} {option}" for option in _LABEL_OPTIONS),
        ]
    interpretation = _interpretation_lines(report.interpretations)
    if interpretation:
        lines += ["This is how it was read:", *interpretation]
    lines += _alternative_lines(report)
    return "\n".join(lines + _conflict_lines(report.conflicts, _to_decide(project)) + _left_out_lines(report))


def _to_decide(project: Path) -> str:
    command = shell_command(["visionft", "label", "set", str(project), "CLASS", "FILE"])
    return f"They have no label; label them to decide: {command}"


def _conflict_lines(conflicts: Sequence[Conflict], advice: str) -> list[str]:
    if not conflicts:
        return []
    classes = "two classes" if all(len(conflict.candidates) == 2 for conflict in conflicts) else "several classes"
    lines = [f"{count_of(len(conflicts), 'image')} came in {classes}. {advice}"]
    for conflict in conflicts:
        candidates = "; ".join(f"{candidate.class_name} by {candidate.origin}" for candidate in conflict.candidates)
        lines.append(f"  {conflict.path}: {candidates}")
    return lines


def _interpretation_lines(interpretations: tuple[Interpretation, ...]) -> list[str]:
    """Describe how columns and folders of the source are interpreted."""
    lines: list[str] = []
    for interpretation in interpretations:
        if interpretation.columns:
            columns = [
                f"images: {interpretation.file_column}",
                f"classes: {_listed(interpretation.label_columns) or 'none'}",
            ]
            if interpretation.split_column:
                columns.append(f"splits: {interpretation.split_column}")
            if interpretation.unused_columns:
                columns.append(f"not used: {_listed(interpretation.unused_columns)}")
            lines.append(f"  {interpretation.file.name}: {'; '.join(columns)}")
        folders = [
            ("classes", interpretation.class_folders),
            ("splits", interpretation.split_folders),
            ("none of these", interpretation.ignored_folders),
        ]
        lines += [f"  folders taken as {what}: {_listed(names)}" for what, names in folders if names]
    return lines + [f"  {note}" for note in notes_on(interpretations)]


def _alternative_lines(result: ImportReport | ImportPreview, *, lists_all: bool = False) -> list[str]:
    """List the alternative readings of the source, each with its command-line options.

    Empty if the most plausible reading is used and at most one other exists, unless `lists_all`.
    """
    if len(result.readings) < (2 if lists_all else 3) and result.reading == 1:
        return []
    lines = ["The source can be read in these ways:"]
    for number, reading in enumerate(result.readings, 1):
        options = shell_command(option_words(reading.choice) or ([] if reading.classes else ["--without-labels"]))
        equivalent = f", or {options}" if options else ""
        evidence = f" {reading.evidence}" if reading.classes else ""
        mark = " (this one)" if number == result.reading else ""
        lines.append(f"  --reading {number}{equivalent}{mark}: {reading.title}.{evidence}")
    return lines


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMES
    return ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def _left_out_lines(report: ImportReport | ImportPreview) -> list[str]:
    first = {warning.reason: warning.path for warning in reversed(report.warnings)}
    counts = Counter(warning.reason for warning in report.warnings)
    lines = [f"Warning: of {count_of(counts[reason], 'image')}: {reason}; {path}" for reason, path in first.items()]
    lines += [f"Unreadable: {file.path}: {file.reason}" for file in report.unreadable]
    lines += [f"Skipped: {file.path}: {file.reason}" for file in report.skipped]
    in_conflict = files_in_conflict(report.conflicts)
    known = [path for path in report.duplicates if path not in in_conflict]
    lines += [f"Known already: {path}" for path in known[:_MAX_NAMES]]
    more = len(known) - _MAX_NAMES
    return lines + ([f"Known already: {more} more"] if more > 0 else [])


def label(
    project: ProjectDir,
    class_name: Annotated[str, Argument(metavar="CLASS", help="Created when it is new.")],
    images: Annotated[list[Path], Argument(metavar="IMAGE...", help="Images of the project.")],
    json: Json = False,
) -> None:
    """Label images of the project."""
    with opened_project(project) as opened:
        labelled = opened.label(images, class_name)
    value = {"class": class_name, "labelled": labelled}
    print_result(value, f"Labelled {count_of(labelled, 'image')} as {class_name}.", as_json=json)


def split(
    project: ProjectDir,
    val: Annotated[float, Option(min=0, max=1, help="Share of the labelled images for validation.")] = 0.15,
    test: Annotated[float, Option(min=0, max=1, help="Share for the final test.")] = 0.15,
    seed: Annotated[int, Option(min=0, max=MAX_SEED, help="Draws another split.")] = 0,
    group: Annotated[
        str | None,
        Option(metavar="PATTERN", help="Regular expression; images whose file names agree in its match stay together."),
    ] = None,
    again: Annotated[bool, Option("--again", help="Place images anew that have a split already.")] = False,
    json: Json = False,
) -> None:
    """Divide labelled images into train, val and test.

    Images that have a split keep it, unless --again is given. Near-duplicates stay together.
    """
    with opened_project(project) as opened, running_job() as job:
        report = opened.split(val=val, test=test, seed=seed, group=group, again=again, callback=job)
    counts = ", ".join(f"{name} {count}" for name, count in report.splits.items())
    taken = f" {count_of(report.from_train, 'training image')} for validation now." if report.from_train else ""
    print_result(report, f"Placed {count_of(report.assigned, 'image')}.{taken} Now: {counts}.", as_json=json)


def info(project: ProjectDir, json: Json = False) -> None:
    """Show counts of images, classes, splits and runs."""
    with opened_project(project, read_only=True) as opened:
        summary = opened.summary()
        conflicts = find_conflicts(opened)
        changed = changed_label_files(opened.path)
    lines = [
        f"{project}: {summary.task}-label, {count_of(summary.images, 'image')}, {summary.labelled} labelled",
        f"splits: {', '.join(f'{name} {count}' for name, count in summary.splits.items())}",
        *([f"series: {summary.grouped} images in {summary.groups} groups that look alike"] if summary.groups else []),
        f"runs: {', '.join(summary.runs) or 'none yet'}",
        "",
        text_table(("class", "images"), list(summary.classes.items())),
        *(["", *_conflict_lines(conflicts, _to_decide(project))] if conflicts else []),
        *(f"{file.path} has changed since its import: {_diff_command(project, file)}" for file in changed),
    ]
    counts = {field.name: getattr(summary, field.name) for field in fields(ProjectSummary)}
    value = ProjectInfo(**counts, label_conflicts=conflicts)
    print_result(value, "\n".join(lines), as_json=json)
