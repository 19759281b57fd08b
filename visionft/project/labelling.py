"""Labelling by file path, as the command line does."""

import os
from collections.abc import Iterable
from pathlib import Path

from visionft.errors import NextStep, ProjectError
from visionft.files import is_file, sha256_file
from visionft.foreign_text import is_unicode
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import LabelImages
from visionft.project.store import Project


def label_files(project: Project, class_name: str, paths: Iterable[Path]) -> Effects:
    """Give the pictures at `paths` a class, which is created when it is new; one step of the history.

    Raises:
        ProjectError: A picture is not in the project. Nothing was changed.
    """
    return project.apply(LabelImages(tuple(find_image(project, path) for path in paths), class_name))


def find_image(project: Project, path: Path) -> int:
    """Return the id of the picture at `path`, or of the one with the same content (copied in, moved, a duplicate).

    Raises:
        ProjectError: There is no such file, or it is not in the project.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  (resolves "..", and keeps links as the user named them)
    place = project.roots().containing(absolute) if is_unicode(absolute) else None
    with project.reading() as connection:
        query = "SELECT id FROM image WHERE removed_at IS NULL AND "
        row = connection.execute(query + "root_id = ? AND path = ?", place).fetchone() if place else None
        if row is None:
            if not is_file(absolute):
                raise ProjectError(f"{path} does not exist, or may not be seen.", "Check the path and its permissions.")
            row = connection.execute(query + "sha256 = ? ORDER BY id LIMIT 1", (sha256_file(absolute),)).fetchone()
    if row is None:
        step = NextStep("import_images", project=project.path, path=absolute.parent)
        raise ProjectError(f"{path} is not in the project.", "Import it first.", step)
    return int(row[0])
