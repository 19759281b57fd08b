"""`visionft label suggest` and `prompts`: suggested labels, and the texts of zero-shot models."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from typer import Argument, Option

from models.text.class_texts import DEFAULT_TEMPLATES, TEMPLATE_SETS, all_texts, same_texts
from visionft.analysis.feature_suggester import FeatureSuggester, open_suggester
from visionft.analysis.suggestions import Suggestion
from visionft.cli.arguments import Json, ProjectDir, share_option
from visionft.cli.output import opened_project, print_result, running_job, table, write_err
from visionft.core.errors import VisionFTError
from visionft.core.foreign_text import printable
from visionft.core.messages import choose_one
from visionft.core.names import count_of
from visionft.project.edits.changes import AddClass
from visionft.project.edits.class_changes import SetPrompts
from visionft.project.store import ProjectStore

_SHOWN = 20  # images printed by `--why` for a person
_SURE_SHARE = 0.9  # share reported to a person


def suggest(
    project: ProjectDir,
    run: Annotated[
        str | None,
        Argument(
            metavar="[RUN]",
            help="A run's name, or its number; without one, the features and the labels so far suggest.",
        ),
    ] = None,
    accept: Annotated[float | None, share_option("Label with those at least this sure, such as 0.95.")] = None,
    why: Annotated[bool, Option("--why", help="Also list the most similar labelled images.")] = False,
    json: Json = False,
) -> None:
    """Suggest labels for unlabelled images, and accept them.

    The Label page shows the same suggestions, and lets you check a random sample before many are accepted.
    """
    with opened_project(project, read_only=accept is None) as opened:
        with running_job() as job:
            suggested = opened.suggest(run, accept=accept, callback=job)
        source, found = suggested.source, suggested.suggestions
        text = _suggested_text(found, suggested.accepted, accept, source=source if run else "the labels so far")
        images = None
        if why:
            images = _with_reasons(opened, found, suggested.suggester or open_suggester(opened))
            text = f"{text}\n\n{_reasons_text(images)}"
    value = {
        "source": source,
        "suggested": len(found),
        "unreadable": suggested.unreadable,
        "stopped": suggested.is_stopped,
        "accepted": suggested.accepted,
        "images": images,
    }
    print_result(value, text, as_json=json)


def _suggested_text(found: Mapping[int, Suggestion], accepted: int, threshold: float | None, *, source: str) -> str:
    if not found:
        return "Nothing is suggested: no image without a label is left."
    sure = sum(suggestion.confidence for suggestion in found.values()) / len(found)
    start = f"{count_of(len(found), 'image')} would get a label by {source}"
    start = f"{start}, about {sure:.0%} of them the right one by their own estimate."
    if threshold is not None:
        return f"{start} {accepted:,} were accepted (at least {threshold:.0%} sure)."
    among = sum(suggestion.confidence >= _SURE_SHARE for suggestion in found.values())
    return f"{start} None was accepted: --accept {_SURE_SHARE} would take {among:,}."


def _with_reasons(
    opened: ProjectStore, found: Mapping[int, Suggestion], suggester: FeatureSuggester
) -> list[dict[str, Any]]:
    """Return the suggestions, the least sure first, with the most similar labelled images."""
    paths = {image.image_id: image.path for image in opened.snapshot().images}
    return [
        {
            "path": paths[suggestion.image_id],
            "classes": suggestion.classes,
            "confidence": round(suggestion.confidence, 4),
            "ranked": suggestion.ranked,
            "why": [
                {"path": paths.get(reason.image_id), "classes": reason.classes, "cosine": round(reason.cosine, 4)}
                for reason in suggester.reasons(suggestion.image_id, 3)
            ],
        }
        for suggestion in sorted(found.values(), key=lambda suggestion: -suggestion.uncertainty)
    ]


def _reasons_text(images: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for each in images[:_SHOWN]:
        nearest = (f"{', '.join(why['classes'])} {why['cosine']:.2f} {why['path']}" for why in each["why"][:1])
        rows.append((each["path"], ", ".join(each["classes"]), f"{each['confidence']:.0%}", "; ".join(nearest)))
    more = f"\n{len(images) - _SHOWN} more, surer ones: --json lists all." if len(images) > _SHOWN else ""
    return table(("image", "suggested", "sure", "most similar"), rows) + more


def prompts(
    project: ProjectDir,
    set_lines: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="CLASS=PROMPT",
            help="Give a class a line; several for one class count alike. `CLASS=` goes back to its name. {} in a line "
            "is filled with the name.",
        ),
    ] = None,
    add: Annotated[
        list[str] | None, Option(metavar="CLASS", help="Add a class, where no labelled image has brought it yet.")
    ] = None,
    templates: Annotated[
        str, Option(metavar="SET", help=f"The sentences around each line: {', '.join(TEMPLATE_SETS)}.")
    ] = DEFAULT_TEMPLATES,
    json: Json = False,
) -> None:
    """Show and set the prompts of zero-shot methods."""
    if templates not in TEMPLATE_SETS:
        raise VisionFTError(f"There are no templates {templates!r}.", choose_one(TEMPLATE_SETS))
    with opened_project(project, read_only=not (set_lines or add)) as opened:
        for name in add or ():
            opened.apply(AddClass(name))
        if set_lines:
            opened.apply(SetPrompts(_given_prompts(set(opened.snapshot().class_names), set_lines)))
        images = opened.snapshot()
    classes = all_texts(images.class_names, images.prompts, templates)
    same = [list(names) for names in same_texts(classes)]
    for names in same:
        write_err(f"The prompts of {', '.join(map(printable, names))} are equal: their predictions cannot differ.")
    rows = [
        (each.class_name, "; ".join(each.lines) if not each.is_name_alone else "(its name)", "; ".join(each.texts[:2]))
        for each in classes
    ]
    value = {"templates": templates, "classes": list(classes), "same": same}
    print_result(value, table(("class", "prompts", "read as"), rows), as_json=json)


def _given_prompts(class_names: set[str], assignments: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the given prompts by class: a single `CLASS=` removes all of them."""
    found: dict[str, list[str]] = {}
    for assignment in assignments:
        # A class's name may contain the sign itself.
        places = [place for place, sign in enumerate(assignment) if sign == "="]
        if not places:
            hint = "Write CLASS=PROMPT, such as glass='a glass bottle'."
            raise VisionFTError(f"{assignment!r} names no prompt.", hint)
        known = (assignment[:place] for place in reversed(places) if assignment[:place] in class_names)
        name = next(known, assignment[: places[0]])
        found.setdefault(name, []).append(assignment[len(name) + 1 :])
    return {name: () if lines == [""] else tuple(lines) for name, lines in found.items()}
