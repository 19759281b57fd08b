"""The commands that look for what is wrong with a project's pictures; each prints what `visionft.curation` found."""

from typing import Annotated

import typer

from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result
from visionft.cli.schemas import prints
from visionft.project.names import count_of


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("embed")(embed)


@prints("visionft.features.embedding:EmbedReport")
def embed(
    project: ProjectDir,
    backbone: Annotated[
        str, typer.Option(metavar="NAME", help="Of which network; the default one is ImageNet's.")
    ] = "",
    image_size: Annotated[
        int, typer.Option(metavar="PIXELS", help="Side of its input; 0 takes the network's own.")
    ] = 0,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    json: Json = False,
) -> None:
    """Compute what a pretrained network sees in each picture; only pictures that are new take time."""
    from visionft.features.embedding import embed as compute

    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        report = compute(
            opened.path,
            opened.snapshot(),
            backbone=backbone,
            size=image_size,
            device=device,
            on_event=on_event,
            should_stop=should_stop,
        )
    text = (
        f"{count_of(report.known + report.added, 'picture')} have {report.width} numbers each of {report.backbone} at "
        f"{report.size} pixels, {report.added} of them new."
    )
    for path, reason in report.unreadable:
        text += f"\n  {path}: {reason}"
    print_result(report, text, as_json=json)
