"""`visionft curate check` and `report`: the issues of a data set, and their corrections."""

from typing import Annotated, Any

from typer import Argument, Option

from visionft.analysis.check import APPROXIMATE_TEXT, Check, open_issues
from visionft.analysis.duplicate_groups import LOOK_ALIKES_TEXT, are_look_alikes
from visionft.analysis.report import DatasetReport
from visionft.analysis.scan import CHECKS, get_check
from visionft.api import Project
from visionft.api.tables import IssueTable
from visionft.cli.arguments import Json, ProjectDir, share_option
from visionft.cli.output import opened_project, plain, print_result, running_job, table, write_err
from visionft.core.errors import VisionFTError
from visionft.core.names import count_of
from visionft.project.edits.changes import AcceptSuggestions, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import TagImages
from visionft.project.edits.verdicts import verdicts_of

_SHOWN = 50  # issues of a check for a person; `--json` prints all


def check(
    project: ProjectDir,
    checks: Annotated[
        list[str] | None, Argument(metavar="[CHECK]...", help=f"{', '.join(CHECKS)}; all where none is named.")
    ] = None,
    threshold: Annotated[
        float | None, share_option("Score from which an image is listed; the check's own if none.")
    ] = None,
    kind: Annotated[
        str, Option(metavar="KIND", help=f"Only one kind of issues, such as {', '.join(CHECKS['quality'].kinds)}.")
    ] = "",
    accept: Annotated[
        float | None, share_option("Change labels that are wrong at least this surely, such as 0.9.")
    ] = None,
    tag: Annotated[str, Option(metavar="NAME", help="Tag the listed images, to review them later.")] = "",
    remove: Annotated[
        bool, Option("--remove", help="Remove images of bad quality; the files stay, undo restores them.")
    ] = False,
    keep_best: Annotated[
        bool, Option("--keep-best", help="Keep one of each group of duplicates, with the labels and tags of all.")
    ] = False,
    mended: Annotated[
        bool, Option("--mend", help="Move each group of related images into the split with most of them.")
    ] = False,
    yes: Annotated[
        bool, Option("--yes", help="Resolve groups also where different images are as similar as copies.")
    ] = False,
    json: Json = False,
) -> None:
    """List the issues of images and labels, the worst first.

    Each check runs again; only new images take time. The options after --threshold need one check, by its name;
    `visionft project undo` takes their changes back.
    """
    names = list(dict.fromkeys(checks or CHECKS))
    chosen = [get_check(name) for name in names]
    changes = accept is not None or bool(tag) or remove or keep_best or mended
    if len(names) > 1 and (kind or changes):
        raise VisionFTError("These options are for one check.", "Name one, and run the others by themselves.")
    for is_given, option, name in (
        (remove, "--remove", "quality"),
        (keep_best, "--keep-best", "duplicates"),
        (mended, "--mend", "leaks"),
    ):
        if is_given and names != [name]:
            raise VisionFTError(f"{option} is for the check {name}.", "Tag the images of other checks.")
    value: dict[str, Any] = {}
    text: list[str] = []
    with opened_project(project, read_only=not changes) as opened:
        for check in chosen:
            try:
                found = run_check(opened, check.name, threshold=threshold, kind=kind)
            except VisionFTError as error:
                if len(names) == 1:
                    raise
                value[check.name] = {"skipped": str(error)}
                text.append(f"{check.title}: {error}")
                continue
            value[check.name] = _check_value(found)
            text.append(_check_text(check, found))
            if accept is not None:
                changed = _accept_corrections(opened, found, accept)
                text.append(f"{count_of(changed, 'image')} relabelled; `visionft project undo` brings the labels back.")
            image_ids = tuple(dict.fromkeys(found["image_id"]))
            if tag and image_ids:
                opened.apply(TagImages(image_ids, tag))
                text.append(f"{count_of(len(image_ids), 'image')} got the tag “{tag}”.")
            if remove and image_ids:
                opened.apply(RemoveImages(image_ids))
                text.append(f"{count_of(len(image_ids), 'image')} removed.")
            if keep_best:
                value[check.name]["removed"] = count = opened.keep_best(threshold=threshold, sure=yes)
                text.append(
                    f"{count_of(count, 'image')} removed; the files stay, and so do groups with a label conflict."
                )
            if mended:
                value[check.name]["moved"] = count = opened.mend_leaks(sure=yes)
                text.append(f"{count_of(count, 'image')} moved.")
    print_result(value, "\n\n".join(text), as_json=json)


