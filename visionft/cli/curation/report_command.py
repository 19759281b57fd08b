"""`visionft report`: the health of a project, as lines, as JSON, or as one HTML file with pictures."""

from pathlib import Path
from typing import Annotated, Any

import typer

from visionft.cli.curation.findings import FINDING, finding_values
from visionft.cli.output import Json, ProjectDir, job, opened_project, plain, print_result, table
from visionft.cli.schemas import prints
from visionft.curation.health.facts import Advice, CheckHealth, Health, RunHealth, WeakClass
from visionft.project.names import count_of


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("report")(report)


@prints(
    {
        "...": Health,
        "-": ["paths", "labels"],
        "checks": [{"...": CheckHealth, "worst": [FINDING]}],
        "advice": [{"...": Advice, "-": ["image_ids"], "images": [str]}],
        "run": ({"...": RunHealth, "classes": [{"...": WeakClass, "examples": [str]}]}, None),
        "report": Path | None,
    }
)
def report(
    project: ProjectDir,
    out: Annotated[Path | None, typer.Argument(metavar="OUT.html", help="Write a page with pictures here.")] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Tell what is known; look for nothing that changed since.")
    ] = False,
    json: Json = False,
) -> None:
    """Look the pictures through and tell how healthy they are, and what to do and to collect next."""
    from visionft.curation.health.health import health_of, stale_checks
    from visionft.curation.health.report_html import write_report
    from visionft.curation.look_through import look_through

    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        refusals: dict[str, str] = {}
        stale = () if as_is else stale_checks(opened)
        images = opened.snapshot()
        if stale and images.images:
            looked = look_through(opened.path, images, stale, on_event=on_event, should_stop=should_stop)
            refusals = {name: f"{each.message} {each.hint}".strip() for name, each in looked.refused.items()}
        health = health_of(opened, refusals)
        if out is not None:
            write_report(health, out, on_event=on_event, should_stop=should_stop)
    print_result({**_values(health), "report": out}, lambda: _lines(health, out), as_json=json)


def _values(health: Health) -> dict[str, Any]:
    """Return what JSON tells; pictures by their paths."""
    paths = health.paths
    values = plain(health)
    del values["paths"], values["labels"]
    for check, told in zip(health.checks, values["checks"], strict=True):
        told["worst"] = [finding_values(each, paths[each.image_id]) for each in check.worst if each.image_id in paths]
    for advice in values["advice"]:
        advice["images"] = [str(paths[each]) for each in advice.pop("image_ids") if each in paths]
    for weak in values["run"]["classes"] if values["run"] else ():
        weak["examples"] = [str(paths[each]) for each in weak["examples"] if each in paths]
    return values


def _lines(health: Health, out: Path | None) -> str:
    lines = [f"{health.project.name}: {count_of(health.pictures, 'picture')}, {health.labelled:,} labelled."]
    if health.balance is not None:
        (large, most), (small, least) = health.balance.largest, health.balance.smallest
        lines.append(f"Largest class {large} ({most:,}), smallest {small} ({least:,}).")
    if health.run is not None:
        low, high = health.run.interval
        lines.append(
            f"{health.run.title}: {health.run.top1:.1%} right on {health.run.split} ({low:.1%} to {high:.1%})."
        )
    lines += (
        ["", table(("check", "flagged", ""), [_check_row(check) for check in health.checks])] if health.checks else []
    )
    lines += ["", "What to do next:"] if health.advice else []
    for number, advice in enumerate(health.advice, start=1):
        lines += [f"{number:2}. {advice.words}", f"    {advice.evidence}"]
    lines += [*health.certificates]
    return "\n".join([*lines, *(["", f"Wrote {out}."] if out is not None else [])])


def _check_row(check: CheckHealth) -> tuple[str, str, str]:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in check.kinds.items())
    if check.state == "never":
        return check.title, "?", check.refusal or "not looked at yet"
    since = " (before the last changes)" if check.state == "stale" else ""
    return check.title, f"{check.flagged:,}", kinds + since
