"""The samples that come with the program: real photographs, and pictures that it draws. Either fills a new project."""

import shutil
from typing import Literal

from resources.photographs import PHOTOGRAPHS
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

Sample = Literal["photographs", "drawn"]
SEED = 0


def fill_with_sample(
    project: Project,
    sample: Sample = "photographs",
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> ImportReport | None:
    """Import a sample's pictures into a new project, which keeps its own copy of them, and split them.

    Returns:
        What was imported; None when it was stopped while it drew, and nothing was.
    """
    if sample == "photographs":
        report = import_source(project, PHOTOGRAPHS, on_event=on_event, should_stop=should_stop)
    else:
        report = _import_drawn(project, on_event, should_stop)
    if report is not None and not report.stopped:
        assign_splits(project, seed=SEED)
    return report


def _import_drawn(project: Project, on_event: OnEvent, should_stop: ShouldStop) -> ImportReport | None:
    """Draw the pictures inside the project and import them; stopped while it draws, it leaves nothing."""
    from resources.samples import generate_samples

    pictures = project.path / "sample pictures"
    generate_samples(
        pictures,
        seed=SEED,
        on_picture=lambda done, total: on_event(Progress(stage="Drawing sample pictures", done=done, total=total)),
        should_stop=should_stop,
    )
    if should_stop():
        shutil.rmtree(pictures, ignore_errors=True)
        return None
    return import_source(project, pictures, on_event=on_event, should_stop=should_stop)
