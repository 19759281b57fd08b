"""`visionft suggest`: what the pictures without a label would be called; `visionft queue`: which to label next."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from visionft.cli import completion
from visionft.cli.next_steps import joined
from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result, table
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.project.edits.changes import AcceptSuggestions
from visionft.project.names import count_of
from visionft.project.store import Project
from visionft.suggest.answer_file import read_answers, write_sample
from visionft.suggest.audit import is_worth_trying
from visionft.suggest.certificate import PendingAudit, draw_audit, finish_audit, pending_audit
from visionft.suggest.feature_suggester import FeatureSuggester, need_error, open_suggester
from visionft.suggest.suggestions import FEATURES, Suggestion, current_suggestions, read_suggestions
from visionft.training.runs.run_folder import load_run

_SHOWN = 20  # pictures that `--why` prints for a person
_SURE = 0.9  # share that a person is told of


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("suggest")(suggest)
    app.command("queue")(queue)


@prints(
    {
        "run?": str,
        "source?": str,
        "suggested": int,
        "unreadable": Any,
        "stopped": bool,
        "accepted": int,
        "audit?": {
            "file": Path,
            "about_to_accept": int,
            "sample": int,
            "allowed": int,
            "rightness": float,
            "confidence": float,
            "number": int,
            "seed": int,
            "expected_wrong": float,
            "is_worth_trying": bool,
        },
        "pictures?": [
            {
                "path": Path,
                "classes": [str],
                "confidence": float,
                "ranked": [Any],
                "why": [{"path": Path | None, "classes": [str], "cosine": float}],
            }
        ],
    },
    "visionft.suggest.certificate:Audit",
)
def suggest(
    project: ProjectDir,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A run's name, or its number; without one, the features and the labels so far suggest.",
            autocompletion=completion.runs,
        ),
    ] = None,
    accept: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Label with those at least this sure, such as 0.95.")
    ] = None,
    why: Annotated[bool, typer.Option("--why", help="Also tell the labelled pictures that are most alike.")] = False,
    audit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Accept nothing yet: write a random sample to check into this CSV file."),
    ] = None,
    certify: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read the checked sample; accept the rest if it proves enough."),
    ] = None,
    rightness: Annotated[float, typer.Option(help="For --audit: the share of right labels to prove.")] = 0.97,
    confidence: Annotated[float, typer.Option(help="For --audit: how sure the proof is to be.")] = 0.95,
    seed: Annotated[int | None, typer.Option(help="For --audit: draws the sample.")] = None,
    json: Json = False,
) -> None:
    """Classify the pictures without a label; the label page then offers the answers."""
    if accept is not None and not 0 <= accept <= 1:
        raise VisionFTError(f"{accept} is not a share of 1.", "Give a number from 0 to 1, such as 0.95.")
    if certify is not None:
        _certify(project, certify, json=json)
        return
    changes = accept is not None or audit is not None
    with opened_project(project, read_only=not changes) as opened:
        value, found, suggester = _from_run(opened, run) if run else _from_features(opened)
        name = str(value.get("run", FEATURES))
        if audit is not None:
            least = accept or 0.0
            drawn = draw_audit(
                opened,
                found,
                source=name,
                threshold=least,
                rightness=rightness,
                confidence=confidence,
                seed=seed,
            )
            write_sample(audit, drawn, _paths(opened))
            plan = _plan_of(drawn)
            value |= {"audit": {"file": audit, **plan}, "accepted": 0}
            text = _audit_text(plan, audit, project)
        else:
            sure = {k: each.classes for k, each in found.items() if accept is not None and each.confidence >= accept}
            if sure:
                opened.apply(AcceptSuggestions(sure))
            value |= {"accepted": len(sure)}
            text = _suggested_text(found, len(sure), accept, run=name if run else "")
        if why:
            pictures = _why(opened, found, suggester or open_suggester(opened))
            value["pictures"] = pictures
            text = f"{text}\n\n{_why_text(pictures)}"
        print_result(value, text, as_json=json)


def _from_run(opened: Project, run: str) -> tuple[dict[str, Any], Mapping[int, Suggestion], FeatureSuggester | None]:
    from visionft.suggest.suggestions import suggest_labels

    folder = load_run(opened.path, run).path
    with job() as (on_event, should_stop):
        report = suggest_labels(folder, opened.snapshot(), on_event=on_event, should_stop=should_stop)
    found = current_suggestions(opened, read_suggestions(folder))
    value = {"run": report.run, "suggested": len(found), "unreadable": report.unreadable, "stopped": report.stopped}
    return value, found, None


def _from_features(opened: Project) -> tuple[dict[str, Any], Mapping[int, Suggestion], FeatureSuggester]:
    suggester, missing = _suggester(opened)
    if suggester.needs:
        raise need_error(suggester, opened.path)
    found = current_suggestions(opened, suggester.suggestions)
    value = {"source": FEATURES, "suggested": len(found), "unreadable": missing, "stopped": False}
    return value, found, suggester


def _suggester(opened: Project) -> tuple[FeatureSuggester, int]:
    """Return a suggester, features that are missing computed first, and how many pictures have none."""
    from visionft.features.embedding import embedded

    with job() as (on_event, should_stop):
        features = embedded(opened.path, opened.snapshot(), on_event=on_event, should_stop=should_stop)
    return open_suggester(opened, features), len(features.missing) + len(features.unusable)


def _paths(opened: Project) -> dict[int, Path]:
    return {image.image_id: image.path for image in opened.snapshot().images}


def _why(opened: Project, found: Mapping[int, Suggestion], suggester: FeatureSuggester) -> list[dict[str, Any]]:
    """Return what is suggested, the least sure first, with the labelled pictures that are most alike."""
    paths = _paths(opened)
    return [
        {
            "path": paths[each.image_id],
            "classes": each.classes,
            "confidence": round(each.confidence, 4),
            "ranked": each.ranked,
            "why": [
                {"path": paths.get(reason.image_id), "classes": reason.classes, "cosine": round(reason.cosine, 4)}
                for reason in suggester.reasons(each.image_id, 3)
            ],
        }
        for each in sorted(found.values(), key=lambda each: -each.uncertainty)
    ]


def _why_text(pictures: list[dict[str, Any]]) -> str:
    rows = [
        (
            str(each["path"]),
            ", ".join(each["classes"]),
            f"{each['confidence']:.0%}",
            "; ".join(f"{', '.join(why['classes'])} {why['cosine']:.2f} {why['path']}" for why in each["why"][:1]),
        )
        for each in pictures[:_SHOWN]
    ]
    more = f"\n{len(pictures) - _SHOWN} more, surer ones: --json tells all." if len(pictures) > _SHOWN else ""
    return table(("picture", "suggested", "sure", "most like"), rows) + more


def _plan_of(drawn: PendingAudit) -> dict[str, Any]:
    return {
        "about_to_accept": drawn.plan.accepted,
        "sample": drawn.plan.sample,
        "allowed": drawn.plan.allowed,
        "rightness": drawn.plan.rightness,
        "confidence": drawn.claimed,
        "number": drawn.number,
        "seed": drawn.seed,
        "expected_wrong": round(drawn.expected_wrong, 4),
        "is_worth_trying": is_worth_trying(drawn.plan, drawn.expected_wrong),
    }


def _suggested_text(found: Mapping[int, Suggestion], accepted: int, threshold: float | None, *, run: str) -> str:
    """Return how many pictures have a suggestion, how right these are by their own estimate, what became of them."""
    if not found:
        return "Nothing is suggested: no picture without a label is left."
    sure = sum(each.confidence for each in found.values()) / len(found)
    start = f"{count_of(len(found), 'picture')} would get a label by {run or 'the labels so far'}"
    start = f"{start}, about {sure:.0%} of them the right one by their own estimate."
    if threshold is not None:
        return f"{start} {accepted:,} were accepted (at least {threshold:.0%} sure), with no proof: --audit gives one."
    among = sum(each.confidence >= _SURE for each in found.values())
    return f"{start} None was accepted: --accept {_SURE} would take {among:,}."


def _audit_text(plan: Mapping[str, Any], file: Path, project: Path) -> str:
    command = joined(["visionft", "suggest", str(project), "--certify", str(file)])
    lines = [
        f"{file} holds {count_of(plan['sample'], 'picture')}, a random sample of the {plan['about_to_accept']:,} that "
        f"would be accepted: write what each is into the column “answer”, then: {command}",
        f"With up to {plan['allowed']} wrong, {plan['rightness']:.1%} of them are proven right with "
        f"{plan['confidence']:.1%} confidence.",
    ]
    if not plan["is_worth_trying"]:
        expected = 1 - plan["expected_wrong"]
        lines.append(
            f"It will probably fail, for about {expected:.0%} are expected to be right: label more first, or give "
            "--accept a higher share, or --rightness a lower one."
        )
    return "\n".join(lines)


def _certify(project: Path, file: Path, *, json: bool) -> None:
    with opened_project(project) as opened:
        pending = pending_audit(opened.path)
        if pending is None:
            raise VisionFTError("No audit waits for its answers.", "Draw a sample first.")
        audit = finish_audit(opened, pending, read_answers(file, opened.snapshot().class_names))
        outcome = (
            f"{audit.accepted:,} suggestions were accepted: at least {audit.proven:.1%} of them are right, with "
            f"{audit.confidence:.1%} confidence."
            if audit.is_passed
            else f"The audit failed: {audit.wrong} of {audit.sample} were wrong, {audit.allowed} were allowed. Only "
            "the sample was labelled; label more before the next audit, which has to be stricter."
        )
        print_result(audit, outcome, as_json=json)


@prints([{"path": Path, "why": str, "suggested": [str], "confidence": float | None}])
def queue(
    project: ProjectDir,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many pictures to name.")] = 20,
    seed: Annotated[int, typer.Option(help="Draws other clusters.")] = 0,
    json: Json = False,
) -> None:
    """Name the pictures to label next: the middle of clusters first, then uncertain and diverse ones."""
    from visionft.suggest.queue import next_pictures

    with opened_project(project, read_only=True) as opened:
        suggester, _ = _suggester(opened)
        paths, found = _paths(opened), suggester.suggestions
        rows = [
            {
                "path": paths[each.image_id],
                "why": each.why,
                "suggested": list(found[each.image_id].classes) if each.image_id in found else [],
                "confidence": round(found[each.image_id].confidence, 4) if each.image_id in found else None,
            }
            for each in next_pictures(suggester, count, seed=seed)
        ]

    def text() -> str:
        cells = [(str(row["path"]), row["why"], ", ".join(row["suggested"])) for row in rows]
        return table(("picture", "why", "suggested"), cells) if rows else "Every picture has a label."

    print_result(rows, text, as_json=json)
