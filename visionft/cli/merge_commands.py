"""`visionft project share` and `merge`: copies of a project in which several people labelled, as one again."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from models.languages import ENGLISH, languages
from models.messages import choose_one
from visionft.amounts import size_text
from visionft.cli.arguments import Json, ProjectDir, Seed
from visionft.cli.next_steps import command_for, joined
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.cli.project_commands import class_map_of
from visionft.cli.schemas import prints
from visionft.errors import NextStep, VisionFTError
from visionft.project.names import count_of
from visionft.project.queries import class_names

if TYPE_CHECKING:
    from visionft.project.merging.agreement import Agreement, Kappa
    from visionft.project.merging.merge import MergedProject, MergeReport
    from visionft.project.merging.sharing import SharedProject

_MOST_MISSING = 20


@prints("visionft.project.merging.merge:MergeReport")
def merge(
    project: ProjectDir,
    others: Annotated[list[Path], Argument(metavar="OTHER...", help="Other copies of it; they are only read.")],
    rename: Annotated[
        list[str], Option("--class", metavar="OLD=NEW", help="Take a class there as another; `OLD=` leaves it out.")
    ] = [],  # noqa: B006  (typer wants a list)
    add_classes: Annotated[bool, Option("--add-classes", help="Add the classes that only the others have.")] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Only show what would change.")] = False,
    json: Json = False,
) -> None:
    """Merge what others labelled in copies of this project.

    Labels that differ become conflicts to decide; the agreement of the labels is measured. One undo takes it all back.
    """
    from visionft.project.merging.merge import merge_projects  # needs NumPy

    names = class_map_of(rename)
    with opened_project(project, read_only=dry_run) as opened, running_job() as job:
        if not (dry_run or add_classes) and class_names(opened):
            forecast = merge_projects(opened, others, class_map=names, is_preview=True, job=job.without_events())
            _refuse_new_classes(forecast)
        report = merge_projects(opened, others, class_map=names, is_preview=dry_run, job=job)
        print_result(report, partial(_merge_text, report, project, is_preview=dry_run), as_json=json)


@prints("visionft.project.merging.sharing:SharedProject")
def share(
    project: ProjectDir,
    people: Annotated[int, Option(min=2, max=100, help="How many people label.")],
    out: Annotated[Path, Option(metavar="DIR", help="A new folder for their projects.")],
    overlap: Annotated[str, Option(metavar="SHARE", help="Images that everyone gets, such as 10% or 0.1.")] = "10%",
    again: Annotated[
        bool, Option("--again", help="Share labelled images too, without their labels, for a second opinion.")
    ] = False,
    copy_images: Annotated[bool, Option("--copy-images", help="Copy the images along, for other computers.")] = False,
    language: Annotated[str, Option(metavar="CODE", help="Of the sheets: en, de.")] = ENGLISH,
    seed: Seed = 0,
    dry_run: Annotated[bool, Option("--dry-run", help="Only show the shares and their size.")] = False,
    json: Json = False,
) -> None:
    """Share the images without a label among people: a project and a sheet for each.

    Some images go to everyone, to measure the agreement when the projects come back: `visionft project merge`.
    """
    from visionft.project.merging.sharing import share_project

    with opened_project(project, read_only=True) as opened, running_job() as job:
        found = share_project(
            opened,
            out,
            people=people,
            overlap=_share_of(overlap),
            again=again,
            copy_images=copy_images,
            seed=seed,
            language=_language_of(language),
            is_preview=dry_run,
            job=job,
        )
        print_result(found, partial(_share_text, found, project, is_preview=dry_run), as_json=json)


def _share_of(words: str) -> float:
    number, sign, rest = words.strip().partition("%")
    try:
        share = float(number) / (100 if sign else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 <= share <= 1:
        raise VisionFTError(f"“{words}” is no share.", "Write for example --overlap 10%.")
    return share


def _language_of(code: str) -> str:
    if code not in (known := languages()):
        raise VisionFTError(f"There are no sheets in “{code}”.", choose_one(known))
    return code


def _share_text(found: "SharedProject", project: Path, *, is_preview: bool) -> str:
    rows = [(each.path.name, str(each.images), each.sheet.name) for each in found.shares]
    size = f", {size_text(found.bytes)} of copied images" if found.bytes else ""
    merge = joined(["visionft", "project", "merge", str(project), *(str(each.path) for each in found.shares)])
    written = f"They are in {found.shares[0].path.parent}. When they come back: {merge}"
    return "\n".join(
        [
            table(("project", "images", "sheet"), rows),
            f"{count_of(found.common, 'image')} for everyone{size}.",
            *(f"Left out, missing: {path}" for path in found.missing[:_MOST_MISSING]),
            "Nothing was written." if is_preview else written,
        ]
    )


def _refuse_new_classes(forecast: "MergeReport") -> None:
    if new := forecast.new_classes:
        listed = ", ".join(f"“{name}” ({count_of(count, 'image')})" for name, count in new.items())
        hint = f"Add --add-classes to take them, or --class {joined([f'{next(iter(new))}=NAME'])} for one that has"
        hint += " another name here. Nothing was changed."
        raise VisionFTError(f"This project does not have these classes: {listed}.", hint)


def _merge_text(report: "MergeReport", project: Path, *, is_preview: bool) -> str:
    if report.stopped:
        return "Stopped; nothing was changed."
    lines = [line for each in report.projects for line in _project_lines(each)]
    if is_preview:
        lines.append("Nothing was written.")
    elif not report.step_id:
        lines.append("Nothing had to be changed.")
    elif report.conflicts:
        label, info = (joined(["visionft", *words, str(project)]) for words in (("label", "set"), ("project", "info")))
        lines.append(f"{count_of(report.conflicts, 'image')} with labels that differ have none until you decide:")
        lines += [f"  {label} CLASS FILE", f"They are listed by: {info}"]
    return "\n".join([*lines, *(_agreement_lines(report.agreement) if report.agreement is not None else [])])


def _project_lines(found: "MergedProject") -> list[str]:
    counts = (
        ("images added", found.added),
        ("labels taken", found.taken),
        ("labels corrected there by a person, taken", found.corrected),
        ("labels given here by a person, kept", found.kept),
        ("equal labels", found.equal),
        ("conflicts", found.conflicts),
        ("already in conflict, still open", found.undecided),
        ("conflicts of an earlier merge, decided here", found.decided_before),
        ("removed here, stay removed", found.removed_here),
        ("in another split there, this project's stays", found.splits_kept),
        ("with another note there, this project's stays", found.notes_kept),
        ("not added, their file cannot be read", len(found.missing)),
    )
    always = ("images added", "labels taken", "equal labels", "conflicts")
    lines = [f"{found.path}:", *(f"  {count:>7,}  {what}" for what, count in counts if count or what in always)]
    lines += [f"  new class: {name} ({count_of(count, 'image')})" for name, count in found.new_classes.items()]
    lines += [f"  class “{there}” there is “{here}” here" for there, here in found.renamed.items()]
    lines += [f"  missing: {path}" for path in found.missing[:_MOST_MISSING]]
    if found.missing:
        step = command_for(NextStep("relink", project=found.path))
        lines.append(f"  Tell where the missing images are, then merge again: {step}")
    return lines


def _agreement_lines(found: "Agreement") -> list[str]:
    name = "Cohen's kappa" if len(found.sides) == 2 else "Fleiss' kappa"
    rows = [("all", *_kappa_cells(found.overall)), *((each, *_kappa_cells(k)) for each, k in found.classes.items())]
    confused = [f"  {each.first} / {each.second}: {each.images}" for each in found.confused]
    return [
        "",
        f"Agreement of {', '.join(found.sides)} on {count_of(found.overall.images, 'image')} labelled by each:",
        table(("class", "images", "agreement", name, "95 % interval"), rows),
        *(["Most confused:", *confused] if confused else []),
    ]


def _kappa_cells(found: "Kappa") -> Sequence[str]:
    interval = f"{found.interval[0]:z.2f} to {found.interval[1]:z.2f}" if found.interval is not None else "-"
    kappa = f"{found.kappa:z.2f}" if found.kappa is not None else "-"
    return str(found.images), f"{found.observed:.1%}", kappa, interval
