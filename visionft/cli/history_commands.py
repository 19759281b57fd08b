"""Commands about a project's past and its safety: undo, history, checks, backups, lost pictures, labels for others."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from visionft.amounts import size_text
from visionft.cli import completion
from visionft.cli.next_steps import command_for
from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result, table
from visionft.cli.schemas import prints
from visionft.errors import NextStep, VisionFTError
from visionft.project.db.database import CHANGED_OUTSIDE
from visionft.project.duplicating import duplicate_project
from visionft.project.formats.exporting import export_labels
from visionft.project.formats.registry import EXPORT_FORMATS
from visionft.project.importing.relinking import relink_images
from visionft.project.names import count_of
from visionft.project.safety.backups import KEEP_BYTES, Backup, folder_bytes, list_backups
from visionft.project.safety.checking import CheckReport, check_project
from visionft.project.safety.restoring import restore_backup


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (undo, redo, history, check, backup, restore, relink, duplicate):
        app.command()(command)
    app.command("export-labels")(export_project_labels)


@prints({"undone": str, "images": int, "next": str | None})
def undo(
    project: ProjectDir,
    to: Annotated[
        int | None,
        typer.Option(metavar="STEP", help="Undo or redo until this step of the history is the newest; 0 undoes all."),
    ] = None,
    json: Json = False,
) -> None:
    """Take back the last change of the project, also from an earlier session."""
    with opened_project(project) as opened:
        effects = opened.undo() if to is None else opened.go_to(to)
        value = {"undone": effects.title, "images": len(effects.image_ids), "next": opened.undo_title}
    words = f"Undone: {effects.title}." if to is None else f"The newest change is now: {value['next'] or 'none'}."
    print_result(value, words, as_json=json)


@prints({"redone": str, "images": int, "next": str | None})
def redo(project: ProjectDir, json: Json = False) -> None:
    """Do again what was undone last."""
    with opened_project(project) as opened:
        effects = opened.redo()
        value = {"redone": effects.title, "images": len(effects.image_ids), "next": opened.redo_title}
    print_result(value, f"Redone: {effects.title}.", as_json=json)


@prints(["visionft.project.db.journal:Step"])
def history(
    project: ProjectDir,
    limit: Annotated[int, typer.Option(help="How many of the latest changes.", min=1)] = 20,
    json: Json = False,
) -> None:
    """List the latest changes, newest first; undone ones are marked."""
    with opened_project(project, read_only=True) as opened:
        steps = opened.history(limit)
    rows = [
        (str(step.step_id), _moment(step.at / 1000), "undone" if step.is_undone else "", step.title) for step in steps
    ]
    print_result(
        steps, lambda: table(("step", "when", "", "change"), rows) if rows else "No changes yet.", as_json=json
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


@prints(CheckReport)
def check(
    project: ProjectDir,
    contents: Annotated[bool, typer.Option("--contents", help="Also read every picture and compare it.")] = False,
    json: Json = False,
) -> None:
    """Check the project and repair what can be repaired; a second check finds nothing.

    After a session that ended well it sees every changed bit of the database; after one that was killed it sees what
    contradicts itself, but not a single value that is wrong.
    """
    with (
        opened_project(project, told_already=CHANGED_OUTSIDE) as opened,
        job() as (on_event, should_stop),
    ):
        report = check_project(opened, check_contents=contents, on_event=on_event, should_stop=should_stop)
        print_result(report, lambda: _check_text(report, project), as_json=json)


def _check_text(report: CheckReport, project: Path) -> str:
    restore, relink = (command_for(NextStep(action, project=project)) for action in ("restore", "relink"))
    lines = [f"{CHANGED_OUTSIDE} {_CHANGED_HINT}: {restore}"] if report.seal == "broken" else []
    lines += [f"Changed by no step of the history since the last backup: {each}" for each in report.unexplained]
    lines += [f"Repaired: {each}" for each in report.repaired]
    lines += [f"Missing: {path}" for path in report.missing]
    lines += [f"May not be entered (check its permissions): {path}" for path in report.closed]
    lines += [f"Edited since it was imported: {path}" for path in report.edited]
    if report.missing:
        lines.append(f"Find them again with: {relink}")
    return "\n".join(lines) or f"Everything is in order. {_SEEN[report.seal]}"


_CHANGED_HINT = "What is in it agrees with itself, but a value may be wrong; if in doubt"
_SEEN = {
    "whole": "Every byte of the database is as the last session left it.",
    "none": "The last session left no checksum (it was killed, or an older program): one wrong value could go unseen.",
}


@prints([Backup])
def backup(project: ProjectDir, json: Json = False) -> None:
    """Make a verified backup now, with a readable labels.jsonl beside it, and list all there are.

    It stays until you delete it. Automatic backups are thinned with age and take at most 2 GB together.
    """
    with opened_project(project) as opened:
        opened.back_up()
    found = list_backups(project.absolute())
    print_result(found, lambda: _backups_text(project.absolute(), found), as_json=json)


def _backups_text(project: Path, found: tuple[Backup, ...]) -> str:
    sizes = [folder_bytes(project, each) for each in found]
    rows = [
        (each.name, _moment(each.created), size_text(size), each.reason)
        for each, size in zip(found, sizes, strict=True)
    ]
    automatic = sum(size for each, size in zip(found, sizes, strict=True) if not each.is_own)
    limit = f"Automatic backups: {size_text(automatic)} of at most {size_text(KEEP_BYTES)}; those on request stay."
    return "\n".join([table(("backup", "when", "size", "why"), rows), limit])


@prints(Backup)
def restore(
    project: ProjectDir,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[BACKUP]", help="The newest intact one when left out.", autocompletion=completion.backups
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Go back to a backup, also from a damaged project; what it replaces is kept."""
    restored = restore_backup(project.absolute(), name)
    print_result(restored, f"Restored {restored.name} ({restored.reason}).", as_json=json)


