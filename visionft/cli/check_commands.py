"""`visionft curate check`, `quality`, `label-errors` and `report`: the issues of a data set, and their corrections."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from visionft.api import Project
from visionft.api.tables import IssueTable
from visionft.cli.arguments import MOST, Json, ProjectDir, share_option
from visionft.cli.output import opened_project, print_result, running_job, table, write_err
from visionft.curation.check import APPROXIMATE_TEXT, CheckResult, open_issues
from visionft.curation.report.dataset_report import DatasetReport
from visionft.curation.table import CHECKS
from visionft.project.edits.changes import AcceptSuggestions, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import TagImages
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.names import count_of

_SHOWN, _SHOWN_LABELS, _SHOWN_PAIRS = 50, 20, 5  # lines for a person; `--json` prints all


def run_check(project: Project, check: str, *, threshold: float | None = None, kind: str = "") -> IssueTable:
    """Run a check of the table on a project, and report unreadable images and approximations on stderr."""
    with running_job() as job:
        found = project.check(check, threshold=threshold, kind=kind, callback=job)
    for image_id, reason in found.result.unreadable:
        write_err(f"{found.images.by_id[image_id].path}: {reason}")
    if found.result.is_approximate:
        write_err(APPROXIMATE_TEXT)
    return found


def _print_issues(found: IssueTable, *, note: str, as_json: bool) -> None:
    """Print issues, in their order: as JSON, or as lines for a person after a note."""
    paths = {image.image_id: image.path for image in found.images.images}
    issues = list(found.issues)
    rows = [(f"{each.score:.2f}", each.reason, paths[each.image_id]) for each in issues[:_SHOWN]]
    lines = [note, table(("score", "reason", "image"), rows) if rows else "No issues."]
    if len(issues) > _SHOWN:
        lines.append(f"... and {count_of(len(issues) - _SHOWN, 'more issue')}.")
    print_result(issues, "\n".join(lines), as_json=as_json, paths=paths)


def _note(found: IssueTable) -> str:
    return f"{count_of(len(found.issues), 'issue')} in {count_of(found.result.checked, 'image')}."


def check(
    project: ProjectDir,
    name: Annotated[str, Argument(metavar="CHECK", help=f"{', '.join(CHECKS)}.")],
    threshold: Annotated[
        float | None, share_option("Score from which an image is listed; the check's own if none.")
    ] = None,
    json: Json = False,
) -> None:
    """Run any check by its name, also of an extension."""
    with opened_project(project, read_only=True) as opened:
        found = run_check(opened, name, threshold=threshold)
    _print_issues(found, note=_note(found), as_json=json)


def quality(
    project: ProjectDir,
    kind: Annotated[
        str,
        Option(
            metavar="KIND",
            help="Only one kind: blurred, dark, bright, overexposed, low_information, blank, shape, size, "
            "corrupt, partly_read.",
        ),
    ] = "",
    threshold: Annotated[float | None, share_option("Score from which an image is listed; .5 unless you say.")] = None,
    remove: Annotated[
        bool, Option("--remove", help="Remove them from the project; the files stay, undo restores them.")
    ] = False,
    tag: Annotated[str, Option(metavar="NAME", help="Tag them, to review them later.")] = "",
    json: Json = False,
) -> None:
    """List blurred, dark, corrupt and otherwise bad images.

    The worst come first; only new images take time.
    """
    with opened_project(project, read_only=not (remove or tag)) as opened:
        found = run_check(opened, "quality", threshold=threshold, kind=kind)
        note = _note(found)
        image_ids = tuple(dict.fromkeys(found["image_id"]))
        if tag and image_ids:
            opened.apply(TagImages(image_ids, tag))
            note += f" {count_of(len(image_ids), 'image')} got the tag “{tag}”."
        if remove and image_ids:
            opened.apply(RemoveImages(image_ids))
            note += f" {count_of(len(image_ids), 'image')} removed."
    _print_issues(found, note=note, as_json=json)


def label_errors(
    project: ProjectDir,
    threshold: Annotated[
        float | None, share_option("Probability of being wrong from which a label is listed; usually 0.5.")
    ] = None,
    limit: Annotated[int, Option(metavar="NUMBER", min=0, max=MOST, help="Of labels to list; 0 lists all.")] = 0,
    accept: Annotated[
        float | None, share_option("Relabel those that are wrong at least this surely, such as 0.9.")
    ] = None,
    json: Json = False,
) -> None:
    """List probable label errors."""
    with opened_project(project, read_only=accept is None) as opened:
        found = run_check(opened, "label-errors", threshold=threshold)
        images, result, issues = found.images, found.result, found.issues[: limit or None]
        verdicts = verdicts_of(opened, result.check)
        sure = () if accept is None else open_issues(result, images, verdicts, threshold=accept)
        if given := {each.image_id: (each.suggested,) for each in sure if each.suggested}:
            opened.apply(AcceptSuggestions(given))
        taken: dict[str, list[int]] = {}
        for each in sure:
            if not each.suggested:  # one label less, of several
                taken.setdefault(each.doubted, []).append(each.image_id)
        for name, image_ids in taken.items():
            opened.apply(UnlabelImages(tuple(image_ids), name))
    suspects: list[dict[str, Any]] = []
    for each in issues:
        image = images.by_id[each.image_id]
        names = list(images.labels_of(image))
        label = names[0] if images.task == "single" else names
        facts = {"suggested": each.suggested, "doubted": each.doubted, "score": each.score}
        suspects.append({"path": image.path, "label": label, **facts})
    value = {"compared": result.checked, "approximate": result.is_approximate, "labels": suspects}
    relabelled = None if accept is None else len(sure)
    print_result(value, lambda: _label_errors_text(suspects, result, relabelled), as_json=json)


def _label_errors_text(suspects: Sequence[Mapping[str, Any]], result: CheckResult, relabelled: int | None) -> str:
    from visionft.curation.label_errors.label_error_check import chance_text

    lines = [f"{count_of(result.checked, 'label')} compared; {len(suspects):,} listed as probably wrong."]
    rows = []
    for each in suspects[:_SHOWN_LABELS]:
        label, change = each["label"], each["suggested"]
        if not isinstance(label, str):
            label = ", ".join(label)
            change = f"-{each['doubted']}" if each["doubted"] else f"+{change}"
        rows.append((chance_text(each["score"]), label, change, each["path"]))
    if rows:
        lines.append(table(("wrong", "label", "suggested", "image"), rows))
    if len(suspects) > _SHOWN_LABELS:
        lines.append(f"... and {len(suspects) - _SHOWN_LABELS} more; `--json` lists all.")
    if overlap := result.facts["overlap"][:_SHOWN_PAIRS]:
        lines += ["", "Confused classes:"]
        lines.append(table(("class", "and", "images"), [(e["first"], e["second"], e["images"]) for e in overlap]))
    if result.facts["single"]:
        lines.append(f"Not checked, only one image each: {', '.join(result.facts['single'])}.")
    if relabelled is not None:
        lines += ["", f"{count_of(relabelled, 'image')} relabelled; `visionft project undo` brings the labels back."]
    return "\n".join(lines)


def report(
    project: ProjectDir,
    out: Annotated[Path | None, Argument(metavar="OUT.html", help="Write a page with images here.")] = None,
    as_is: Annotated[bool, Option("--as-is", help="Use stored results; run no check again.")] = False,
    json: Json = False,
) -> None:
    """Run every check and report on the data set.

    Includes what to fix and which images to collect next.
    """
    from visionft.curation.report.report_html import write_report
    from visionft.curation.report.report_reader import read_report, stale_checks
    from visionft.curation.scan import run_checks

    with opened_project(project, read_only=True) as opened, running_job() as job:
        skipped: dict[str, str] = {}
        stale = () if as_is else stale_checks(opened)
        images = opened.snapshot()
        if stale and images.images:
            scan = run_checks(opened.path, images, stale, job=job)
            skipped = {name: f"{each.message} {each.hint}".strip() for name, each in scan.skipped.items()}
        found = read_report(opened, skipped)
        if out is not None:
            write_report(found, out, job=job)
    value = {"dataset": found, "page": out}
    print_result(value, lambda: _report_text(found, out), as_json=json, paths=found.paths)


def _report_text(found: DatasetReport, out: Path | None) -> str:
    lines = [f"{found.project.name}: {count_of(found.images, 'image')}, {found.labelled:,} labelled."]
    if found.balance is not None:
        (large, most), (small, least) = found.balance.largest, found.balance.smallest
        lines.append(f"Largest class {large} ({most:,}), smallest {small} ({least:,}).")
    if (run := found.run) is not None:
        low, high = run.interval
        lines.append(f"{run.title}: accuracy {run.top1:.1%} on {run.images_of} ({low:.1%} to {high:.1%}).")
    rows: list[tuple[str, str, str]] = []
    for each in found.checks:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in each.kinds.items())
        if each.state == "never":
            rows.append((each.title, "?", each.skipped or "not checked yet"))
        elif each.skipped and not each.flagged:
            rows.append((each.title, "-", each.skipped))
        else:
            stale = " (before the last changes)" if each.state == "stale" else ""
            rows.append((each.title, f"{each.flagged:,}", f"{kinds}{stale}"))
    if rows:
        lines += ["", table(("check", "flagged", ""), rows)]
    if titles := [each.title for each in found.checks if each.is_approximate]:
        lines.append(f"{', '.join(titles)}: {APPROXIMATE_TEXT}")
    if found.recommendations:
        lines += ["", "What to do next:"]
    for number, each in enumerate(found.recommendations, start=1):
        lines += [f"{number:2}. {each.action}", f"    {each.evidence}"]
    return "\n".join([*lines, *(["", f"Wrote {out}."] if out is not None else [])])
