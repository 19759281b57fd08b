"""`visionft prompts`: what classes look like in words, for models that learned from captions; which words help."""

from collections.abc import Sequence
from typing import Annotated

import typer

from models.catalog import DEFAULT_TEXT_BACKBONE
from visionft.cli import completion
from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result, table, write_err
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.evaluation.prompt_measuring import PromptReport, measure_prompts
from visionft.foreign_text import printable
from visionft.project.edits.changes import AddClass
from visionft.project.edits.prompts import SetPrompts
from visionft.project.store import Project
from visionft.zero_shot.prompts import ClassTexts, all_texts, same_texts
from visionft.zero_shot.templates import DEFAULT_TEMPLATES, TEMPLATE_SETS


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("prompts")(prompts)


@prints({"templates": str, "classes": [ClassTexts], "same": [[str]], "measured": (PromptReport, None)})
def prompts(
    project: ProjectDir,
    set_lines: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="CLASS=PROMPT",
            help="Give a class a line; several for one class count alike. `CLASS=` goes back to its name. {} in a line "
            "is filled with the name.",
        ),
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS", help="Add a class, where no labelled picture has brought it yet."),
    ] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Tell which prompt helps, on labelled pictures.")] = False,
    templates: Annotated[
        str, typer.Option(metavar="SET", help=f"The sentences around each line: {', '.join(TEMPLATE_SETS)}.")
    ] = DEFAULT_TEMPLATES,
    backbone: Annotated[
        str, typer.Option(help="Whose text side reads them.", autocompletion=completion.backbones)
    ] = DEFAULT_TEXT_BACKBONE,
    json: Json = False,
) -> None:
    """Show, set and measure the prompts that `visionft train --method zero_shot` answers from."""
    if templates not in TEMPLATE_SETS:
        raise VisionFTError(f"There are no templates {templates!r}.", f"Choose one of {', '.join(TEMPLATE_SETS)}.")
    with opened_project(project, read_only=not (set_lines or add)) as opened:
        for name in add or ():
            opened.apply(AddClass(name))
        if set_lines:
            opened.apply(SetPrompts(_read(opened, set_lines)))
        images = opened.snapshot()
        report = None
        if measure:
            with job() as (on_event, should_stop):
                report = measure_prompts(
                    opened.path,
                    images,
                    backbone=backbone,
                    templates=templates,
                    on_event=on_event,
                    should_stop=should_stop,
                )
        classes = all_texts(images.class_names, images.prompts, templates)
        same = same_texts(classes)
        for names in same:
            told = ", ".join(printable(name) for name in names)
            write_err(f"The same prompts stand for {told}: their answers cannot differ.")
        value = {"templates": templates, "classes": classes, "same": same, "measured": report}
        print_result(value, lambda: _report_text(report) if report else _text(classes), as_json=json)


def _read(opened: Project, assignments: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the lines that were given, by class: one `CLASS=` alone takes all away."""
    found: dict[str, list[str]] = {}
    names = set(opened.snapshot().class_names)
    for assignment in assignments:
        # A class's name may hold the sign itself.
        places = [place for place, sign in enumerate(assignment) if sign == "="]
        name = next((assignment[:place] for place in reversed(places) if assignment[:place] in names), "")
        if not places:
            raise VisionFTError(
                f"{assignment!r} names no prompt.", "Write CLASS=PROMPT, such as glass='a glass bottle'."
            )
        name = name or assignment.partition("=")[0]
        found.setdefault(name, []).append(assignment[len(name) + 1 :])
    return {name: () if lines == [""] else tuple(lines) for name, lines in found.items()}


def _text(classes: Sequence[ClassTexts]) -> str:
    rows = [
        (each.class_name, "; ".join(each.lines) if not each.is_name_alone else "(its name)", "; ".join(each.texts[:2]))
        for each in classes
    ]
    return table(("class", "prompts", "read as"), rows)


def _report_text(report: PromptReport) -> str:
    low_high = f" (95 %: {report.interval[0]:.1%} to {report.interval[1]:.1%})" if report.interval else ""
    lines = [
        f"{report.backbone}, templates {report.templates}: {report.measure} {report.accuracy:.1%}{low_high} "
        f"on {report.pictures:,} labelled pictures; by the classes' names alone {report.by_names:.1%}.",
        "Templates: " + ", ".join(f"{name} {share:.1%}" for name, share in report.by_templates.items()),
        "",
    ]
    rows = []
    for each in report.classes:
        recall = "" if each.recall is None else f"{each.recall:.1%}"
        words = "all together" if len(each.lines) > 1 else "".join(line.line for line in each.lines)
        words = "(its name)" if each.is_name_alone else words
        rows.append((each.class_name, words, f"{each.pictures:,}", recall, "", each.taken_for))
        if len(each.lines) > 1:
            rows += [("", line.line, "", f"{line.recall:.1%}", f"{line.accuracy:.1%}", "") for line in each.lines]
    header = ("class", "prompt", "pictures", "of the class right", "of all right", "mostly taken for")
    return "\n".join([*lines, table(header, rows)])
