"""`visionft project window`: which values, plane and channels of its images a project shows."""

import dataclasses
from typing import Annotated

from typer import Option

from visionft.cli.arguments import Json, ProjectDir
from visionft.cli.output import opened_project, print_result, running_job
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.errors import VisionFTError
from visionft.project import image_window
from visionft.project.edits.setting_changes import ChooseWindow


def window(
    project: ProjectDir,
    measure: Annotated[bool, Option("--measure", help="Measure it on at most 200 images.")] = False,
    use: Annotated[
        str, Option(metavar="LOW,HIGH", help="The values that become black and white; three with ; for three channels.")
    ] = "",
    plane: Annotated[str, Option(metavar="PLANE", help="Of a stack: first, middle, max, or its number.")] = "",
    channels: Annotated[
        str, Option(metavar="R,G,B", help="Channels in red, green and blue, by name or number; one alone is grey.")
    ] = "",
    forget: Annotated[bool, Option("--forget", help="Read the images as they are stored.")] = False,
    json: Json = False,
) -> None:
    """Show, measure or choose how the images of a project are read: window, plane and channels.

    It is for images of more than 8 bits, stacks and channels. The first import measures it. Runs and exports keep
    the reading that they were trained with.
    """
    has_own = bool(use or plane or channels)
    if measure + forget + has_own > 1:
        raise VisionFTError("The options contradict each other.", "Give --measure, --forget, or what to use.")
    with opened_project(project, read_only=not (forget or measure or has_own)) as opened:
        choice = opened.window
        paths = [image.path for image in opened.snapshot().images]
        if forget:
            choice = None
            opened.apply(ChooseWindow(None))
        elif measure or has_own:
            wanted = _wanted(choice.reading if choice is not None else AS_STORED, use, plane, channels)
            with running_job() as job:
                found = image_window.measure_window(paths, wanted if has_own else None, job=job)
            choice = image_window.require_some(found)
            if use:
                choice = dataclasses.replace(choice, reading=wanted)
            opened.apply(ChooseWindow(choice))
    text = image_window.choice_text(choice) if choice else image_window.reading_text(AS_STORED)
    print_result({"choice": choice}, text, as_json=json)


def _wanted(now: ImageReading, use: str, plane: str, channels: str) -> ImageReading:
    """Return the reading that the options ask for; what they do not name stays as it is now."""
    found = ImageReading(window=use or now.window, plane=plane or now.plane, channels=channels or now.channels)
    if not found.is_valid:
        hint = "Give --use 400,1300; --plane first, middle, max or a number; --channels as three names with commas."
        raise VisionFTError("This is no window, plane or list of channels.", hint)
    return found
