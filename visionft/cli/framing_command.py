"""`visionft project framing`: the part and size of the images that the networks of a project see."""

from dataclasses import replace
from typing import Annotated

from typer import Option

from models.catalog import DEFAULT_BACKBONE
from visionft.cli.arguments import MOST, BackboneName, Device, Json, ProjectDir
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.errors import ConfigError, VisionFTError
from visionft.training.config.checks import config_problems, region_problems
from visionft.training.config.train_config import TrainConfig


def framing(
    project: ProjectDir,
    measure: Annotated[bool, Option("--measure", help="Measure it on the labelled images, and keep the best.")] = False,
    use: Annotated[
        str, Option(metavar="FRAMING", help="centre, whole, or a region: left,top,right,bottom, as 0.1,0.2,0.9,0.8.")
    ] = "",
    image_size: Annotated[
        int, Option(metavar="PIXELS", min=0, max=MOST, help="With --use: of a square of as many pixels.")
    ] = 0,
    forget: Annotated[bool, Option("--forget", help="Measure it at the next training.")] = False,
    backbone: BackboneName = "",
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Show, measure or choose what the networks of a project see of its images.

    Presets train with it. Without a choice the first training of a preset measures one.
    """
    from visionft.features.framing import with_aspect
    from visionft.training import framing_choice as choices
    from visionft.training.config.train_config import Framing

    if measure + forget + bool(use) > 1 or (image_size and not use):
        raise VisionFTError("The options contradict each other.", "Give --measure, --forget, or --use with a size.")
    config = TrainConfig(backbone=backbone or DEFAULT_BACKBONE, method="linear", device=device, framing="auto")
    config = replace(config, try_networks=not backbone)
    with opened_project(project, read_only=not (measure or forget or use)) as opened:
        snapshot = opened.snapshot()
        folder = opened.path
        choice = choices.read_framing(folder, snapshot)
        if measure:
            with running_job() as job:
                choice = choices.measure_framing(folder, snapshot, config, job=job)
            opened.apply(choices.choose_framing(None))
        elif forget:
            opened.apply(choices.choose_framing(None))
            choices.forget_measured(folder)
            choice = None
        elif use:
            kind, region = (use, "") if use in ("centre", "whole") else ("region", use)
            own = Framing(framing=kind, region=region, image_size=image_size)
            chosen = own.applied(config)
            if found := config_problems(chosen) or region_problems(chosen, snapshot):
                raise ConfigError(found)
            choice = choices.FramingChoice(framing=own)
            opened.apply(choices.choose_framing(own))
    if choice is None:
        text = "Nothing is chosen: the first training of a preset measures it."
    elif choice.is_own:
        shape = with_aspect(choice.framing.applied(config), snapshot).input_shape
        text = f"Chosen by you: {choices.framing_text(choice.framing, shape)}."
    else:
        rows = [
            (
                choices.seen_by(each.backbone, choices.framing_text(each.framing, each.shape)),
                f"{each.accuracy:.1%}" if each.accuracy is not None else "",
                f"{each.images:,}" if each.images else "",
                f"{each.milliseconds:.0f} ms",
                "chosen" if each == choice.chosen else "",
            )
            for each in choice.trials
        ]
        header = ("the network sees", "held-out accuracy", "images", "an image", "")
        text = f"{choices.choice_text(choice)}\n{table(header, rows)}"
    print_result({"choice": choice}, text, as_json=json)
