"""What the project page has done in tasks: looking at a source, importing, splitting, fetching, drawing a sample.

Everything heavy is imported inside, so in the task's thread. `Project` may be used from any thread (its changes queue).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from visionft.events import OnEvent, Progress, ShouldStop

SAMPLE_FOLDER = "sample pictures"  # of a sample project, in its folder

if TYPE_CHECKING:
    from visionft.project.edits.import_changes import FileFacts
    from visionft.project.formats.listing import ColumnChoice
    from visionft.project.importing.import_filter import ClassMap
    from visionft.project.importing.importer import ImportReport
    from visionft.project.importing.preview import ImportPreview
    from visionft.project.splits import SplitReport
    from visionft.project.store import Project
    from visionft.public_sets import PublicSet


def preview_pictures(
    project: "Project | None",
    source: Path,
    *,
    choice: "ColumnChoice",
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> "ImportPreview | None":
    """Look at everything a source offers, without writing."""
    from visionft.project.importing.preview import preview_source

    return preview_source(source, project, choice=choice, on_event=on_event, should_stop=should_stop)


def import_pictures(
    project: "Project",
    source: Path,
    *,
    copy: bool,
    choice: "ColumnChoice",
    class_map: "ClassMap | None" = None,
    known_facts: "Mapping[Path, FileFacts] | None" = None,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> "ImportReport":
    """Import pictures, after a preview with what it read."""
    from visionft.project.importing.importer import import_source

    return import_source(
        project,
        source,
        copy=copy,
        class_map=class_map,
        known_facts=known_facts,
        choice=choice,
        accepts_unlabelled=choice.is_unlabelled,
        on_event=on_event,
        should_stop=should_stop,
    )


def split_pictures(
    project: "Project",
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> "SplitReport":
    """Divide the labelled pictures into training, validation and test; takes a moment and cannot be stopped."""
    from visionft.project.splits import assign_splits

    on_event(Progress(stage="Splitting", done=0, total=0))
    return assign_splits(project, val=val, test=test, seed=seed)


def fetch_public_set(wanted: "PublicSet", folder: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> Path | None:
    """Fetch a public set of pictures; return the file that lists them, None when it was stopped."""
    on_event(Progress(stage="Loading the learning libraries", done=0, total=0))
    from visionft.public_sets import fetch_set

    return fetch_set(wanted, folder, on_event=on_event, should_stop=should_stop)


def make_sample(project: "Project", *, on_event: OnEvent, should_stop: ShouldStop) -> "ImportReport | None":
    """Draw the sample pictures inside a new project, import and split them.

    Stopped while it draws, it leaves nothing and returns None.
    """
    from resources.samples import generate_samples
    from visionft.project.importing.importer import import_source
    from visionft.project.splits import assign_splits

    pictures = project.path / SAMPLE_FOLDER
    generate_samples(
        pictures,
        on_picture=lambda done, total: on_event(Progress(stage="Drawing sample pictures", done=done, total=total)),
        should_stop=should_stop,
    )
    if should_stop():
        shutil.rmtree(pictures, ignore_errors=True)
        return None
    report = import_source(project, pictures, copy=False, on_event=on_event, should_stop=should_stop)
    if not report.stopped:
        assign_splits(project)
    return report
