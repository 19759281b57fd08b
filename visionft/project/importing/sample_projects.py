"""The sample project: bundled photographs that fill a new project."""

import shutil

from resources.photographs import PHOTOGRAPHS
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.project.importing.archives import unpack
from visionft.project.importing.importer import ImportReport, import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore

SAMPLE_FOLDER = "sample images"  # subfolder of the project


def fill_with_sample(project: ProjectStore, *, job: JobContext = SILENT_JOB) -> ImportReport | None:
    """Unpack the sample images into a new project, import and split them.

    Returns:
        The import report; None when cancelled before the import, without leftover files.
    """
    images = project.path / SAMPLE_FOLDER
    images.mkdir()
    unpack(PHOTOGRAPHS, images, job=job)
    if job.is_cancelled:
        shutil.rmtree(images, ignore_errors=True)
        return None
    report = import_source(project, images, job=job)
    if not report.stopped:
        assign_splits(project)
    return report
