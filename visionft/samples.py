"""The samples that come with the program: real photographs, and pictures that it draws. Either fills a new project."""

import shutil
from pathlib import Path
from typing import Literal

from resources.photographs import PHOTOGRAPHS
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.project.importing.archives import extract_zip
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

Sample = Literal["photographs", "drawn"]
FOLDER = "sample pictures"  # within the project, where they keep their names
DRAWN_PER_CLASS = 40
SEED = 0


def fill_with_sample(
    project: Project,
    sample: Sample = "photographs",
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> ImportReport | None:
    """Put a sample's pictures into the folder of a new project, import and split them.

    Returns:
        What was imported; None when it was stopped before that, and nothing is left.
    """
    pictures = project.path / FOLDER
    pictures.mkdir()
    if sample == "photographs":
        extract_zip(PHOTOGRAPHS, pictures, on_event=on_event, should_stop=should_stop)
    else:
        _draw(pictures, on_event, should_stop)
    if should_stop():
        shutil.rmtree(pictures, ignore_errors=True)
        return None
    report = import_source(project, pictures, on_event=on_event, should_stop=should_stop)
    if not report.stopped:
        assign_splits(project, seed=SEED)
    return report


def _draw(pictures: Path, on_event: OnEvent, should_stop: ShouldStop) -> None:
    from resources.samples import generate_samples

    generate_samples(
        pictures,
        per_class=DRAWN_PER_CLASS,
        seed=SEED,
        on_picture=lambda done, total: on_event(Progress(stage="Drawing sample pictures", done=done, total=total)),
        should_stop=should_stop,
    )