@prints("visionft.project.importing.relinking:RelinkReport")
def relink(
    project: ProjectDir,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the pictures are now, or above.")],
    json: Json = False,
) -> None:
    """Find missing pictures again by their content."""
    with opened_project(project) as opened, job() as (on_event, should_stop):
        report = relink_images(opened, folder, on_event=on_event, should_stop=should_stop)
        text = f"Found {count_of(report.relinked, 'picture')} again; {len(report.missing)} still missing."
        print_result(report, "\n".join([text, *(f"Missing: {each.path}" for each in report.missing)]), as_json=json)


@prints("visionft.project.duplicating:Duplicate")
def duplicate(
    project: ProjectDir,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new folder.")],
    json: Json = False,
) -> None:
    """Copy the project with its history and runs; pictures outside its folder are shared by both."""
    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        copy = duplicate_project(opened, target, on_event=on_event, should_stop=should_stop)
        words = "Stopped; nothing was written." if copy.stopped else f"Copied to {copy.path}."
        print_result(copy, words, as_json=json)


@prints("visionft.project.formats.exporting:LabelExport")
def export_project_labels(
    project: ProjectDir,
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A file; a new folder where pictures go along.")],
    export_format: Annotated[
        str,
        typer.Option("--format", help=f"{', '.join(EXPORT_FORMATS)}.", autocompletion=completion.export_formats),
    ] = "auto",
    spreadsheet: Annotated[
        bool, typer.Option("--spreadsheet", help="Make cells that look like formulas harmless (changes those names).")
    ] = False,
    json: Json = False,
) -> None:
    """Write the labels for other programs."""
    if export_format not in EXPORT_FORMATS:
        raise VisionFTError(f"There is no format {export_format!r}.", f"Choose {', '.join(EXPORT_FORMATS)}.")
    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        report = export_labels(
            opened,
            target,
            export_format=export_format,
            for_spreadsheets=spreadsheet,
            on_event=on_event,
            should_stop=should_stop,
        )
        missing = [f"Missing: {path}" for path in report.missing]
        if report.left_out:
            missing.insert(0, f"Left out, the format has no place for them: {count_of(report.left_out, 'picture')}.")
        if report.outside:
            where = f"Outside the folder of this file: {count_of(report.outside, 'picture')}"
            missing.insert(0, f"{where}. Other programs hardly find them there; write the file above its pictures.")
        print_result(
            report, "\n".join([f"{report.path}: {count_of(report.pictures, 'picture')}.", *missing]), as_json=json
        )
