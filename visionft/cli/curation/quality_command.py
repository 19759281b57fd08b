"""`visionft quality`: which pictures are blurred, dark, empty, odd or damaged."""

from typing import Annotated

import typer

from visionft.cli.curation.findings import FINDING, flagged, look, print_findings
from visionft.cli.output import Json, ProjectDir, opened_project
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.project.edits.changes import RemoveImages
from visionft.project.edits.image_changes import TagImages
from visionft.project.names import count_of
from visionft.project.store import Project


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("quality")(quality)


@prints([FINDING])
def quality(
    project: ProjectDir,
    kind: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="Only one kind: blur, dark, bright, flat, blank, grey, shape, size, damaged."
        ),
    ] = "",
    threshold: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Score from which a picture is listed; .5 unless you say.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take them out of the project; the files stay, undo brings them back.")
    ] = False,
    tag: Annotated[str, typer.Option(metavar="NAME", help="Give them a tag, to look at them later.")] = "",
    json: Json = False,
) -> None:
    """List pictures that are bad as pictures, the worst first; only new pictures take time."""
    from visionft.curation.quality.kinds import KINDS

    if kind and kind not in KINDS:
        raise VisionFTError(f"There is no kind “{kind}”.", f"There are {', '.join(KINDS)}.")
    with opened_project(project, read_only=not (remove or tag)) as opened:
        images, result = look(opened, "quality")
        findings = flagged(opened, images, result, threshold=threshold, kind=kind)
        done = _apply(opened, tuple(dict.fromkeys(each.image_id for each in findings)), remove=remove, tag=tag)
    note = f"{count_of(len(findings), 'finding')} in {count_of(result.looked_at, 'picture')}.{done}"
    print_findings(images, findings, note=note, as_json=json)


def _apply(project: Project, image_ids: tuple[int, ...], *, remove: bool, tag: str) -> str:
    """Tag or remove pictures, each a step that can be undone; return what was done as a sentence."""
    done = ""
    if tag and image_ids:
        project.apply(TagImages(image_ids, tag))
        done += f" {count_of(len(image_ids), 'picture')} got the tag “{tag}”."
    if remove and image_ids:
        project.apply(RemoveImages(image_ids))
        done += f" {count_of(len(image_ids), 'picture')} removed."
    return done
