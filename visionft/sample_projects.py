"""The bundled samples: real photographs, and generated images. Either fills a new project."""

import shutil
from pathlib import Path
from typing import Literal

from resources.photographs import PHOTOGRAPHS
from visionft.events import Progress
from visionft.jobs import SILENT, JobContext
from visionft.project.importing.archives import unpack
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

Sample = Literal["photographs", "drawn"]
FOLDER = "sample images"  # within the project, where they keep their names
DRAWN_PER_CLASS = 40
SEED = 0


def fill_with_sample(
    project: Project, sample: Sample = "photographs", *, job: JobContext = SILENT
) -> ImportReport | None:
    """Put a sample's images into the folder of a new project, import and split them.

    Returns:
        The import report; None when cancelled before the import, and nothing is left.
    """
    images = project.path / FOLDER
    images.mkdir()
    if sample == "photographs":
        unpack(PHOTOGRAPHS, images, job=job)
    else:
        _draw(images, job)
    if job.is_cancelled:
        shutil.rmtree(images, ignore_errors=True)
        return None
    report = import_source(project, images, job=job)
    if not report.stopped:
        assign_splits(project, seed=SEED)
    return report


def _draw(images: Path, job: JobContext) -> None:
    from resources.samples import generate_samples

    generate_samples(
        images,
        per_class=DRAWN_PER_CLASS,
        seed=SEED,
        on_image=lambda done, total: job.report(Progress(stage="Drawing sample images", done=done, total=total)),
        should_stop=job.cancelled,
    )
