"""`visionft project set`: which part and values of its images a project uses."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Option

from models.catalog import DEFAULT_BACKBONE
from visionft.api import Project
from visionft.cli.arguments import MAX_COUNT, BackboneName, Device, Json, ProjectDir
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.core.errors import ConfigError, VisionFTError
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.project import image_window
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.image_window import WindowChoice

if TYPE_CHECKING:
    from visionft.training.framing_choice import FramingChoice


def set_(
    project: ProjectDir,
    framing: Annotated[
        str,
        Option(
            metavar="FRAMING",
            help="What networks see: centre, whole, a region (left,top,right,bottom, as 0.1,0.2,0.9,0.8), measure "
            "(on the labelled images) or auto (measured by the first training of a preset).",
        ),
    ] = "",
    image_size: Annotated[
        int,
        Option(metavar="PIXELS", min=0, max=MAX_COUNT, help="With a framing of your own: side of the networks' input."),
    ] = 0,
    backbone: BackboneName = "",
    device: Device = "auto",
    window: Annotated[
        str,
        Option(
            metavar="WINDOW",
            help="The values that become black and white: LOW,HIGH (three with ; for three channels), measure (on at "
            "most 200 images) or stored (as the files have them).",
        ),
    ] = "",
    plane: Annotated[str, Option(metavar="PLANE", help="Of a stack: first, middle, max, or its number.")] = "",
    channels: Annotated[
        str, Option(metavar="R,G,B", help="Channels in red, green and blue, by name or number; one alone is grey.")
    ] = "",
    json: Json = False,
) -> None:
    """Show, measure or choose which part and which values of its images a project uses.

    Presets train with the framing. The window, plane and channels are for images of more than 8 bits, stacks and
    channels; the first import measures them. Runs and exports keep their own.
    """
    if image_size and framing in ("", "measure", "auto"):
        raise VisionFTError("The options contradict each other.", "Give the size with a framing of your own.")
    if window in ("measure", "stored") and (plane or channels):
        raise VisionFTError("The options contradict each other.", "Measure, or give what to use.")
    with opened_project(project, read_only=not (framing or window or plane or channels)) as opened:
        seen = _choose_framing(opened, framing, image_size, backbone, device)
        values = _choose_window(opened, window, plane, channels)
        lines = [
            f"Framing: {_framing_text(opened, seen)}",
            f"Values: {image_window.choice_text(values) if values else image_window.reading_text(AS_STORED)}",
        ]
    print_result({"framing": seen, "window": values}, "\n".join(lines), as_json=json)


def _choose_framing(
    opened: Project, wanted: str, image_size: int, backbone: str, device: str
) -> "FramingChoice | None":
    """Choose or measure the framing if asked to, and return the choice, or None."""
    from visionft.training import framing_choice as choices
    from visionft.training.config.checks import config_problems, region_problems
    from visionft.training.config.train_config import Framing, TrainConfig

    snapshot = opened.snapshot()
    if not wanted:
        return choices.read_framing(opened.path, snapshot)
    config = TrainConfig(backbone=backbone or DEFAULT_BACKBONE, method="linear", device=device, framing="auto")
    own = None
    choice = None
    if wanted == "measure":
        with running_job() as job:
            measured = replace(config, try_networks=not backbone)
            choice = choices.measure_framing(opened.path, snapshot, measured, job=job)
    elif wanted == "auto":
        choices.forget_measured(opened.path)
    else:
        kind, region = (wanted, "") if wanted in ("centre", "whole") else ("region", wanted)
        own = Framing(framing=kind, region=region, image_size=image_size)
        chosen = own.applied(config)
        if found := config_problems(chosen) or region_problems(chosen, snapshot):
            raise ConfigError(found)
        choice = choices.FramingChoice(framing=own)
    opened.apply(choices.choose_framing(own))
    return choice


def _framing_text(opened: Project, choice: "FramingChoice | None") -> str:
    from visionft.features.feature_spec import with_aspect
    from visionft.training import framing_choice as choices
    from visionft.training.config.train_config import TrainConfig

    if choice is None:
        return "nothing is chosen; the first training of a preset measures it."
    if choice.is_own:
        config = choice.framing.applied(TrainConfig(backbone=DEFAULT_BACKBONE, method="linear", framing="auto"))
        shape = with_aspect(config, opened.snapshot()).input_shape
        return f"chosen by you: {choices.framing_text(choice.framing, shape)}."
    rows = [
        (
            choices.network_and_framing_text(each.backbone, choices.framing_text(each.framing, each.shape)),
            f"{each.accuracy:.1%}" if each.accuracy is not None else "",
            f"{each.images:,}" if each.images else "",
            f"{each.milliseconds:.0f} ms",
            "chosen" if each == choice.chosen else "",
        )
        for each in choice.trials
    ]
    header = ("the network sees", "held-out accuracy", "images", "an image", "")
    return f"{choices.choice_text(choice)}\n{table(header, rows)}"


def _choose_window(opened: Project, window: str, plane: str, channels: str) -> WindowChoice | None:
    """Choose or measure window, plane and channels, where any are wanted, and return the choice of the project."""
    choice = opened.window
    if not (window or plane or channels):
        return choice
    if window == "stored":
        opened.apply(ChooseWindow(None))
        return None
    wanted = None
    if window != "measure":
        now = choice.reading if choice is not None else AS_STORED
        wanted = ImageReading(window=window or now.window, plane=plane or now.plane, channels=channels or now.channels)
        if not wanted.is_valid:
            hint = "Give the window as 400,1300; the plane as first, middle, max or a number; channels with commas."
            raise VisionFTError("This is no window, plane or list of channels.", hint)
    with running_job() as job:
        found = image_window.measure_window([image.path for image in opened.snapshot().images], wanted, job=job)
    choice = image_window.require_window(found)
    if window and wanted is not None:
        choice = replace(choice, reading=wanted)
    opened.apply(ChooseWindow(choice))
    return choice
