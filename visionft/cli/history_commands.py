"""Commands about a project's history and safety: undo, history, checks, backups, lost images, label export."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from visionft.cli.arguments import MAX_COUNT, Json, ProjectDir
from visionft.cli.next_steps import command_for
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.names import count_of
from visionft.project.db.database import CHANGED_OUTSIDE_MESSAGE
from visionft.project.formats.exporting import export_labels
from visionft.project.formats.registry import EXPORT_FORMATS
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import KEEP_BYTES, folder_bytes, list_backups
from visionft.project.store import duplicate_project

_TIME = "%Y-%m-%d %H:%M"
_CHECKSUM_ADVICE = "What is in it agrees with itself, but a value may be wrong; if in doubt"
_CHECK_RESULTS = {
    "whole": "Every byte of the database is as the last session left it.",
    "none": "The last session left no checksum (it was killed, or an older program): one wrong value could go unseen.",
}


def undo(
    project: ProjectDir,
    to: Annotated[
        int | None,
        Option(metavar="STEP", min=0, max=MAX_COUNT, help="Undo or redo until this step is the newest; 0 undoes all."),
    ] = None,
    json: Json = False,
) -> None:
    """Undo the last change, also from an earlier session, or redo some: --to a later step."""
    with opened_project(project) as opened:
        effects = opened.undo() if to is None else opened.go_to(to)
        value = {"title": effects.title, "images": len(effects.image_ids), "next": opened.undo_title}
    words = f"Undone: {effects.title}." if to is None else f"The newest change is now: {value['next'] or 'none'}."
    print_result(value, words, as_json=json)


def history(
    project: ProjectDir,
    limit: Annotated[int, Option(help="How many of the latest changes.", min=1, max=MAX_COUNT)] = 20,
    json: Json = False,
) -> None:
    """List the latest changes, newest first."""
    with opened_project(project, read_only=True) as opened:
        steps = opened.history(limit)
    rows = [
        (
            str(step.step_id),
            f"{datetime.fromtimestamp(step.at / 1000):{_TIME}}",
            "undone" if step.is_undone else "",
            step.title,
        )
        for step in steps
    ]
    text = table(("step", "when", "", "change"), rows) if rows else "No changes yet."
    print_result(steps, text, as_json=json)


def check(
    project: ProjectDir,
    contents: Annotated[bool, Option("--contents", help="Also read every image and compare it.")] = False,
    json: Json = False,
) -> None:
    """Check the project and repair what can be repaired.

    After a session that ended well it sees every changed bit of the database; after one that was killed it sees what
    contradicts itself, but not a single value that is wrong.
    """
    with opened_project(project, hidden_notice=CHANGED_OUTSIDE_MESSAGE) as opened, running_job() as job:
        report = opened.repair(contents=contents, callback=job)
        restore, relink = (command_for(NextStep(action, project=project)) for action in ("restore", "relink"))
        lines = [f"{CHANGED_OUTSIDE_MESSAGE} {_CHECKSUM_ADVICE}: {restore}"] if report.seal == "broken" else []
        lines += [f"Repaired: {repair}" for repair in report.repaired]
        lines += [f"Missing: {path}" for path in report.missing]
        lines += [f"May not be entered (check its permissions): {path}" for path in report.closed]
        lines += [f"Edited since it was imported: {path}" for path in report.edited]
        if report.missing:
            lines.append(f"Find them again with: {relink}")
        text = "\n".join(lines) or f"Everything is in order. {_CHECK_RESULTS[report.seal]}"
        print_result(report, text, as_json=json)


def backup(project: ProjectDir, json: Json = False) -> None:
    """Make a verified backup now, and list all backups.

    A readable labels.jsonl lies beside it. It stays until you delete it. Automatic backups are thinned with age and
    take at most 2 GB together.
    """
    with opened_project(project) as opened:
        opened.back_up()
    found = list_backups(project.absolute())
    rows = []
    automatic = 0
    for backup in found:
        size = folder_bytes(project.absolute(), backup)
        automatic += 0 if backup.is_own else size
        rows.append((backup.name, f"{datetime.fromtimestamp(backup.created):{_TIME}}", size_text(size), backup.reason))
    limit = f"Automatic backups: {size_text(automatic)} of at most {size_text(KEEP_BYTES)}; those on request stay."
    print_result(found, "\n".join([table(("backup", "when", "size", "why"), rows), limit]), as_json=json)


def restore(
    project: ProjectDir,
    name: Annotated[
        str | None,
        Argument(metavar="[BACKUP]", help="The newest intact one when left out."),
    ] = None,
    json: Json = False,
) -> None:
    """Restore a backup, also of a damaged project.

    The replaced database is kept.
    """
    restored = restore_backup(project.absolute(), name)
    print_result(restored, f"Restored {restored.name} ({restored.reason}).", as_json=json)


def relink(
    project: ProjectDir,
    folder: Annotated[Path, Argument(metavar="FOLDER", help="Where the images are now, or above.")],
    json: Json = False,
) -> None:
    """Find moved images again by their content."""
    with opened_project(project) as opened, running_job() as job:
        report = opened.relink(folder, callback=job)
        text = f"Found {count_of(report.relinked, 'image')} again; {len(report.missing)} still missing."
        print_result(report, "\n".join([text, *(f"Missing: {image.path}" for image in report.missing)]), as_json=json)


def copy(
    project: ProjectDir, target: Annotated[Path, Argument(metavar="TARGET", help="A new folder.")], json: Json = False
) -> None:
    """Copy the project with its history and runs.

    Images outside its folder are shared by both.
    """
    with opened_project(project, read_only=True) as opened, running_job() as job:
        made = duplicate_project(opened, target, job=job)
        words = "Stopped; nothing was written." if made.stopped else f"Copied to {made.path}."
        print_result(made, words, as_json=json)


def export_project_labels(
    project: ProjectDir,
    target: Annotated[Path, Argument(metavar="TARGET", help="A file; a new folder where images go along.")],
    export_format: Annotated[str, Option("--format", help=f"{', '.join(EXPORT_FORMATS)}.")] = "auto",
    spreadsheet: Annotated[
        bool, Option("--spreadsheet", help="Make cells that look like formulas harmless (changes those names).")
    ] = False,
    json: Json = False,
) -> None:
    """Export labels for other programs."""
    if export_format not in EXPORT_FORMATS:
        raise VisionFTError(f"There is no format {export_format!r}.", f"Choose {', '.join(EXPORT_FORMATS)}.")
    with opened_project(project, read_only=True) as opened, running_job() as job:
        report = export_labels(opened, target, export_format=export_format, for_spreadsheets=spreadsheet, job=job)
        missing = [f"Missing: {path}" for path in report.missing]
        if report.left_out:
            missing.insert(0, f"Left out, the format has no place for them: {count_of(report.left_out, 'image')}.")
        if report.outside:
            where = f"Outside the folder of this file: {count_of(report.outside, 'image')}"
            missing.insert(0, f"{where}. Other programs hardly find them there; write the file above its images.")
        print_result(report, "\n".join([f"{report.path}: {count_of(report.images, 'image')}.", *missing]), as_json=json)
