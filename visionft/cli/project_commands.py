"""Commands about a project's pictures and labels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from visionft.amounts import size_text
from visionft.cli import completion
from visionft.cli.output import Json, ProjectDir, job, opened_project, plain, print_notices, print_result, table
from visionft.cli.schemas import prints
from visionft.curation.leaks.check import known_together
from visionft.data.types import Task
from visionft.errors import VisionFTError
from visionft.project.edits.certificates import Certificate, certificates_of
from visionft.project.formats.listing import ColumnChoice, Interpretation
from visionft.project.formats.registry import IMPORT_FORMATS
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.importing.preview import ImportPreview, preview_source
from visionft.project.labelling import label_files
from visionft.project.names import count_of
from visionft.project.queries import Conflict, files_in_conflict, find_conflicts
from visionft.project.splits import SplitReport, assign_splits
from visionft.project.store import Project
from visionft.project.summary import ProjectSummary

TO_DECIDE = "They have no label; label them to decide: visionft label PROJECT CLASS FILE"
_MOST_NAMES = 20  # in one line


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("new")(new)
    app.command("import")(import_pictures)
    app.command("label")(label)
    app.command("split")(split)
    app.command("info")(info)


@prints({"project": Path, "task": str})
def new(
    project: ProjectDir,
    task: Annotated[
        str, typer.Option(help="single: one class per picture; multi: any number.", autocompletion=completion.tasks)
    ] = "single",
    json: Json = False,
) -> None:
    """Create an empty project."""
    kind: Task = task  # type: ignore[assignment]  # Project.create refuses any other word
    with Project.create(project, task=kind) as created:
        print_notices(created)
        value = {"project": created.path, "task": created.task}
    print_result(value, f"Created {value['project']} ({task}-label).", as_json=json)


@prints(ImportReport, ImportPreview)
def import_pictures(
    project: ProjectDir,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Class folders, a list of pictures, or a zip.")],
    copy: Annotated[bool, typer.Option("--copy", help="Copy the pictures into the project.")] = False,
    source_format: Annotated[
        str,
        typer.Option("--format", help=f"{', '.join(IMPORT_FORMATS)}.", autocompletion=completion.import_formats),
    ] = "auto",
    file_column: Annotated[str, typer.Option(metavar="NAME", help="Column of a table that names the pictures.")] = "",
    label_column: Annotated[str, typer.Option(metavar="NAME", help="Column of a table that gives the class.")] = "",
    from_boxes: Annotated[
        bool, typer.Option("--from-boxes", help="Take each class that is marked with a box or shape as a label.")
    ] = False,
    without_labels: Annotated[
        bool, typer.Option("--without-labels", help="Take the pictures alone, whatever labels lie beside them.")
    ] = False,
    rename: Annotated[
        list[str], typer.Option("--class", metavar="OLD=NEW", help="Take a class in as another; `OLD=` leaves it out.")
    ] = [],  # noqa: B006  (typer wants a list)
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would come in.")] = False,
    json: Json = False,
) -> None:
    """Take pictures and their classes into a project; the originals are only read."""
    choice = ColumnChoice(file=file_column, label=label_column, is_unlabelled=without_labels, takes_marks=from_boxes)
    names = _class_map(rename)
    with opened_project(project, read_only=dry_run) as opened, job() as (on_event, should_stop):
        if dry_run:
            preview = preview_source(
                source,
                opened,
                source_format=source_format,
                class_map=names,
                choice=choice,
                on_event=on_event,
                should_stop=should_stop,
            )
            print_result(replace(preview, known_facts={}), lambda: _preview_text(preview), as_json=json)
            return
        report = import_source(
            opened,
            source,
            copy=copy,
            source_format=source_format,
            class_map=names,
            choice=choice,
            accepts_unlabelled=without_labels,
            on_event=on_event,
            should_stop=should_stop,
        )
        print_result(report, lambda: _report_text(report), as_json=json)
    if report.is_empty:
        count, first = len(report.unreadable), report.unreadable[0]
        raise VisionFTError(
            f"Nothing was imported: none of {count_of(count, 'file')} could be used.",
            f"The first one: {first.path}: {first.reason}",
        )


def _class_map(pairs: list[str]) -> dict[str, str | None]:
    names: dict[str, str | None] = {}
    for pair in pairs:
        old, sign, new = pair.rpartition("=")
        if not sign or not old.strip():
            raise VisionFTError(f"“{pair}” is not OLD=NEW.", "Write for example --class cats=cat.")
        names[old.strip()] = new.strip() or None
    return names


def _preview_text(preview: ImportPreview) -> str:
    sizes = (
        ""
        if not preview.smallest or not preview.largest
        else (
            f", {size_text(preview.bytes)}, {preview.smallest[0]} x {preview.smallest[1]} to "
            f"{preview.largest[0]} x {preview.largest[1]} pixels"
        )
    )
    lines = [f"Would add {count_of(preview.new, 'picture')}{sizes}. Nothing was written."]
    lines += [f"  {name}  {count}" for name, count in preview.classes.items()]
    lines += [f"  (no class)  {preview.unlabelled}"] if preview.unlabelled else []
    lines += _reading_lines(preview.interpretations)
    return "\n".join(
        lines
        + _conflict_lines(preview.conflicts, "They would have no label until you decide.")
        + _left_out_lines(preview)
    )


def _report_text(report: ImportReport) -> str:
    classes = ", ".join(f"{name} {count}" for name, count in report.classes.items())
    lines = [f"Added {count_of(report.added, 'picture')}{f': {classes}' if classes else ''}."]
    if report.added and len(report.classes) < 2:
        found = f"one class, “{next(iter(report.classes))}”" if report.classes else "no classes"
        lines.append(f"The source gave {found}.")
    read = _reading_lines(report.interpretations)
    lines += ["This is how it was read:", *read] if read else []
    return "\n".join(lines + _conflict_lines(report.conflicts, TO_DECIDE) + _left_out_lines(report))


def _conflict_lines(conflicts: Sequence[Conflict], advice: str) -> list[str]:
    """Return the pictures that came in several classes, each with the files that say so."""
    if not conflicts:
        return []
    which = "two classes" if all(len(each.candidates) == 2 for each in conflicts) else "several classes"
    lines = [f"{count_of(len(conflicts), 'picture')} came in {which}. {advice}"]
    for each in conflicts:
        said = "; ".join(f"{candidate.class_name} by {candidate.origin}" for candidate in each.candidates)
        lines.append(f"  {each.path}: {said}")
    return lines


def _reading_lines(interpretations: tuple[Interpretation, ...]) -> list[str]:
    """Return which columns and folders were taken as what."""
    lines: list[str] = []
    for each in interpretations:
        if each.format:
            lines.append(f"  {each.file.name}: read as {each.format}")
            if each.is_from_marks:
                lines.append("  each class that is marked in a picture is a label of it")
            if each.marked:
                lines.append(f"  boxes or shapes that are no labels: in {count_of(each.marked, 'picture')}")
        if each.columns:
            taken = [f"pictures: {each.file_column}", f"classes: {_listed(each.label_columns) or 'none'}"]
            taken += [f"splits: {each.split_column}"] if each.split_column else []
            taken += [f"not used: {_listed(each.unused_columns)}"] if each.unused_columns else []
            lines.append(f"  {each.file.name}: {'; '.join(taken)}")
        if each.separator:
            lines.append(f"  {each.file.name}: “{each.separator}” stands between the classes of a picture")
        if each.found_elsewhere:
            count = count_of(each.found_elsewhere, "picture")
            lines.append(f"  {each.file.name}: {count} found by name, in another folder than the file says")
        folders = [
            ("classes", each.class_folders),
            ("pictures without a class", each.unlabelled_folders),
            ("splits", each.split_folders),
            ("none of these", each.ignored_folders),
        ]
        lines += [f"  folders taken as {what}: {_listed(names)}" for what, names in folders if names]
        lines += [f"  not read, though they may hold labels: {_listed(each.unread)}"] if each.unread else []
    return lines


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _left_out_lines(report: ImportReport | ImportPreview) -> list[str]:
    lines = [f"Unreadable: {each.path}: {each.reason}" for each in report.unreadable]
    lines += [f"Skipped: {each.path}: {each.reason}" for each in report.skipped]
    told = files_in_conflict(report.conflicts)
    return lines + [f"Known already: {path}" for path in report.duplicates if path not in told]


@prints({"class": str, "labelled": int})
def label(
    project: ProjectDir,
    class_name: Annotated[
        str, typer.Argument(metavar="CLASS", help="Created when it is new.", autocompletion=completion.classes)
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures of the project.")],
    json: Json = False,
) -> None:
    """Give pictures a class."""
    with opened_project(project) as opened:
        effects = label_files(opened, class_name, images)
    value = {"class": class_name, "labelled": len(effects.image_ids)}
    print_result(value, f"Labelled {count_of(len(effects.image_ids), 'picture')} as {class_name}.", as_json=json)


@prints(SplitReport)
def split(
    project: ProjectDir,
    val: Annotated[float, typer.Option(help="Share of the labelled pictures for validation.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share for the final test.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Draws another split.")] = 0,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="Regular expression; pictures whose file names agree in its match stay together."
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Place pictures anew that have a split already.")] = False,
    json: Json = False,
) -> None:
    """Divide labelled pictures into train, val and test; those that have a split keep it."""
    with opened_project(project) as opened:
        together = known_together(opened)
        report = assign_splits(opened, val=val, test=test, seed=seed, group=group, together=together, again=again)
    counts = ", ".join(f"{name} {count}" for name, count in report.splits.items())
    taken = f" {count_of(report.from_train, 'training picture')} for validation now." if report.from_train else ""
    print_result(report, f"Placed {count_of(report.assigned, 'picture')}.{taken} Now: {counts}.", as_json=json)


@prints(
    {
        "...": ProjectSummary,
        "conflicts": [Conflict],
        "certificates": [{"...": Certificate, "proven": float}],
    }
)
def info(project: ProjectDir, json: Json = False) -> None:
    """Show what a project holds."""
    with opened_project(project, read_only=True) as opened:
        summary, conflicts, certificates = opened.summary(), find_conflicts(opened), certificates_of(opened)

    def text() -> str:
        splits = ", ".join(f"{name} {count}" for name, count in summary.splits.items())
        lines = [
            f"{project}: {summary.task}-label, {count_of(summary.images, 'picture')}, {summary.labelled} labelled",
            f"splits: {splits}",
            f"runs: {', '.join(summary.runs) or 'none yet'}",
            "",
            table(("class", "pictures"), list(summary.classes.items())),
            *(["", *_conflict_lines(conflicts, TO_DECIDE)] if conflicts else []),
            *(["", "certificates:"] if certificates else []),
            *(f"  {each.sentence} {each.standing:,} of {each.labels:,} still stand." for each in certificates),
        ]
        return "\n".join(lines)

    proven = [{**plain(each), "proven": each.audit.proven} for each in certificates]
    print_result({**plain(summary), "conflicts": conflicts, "certificates": proven}, text, as_json=json)