def run_check(project: Project, check: str, *, threshold: float | None = None, kind: str = "") -> IssueTable:
    """Run a check of the table on a project, and report unreadable images and approximations on stderr."""
    with running_job() as job:
        found = project.check(check, threshold=threshold, kind=kind, callback=job)
    for image_id, reason in found.result.unreadable:
        write_err(f"{found.images.by_id[image_id].path}: {reason}")
    if found.result.is_approximate:
        write_err(APPROXIMATE_TEXT)
    return found


def _check_value(found: IssueTable) -> dict[str, Any]:
    paths = {image.image_id: image.path for image in found.images.images}
    return {
        "checked": found.result.checked,
        "approximate": found.result.is_approximate,
        "look_alikes": are_look_alikes(found.result),
        "issues": plain(found.issues, paths),
    }


def _check_text(check: Check, found: IssueTable) -> str:
    lines = [f"{check.title}: {count_of(len(found.issues), 'issue')} in {count_of(found.result.checked, 'image')}."]
    lines += [LOOK_ALIKES_TEXT] if are_look_alikes(found.result) else []
    rows = []
    for issue in found.issues[:_SHOWN]:
        label = issue.suggested or (f"not {issue.doubted}" if issue.doubted else "")
        rows.append((f"{issue.score:.2f}", issue.reason, label, found.images.by_id[issue.image_id].path))
    if rows:
        lines.append(table(("score", "reason", "suggested", "image"), rows))
    if len(found.issues) > _SHOWN:
        lines.append(f"... and {count_of(len(found.issues) - _SHOWN, 'more issue')}; `--json` lists all.")
    return "\n".join(lines)


def _accept_corrections(opened: Project, found: IssueTable, threshold: float) -> int:
    """Apply the suggested labels of at least this score, remove doubted ones, and return how many images changed."""
    verdicts = verdicts_of(opened, found.result.check)
    sure = open_issues(found.result, found.images, verdicts, threshold=threshold)
    if given := {issue.image_id: (issue.suggested,) for issue in sure if issue.suggested}:
        opened.apply(AcceptSuggestions(given))
    doubted: dict[str, list[int]] = {}
    for issue in sure:
        if issue.doubted and not issue.suggested:
            doubted.setdefault(issue.doubted, []).append(issue.image_id)
    for name, image_ids in doubted.items():
        opened.apply(UnlabelImages(tuple(image_ids), name))
    return len({*given, *(image_id for image_ids in doubted.values() for image_id in image_ids)})


def report(
    project: ProjectDir,
    as_is: Annotated[bool, Option("--as-is", help="Use stored results; run no check again.")] = False,
    json: Json = False,
) -> None:
    """Run every check and report on the data set.

    Includes what to fix and which images to collect next.
    """
    from visionft.analysis.report import read_report, stale_checks
    from visionft.analysis.scan import run_checks

    with opened_project(project, read_only=True) as opened, running_job() as job:
        skipped: dict[str, str] = {}
        stale = () if as_is else stale_checks(opened)
        images = opened.snapshot()
        if stale and images.images:
            scan = run_checks(opened.path, images, stale, job=job)
            skipped = {name: f"{error.message} {error.hint}".strip() for name, error in scan.skipped.items()}
        dataset = read_report(opened, skipped)
    print_result({"dataset": dataset}, lambda: _report_text(dataset), as_json=json, paths=dataset.paths)


def _report_text(dataset: DatasetReport) -> str:
    lines = [f"{dataset.project.name}: {count_of(dataset.images, 'image')}, {dataset.labelled:,} labelled."]
    if dataset.balance is not None:
        (large, most), (small, least) = dataset.balance.largest, dataset.balance.smallest
        lines.append(f"Largest class {large} ({most:,}), smallest {small} ({least:,}).")
    if (run := dataset.run) is not None:
        low, high = run.interval
        lines.append(f"{run.title}: accuracy {run.top1:.1%} on {run.images_of} ({low:.1%} to {high:.1%}).")
    rows: list[tuple[str, str, str]] = []
    for check in dataset.checks:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in check.kinds.items())
        if check.state == "never":
            rows.append((check.title, "?", check.skipped or "not checked yet"))
        elif check.skipped and not check.flagged:
            rows.append((check.title, "-", check.skipped))
        else:
            stale = " (before the last changes)" if check.state == "stale" else ""
            rows.append((check.title, f"{check.flagged:,}", f"{kinds}{stale}"))
    if rows:
        lines += ["", table(("check", "flagged", ""), rows)]
    if titles := [check.title for check in dataset.checks if check.is_approximate]:
        lines.append(f"{', '.join(titles)}: {APPROXIMATE_TEXT}")
    if dataset.recommendations:
        lines += ["", "What to do next:"]
    for number, recommendation in enumerate(dataset.recommendations, start=1):
        lines += [f"{number:2}. {recommendation.action}", f"    {recommendation.evidence}"]
    return "\n".join(lines)
